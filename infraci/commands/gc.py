"""``infraci gc``: remove what dead and expired runs have left."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from infraci import git
from infraci.app.checkout import remove_dead_trees
from infraci.app.cloud_opening import open_cloud
from infraci.base.interrupts import Interrupts
from infraci.base.temporary import remove_dead
from infraci.base.terminal import say, say_line
from infraci.errors import ExitCode, InfraciError, UsageError
from infraci.heat import LOCAL, Cloud
from infraci.ledger.ledger import Ledger
from infraci.ledger.ownership import forget_old
from infraci.pipeline.destroy_phase import remove_run
from infraci.pipeline.garbage import find_on_cloud, reason_of
from infraci.progress import Progress, make_progress


@click.command("gc", short_help="Remove what dead and expired runs have left.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option(
    "--cloud",
    "clouds",
    metavar="NAME",
    multiple=True,
    help="Clouds to search by tags; by default the embedded one and those of this repository's "
    "runs. Repeatable.",
)
@click.pass_obj
def command(verbosity: int, dry_run: bool, clouds: tuple[str, ...]) -> int:
    """Remove what dead and expired runs have left, also of runs without a record.

    Runs at work and runs that are kept on purpose (`--destroy never`, `infraci provision`) stay
    until they expire, or their record is lost. Nothing without infraci's tags is touched.
    """
    sweep = Sweep(verbosity=verbosity, dry_run=dry_run)
    with Interrupts() as interrupts:
        for name in clouds or sweep.clouds():
            interrupts.check()
            try:
                if name == LOCAL and not dry_run:
                    _end_silent_process()
                with open_cloud(name) as cloud:
                    sweep.cloud(cloud)
            except InfraciError as error:
                sweep.fail(error)
        if LOCAL in (clouds or sweep.clouds()):
            sweep.machine()
    sweep.files()
    if not sweep.count and sweep.exit_code == ExitCode.PASSED:
        say("nothing to remove")
    return sweep.exit_code


class Sweep:
    """One gc: removes what it finds, or in a dry run only names it."""

    def __init__(self, *, verbosity: int, dry_run: bool) -> None:
        self._dry_run = dry_run
        self._progress: Progress = make_progress(min(verbosity, 0))
        self._root = _repository()
        # Outside of a repository there are still the clouds.
        self._ledger = Ledger(self._root or Path("/nonexistent"))
        self.count = 0
        self.exit_code = ExitCode.PASSED

    def clouds(self) -> list[str]:
        """The embedded cloud, and those of runs that are not destroyed."""
        named = [record.cloud for record in self._ledger.list() if not record.destroyed]
        return list(dict.fromkeys([LOCAL, *named]))

    def cloud(self, cloud: Cloud) -> None:
        """The ledger's dead runs on that cloud, then what has our tags there."""
        now = time.time()
        removed = set()
        for record in self._ledger.list():
            why = reason_of(record, self._ledger, now) if record.cloud == cloud.name else None
            if why is not None:
                removed.add(record.stack_name)
                remove = partial(
                    remove_run, record, cloud=cloud, ledger=self._ledger, progress=self._progress
                )
                self._remove(f"run {record.id}", why, remove)
        for leftover in find_on_cloud(cloud, ledger=self._ledger, now=now, tell=click.echo):
            if leftover.name not in removed:
                self._remove(f"{leftover.what} {leftover.name}", leftover.why, leftover.remove)

    def machine(self) -> None:
        """Containers and networks of the embedded cloud that belong to no server it knows."""
        from infraci.local import cloud_process

        try:
            lines = cloud_process.gc(dry_run=self._dry_run)
        except InfraciError as error:
            self.fail(error)
            return
        for line in lines:
            self.count += 1
            say_line(line)

    def files(self) -> None:
        """Trees, temporary folders and half-written records of dead processes."""
        if self._dry_run:
            return
        remove_dead()
        forget_old()
        self._ledger.tidy()
        if self._root is not None:
            with suppress(OSError):
                remove_dead_trees(self._root)

    def fail(self, error: InfraciError) -> None:
        """Show an error, and go on with the rest."""
        self.exit_code = ExitCode.worst([self.exit_code, error.exit_code])
        say(error.message + (f"\nhint: {error.hint}" if error.hint else ""), err=True)

    def _remove(self, what: str, why: str, remove: Callable[[], None]) -> None:
        self.count += 1
        if self._dry_run:
            say(f"would remove {what}: {why}")
            return
        try:
            remove()
        except InfraciError as error:
            self.fail(error)
        else:
            say(f"removed {what}: {why}")


def _end_silent_process() -> None:
    """End the process of the embedded cloud if it does not answer: opening starts another one."""
    from infraci.local import cloud_process

    cloud_process.end_silent(on_progress=lambda line: say(line, err=True))


def _repository() -> Path | None:
    with suppress(UsageError, git.GitError):
        return git.repository_root(Path.cwd())
    return None
