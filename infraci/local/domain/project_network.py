"""The network of a server that names none: one of its stack's or the project's, or a new one.

Nova takes the one network that the project has. Stacks of several runs share the project here, so
that networks of other stacks do not count. Where there is none, the cloud makes a network with a
router to the outside, as Neutron's auto-allocated topology is, and removes it with its last server.

Source: https://docs.openstack.org/neutron/latest/admin/config-auto-allocation.html
"""

from __future__ import annotations

from collections.abc import Callable

from infraci.local.domain.networks import PUBLIC_ID, Networks
from infraci.local.domain.neutron import ROUTER_INTERFACE
from infraci.local.domain.records import Network, Port, Router, Subnet
from infraci.local.domain.requests import GatewayRequest
from infraci.local.domain.routers import Routers
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError

NAME = "auto_allocated_network"
_CIDR = "192.168.231.0/24"


class ProjectNetwork:
    """Chooses the network of servers that name none."""

    def __init__(
        self, store: Store, networks: Networks, routers: Routers, stack_of: Callable[[str], str]
    ) -> None:
        """``stack_of`` returns the id of the root stack that a network belongs to, or ""."""
        self._store = store
        self._networks = networks
        self._routers = routers
        self._stack_of = stack_of

    def choose(self, stack_id: str) -> str:
        """Return the id of the network for a server of the stack; "" is no stack.

        Raises ConflictError if there are several.
        """
        with self._store.locked():
            networks = self._store.find(Network, lambda n: not n.is_external and bool(n.subnets))
            candidates = [
                network.id
                for network in networks
                if network.name != NAME and self._stack_of(network.id) in ("", stack_id)
            ]
            if len(candidates) > 1:
                raise ConflictError(
                    "Multiple possible networks found, use a Network ID to be more specific."
                )
            return candidates[0] if candidates else self._allocate()

    def _allocate(self) -> str:
        for network in self._allocated():
            return network.id
        network = self._networks.create_network(Network(name=NAME))
        subnet = self._networks.subnets.create(
            Subnet(network_id=network.id, cidr=_CIDR, name="auto_allocated_subnet_v4")
        )
        router = self._routers.create_router(
            Router(name="auto_allocated_router"), GatewayRequest(network_id=PUBLIC_ID)
        )
        self._routers.add_subnet(router.id, subnet.id)
        return network.id

    def _allocated(self) -> list[Network]:
        return self._store.find(Network, lambda network: network.name == NAME)

    def release(self) -> None:
        """Remove the auto-allocated network if no server uses it any more."""
        with self._store.locked():
            for network in self._allocated():
                self._remove_unused(network)

    def _remove_unused(self, network: Network) -> None:
        ports = self._store.find(Port, lambda port: port.network_id == network.id)
        legs = [port for port in ports if port.device_owner == ROUTER_INTERFACE]
        if len(ports) > len(legs):
            return
        for leg in legs:
            self._routers.remove_interface(leg.device_id, port_id=leg.id)
            self._routers.delete_router(leg.device_id)
        self._networks.delete_network(network.id)
