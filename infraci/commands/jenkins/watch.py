"""``infraci jenkins watch``: follow a build until it ends."""

from __future__ import annotations

import click

from infraci.app.jenkins_controller import controller_options, job_option, open_controller
from infraci.base.terminal import say_line
from infraci.errors import ExitCode, UsageError


@click.command("watch")
@click.argument("number", metavar="[BUILD]", type=int, required=False)
@controller_options
@job_option
def watch(
    number: int | None, url: str | None, user: str | None, folder: str | None, job: str
) -> int:
    """Follow a build and its stages until it has ended; the newest, if none is named.

    Exit status 0 for SUCCESS, 1 for UNSTABLE (the commit failed), 130 for ABORTED, else 125.
    """
    from infraci.jenkins.build_watch import long_deadline
    from infraci.jenkins.build_watch import watch as follow

    controller = open_controller(url=url, user=user, folder=folder)
    if number is None:
        newest = next(controller.builds(job), None)
        if newest is None:
            raise UsageError(
                f"cannot watch {job}: it has no build yet", hint="`infraci jenkins trigger HEAD`"
            )
        number = newest.number
    code: ExitCode = follow(controller, job, number, say=_say, deadline=long_deadline(24)).exit_code
    return code


def _say(line: str) -> None:
    say_line(line, err=True)
