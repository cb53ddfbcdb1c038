"""Runs against real APIs that misbehave on the way."""
