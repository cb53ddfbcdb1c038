"""``infraci verify``: runs the specs again, on the stack of an earlier run."""

from __future__ import annotations

import click

from infraci.app.existing_run import repeat_phase
from infraci.app.options import run_argument
from infraci.model.run import Phase


@click.command("verify", short_help="Run the specs against a run's servers.")
@run_argument
@click.option(
    "--working-tree", is_flag=True, help="Take the files as they are, not the run's commit."
)
@click.pass_obj
def command(verbosity: int, run_id: str | None, working_tree: bool) -> int:
    """Run the specs against a run's servers.

    RUN is the beginning of a run's id; by default the latest whose stack exists. The stack is
    kept.
    """
    return repeat_phase(Phase.VERIFY, run_id, verbosity=verbosity, working_tree=working_tree)
