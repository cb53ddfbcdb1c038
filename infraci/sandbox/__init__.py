"""Runs a commit's programs without rights: few files, no network, limits."""
