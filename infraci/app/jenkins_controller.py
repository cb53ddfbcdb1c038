"""What the sub-verbs of ``infraci jenkins`` share: the controller, commits and jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from infraci import git
from infraci.errors import UsageError
from infraci.jenkins.settings import load_settings

#: What a job can be called after.
JOBS = ("commit", "hourly", "nightly")


def open_controller(
    *, url: str | None = None, user: str | None = None, folder: str | None = None
) -> Any:
    """The :class:`infraci.jenkins.controller.Controller` of the repository we are in.

    It is imported only now: agents have no jenkinsapi, and hooks have to be fast.
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


def job_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--job."""
    return click.option(
        "--job",
        type=click.Choice(JOBS),
        default="commit",
        help='Which job; "commit" by default.',
    )(function)


def sha_of(revision: str) -> str:
    """The SHA of a revision of the repository we are in."""
    return git.resolve(git.repository_root(Path.cwd()), revision).sha


def schedules_of(tree: Path) -> set[Any]:
    """The schedules that the tree's pipelines have; that of commits always."""
    from infraci.model.decode import load_pipelines
    from infraci.model.pipeline import Schedule

    schedules = {schedule for pipeline in load_pipelines(tree) for schedule in pipeline.schedule}
    return {Schedule.COMMIT, *schedules}
