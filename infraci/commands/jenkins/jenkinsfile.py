"""``infraci jenkins jenkinsfile``: a Jenkinsfile to commit."""

from __future__ import annotations

import click

from infraci.base.terminal import say


@click.command("jenkinsfile")
def jenkinsfile() -> None:
    """Print a Jenkinsfile to commit at the repository's top."""
    from importlib.resources import files

    say(files("infraci.jenkins").joinpath("Jenkinsfile").read_text().removesuffix("\n"))
