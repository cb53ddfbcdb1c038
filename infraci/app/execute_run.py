"""One run's life: it gets a record and a lock, goes through its phases, and enters the history."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from infraci.app.checkout import Checkout
from infraci.app.cloud_opening import image_maker
from infraci.app.planning import plan_one
from infraci.app.record_history import HistoryOptions, blame_lines, conclude
from infraci.app.upgrade_base import base_opener
from infraci.base.interrupts import Interrupts
from infraci.configure import configure_servers
from infraci.evidence import collect
from infraci.heat import LOCAL, Cloud
from infraci.ledger.ledger import Ledger
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.run import Overrides, Phase, RunRecord
from infraci.pipeline import Drivers, Run, RunState, Verify, Version, new_record, run_phases, verify
from infraci.plan import examine
from infraci.progress import Progress
from infraci.report.junit import write_junit
from infraci.sandbox.confine import check_confinement
from infraci.ssh import log_in
from infraci.templates import load_request
from infraci.verify import open_specs
from infraci.verify.serverspec import run_serverspec


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSubject:
    """What a run tests: a pipeline of a commit, and what the command line changes of its stack."""

    pipeline: Pipeline
    checkout: Checkout
    overrides: Overrides
    with_base: bool = True  # whether an upgrade begins from its base


def execute_run(
    subject: RunSubject,
    *,
    phases: Sequence[Phase],
    destroy_policy: DestroyPolicy,
    cloud: Cloud,
    drivers: Drivers,
    interrupts: Interrupts,
    on_created: Callable[[str], object] = lambda run_id: None,
    verify: Verify = verify,
    history: HistoryOptions | None = None,
) -> RunRecord:
    """Make a new run, take it through the phases, and enter it into the history, if there is one.

    ``on_created`` gets the run's id before anything is made on the cloud. ``verify`` is the phase
    of that name. What goes wrong is in the record that is returned.
    """
    record = new_record(
        subject.pipeline,
        subject.checkout.commit,
        cloud=cloud.name,
        ledger=drivers.ledger,
        destroy_policy=destroy_policy,
        now=time.time(),
        overrides=subject.overrides.names,
    )
    with drivers.ledger.create(record):
        on_created(record.id)
        run = assemble_run(record, subject, cloud=cloud, drivers=drivers, interrupts=interrupts)
        record = run_phases(run, phases, verify=verify)
        if history is None:
            return record
        record = conclude(
            record,
            root=subject.checkout.root,
            pipeline=subject.pipeline,
            tree=subject.checkout.tree,
            options=history,
            tell=drivers.progress.note,
        )
        for line in blame_lines(record):
            drivers.progress.note(line)
    return record


def assemble_run(
    record: RunRecord,
    subject: RunSubject,
    *,
    cloud: Cloud,
    drivers: Drivers,
    interrupts: Interrupts,
) -> Run:
    """Put a run together of its record and its subject, ready for its phases."""
    pipeline, checkout, overrides = subject.pipeline, subject.checkout, subject.overrides
    version = Version(
        commit=record.commit,
        pipeline=pipeline,
        tree=checkout.tree,
        load=partial(load_request, pipeline, tree=checkout.tree, cloud=cloud, overrides=overrides),
    )
    open_base = None
    if pipeline.upgrade is not None and subject.with_base:
        open_base = base_opener(
            pipeline,
            checkout,
            revision=pipeline.upgrade.from_revision,
            cloud=cloud,
            overrides=overrides,
            known=record.base,
        )
    state = RunState(record, version=version, drivers=drivers, open_base=open_base)
    return Run(state, drivers=drivers, interrupts=interrupts)


def make_drivers(cloud: Cloud, ledger: Ledger, progress: Progress) -> Drivers:
    """The rooms that do a run's work. Raises NoSandboxError: no sandbox for an untrusted commit."""
    check_confinement()
    return Drivers(
        cloud=cloud,
        ledger=ledger,
        progress=progress,
        log_in=log_in,
        configure=configure_servers,
        specs=open_specs,
        serverspec=run_serverspec,
        collect=collect,
        write_junit=write_junit,
        prepare=image_maker(cloud, progress) if cloud.name == LOCAL else lambda _: None,
        # The servers' own session collects the specs, in the time that Heat takes anyway.
        examine=partial(examine, collect=False),
        plan=partial(plan_one, cloud=cloud),
        clock=time.time,
    )
