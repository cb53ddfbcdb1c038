"""Octavia without a machine: its rules, and what a host would be told."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from infraci.errors import CloudError
from infraci.local.domain.balancer_ports import BalancerPorts
from infraci.local.domain.balancers import Balancers
from infraci.local.domain.networks import Networks
from infraci.local.domain.packet_filters import PacketFilters
from infraci.local.domain.project_network import ProjectNetwork
from infraci.local.domain.records import Network, Subnet
from infraci.local.domain.routers import Routers
from infraci.local.domain.server_ports import ServerPorts
from infraci.local.domain.store import Store
from infraci.local.host.balancer_plan import BalancerPlan, BalancerStats, ProxyStats
from infraci.local.host.fabric import Nic
from tests.local.domain.test_networks import RecordedWiring

_LONGEST_S = 60


class RecordedHost:
    """Keeps the plan of each balancer, and says of it what a test says."""

    def __init__(self) -> None:
        self.plans: dict[str, BalancerPlan] = {}
        self.nics: dict[str, tuple[Nic, ...]] = {}
        self.stats: dict[tuple[str, str], ProxyStats] = {}
        self.is_broken = False
        #: Unset, it makes all changes wait.
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.ended: list[str] = []

    def check_balancers(self) -> None:
        pass

    def balance(self, plan: BalancerPlan, nics: Collection[Nic], labels: Mapping[str, str]) -> None:
        assert self.may_go_on.wait(_LONGEST_S)
        if self.is_broken:
            raise CloudError("cannot start haproxy")
        self.plans[plan.id] = plan
        self.nics[plan.id] = tuple(nics)

    def remove_balancer(self, balancer_id: str) -> None:
        assert self.may_go_on.wait(_LONGEST_S)
        self.plans.pop(balancer_id, None)

    def balancer_stats(self, balancer_id: str) -> BalancerStats:
        return self.stats

    def ended_balancers(self) -> Collection[str]:
        return self.ended


class Octavia:
    """Balancers of a store, with networks of a Neutron that wires nothing."""

    def __init__(self) -> None:
        self.store, wiring = Store(), RecordedWiring()
        self.networks = Networks(self.store, wiring, public_cidr="172.24.4.0/24")
        self.filters = PacketFilters(self.store, wiring)
        routers = Routers(self.store, self.networks, wiring)
        project_network = ProjectNetwork(self.store, self.networks, routers, lambda _: "")
        server_ports = ServerPorts(self.store, self.networks, project_network)
        self.host = RecordedHost()
        self.ports = BalancerPorts(self.store, self.networks, self.filters, server_ports.nic)
        self.balancers = Balancers(self.store, self.ports, self.host)
        self.subnet = self.add_subnet("10.0.0.0/24")

    def add_subnet(self, cidr: str, **network: Any) -> Subnet:
        """Add a network with a subnet; returns the subnet."""
        made = self.networks.create_network(Network(**network))
        return self.networks.subnets.create(Subnet(network_id=made.id, cidr=cidr))

    def settle(self) -> None:
        """Wait for what goes on in the background."""
        for thread in threading.enumerate():
            if thread.name.startswith("balancer-"):
                thread.join(timeout=_LONGEST_S)

    def say(self, proxy: str, server: str, status: str, **counted: Any) -> None:
        """Have haproxy say this of a part of a balancer."""
        nothing = ProxyStats(
            status=status,
            bytes_in=0,
            bytes_out=0,
            active_connections=0,
            total_connections=0,
            request_errors=0,
        )
        self.host.stats[proxy, server] = replace(nothing, **counted)
