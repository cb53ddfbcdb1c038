"""Security groups with Neutron's rules for them, and what they mean for packets."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from infraci.local.domain.networks import Networks
from infraci.local.domain.packet_filters import PacketFilters, network_filters
from infraci.local.domain.record import new_id
from infraci.local.domain.records import (
    AddressPair,
    Network,
    Port,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from infraci.local.domain.security_groups import SecurityGroups
from infraci.local.domain.security_rules import PROTOCOLS, canonical, filter_rule
from infraci.local.domain.server_ports import NOVA_OWNER
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError, InvalidRequestError, NotFoundError, RequestError
from infraci.local.host.port_filter import FilterRule, NetworkFilter
from tests.local.domain.test_networks import RecordedWiring, refusal, subnet_of


@pytest.fixture
def networks() -> Networks:
    return Networks(Store(), RecordedWiring(), public_cidr="172.24.4.0/24")


@pytest.fixture
def groups(networks: Networks) -> SecurityGroups:
    return networks.groups


def rule(group: str = "g", **values: Any) -> SecurityGroupRule:
    return SecurityGroupRule(security_group_id=group, **values)


def shown(groups: SecurityGroups, group: SecurityGroup) -> set[tuple[object, ...]]:
    """The rules of a group, briefly."""
    return {
        (r.direction, r.ethertype, r.protocol, r.remote_group_id == group.id)
        for r in groups.rules(group.id)
    }


EGRESS = {("egress", "IPv4", None, False), ("egress", "IPv6", None, False)}
OWN = {("ingress", "IPv4", None, True), ("ingress", "IPv6", None, True)}


def test_a_new_group_lets_all_out(groups: SecurityGroups) -> None:
    assert shown(groups, groups.create(SecurityGroup(name="web"))) == EGRESS


def test_default_lets_in_its_members(groups: SecurityGroups) -> None:
    assert shown(groups, groups.default()) == EGRESS | OWN
    assert groups.default().id == groups.default().id


def test_default_is_opened_and_closed_as_decided() -> None:
    store = Store()
    opened = SecurityGroups(store, is_default_open=True)
    group = opened.default()
    more = {
        ("ingress", "IPv4", "tcp", False),
        ("ingress", "IPv4", "icmp", False),
        ("ingress", "IPv6", "tcp", False),
        ("ingress", "IPv6", "ipv6-icmp", False),
    }
    assert shown(opened, group) == EGRESS | OWN | more
    for each in opened.rules(group.id):
        if each.protocol == "tcp":
            opened.delete_rule(each.id)
    again = SecurityGroups(store, is_default_open=True)  # what a user removed stays removed
    assert len(again.rules(group.id)) == 6
    closed = SecurityGroups(store)
    assert shown(closed, group) == EGRESS | OWN


@pytest.mark.parametrize(
    ("wish", "neutron_type"),
    [
        ({"direction": "in"}, "HTTPBadRequest"),
        ({"ethertype": "ARP"}, "SecurityGroupRuleInvalidEtherType"),
        ({"protocol": "http"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "256"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "-1"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "ipv6-icmp"}, "SecurityGroupEthertypeConflictWithProtocol"),
        ({"protocol": "ipv6-route"}, "SecurityGroupEthertypeConflictWithProtocol"),
        ({"port_range_min": 22, "port_range_max": 22}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "tcp", "port_range_min": 22}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "udp", "port_range_max": 22}, "SecurityGroupInvalidPortRange"),
        (
            {"protocol": "tcp", "port_range_min": 80, "port_range_max": 22},
            "SecurityGroupInvalidPortRange",
        ),
        (
            {"protocol": "tcp", "port_range_min": 0, "port_range_max": 22},
            "SecurityGroupInvalidPortValue",
        ),
        ({"protocol": "tcp", "port_range_min": 65536}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
        ({"protocol": "icmp", "port_range_max": 0}, "SecurityGroupMissingIcmpType"),
        (
            {"protocol": "gre", "port_range_min": 1, "port_range_max": 2},
            "SecurityGroupInvalidProtocolForPort",
        ),
        ({"remote_ip_prefix": "10.0.0.0/33"}, "InvalidCIDR"),
        ({"remote_ip_prefix": "fd00::/64"}, "SecurityGroupRuleParameterConflict"),
        (
            {"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "g"},
            "SecurityGroupMultipleRemoteEntites",
        ),
    ],
)
def test_rules_that_neutron_refuses(wish: dict[str, Any], neutron_type: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        canonical(rule(**wish))
    assert error.value.neutron_type == neutron_type


@pytest.mark.parametrize(
    ("wish", "meaning"),
    [
        ({}, {}),
        ({"ethertype": "ipv6"}, {"ethertype": "IPv6"}),
        ({"direction": "egress"}, {"direction": "egress"}),
        ({"protocol": "TCP"}, {"protocol": 6}),
        ({"protocol": "89"}, {"protocol": 89}),
        ({"protocol": "ip"}, {"protocol": 0}),
        ({"protocol": "icmp", "ethertype": "IPv6"}, {"protocol": 58, "ethertype": "IPv6"}),
        ({"protocol": "1", "ethertype": "IPv6"}, {"protocol": 58, "ethertype": "IPv6"}),
        (
            {"protocol": "icmp", "port_range_min": 8, "port_range_max": 0},
            {"protocol": 1, "port_min": 8, "port_max": 0},
        ),
        (
            {"protocol": "udp", "port_range_min": 53, "port_range_max": 54},
            {"protocol": 17, "port_min": 53, "port_max": 54},
        ),
        ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65535}, {"protocol": 6}),
        ({"remote_ip_prefix": "10.0.0.9"}, {"remote_prefix": "10.0.0.9/32"}),
        ({"remote_ip_prefix": "10.0.0.9/8"}, {"remote_prefix": "10.0.0.9/8"}),
        ({"remote_group_id": "g"}, {"remote_group": "g"}),
    ],
)
def test_rules_as_packets_are_held_to_them(wish: dict[str, Any], meaning: dict[str, Any]) -> None:
    expected = FilterRule(**{"direction": "ingress", "ethertype": "IPv4", **meaning})
    assert filter_rule(canonical(rule(**wish))) == expected


def test_each_protocol_has_a_name_and_a_number() -> None:
    for name, number in PROTOCOLS.items():
        kept = canonical(rule(ethertype="IPv6", protocol=name))
        assert filter_rule(kept).protocol == {1: 58}.get(number, number)


def test_a_rule_is_there_once(groups: SecurityGroups) -> None:
    group = groups.create(SecurityGroup(name="web"))
    first = rule(group.id, protocol="tcp")
    groups.create_rule(first)
    for same in (
        replace(first, id="another"),
        rule(group.id, protocol="6"),
        rule(group.id, protocol="tcp", remote_ip_prefix="0.0.0.0/0"),
    ):
        with pytest.raises(RequestError) as error:
            groups.create_rule(same)
        assert refusal(error) == (ConflictError, "SecurityGroupRuleExists")
    groups.create_rule(replace(first, id="another", remote_ip_prefix="10.0.0.0/8"))


def test_a_rule_needs_its_groups(groups: SecurityGroups) -> None:
    group = groups.create(SecurityGroup(name="web"))
    for wrong in (rule("x"), rule(group.id, remote_group_id="x")):
        with pytest.raises(NotFoundError):
            groups.create_rule(wrong)


def test_default_is_not_to_be_made_renamed_or_removed(groups: SecurityGroups) -> None:
    default = groups.default().id
    for attempt, neutron_type in (
        (lambda: groups.create(SecurityGroup(name="Default")), "SecurityGroupDefaultAlreadyExists"),
        (
            lambda: groups.update(default, lambda group: replace(group, name="x")),
            "SecurityGroupCannotUpdateDefault",
        ),
        (lambda: groups.delete(default), "SecurityGroupCannotRemoveDefault"),
    ):
        with pytest.raises(RequestError) as error:
            attempt()
        assert refusal(error) == (ConflictError, neutron_type)


def test_a_group_goes_with_the_rules_that_name_it(groups: SecurityGroups) -> None:
    web, app = groups.create(SecurityGroup(name="web")), groups.create(SecurityGroup(name="app"))
    groups.create_rule(rule(app.id, remote_group_id=web.id))
    groups.delete(web.id)
    assert shown(groups, app) == EGRESS


def test_a_group_that_a_port_has_stays_as_it_is(networks: Networks) -> None:
    groups = networks.groups
    group = groups.create(SecurityGroup(name="web"))
    groups.update(group.id, lambda group: replace(group, stateful=False))
    networks.create_port(Port(network_id=subnet_of(networks).network_id), group_ids=[group.id])
    for attempt in (
        lambda: groups.delete(group.id),
        lambda: groups.update(group.id, lambda group: replace(group, stateful=True)),
    ):
        with pytest.raises(RequestError) as error:
            attempt()
        assert refusal(error) == (ConflictError, "SecurityGroupInUse")


def test_which_groups_a_port_has(networks: Networks) -> None:
    default = networks.groups.default().id
    guarded = Port(network_id=subnet_of(networks).network_id)
    open_network = networks.create_network(Network(port_security_enabled=False))
    unguarded = Port(network_id=open_network.id)
    for port, groups, port_security, expected in (
        (guarded, None, None, ((default,), True)),
        (guarded, [], None, ((), True)),
        (guarded, None, False, ((), False)),
        (replace(guarded, device_owner="network:dhcp"), None, None, ((), False)),
        (replace(guarded, device_owner="compute:nova"), None, None, ((default,), True)),
        (unguarded, None, None, ((), False)),
        (unguarded, None, True, ((default,), True)),
    ):
        made = networks.create_port(
            replace(port, id=new_id()), addresses=[], group_ids=groups, port_security=port_security
        )
        assert (made.security_groups, made.port_security_enabled) == expected


def test_guards_of_a_port_that_neutron_refuses(networks: Networks) -> None:
    stateless = networks.groups.create(SecurityGroup(stateful=False)).id
    stateful = networks.groups.create(SecurityGroup()).id
    port = networks.create_port(Port(network_id=subnet_of(networks).network_id)).id
    one = AddressPair(ip_address="10.0.0.9")
    open_port = {"port_security_enabled": False}
    for changes, refused in (
        ({"security_groups": (stateful, stateless)}, (ConflictError, "SecurityGroupConflict")),
        ({"security_groups": ("x",)}, (NotFoundError, "SecurityGroupNotFound")),
        (open_port, (ConflictError, "PortSecurityPortHasSecurityGroup")),
        (
            {**open_port, "security_groups": (stateful,)},
            (InvalidRequestError, "PortSecurityAndIPRequiredForSecurityGroups"),
        ),
        (
            {**open_port, "security_groups": (), "allowed_address_pairs": (one,)},
            (ConflictError, "AddressPairAndPortSecurityRequired"),
        ),
        (
            {"allowed_address_pairs": (AddressPair(ip_address="10.0.0"),)},
            (InvalidRequestError, "HTTPBadRequest"),
        ),
        (
            {"allowed_address_pairs": (one, one)},
            (InvalidRequestError, "DuplicateAddressPairInRequest"),
        ),
    ):
        with pytest.raises(RequestError) as error:
            networks.update_port(port, partial(replace, **changes))
        assert refusal(error) == refused
    networks.update_port(port, partial(replace, **open_port, security_groups=()))


# What it means for packets


def server_port(networks: Networks, subnet: Subnet, server: str, **more: Any) -> Port:
    """A port that a server has."""
    port = Port(network_id=subnet.network_id, device_id=server, device_owner=NOVA_OWNER)
    return networks.create_port(port, **more)


def test_filters_of_a_network(networks: Networks) -> None:
    groups = networks.groups
    web, far = (groups.create(SecurityGroup(name=name)).id for name in ("web", "far"))
    groups.create_rule(rule(web, remote_group_id=far))
    near, other = subnet_of(networks), subnet_of(networks, "10.9.0.0/24")
    pair = AddressPair(ip_address="10.9.0.64/26")
    # Which no server has yet: Neutron counts it as well.
    networks.create_port(
        Port(network_id=other.network_id, allowed_address_pairs=(pair,)), group_ids=[far]
    )
    one = server_port(networks, near, "a" * 32, group_ids=[web])
    none = server_port(networks, near, "b" * 32, port_security=False)
    filters = network_filters(networks.store)
    assert list(filters) == [near.network_id]
    network = filters[near.network_id]
    by_device = {port.device: port for port in network.ports}
    assert by_device["saaaaaaaaaa0"].mac == one.mac_address
    assert by_device["saaaaaaaaaa0"].groups == (web,)
    assert by_device["saaaaaaaaaa0"].port_security
    assert by_device["sbbbbbbbbbb0"].mac == none.mac_address
    assert not by_device["sbbbbbbbbbb0"].port_security
    assert set(network.rules) == {web}
    assert network.members == {far: ("10.9.0.2", "10.9.0.64/26")}


class Slow(RecordedWiring):
    """A machine on which a filter takes as long as the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.applied: list[NetworkFilter] = []
        self.begun, self.may_end = threading.Event(), threading.Event()

    def guard_network(self, network_id: str, network: NetworkFilter) -> bool:
        self.begun.set()
        assert self.may_end.wait(10)
        self.applied.append(network)
        return True


