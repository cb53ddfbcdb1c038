"""The cloud's process: it ends with its main function, and every command tells what it does."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infraci.local.lock_holder import Holder, find_holder
from infraci.local.state_dir import StateDir
from tests.local.conftest import until
from tests.processes import run_infraci, start_infraci

pytestmark = pytest.mark.cloud

#: No command may take longer, whatever the process does.
LIMIT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clouds:
    """The commands, with a state folder of their own."""

    state_dir: StateDir

    def command(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        environment = self.environment(settings)
        return run_infraci(
            *arguments, cwd=self.state_dir.folder, env=environment, timeout_s=LIMIT_S
        )

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Run a command in the background."""
        silent = subprocess.DEVNULL
        environment = self.environment(settings)
        return start_infraci(*arguments, env=environment, stdout=silent, stderr=silent)

    def environment(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        return {**os.environ, **settings, "INFRACI_STATE_DIR": str(self.state_dir.folder)}

    def holder(self) -> Holder | None:
        """The process, once its name is known."""
        holder = find_holder(self.state_dir)
        return holder if holder is not None and holder.process else None

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        holder = self.holder()
        assert holder is not None
        os.kill(int(holder.process.partition(".")[0]), number)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """While in here, a process that starts gets no further than Heat's database."""
        with closing(sqlite3.connect(self.state_dir.folder / "heat.sqlite")) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("BEGIN EXCLUSIVE")
            yield


@pytest.fixture
def clouds(tmp_path: Path) -> Iterator[Clouds]:
    """No cloud yet; whatever process there is in the end is killed."""
    clouds = Clouds(state_dir=StateDir(folder=tmp_path))
    yield clouds
    if clouds.holder() is not None:
        clouds.send(signal.SIGKILL)


def test_a_cloud_whose_starter_was_killed_is_as_good_as_any(clouds: Clouds) -> None:
    with clouds.blocked():
        starter = clouds.start("cloud", "up", INFRACI_CLOUD_IDLE_S="20")
        until(clouds.holder)
        starter.kill()
        starter.wait(LIMIT_S)
    until(lambda: (holder := clouds.holder()) and holder.address)
    assert clouds.command("cloud", "status").returncode == 0
    until(lambda: clouds.holder() is None)  # its main thread lives: it ends when it is idle


@contextmanager
def _irreplaceable(path: Path) -> Iterator[None]:
    """Make an empty file that the kernel lets no process replace, since it is mounted on itself."""
    path.touch(mode=0o600)
    subprocess.run(["mount", "--bind", path, path], check=True, timeout=10)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True, timeout=10)


def test_a_cloud_that_cannot_say_where_it_answers_ends(clouds: Clouds) -> None:
    with _irreplaceable(clouds.state_dir.clouds_yaml):  # what is written last, with Heat running
        up = clouds.command("cloud", "up")
    assert up.returncode == 125
    assert "cannot start the embedded cloud: [Errno 16] Device or resource busy" in up.stderr
    assert find_holder(clouds.state_dir) is None
    status = clouds.command("cloud", "status")
    assert (status.returncode, status.stdout) == (1, "it is not running\n")


def test_a_start_that_hangs_has_a_limit(clouds: Clouds) -> None:
    with clouds.blocked():
        up = clouds.command("cloud", "up", INFRACI_CLOUD_START_S="3")
    assert up.returncode == 125
    assert "cannot start the embedded cloud: it was not ready within 3 s" in up.stderr
    assert find_holder(clouds.state_dir) is None
    assert "in create_all" in clouds.state_dir.log.read_text(), "the log says where it hung"


def test_a_process_that_never_becomes_ready_is_told_and_replaced(clouds: Clouds) -> None:
    with clouds.blocked():
        starter = clouds.start("cloud", "up")
        first = until(clouds.holder)
        clouds.send(signal.SIGSTOP)
        starter.kill()
        starter.wait(LIMIT_S)
    status = clouds.command("cloud", "status")
    assert status.returncode == 125
    assert f"which is {first}: it has not become ready yet" in status.stderr
    assert "`infraci cloud down` ends it" in status.stderr
    up = clouds.command("cloud", "up", INFRACI_CLOUD_START_S="20")
    assert up.returncode == 0, up.stderr
    assert f"ending {first}" in up.stderr
    assert until(clouds.holder) != first
    assert clouds.command("cloud", "down").stdout == "ended\n"


def test_a_process_that_does_not_answer_is_told_and_ended(clouds: Clouds) -> None:
    assert clouds.command("cloud", "up").returncode == 0
    first = until(clouds.holder)
    clouds.send(signal.SIGSTOP)
    status = clouds.command("cloud", "status")
    assert status.returncode == 125
    assert f"which is {first}: timed out" in status.stderr
    assert clouds.command("cloud", "down").stdout == "ended\n"
    assert find_holder(clouds.state_dir) is None


def test_gc_replaces_a_process_that_does_not_answer(clouds: Clouds) -> None:
    assert clouds.command("cloud", "up").returncode == 0
    first = until(clouds.holder)
    clouds.send(signal.SIGSTOP)
    gc = clouds.command("gc")
    assert (gc.returncode, gc.stdout) == (0, "nothing to remove\n"), gc.stderr
    assert f"ending {first} of the embedded cloud" in gc.stderr


def test_a_large_log_is_put_aside(clouds: Clouds) -> None:
    old = b"x" * (5 << 20)
    clouds.state_dir.log.write_bytes(old)
    assert clouds.command("cloud", "up").returncode == 0
    assert clouds.state_dir.log.stat().st_size < len(old)
    assert clouds.state_dir.log.with_name("cloud.log.old").read_bytes() == old


def test_a_leftover_address_is_not_believed(clouds: Clouds) -> None:
    assert clouds.command("cloud", "up").returncode == 0
    clouds.send(signal.SIGKILL)
    until(lambda: clouds.holder() is None)
    assert clouds.state_dir.read_address() is not None
    with clouds.blocked():
        starter = clouds.start("cloud", "up")
        holder = until(clouds.holder)
        assert holder.address is None
    assert starter.wait(LIMIT_S) == 0
    assert clouds.command("cloud", "status").returncode == 0
