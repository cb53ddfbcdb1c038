"""Writes the results of runs as JUnit XML for CI engines, and as tables for people."""
