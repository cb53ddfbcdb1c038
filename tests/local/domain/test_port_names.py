"""Names of ports: by their addresses, by what a template says, by their servers."""

from __future__ import annotations

from infraci.local.domain.networks import Networks
from infraci.local.domain.port_names import PortNames
from infraci.local.domain.records import Network, Port, Server, Subnet
from tests.local.domain.test_networks import networks, wires

__all__ = ["networks", "wires"]


def made(networks: Networks, domain: str = "") -> Network:
    network = networks.create_network(Network(dns_domain=domain))
    networks.subnets.create(Subnet(network_id=network.id, cidr="10.0.0.0/24"))
    networks.subnets.create(Subnet(network_id=network.id, cidr="fd00::/64", ip_version=6))
    return network


def server(networks: Networks, name: str, access: str) -> Server:
    return networks.store.put(Server(name=name, image="i", flavor="f", access=access))


def port(networks: Networks, network: Network, owner: Server, dns_name: str = "") -> list[str]:
    made = networks.create_port(Port(network_id=network.id, device_id=owner.id, dns_name=dns_name))
    return [name.full for name in PortNames(networks.store).of(made)]


def test_without_names_there_are_those_of_addresses(networks: Networks) -> None:
    names = port(networks, made(networks), server(networks, "web", "172.24.105.2"))
    assert names == ["host-10-0-0-2.openstacklocal", "host-fd00--2.openstacklocal"]


def test_names_of_ports_and_servers(networks: Networks) -> None:
    web = server(networks, "Web_0", "172.24.105.2")
    plain, named = made(networks), made(networks, "example.org.")
    assert port(networks, plain, web, "db")[0] == "db.openstacklocal"
    assert port(networks, named, web)[0] == "web-0.example.org"
    assert port(networks, named, web, "db")[0] == "db.example.org"


def test_a_server_knows_the_names_of_its_networks(networks: Networks) -> None:
    one, other = made(networks, "example.org."), made(networks)
    web, db = server(networks, "web", "172.24.105.2"), server(networks, "db", "172.24.105.3")
    port(networks, one, web)
    port(networks, one, db)
    port(networks, other, db)
    names = PortNames(networks.store)
    zone = names.zone_at("172.24.105.2")
    assert zone is not None
    assert zone.addresses == {
        "web.example.org": ("10.0.0.2", "fd00::2"),
        "web": ("10.0.0.2", "fd00::2"),
        "db.example.org": ("10.0.0.3", "fd00::3"),
        "db": ("10.0.0.3", "fd00::3"),
    }
    assert zone.names["fd00::3"] == "db.example.org"
    known = names.zone_at("172.24.105.3")
    assert known is not None
    assert "host-10-0-0-2.openstacklocal" in known.addresses
    assert names.zone_at("172.24.105.9") is None
