"""Reports of runs: JUnit XML for CI engines, tables for people."""
