"""``infraci report``: writes the reports of runs to the folder that a CI engine reads."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from infraci.app.ci_reports import report_path, writing
from infraci.app.lookup import find_run, ledger_here
from infraci.history import RESULT, dump, result_of
from infraci.ledger.ledger import Ledger
from infraci.ledger.run_folder import RunFolder
from infraci.model.run import RunRecord, exit_code_of


@click.command("report", short_help="Write the reports of runs, with evidence and logs.")
@click.argument("run_ids", metavar="[RUN]...", nargs=-1)
@click.option(
    "--output",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Write DIR/PIPELINE.xml, and DIR/PIPELINE/ with evidence, logs and result.json.",
)
@click.option(
    "--attach",
    is_flag=True,
    help="Name the evidence in the failures' output, as Jenkins' junit-attachments wants it.",
)
def command(run_ids: Sequence[str], output: Path, attach: bool) -> int:
    """Write the reports of runs, with evidence and logs, as they are known now.

    RUN is the beginning of a run's id; by default the latest. The exit status is the runs'
    verdict, as that of `infraci run`.
    """
    ledger = ledger_here()
    if run_ids:
        records = [find_run(ledger, run_id) for run_id in run_ids]
    else:
        records = list(ledger.list()[-1:]) or [find_run(ledger, None)]
    with writing(output):
        for record in records:
            _write(record, ledger, output.absolute(), attach)
    from infraci.report.table import print_table

    print_table(records)
    return exit_code_of(records)


def _write(record: RunRecord, ledger: Ledger, output: Path, attach: bool) -> None:
    from infraci.report.junit import write_junit

    path = report_path(output, record.pipeline)
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    copies = zip(ledger.folder(record.id).archived, RunFolder(folder).archived, strict=True)
    for source, target in copies:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
    if (result := result_of(record)) is not None:
        (folder / RESULT).write_text(dump(result) + "\n")
    write_junit(path, record, folder=folder, attach=attach)
