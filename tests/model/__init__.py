"""Tests of what infraci knows."""
