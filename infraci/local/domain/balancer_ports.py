"""What Octavia asks of Neutron: a balancer's address, its ports, and what its listeners let in.

As with Octavia's amphorae, a port keeps the address, and another one, which may send in its name,
has the balancer's own address: from that one it reaches its members. A member's subnet gets a port
as well where it is in another network, so that no router is needed.

Source: octavia/network/drivers/neutron/allowed_address_pairs.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from infraci.local.domain.addresses import ip_network
from infraci.local.domain.balancer_graph import BalancerGraph
from infraci.local.domain.balancer_plans import openings
from infraci.local.domain.balancer_records import AMPHORA_OWNER, VIP_OWNER, LoadBalancer
from infraci.local.domain.balancer_rules import failure, unsupported
from infraci.local.domain.networks import PUBLIC_ID, Networks, address_in
from infraci.local.domain.packet_filters import PacketFilters
from infraci.local.domain.records import (
    AddressPair,
    Network,
    Port,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from infraci.local.domain.requests import AddressRequest
from infraci.local.domain.store import Store
from infraci.local.errors import InvalidRequestError
from infraci.local.host.fabric import Nic


@dataclass(frozen=True, slots=True, kw_only=True)
class VipRequest:
    """What a client says of a balancer's address; one of the three ids must be there."""

    address: str | None = None
    subnet_id: str | None = None
    network_id: str | None = None
    port_id: str | None = None


