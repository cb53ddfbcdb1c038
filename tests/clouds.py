"""Clouds that the tests run infraci on: the embedded one, and a real OpenStack."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from infraci.local.host.host import Host
from infraci.local.host.podman import LABEL_CLOUD
from infraci.local.state_dir import StateDir
from tests.live.openstack.health import ailments
from tests.live.openstack.place import MEMBER
from tests.live.openstack.place import Place as OpenStack
from tests.processes import run_infraci, start_infraci

_OPENSTACK = Path(__file__).parent / "live/openstack/cloud"
#: Bringing it up installs hundreds of packages the first time.
_OPENSTACK_TIMEOUT_S = 3600
#: The file, in a test session's temporary folder, that says that the session brings OpenStack up.
_BRINGS_UP = "brings-openstack-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudUnderTest:
    """A cloud, and how infraci and other clients reach it."""

    name: str
    environment: Mapping[str, str]  # of a process that is to know this cloud
    connection: Connection

    def start(self, folder: Path, *arguments: str) -> subprocess.Popen[str]:
        """Start infraci in a folder."""
        return start_infraci(*arguments, cwd=folder, env=self.environment)

    def inventory(self) -> Mapping[str, frozenset[str]]:
        """What there is on the cloud, by kind."""
        cloud = self.connection

        def stacks() -> Iterator[Any]:
            """Those that are not gone: Heat still lists them for a moment."""
            return (s for s in cloud.orchestration.stacks() if s.status != "DELETE_COMPLETE")

        listings: Mapping[str, Callable[[], Any]] = {
            "stacks": stacks,
            "servers": cloud.compute.servers,
            "key pairs": cloud.compute.keypairs,
            "ports": cloud.network.ports,
            "floating IPs": cloud.network.ips,
            "networks": cloud.network.networks,
            "routers": cloud.network.routers,
            "security groups": cloud.network.security_groups,
            "volumes": cloud.block_storage.volumes,
            "volume snapshots": cloud.block_storage.snapshots,
        }
        return {
            kind: frozenset(f"{thing.name} ({thing.id})" for thing in listing())
            for kind, listing in listings.items()
        }


@contextmanager
def embedded_cloud(state: Path, *, http_proxy: str = "") -> Iterator[CloudUnderTest]:
    """An embedded cloud of one's own; down in the end.

    Its engine asks the other services through the proxy, if there is one.
    """
    environment = {**_clean_environment(), "INFRACI_STATE_DIR": str(state)}
    of_cloud = {**environment, "HTTP_PROXY": http_proxy} if http_proxy else environment

    def cloud(verb: str) -> str:
        done = run_infraci("cloud", verb, env=of_cloud)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    try:
        clouds_yaml = Path(cloud("up"))
        with _connected(clouds_yaml, "local") as connection:
            yield CloudUnderTest(name="local", environment=environment, connection=connection)
    finally:
        cloud("down")


@contextmanager
def real_openstack(folder: Path) -> Iterator[CloudUnderTest]:
    """The OpenStack of ``tests/live/openstack``; one that was not up goes down in the end.

    ``folder`` is the process's temporary folder, where :func:`end_openstack_of` finds that it has
    to do so. Fails the test, and never skips it, when there can be none.
    """
    if not _is_openstack_up():
        (folder / _BRINGS_UP).touch()
    try:
        brought = _openstack("up")
        if brought.returncode:
            pytest.fail(f"there is no OpenStack to test on:\n{brought.stderr}", pytrace=False)
        clouds_yaml = OpenStack.of_environment().clouds_yaml
        environment = {**_clean_environment(), "OS_CLIENT_CONFIG_FILE": str(clouds_yaml)}
        with _connected(clouds_yaml, MEMBER) as connection:
            yield CloudUnderTest(name=MEMBER, environment=environment, connection=connection)
    finally:
        end_openstack_of(folder)


def end_embedded_below(folder: Path) -> None:
    """End the embedded clouds whose state is below a folder, and all that is theirs.

    Those of workers that were ended before their fixtures: with xdist, Ctrl-C does that.
    """
    for database in folder.rglob("cloud.sqlite"):
        state_dir = StateDir(folder=database.parent)
        environment = {**_clean_environment(), "INFRACI_STATE_DIR": str(state_dir.folder)}
        run_infraci("cloud", "down", env=environment, timeout_s=120)
        listing = (
            "podman",
            "ps",
            "--all",
            "--quiet",
            f"--filter=label={LABEL_CLOUD}={state_dir.owner}",
        )
        containers = subprocess.run(
            listing, capture_output=True, text=True, timeout=120
        ).stdout.split()
        if containers:
            remove = ("podman", "rm", "--force", "--time=0", "--", *containers)
            subprocess.run(remove, capture_output=True, check=True, timeout=300)
        Host(state_dir, signal_port=1).sweep(known=(), dry_run=False)


def end_openstack_of(folder: Path) -> None:
    """Take the OpenStack down, whole or in part, if tests with that temporary folder bring it up.

    The folders of xdist's workers are in that of the session. Fails if it does not end well.
    """
    notes = [*folder.glob(_BRINGS_UP), *folder.glob(f"*/{_BRINGS_UP}")]
    if not notes:
        return
    ended = _openstack("down")
    if ended.returncode:
        pytest.fail(f"the OpenStack did not end well:\n{ended.stderr}", pytrace=False)
    for note in notes:
        note.unlink(missing_ok=True)


def _is_openstack_up() -> bool:
    """Whether an OpenStack of ``tests/live/openstack`` is up."""
    return _openstack("status").returncode == 0


def check_openstack() -> None:
    """Fail the test at once, naming agent and log, on an OpenStack that is not well."""
    if problems := ailments(OpenStack.of_environment()):
        hint = "the live tests cannot pass until it was down and up again (cloud down, cloud up)"
        pytest.fail("\n".join(["the OpenStack is not well:", *problems, hint]), pytrace=False)


def _openstack(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_OPENSTACK, command], capture_output=True, text=True, timeout=_OPENSTACK_TIMEOUT_S
    )


def _clean_environment() -> dict[str, str]:
    """This process's environment, without clouds and settings of the user who runs the tests."""
    foreign = ("OS_", "INFRACI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


@contextmanager
def _connected(clouds_yaml: Path, name: str) -> Iterator[Connection]:
    config = OpenStackConfig(config_files=[str(clouds_yaml)], load_envvars=False)
    connection = Connection(config=config.get_one(name))
    try:
        yield connection
    finally:
        connection.close()
