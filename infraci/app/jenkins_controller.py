"""The controller that a repository's settings name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from infraci import git
from infraci.errors import UsageError
from infraci.jenkins.settings import load_settings


def open_controller(
    *, url: str | None = None, user: str | None = None, folder: str | None = None
) -> Any:
    """The :class:`infraci.jenkins.controller.Controller` of the repository we are in.

    It is not imported before it is needed: agents have no jenkinsapi, and hooks no time.
    """
    settings = load_settings(git.find_git_dir(Path.cwd()), url=url, user=user, folder=folder)
    try:
        from infraci.jenkins.controller import Controller
    except ModuleNotFoundError as error:
        raise UsageError(
            f"cannot talk to Jenkins: {error.name} is not installed",
            hint="pip install 'infraci[jenkins]'",
        ) from error
    return Controller(settings)


def controller_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--url, --user and --folder."""
    for option in (
        click.option("--folder", metavar="NAME", help="Jenkins' folder; called as the repository."),
        click.option("--user", metavar="NAME", help="Who logs in; JENKINS_USER_ID."),
        click.option("--url", metavar="URL", help="The controller's; JENKINS_URL."),
    ):
        function = option(function)
    return function
