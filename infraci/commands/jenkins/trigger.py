"""``infraci jenkins trigger``: have commits built."""

from __future__ import annotations

from collections.abc import Sequence

import click

from infraci.app.jenkins_controller import controller_options, job_option, open_controller, sha_of
from infraci.base.terminal import say, say_line
from infraci.errors import ExitCode


@click.command("trigger")
@click.argument("commits", metavar="COMMIT...", nargs=-1, required=True)
@controller_options
@job_option
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
    from infraci.jenkins.build_watch import long_deadline, watch_queued

    shas = [sha_of(revision) for revision in commits]
    controller = open_controller(url=url, user=user, folder=folder)
    options = {"PIPELINES": pipelines, "CLOUD": cloud}
    parameters = {name: value for name, value in options.items() if value}
    queued = []
    for sha in shas:
        queued.append(controller.trigger(job, {"COMMIT": sha, **parameters}))
        say(f"{sha[:10]}: queued for {controller.url(job)}")
    if not watch:
        return ExitCode.PASSED
    deadline = long_deadline(24)
    builds = [watch_queued(controller, q, say=_say, deadline=deadline) for q in queued]
    return ExitCode.worst(build.exit_code for build in builds)


def _say(line: str) -> None:
    say_line(line, err=True)
