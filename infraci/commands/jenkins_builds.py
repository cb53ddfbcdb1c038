"""``infraci jenkins trigger``, ``watch`` and ``results``: builds, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from infraci import git
from infraci.app.jenkins_controller import controller_options, open_controller
from infraci.app.options import json_option
from infraci.base.terminal import say, say_json, say_line
from infraci.errors import ExitCode, UsageError

#: What a job can be called after.
_JOBS = ("commit", "hourly", "nightly")


def _job_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--job", type=click.Choice(_JOBS), default="commit", help='Which job; "commit" by default.'
    )(function)


@click.command("trigger")
@click.argument("commits", metavar="COMMIT...", nargs=-1, required=True)
@controller_options
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
    from infraci.jenkins.build_watch import patient, watch_queued

    shas = [_sha(revision) for revision in commits]
    controller = open_controller(url=url, user=user, folder=folder)
    more = {"PIPELINES": pipelines, "CLOUD": cloud}
    given = {name: value for name, value in more.items() if value}
    queued = []
    for sha in shas:
        queued.append(controller.trigger(job, {"COMMIT": sha, **given}))
        say(f"{sha[:10]}: queued for {controller.url(job)}")
    if not watch:
        return ExitCode.PASSED
    deadline = patient(24)
    builds = [watch_queued(controller, q, say=_say, deadline=deadline) for q in queued]
    return ExitCode.worst(build.exit_code for build in builds)


@click.command("watch")
@click.argument("number", metavar="[BUILD]", type=int, required=False)
@controller_options
@_job_option
def watch(
    number: int | None, url: str | None, user: str | None, folder: str | None, job: str
) -> int:
    """Follow a build and its stages until it has ended; the newest, if none is named.

    Exit status 0 for SUCCESS, 1 for UNSTABLE (the commit failed), 130 for ABORTED, else 125.
    """
    from infraci.jenkins.build_watch import patient
    from infraci.jenkins.build_watch import watch as follow

    controller = open_controller(url=url, user=user, folder=folder)
    if number is None:
        newest = next(controller.builds(job), None)
        if newest is None:
            raise UsageError(
                f"cannot watch {job}: it has no build yet", hint="`infraci jenkins trigger HEAD`"
            )
        number = newest.number
    found: ExitCode = follow(controller, job, number, say=_say, deadline=patient(24)).exit_code
    return found


@click.command("results")
@click.argument("commits", metavar="COMMIT...", nargs=-1, required=True)
@controller_options
@json_option
def results(
    commits: Sequence[str], url: str | None, user: str | None, folder: str | None, as_json: bool
) -> int:
    """Say what is known of commits, by the reports of their builds.

    The exit status is that of the worst commit, as for `infraci run`; 125 for one of which
    nothing is known.
    """
    from infraci.app.jenkins_results import as_data, lines
    from infraci.jenkins.results import results_of_all

    shas = [_sha(revision) for revision in commits]
    controller = open_controller(url=url, user=user, folder=folder)
    jobs = [job for job in controller.jobs() if job in _JOBS]
    found = results_of_all(controller, shas, jobs)
    if as_json:
        say_json([as_data(found[sha]) for sha in shas])
    else:
        for sha in shas:
            for line in lines(found[sha]):
                say_line(line)
    codes = [v.exit_code if (v := found[s].verdict) else ExitCode.UNTESTABLE for s in shas]
    return ExitCode.worst(codes)


def _sha(revision: str) -> str:
    return git.resolve(git.repository_root(Path.cwd()), revision).sha


def _say(line: str) -> None:
    say_line(line, err=True)
