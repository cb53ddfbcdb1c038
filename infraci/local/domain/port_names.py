"""The names of ports, as Neutron's DNS has them in their networks.

A port without a name of its own is ``host-10-0-0-5.openstacklocal``, as on any cloud. Names that a
template gives count as on a cloud whose DNS integration is configured: ``dns_name`` of a port, and
in a network with a ``dns_domain`` the host names of servers, which Nova gives to their ports.

Source: neutron/plugins/ml2/extensions/dns_integration.py, neutron/agent/linux/dhcp.py
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infraci.local.domain.instance_metadata import hostname
from infraci.local.domain.records import Network, Port, Server
from infraci.local.domain.store import Store

DOMAIN = "openstacklocal"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortName:
    """The name that a port has by one of its addresses."""

    ip_address: str
    hostname: str
    domain: str

    @property
    def full(self) -> str:
        """The name with its domain."""
        return f"{self.hostname}.{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """The names that a server can ask for, in small letters and without a dot at the end."""

    addresses: Mapping[str, tuple[str, ...]]
    names: Mapping[str, str]  # by address


class PortNames:
    """The names of all ports."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, port: Port) -> tuple[PortName, ...]:
        """Return the names of a port: one name for each of its addresses."""
        network = self._store.get(Network, port.network_id)
        domain = network.dns_domain.rstrip(".") if network else ""
        name = port.dns_name.rstrip(".")
        server = self._store.get(Server, port.device_id) if domain and not name else None
        if server:
            name = hostname(server.name)
        return tuple(
            PortName(
                ip_address=fixed.ip_address,
                hostname=name or _by_address(fixed.ip_address),
                domain=(domain if name else "") or DOMAIN,
            )
            for fixed in port.fixed_ips
        )

    def zone_at(self, access: str) -> Zone | None:
        """Return the names in the networks of the server that has an access address."""
        for server in self._store.find(Server, lambda server: server.access == access):
            own = self._store.find(Port, lambda port: port.device_id == server.id)  # noqa: B023
            return self._zone({port.network_id for port in own})
        return None

    def _zone(self, network_ids: set[str]) -> Zone:
        addresses: defaultdict[str, list[str]] = defaultdict(list)
        names: dict[str, str] = {}
        for name in self._names_in(network_ids):
            for each in (name.full.lower(), name.hostname.lower()):
                addresses[each].append(name.ip_address)
            names[name.ip_address] = name.full
        return Zone(addresses={name: tuple(a) for name, a in addresses.items()}, names=names)

    def _names_in(self, network_ids: set[str]) -> Iterator[PortName]:
        ports = self._store.find(Port, lambda port: port.network_id in network_ids)
        for port in sorted(ports, key=lambda port: port.id):
            yield from self.of(port)


def _by_address(address: str) -> str:
    return f"host-{address.replace('.', '-').replace(':', '-')}"
