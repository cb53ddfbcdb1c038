"""A volume's file system goes with the volume from one server to another, on every cloud."""

from __future__ import annotations

import pytest
from openstack.compute.v2.server import Server
from openstack.connection import Connection

from tests.contract.conftest import Repository
from tests.contract.repository import PIPELINE, WITH_VOLUME
from tests.contract.test_security_groups import BEHIND
from tests.processes import finish

pytestmark = pytest.mark.timeout(900)

#: Waits for the disk, as one that is plugged into a server that runs needs its time to appear.
_READY = "for second in $(seq 60); do [ -b /dev/vdb ] && break; sleep 1; done; mkdir -p /data; "
_WRITE = _READY + (
    "mke2fs /dev/vdb > /dev/null && mount -t ext2 /dev/vdb /data"
    " && echo kept > /data/file && umount /data"
)
_READ = _READY + "mount -t ext2 /dev/vdb /data && cat /data/file && umount /data"


def run_on(repository: Repository, run: str, server: str, script: str) -> str:
    """Run a script on a server as root; returns its output."""
    done = repository.infraci("exec", run, server, "--", "sudo", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout


def move(cloud: Connection, volume_id: str, source: Server, target: Server) -> None:
    """Take a volume from a server, and give it to another."""
    cloud.detach_volume(source, cloud.block_storage.get_volume(volume_id), wait=True)
    cloud.attach_volume(target, cloud.block_storage.get_volume(volume_id), wait=True)


def test_what_is_on_a_volume_goes_with_it(repository: Repository) -> None:
    repository.write(
        {
            "stack.yaml": WITH_VOLUME.replace("outputs:", BEHIND),
            "pipelines/web.yaml": PIPELINE + "servers: {bastion: web}\n",
        }
    )
    made = finish(repository.start("provision", "web"))
    assert made.returncode == 0, made.stderr
    run = made.stdout.strip()
    assert run_on(repository, run, "web", _WRITE) == ""

    cloud = repository.cloud.connection
    servers = {server.name: server for server in cloud.compute.servers()}
    (attachment,) = cloud.compute.volume_attachments(servers["web"])
    move(cloud, attachment.volume_id, servers["web"], servers["app"])
    assert run_on(repository, run, "app", _READ) == "kept\n"
    move(cloud, attachment.volume_id, servers["app"], servers["web"])
    gone = repository.infraci("destroy", run)
    assert gone.returncode == 0, gone.stderr
