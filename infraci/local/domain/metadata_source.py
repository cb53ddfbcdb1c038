"""Gathers from the store what a server is told about itself."""

from __future__ import annotations

import base64

from infraci.local.domain.flavors import Flavors
from infraci.local.domain.instance_metadata import InstanceMetadata
from infraci.local.domain.network_data import Card, network_data
from infraci.local.domain.records import (
    FloatingIp,
    KeyPair,
    Network,
    Port,
    SecurityGroup,
    Server,
    Subnet,
)
from infraci.local.domain.server_ports import ServerPorts
from infraci.local.domain.store import Store
from infraci.local.domain.volume_records import Volume


class MetadataSource:
    """What Nova tells servers about themselves, as it is now."""

    def __init__(self, store: Store, ports: ServerPorts, flavors: Flavors) -> None:
        self._store = store
        self._ports = ports
        self._flavors = flavors

    def at(self, address: str) -> InstanceMetadata | None:
        """Return the metadata of the server that has an access address; None if none has it."""
        servers = self._store.find(Server, lambda server: server.access == address)
        return self.of(servers[0]) if servers else None

    def of(self, server: Server) -> InstanceMetadata:
        """Return the metadata of a server."""
        with self._store.locked():
            cards = [self._card(port) for port in self._ports.of(server.id)]
            key = self._store.get(KeyPair, server.key_name or "")
            volumes = self._store.find(
                Volume, lambda volume: bool(volume.attachment) and _has(server, volume)
            )
            flavor = self._flavors.get(server.flavor)
            return InstanceMetadata(
                id=server.id,
                name=server.name,
                image_id=server.image,
                flavor=flavor.name if flavor else "",
                metadata=server.metadata,
                keys={key.name: key.public_key} if key else {},
                user_data=base64.b64decode(server.user_data) if server.user_data else None,
                fixed_ip=_first_ipv4(cards),
                floating_ip=self._floating_ip(cards),
                security_groups=self._groups(cards),
                volumes=tuple(v.attachment.device for v in volumes if v.attachment),
                network_data=network_data(cards),
            )

    def _card(self, port: Port) -> Card:
        subnets = {
            subnet.id: subnet
            for subnet in self._store.find(Subnet, lambda s: s.network_id == port.network_id)
        }
        network = self._store.get(Network, port.network_id)
        return Card(
            port=port,
            network=network or Network(id=port.network_id),
            addresses=[
                (fixed, subnets[fixed.subnet_id])
                for fixed in port.fixed_ips
                if fixed.subnet_id in subnets
            ],
        )

    def _floating_ip(self, cards: list[Card]) -> str:
        ports = {card.port.id for card in cards}
        floating = self._store.find(FloatingIp, lambda floating: floating.port_id in ports)
        return min((each.floating_ip_address for each in floating), default="")

    def _groups(self, cards: list[Card]) -> tuple[str, ...]:
        ids = dict.fromkeys(id_ for card in cards for id_ in card.port.security_groups)
        groups = (self._store.get(SecurityGroup, id_) for id_ in ids)
        return tuple(dict.fromkeys(group.name for group in groups if group))


def _has(server: Server, volume: Volume) -> bool:
    return volume.attachment is not None and volume.attachment.server_id == server.id


def _first_ipv4(cards: list[Card]) -> str:
    addresses = (fixed for card in cards for fixed, subnet in card.addresses)
    return next((fixed.ip_address for fixed in addresses if "." in fixed.ip_address), "")
