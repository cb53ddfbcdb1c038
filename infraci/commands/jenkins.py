"""``infraci jenkins``: a controller's jobs, builds and results.

A group's commands import the room when they are run: ``infraci jenkins pipelines``, which agents
run, wants no jenkinsapi.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from infraci import git
from infraci.app.checkout import open_source
from infraci.app.jenkins_controller import controller_options, open_controller
from infraci.base.invocation import invocation
from infraci.base.terminal import say
from infraci.commands.jenkins_builds import results, trigger, watch
from infraci.errors import ExitCode, UsageError


@click.group("jenkins", short_help="Set a Jenkins controller up, have commits built, see results.")
def command() -> None:
    """Set a Jenkins controller up, have commits built, see results.

    Which controller, and as whom: JENKINS_URL, JENKINS_USER_ID, and JENKINS_API_TOKEN or
    JENKINS_API_TOKEN_FILE; or git's config, as docs/jenkins.md tells.
    """


for _command in (trigger, watch, results):
    command.add_command(_command)


@command.command("setup")
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
    with open_source(quiet=True) as source:
        jenkinsfile = source.tree / JENKINSFILE
        if not jenkinsfile.is_file():
            raise UsageError(
                f"cannot set up: the commit has no {JENKINSFILE} at its top",
                hint=f"{invocation('jenkins', 'jenkinsfile')} > {JENKINSFILE}, and commit it",
            )
        schedules = _schedules(source.tree)
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
    wanted = [*filter(None, [git_credentials]), "infraci-clouds-yaml", "infraci-ssh-key"]
    for name in controller.missing_credentials(wanted):
        say(f"note: Jenkins has no credentials called {name} (docs/jenkins.md)", err=True)
    return ExitCode.PASSED


@command.command("prune")
@controller_options
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
def prune(url: str | None, user: str | None, folder: str | None, dry_run: bool) -> None:
    """Delete the jobs that infraci made, and whose schedule no pipeline has any more.

    Their builds go with them.
    """
    from infraci.jenkins import setup as room

    controller = open_controller(url=url, user=user, folder=folder)
    with open_source(quiet=True) as source:
        schedules = _schedules(source.tree)
    for change in room.superfluous(controller, schedules):
        say(f"{change.verb} {controller.url(change.job)}")
        if not dry_run:
            room.carry_out(controller, change)


@command.command("alert")
@controller_options
@click.option("--branch", "branches", multiple=True, default=["main"], help="Repeatable; main.")
@click.option("--smtp", metavar="URL", help="smtp://[USER@]HOST[:PORT], or smtps://….")
@click.option("--from", "sender", metavar="ADDRESS", default="infraci@localhost", help="Mail's.")
@click.option("--to", "addresses", metavar="ADDRESS", multiple=True, help="Repeatable.")
@click.option("--author", is_flag=True, help="Mail the commit's author, too.")
@click.option(
    "--webhooks",
    "webhooks_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help='A file with lines "FORMAT URL"; formats are json, slack and teams.',
)
@click.option("--dry-run", is_flag=True, help="Only print what would be sent.")
def alert(
    url: str | None,
    user: str | None,
    folder: str | None,
    branches: Sequence[str],
    smtp: str | None,
    sender: str,
    addresses: Sequence[str],
    author: bool,
    webhooks_file: Path | None,
    dry_run: bool,
) -> None:
    """Tell people of first failures and of recoveries that they do not know of yet.

    To be run again and again, as by cron, in the repository that has the hook, or in a clone. It
    goes through each branch's commits in their order, whatever order their builds end in.
    """
    from infraci.commands import jenkins_alert as room
    from infraci.jenkins.results import results_of_all

    told = room.receivers(
        smtp=smtp,
        sender=sender,
        addresses=addresses,
        is_author_told=author,
        webhooks_file=webhooks_file,
    )
    controller = open_controller(url=url, user=user, folder=folder)

    def known(shas: Sequence[str]) -> Any:
        return results_of_all(controller, shas, ["commit"])

    def show(alerts: Sequence[Any]) -> None:
        for one in alerts:
            say(one.text)

    git_dir = git.find_git_dir(Path.cwd())
    if dry_run:
        room.preview(git_dir, branches, known, show)
    else:
        room.alert_all(git_dir, branches, known, told.tell)


@command.command("pipelines")
@click.argument("names", metavar="[PIPELINE]...", nargs=-1)
def pipelines(names: Sequence[str]) -> None:
    """Print which pipelines HEAD has, and whether they vote; the Jenkinsfile asks this.

    @commit, @hourly and @nightly name those with that schedule.
    """
    from infraci.model.decode import load_pipelines

    with open_source(quiet=True) as source:
        for pipeline in load_pipelines(source.tree, names):
            say(f"{pipeline.name} {'voting' if pipeline.voting else 'non-voting'}")


@command.command("jenkinsfile")
def jenkinsfile() -> None:
    """Print a Jenkinsfile to commit at the repository's top."""
    from importlib.resources import files

    say(files("infraci.jenkins").joinpath("Jenkinsfile").read_text().removesuffix("\n"))


def _schedules(tree: Path) -> set[Any]:
    """The schedules that the tree's pipelines have; that of commits always."""
    from infraci.model.decode import load_pipelines
    from infraci.model.pipeline import Schedule

    found = {schedule for pipeline in load_pipelines(tree) for schedule in pipeline.schedule}
    return {Schedule.COMMIT, *found}


def _origin(git_dir: Path) -> str:
    try:
        return git.run_in_git_dir(git_dir, "remote", "get-url", "origin").strip()
    except git.GitError as error:
        raise UsageError(
            "cannot set up: it is not known where agents can clone the repository from",
            hint="say --repository URL, or `git remote add origin URL`",
        ) from error
