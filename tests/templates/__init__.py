"""Tests of what Heat is sent."""
