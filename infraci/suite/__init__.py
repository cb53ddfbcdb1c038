"""Pytest on a stack of its own: ``pytest --infraci PIPELINE``."""
