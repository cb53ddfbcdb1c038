"""``infraci destroy``: remove what runs have made, whatever their policy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from infraci.app.cloud_opening import open_cloud
from infraci.app.lookup import ledger_here
from infraci.base.deadline import Deadline, waits
from infraci.base.interrupts import Interrupts
from infraci.base.terminal import say
from infraci.errors import ExitCode, InfraciError, UsageError
from infraci.heat import LOCAL
from infraci.ledger.ledger import (
    BusyRunError,
    DamagedRunError,
    Ledger,
    UnknownRunError,
    is_whole_id,
)
from infraci.pipeline.destroy_phase import DESTROY_S, remove_run
from infraci.pipeline.garbage import find_runs, has_leftovers, remove_unrecorded
from infraci.progress import Progress, make_progress

_PURPOSE = "destroy"


@click.command("destroy", short_help="Remove all that runs have made.")
@click.argument("run_ids", metavar="[RUN]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every run that no process is at work on.")
@click.option(
    "--cloud",
    "clouds",
    metavar="NAME",
    multiple=True,
    help="Where to look, by tags, for runs that this repository has no record of; by default on "
    "the embedded cloud and those of this repository's runs. Repeatable.",
)
@click.pass_obj
def command(
    verbosity: int, run_ids: tuple[str, ...], everything: bool, clouds: tuple[str, ...]
) -> int:
    """Remove all that runs have made: stack, servers, networks, key pair.

    Resources that are gone already are no error. The runs' records and reports are kept. A run
    without a record here (another clone's, or a lost one) is found on the cloud by its tags.
    """
    if bool(run_ids) == everything:
        raise UsageError("cannot tell what to destroy: name runs, or say --all")
    ledger = ledger_here() if everything else _ledger()
    if everything:
        run_ids = tuple(
            r.id for r in ledger.list() if not r.destroyed and not ledger.is_alive(r.id)
        )
    errors: list[InfraciError] = []
    with Interrupts() as interrupts:
        progress = make_progress(verbosity)
        for name in run_ids:
            interrupts.check()
            run_id = name
            try:
                recorded = _find(ledger, name)
                if recorded is None:
                    run_id = _destroy_unrecorded(ledger, name, clouds)
                else:
                    run_id = recorded
                    _destroy(ledger, run_id, progress)
            except InfraciError as error:
                errors.append(error)
                hint = f"\nhint: {error.hint}" if error.hint else ""
                say(f"{run_id}: {error.message}{hint}", err=True)
            else:
                say(f"{run_id}: destroyed")
    return ExitCode.worst(error.exit_code for error in errors)


def _ledger() -> Ledger:
    """This repository's; outside of one an empty ledger: the clouds are searched as well."""
    try:
        return ledger_here()
    except UsageError:
        return Ledger(Path("/nonexistent"))


def _find(ledger: Ledger, name: str) -> str | None:
    """The id of a run that has a record; None for one that has none, or one that is damaged.

    Raises UsageError where several begin so.
    """
    try:
        run_id = ledger.find(name)
    except UnknownRunError:
        ledger.folder(name)  # refuses what can be no run's id
        return None
    try:
        ledger.load(run_id)
    except DamagedRunError:
        return None
    return run_id


def _destroy(ledger: Ledger, run_id: str, progress: Progress) -> None:
    with _locked(ledger, run_id):
        record = ledger.load(run_id)
        with open_cloud(record.cloud) as cloud:
            remove_run(record, cloud=cloud, ledger=ledger, progress=progress)


@contextmanager
def _locked(ledger: Ledger, run_id: str) -> Iterator[None]:
    """Lock a run; waits for another `infraci destroy` of it, and for no other command."""
    deadline = Deadline(DESTROY_S, phase=f"destroying {run_id}")
    for wait_s in waits(0.1, 1.0):
        try:
            lock = ledger.lock(run_id, purpose=_PURPOSE)
        except BusyRunError as error:
            if error.purpose != _PURPOSE:
                raise
            deadline.pause(wait_s)
        else:
            break
    with lock:
        yield


def _destroy_unrecorded(ledger: Ledger, name: str, clouds: tuple[str, ...]) -> str:
    """Find a run on the clouds by its tags, and remove it; returns its id."""
    clouds_of_runs = [record.cloud for record in ledger.list() if not record.destroyed]
    searched = clouds or tuple(dict.fromkeys([LOCAL, *clouds_of_runs]))
    for cloud_name in searched:
        with open_cloud(cloud_name) as cloud:
            owners = find_runs(cloud, name)
            if name not in owners and len(owners) > 1:
                raise UsageError(
                    f'cannot find run "{name}": {len(owners)} runs on cloud {cloud_name} begin so',
                    hint="give more of the id",
                )
            if not owners and not (is_whole_id(name) and has_leftovers(cloud, name)):
                continue
            run_id = name if name in owners or not owners else next(iter(owners))
            remove_unrecorded(cloud, run_id, owners.get(run_id))
            return run_id
    raise UsageError(
        f"cannot find run {name}: there is no record of it here, and no trace on "
        f"{'cloud' if len(searched) == 1 else 'clouds'} {', '.join(searched)}",
        hint="`infraci list` shows the runs; --cloud NAME looks on another cloud",
    )
