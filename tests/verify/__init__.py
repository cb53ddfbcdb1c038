"""Tests of specs, which are run for real."""
