"""A server's network cards in the form of ``network_data.json``.

Addresses are given here as Nova gives those of subnets without DHCP, since the embedded cloud has
no DHCP server. As in Nova, a card shows its first IPv4 and its first IPv6 subnet only.

Source: nova/virt/netutils.py
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from infraci.local.domain.records import FixedIp, Network, Port, Subnet

_ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104  an address in a document, nothing listens there


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A network card: a port, its network, and its addresses with the subnet of each."""

    port: Port
    network: Network
    addresses: Sequence[tuple[FixedIp, Subnet]]


def network_data(cards: Iterable[Card]) -> Mapping[str, object]:
    """Return the links, networks and services of a server's cards."""
    links: list[object] = []
    networks: list[Mapping[str, object]] = []
    services: list[object] = []
    for card in cards:
        if not card.addresses:
            continue
        link = f"tap{card.port.id[:11]}"
        links.append(
            {
                "id": link,
                "vif_id": card.port.id,
                "type": "bridge",
                "mtu": card.network.mtu,
                "ethernet_mac_address": card.port.mac_address,
            }
        )
        for version in (4, 6):
            first = next((a for a in card.addresses if a[1].ip_version == version), None)
            if first is not None:
                networks.append(_network(len(networks), link, card.network.id, *first))
                name_servers = _name_servers(first[1])
                services += [server for server in name_servers if server not in services]
    return {"links": links, "networks": networks, "services": services}


def _network(
    number: int, link: str, network_id: str, fixed: FixedIp, subnet: Subnet
) -> Mapping[str, object]:
    version = subnet.ip_version
    mode = f"_{subnet.ipv6_address_mode}" if subnet.ipv6_address_mode else ""
    gateway = (
        [{"network": _ANY[version], "netmask": _ANY[version], "gateway": subnet.gateway_ip}]
        if subnet.gateway_ip
        else []
    )
    routes = [
        {
            "network": str(destination.network_address),
            "netmask": str(destination.netmask),
            "gateway": route.nexthop,
        }
        for route in subnet.host_routes
        for destination in [ipaddress.ip_network(route.destination, strict=False)]
    ]
    return {
        "id": f"network{number}",
        "type": f"ipv{version}{mode}",
        "link": link,
        "ip_address": fixed.ip_address,
        "netmask": str(ipaddress.ip_network(subnet.cidr, strict=False).netmask),
        "routes": [*gateway, *routes],
        "network_id": network_id,
        "services": _name_servers(subnet),
    }


def _name_servers(subnet: Subnet) -> list[object]:
    return [{"type": "dns", "address": address} for address in subnet.dns_nameservers]
