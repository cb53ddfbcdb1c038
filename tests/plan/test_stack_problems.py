"""All that is wrong with a stack's templates, told by a real Heat, and where."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.clouds import CloudUnderTest, embedded_cloud
from tests.processes import run_infraci

FILES = {
    "pipelines/p.yaml": """\
stack:
  template: stacks/s.yaml
  environments: [stacks/e.yaml]
  parameters:
    count: many
    image: debain-12
specs: {all: [specs]}
""",
    "specs/test_it.py": "def test_it(host): pass\n",
    "stacks/e.yaml": "parameters: {volme: x}\nresource_registry: {My::Nested: n.yaml}\n",
    "stacks/n.yaml": """\
heat_template_version: 2018-08-31
parameters:
  p: {type: string}
resources:
  inner:
    type: OS::Neutron::Net
    properties: {shred: 1, nme: x}
  lost:
    type: OS::Neutron::Prt
    depends_on: [nowhere]
""",
    "stacks/s.yaml": """\
heat_template_version: 2018-08-31
parameters:
  key_name: {type: string, constraints: [{custom_constraint: nova.keypair}]}
  image: {type: string, constraints: [{custom_constraint: glance.image}]}
  volume: {type: string, default: v1, constraints: [{custom_constraint: mistral.workflow}]}
  count: {type: number}
resources:
  net:
    type: OS::Neutron::Net
    properties: {dhcp_agent_ids: [x], nme: a}
  pool: {type: OS::Neutron::Pool, properties: {x: 1}}
  domain: {type: OS::Designate::Domain}
  vol: {type: OS::Trove::Instance, properties: {flavor: x, size: 1}}
  web: {type: OS::Nova::Servr}
  app:
    type: OS::Nova::Server
    condition: gone
    property: x
    properties:
      flavor: m1.smal
      image: {get_param: image}
      key_name: {get_param: key_name}
      networks: [{network: {get_resource: nett}}, {network: nope}]
      user_data: {str_replace: {template: a, params: {X: {get_param: volume}}}}
  group:
    type: OS::Heat::ResourceGroup
    properties:
      count: 2
      resource_def:
        type: OS::Nova::Server
        properties: {flavor: m1.small, imge: debian-12, key_name: {get_param: key_name}}
  nested:
    type: My::Nested
    properties: {q: 1}
outputs:
  o: {value: {get_attr: [app, nothing]}}
  p: {value: {get_resource: vanished}}
""",
}
PROBLEMS = """\
pipelines/p.yaml:5:5: stack.parameters.count: expected a number, found "many"
stacks/e.yaml:1:14: parameters.volme: stacks/s.yaml declares no such parameter; did you mean \
"volume"?
pipelines/p.yaml:6:5: stack.parameters.image: Parameter 'image' is invalid: Error validating value \
'debain-12': No images matching {'name': 'debain-12'}; did you mean "debian-12"?
stacks/n.yaml:7:18: resources.inner.properties.shred: Unknown Property shred; did you mean \
"shared"?
stacks/n.yaml:7:28: resources.inner.properties.nme: Unknown Property nme; did you mean "name"?
stacks/n.yaml:9:5: resources.lost.type: The Resource Type (OS::Neutron::Prt) could not be found; \
did you mean "OS::Neutron::Port"?
stacks/n.yaml:10:18: resources.lost.depends_on[0]: there is no resource "nowhere"
stacks/s.yaml:5:3: parameters.volume: Parameter 'volume' is invalid: Error validating value 'v1': \
the embedded cloud has no mistral that could know it
stacks/s.yaml:10:18: resources.net.properties.dhcp_agent_ids: the embedded cloud does not honour \
the property dhcp_agent_ids
stacks/s.yaml:10:39: resources.net.properties.nme: Unknown Property nme; did you mean "name"?
stacks/s.yaml:11:10: resources.pool.type: OS::Neutron::Pool cannot be had: it is retired. Use \
octavia instead
stacks/s.yaml:12:12: resources.domain.type: OS::Designate::Domain cannot be had: it is retired. \
This resource has been removed, use OS::Designate::Zone instead
stacks/s.yaml:13:9: resources.vol.type: OS::Trove::Instance cannot be had: the embedded cloud has \
no Trove
stacks/s.yaml:14:9: resources.web.type: The Resource Type (OS::Nova::Servr) could not be found; \
did you mean "OS::Nova::Server"?
stacks/s.yaml:17:5: resources.app.condition: there is no condition "gone"
stacks/s.yaml:18:5: resources.app.property: a resource has no key "property"; did you mean \
"properties"?
stacks/s.yaml:20:7: resources.app.properties.flavor: Error validating value 'm1.smal': No Flavor \
matching {'name': 'm1.smal'}; did you mean "m1.small"?
stacks/s.yaml:23:29: resources.app.properties.networks[0].network.get_resource: there is no \
resource "nett"; did you mean "net"?
stacks/s.yaml:23:52: resources.app.properties.networks[1].network: Error validating value 'nope': \
Unable to find network with name or id 'nope'
stacks/s.yaml:31:40: resources.group.properties.resource_def.properties.imge: Unknown Property \
imge; did you mean "image"?
stacks/s.yaml:34:5: resources.nested.properties: Property p not assigned
stacks/s.yaml:34:18: resources.nested.properties.q: Unknown Property q
stacks/s.yaml:36:15: outputs.o.value.get_attr: The Referenced Attribute (app nothing) is incorrect
stacks/s.yaml:37:15: outputs.p.value.get_resource: there is no resource "vanished"
"""


#: Refusals in which Heat names no resource, and one in which it fails without a word.
UNNAMED = {
    "pipelines/p.yaml": "stack: {template: stacks/s.yaml}\nspecs: {all: [specs]}\n",
    "specs/test_it.py": "def test_it(host): pass\n",
    "stacks/s.yaml": """\
