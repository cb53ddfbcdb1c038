"""Verbs that work on a run whose stack stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from infraci import git
from infraci.app.checkout import Checkout, exported
from infraci.app.cloud_opening import (
    find_pipeline,
    find_run,
    make_progress,
    open_cloud,
)
from infraci.app.preload import importing_early
from infraci.app.run_assembly import make_run
from infraci.base.trust import distrust
from infraci.errors import ExitCode, UsageError
from infraci.ledger.ledger import Ledger
from infraci.model.run import Phase, Verdict
from infraci.pipeline import Interrupts, Run, run_phases
from infraci.report.header import reproduce


def ledger_here() -> Ledger:
    """The ledger of the repository we are in."""
    return Ledger(git.repository_root(Path.cwd()))


@contextmanager
def open_run(
    run_id: str | None,
    *,
    verbosity: int,
    working_tree: bool = False,
    destroy_policy: str | None = None,
    parameters: Mapping[str, str] | None = None,
    environments: Sequence[Path] = (),
    whole: bool = False,
) -> Iterator[Run]:
    """A run taken up again: its lock, its commit's files (or those of the working tree).

    A ``whole`` one has an upgrade's base as well; single phases are those of the commit alone.
    """
    from infraci.app.wiring import make_drivers

    root = git.repository_root(Path.cwd())
    ledger = Ledger(root)
    record = find_run(ledger, run_id)
    if record.untrusted:
        distrust()
    if record.destroyed:
        raise UsageError(
            f"cannot go on with run {record.id}: its stack is destroyed",
            hint=f"begin anew: {reproduce(record)}",
        )
    with ExitStack() as stack:
        stack.enter_context(ledger.lock(record.id))
        interrupts = stack.enter_context(Interrupts())
        commit = git.working_tree(root) if working_tree else record.commit
        with importing_early():
            tree = stack.enter_context(exported(root, commit))
        cloud = stack.enter_context(open_cloud(record.cloud))
        pipeline = find_pipeline(tree, record.pipeline)
        record = replace(record, commit=commit, verdict=None)
        if destroy_policy is not None:
            record = replace(record, destroy=destroy_policy)
        run = make_run(
            record,
            pipeline=pipeline,
            source=Checkout(root=root, commit=commit, tree=tree),
            cloud=cloud,
            drivers=make_drivers(cloud, ledger, make_progress(verbosity)),
            interrupts=interrupts,
            parameters=parameters,
            environments=environments,
            with_base=whole,
        )
        stack.callback(run.close)
        yield run


def do_again(phase: Phase, run_id: str | None, *, verbosity: int, working_tree: bool) -> int:
    """Take a run whose stack stands through one phase, and keep it; returns the exit status."""
    with open_run(
        run_id, verbosity=verbosity, working_tree=working_tree, destroy_policy="never"
    ) as run:
        record = run_phases(run, (phase,))
        code = (record.verdict or Verdict.PASSED).exit_code
        return ExitCode.INTERRUPTED if run.interrupts.happened else code
