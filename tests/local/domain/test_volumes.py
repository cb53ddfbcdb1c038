"""Cinder's rules for volumes, snapshots and types, and Nova's for a server's disks."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from infraci.errors import CloudError
from infraci.local.domain.records import Image
from infraci.local.domain.requests import DiskRequest
from infraci.local.domain.server_disks import ServerDisks, next_device
from infraci.local.domain.snapshots import Snapshots
from infraci.local.domain.store import Store
from infraci.local.domain.volume_records import ERROR, IN_USE, Snapshot, Volume, VolumeType
from infraci.local.domain.volumes import Volumes
from infraci.local.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    RequestError,
)
from infraci.local.host.volume_files import VolumeFiles


class Cinder:
    """Volumes of a store, whose disks are files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store()
        files = VolumeFiles(folder)
        self.volumes = Volumes(self.store, files)
        self.snapshots = Snapshots(self.store, self.volumes, files)
        self.disks = ServerDisks(self.store, self.volumes)
        self.store.put(Image(id="image", name="debian-12"))

    def made(self, size_gb: int = 1, *, image: str = "", snapshot_id: str | None = None) -> Volume:
        """Make a volume, and wait for its disk."""
        volume = Volume(size_gb=size_gb, image=image, snapshot_id=snapshot_id)
        self.volumes.create(volume)
        settle()
        return self.volumes.require(volume.id)

    def files(self) -> set[str]:
        """Return the names of the files of volumes and snapshots."""
        return {path.name for path in self.folder.iterdir()}


def settle() -> None:
    """Wait for what goes on in the background."""
    for thread in threading.enumerate():
        if thread.name.startswith("volume-"):
            thread.join(timeout=60)


def by(volume: Volume, **options: bool | str) -> DiskRequest:
    return DiskRequest(source="volume", source_id=volume.id, **options)  # type: ignore[arg-type]


@pytest.fixture
def cinder(tmp_path: Path) -> Cinder:
    return Cinder(tmp_path / "volumes")


def test_a_volume_is_a_sparse_file_of_its_size(cinder: Cinder) -> None:
    volume = cinder.made(3)
    status = (cinder.folder / volume.id).stat()
    assert (volume.status, status.st_size, status.st_blocks) == ("available", 3 << 30, 0)
    cinder.volumes.extend(volume.id, 5)
    assert (cinder.folder / volume.id).stat().st_size == 5 << 30
    with pytest.raises(InvalidRequestError, match="must be greater than current size"):
        cinder.volumes.extend(volume.id, 5)
    cinder.volumes.delete(volume.id)
    settle()
    assert cinder.files() == set()
    with pytest.raises(NotFoundError):
        cinder.volumes.require(volume.id)


def test_a_disk_that_cannot_be_made_is_an_error(cinder: Cinder) -> None:
    volume = cinder.made(1 << 30)  # more than any file system takes
    assert volume.status == ERROR
    assert cinder.files() == set()


def test_a_snapshot_keeps_what_was_there(cinder: Cinder) -> None:
    volume = cinder.made(1, image="image")
    file = cinder.folder / volume.id
    with file.open("r+b") as disk:
        disk.write(b"then")
    snapshot = cinder.snapshots.create(Snapshot(volume_id=volume.id), force=False)
    with file.open("r+b") as disk:
        disk.write(b"now!")
    restored = cinder.made(2, snapshot_id=snapshot.id)
    with (cinder.folder / restored.id).open("rb") as disk:
        assert disk.read(4) == b"then"
    assert (restored.image, restored.bootable) == ("image", True)
    with pytest.raises(InvalidRequestError, match="have snapshots"):
        cinder.volumes.delete(volume.id)
    larger = cinder.snapshots.create(Snapshot(volume_id=restored.id), force=False)
    with pytest.raises(InvalidRequestError, match="cannot be smaller than the snapshot size"):
        cinder.made(1, snapshot_id=larger.id)
    cinder.volumes.delete(volume.id, cascade=True)
    settle()
    assert volume.id not in cinder.files()


