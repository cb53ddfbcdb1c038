"""``infraci jenkins pipelines``: which pipelines a commit has."""

from __future__ import annotations

from collections.abc import Sequence

import click

from infraci.app.checkout import open_checkout
from infraci.base.terminal import say


@click.command("pipelines")
@click.argument("names", metavar="[PIPELINE]...", nargs=-1)
def pipelines(names: Sequence[str]) -> None:
    """Print which pipelines HEAD has, and whether they vote; the Jenkinsfile asks this.

    @commit, @hourly and @nightly name those with that schedule.
    """
    from infraci.model.decode import load_pipelines

    with open_checkout(quiet=True) as checkout:
        for pipeline in load_pipelines(checkout.tree, names):
            say(f"{pipeline.name} {'voting' if pipeline.voting else 'non-voting'}")
