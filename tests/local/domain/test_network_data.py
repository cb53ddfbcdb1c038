"""A server's network cards, as Nova tells it of them."""

from __future__ import annotations

from infraci.local.domain.network_data import Card, network_data
from infraci.local.domain.records import FixedIp, Network, Port, Route, Subnet

NET = Network(id="net-1", mtu=1400)
FOUR = Subnet(
    id="four",
    network_id="net-1",
    cidr="10.0.0.0/24",
    gateway_ip="10.0.0.1",
    dns_nameservers=("9.9.9.9",),
    host_routes=(Route(destination="10.9.0.0/16", nexthop="10.0.0.2"),),
)
SIX = Subnet(
    id="six",
    network_id="net-1",
    cidr="2001:db8::/64",
    ip_version=6,
    gateway_ip=None,
    ipv6_address_mode="slaac",
)
PORT = Port(id="11111111-2222-3333", network_id="net-1", mac_address="fa:16:3e:00:00:01")


def fixed(subnet: Subnet, address: str) -> tuple[FixedIp, Subnet]:
    return FixedIp(subnet_id=subnet.id, ip_address=address), subnet


def test_a_card_in_two_subnets() -> None:
    addresses = [fixed(SIX, "2001:db8::5"), fixed(FOUR, "10.0.0.5"), fixed(FOUR, "10.0.0.6")]
    assert network_data([Card(port=PORT, network=NET, addresses=addresses)]) == {
        "links": [
            {
                "id": "tap11111111-22",
                "vif_id": "11111111-2222-3333",
                "type": "bridge",
                "mtu": 1400,
                "ethernet_mac_address": "fa:16:3e:00:00:01",
            }
        ],
        "networks": [
            {
                "id": "network0",
                "type": "ipv4",
                "link": "tap11111111-22",
                "ip_address": "10.0.0.5",
                "netmask": "255.255.255.0",
                "routes": [
                    {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"},
                    {"network": "10.9.0.0", "netmask": "255.255.0.0", "gateway": "10.0.0.2"},
                ],
                "network_id": "net-1",
                "services": [{"type": "dns", "address": "9.9.9.9"}],
            },
            {
                "id": "network1",
                "type": "ipv6_slaac",
                "link": "tap11111111-22",
                "ip_address": "2001:db8::5",
                "netmask": "ffff:ffff:ffff:ffff::",
                "routes": [],
                "network_id": "net-1",
                "services": [],
            },
        ],
        "services": [{"type": "dns", "address": "9.9.9.9"}],
    }


def test_a_card_without_addresses_is_left_out() -> None:
    bare = Card(port=PORT, network=NET, addresses=[])
    assert network_data([bare]) == {"links": [], "networks": [], "services": []}
