"""Tests of infraci/progress."""
