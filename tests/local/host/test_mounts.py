"""File systems on volumes are mounted in a server's namespace, and its tricks lead nowhere.

A process with mounts and a root of its own stands for the server.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.local.host import loop_devices, mounts
from infraci.local.host.block_devices import forget_disk, list_disk
from infraci.local.host.host_interface import Disk, MountRequest
from infraci.local.host.mount_process import mounts_in
from infraci.local.host.mounts import MountError
from infraci.local.host.shown_disks import ShownDisks
from infraci.local.host.volume_files import VolumeFiles

pytestmark = pytest.mark.cloud

#: Holds what it is told to open, until its input ends.
_SERVER = """\
import os, sys
os.chroot(sys.argv[1])
os.chdir("/")
for line in iter(lambda: sys.stdin.readline(), ""):
    verb, _, path = line.strip().partition(" ")
    try:
        if verb == "hold":
            held = open(path, "w")
        elif verb == "write":
            held.write(path)
            held.flush()
            os.fsync(held.fileno())
        print("done", flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""
_START = 'mount --bind "$1" "$1" && mount --bind /proc "$1/proc" && exec "$3" -c "$2" "$1"'


class Server:
    """A process with mounts and a root of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("data", "proc", "sys/block", "sys/dev/block", "dev/disk", "secret"):
            (root / name).mkdir(parents=True)
        command = ["sh", "-c", _START, "sh", str(root), _SERVER, sys.executable]
        self.process = subprocess.Popen(
            ["unshare", "--mount", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.init, self.netns = self.process.pid, Path("/proc/self/ns/net")
        assert self.ask("ready") == "done"

    def ask(self, line: str) -> str:
        """Have it do something; returns how that ended."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def path(self, name: str) -> Path:
        """A path in it, as this machine reaches it."""
        return Path(f"/proc/{self.init}/root/{name}")

    def volumes(self) -> dict[str, str]:
        """Where volumes are mounted → what of."""
        mounts = mounts_in(self.init)
        names = {each.target: each.source for each in mounts if each.source.startswith("/dev/vd")}
        names.pop("/", None)  # this machine's own
        return names

    def end(self) -> None:
        """End it, and with it its mounts."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[VolumeFiles]:
    files = VolumeFiles(tmp_path / "volumes")
    yield files
    for name in ("one", "two"):
        files.remove(name)


@pytest.fixture
def server(tmp_path: Path, files: VolumeFiles) -> Iterator[Server]:
    # It ends before its disks are removed.
    server = Server(tmp_path / "root")
    yield server
    server.end()


@pytest.fixture
def disk(files: VolumeFiles) -> Disk:
    return made(files, "one", "/dev/vdb")


def made(files: VolumeFiles, name: str, device: str) -> Disk:
    """A disk with an empty ext4 on it."""
    files.create(name, 1)
    subprocess.run(["mkfs.ext4", "-q", str(files.path(name))], check=True, timeout=60)
    return Disk(volume_id=name, device=device, numbers=files.bind(name, read_only=False))


def mount(server: Server, disk: Disk, target: str = "/data", **options: object) -> None:
    request = MountRequest(target=target, type="ext4", numbers=disk.numbers, flags=("nodev",))
    changed = replace(request, **options)  # type: ignore[arg-type]
    mounts.mount(server.init, server.netns, [disk], changed)


def unmount(server: Server, disk: Disk, target: str = "/data", *, is_lazy: bool = False) -> None:
    mounts.unmount(server.init, server.netns, [disk], target, is_lazy=is_lazy)


def test_a_volume_is_mounted_in_the_server_alone(server: Server, disk: Disk) -> None:
    mount(server, disk)
    assert server.volumes() == {"/data": "/dev/vdb"}
    here = [line.split()[2] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    assert here
    assert "{}:{}".format(*disk.numbers) not in here
    server.path("data/file").write_text("kept")
    unmount(server, disk)
    assert server.volumes() == {}
    assert not server.path("data/file").exists()
    mount(server, disk, "/secret")
    assert server.path("secret/file").read_text() == "kept"


def test_how_it_is_mounted_changes(server: Server, disk: Disk) -> None:
    mount(server, disk)
    mount(server, disk, is_remount=True, flags=("nodev", "ro"), options=(("ro", ""),))
    with pytest.raises(OSError, match="Read-only"):
        server.path("data/file").touch()
    mount(server, disk, is_remount=True, options=(("rw", ""),))
    server.path("data/file").touch()


def test_what_is_in_use_is_not_unmounted_but_lazily(server: Server, disk: Disk) -> None:
    mount(server, disk)
    assert server.ask("hold /data/file") == "done"
    with pytest.raises(MountError, match="target is busy"):
        unmount(server, disk)
    unmount(server, disk, is_lazy=True)
    assert server.volumes() == {}
    assert server.ask("write more") == "done"


def test_an_unplugged_volume_keeps_what_was_written_and_takes_no_more(
    server: Server, disk: Disk, files: VolumeFiles
) -> None:
    mount(server, disk)
    assert server.ask("hold /data/file") == "done"
    assert server.ask("write early") == "done"
    mounts.unplug(server.init, server.netns, disk)
    assert server.volumes() == {}
    assert server.ask("write late").isdecimal()
    check = ["e2fsck", "-fn", str(files.path("one"))]
    subprocess.run(check, check=True, capture_output=True, timeout=60)
    read = ["debugfs", "-R", "cat /file", str(files.path("one"))]
    assert subprocess.check_output(read, text=True, timeout=60) == "early"


def test_the_end_of_a_server_frees_its_volume(server: Server, disk: Disk, tmp_path: Path) -> None:
    mount(server, disk)
    server.path("data/file").write_text("kept")
    server.end()
    loop_devices.unbind(tmp_path / "volumes" / "one")
    assert not Path(f"/dev/loop{disk.numbers[1]}").exists()


def test_a_disk_of_another_server_is_not_mounted(
    server: Server, disk: Disk, files: VolumeFiles
) -> None:
    other = made(files, "two", "/dev/vdc")
    with pytest.raises(MountError, match="permission denied"):
        mount(server, disk, numbers=other.numbers)
    assert server.volumes() == {}


def test_another_mount_is_not_undone_or_changed(server: Server, disk: Disk) -> None:
    for target in ("/", "/proc"):
        with pytest.raises(MountError, match="no volume of the server's"):
            unmount(server, disk, target)
        with pytest.raises(MountError, match="no volume of the server's"):
            mount(server, disk, target, is_remount=True)
    with pytest.raises(MountError, match="not mounted"):
        unmount(server, disk, "/secret")


@pytest.mark.parametrize("target", ["/", "/proc", "/proc/sys", "/link", "/data/../proc"])
def test_nothing_is_mounted_over_what_holds_a_server(
    server: Server, disk: Disk, target: str
) -> None:
    (server.root / "link").symlink_to("/proc/sys")
    with pytest.raises(MountError, match="nothing can be mounted there"):
        mount(server, disk, target)


def test_a_link_leads_to_no_folder_of_this_machine(
    server: Server, disk: Disk, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (server.root / "out").symlink_to(outside)
    (server.root / "up").symlink_to("../../../outside")
    for target in ("/out", "/up", "/nowhere"):
        with pytest.raises(MountError, match="mount point does not exist"):
            mount(server, disk, target)
    (server.root / "self").symlink_to("/proc/self/root")
    with pytest.raises(MountError, match="symbolic links"):
        mount(server, disk, "/self/data")


def test_device_nodes_and_set_user_ids_on_a_volume(server: Server, disk: Disk) -> None:
    """The first would be opened by this machine's users, the second counts in the server only."""
    mount(server, disk)
    node = server.path("data/node")
    os.mknod(node, 0o060666, os.makedev(*disk.numbers))
    with pytest.raises(PermissionError):
        node.read_bytes()


def test_what_is_no_file_system(server: Server, disk: Disk, files: VolumeFiles) -> None:
    subprocess.run(["wipefs", "--all", "--quiet", str(files.path("one"))], check=True, timeout=60)
    with pytest.raises(MountError, match="wrong fs type, bad option, bad superblock on /dev/vdb"):
        mount(server, disk)
    with pytest.raises(MountError, match="unknown filesystem type 'nonsense'"):
        mount(server, disk, type="nonsense")


def test_another_process_of_that_id_is_no_server(server: Server, disk: Disk) -> None:
    server.netns = Path("/proc/self/ns/mnt")
    with pytest.raises(MountError, match="the server has ended"):
        mount(server, disk)


def test_a_server_lists_its_own_block_devices(server: Server, disk: Disk) -> None:
    list_disk(server.init, server.netns, disk)
    list_disk(server.init, server.netns, disk)
    minor = disk.numbers[1]
    assert [path.name for path in server.path("sys/block").iterdir()] == ["vdb"]
    assert (server.path("sys/block") / "vdb" / "size").is_symlink()
    assert server.path(f"sys/dev/block/7:{minor}").readlink() == Path("../../block/vdb")
    forget_disk(server.init, disk)
    assert list(server.path("sys/block").iterdir()) == []
    assert list(server.path("sys/dev/block").iterdir()) == []


def test_partitions_that_a_server_makes_are_devices(server: Server, disk: Disk) -> None:
    shown, minor = ShownDisks(namespace_of=lambda _: server.netns), disk.numbers[1]
    shown.show(server.init, "s1", [disk])
    write_table(minor, 204800, 1000000)
    assert not server.path("dev/vdb1").exists()
    shown.watch_partitions({"s1": server.init})
    parts = loop_devices.partitions(minor)
    assert parts.keys() == {1, 2}
    node = server.path("dev/vdb1").stat()
    assert (os.major(node.st_rdev), os.minor(node.st_rdev)) == parts[1]
    assert server.path("dev/disk/by-id/virtio-one-part2").readlink() == Path("../../vdb2")
    listed = server.path("sys/dev/block/{}:{}".format(*parts[1])).readlink()
    assert listed == Path("../../block/vdb/vdb1")

    subprocess.run(["mkfs.ext4", "-q", f"/dev/loop{minor}p1"], check=True, timeout=60)
    mount(server, disk, numbers=parts[1])
    assert server.volumes() == {"/data": "/dev/vdb1"}
    shown.hide(server.init, "s1", disk)
    assert server.volumes() == {}
    assert [path.name for path in server.path("dev").iterdir()] == ["disk"]

    shown.show(server.init, "s1", [disk])
    write_table(minor, 2000000)
    shown.watch_partitions({"s1": server.init})
    assert not server.path("dev/vdb2").exists()
    shown.forget("s1")
    write_table(minor, 20480, 20480)
    shown.watch_partitions({"s1": server.init})
    assert not server.path("dev/vdb2").exists()


def write_table(minor: int, *sizes: int) -> None:
    """Write a DOS partition table as a server does, of which the kernel is not told."""
    first, entries = 2048, b""
    for size in sizes:
        entries += struct.pack("<4xB3xII", 0x83, first, size)
        first += size
    table = bytes(446) + entries.ljust(64, b"\0") + b"\x55\xaa"
    device = os.open(f"/dev/loop{minor}", os.O_RDWR)
    os.pwrite(device, table, 0)
    os.fsync(device)
    os.close(device)
