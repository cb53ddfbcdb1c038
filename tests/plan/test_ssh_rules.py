"""Servers whose security groups let no login in, seen in a template."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import yaml

from infraci.plan.ssh_rules import security_notices
from infraci.templates import StackRequest

OPEN = [{"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}]
SSH = "{protocol: tcp, port_range_min: 22, port_range_max: 22}"
PORT = "{type: 'OS::Neutron::Port', properties: {network: net, security_groups: [%s]}}"


def request(
    resources: str, *, files: Mapping[str, str] | None = None, **given: object
) -> StackRequest:
    """A stack of a server ``web`` with the port ``port``, and these resources."""
    template = yaml.safe_load(
        f"""
        heat_template_version: 2018-08-31
        parameters: {{port: {{type: number, default: 22}}, group: {{type: string}}}}
        resources:
          web:
            type: OS::Nova::Server
            properties: {{networks: [{{port: {{get_resource: port}}}}]}}
          net: {{type: OS::Neutron::Net}}
{resources}
        """
    )
    return StackRequest(
        template=template, parameters=given, environment={}, files=dict(files or {})
    )


def notices(
    stack_request: StackRequest,
    *,
    cloud: str = "local",
    default: Sequence[Mapping[str, Any]] | None = (),
) -> list[str]:
    return list(security_notices(stack_request, cloud=cloud, default_rules=lambda: default))


def group(*rules: str) -> str:
    """The port in a group with these rules."""
    return f"""
          port: {PORT % "{get_resource: firewall}"}
          firewall: {{type: 'OS::Neutron::SecurityGroup', properties: {{rules: [{", ".join(rules)}]}}}}
"""  # noqa: E501


@pytest.mark.parametrize(
    "rule",
    [
        SSH,
        "{protocol: tcp}",
        "{protocol: '6'}",
        "{}",
        "{protocol: TCP, port_range_min: 1, port_range_max: 1024}",
        "{protocol: tcp, port_range_min: {get_param: port}, port_range_max: {get_param: port}}",
        "{protocol: tcp, remote_ip_prefix: 198.51.100.0/24}",  # who knows from where
        "{protocol: tcp, remote_mode: remote_group_id}",  # or through a bastion
        "{protocol: tcp, port_range_min: {get_attr: [net, mtu]}}",  # what only Heat knows
        "{protocol: tcp, port_range_min: ssh, port_range_max: ssh}",  # what Heat refuses
        "{repeat: {for_each: {<%port%>: [22]}, template: {}}}",
    ],
)
def test_rules_that_let_logins_in(rule: str) -> None:
    assert notices(request(group("{protocol: icmp}", rule))) == []


@pytest.mark.parametrize(
    "rule",
    [
        "{protocol: icmp}",
        "{protocol: udp, port_range_min: 22, port_range_max: 22}",
        "{protocol: tcp, port_range_min: 80, port_range_max: 443}",
        "{direction: egress}",
    ],
)
def test_rules_that_do_not(rule: str) -> None:
    (notice,) = notices(request(group(rule)), cloud="far")
    assert notice == (
        'cannot log in to web: no security group of it allows tcp/22 in (it has "firewall"); '
        "add a rule {protocol: tcp, port_range_min: 22, port_range_max: 22}"
    )


def test_parameters_that_are_given_decide() -> None:
    rule = "{protocol: tcp, port_range_min: {get_param: port}, port_range_max: {get_param: port}}"
    assert len(notices(request(group(rule), port=23))) == 1


def test_a_rule_of_its_own() -> None:
    more = "          rule: {type: 'OS::Neutron::SecurityGroupRule', properties: {security_group: %s, protocol: tcp}}\n"  # noqa: E501
    assert notices(request(group() + more % "{get_resource: firewall}")) == []
    assert notices(request(group() + more % "{get_param: group}")) == []  # it may be this one's
    assert len(notices(request(group() + more % "default"))) == 1


def test_rules_that_a_nested_template_may_add() -> None:
    nested = {"heat_template_version": "2018-08-31", "resources": {}}
    assert len(notices(request(group(), files={"nested.yaml": json.dumps(nested)}))) == 1
    nested["resources"] = {"rule": {"type": "OS::Neutron::SecurityGroupRule"}}
    assert notices(request(group(), files={"nested.yaml": json.dumps(nested)})) == []


def test_no_group_at_all() -> None:
    (notice,) = notices(request(f"          port: {PORT % ''}\n"))
    assert "(it has none)" in notice


@pytest.mark.parametrize(
    "more",
    [
        "port_security_enabled: false",
        "security_groups: [somebody-elses]",
        "security_groups: {get_param: group}",
        "security_groups: [{get_param: group}]",
    ],
)
def test_ports_of_which_nothing_is_told(more: str) -> None:
    port = f"          port: {{type: 'OS::Neutron::Port', properties: {{network: net, {more}}}}}\n"
    assert notices(request(port)) == []


def test_a_network_without_port_security() -> None:
    port = "          port: {type: 'OS::Neutron::Port', properties: {network: {get_resource: net}, security_groups: []}}\n"  # noqa: E501
    stack_request = request(port)
    assert len(notices(stack_request)) == 1
    stack_request.template["resources"]["net"]["properties"] = {"port_security_enabled": False}
    assert notices(stack_request) == []


PLAIN = "          port: {type: 'OS::Neutron::Port', properties: {network: net}}\n"


def test_the_default_group() -> None:
    (closed,) = notices(request(PLAIN), default=())
    assert 'no security group of it allows tcp/22 in (it has "default")' in closed
    (fidelity,) = notices(request(PLAIN), default=OPEN)
    assert fidelity.startswith('the security group "default" of "web" lets in tcp/22 and ICMP')
    assert notices(request(PLAIN), default=OPEN, cloud="far") == []
    assert notices(request(PLAIN), default=None, cloud="far") == []


def test_the_default_group_is_asked_for_only_where_it_decides() -> None:
    def never() -> None:
        raise AssertionError("asked")

    stack_request = request(group(SSH))
    assert list(security_notices(stack_request, cloud="local", default_rules=never)) == []


def test_a_server_without_ports_of_its_own() -> None:
    stack_request = request(group(SSH))
    properties = stack_request.template["resources"]["web"]["properties"]
    properties["networks"] = [{"network": {"get_resource": "net"}}]
    assert len(notices(stack_request)) == 1
    properties["security_groups"] = [{"get_resource": "firewall"}]
    assert notices(stack_request) == []
    stack_request.template["resources"]["firewall"]["properties"]["name"] = "by-name"
    properties["security_groups"] = ["by-name"]
    assert notices(stack_request) == []
