"""What a server may ask at its socket, and what is refused."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from infraci.local.api.server_requests import ServerRequests
from infraci.local.domain.records import Server
from infraci.local.domain.server_disks import ServerDisks
from infraci.local.domain.server_volumes import ServerVolumes, Turns
from infraci.local.domain.store import Store
from infraci.local.domain.volumes import Volumes
from infraci.local.host.host_interface import MountRequest
from infraci.local.host.volume_files import VolumeFiles


class RecordingHost:
    """Remembers what it is asked to do."""

    def __init__(self) -> None:
        self.jobs: list[object] = []

    def mount(self, server_id: str, disks: object, request: MountRequest) -> None:
        self.jobs += [server_id, request]

    def unmount(self, server_id: str, disks: object, target: str, *, is_lazy: bool) -> None:
        self.jobs.append((server_id, target, is_lazy))


@pytest.fixture
def host() -> RecordingHost:
    return RecordingHost()


@pytest.fixture
def requests(host: RecordingHost, tmp_path: Path) -> ServerRequests:
    store = Store()

    def require(id_: str) -> Server:
        raise AssertionError

    disks = ServerDisks(store, Volumes(store, VolumeFiles(tmp_path)))
    volumes = ServerVolumes(disks, host, turns=Turns(Lock), require=require)  # type: ignore[arg-type]
    return ServerRequests(volumes)


def mount(**more: Any) -> dict[str, Any]:
    return {
        "operation": "mount",
        "device": [7, 70000],
        "target": "/data",
        "type": "ext4",
        "options": "rw,noatime",
        **more,
    }


def test_a_mount(requests: ServerRequests, host: RecordingHost) -> None:
    assert requests.answer("s1", mount()) == {}
    made = MountRequest(
        target="/data",
        type="ext4",
        numbers=(7, 70000),
        flags=("noatime", "nodev"),
        options=(("errors", "remount-ro"), ("rw", "")),
    )
    assert host.jobs == ["s1", made]


def test_a_remount_and_an_unmount(requests: ServerRequests, host: RecordingHost) -> None:
    assert requests.answer("s1", mount(options="remount,ro")) == {}
    assert requests.answer("s1", {"operation": "unmount", "target": "/data", "lazy": True}) == {}
    (remount,) = (each for each in host.jobs if isinstance(each, MountRequest))
    assert (remount.is_remount, remount.flags) == (True, ("nodev", "ro"))
    assert host.jobs[-1] == ("s1", "/data", True)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (None, "no object"),
        ([], "no object"),
        ({}, "no printable text"),
        (mount(operation="exec"), "neither mount nor unmount"),
        (mount(target="data"), "no path"),
        (mount(target="/" + "x" * 5000), "no path"),
        (mount(target="/a\0b"), "no printable text"),
        (mount(target=["/"]), "no printable text"),
        (mount(device=[7]), "no pair of numbers"),
        (mount(device=["7", "0"]), "no pair of numbers"),
        (mount(type="proc"), "unknown filesystem type 'proc'"),
        (mount(options="loop,offset=1"), "with the option loop"),
        (mount(options={"a": 1}), "no printable text"),
    ],
)
def test_nonsense_and_what_is_not_allowed(
    requests: ServerRequests, host: RecordingHost, request_: object, words: str
) -> None:
    assert words in requests.answer("s1", request_)["error"]
    assert host.jobs == []
