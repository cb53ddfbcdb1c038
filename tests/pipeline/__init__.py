"""Tests of infraci/pipeline."""
