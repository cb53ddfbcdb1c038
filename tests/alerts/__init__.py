"""Tests of alerts: which are due, and how they are sent."""
