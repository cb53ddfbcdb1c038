"""``infraci jenkins results``: shows the results of commits that Jenkins has built."""

from __future__ import annotations

from collections.abc import Sequence

import click

from infraci.app.jenkins_controller import JOBS, controller_options, open_controller, sha_of
from infraci.app.options import json_option
from infraci.base.terminal import say_json, say_line
from infraci.errors import ExitCode


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

    shas = [sha_of(revision) for revision in commits]
    controller = open_controller(url=url, user=user, folder=folder)
    jobs = [job for job in controller.jobs() if job in JOBS]
    known = results_of_all(controller, shas, jobs)
    if as_json:
        say_json([as_data(known[sha]) for sha in shas])
    else:
        for sha in shas:
            for line in lines(known[sha]):
                say_line(line)
    codes = [v.exit_code if (v := known[s].verdict) else ExitCode.UNTESTABLE for s in shas]
    return ExitCode.worst(codes)
