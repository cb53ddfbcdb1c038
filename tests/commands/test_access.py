"""Real runs on networks that are reached in other ways, and of guests that show who they are."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from tests.app.workspace import Workspace
from tests.commands.test_run import outcomes

pytestmark = pytest.mark.cloud

STACK = """\
heat_template_version: 2018-08-31
parameters:
  key_name: {type: string, constraints: [{custom_constraint: nova.keypair}]}
resources:
  front: {type: OS::Neutron::Net}
  front_subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: front}, cidr: 10.8.1.0/24}
  router:
    type: OS::Neutron::Router
    properties: {external_gateway_info: {network: public}}
  leg:
    type: OS::Neutron::RouterInterface
    properties: {router: {get_resource: router}, subnet: {get_resource: front_subnet}}
  back: {type: OS::Neutron::Net}
  back_subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: back}, cidr: 10.8.2.0/24, gateway_ip: null}
  gate_port:
    type: OS::Neutron::Port
    depends_on: front_subnet
    properties: {network: {get_resource: front}}
  gate_address:
    type: OS::Neutron::FloatingIP
    depends_on: leg
    properties: {floating_network: public, port_id: {get_resource: gate_port}}
  gate:
    type: OS::Nova::Server
    depends_on: back_subnet
    properties:
      name: gate
      image: debian-12
      flavor: m1.tiny
      key_name: {get_param: key_name}
      networks: [{port: {get_resource: gate_port}}, {network: {get_resource: back}}]
      metadata: {role: gate}
  hidden:
    type: OS::Nova::Server
    depends_on: back_subnet
    properties:
      name: hidden
      image: debian-12
      flavor: m1.tiny
      key_name: {get_param: key_name}
      networks: [{network: {get_resource: back}}]
      metadata: {role: hidden}
      user_data_format: RAW
      user_data: |
        #cloud-config
        write_files: [{path: /greeting, content: grüße}]
"""
PIPELINE = """\
stack: {template: stack.yaml}
servers: {bastion: gate}
configure:
  - cloud-init
  - script: {path: setup.sh, roles: [hidden]}
specs: {all: [specs]}
"""
SPEC = """\
def test_it(host):
    name = host.check_output("hostname")
    assert host.file("/setup").exists == (name == "hidden")


def test_who_asks(host):
    if host.check_output("hostname") == "hidden":
        assert host.file("/greeting").content_string == "grüße"
        assert host.check_output("echo $SSH_CONNECTION").startswith("10.8.2.")
"""
FILES = {
    "stack.yaml": STACK,
    "pipelines/tiny.yaml": PIPELINE,
    "setup.sh": "#!/bin/sh\ntouch /setup\n",
    "specs/test_web.py": SPEC,
}
DOWN = "bootcmd: [[systemctl, poweroff, --force]]"
PROJECT = "clouds: {local: {access: {address: ADDRESS}, host_keys: HOST_KEYS}}\n"


def the_record(workspace: Workspace) -> Any:
    (record,) = (workspace.folder / ".infraci/runs").glob("*/run.json")
    return json.loads(record.read_text())


@pytest.mark.parametrize(
    ("address", "host_keys"), [("floating", "console"), ("floating", "injected")]
)
def test_through_a_server_of_the_stack(workspace: Workspace, address: str, host_keys: str) -> None:
    """The other one has no address that this machine could reach."""
    project = PROJECT.replace("ADDRESS", address).replace("HOST_KEYS", host_keys)
    workspace.write({**FILES, "infraci.yaml": project}, "Hide a server")
    done = workspace.infraci("-v", "run", "--destroy", "never")
    assert done.returncode == 0, done.stderr
    record = the_record(workspace)
    assert record["host_keys"] == host_keys
    gate, hidden = record["servers"]
    assert (gate["address_kind"], gate["bastion"]) == (address, None)
    assert (hidden["address_kind"], hidden["bastion"]["address"]) == ("fixed", gate["address"])
    assert hidden["address"].startswith("10.8.2.")
    output = workspace.infraci("exec", record["id"], "hidden", "--", "hostname")
    assert (output.returncode, output.stdout) == (0, "hidden\n"), output.stderr
    config = workspace.folder / ".infraci/runs" / record["id"] / "ssh_config"
    output = subprocess.run(
        ["ssh", "-F", config, "hidden", "hostname"],
        check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert output.stdout == "hidden\n", output.stderr
    assert private_keys_in(config.parent, but={"id_ed25519", "host_key"}) == []
    assert workspace.infraci("destroy", record["id"]).returncode == 0
    assert private_keys_in(config.parent) == []
    assert workspace.leftovers() == []


def private_keys_in(folder: Path, *, but: Collection[str] = ()) -> list[str]:
    """The files in which there is a private key."""
    return [
        file.name
        for file in folder.rglob("*")
        if file.is_file() and file.name not in but and b"PRIVATE KEY" in file.read_bytes()
    ]


def test_whoever_answers_first_is_recorded(workspace: Workspace) -> None:
    project = PROJECT.replace("ADDRESS", "floating").replace("HOST_KEYS", "unverified")
    workspace.write({**FILES, "infraci.yaml": project}, "Believe everybody")
    done = workspace.infraci("run", "--report", "out")
    assert done.returncode == 0, done.stderr
    assert outcomes(workspace.folder / "out" / "tiny.xml") == []
    assert the_record(workspace)["host_keys"] == "unverified"
    report = (workspace.folder / "out" / "tiny.xml").read_text()
    assert 'name="infraci.host_keys" value="unverified"' in report


def test_a_guest_that_goes_down_ends_the_wait(workspace: Workspace) -> None:
    """Long before the phase's time is over."""
    stack = STACK.replace("write_files: [{path: /greeting, content: grüße}]", DOWN)
    pipeline = PIPELINE + "timeouts: {provision: 30m}\n"
    workspace.write({**FILES, "stack.yaml": stack, "pipelines/tiny.yaml": pipeline}, "Go down")
    done = workspace.infraci("run", "--report", "out")
    assert done.returncode == 125, done.stderr
    dead = "(guest): cannot log in to hidden: Nova says it is in SHUTOFF"
    assert dead in done.stderr, done.stderr
    assert outcomes(workspace.folder / "out" / "tiny.xml") == ["infraci.tiny.hidden: error"]
    assert workspace.leftovers() == []
