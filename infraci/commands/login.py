"""``infraci login``: opens an SSH session on one of a run's servers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from infraci.app.cloud_opening import find_run
from infraci.app.existing_run import ledger_here
from infraci.base.invocation import invocation
from infraci.errors import UsageError
from infraci.ledger.ledger import Ledger
from infraci.model.problem import near, quoted
from infraci.model.run import RunRecord, Server
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
    ledger = ledger_here()
    record, name = _choose(ledger, run_id, server)
    chosen = find_server(record, name)
    ssh = shutil.which("ssh")
    if ssh is None:
        raise UsageError(
            "cannot log in: there is no ssh program", hint="apt-get install openssh-client"
        )
    return ssh, write_ssh_config(ledger.folder(record.id), record.servers), chosen


def choose(run_id: str | None = None, server: str | None = None) -> tuple[Server, Path]:
    """A server of a run, and the private key with which ssh logs in to it."""
    ledger = ledger_here()
    record, name = _choose(ledger, run_id, server)
    return find_server(record, name), ledger.folder(record.id).login_key


def find_server(record: RunRecord, name: str | None) -> Server:
    """The server of that name or alias, or the only one of that role; the only one without."""
    names = [server.name for server in record.servers]
    if record.destroyed or not names:
        raise UsageError(f"cannot log in: run {record.id} has no servers (any more)")
    if name is None:
        if len(names) > 1:
            raise UsageError(
                f"cannot choose a server of run {record.id}: it has {quoted(names, 'and')}",
                hint=invocation("login", record.id, names[0]),
            )
        return record.servers[0]
    for key in ("name", "word", "role"):
        named = [server for server in record.servers if getattr(server, key) == name]
        if len(named) == 1:
            return named[0]
    meant = near(name, names)
    hint = f'did you mean "{meant}"?' if meant else f"it has {quoted(names, 'and')}"
    raise UsageError(f'cannot find server "{name}" in run {record.id}', hint=hint)


def _choose(ledger: Ledger, run_id: str | None, server: str | None) -> tuple[RunRecord, str | None]:
    if run_id is not None and server is None:  # one word: a server of the latest run, or a run
        try:
            latest = find_run(ledger, None)
            return latest, find_server(latest, run_id).name
        except UsageError:
            return find_run(ledger, run_id), None
    return find_run(ledger, run_id), server
