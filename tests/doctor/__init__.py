"""Tests of the checks of a cloud before a run."""
