"""The raw limit: the same containers by bare podman, the same checks by one plain SSH each.

No Heat, no API, no pytest, no report: `ip` joins a network namespace a server to one bridge, and
`podman run` starts the same image with the same config drive and the same options. A server is
ready when cloud-init is done and `ssh` logs in, and one connection does all its checks.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infraci.local.domain.config_drive import config_drive
from infraci.local.domain.instance_metadata import InstanceMetadata
from infraci.local.host import capabilities, image_store

_BRIDGE = "infraci-limit"
_NETWORK = "198.18.77"
_SEED = "/var/lib/cloud/seed/config_drive"
#: Between two looks at a server that is not ready yet.
_LOOK_S = 0.02
_BOOT_S = 60.0

#: What specs/smoke asks.
CHECKS = """\
set -e
cloud-init status --wait > /dev/null
hostname | grep -q ^node-
test "$(systemctl is-active ssh)" = active
test "$(systemctl is-enabled ssh)" = enabled
ss --listening --numeric --tcp | grep -q :22
getent passwd debian | grep -q /bin/bash
for package in openssh-server cloud-init sudo systemd; do
    dpkg-query -f '${Status}' -W $package | grep -q '^install ok installed'
done
grep -q ^node- /etc/hostname
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What everything took: until all was checked, and until all was gone."""

    checked_s: float
    gone_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """A server that nobody manages."""

    number: int
    run: str
    folder: Path
    key: Path

    @property
    def name(self) -> str:
        """Of the container and of its namespace."""
        return f"{self.run}-{self.number}"

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"{_NETWORK}.{self.number + 10}"


def measure(servers: int, *, folder: Path) -> Limit:
    """Start so many servers, check them and remove them, all at once."""
    folder.mkdir()
    reference = image_store.ensure("debian-12").reference
    options = capabilities.probe().run_options
    key = folder / "key"
    _do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    run = f"infraci-limit-{uuid.uuid4().hex[:6]}"
    all_ = [Bare(number=n, run=run, folder=folder / str(n), key=key) for n in range(servers)]
    began = time.monotonic()
    with _bridge(all_), ThreadPoolExecutor(servers) as pool:
        try:
            for outcome in [pool.submit(_boot, bare, reference, options) for bare in all_]:
                outcome.result()
            for outcome in [pool.submit(_check, bare) for bare in all_]:
                outcome.result()
            checked = time.monotonic()
        finally:
            for outcome in [pool.submit(_remove, bare) for bare in all_]:
                outcome.result()
    return Limit(checked_s=checked - began, gone_s=time.monotonic() - began)


@contextmanager
def _bridge(servers: list[Bare]) -> Iterator[None]:
    """One bridge, with a namespace for each server."""
    lines = [
        f"link add {_BRIDGE} type bridge",
        f"addr add {_NETWORK}.1/24 dev {_BRIDGE}",
        f"link set {_BRIDGE} up",
    ]
    for bare in servers:
        lines += [
            f"netns add {bare.name}",
            f"link add lim{bare.number} type veth peer name eth0 netns {bare.name}",
            f"link set lim{bare.number} master {_BRIDGE} up",
        ]
    try:
        _batch(lines)
        for bare in servers:
            _batch(
                [
                    "link set lo up",
                    f"addr add {bare.address}/24 dev eth0",
                    "link set eth0 up",
                    f"route add default via {_NETWORK}.1",
                ],
                "-n",
                bare.name,
            )
        yield
    finally:
        _batch([f"netns del {bare.name}" for bare in servers], "-force")
        _batch([f"link del {_BRIDGE}"], "-force")


def _boot(bare: Bare, reference: str, options: tuple[str, ...]) -> None:
    metadata = InstanceMetadata(
        id=str(uuid.uuid4()),
        name=f"node-{bare.number}",
        keys={"key": bare.key.with_suffix(".pub").read_text().strip()},
    )
    files = config_drive(metadata)
    for name, content in files.items():
        path = bare.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    _do(
        "podman", "run", "--detach", "--quiet", "--pull=never", "--tty", "--env=TERM=dumb",
        f"--name={bare.name}", f"--hostname=node-{bare.number}", "--no-hosts",
        "--log-driver=k8s-file", f"--log-opt=path={bare.folder}.log",
        f"--network=ns:/run/netns/{bare.name}", f"--volume={bare.folder}:{_SEED}:ro",
        "--entrypoint=/sbin/init", *options, reference,
    )  # fmt: skip


def _check(bare: Bare) -> None:
    """Log in as soon as it can be done, and check everything by that one connection."""
    deadline = time.monotonic() + _BOOT_S
    while not _listens(bare.address):
        _wait(bare, deadline)
    while True:
        done = subprocess.run(
            [
                "ssh", "-i", str(bare.key), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                f"debian@{bare.address}", CHECKS,
            ],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return
        if done.returncode != 255:
            raise RuntimeError(f"{bare.name}: a check failed: {done.stdout}{done.stderr}")
        _wait(bare, deadline)


def _listens(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1):
            return True
    except OSError:
        return False


def _wait(bare: Bare, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise RuntimeError(f"{bare.name} was not ready after {_BOOT_S:g} s")
    time.sleep(_LOOK_S)


def _remove(bare: Bare) -> None:
    _do("podman", "rm", "--force", "--ignore", "--time=0", "--volumes", bare.name)


def _batch(lines: list[str], *options: str) -> None:
    subprocess.run(
        ["ip", *options, "-batch", "-"],
        input="\n".join(lines), text=True, capture_output=True, check="-force" not in options,
    )  # fmt: skip


def _do(*command: str) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:2])}: {done.stderr.strip()}")
