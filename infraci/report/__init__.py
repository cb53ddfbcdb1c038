"""What is left of a run for people and CI engines to read."""
