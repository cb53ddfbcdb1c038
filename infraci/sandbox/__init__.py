"""Runs a commit's programs unprivileged: they see few files, no network, and have limits."""
