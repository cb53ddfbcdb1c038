"""Volumes of stacks: by Heat's Cinder resources, and by the block devices of servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import BadRequestException

from infraci.local.state_dir import StateDir
from tests.local.conftest import create, hot, network, refusal, resource, server, settled, until

pytestmark = pytest.mark.cloud


def outputs(stack: Any) -> Mapping[str, Any]:
    """Return what a stack's outputs are."""
    return {output["output_key"]: output["output_value"] for output in stack.outputs}


def deleted(cloud: Connection, stack: Any) -> None:
    """Delete a stack, and wait until it is gone."""
    cloud.orchestration.delete_stack(stack)
    until(lambda: stack.id not in [s.id for s in cloud.orchestration.stacks()])


def volumes(cloud: Connection) -> dict[str, Any]:
    """Return the volumes by their names."""
    return {volume.name: volume for volume in cloud.block_storage.volumes()}


def test_a_stack_of_volumes(cloud: Connection) -> None:
    kind = resource("OS::Cinder::VolumeType", name="fast", metadata={"tier": "1"})
    luks = {"provider": "luks", "cipher": "aes-xts-plain64", "key_size": 512}
    encryption = resource(
        "OS::Cinder::EncryptedVolumeType", volume_type={"get_resource": "fast"}, **luks
    )
    template = hot(
        {
            "fast": kind,
            "encrypted": encryption,
            "data": resource(
                "OS::Cinder::Volume",
                name="data",
                description="What is kept",
                size=2,
                metadata={"purpose": "test"},
                volume_type={"get_resource": "encrypted"},
                availability_zone="elsewhere",
                read_only=True,
            ),
            "copy": resource(
                "OS::Cinder::Volume", name="copy", source_volid={"get_resource": "data"}
            ),
        },
        outputs={"status": {"value": {"get_attr": ["data", "status"]}}},
    )
    stack = create(cloud, "volumes", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert outputs(stack) == {"status": "available"}
    data = volumes(cloud)["data"]
    assert (data.size, data.status, data.volume_type, data.availability_zone) == (
        *(2, "available", "fast", "nova"),
    )
    assert data.metadata == {"purpose": "test", "readonly": "True"}
    assert data.is_encrypted
    assert volumes(cloud)["copy"].size == 2
    deleted(cloud, stack)
    assert volumes(cloud) == {}
    assert [each.name for each in cloud.block_storage.types()] == ["__DEFAULT__"]


def test_a_server_boots_from_a_volume_and_has_another(cloud: Connection) -> None:
    template = hot(
        {
            **network(),
            "root": resource("OS::Cinder::Volume", name="root", size=3, image="debian-12"),
            "data": resource("OS::Cinder::Volume", name="data", size=1),
            "web": resource(
                "OS::Nova::Server",
                name="web",
                flavor="m1.tiny",
                networks=[{"network": {"get_resource": "net"}}],
                block_device_mapping=[
                    {"device_name": "vda", "volume_id": {"get_resource": "root"}},
                ],
            ),
            "attached": resource(
                "OS::Cinder::VolumeAttachment",
                instance_uuid={"get_resource": "web"},
                volume_id={"get_resource": "data"},
                mountpoint="/dev/vdd",
            ),
        },
    )
    stack = create(cloud, "attached", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (web,) = cloud.compute.servers()
    assert cloud.compute.get(f"/servers/{web.id}").json()["server"]["image"] == ""
    known = {name: volume.attachments[0] for name, volume in volumes(cloud).items()}
    assert {name: each["device"] for name, each in known.items()} == {
        "root": "/dev/vda",
        "data": "/dev/vdd",
    }
    assert [each["server_id"] for each in known.values()] == [web.id] * 2
    listed = cloud.compute.volume_attachments(web)
    assert {each.volume_id for each in listed} == {volume.id for volume in volumes(cloud).values()}
    deleted(cloud, stack)
    assert volumes(cloud) == {}


def test_volumes_that_a_server_is_given_when_it_is_made(cloud: Connection) -> None:
    """One by its image goes with the server, one by its volume stays as long as its stack."""
    devices = [
        {
            "image": "debian-12",
            "volume_size": 4,
            "boot_index": 0,
            "delete_on_termination": True,
        },
        {"volume_id": {"get_resource": "data"}, "boot_index": -1},
        {"swap_size": 64},
    ]
    web = resource(
        "OS::Nova::Server",
        name="web",
        flavor="m1.tiny",
        networks=[{"network": {"get_resource": "net"}}],
        block_device_mapping_v2=devices,
    )
    data = resource("OS::Cinder::Volume", name="data", size=1)
    stack = create(cloud, "devices", hot({**network(), "data": data, "web": web}))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    made = {name: (v.size, v.attachments[0]["device"]) for name, v in volumes(cloud).items()}
    assert made == {"": (4, "/dev/vda"), "data": (1, "/dev/vdb")}
    with pytest.raises(BadRequestException, match="attached"):
        cloud.block_storage.delete_volume(volumes(cloud)["data"], ignore_missing=False)
    deleted(cloud, stack)
    assert volumes(cloud) == {}


def test_a_deletion_policy(cloud: Connection) -> None:
    kept = {**resource("OS::Cinder::Volume", name="kept", size=1), "deletion_policy": "Retain"}
    deleted(cloud, create(cloud, "retaining", hot({"it": kept})))
    cloud.block_storage.delete_volume(volumes(cloud)["kept"], ignore_missing=False)
    until(lambda: volumes(cloud) == {})
    backed = {**kept, "deletion_policy": "Snapshot"}
    assert '"Snapshot" deletion policy not supported' in refusal(cloud, hot({"it": backed}))


def test_a_volume_grows_and_is_renamed(cloud: Connection) -> None:
    stack = create(cloud, "growing", hot({"it": resource("OS::Cinder::Volume", size=1)}))
    larger = resource("OS::Cinder::Volume", size=3, name="larger", metadata={"a": "b"})
    cloud.orchestration.put(
        f"/stacks/{stack.name}/{stack.id}", json={"template": hot({"it": larger})}
    )
    assert settled(cloud, stack.id).status == "UPDATE_COMPLETE"
    volume = volumes(cloud)["larger"]
    assert (volume.size, volume.metadata) == (3, {"a": "b"})


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"size": 1, "volume_type": "tape"}, "tape"),
        ({"size": 1, "snapshot_id": "nowhere"}, "nowhere"),
        ({"backup_id": "x"}, "backup_id"),
        ({"size": 1, "multiattach": True}, "multiattach"),
    ],
)
def test_what_is_not_there_is_refused(
    cloud: Connection, properties: dict[str, object], named: str
) -> None:
    assert named in refusal(cloud, hot({"it": resource("OS::Cinder::Volume", **properties)}))