def test_a_server_has_its_volumes_in_the_order_of_attachment(cinder: Cinder) -> None:
    first, second, third = cinder.made(), cinder.made(), cinder.made()
    cinder.disks.claim("web", [by(first), by(second, device="vdc"), by(third)])
    cinder.disks.settle("web")
    devices = [volume.attachment and volume.attachment.device for volume in cinder.disks.of("web")]
    assert devices == ["/dev/vdb", "/dev/vdc", "/dev/vdd"]
    assert {volume.status for volume in cinder.disks.of("web")} == {IN_USE}
    with pytest.raises(InvalidRequestError, match="attached"):
        cinder.volumes.delete(first.id)
    with pytest.raises(InvalidRequestError, match="status must be 'available'"):
        cinder.disks.reserve("other", by(first))
    cinder.disks.begin_detaching("web", first.id)
    cinder.disks.release(first.id)
    assert cinder.volumes.require(first.id).attachment is None
    with pytest.raises(NotFoundError, match="not attached"):
        cinder.disks.require("web", first.id)


@pytest.mark.parametrize(
    ("device", "error"), [("/dev/vda", ConflictError), ("/mnt/data", InvalidRequestError)]
)
def test_a_device_path_that_cannot_be(
    cinder: Cinder, device: str, error: type[RequestError]
) -> None:
    volume = cinder.made()
    with pytest.raises(error, match="The supplied device path"):
        cinder.disks.reserve("web", by(volume, device=device))


def test_a_server_boots_from_what_has_an_image(cinder: Cinder) -> None:
    root, empty = cinder.made(image="image"), cinder.made()
    assert cinder.disks.root_image([by(empty), by(root, is_root=True)]) == "image"
    assert cinder.disks.root_image([by(root)]) == ""
    with pytest.raises(InvalidRequestError, match="is not bootable"):
        cinder.disks.root_image([by(empty, is_root=True)])
    cinder.disks.claim("web", [by(root, is_root=True)])
    with pytest.raises(ForbiddenError, match="root device"):
        cinder.disks.begin_detaching("web", root.id)


def test_what_goes_with_its_server(cinder: Cinder) -> None:
    stays, goes = cinder.made(), cinder.made()
    cinder.disks.claim("web", [by(stays), by(goes, delete_on_termination=True)])
    cinder.disks.release_all("web")
    settle()
    assert [volume.id for volume in cinder.volumes.all()] == [stays.id]


def test_types_are_by_name_and_stay_while_they_are_used(cinder: Cinder) -> None:
    types = cinder.volumes.types
    fast = types.add(VolumeType(name="fast"))
    with pytest.raises(ConflictError):
        types.add(VolumeType(name="fast"))
    volume = cinder.made()
    cinder.volumes.retype(volume.id, fast.id)
    with pytest.raises(InvalidRequestError, match="still in use"):
        types.delete(fast.id)
    cinder.volumes.retype(volume.id, "__DEFAULT__")
    types.delete(fast.id)
    with pytest.raises(InvalidRequestError, match="belongs to the embedded cloud"):
        types.delete("__DEFAULT__")


def test_what_a_killed_process_left(cinder: Cinder) -> None:
    begun = cinder.store.put(Volume(size_gb=1))
    going = cinder.store.put(Volume(size_gb=1, status="deleting"))
    cinder.folder.mkdir()
    (cinder.folder / "unknown").touch()
    assert cinder.volumes.reconcile(dry_run=True) == ["volume unknown"]
    assert cinder.volumes.reconcile() == ["volume unknown"]
    assert cinder.volumes.require(begun.id).status == "available"
    assert cinder.store.get(Volume, going.id) is None
    assert cinder.files() == {begun.id}


def test_there_are_as_many_device_names_as_a_server_may_need() -> None:
    letters = {f"/dev/vd{letter}" for letter in "bcdefghijklmnopqrstuvwxyz"}
    assert next_device(letters) == "/dev/vdaa"


def test_a_copy_of_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CloudError, match="cannot copy a disk"):
        VolumeFiles(tmp_path).create("copy", 1, source="gone")
    assert list(tmp_path.iterdir()) == []
