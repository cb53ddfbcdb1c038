"""Heat's own work: a stack shaped like the measured one, of resources that cost nothing."""

from __future__ import annotations

import time
from pathlib import Path

from openstack.config import OpenStackConfig
from openstack.connection import Connection


def measure(clouds_yaml: Path, servers: int) -> float:
    """How long a stack takes that has as many resources as the measured one, all of them free."""
    config = OpenStackConfig(config_files=[str(clouds_yaml)], load_envvars=False)
    connection = Connection(config=config.get_one("local"))
    try:
        return _make_and_delete(connection, servers)
    finally:
        connection.close()


def _make_and_delete(connection: Connection, servers: int) -> float:
    heat = connection.orchestration
    free = {"type": "OS::Heat::Value", "properties": {"value": "free"}}
    chain = {
        "network": free,
        "router": free,
        "subnet": {**free, "depends_on": "network"},
        "way_out": {**free, "depends_on": ["router", "subnet"]},
        "nodes": {
            "type": "OS::Heat::ResourceGroup",
            "depends_on": "way_out",
            "properties": {"count": servers, "resource_def": free},
        },
    }
    template = {"heat_template_version": "2018-08-31", "resources": chain}
    began = time.monotonic()
    stack = heat.create_stack(name="heat-alone", template=template)
    heat.wait_for_status(
        stack, status="CREATE_COMPLETE", failures=["CREATE_FAILED"], interval=0.02, wait=60
    )
    heat.delete_stack(stack)
    while heat.find_stack("heat-alone") is not None:
        time.sleep(0.02)
    return time.monotonic() - began
