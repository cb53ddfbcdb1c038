"""``infraci verify``: that phase again, on a run whose stack stands."""

from __future__ import annotations

import click

from infraci.commands.options import run_argument
from infraci.commands.standing import open_work
from infraci.errors import ExitCode
from infraci.model.run import Phase, Verdict
from infraci.pipeline import carry_out


@click.command("verify", short_help="Run the specs against a run's servers.")
@run_argument
@click.option(
    "--working-tree", is_flag=True, help="Take the files as they are, not the run's commit."
)
@click.pass_obj
def command(verbosity: int, run_id: str | None, working_tree: bool) -> int:
    """Run the specs against a run's servers.

    RUN is the beginning of a run's id; by default the latest whose stack stands. The stack is
    kept.
    """
    with open_work(
        run_id, verbosity=verbosity, working_tree=working_tree, destroy_policy="never"
    ) as work:
        record = carry_out(work, (Phase.VERIFY,))
        code = (record.verdict or Verdict.PASSED).exit_code
        return ExitCode.INTERRUPTED if work.interrupts.happened else code
