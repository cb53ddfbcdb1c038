"""Tests of infraci/heat."""
