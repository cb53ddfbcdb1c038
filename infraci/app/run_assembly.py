"""A run put together of a pipeline, a commit's files, and what the command line adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from infraci.app.checkout import Checkout
from infraci.app.cloud_opening import loader
from infraci.app.upgrade_base import base_opener
from infraci.heat import Cloud
from infraci.model.pipeline import Pipeline
from infraci.model.run import RunRecord
from infraci.pipeline import Drivers, Interrupts, Run, RunState, Version


def make_run(
    record: RunRecord,
    *,
    pipeline: Pipeline,
    source: Checkout,
    cloud: Cloud,
    drivers: Drivers,
    interrupts: Interrupts,
    parameters: Mapping[str, str] | None,
    environments: Sequence[Path],
    with_base: bool = True,
) -> Run:
    """A run, ready to be worked on; an upgrade has its base, unless that is not wanted."""
    load = loader(
        pipeline, tree=source.tree, cloud=cloud, parameters=parameters, environments=environments
    )
    open_base = base_opener(
        pipeline,
        root=source.root,
        commit=source.commit,
        cloud=cloud,
        parameters=parameters,
        environments=environments,
        known=record.base,
    )
    state = RunState(
        record,
        version=Version(commit=record.commit, pipeline=pipeline, tree=source.tree, load=load),
        drivers=drivers,
        open_base=open_base if with_base else None,
    )
    return Run(state, drivers=drivers, interrupts=interrupts)
