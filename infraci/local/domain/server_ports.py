"""A server's ports: claimed for it when it is made, released when it is removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from infraci.local.domain.addresses import with_prefix
from infraci.local.domain.networks import PUBLIC_ID, Networks
from infraci.local.domain.project_network import ProjectNetwork
from infraci.local.domain.records import Network, Port, SecurityGroup, Subnet
from infraci.local.domain.requests import CardRequest
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError, InvalidRequestError
from infraci.local.host.fabric import Nic

NOVA_OWNER = "compute:local"


class ServerPorts:
    """What Nova asks of Neutron."""

    def __init__(self, store: Store, networks: Networks, project_network: ProjectNetwork) -> None:
        self._store = store
        self._networks = networks
        self._project_network = project_network

    def claim(
        self,
        server_id: str,
        requests: Sequence[CardRequest] | None,
        group_ids: Sequence[str],
        *,
        stack_id: str = "",
    ) -> list[Port]:
        """Give a server of a stack the ports that are asked for, made where need be; returns them.

        Without requests, it has one in the network of its stack or project.
        """
        if requests is not None:
            return self._claim(server_id, requests, group_ids)
        with self._store.locked():  # else the last server of that network may take it away
            chosen = CardRequest(network_id=self._project_network.choose(stack_id))
            return self._claim(server_id, [chosen], group_ids)

    def _claim(
        self, server_id: str, requests: Sequence[CardRequest], group_ids: Sequence[str]
    ) -> list[Port]:
        claimed = []
        taken = {port.position for port in self.of(server_id)}
        free = (position for position in count() if position not in taken)
        for position, request in zip(free, requests, strict=False):
            with self._store.locked():
                port = self._existing_port(request) or self._new_port(request, group_ids)
                claim = replace(
                    port,
                    device_id=server_id,
                    device_owner=NOVA_OWNER,
                    status="ACTIVE",
                    position=position,
                )
                claimed.append(self._store.put(claim))
        return claimed

    def _existing_port(self, request: CardRequest) -> Port | None:
        if not request.port_id:
            return None
        port = self._networks.require(Port, request.port_id)
        if port.device_id:
            raise ConflictError(f"Port {port.id} is still in use.")
        return port

    def _new_port(self, request: CardRequest, group_ids: Sequence[str]) -> Port:
        if request.network_id == PUBLIC_ID:
            raise InvalidRequestError(
                "The embedded cloud can't put a server on the external network itself;"
                " give it a floating IP."
            )
        network = self._networks.require(Network, str(request.network_id))
        if group_ids and not network.port_security_enabled:
            raise InvalidRequestError(
                "Network requires port_security_enabled and subnet associated in order to apply"
                " security groups."
            )
        return self._networks.create_port(
            Port(network_id=network.id, is_servers_own=True),
            addresses=request.addresses,
            group_ids=group_ids or None,
        )

    def group_ids(self, names: Sequence[str]) -> list[str]:
        """The ids of security groups, each known by its name or its id."""
        ids = []
        for name in names:
            if name == "default":
                self._networks.groups.default()
            groups = [g for g in self._store.find(SecurityGroup) if name in (g.id, g.name)]
            if len(groups) != 1:
                raise InvalidRequestError(
                    f"Security group {name} found {len(groups)} times, not once."
                )
            ids.append(groups[0].id)
        return ids

    def of(self, server_id: str) -> list[Port]:
        """The server's ports, in the order of its network cards."""
        ports = self._store.find(Port, lambda port: port.device_id == server_id)
        return sorted(ports, key=lambda port: port.position)

    def nics(self, server_id: str) -> tuple[Nic, ...]:
        """The server's network cards."""
        return tuple(self.nic(port) for port in self.of(server_id))

    def nic(self, port: Port) -> Nic:
        """A port as a network card."""
        subnets = [self._networks.require(Subnet, fixed.subnet_id) for fixed in port.fixed_ips]
        gateways = [s.gateway_ip for s in subnets if s.gateway_ip and s.ip_version == 4]
        gateways6 = [s.gateway_ip for s in subnets if s.gateway_ip and s.ip_version == 6]
        return Nic(
            device=f"eth{port.position}",
            network_id=port.network_id,
            mac=port.mac_address,
            addresses=tuple(
                with_prefix(fixed.ip_address, subnet.cidr)
                for fixed, subnet in zip(port.fixed_ips, subnets, strict=True)
            ),
            gateway=gateways[0] if gateways else None,
            gateway6=gateways6[0] if gateways6 else None,
            mtu=self._networks.require(Network, port.network_id).mtu,
            routes=tuple(
                (route.destination, route.nexthop)
                for subnet in subnets
                for route in subnet.host_routes
            ),
        )

    def name_servers(self, server_id: str) -> tuple[str, ...]:
        """The name servers of the subnets that a server is in."""
        addresses: dict[str, None] = {}
        for port in self.of(server_id):
            for fixed in port.fixed_ips:
                subnet = self._networks.require(Subnet, fixed.subnet_id)
                addresses.update(dict.fromkeys(subnet.dns_nameservers))
        return tuple(addresses)

    def release_all(self, server_id: str) -> None:
        """Release a server's ports."""
        for port in self.of(server_id):
            self.release(port)
        self._project_network.release()

    def release(self, port: Port) -> None:
        """Take a port from its server; one that was made for it is removed."""
        if port.is_servers_own:
            self._networks.delete_port(port.id)
        else:
            self._store.change(
                Port,
                port.id,
                lambda port: replace(port, device_id="", device_owner="", status="DOWN"),
            )
