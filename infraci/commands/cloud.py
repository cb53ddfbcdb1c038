"""``infraci cloud``: the embedded cloud's process."""

from __future__ import annotations

import click

from infraci.app.options import json_option
from infraci.base.terminal import say, say_json
from infraci.errors import ExitCode


@click.group("cloud", short_help="Start, stop and look at the embedded cloud.")
def command() -> None:
    """Start, stop and look at the embedded cloud.

    It starts by itself when it is needed, and ends when it was not used for a while.
    """


@command.command("up")
def up() -> None:
    """Start it, unless it runs; prints its clouds.yaml."""
    from infraci.local.cloud_process import ensure_up

    say(ensure_up(on_progress=lambda text: say(f"{text} …", err=True)))


@command.command("down")
def down() -> None:
    """End its process, also one that does not answer.

    Its servers stay, and the next start takes them over.
    """
    from infraci.local import cloud_process

    say("ended" if cloud_process.down() else "it was not running")


@command.command("status")
@json_option
def status(as_json: bool) -> int:
    """Say whether it runs, and what is in it.

    Exit status 1 if it does not run, 125 if its process lives and does not answer.
    """
    from infraci.local import cloud_process

    state = cloud_process.status()
    if as_json:
        say_json(state)
    elif state is None:
        say("it is not running")
    else:
        for name, value in state.items():
            shown = ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
            say(f"{name}: {shown}")
    return ExitCode.FAILED if state is None else ExitCode.PASSED


@command.command("clouds-yaml")
def clouds_yaml() -> None:
    """Print the path of its clouds.yaml, starting it if need be.

    export OS_CLIENT_CONFIG_FILE=$(infraci cloud clouds-yaml) OS_CLOUD=local
    """
    from infraci.local.cloud_process import ensure_up

    say(ensure_up())


@command.command("gc")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def gc(dry_run: bool) -> None:
    """Remove containers and networks of it that belong to no server it knows."""
    from infraci.local import cloud_process

    for line in cloud_process.gc(dry_run=dry_run) or ["nothing to remove"]:
        say(line)
