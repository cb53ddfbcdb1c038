"""``infraci exec``: a command on a server of a run."""

from __future__ import annotations

import shlex
import sys
from itertools import takewhile

import click

from infraci.app.lookup import choose_server, ledger_here
from infraci.ssh import Session, attach

_LOGIN_S = 30.0
#: What says where: the run and the server.
_MOST = 2


class _WithWords(click.Command):
    """A command line whose ``--`` parts what says where from what is run there."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words of the command as they are; without ``--`` they follow RUN and SERVER."""
        if "--" in args:
            cut = args.index("--")
            where, words = args[:cut], args[cut + 1 :]
        else:
            options = len(list(takewhile(lambda word: word.startswith("-"), args)))
            where, words = args[: options + 2], args[options + 2 :]
        super().parse_args(ctx, where)
        if not words or len(ctx.params["where"]) > _MOST:
            ctx.fail("Say what to run, after the server: infraci exec SERVER -- COMMAND")
        ctx.params["words"] = tuple(words)
        return []


@click.command(
    "exec",
    cls=_WithWords,
    short_help="Run a command on a server of a run.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("where", metavar="[[RUN] SERVER] -- COMMAND [ARG]...", nargs=-1)
def command(where: tuple[str, ...], words: tuple[str, ...]) -> int:
    """Run a command on one of a run's servers, and exit with the command's exit status.

    RUN and SERVER are chosen as by `infraci login`.

    infraci passes the words on unchanged; for a shell's features, run `-- sh -c '…'`.
    """
    record, chosen = choose_server(*where)
    private_key = ledger_here().folder(record.id).login_key
    with Session.open(chosen, private_key=private_key, timeout_s=_LOGIN_S) as session:
        return attach(
            session,
            shlex.join(words),
            stdin=None if sys.stdin is None else sys.stdin.buffer,
            stdout=sys.stdout.buffer,
            stderr=sys.stderr.buffer,
        )
