"""Real full disks: a run tells of them within its limits, and all it made can be removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from infraci.local.host.disk_space import LOW_BYTES, DiskSpace
from infraci.local.state_dir import StateDir
from tests.clouds import CloudUnderTest, embedded_cloud
from tests.faults.waiting import STUCK_STACK, make_repository, until_waiting
from tests.processes import finish

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(400)]

#: Whatever the disk, a command takes no longer.
LIMIT_S = 120.0


class Disk:
    """A small disk, as tmpfs is one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, *, left: int = 0) -> None:
        """Write until so many bytes are left."""
        path = self.folder / f"filling-{time.monotonic_ns()}"
        with path.open("wb", buffering=0) as file, suppress(OSError):
            while (free := self.left() - left) > 0:
                file.write(b"\0" * min(free, 1 << 16))

    def free(self) -> None:
        """Remove what it was filled with."""
        for file in self.folder.glob("filling-*"):
            file.unlink()

    def left(self) -> int:
        """The bytes that are left."""
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    """A disk in memory, or one of a kind that is given, in a file."""
    folder = tmp_path / "disk"
    folder.mkdir()
    kind = getattr(request, "param", "tmpfs")
    if kind == "tmpfs":
        mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs"]
    else:
        image = tmp_path / "image"
        with image.open("wb") as file:
            file.truncate(80 << 20)
        subprocess.run([f"mkfs.{kind}", "-q", "-m", "0", str(image)], check=True)
        mount = ["mount", "-o", "loop", str(image)]
    subprocess.run([*mount, str(folder)], check=True)
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_state_folder_without_room_makes_nothing(disk: Disk, tmp_path: Path) -> None:
    make_repository(tmp_path / "repository")
    with embedded_cloud(disk.folder / "cloud") as cloud:
        disk.fill(left=700 << 10)
        run = finish(cloud.start(tmp_path / "repository", "run", "web"), timeout_s=LIMIT_S)
        assert run.returncode == 125
        assert f"the disk of {disk.folder / 'cloud'} has " in run.stderr
        gc = finish(cloud.start(tmp_path / "repository", "gc"), timeout_s=LIMIT_S)
        assert (gc.returncode, gc.stdout) == (0, "nothing to remove\n"), gc.stderr


