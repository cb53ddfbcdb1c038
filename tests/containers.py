"""A server of the embedded cloud's image, alone: systemd, cloud-init and sshd for real."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infraci.base.deadline import Deadline
from infraci.errors import UnreachableError
from infraci.local.domain.config_drive import config_drive
from infraci.local.domain.instance_metadata import InstanceMetadata
from infraci.local.host.capabilities import probe
from infraci.local.host.fabric import Fabric, Nic, network_end
from infraci.local.host.host_bridge import choose_pools
from infraci.local.host.image_store import ensure
from infraci.local.host.port_filter import NetworkFilter, PortFilter
from infraci.model.run import Server
from infraci.ssh import Key, Session, log_in

SEED = "/var/lib/cloud/seed/config_drive"


@contextmanager
def booted(folder: Path, key: Key, user_data: str = "", *, name: str = "web-0") -> Iterator[Server]:
    """Boot a server with this user data; yields how to log in to it."""
    metadata = InstanceMetadata(
        id=name, name=name, keys={"run": key.public}, user_data=user_data.encode() or None
    )
    for path, content in config_drive(metadata).items():
        file = folder / "seed" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    with _wired() as (namespace, address):
        yield from _running(folder / "seed", name, namespace, address)


def _running(seed: Path, name: str, namespace: Path, address: str) -> Iterator[Server]:
    container = _podman(
        "run",
        "--detach",
        "--tty",
        "--env=TERM=dumb",
        "--log-driver=k8s-file",
        f"--hostname={name}",
        "--entrypoint=/sbin/init",
        f"--volume={seed}:{SEED}:ro",
        f"--network=ns:{namespace}",
        *probe().run_options,
        ensure("debian-12").reference,
    )
    try:
        yield Server(
            name=name,
            id=container,
            role="web",
            user="debian",
            address=address,
            host_keys=_host_keys(container),
        )
    finally:
        _podman("rm", "--force", "--time=0", container)


@contextmanager
def _wired() -> Iterator[tuple[Path, str]]:
    """A namespace for a server, and the address at which the host reaches it."""
    cloud_id, network_id, server_id = (str(uuid.uuid4()) for _ in range(3))
    pools = choose_pools(cloud_id)
    fabric = Fabric(cloud_id, pools)
    access = str(pools.access[2])
    try:
        fabric.ensure_host()
        fabric.create_network(network_id)
        namespace = fabric.create_server_namespace(server_id)
        nic = Nic(
            device="eth0",
            network_id=network_id,
            mac="fa:16:3e:00:00:01",
            addresses=("10.0.0.2/24",),
        )
        fabric.plug(server_id, nic)
        card = PortFilter(device=network_end(server_id, "eth0"), mac="", port_security=False)
        fabric.guard(network_id, NetworkFilter(ports=(card,)))
        fabric.add_access(network_id, access, "10.0.0.2")
        yield namespace, access
    finally:
        fabric.teardown()


def wait_for_login(server: Server, *, private_key: Path, deadline: Deadline) -> Session:
    """Log in to a server that boots."""
    for _ in deadline.poll(f"a login to {server.name}", first_s=0.05, ceiling_s=1.0):
        with suppress(UnreachableError):
            return log_in(server, private_key=private_key, timeout_s=deadline.within(10.0))
    raise AssertionError("poll() ends only by an exception")


def inside(server: Server, *command: str) -> str:
    """Run a command in a server as root, around SSH."""
    return _podman("exec", server.id, *command)


def _host_keys(container: str) -> tuple[str, ...]:
    """Read the host key around SSH; on the console it is only when cloud-init has ended."""
    for _ in Deadline(60).poll("a host key", ceiling_s=0.2):
        show = "cat /etc/ssh/ssh_host_ed25519_key.pub 2>/dev/null || true"
        if key := _podman("exec", container, "sh", "-c", show).split():
            return (" ".join(key[:2]),)
    raise AssertionError


def _podman(*arguments: str) -> str:
    done = subprocess.run(
        ["podman", *arguments], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
