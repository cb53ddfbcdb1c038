"""Volumes on this machine: sparse files, loop devices, and nodes in a server's /dev."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infraci.errors import CloudError
from infraci.local.domain.store import Store
from infraci.local.domain.volume_records import Volume
from infraci.local.domain.volumes import Volumes
from infraci.local.host import loop_devices
from infraci.local.host.device_nodes import make_nodes, remove_nodes
from infraci.local.host.host_interface import Disk
from infraci.local.host.volume_files import VolumeFiles


@pytest.fixture
def files(tmp_path: Path) -> Iterator[VolumeFiles]:
    """Files of volumes; their loop devices go with the test."""
    files = VolumeFiles(tmp_path / "volumes")
    yield files
    for minors in loop_devices.bound(tmp_path / "volumes").values():
        for minor in minors:
            loop_devices.release(minor)


def test_a_machine_without_loop_devices_refuses_volumes(tmp_path: Path) -> None:
    store = Store()
    volumes = Volumes(store, VolumeFiles(tmp_path / "volumes", control=tmp_path / "none"))
    with pytest.raises(CloudError, match="it has no loop devices"):
        volumes.create(Volume(size_gb=1))
    assert volumes.all() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.cloud
def test_a_file_becomes_a_block_device_once(files: VolumeFiles, tmp_path: Path) -> None:
    files.create("one", 1)
    major, minor = files.bind("one", read_only=False)
    assert files.bind("one", read_only=False) == (major, minor)
    size = ["blockdev", "--getsize64", f"/dev/loop{minor}"]
    files.extend("one", 2)
    assert int(subprocess.check_output(size)) == 2 << 30
    files.remove("one")
    assert loop_devices.bound(tmp_path / "volumes") == {}
    assert not Path(f"/dev/loop{minor}").exists()


@pytest.mark.cloud
def test_a_program_that_keeps_a_freed_device_open_keeps_no_other(files: VolumeFiles) -> None:
    files.create("one", 1)
    _, first = files.bind("one", read_only=False)
    with Path(f"/dev/loop{first}").open("rb"):
        files.unbind("one")
        _, second = files.bind("one", read_only=False)
        assert second != first
    assert files.bind("one", read_only=False) == (7, second)


@pytest.mark.cloud
def test_block_devices_that_are_not_in_use_are_swept(files: VolumeFiles, tmp_path: Path) -> None:
    for name in ("used", "idle", "unknown"):
        files.create(name, 1)
        files.bind(name, read_only=False)
    lines = ["volume unknown", "block device of volume idle"]
    for dry_run in (True, False):
        swept = files.sweep(known={"used", "idle"}, in_use={"used"}, dry_run=dry_run)
        assert swept == lines
    assert loop_devices.bound(tmp_path / "volumes").keys() == {"used"}
    assert {path.name for path in (tmp_path / "volumes").iterdir()} == {"used", "idle"}


@pytest.mark.cloud
def test_a_read_only_volume_takes_no_writes(files: VolumeFiles) -> None:
    files.create("one", 1)
    _, minor = files.bind("one", read_only=True)
    command = ["blockdev", "--getro", f"/dev/loop{minor}"]
    assert subprocess.check_output(command).strip() == b"1"


@pytest.mark.cloud
def test_a_link_in_a_server_leads_nowhere(tmp_path: Path) -> None:
    """A process whose root is a folder stands for a server, whose root user made a link."""
    disk = Disk(volume_id="volume", device="/dev/vdb", numbers=(7, 70000))
    target = tmp_path / "outside"
    target.mkdir()
    dev = tmp_path / "root" / "dev"
    dev.mkdir(parents=True)
    (dev / "disk").symlink_to(target)
    (dev / "vdb").symlink_to(target / "file")
    script = "import os, sys; os.chroot(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        ["python3", "-c", script, str(tmp_path / "root")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdin
        assert server.stdout
        server.stdout.readline()
        with pytest.raises(CloudError, match="cannot make /dev/vdb in the server"):
            make_nodes(server.pid, disk)
        assert list(target.iterdir()) == []
        (dev / "disk").unlink()
        make_nodes(server.pid, disk)
        assert os.major((dev / "vdb").stat().st_rdev) == 7
        assert (dev / "disk" / "by-id" / "virtio-volume").readlink() == Path("../../vdb")
        remove_nodes(server.pid, disk)
        assert not (dev / "vdb").exists()
        server.stdin.close()
