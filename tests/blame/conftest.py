"""Repositories, as for the history."""

from __future__ import annotations

from tests.history.conftest import _own_git_settings, repository

__all__ = ["_own_git_settings", "repository"]  # fixtures
