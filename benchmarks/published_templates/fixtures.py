"""What published templates take for granted in a project: networks, a router, key pairs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from openstack.config import OpenStackConfig
from openstack.connection import Connection

from benchmarks.published_templates.purposes import Purpose
from benchmarks.published_templates.values import NAMES, PUBLIC_KEY
from infraci.base.deadline import Deadline
from infraci.heat import Cloud
from infraci.templates import StackRequest

_LONGEST_S = 120


@contextmanager
def project(cloud: Cloud, names: Mapping[Purpose, set[str]]) -> Iterator[Mapping[Purpose, str]]:
    """Make what the values name, and things of these names; remove all of it at the end.

    Yields what there is for each purpose: a snapshot has no name that Heat knows it by.
    """
    request = StackRequest(template=_template(names))
    name = f"published-{secrets.token_hex(4)}"
    stack_id = cloud.create_stack(request, name=name, timeout_s=_LONGEST_S)
    try:
        cloud.wait(stack_id, deadline=Deadline(_LONGEST_S, phase="making what templates need"))
        with _snapshot(cloud) as snapshot:
            yield {**NAMES, Purpose.SNAPSHOT: snapshot}
    finally:
        cloud.delete_stack(stack_id, deadline=Deadline(_LONGEST_S, phase="removing it"))


def connect(cloud: Cloud) -> Connection:
    """A connection to a cloud for what infraci does not ask of it."""
    files = [str(cloud.clouds_yaml)] if cloud.clouds_yaml else None
    config = OpenStackConfig(config_files=files, load_envvars=False)
    return Connection(config=config.get_one(cloud.name))


@contextmanager
def _snapshot(cloud: Cloud) -> Iterator[str]:
    """Make a snapshot of the volume, and yield its id."""
    with closing(connect(cloud)) as connection:
        storage = connection.block_storage
        volume = storage.find_volume(NAMES[Purpose.VOLUME], ignore_missing=False)
        snapshot = storage.create_snapshot(volume_id=volume.id, name="published-snapshot")
        storage.wait_for_status(snapshot, "available", interval=0.1, wait=_LONGEST_S)
        try:
            yield snapshot.id
        finally:
            storage.delete_snapshot(snapshot.id)
            storage.wait_for_delete(snapshot, interval=0.1, wait=_LONGEST_S)


def _template(names: Mapping[Purpose, set[str]]) -> dict[str, Any]:
    network = {"get_resource": "network"}
    subnet = {"get_resource": "subnet"}
    resources: dict[str, tuple[str, dict[str, Any]]] = {
        "network": ("OS::Neutron::Net", {"name": NAMES[Purpose.NETWORK]}),
        "subnet": (
            "OS::Neutron::Subnet",
            {"name": NAMES[Purpose.SUBNET], "network": network, "cidr": "10.76.0.0/16"},
        ),
        "router": (
            "OS::Neutron::Router",
            {
                "name": NAMES[Purpose.ROUTER],
                "external_gateway_info": {"network": NAMES[Purpose.EXTERNAL_NETWORK]},
            },
        ),
        "leg": (
            "OS::Neutron::RouterInterface",
            {"router": {"get_resource": "router"}, "subnet": subnet},
        ),
        "port": (
            "OS::Neutron::Port",
            {"name": NAMES[Purpose.PORT], "network": network, "fixed_ips": [{"subnet": subnet}]},
        ),
        "role": ("OS::Keystone::Role", {"name": NAMES[Purpose.ROLE]}),
        "users": ("OS::Keystone::Group", {"name": NAMES[Purpose.USER_GROUP]}),
        "volume": ("OS::Cinder::Volume", {"name": NAMES[Purpose.VOLUME], "size": 1}),
    }
    more: dict[Purpose, tuple[str, dict[str, Any]]] = {
        Purpose.KEY: ("OS::Nova::KeyPair", {"public_key": PUBLIC_KEY}),
        Purpose.VOLUME_TYPE: ("OS::Cinder::VolumeType", {}),
        Purpose.GROUP: ("OS::Neutron::SecurityGroup", {"rules": [{"direction": "ingress"}]}),
    }
    for purpose, (type_, properties) in more.items():
        has_one = purpose is not Purpose.KEY  # the cloud itself
        for name in names.get(purpose, set()) | {NAMES[purpose]}:
            if not (has_one and name == NAMES[purpose]):
                resources[f"{purpose.name}_{name}"] = (type_, {"name": name, **properties})
    return {
        "heat_template_version": "2018-08-31",
        "resources": {
            name: {"type": type_, "properties": properties}
            for name, (type_, properties) in resources.items()
        },
    }
