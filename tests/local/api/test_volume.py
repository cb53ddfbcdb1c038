"""Cinder's API: how it takes and shows JSON, and refuses what it does not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from infraci.local.api.device_json import parse_disks
from infraci.local.api.volume import VolumeApi
from infraci.local.domain.requests import DiskRequest
from infraci.local.domain.snapshots import Snapshots
from infraci.local.domain.store import Store
from infraci.local.domain.volumes import Volumes
from infraci.local.errors import InvalidRequestError
from infraci.local.host.volume_files import VolumeFiles


@pytest.fixture
def client(tmp_path: Path) -> Client:
    store, files = Store(), VolumeFiles(tmp_path / "volumes")
    volumes = Volumes(store, files)
    return Client(VolumeApi(store, volumes, Snapshots(store, volumes, files), lambda _: True))


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "size. It is missing"),
        ({"size": 0}, 400, "0 is less than 1"),
        ({"size": "large"}, 400, "'large' is not a number"),
        ({"size": 1, "name": "x" * 256}, 400, "it has 256 characters, and 255 are taken"),
        ({"size": 1, "metadata": {"a": 1}}, 400, "no map of texts"),
        ({"size": 1, "multiattach": True}, 400, "can't honour multiattach"),
        ({"size": 1, "backup_id": "b"}, 400, "can't honour backup_id"),
        ({"size": 1, "volume_type": "tape"}, 404, "Volume type tape could not be found"),
        ({"snapshot_id": "s"}, 404, "Snapshot s could not be found"),
        ({"size": 1, "imageRef": "i"}, 400, "Invalid image identifier"),
        ({"size": 1, "imageRef": "i", "snapshot_id": "s"}, 400, "imageRef and snapshot_id"),
    ],
)
def test_a_volume_that_is_refused(
    client: Client, body: dict[str, Any], status: int, message: str
) -> None:
    answer = client.post("/v3/p/volumes", json={"volume": body})
    assert answer.status_code == status, answer.text
    assert message in answer.text
    assert client.get("/v3/p/volumes").json == {"volumes": []}


def test_an_action_that_there_is_none_of(client: Client) -> None:
    made = client.post("/v3/p/volumes", json={"volume": {"size": 1}}).json
    assert made
    path = f"/v3/p/volumes/{made['volume']['id']}/action"
    answer = client.post(path, json={"os-volume_upload_image": {"image_name": "x"}})
    assert answer.status_code == 400
    assert "no volume action 'os-volume_upload_image'" in answer.text


def test_limits_count_what_there_is(client: Client) -> None:
    client.post("/v3/p/volumes", json={"volume": {"size": 2}})
    limits = client.get("/v3/p/limits").json
    assert limits
    assert limits["limits"]["absolute"]["totalVolumesUsed"] == 1
    assert limits["limits"]["absolute"]["totalGigabytesUsed"] == 2


def test_a_legacy_mapping_boots_from_the_device_vda() -> None:
    mapping = [{"device_name": "vdb", "volume_id": "b"}, {"device_name": "vda", "volume_id": "a"}]
    assert parse_disks({"block_device_mapping": mapping}) == [
        DiskRequest(source="volume", source_id="b", device="vdb"),
        DiskRequest(source="volume", source_id="a", device="vda", is_root=True),
    ]
    with_image = parse_disks({"block_device_mapping": mapping[:1], "imageRef": "i"})
    assert [disk.is_root for disk in with_image] == [False]


def test_a_server_has_one_root() -> None:
    root = {"source_type": "volume", "destination_type": "volume", "uuid": "a", "boot_index": 0}
    with pytest.raises(InvalidRequestError, match="Boot sequence"):
        parse_disks({"block_device_mapping_v2": [root], "imageRef": "i"})
    ephemeral = {"source_type": "blank", "destination_type": "local", "boot_index": -1}
    with pytest.raises(InvalidRequestError, match="make a blank disk that is local"):
        parse_disks({"block_device_mapping_v2": [ephemeral]})


def test_what_a_type_says_of_encryption(client: Client) -> None:
    made = client.post("/v3/p/types", json={"volume_type": {"name": "safe"}}).json
    assert made
    path = f"/v3/p/types/{made['volume_type']['id']}/encryption"
    assert client.get(path).json == {}
    assert client.delete(f"{path}/provider").status_code == 404
    body = {"encryption": {"provider": "luks", "key_size": 256}}
    added = client.post(path, json=body)
    assert added.status_code == 200, added.text
    assert client.post(path, json=body).status_code == 400
    changed = client.put(f"{path}/provider", json={"encryption": {"key_size": 512}})
    assert changed.status_code == 200, changed.text
    shown = client.get(path).json
    assert shown
    assert (shown["provider"], shown["key_size"], shown["control_location"]) == (
        *("luks", 512, "front-end"),
    )
    client.post("/v3/p/volumes", json={"volume": {"size": 1, "volume_type": "safe"}})
    assert "still in use" in client.delete(f"{path}/provider").text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "provider. It is missing"),
        ({"provider": "luks", "control_location": "left"}, "left is neither front-end nor"),
        ({"provider": "luks", "key_size": "long"}, "'long' is not a number"),
    ],
)
def test_encryption_that_is_refused(client: Client, body: dict[str, Any], message: str) -> None:
    made = client.post("/v3/p/types", json={"volume_type": {"name": "safe"}}).json
    assert made
    path = f"/v3/p/types/{made['volume_type']['id']}/encryption"
    answer = client.post(path, json={"encryption": body})
    assert (answer.status_code, message in answer.text) == (400, True), answer.text
