"""Errors of a controller."""

from __future__ import annotations

from infraci.errors import InfraciError


class JenkinsError(InfraciError):
    """A controller cannot be reached, or refuses a request."""


class JenkinsAwayError(JenkinsError):
    """A controller does not answer for now."""


class NoSuchJobError(JenkinsError):
    """There is no such job, folder or build (any more)."""
