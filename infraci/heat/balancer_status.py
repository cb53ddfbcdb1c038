"""What the load balancers of a stack say of their members, as Octavia tells it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from infraci.heat.leftovers import BALANCER
from infraci.heat.objects import Resource
from infraci.heat.openstack_connection import Connection


def read_balancers(connection: Connection, resources: Iterable[Resource]) -> str:
    """Return the status trees of the load balancers among a stack's resources, as JSON.

    Empty where there is none. Raises CloudError.
    """
    statuses = {
        resource.path: connection.ask(
            f"look at {resource.path}",
            BALANCER.service,
            "GET",
            f"/{BALANCER.collection}/{resource.physical_id}/status",
        )["statuses"]["loadbalancer"]
        for resource in resources
        if resource.type in BALANCER.types and resource.physical_id
    }
    return json.dumps(statuses, indent=1) + "\n" if statuses else ""
