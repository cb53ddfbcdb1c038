"""Security groups and QoS put into effect: what the records say, as filters of networks."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from itertools import count

from infraci.local.domain.balancer_records import AMPHORA_OWNER
from infraci.local.domain.networks import PUBLIC_ID, Wiring
from infraci.local.domain.port_quality import PortQuality, port_qualities
from infraci.local.domain.records import Port, SecurityGroup, SecurityGroupRule
from infraci.local.domain.security_rules import filter_rule
from infraci.local.domain.server_ports import NOVA_OWNER
from infraci.local.domain.store import Store
from infraci.local.host.fabric import network_end
from infraci.local.host.port_filter import NetworkFilter, PortFilter

_PLAIN = PortQuality()


class PacketFilters:
    """The filters of networks with servers or balancers. Safe to use from several threads."""

    def __init__(self, store: Store, wiring: Wiring) -> None:
        self._store = store
        self._wiring = wiring
        self._applied: dict[str, NetworkFilter] = {}
        self._applying = threading.Lock()
        self._requests = count(1)
        self._requested = self._done = 0

    def refresh(self) -> None:
        """Put into effect what the records say now; returns when it is.

        Of several threads that ask meanwhile, one does it for all: a change of a network is one
        program that runs for some milliseconds. Raises WiringError.
        """
        self._requested = mine = next(self._requests)
        with self._applying:
            if self._done >= mine:
                return
            upto = self._requested
            self._apply()
            self._done = upto

    def _apply(self) -> None:
        filters = network_filters(self._store)
        for gone in self._applied.keys() - filters.keys():
            del self._applied[gone]
        for network_id, network in filters.items():
            if self._applied.get(network_id) != network:
                self._applied.pop(network_id, None)
                if self._wiring.guard_network(network_id, network):
                    self._applied[network_id] = network


def network_filters(store: Store) -> Mapping[str, NetworkFilter]:
    """Return what guards each network that servers are in."""
    with store.locked():
        ports = store.find(Port)
        groups = {group.id: group for group in store.find(SecurityGroup)}
        rules = store.find(SecurityGroupRule)
        qualities = port_qualities(store, ports)
    by_group: defaultdict[str, list[SecurityGroupRule]] = defaultdict(list)
    for rule in sorted(rules, key=lambda rule: rule.id):
        by_group[rule.security_group_id].append(rule)
    members = _members(ports)
    by_network: defaultdict[str, list[Port]] = defaultdict(list)
    for port in sorted(ports, key=lambda port: port.id):
        if port.device_owner in (NOVA_OWNER, AMPHORA_OWNER) and port.network_id != PUBLIC_ID:
            by_network[port.network_id].append(port)
    return {
        network_id: _filter(inside, groups, by_group, members, qualities)
        for network_id, inside in by_network.items()
    }


def _filter(
    ports: list[Port],
    groups: Mapping[str, SecurityGroup],
    rules: Mapping[str, list[SecurityGroupRule]],
    members: Mapping[str, tuple[str, ...]],
    qualities: Mapping[str, PortQuality],
) -> NetworkFilter:
    used = sorted({id_ for port in ports for id_ in port.security_groups})
    own = {id_: tuple(map(filter_rule, rules.get(id_, ()))) for id_ in used}
    remotes = {rule.remote_group for of_group in own.values() for rule in of_group}
    return NetworkFilter(
        ports=tuple(_port(port, groups, qualities.get(port.id, _PLAIN)) for port in ports),
        rules=own,
        members={id_: members.get(id_, ()) for id_ in sorted(filter(None, remotes))},
    )


def _port(port: Port, groups: Mapping[str, SecurityGroup], quality: PortQuality) -> PortFilter:
    own = [groups[id_] for id_ in port.security_groups if id_ in groups]
    return PortFilter(
        device=network_end(port.device_id, f"eth{port.position}"),
        mac=port.mac_address,
        addresses=tuple(fixed.ip_address for fixed in port.fixed_ips),
        allowed_pairs=tuple(
            (pair.mac_address or port.mac_address, pair.ip_address)
            for pair in port.allowed_address_pairs
        ),
        groups=tuple(group.id for group in own),
        is_stateful=all(group.stateful for group in own),
        port_security=port.port_security_enabled,
        send_limit=quality.send_limit,
        receive_limit=quality.receive_limit,
        dscp=quality.dscp,
    )


def _members(ports: list[Port]) -> Mapping[str, tuple[str, ...]]:
    """The addresses of all ports of each group, in whatever network."""
    members: defaultdict[str, set[str]] = defaultdict(set)
    for port in ports:
        for group in port.security_groups:
            members[group].update(fixed.ip_address for fixed in port.fixed_ips)
            members[group].update(pair.ip_address for pair in port.allowed_address_pairs)
    return {group: tuple(sorted(addresses)) for group, addresses in members.items()}
