"""``infraci list``: lists the runs."""

from __future__ import annotations

import time

import click

from infraci.app.lookup import ledger_here, state_of
from infraci.app.options import json_option
from infraci.base.columns import columns
from infraci.base.deadline import duration
from infraci.base.terminal import say, say_json, say_line
from infraci.ledger.ledger import DamagedRunError, Ledger
from infraci.model.run import RunRecord


@click.command("list", short_help="List the runs.")
@json_option
@click.option("--standing", is_flag=True, help="Only those whose stack is not destroyed.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Only the latest N of them.")
def command(as_json: bool, standing: bool, limit: int | None) -> None:
    """List the runs, the latest last: their verdict, and whether their stack still exists."""
    ledger = ledger_here()
    records = ledger.list(on_damaged=_show_damage)
    shown = [record for record in records if not (standing and record.destroyed)]
    shown = shown[-limit:] if limit else shown
    if as_json:
        say_json([_data(record, ledger) for record in shown])
        return
    if not shown:
        say("no runs", err=True)
        return
    now = time.time()
    rows = [_HEAD, *(_row(record, ledger, now) for record in shown)]
    for line in columns(rows):
        say_line(line)


_HEAD = ("RUN", "COMMIT", "VERDICT", "STACK", "CLOUD", "AGE", "EXPIRES")


def _row(record: RunRecord, ledger: Ledger, now: float) -> tuple[str, ...]:
    return (
        record.id,
        f"{record.base.short}..{record.commit.short}" if record.base else record.commit.short,
        record.verdict or "-",
        state_of(record, ledger),
        record.cloud,
        duration(round(now - record.created)),
        "-" if record.destroyed else _left(record.expires - now),
    )


def _left(seconds: float) -> str:
    return f"in {duration(round(seconds))}" if seconds > 0 else "expired"


def _data(record: RunRecord, ledger: Ledger) -> dict[str, object]:
    return {
        "id": record.id,
        "pipeline": record.pipeline,
        "commit": record.commit.sha,
        "dirty": record.commit.dirty,
        "base": record.base.sha if record.base else None,
        "cloud": record.cloud,
        "stack": record.stack_name,
        "verdict": record.verdict,
        "state": state_of(record, ledger),
        "created": record.created,
        "expires": record.expires,
        "servers": {server.name: server.address for server in record.servers},
    }


def _show_damage(error: DamagedRunError) -> None:
    say(f"{error.message}", err=True)
