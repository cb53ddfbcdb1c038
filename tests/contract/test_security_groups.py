"""Security groups hold by packets, the same on every cloud, and decide who may log in."""

from __future__ import annotations

import json

import pytest

from tests.contract.conftest import Repository
from tests.contract.repository import PIPELINE, STACK

pytestmark = pytest.mark.timeout(900)

SSH = "rules: [{protocol: tcp, port_range_min: 22, port_range_max: 22}]"
#: Behind `web`, which is the way to it: it lets in the members of `firewall` only.
BEHIND = """\
  inner:
    type: OS::Neutron::SecurityGroup
    properties:
      rules:
        - protocol: tcp
          port_range_min: 22
          port_range_max: 22
          remote_mode: remote_group_id
          remote_group_id: {get_resource: firewall}
  app_port:
    type: OS::Neutron::Port
    depends_on: subnet
    properties:
      network: {get_resource: net}
      fixed_ips: [{ip_address: 10.50.0.20}]
      security_groups: [{get_resource: inner}]
  app:
    type: OS::Nova::Server
    depends_on: way_out
    properties:
      name: app
      image: {get_param: image}
      flavor: {get_param: flavor}
      key_name: {get_param: key_name}
      networks: [{port: {get_resource: app_port}}]
      metadata: {role: app}
  from_app:
    type: OS::Neutron::SecurityGroupRule
    properties:
      security_group: {get_resource: firewall}
      protocol: tcp
      port_range_min: 8081
      port_range_max: 8082
      remote_group: {get_resource: inner}
  from_network:
    type: OS::Neutron::SecurityGroupRule
    properties:
      security_group: {get_resource: firewall}
      protocol: tcp
      port_range_min: 8083
      port_range_max: 8083
      remote_ip_prefix: 10.50.0.16/28
  from_others:
    type: OS::Neutron::SecurityGroupRule
    properties:
      security_group: {get_resource: firewall}
      protocol: tcp
      port_range_min: 8084
      port_range_max: 8084
      remote_ip_prefix: 10.50.0.32/28
outputs:"""
#: What comes of a connection to a port where nothing listens: refused if it gets that far.
REACHES = r'''
import shlex


def reaches(host, address, port):
    """Whether a server refuses a connection, which it does where nothing listens."""
    python = (
        "import socket\n"
        f"try: socket.create_connection(('{address}', {port}), 3)\n"
        "except ConnectionRefusedError: print('refused')\n"
        "except OSError: print('silent')\n"
    )
    done = host.run(
        f"if command -v python3 > /dev/null; then python3 -c {shlex.quote(python)};"
        f" else nc -w 3 {address} {port} < /dev/null 2>&1; fi; true"
    )
    return "refused" in done.stdout
'''
APP_SPEC = (
    REACHES
    + """

def test_what_the_other_lets_in(host):
    ports = (8080, 8081, 8082, 8083, 8084)
    assert [port for port in ports if reaches(host, "10.50.0.10", port)] == [8081, 8082, 8083]
"""
)
WEB_SPEC = (
    REACHES
    + """

def test_only_ssh_gets_to_the_other(host):
    assert not reaches(host, "10.50.0.20", 8081)
"""
)
TWO = PIPELINE.replace("specs: {web: [specs]}", "specs: {web: [specs/web], app: [specs/app]}")


def test_groups_decide_what_passes(repository: Repository) -> None:
    repository.write(
        {
            "stack.yaml": STACK.replace("outputs:", BEHIND),
            "pipelines/web.yaml": TWO + "servers: {bastion: web}\n",
            "specs/web/test_web.py": WEB_SPEC,
            "specs/app/test_app.py": APP_SPEC,
        }
    )
    done = repository.run()
    assert done.returncode == 0, done.stderr
    record = json.loads(repository.infraci("logs", "--json").stdout)
    outcomes = {case["name"]: case["outcome"] for case in record["testcases"]}
    assert outcomes["test_only_ssh_gets_to_the_other[web]"] == "passed"
    assert outcomes["test_what_the_other_lets_in[app]"] == "passed"


def test_no_login_without_a_rule(repository: Repository) -> None:
    """Told by the plan, and of the server as soon as nothing answers there."""
    repository.write({"stack.yaml": STACK.replace(SSH, "rules: [{protocol: icmp}]")})
    plan = repository.infraci("plan", "--cloud", repository.cloud.name)
    assert "cannot log in to server: no security group of it allows tcp/22 in" in plan.stdout
    done = repository.run()
    assert done.returncode == 1, done.stderr
    assert "no security group of web allows tcp/22 in" in done.stderr
