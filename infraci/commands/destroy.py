"""``infraci destroy``: remove what runs have made, whatever their policy."""

from __future__ import annotations

import click

from infraci.commands.parts import make_progress, open_cloud
from infraci.commands.standing import ledger_here
from infraci.errors import ExitCode, InfraciError, UsageError
from infraci.pipeline import Interrupts
from infraci.pipeline.removal import remove_run


@click.command("destroy", short_help="Remove all that runs have made.")
@click.argument("run_ids", metavar="[RUN]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every run that nobody is at work on.")
@click.pass_obj
def command(verbosity: int, run_ids: tuple[str, ...], everything: bool) -> int:
    """Remove all that runs have made: stack, servers, networks, key pair.

    What is gone already is no trouble. The runs' records and reports are kept.
    """
    if bool(run_ids) == everything:
        raise UsageError("cannot tell what to destroy: name runs, or say --all")
    ledger = ledger_here()
    if everything:
        records = [r for r in ledger.list() if not r.destroyed and not ledger.is_alive(r.id)]
    else:
        records = [ledger.load(ledger.find(run_id)) for run_id in run_ids]
    errors: list[InfraciError] = []
    with Interrupts() as interrupts:
        progress = make_progress(min(verbosity, 0) if verbosity < 1 else verbosity)
        for record in records:
            interrupts.check()
            try:
                with ledger.lock(record.id), open_cloud(record.cloud) as cloud:
                    remove_run(record, cloud=cloud, ledger=ledger, progress=progress)
            except InfraciError as error:
                errors.append(error)
                hint = f"\nhint: {error.hint}" if error.hint else ""
                click.echo(f"{record.id}: {error.message}{hint}", err=True)
            else:
                click.echo(f"{record.id}: destroyed")
    return ExitCode.worst(error.exit_code for error in errors)
