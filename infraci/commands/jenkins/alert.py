"""``infraci jenkins alert``: tell people of first failures and recoveries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from infraci import git
from infraci.app.jenkins_controller import controller_options, open_controller
from infraci.base.terminal import say


@click.command("alert")
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
    from infraci.app import jenkins_alerts
    from infraci.jenkins.results import results_of_all

    receivers = jenkins_alerts.receivers(
        smtp=smtp,
        sender=sender,
        addresses=addresses,
        with_author=author,
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
        jenkins_alerts.preview(git_dir, branches, known, show)
    else:
        jenkins_alerts.alert_all(git_dir, branches, known, receivers.tell)
