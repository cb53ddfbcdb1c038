"""Tests of infraci/plan."""