def test_openstackclient(cloud: Connection) -> None:
    def openstack(*words: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "openstackclient.shell", *words],
            env={
                **os.environ,
                "OS_CLIENT_CONFIG_FILE": str(StateDir.of_this_user().clouds_yaml),
                "OS_CLOUD": "local",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")

    made = openstack("volume", "create", "--size=1", "--property=a=b", "--format=json", "mine")
    until(lambda: volumes(cloud)["mine"].status == "available")
    shot = openstack("volume", "snapshot", "create", "--volume=mine", "--format=json", "then")
    assert shot["volume_id"] == made["id"]
    (listed,) = openstack("volume", "list", "--format=json")
    assert (listed["Name"], listed["Status"], listed["Size"]) == ("mine", "available", 1)
    (snapshot,) = openstack("volume", "snapshot", "list", "--format=json")
    assert (snapshot["Name"], snapshot["Status"]) == ("then", "available")
    openstack("volume", "snapshot", "delete", "then")
    openstack("volume", "set", "--size=2", "mine")
    openstack("volume", "delete", "mine")
    until(lambda: volumes(cloud) == {})


def inside(server_id: str, command: str) -> str:
    """Return what a command says within a server."""
    done = subprocess.run(
        ["podman", "exec", f"infraci-{server_id}", "sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loop_devices(volume_id: str) -> str:
    """Return the loop devices of a volume's file, a line each."""
    listed = ["losetup", "--list", "--noheadings", "--output=BACK-FILE"]
    lines = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines()
    return "".join(line for line in lines if volume_id in line)


def test_what_is_written_to_a_volume_outlives_its_server(cloud: Connection) -> None:
    def template(image_name: str) -> dict[str, object]:
        web = server(
            name="web",
            networks=[{"network": {"get_resource": "net"}}],
            user_data_format="RAW",
            user_data=f"#!/bin/sh\n# {image_name}\n",
        )
        attached = resource(
            "OS::Cinder::VolumeAttachment",
            instance_uuid={"get_resource": "web"},
            volume_id={"get_resource": "data"},
        )
        data = resource("OS::Cinder::Volume", name="data", size=1)
        return hot({**network(), "data": data, "web": web, "attached": attached})

    stack = create(cloud, "kept", template("first"))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (first,) = cloud.compute.servers()
    volume = volumes(cloud)["data"]
    assert inside(first.id, "blockdev --getsize64 /dev/vdb") == str(1 << 30)
    inside(first.id, "mkfs.ext4 -q /dev/vdb && e2fsck -n /dev/vdb")
    inside(first.id, "printf kept | dd of=/dev/vdb conv=fsync status=none")
    assert inside(first.id, "readlink -f /dev/disk/by-id/virtio-*") == "/dev/vdb"
    cloud.orchestration.put(
        f"/stacks/{stack.name}/{stack.id}", json={"template": template("second")}
    )
    assert settled(cloud, stack.id).status == "UPDATE_COMPLETE"
    (second,) = cloud.compute.servers()
    assert second.id != first.id
    assert inside(second.id, "head -c 4 /dev/vdb") == "kept"
    cloud.compute.reboot_server(second.id, "HARD")
    assert inside(second.id, "head -c 4 /dev/vdb") == "kept"
    cloud.compute.delete_volume_attachment(second.id, volume.id)
    assert inside(second.id, "test ! -e /dev/vdb && echo gone") == "gone"
    assert loop_devices(volume.id) == ""
    cloud.compute.create_volume_attachment(second.id, volume_id=volume.id, device="/dev/vdc")
    assert inside(second.id, "head -c 4 /dev/vdc") == "kept"
    assert loop_devices(volume.id) != ""
    deleted(cloud, stack)
    assert volumes(cloud) == {}
    assert loop_devices(volume.id) == ""
