"""``infraci exec``: a command on a server of a run."""

from __future__ import annotations

import shlex
import sys

import click

from infraci.commands.login import choose
from infraci.ssh import Session, attach

_LOGIN_S = 30.0


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
    chosen, private_key = choose(run_id, server)
    with Session.open(chosen, private_key=private_key, timeout_s=_LOGIN_S) as session:
        return attach(
            session,
            shlex.join(words),
            stdin=None if sys.stdin is None else sys.stdin.buffer,
            stdout=sys.stdout.buffer,
            stderr=sys.stderr.buffer,
        )
