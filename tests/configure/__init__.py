"""Tests of configure steps."""