class BalancerPorts:
    """The ports and the security groups of load balancers."""

    def __init__(
        self,
        store: Store,
        networks: Networks,
        filters: PacketFilters,
        nic_of: Callable[[Port], Nic],
    ) -> None:
        self._store = store
        self._networks = networks
        self._filters = filters
        self._nic_of = nic_of

    def claim(self, balancer: LoadBalancer, vip: VipRequest) -> LoadBalancer:
        """Give a new balancer its address and ports. Raises RequestError, having made nothing."""
        subnet, address = self._place(vip)
        if subnet.ip_version != 4:
            raise unsupported("a VIP cannot have an IPv6 address")
        network = self._networks.require(Network, subnet.network_id)
        balancer = replace(balancer, vip_network_id=network.id, vip_subnet_id=subnet.id)
        try:
            if network.port_security_enabled and network.id != PUBLIC_ID:
                group = self._networks.groups.create(SecurityGroup(name=f"lb-{balancer.id}"))
                balancer = replace(balancer, group_id=group.id)
            port = self._vip_port(balancer, vip.port_id, address)
            balancer = replace(
                balancer,
                vip_port_id=port.id,
                vip_address=str(address_in(port, subnet.id)),
            )
            self._own_port(balancer, subnet.id, position=0)
        except Exception:
            self.release(balancer)
            raise
        return balancer

    def _place(self, vip: VipRequest) -> tuple[Subnet, str | None]:
        """The subnet of a balancer's address, and the address if the client says which."""
        if vip.port_id:
            return self._place_of_port(vip.port_id, vip)
        if vip.network_id:
            return self._place_in_network(vip.network_id, vip), vip.address
        if vip.subnet_id:
            return self._subnet(vip.subnet_id), vip.address
        raise failure("VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.")

    def _place_of_port(self, port_id: str, vip: VipRequest) -> tuple[Subnet, str]:
        port = self._store.get(Port, port_id)
        if port is None:
            raise InvalidRequestError(f"Port {port_id} not found.")
        if port.device_id:
            raise failure(f"Port {port.id} is already used by device {port.device_id} ")
        fits = [
            fixed
            for fixed in port.fixed_ips
            if vip.subnet_id in (None, fixed.subnet_id) and vip.address in (None, fixed.ip_address)
        ]
        if not fits and vip.subnet_id:
            raise failure("No VIP address found on the specified VIP port within the specified"
                          " subnet.")  # fmt: skip
        if not fits and vip.address:
            raise failure("Specified VIP address not found on the specified VIP port.")
        if len(fits) != 1:
            raise failure(
                "VIP port's subnet could not be determined. Please specify either a VIP subnet or"
                " address."
            )
        return self._subnet(fits[0].subnet_id), fits[0].ip_address

    def _place_in_network(self, network_id: str, vip: VipRequest) -> Subnet:
        network = self._store.get(Network, network_id)
        if network is None:
            raise InvalidRequestError(f"Network {network_id} not found.")
        if vip.subnet_id:
            if vip.subnet_id not in network.subnets:
                raise InvalidRequestError(f"Subnet {vip.subnet_id} not found.")
            return self._subnet(vip.subnet_id)
        subnets = [self._subnet(id_) for id_ in network.subnets]
        if not subnets:
            raise failure("Supplied network does not contain a subnet.")
        if not vip.address:
            return subnets[0]
        for subnet in subnets:
            if ip_network(vip.address)[0] in ip_network(subnet.cidr):
                return subnet
        raise failure("Supplied network does not contain a subnet for VIP address specified.")

    def require_subnet(self, id_: str | None) -> None:
        """Raise InvalidRequestError for the id of no subnet; None is fine."""
        if id_ is not None:
            self._subnet(id_)

    def _subnet(self, id_: str) -> Subnet:
        subnet = self._store.get(Subnet, id_)
        if subnet is None:
            raise InvalidRequestError(f"Subnet {id_} not found.")
        return subnet

    def _vip_port(self, balancer: LoadBalancer, port_id: str | None, address: str | None) -> Port:
        device_id = f"lb-{balancer.id}"
        groups = [balancer.group_id] if balancer.group_id else []
        if port_id is None:
            return self._networks.create_port(
                Port(
                    name=f"octavia-lb-{balancer.id}",
                    network_id=balancer.vip_network_id,
                    admin_state_up=False,
                    device_id=device_id,
                    device_owner=VIP_OWNER,
                ),
                addresses=[AddressRequest(subnet_id=balancer.vip_subnet_id, ip_address=address)],
                group_ids=groups,
                port_security=bool(groups),
            )
        return self._networks.update_port(
            port_id,
            lambda port: replace(
                port,
                security_groups=(*port.security_groups, *groups)
                if port.port_security_enabled
                else (),
                device_id=device_id,
                device_owner=VIP_OWNER,
            ),
        )

    def _own_port(self, balancer: LoadBalancer, subnet_id: str, *, position: int) -> Port:
        """A port by which the balancer itself is in a subnet's network."""
        network = self._networks.require(Network, self._subnet(subnet_id).network_id)
        is_guarded = network.port_security_enabled and bool(balancer.group_id)
        pairs = (AddressPair(ip_address=balancer.vip_address),)
        return self._networks.create_port(
            Port(
                name=f"octavia-lb-vrrp-{balancer.id}",
                network_id=network.id,
                device_id=balancer.id,
                device_owner=AMPHORA_OWNER,
                position=position,
                status="ACTIVE",
                allowed_address_pairs=pairs if is_guarded and position == 0 else (),
            ),
            addresses=[AddressRequest(subnet_id=subnet_id)],
            group_ids=[balancer.group_id] if is_guarded else [],
            port_security=is_guarded,
        )

    def _own_ports(self, balancer_id: str) -> list[Port]:
        ports = self._store.find(
            Port,
            lambda port: port.device_id == balancer_id and port.device_owner == AMPHORA_OWNER,
        )
        return sorted(ports, key=lambda port: port.position)

    def nics(self, graph: BalancerGraph) -> tuple[Nic, ...]:
        """The cards that a balancer needs; makes the ports for its members' networks."""
        balancer = graph.balancer
        with self._store.locked():
            ports = self._own_ports(balancer.id)
            present = {port.network_id for port in ports}
            free = (n for n in count() if n not in {port.position for port in ports})
            for network_id, subnet_id in self._member_networks(graph).items():
                if network_id not in present:
                    ports.append(self._own_port(balancer, subnet_id, position=next(free)))
            needed = self._needed(graph)
            return tuple(self._nic(balancer, port) for port in ports if port.network_id in needed)

    def _nic(self, balancer: LoadBalancer, port: Port) -> Nic:
        nic = self._nic_of(port)
        if port.network_id == PUBLIC_ID:
            nic = replace(nic, network_id="")
        if port.position:
            return replace(nic, gateway=None, gateway6=None)
        return replace(nic, addresses=(*nic.addresses, f"{balancer.vip_address}/32"))

    def _needed(self, graph: BalancerGraph) -> set[str]:
        return {graph.balancer.vip_network_id, *self._member_networks(graph)}

    def _member_networks(self, graph: BalancerGraph) -> dict[str, str]:
        """The networks of members' subnets other than the balancer's own → one of the subnets."""
        networks: dict[str, str] = {}
        for member in graph.members:
            if member.is_there and member.subnet_id is not None:
                network_id = self._subnet(member.subnet_id).network_id
                if network_id != graph.balancer.vip_network_id:
                    networks.setdefault(network_id, member.subnet_id)
        return networks

    def guard(self, graph: BalancerGraph) -> None:
        """Let in what the listeners need, and give up the ports that no member needs."""
        with self._store.locked():
            needed = self._needed(graph)
            for port in self._own_ports(graph.balancer.id):
                if port.network_id not in needed:
                    self._networks.release(port)
            if graph.balancer.group_id:
                self._let_in(graph)
        self._filters.refresh()

    def _let_in(self, graph: BalancerGraph) -> None:
        groups, group_id = self._networks.groups, graph.balancer.group_id
        needed = openings(graph)
        rules = [rule for rule in groups.rules(group_id) if rule.direction == "ingress"]
        present = {(rule.port_range_min, rule.remote_ip_prefix): rule for rule in rules}
        for opening in present.keys() - needed:
            groups.delete_rule(present[opening].id)
        for port, cidr in needed - present.keys():
            groups.create_rule(
                SecurityGroupRule(
                    security_group_id=group_id,
                    protocol="tcp",
                    port_range_min=port,
                    port_range_max=port,
                    remote_ip_prefix=cidr,
                )
            )

    def release(self, balancer: LoadBalancer) -> None:
        """Give up a balancer's ports and its security group, whatever of them is there."""
        with self._store.locked():
            for port in self._own_ports(balancer.id):
                self._networks.release(port)
            names = {balancer.group_id, f"lb-{balancer.id}"}
            own = self._store.find(SecurityGroup, lambda g: not names.isdisjoint({g.id, g.name}))
            for vip in self._store.find(Port, lambda p: p.device_id == f"lb-{balancer.id}"):
                self._give_back(vip, balancer, {group.id for group in own})
            for group in own:
                self._networks.groups.delete(group.id)
        self._filters.refresh()

    def _give_back(self, vip: Port, balancer: LoadBalancer, own_groups: set[str]) -> None:
        """Remove a port that was made for a balancer; a client's own stays, as it was."""
        if balancer.owns_port:
            self._networks.release(vip)
        else:
            groups = tuple(id_ for id_ in vip.security_groups if id_ not in own_groups)
            self._store.put(replace(vip, device_id="", device_owner="", security_groups=groups))
