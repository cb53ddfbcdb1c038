"""Tests of infraci/commands."""
