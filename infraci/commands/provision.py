"""``infraci provision``: a stack that stays."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import click

from infraci.app.cloud_opening import make_progress, open_cloud
from infraci.app.options import cloud_option, source_options, stack_options
from infraci.app.preload import open_source_early
from infraci.app.record_history import given_by
from infraci.app.run_assembly import make_run
from infraci.app.wiring import make_drivers
from infraci.base.invocation import invocation
from infraci.base.terminal import say
from infraci.errors import ExitCode, UsageError
from infraci.ledger.ledger import Ledger
from infraci.model.pipeline import DestroyPolicy
from infraci.model.run import Phase, Verdict
from infraci.pipeline import Interrupts, new_record, phases_of, run_phases
from infraci.pipeline.run_phases import RUN_PHASES


@click.command("provision", short_help="Stand a pipeline's stack up, and keep it.")
@click.argument("pipeline")
@source_options
@cloud_option
@stack_options
@click.option(
    "--upgrade", is_flag=True, help="Go the way of its `upgrade:`, if it has one, to the update."
)
@click.pass_obj
def command(
    verbosity: int,
    pipeline: str,
    commit: str | None,
    working_tree: bool,
    cloud: str,
    parameters: Mapping[str, str],
    environments: tuple[Path, ...],
    upgrade: bool,
) -> int:
    """Stand a pipeline's stack up, and keep it until it is destroyed or expires.

    Prints the run's id, first of all. A stack that fails is kept as well, to be looked at.
    """
    with (
        Interrupts() as interrupts,
        open_source_early(commit=commit, working_tree=working_tree, quiet=verbosity < 0) as source,
        open_cloud(cloud) as opened,
    ):
        from infraci.model.decode import load_pipelines

        chosen, *more = load_pipelines(source.tree, [pipeline])
        if more:
            raise UsageError(
                f"cannot provision {pipeline}: its matrix has {1 + len(more)} cells",
                hint=f"name one: {invocation('provision', chosen.name, cloud=cloud)}",
            )
        if chosen.cloud not in ("", cloud):
            raise UsageError(
                f"cannot provision {chosen.name} on cloud {cloud}: it is for {chosen.cloud}",
                hint=f"say --cloud {chosen.cloud}",
            )
        drivers = make_drivers(opened, Ledger(source.root), make_progress(verbosity))
        record = new_record(
            chosen,
            source.commit,
            cloud=cloud,
            ledger=drivers.ledger,
            destroy_policy=DestroyPolicy.NEVER,
            now=time.time(),
            given=given_by(parameters, environments),
        )
        with drivers.ledger.create(record):
            say(record.id)  # first: whoever is killed has said what to destroy
            run = make_run(
                record,
                pipeline=chosen,
                source=source,
                cloud=opened,
                drivers=drivers,
                interrupts=interrupts,
                parameters=parameters,
                environments=environments,
                with_base=upgrade,
            )
            phases = phases_of(chosen) if upgrade else RUN_PHASES
            record = run_phases(run, phases[: phases.index(Phase.CONFIGURE)])
    code = (record.verdict or Verdict.PASSED).exit_code
    return ExitCode.INTERRUPTED if interrupts.happened else code