def test_several_changes_at_once_are_put_into_effect_together() -> None:
    machine = Slow()
    networks = Networks(Store(), machine, public_cidr="172.24.4.0/24")
    filters = PacketFilters(networks.store, machine)
    subnet = subnet_of(networks)
    server_port(networks, subnet, "0" * 32)
    first = threading.Thread(target=filters.refresh)
    first.start()
    assert machine.begun.wait(10)
    others = []
    for number in range(1, 8):
        server_port(networks, subnet, str(number) * 32)
        others.append(threading.Thread(target=filters.refresh))
        others[-1].start()
    machine.may_end.set()
    for thread in (first, *others):
        thread.join(10)
    assert len(machine.applied[-1].ports) == 8
    filters.refresh()  # nothing is done where nothing has changed
    assert len(machine.applied) <= 1 + len(others)
    assert machine.applied[-1] != machine.applied[0]
    applied = len(machine.applied)
    filters.refresh()
    assert len(machine.applied) == applied


def test_network_that_does_not_stand_yet_is_filtered_when_it_does() -> None:
    class Later(RecordedWiring):
        stands = False

        def guard_network(self, network_id: str, network: NetworkFilter) -> bool:
            self.note("guard_network")
            return self.stands

    machine = Later()
    networks = Networks(Store(), machine, public_cidr="172.24.4.0/24")
    filters = PacketFilters(networks.store, machine)
    server_port(networks, subnet_of(networks), "0" * 32)
    for stands, calls in ((False, 1), (True, 2), (True, 2)):
        machine.stands = stands
        filters.refresh()
        assert machine.calls == [("guard_network",)] * calls
