"""``infraci provision``: creates a pipeline's stack, and keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from infraci.app.checkout import open_checkout
from infraci.app.cloud_opening import open_cloud
from infraci.app.execute_run import RunSubject, execute_run, make_drivers
from infraci.app.options import cloud_option, source_options, stack_options
from infraci.base.interrupts import Interrupts
from infraci.base.invocation import invocation
from infraci.base.terminal import say
from infraci.errors import ExitCode, UsageError
from infraci.ledger.ledger import Ledger
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.run import Overrides, Phase, Verdict
from infraci.pipeline import RUN_PHASES, phases_of
from infraci.progress import make_progress


@click.command("provision", short_help="Create a pipeline's stack, and keep it.")
@click.argument("pipeline")
@source_options
@cloud_option
@stack_options
@click.option(
    "--upgrade", is_flag=True, help="Create its `upgrade:` base's stack first, and update that."
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
    """Create a pipeline's stack, and keep it until it is destroyed or expires.

    Prints the run's id, first of all. A stack that fails is kept as well, to be looked at.
    """
    with (
        Interrupts() as interrupts,
        open_checkout(
            commit=commit, working_tree=working_tree, quiet=verbosity < 0, preload=()
        ) as checkout,
        open_cloud(cloud) as opened,
    ):
        chosen = _choose(checkout.tree, pipeline, cloud)
        phases = phases_of(chosen) if upgrade else RUN_PHASES
        record = execute_run(
            RunSubject(
                pipeline=chosen,
                checkout=checkout,
                overrides=Overrides(parameters=parameters, environments=environments),
                with_base=upgrade,
            ),
            phases=phases[: phases.index(Phase.CONFIGURE)],
            destroy_policy=DestroyPolicy.NEVER,
            cloud=opened,
            drivers=make_drivers(opened, Ledger(checkout.root), make_progress(verbosity)),
            interrupts=interrupts,
            on_created=say,  # first: a run that is killed has said what to destroy
        )
    code = (record.verdict or Verdict.PASSED).exit_code
    return ExitCode.INTERRUPTED if interrupts.happened else code


def _choose(tree: Path, name: str, cloud: str) -> Pipeline:
    """The pipeline of that name. Raises UsageError for several, and for one of another cloud."""
    from infraci.model.decode import load_pipelines

    chosen, *more = load_pipelines(tree, [name])
    if more:
        raise UsageError(
            f"cannot provision {name}: its matrix has {1 + len(more)} cells",
            hint=f"name one: {invocation('provision', chosen.name, cloud=cloud)}",
        )
    if chosen.cloud not in ("", cloud):
        raise UsageError(
            f"cannot provision {chosen.name} on cloud {cloud}: it is for {chosen.cloud}",
            hint=f"say --cloud {chosen.cloud}",
        )
    return chosen
