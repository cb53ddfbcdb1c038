"""Tests of what is told of a cloud before anything is made there."""
