"""``infraci jenkins prune``: delete jobs whose schedule is gone."""

from __future__ import annotations

import click

from infraci.app.checkout import open_checkout
from infraci.app.jenkins_controller import controller_options, open_controller, schedules_of
from infraci.base.terminal import say


@click.command("prune")
@controller_options
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
def prune(url: str | None, user: str | None, folder: str | None, dry_run: bool) -> None:
    """Delete the jobs that infraci made, and whose schedule no pipeline has any more.

    Their builds go with them.
    """
    from infraci.jenkins import setup as room

    controller = open_controller(url=url, user=user, folder=folder)
    with open_checkout(quiet=True) as checkout:
        schedules = schedules_of(checkout.tree)
    for change in room.superfluous(controller, schedules):
        say(f"{change.verb} {controller.url(change.job)}")
        if not dry_run:
            room.carry_out(controller, change)
