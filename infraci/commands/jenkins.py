"""``infraci jenkins``: a controller's jobs, builds and results.

A group's commands import the room when they are run: ``infraci jenkins pipelines``, which agents
run, wants no jenkinsapi.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from infraci import git
from infraci.commands.options import json_option
from infraci.commands.source import open_source
from infraci.errors import ExitCode, UsageError

#: What a job can be called after.
_JOBS = ("commit", "hourly", "nightly")


@click.group("jenkins", short_help="Set a Jenkins controller up, have commits built, see results.")
def command() -> None:
    """Set a Jenkins controller up, have commits built, see results.

    Which controller, and as whom: JENKINS_URL, JENKINS_USER_ID, and JENKINS_API_TOKEN or
    JENKINS_API_TOKEN_FILE; or git's config, as docs/jenkins.md tells.
    """


def _controller_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--folder", metavar="NAME", help="Jenkins' folder; called as the repository."),
        click.option("--user", metavar="NAME", help="Who logs in; JENKINS_USER_ID."),
        click.option("--url", metavar="URL", help="The controller's; JENKINS_URL."),
    ):
        function = option(function)
    return function


def _job_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--job", type=click.Choice(_JOBS), default="commit", help='Which job; "commit" by default.'
    )(function)


def _open(url: str | None, user: str | None, folder: str | None) -> Any:
    """The controller; Any, for its room is imported only when it is needed."""
    from infraci.jenkins.settings import find_git_dir, load_settings

    settings = load_settings(find_git_dir(Path.cwd()), url=url, user=user, folder=folder)
    try:
        from infraci.jenkins.controller import Controller
    except ModuleNotFoundError as error:
        raise UsageError(
            f"cannot talk to Jenkins: {error.name} is not installed",
            hint="pip install 'infraci[jenkins]'",
        ) from error
    return Controller(settings)


@command.command("setup")
@_controller_options
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
    from infraci.jenkins.settings import find_git_dir

    controller = _open(url, user, folder)
    with open_source(quiet=True) as source:
        jenkinsfile = source.tree / JENKINSFILE
        if not jenkinsfile.is_file():
            raise UsageError(
                f"cannot set up: the commit has no {JENKINSFILE} at its top",
                hint=f"infraci jenkins jenkinsfile > {JENKINSFILE}, and commit it",
            )
        schedules = _schedules(source.tree)
        wrong = controller.validate(jenkinsfile.read_text())
    if wrong is not None:
        raise UsageError(f"cannot set up: Jenkins finds the {JENKINSFILE} wrong:\n{wrong}")
    origin = Origin(
        url=repository or _origin(find_git_dir(Path.cwd())),
        branch=branch,
        credentials=git_credentials,
    )
    changes = []
    for change in room.changes(controller, schedules, origin):
        changes.append(change)
        click.echo(f"{change.verb} {controller.url(change.job)}")
        click.echo(change.difference)
        if not dry_run:
            room.carry_out(controller, change)
    if not changes:
        click.echo("nothing to do: all is as it should be", err=True)
    wanted = [*filter(None, [git_credentials]), "infraci-clouds-yaml", "infraci-ssh-key"]
    for name in controller.missing_credentials(wanted):
        click.echo(f"note: Jenkins has no credentials called {name} (docs/jenkins.md)", err=True)
    return ExitCode.PASSED


@command.command("prune")
@_controller_options
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
def prune(url: str | None, user: str | None, folder: str | None, dry_run: bool) -> None:
    """Delete the jobs that infraci made, and whose schedule no pipeline has any more.

    Their builds go with them.
    """
    from infraci.jenkins import setup as room

    controller = _open(url, user, folder)
    with open_source(quiet=True) as source:
        schedules = _schedules(source.tree)
    for change in room.superfluous(controller, schedules):
        click.echo(f"{change.verb} {controller.url(change.job)}")
        if not dry_run:
            room.carry_out(controller, change)


@command.command("trigger")
@click.argument("commits", metavar="COMMIT...", nargs=-1, required=True)
@_controller_options
@_job_option
@click.option("--pipelines", metavar="NAMES", default="", help="Those; by default the job's.")
@click.option("--cloud", metavar="NAME", default="", help="On this cloud; by default the job's.")
@click.option("--watch", is_flag=True, help="Wait for the builds; the worst is the exit status.")
def trigger(
    commits: Sequence[str],
    url: str | None,
    user: str | None,
    folder: str | None,
    job: str,
    pipelines: str,
    cloud: str,
    watch: bool,
) -> int:
    """Have commits built, in the order given."""
    from infraci.jenkins.watch import patient, watch_queued

    shas = [_sha(revision) for revision in commits]
    controller = _open(url, user, folder)
    more = {"PIPELINES": pipelines, "CLOUD": cloud}
    given = {name: value for name, value in more.items() if value}
    queued = []
    for sha in shas:
        queued.append(controller.trigger(job, {"COMMIT": sha, **given}))
        click.echo(f"{sha[:10]}: queued for {controller.url(job)}")
    if not watch:
        return ExitCode.PASSED
    deadline = patient(24)
    builds = [watch_queued(controller, q, say=_say, deadline=deadline) for q in queued]
    return max((build.exit_code for build in builds), default=ExitCode.PASSED)


@command.command("watch")
@click.argument("number", metavar="[BUILD]", type=int, required=False)
@_controller_options
@_job_option
def watch(
    number: int | None, url: str | None, user: str | None, folder: str | None, job: str
) -> int:
    """Follow a build and its stages until it has ended; the newest, if none is named.

    Exit status 0 for SUCCESS, 1 for UNSTABLE (a spec failed), 130 for ABORTED, else 125.
    """
    from infraci.jenkins.watch import patient
    from infraci.jenkins.watch import watch as follow

    controller = _open(url, user, folder)
    if number is None:
        newest = next(controller.builds(job), None)
        if newest is None:
            raise UsageError(
                f"cannot watch {job}: it has no build yet", hint="`infraci jenkins trigger HEAD`"
            )
        number = newest.number
    found: ExitCode = follow(controller, job, number, say=_say, deadline=patient(24)).exit_code
    return found


@command.command("results")
@click.argument("commits", metavar="COMMIT...", nargs=-1, required=True)
@_controller_options
@json_option
def results(
    commits: Sequence[str], url: str | None, user: str | None, folder: str | None, as_json: bool
) -> int:
    """Say what is known of commits, by the reports of their builds.

    The exit status is that of the worst commit, as for `infraci run`; 125 for one of which
    nothing is known.
    """
    from infraci.commands.jenkins_results import as_data, lines
    from infraci.jenkins.results import results_of_all

    shas = [_sha(revision) for revision in commits]
    controller = _open(url, user, folder)
    jobs = [job for job in controller.jobs() if job in _JOBS]
    found = results_of_all(controller, shas, jobs)
    if as_json:
        click.echo(json.dumps([as_data(found[sha]) for sha in shas], indent=2))
    else:
        for sha in shas:
            for line in lines(found[sha]):
                click.echo(line)
    codes = [v.exit_code if (v := found[s].verdict) else ExitCode.UNTESTABLE for s in shas]
    return min(codes, key=_WORST.index)


#: As `infraci run` has it: an interruption, then what blames a commit, then what blames nobody.
_WORST = (
    ExitCode.INTERRUPTED,
    ExitCode.FAILED,
    ExitCode.INVALID,
    ExitCode.UNTESTABLE,
    ExitCode.PASSED,
)


@command.command("alert")
@_controller_options
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
    from infraci.jenkins.settings import find_git_dir

    told = room.receivers(
        smtp=smtp,
        sender=sender,
        addresses=addresses,
        is_author_told=author,
        webhooks_file=webhooks_file,
    )
    controller = _open(url, user, folder)

    def results(shas: Sequence[str]) -> Any:
        return results_of_all(controller, shas, ["commit"])

    def show(alerts: Sequence[Any]) -> None:
        for one in alerts:
            click.echo(one.text)

    git_dir = find_git_dir(Path.cwd())
    if dry_run:
        room.preview(git_dir, branches, results, show)
    else:
        room.alert_all(git_dir, branches, results, told.tell)


@command.command("pipelines")
@click.argument("names", metavar="[PIPELINE]...", nargs=-1)
def pipelines(names: Sequence[str]) -> None:
    """Print which pipelines HEAD has, and whether they vote; the Jenkinsfile asks this.

    @commit, @hourly and @nightly name those with that schedule.
    """
    from infraci.model.decode import load_pipelines

    with open_source(quiet=True) as source:
        for pipeline in load_pipelines(source.tree, names):
            click.echo(f"{pipeline.name} {'voting' if pipeline.voting else 'non-voting'}")


@command.command("jenkinsfile")
def jenkinsfile() -> None:
    """Print a Jenkinsfile to commit at the repository's top."""
    from importlib.resources import files

    click.echo(files("infraci.jenkins").joinpath("Jenkinsfile").read_text(), nl=False)


def _schedules(tree: Path) -> set[Any]:
    """The schedules that the tree's pipelines have; that of commits always."""
    from infraci.model.decode import load_pipelines
    from infraci.model.pipeline import Schedule

    found = {schedule for pipeline in load_pipelines(tree) for schedule in pipeline.schedule}
    return {Schedule.COMMIT, *found}


def _sha(revision: str) -> str:
    return git.resolve(git.repository_root(Path.cwd()), revision).sha


def _origin(git_dir: Path) -> str:
    import subprocess

    done = subprocess.run(
        ["git", f"--git-dir={git_dir}", "remote", "get-url", "origin"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UsageError(
            "cannot set up: it is not known where agents can clone the repository from",
            hint="say --repository URL, or `git remote add origin URL`",
        )
    return done.stdout.strip()


def _say(line: str) -> None:
    click.echo(line, err=True)