heat_template_version: 2018-08-31
resources:
  policy:
    type: OS::Heat::ScalingPolicy
    properties:
      auto_scaling_group_id: {get_resource: group}
      adjustment_type: change_in_capacity
      scaling_adjustment: 1
      min_adjustment_step: 1
  group:
    type: OS::Heat::AutoScalingGroup
    properties: {min_size: 1, max_size: 2, resource: {type: OS::Neutron::Net}}
  net: {type: OS::Neutron::Net}
  bare:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.0.0.0/24}
  port: {type: OS::Neutron::Port, properties: {network: {get_resource: net}}}
  router: {type: OS::Neutron::Router}
  first: &both
    type: OS::Neutron::RouterInterface
    properties:
      router: {get_resource: router}
      subnet: {get_resource: subnet}
      port: {get_resource: port}
  second: *both
  kept: {type: OS::Heat::None, deletion_policy: {get_resource: net}}
  wrong: {type: OS::Neutron::Net, properties: {nme: x}}
""",
}
UNNAMED_PROBLEMS = """\
stacks/s.yaml:9:7: resources.policy.properties.min_adjustment_step: min_adjustment_step property \
should only be specified for adjustment_type with value percent_change_in_capacity
stacks/s.yaml:14:3: resources.bare: At least one of the following properties must be specified: \
subnetpool, cidr
stacks/s.yaml:26:7: resources.first.properties.subnet: Cannot define the following properties at \
the same time: subnet, port
stacks/s.yaml:26:7: resources.second.properties.subnet: Cannot define the following properties at \
the same time: subnet, port
stacks/s.yaml:29:3: resources.kept: Heat itself fails on it (RecursionError) and does not say why
stacks/s.yaml:30:48: resources.wrong.properties.nme: Unknown Property nme; did you mean "name"?
"""


@pytest.mark.cloud
def test_everything_is_told_at_once_and_nothing_is_made(tmp_path: Path) -> None:
    with embedded_cloud(tmp_path / "state") as cloud:
        before = cloud.inventory()
        lines = plan(FILES, tmp_path / "tree", cloud)
        assert cloud.inventory() == before
        assert problems_in(lines) == PROBLEMS.splitlines()
        assert lines[0] == "commit 0000000000+dirty nothing committed yet (on local)"
        assert problems_in(plan(UNNAMED, tmp_path / "unnamed", cloud)) == (
            UNNAMED_PROBLEMS.splitlines()
        )


def plan(files: Mapping[str, str], tree: Path, cloud: CloudUnderTest) -> list[str]:
    """The lines of a plan of these files, which refuses them."""
    for path, text in files.items():
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tree, check=True, timeout=10)
    done = run_infraci("plan", "--working-tree", cwd=tree, env=cloud.environment)
    assert done.returncode == 1
    return [line.strip() for line in done.stdout.splitlines()]


def problems_in(lines: list[str]) -> list[str]:
    return [line.removeprefix("problem: ") for line in lines if line.startswith("problem: ")]
