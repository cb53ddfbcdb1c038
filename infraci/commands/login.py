"""``infraci login``: opens an SSH session on one of a run's servers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from infraci.app.lookup import choose_server, ledger_here
from infraci.errors import UsageError
from infraci.model.run import Server
from infraci.ssh import write_ssh_config


@click.command("login", short_help="Log in to a server of a run.")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.argument("server", required=False)
def command(run_id: str | None, server: str | None) -> None:
    """Log in to a server of a run with ssh, its host key pinned.

    `infraci login` enters the only server of the latest run; `infraci login SERVER` one of
    several; `infraci login RUN SERVER` one of another run.
    """
    ssh, config, chosen = prepare(run_id, server)
    os.execv(ssh, [ssh, "-F", str(config), "--", chosen.word])  # noqa: S606


def prepare(run_id: str | None, server: str | None) -> tuple[str, Path, Server]:
    """The ssh program, the run's ssh_config, and the server."""
    record, chosen = choose_server(run_id, server)
    ssh = shutil.which("ssh")
    if ssh is None:
        raise UsageError(
            "cannot log in: there is no ssh program", hint="apt-get install openssh-client"
        )
    return ssh, write_ssh_config(ledger_here().folder(record.id), record.servers), chosen
