"""What can go wrong with a controller."""

from __future__ import annotations

from infraci.errors import InfraciError


class JenkinsError(InfraciError):
    """A controller could not be reached, or would not do what was asked."""


class JenkinsAwayError(JenkinsError):
    """It does not answer, or not now: later it may."""


class NoSuchJobError(JenkinsError):
    """There is no such job, folder or build (any more)."""
