"""``infraci exec``: a command on a server of a run."""

from __future__ import annotations

import shlex
import subprocess

import click

from infraci.commands.login import prepare


@click.command(
    "exec",
    short_help="Run a command on a server of a run.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("run_id", metavar="RUN")
@click.argument("server")
@click.argument("words", metavar="-- COMMAND [ARG]...", nargs=-1, required=True)
def command(run_id: str, server: str, words: tuple[str, ...]) -> int:
    """Run a command on a server of a run; its exit status is ours.

    The words arrive as they are given, whatever is in them; for a shell's features say
    `-- sh -c '…'`.
    """
    ssh, config, chosen = prepare(run_id, server)
    command_line = [ssh, "-F", str(config), "--", chosen.word, shlex.join(words)]
    return subprocess.run(command_line, check=False).returncode
