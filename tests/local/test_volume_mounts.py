"""File systems on volumes are mounted in servers, as user data, scripts and units do it."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from openstack.connection import Connection

from infraci.local import cloud_process
from infraci.local.state_dir import StateDir
from tests.local.conftest import create, hot, network, resource, server, until
from tests.local.test_cloud import booted, kill
from tests.local.test_volumes import deleted, inside, loop_devices, volumes

pytestmark = pytest.mark.cloud

USER_DATA = """\
#!/bin/sh
set -e
mkfs.ext4 -q -L data /dev/vdb
mkdir /srv/data
echo 'LABEL=data /srv/data ext4 defaults,noatime 0 2' >> /etc/fstab
mount -a
echo kept > /srv/data/file
"""


def on_net(**properties: Any) -> dict[str, Any]:
    """A server on the network of the template."""
    nic = {"network": {"get_resource": "net"}}
    made = server(networks=[nic], user_data_format="RAW", **properties)
    return {**made, "depends_on": "subnet"}


@pytest.fixture
def stack(cloud: Connection) -> Any:
    """Two servers, of which ``one`` has a volume when it boots and mounts it."""
    template = hot(
        {
            **network(),
            "data": resource("OS::Cinder::Volume", name="data", size=1),
            "one": on_net(
                name="one",
                user_data=USER_DATA,
                block_device_mapping_v2=[{"volume_id": {"get_resource": "data"}, "boot_index": -1}],
            ),
            "two": on_net(name="two"),
        }
    )
    stack = create(cloud, "mounts", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    return stack


def answers(server_id: str, command: str) -> bool:
    """Whether a command succeeds in a server, which may be about to start."""
    argv = ["podman", "exec", f"infraci-{server_id}", "sh", "-c", command]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def mounted(server_id: str) -> str:
    """Where the volume is mounted in a server, what, and how."""
    return inside(server_id, "findmnt --noheadings --raw --types ext4 /srv/data || true")


def test_a_volume_is_mounted_wherever_it_is(cloud: Connection, stack: Any) -> None:
    servers = {each.name: each.id for each in cloud.compute.servers()}
    one, two = servers["one"], servers["two"]
    volume = volumes(cloud)["data"]
    booted(cloud, one)
    options = "rw,nodev,noatime,errors=remount-ro"
    assert mounted(one) == f"/srv/data /dev/vdb ext4 {options}"
    assert inside(one, "df --output=source,target /srv/data | tail -1").split() == [
        *("/dev/vdb", "/srv/data"),
    ]
    listed = inside(one, "lsblk --noheadings --raw --output NAME,TYPE,FSTYPE,LABEL,MOUNTPOINT")
    assert listed == "vdb disk ext4 data /srv/data"
    assert inside(one, "blkid --output value --match-tag LABEL /dev/vdb") == "data"

    # The units of fstab mount it again, before what needs it starts.
    inside(one, "touch /run/before; systemctl reboot")
    until(lambda: answers(one, "test ! -e /run/before && systemctl is-active multi-user.target"))
    assert mounted(one) == f"/srv/data /dev/vdb ext4 {options}"
    assert inside(one, "systemctl is-active srv-data.mount") == "active"
    cloud.compute.stop_server(one)
    until(lambda: cloud.compute.get_server(one).status == "SHUTOFF")
    cloud.compute.start_server(one)
    until(lambda: answers(one, "findmnt /srv/data"))
    assert inside(one, "cat /srv/data/file") == "kept"

    # A cloud that was killed takes over what is mounted.
    kill(StateDir.of_this_user().folder)
    cloud_process.ensure_up()
    assert inside(one, "systemctl stop srv-data.mount && systemctl start srv-data.mount") == ""
    assert inside(one, "umount /srv/data && mount /srv/data && cat /srv/data/file") == "kept"

    # Taken away while it is in use, it has what was written.
    inside(one, "echo more >> /srv/data/file; sleep 600 < /srv/data/file > /dev/null 2>&1 &")
    cloud.compute.delete_volume_attachment(one, volume.id)
    assert mounted(one) == ""
    assert inside(one, "lsblk --noheadings") == ""
    cloud.compute.create_volume_attachment(two, volume_id=volume.id)
    assert inside(two, "mount LABEL=data /mnt && cat /mnt/file") == "kept\nmore"
    assert "vdb" in inside(two, "lsblk --noheadings")

    deleted(cloud, stack)
    assert loop_devices(volume.id) == ""


PARTITIONED = """\
#cloud-config
disk_setup: {/dev/vdb: {table_type: gpt, layout: true}}
fs_setup: [{label: backup, filesystem: ext4, device: /dev/vdb, partition: 1}]
mounts: [[LABEL=backup, /mnt/backup, ext4, 'defaults,noatime']]
"""


def test_cloud_init_partitions_a_volume(cloud: Connection) -> None:
    template = hot(
        {
            **network(),
            "data": resource("OS::Cinder::Volume", name="data", size=1),
            "one": on_net(
                name="one",
                user_data=PARTITIONED,
                block_device_mapping_v2=[{"volume_id": {"get_resource": "data"}, "boot_index": -1}],
            ),
        }
    )
    stack = create(cloud, "partitions", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (one,) = (each.id for each in cloud.compute.servers())
    booted(cloud, one)
    listed = inside(one, "lsblk --noheadings --raw --output NAME,TYPE,LABEL,MOUNTPOINT")
    assert listed == "vdb disk  \nvdb1 part backup /mnt/backup"
    inside(one, "touch /mnt/backup/file; systemctl reboot")
    until(lambda: answers(one, "test -e /mnt/backup/file && systemctl is-active multi-user.target"))
    deleted(cloud, stack)


def test_what_is_no_volume_is_mounted_as_little_as_before(cloud: Connection, stack: Any) -> None:
    one = next(each.id for each in cloud.compute.servers() if each.name == "one")
    booted(cloud, one)
    for command, words in {
        "mount --bind /srv /mnt": "permission denied",
        "mount -t tmpfs none /mnt": "permission denied",
        "mount -t ext4 /dev/vdq /mnt": "special device /dev/vdq does not exist",
        "mount -o journal_dev=65024 /dev/vdb /mnt": "with the option journal_dev=65024",
        "mount /dev/vdb /proc/sys": "nothing can be mounted there",
        "su debian -c 'mount /dev/vdb /mnt'": "",
        "umount /run/host/infraci": "no volume of the server's",
        "umount /srv/data; mkswap /dev/vdb; swapon /dev/vdb": "Operation not permitted",
    }.items():
        done = inside(one, f"({command}) 2>&1; echo $?")
        assert words in done, command
        assert not done.endswith("\n0"), command
