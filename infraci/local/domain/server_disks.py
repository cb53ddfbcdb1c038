"""A server's volumes: claimed for it when it is made or later, released when it is removed.

Source of rules and messages: nova/compute/api.py, nova/block_device.py
"""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterator, Sequence

from infraci.local.domain.requests import DiskRequest
from infraci.local.domain.store import Store
from infraci.local.domain.volume_records import AVAILABLE, ERROR, Volume, VolumeAttachment
from infraci.local.domain.volumes import Volumes, timestamp
from infraci.local.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
)
from infraci.local.host.host_interface import Disk

_DEVICE = re.compile(r"/dev/(xvd|vd|sd|hd)[a-z]{1,2}[0-9]*")
#: The disk that a server boots from.
ROOT_DEVICE = "/dev/vda"


class ServerDisks:
    """What Nova asks of Cinder."""

    def __init__(self, store: Store, volumes: Volumes) -> None:
        self._store = store
        self._volumes = volumes

    def of(self, server_id: str) -> list[Volume]:
        """The server's volumes, by their devices."""
        volumes = self._store.find(
            Volume,
            lambda volume: bool(volume.attachment and volume.attachment.server_id == server_id),
        )
        return sorted(volumes, key=lambda volume: _order(_attachment(volume).device))

    def root_image(self, requests: Sequence[DiskRequest]) -> str:
        """The id of the image on the volume that a server is to boot from; "" for no such volume.

        Raises InvalidRequestError if the volume is none to boot from.
        """
        for request in requests:
            if request.is_root:
                image = self._image_of(request)
                if not image:
                    raise InvalidRequestError(f"Block Device {request.source_id} is not bootable.")
                return image
        return ""

    def _image_of(self, request: DiskRequest) -> str:
        if request.source == "image":
            return request.source_id
        return self._volumes.image_of(request.source, request.source_id)

    def claim(self, server_id: str, requests: Sequence[DiskRequest]) -> None:
        """Give a server the volumes that are asked for, made where need be."""
        for request in requests:
            volume_id = request.source_id
            if request.source != "volume":
                volume_id = self._made(request).id
            self._reserve(server_id, volume_id, request)

    def _made(self, request: DiskRequest) -> Volume:
        origin = {
            "image": {"image": request.source_id},
            "snapshot": {"snapshot_id": request.source_id},
            "blank": {},
        }[request.source]
        volume = self._volumes.accept(Volume(size_gb=request.size_gb, **origin))  # type: ignore[arg-type]
        self._volumes.fill(volume.id)
        if self._volumes.require(volume.id).status == ERROR:
            raise InvalidRequestError(f"Build of volume {volume.id} failed.")
        return volume

    def _reserve(self, server_id: str, volume_id: str, request: DiskRequest) -> Volume:
        with self._store.locked():
            try:
                volume = self._volumes.require(volume_id)
            except NotFoundError:
                raise InvalidRequestError(
                    f"Block Device Mapping is Invalid: failed to get volume {volume_id}."
                ) from None
            if volume.status != AVAILABLE:
                raise InvalidRequestError(
                    f"Invalid volume: volume '{volume_id}' status must be 'available'. Currently in"
                    f" '{volume.status}' status."
                )
            attachment = VolumeAttachment(
                server_id=server_id,
                device=self._device(server_id, request),
                attached_at=timestamp(),
                is_root=request.is_root,
                delete_on_termination=request.delete_on_termination,
            )
            return self._volumes.reserve(volume_id, attachment)

    def _device(self, server_id: str, request: DiskRequest) -> str:
        if request.is_root:
            return ROOT_DEVICE
        taken = {ROOT_DEVICE, *(_attachment(volume).device for volume in self.of(server_id))}
        if not request.device:
            return next_device(taken)
        device = "/dev/" + request.device.removeprefix("/dev/")
        if not _DEVICE.fullmatch(device):
            raise InvalidRequestError(f"The supplied device path ({device}) is invalid.")
        if device in taken:
            raise ConflictError(f"The supplied device path ({device}) is in use.")
        return device

    def reserve(self, server_id: str, request: DiskRequest) -> Volume:
        """Begin to attach a volume to a server that is there."""
        self._volumes.require(request.source_id)
        return self._reserve(server_id, request.source_id, request)

    def block_devices(self, server_id: str) -> Iterator[Disk]:
        """The volumes that are a server's block devices.

        The one that it boots from is none: a server's root is its image's.
        """
        for volume in self.of(server_id):
            attachment = _attachment(volume)
            if not attachment.is_root:
                yield Disk(
                    volume_id=volume.id,
                    device=attachment.device,
                    numbers=self._volumes.bind(volume),
                    read_only=volume.read_only,
                )

    def settle(self, server_id: str) -> None:
        """Say that a server has its volumes now."""
        for volume in self.of(server_id):
            self._volumes.finish_attaching(volume.id)

    def require(self, server_id: str, volume_id: str) -> Volume:
        """Return a volume that a server has; raises NotFoundError."""
        for volume in self.of(server_id):
            if volume.id == volume_id:
                return volume
        raise NotFoundError(
            f"volume_id not found: {volume_id}. It is not attached to instance {server_id}."
        )

    def begin_detaching(self, server_id: str, volume_id: str) -> Volume:
        """Begin to detach a volume. Raises ForbiddenError for the one that is booted from."""
        volume = self.require(server_id, volume_id)
        if _attachment(volume).is_root:
            raise ForbiddenError("Cannot detach a root device volume")
        self._volumes.begin_detaching(volume_id)
        return volume

    def release(self, volume_id: str) -> None:
        """Take a volume from its server."""
        self._volumes.release(volume_id)

    def release_all(self, server_id: str) -> None:
        """Release a server's volumes; those that are to go with it are removed."""
        for volume in self.of(server_id):
            self._volumes.release(volume.id)
            if _attachment(volume).delete_on_termination:
                self._volumes.delete(volume.id)


def next_device(taken: Collection[str]) -> str:
    """The first device name after the root's that is not taken."""
    letters = string.ascii_lowercase
    names = (*letters[1:], *(first + second for first in letters for second in letters))
    for name in names:
        if f"/dev/vd{name}" not in taken:
            return f"/dev/vd{name}"
    raise ConflictError("The server has no device name left.")


def _attachment(volume: Volume) -> VolumeAttachment:
    if volume.attachment is None:
        raise NotFoundError(f"Volume {volume.id} is attached to no server.")
    return volume.attachment


def _order(device: str) -> tuple[int, str]:
    return len(device), device
