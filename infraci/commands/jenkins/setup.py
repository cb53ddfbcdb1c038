"""``infraci jenkins setup``: the folder and the jobs."""

from __future__ import annotations

from pathlib import Path

import click

from infraci import git
from infraci.app.checkout import open_checkout
from infraci.app.jenkins_controller import controller_options, open_controller, schedules_of
from infraci.base.invocation import invocation
from infraci.base.terminal import say
from infraci.errors import ExitCode, UsageError


@click.command("setup")
@controller_options
@click.option("--repository", metavar="URL", help="Where agents clone it from; origin's URL.")
@click.option("--branch", default="main", help="Whose Jenkinsfile and newest commit are taken.")
@click.option(
    "--git-credentials",
    metavar="ID",
    default="",
    help="Jenkins' credentials for the repository, by their ID.",
)
@click.option("--dry-run", is_flag=True, help="Only print the difference.")
def setup(
    url: str | None,
    user: str | None,
    folder: str | None,
    repository: str | None,
    branch: str,
    git_credentials: str,
    dry_run: bool,
) -> int:
    """Make the folder and the jobs, or make them what they should be.

    A job for every commit, and one for each schedule that a pipeline has. Prints what differs;
    what Jenkins or people have added to a job stays.
    """
    from infraci.jenkins import setup as room
    from infraci.jenkins.configuration import JENKINSFILE, Origin

    controller = open_controller(url=url, user=user, folder=folder)
    with open_checkout(quiet=True) as checkout:
        jenkinsfile = checkout.tree / JENKINSFILE
        if not jenkinsfile.is_file():
            raise UsageError(
                f"cannot set up: the commit has no {JENKINSFILE} at its top",
                hint=f"{invocation('jenkins', 'jenkinsfile')} > {JENKINSFILE}, and commit it",
            )
        schedules = schedules_of(checkout.tree)
        wrong = controller.validate(jenkinsfile.read_text())
    if wrong is not None:
        raise UsageError(f"cannot set up: Jenkins finds the {JENKINSFILE} wrong:\n{wrong}")
    origin = Origin(
        url=repository or _origin(git.find_git_dir(Path.cwd())),
        branch=branch,
        credentials=git_credentials,
    )
    changes = []
    for change in room.changes(controller, schedules, origin):
        changes.append(change)
        say(f"{change.verb} {controller.url(change.job)}")
        say(change.difference)
        if not dry_run:
            room.carry_out(controller, change)
    if not changes:
        say("nothing to do: all is as it should be", err=True)
    names = [*filter(None, [git_credentials]), "infraci-clouds-yaml", "infraci-ssh-key"]
    for name in controller.missing_credentials(names):
        say(f"note: Jenkins has no credentials called {name} (docs/jenkins.md)", err=True)
    return ExitCode.PASSED


def _origin(git_dir: Path) -> str:
    try:
        return git.run_in_git_dir(git_dir, "remote", "get-url", "origin").strip()
    except git.GitError as error:
        raise UsageError(
            "cannot set up: it is not known where agents can clone the repository from",
            hint="say --repository URL, or `git remote add origin URL`",
        ) from error
