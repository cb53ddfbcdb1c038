"""A real OpenStack as a fixture: the one that runs, or one brought up for the session."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from tests.live.openstack.place import MEMBER, Place

_CLOUD = Path(__file__).parent / "openstack/cloud"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCloud:
    """A real OpenStack, and how to reach it."""

    name: str
    clouds_yaml: Path
    connection: Connection

    def environment(self) -> dict[str, str]:
        """This process's environment, for a client of this cloud and no other."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return {**kept, "OS_CLIENT_CONFIG_FILE": str(self.clouds_yaml)}

    def inventory(self) -> Mapping[str, frozenset[str]]:
        """What there is on the cloud, by kind."""
        cloud = self.connection
        listings: Mapping[str, Callable[[], object]] = {
            "stacks": cloud.orchestration.stacks,
            "servers": cloud.compute.servers,
            "key pairs": cloud.compute.keypairs,
            "ports": cloud.network.ports,
            "floating IPs": cloud.network.ips,
            "networks": cloud.network.networks,
            "routers": cloud.network.routers,
            "security groups": cloud.network.security_groups,
        }
        return {
            kind: frozenset(f"{thing.name} ({thing.id})" for thing in listing())  # type: ignore[attr-defined]
            for kind, listing in listings.items()
        }


@pytest.fixture(scope="session")
def live_cloud() -> Iterator[LiveCloud]:
    """The OpenStack of ``tests/live/openstack``; one that was not up goes down in the end.

    Fails, and never skips, when there can be none.
    """
    was_up = subprocess.run([_CLOUD, "status"], capture_output=True).returncode == 0
    brought = subprocess.run([_CLOUD, "up"], capture_output=True, text=True)
    if brought.returncode:
        if not was_up:
            subprocess.run([_CLOUD, "down"], capture_output=True)
        pytest.fail(f"there is no OpenStack to test on:\n{brought.stderr}", pytrace=False)
    clouds_yaml = Place.of_environment().clouds_yaml
    config = OpenStackConfig(config_files=[str(clouds_yaml)], load_envvars=False)
    connection = Connection(config=config.get_one(MEMBER))
    yield LiveCloud(name=MEMBER, clouds_yaml=clouds_yaml, connection=connection)
    connection.close()
    if not was_up:
        subprocess.run([_CLOUD, "down"], check=True, capture_output=True)