def test_a_state_folder_that_fills_up_is_told_and_loses_nothing(disk: Disk, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    make_repository(folder, stack=STUCK_STACK)
    with embedded_cloud(disk.folder / "cloud") as cloud:
        run = cloud.start(folder, "-v", "run", "web")
        before = until_waiting(run)
        reserve = disk.folder / "cloud" / "reserve"
        assert reserve.stat().st_size > 0
        disk.fill()
        _until_gone(reserve)
        disk.fill()
        done = finish(run, timeout_s=LIMIT_S)
        assert done.returncode == 125, before + done.stderr
        assert "0.0 MB left, and 1.0 MB are needed" in done.stderr
        disk.fill()
        gc = finish(cloud.start(folder, "gc"), timeout_s=LIMIT_S)
        assert gc.returncode == 0, gc.stderr
        assert cloud.inventory()["servers"] == frozenset()
        assert cloud.inventory()["stacks"] == frozenset()
        assert disk.left() < LOW_BYTES


def test_what_stands_is_removed_though_the_disk_is_full(disk: Disk, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    make_repository(folder)
    with embedded_cloud(disk.folder / "cloud") as cloud:
        stood_up = finish(cloud.start(folder, "provision", "web"), timeout_s=LIMIT_S)
        assert stood_up.returncode == 0, stood_up.stderr
        disk.fill()
        _until_gone(disk.folder / "cloud" / "reserve")
        destroy = finish(cloud.start(folder, "destroy", "--all"), timeout_s=LIMIT_S)
        assert destroy.returncode == 0, destroy.stderr
        assert cloud.inventory()["servers"] == frozenset()


@pytest.mark.parametrize("disk", ["tmpfs", "ext4"], indirect=True)
@pytest.mark.parametrize("is_killed", [False, True], ids=["at work", "killed"])
def test_what_stands_is_removed_without_a_byte_of_room(
    is_killed: bool, disk: Disk, tmp_path: Path
) -> None:
    """Neither the state folder nor the repository has any, and the cloud's reserve is used up."""
    folder = disk.folder / "repository"
    make_repository(folder)
    with embedded_cloud(disk.folder / "cloud") as cloud:
        for _ in range(2):
            stood_up = finish(cloud.start(folder, "provision", "web"), timeout_s=LIMIT_S)
            assert stood_up.returncode == 0, stood_up.stderr
        runs = [path.name for path in (folder / ".infraci" / "runs").iterdir()]
        disk.fill()
        reserve = disk.folder / "cloud" / "reserve"
        if is_killed:
            address = StateDir(folder=disk.folder / "cloud").read_address()
            assert address is not None
            os.kill(address.pid, signal.SIGKILL)
            reserve.unlink()
        _until_gone(reserve)
        disk.fill()
        destroy = finish(cloud.start(folder, "destroy", runs[0]), timeout_s=LIMIT_S)
        assert destroy.returncode == 0, destroy.stderr
        (folder / ".infraci" / "runs" / runs[1] / "run.json").unlink()
        disk.fill()
        gc = finish(cloud.start(folder, "gc"), timeout_s=LIMIT_S)
        assert gc.returncode == 0, gc.stderr
        assert cloud.inventory()["servers"] == frozenset()
        assert cloud.inventory()["stacks"] == frozenset()
        assert disk.left() < LOW_BYTES
        (run,) = json.loads(finish(cloud.start(folder, "list", "--json")).stdout)
        assert (run["id"], run["state"]) == (runs[0], "destroyed")


def test_a_full_repository_does_not_keep_a_stack_alive(disk: Disk, tmp_path: Path) -> None:
    folder = disk.folder / "repository"
    make_repository(folder)
    with embedded_cloud(tmp_path / "cloud") as cloud:
        run = cloud.start(folder, "-v", "run", "web")
        before = until_waiting(run)
        disk.fill()
        done = finish(run, timeout_s=LIMIT_S)
        assert done.returncode == 125, before + done.stderr
        assert "No space left on device" in done.stderr
        assert "bug" not in done.stderr
        assert cloud.inventory()["servers"] == frozenset()
        assert cloud.inventory()["stacks"] == frozenset()


def test_a_cloud_that_may_open_too_few_files_does_not_start(tmp_path: Path) -> None:
    make_repository(tmp_path / "repository")
    with embedded_cloud(tmp_path / "cloud") as cloud:
        finish(cloud.start(tmp_path, "cloud", "down"), timeout_s=LIMIT_S)
        run = _run_with_files(24, cloud, tmp_path / "repository")
        assert run.returncode == 125
        assert "cannot start the embedded cloud: it may open 24 files, and needs" in run.stderr
        finish(cloud.start(tmp_path, "cloud", "up"), timeout_s=LIMIT_S)


def test_a_run_that_may_open_too_few_files_tells_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    make_repository(folder)
    with embedded_cloud(tmp_path / "cloud") as cloud:
        run = _run_with_files(14, cloud, folder)
        assert run.returncode == 125, run.stderr
        assert "Too many open files" in run.stderr
        assert "bug" not in run.stderr
        gc = finish(cloud.start(folder, "gc"), timeout_s=LIMIT_S)
        assert gc.returncode == 0, gc.stderr
        assert cloud.inventory()["servers"] == frozenset()


def _run_with_files(
    limit: int, cloud: CloudUnderTest, folder: Path
) -> subprocess.CompletedProcess[str]:
    infraci = [sys.executable, "-P", "-m", "infraci", "run", "web"]
    return subprocess.run(
        ["prlimit", f"--nofile={limit}:{limit}", *infraci],
        cwd=folder,
        env=cloud.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def test_the_reserve_is_given_up_and_taken_again(disk: Disk) -> None:
    disk_space = DiskSpace(disk.folder)
    disk_space.measure()
    reserve = disk.folder / "reserve"
    assert reserve.exists()
    assert disk_space.shortage(LOW_BYTES) is None
    disk.fill()
    assert disk_space.shortage(LOW_BYTES) is None, "the reserve is room for what is left to do"
    assert not reserve.exists()
    disk.fill()
    assert (
        disk_space.shortage(LOW_BYTES)
        == f"the disk of {disk.folder} has 0.0 MB left, and 1.0 MB are needed"
    )
    disk.free()
    disk_space.measure()
    assert reserve.exists()


def _until_gone(path: Path) -> None:
    ends = time.monotonic() + LIMIT_S
    while path.exists():
        assert time.monotonic() < ends
        time.sleep(0.1)
