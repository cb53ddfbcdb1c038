"""The network of servers that name none."""

from __future__ import annotations

from threading import Thread

from infraci.local.domain.networks import Networks
from infraci.local.domain.project_network import NAME, ProjectNetwork
from infraci.local.domain.records import Network
from infraci.local.domain.routers import Routers
from infraci.local.domain.server_ports import ServerPorts
from tests.local.domain.test_networks import networks, routers, wires

__all__ = ["networks", "routers", "wires"]

#: How long a release has for what it is kept from.
_RELEASE_S = 0.5


class _Raced(ProjectNetwork):
    """Has the last other server of the network leave as soon as the network is chosen."""

    def choose(self, stack_id: str) -> str:
        chosen = super().choose(stack_id)
        self.leaving = Thread(target=self.release)
        self.leaving.start()
        self.leaving.join(_RELEASE_S)
        return chosen


def test_the_network_stays_while_a_server_gets_its_port(
    networks: Networks, routers: Routers
) -> None:
    store = networks.store
    project_network = _Raced(store, networks, routers, lambda network: "")
    ports = ServerPorts(store, networks, project_network)
    (port,) = ports.claim("server", None, [])
    project_network.leaving.join()
    assert [network.id for network in store.find(Network, lambda n: n.name == NAME)] == [
        port.network_id
    ]
    ports.release_all("server")
    assert store.find(Network, lambda n: n.name == NAME) == []
