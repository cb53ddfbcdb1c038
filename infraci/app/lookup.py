"""Finds runs of this repository, their servers and their pipelines."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from infraci import git
from infraci.base.invocation import invocation
from infraci.errors import UsageError
from infraci.ledger.ledger import Ledger
from infraci.model.pipeline import Pipeline
from infraci.model.problem import near, quoted
from infraci.model.run import Phase, RunRecord, Server


def ledger_here() -> Ledger:
    """The ledger of the repository we are in."""
    return Ledger(git.repository_root(Path.cwd()))


def find_run(ledger: Ledger, run_id: str | None) -> RunRecord:
    """The run whose id begins so; without one, the latest that still has a stack."""
    if run_id is not None:
        return ledger.load(ledger.find(run_id))
    records = ledger.list()
    if not records:
        raise UsageError("cannot find a run: there is none yet", hint="`infraci run` makes one")
    with_stack = [record for record in records if not record.destroyed]
    return (with_stack or list(records))[-1]


def find_pipeline(tree: Path, name: str) -> Pipeline:
    """The pipeline of a run, in the tree that is worked with now."""
    from infraci.model.decode import load_pipelines

    return load_pipelines(tree, [name])[0]


def choose_server(run_id: str | None = None, server: str | None = None) -> tuple[RunRecord, Server]:
    """A run and one of its servers; one name alone is a server of the latest run, or a run."""
    ledger = ledger_here()
    if run_id is not None and server is None:
        with suppress(UsageError):
            latest = find_run(ledger, None)
            return latest, find_server(latest, run_id)
    record = find_run(ledger, run_id)
    return record, find_server(record, server)


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


def state_of(record: RunRecord, ledger: Ledger) -> str:
    """What has become of a run: ``at work``, ``kept``, ``destroyed``, or ``killed``."""
    if record.destroyed:
        return "destroyed"
    if ledger.is_alive(record.id):
        return "at work"
    if record.verdict is not None:
        return "kept"
    is_up = any(r.phase is Phase.PROVISION and r.failure is None for r in record.phases)
    return "kept" if record.destroy == "never" and is_up else "killed"
