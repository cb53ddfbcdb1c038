"""A repository with a small stack, and ways to break it."""

from __future__ import annotations

#: What the repository's names mean on each cloud; nothing else differs.
PROJECT = """\
clouds:
  local:
    images: {guest: debian-12}
    flavors: {little: m1.tiny}
    networks: {world: public}
  live:
    images: {guest: nano}
    flavors: {little: m1.nano}
    networks: {world: public}
"""
STACK = """\
heat_template_version: 2018-08-31
parameters:
  key_name: {type: string, constraints: [{custom_constraint: nova.keypair}]}
  image: {type: string, default: guest, constraints: [{custom_constraint: glance.image}]}
  flavor: {type: string, default: little, constraints: [{custom_constraint: nova.flavor}]}
  world: {type: string, default: world, constraints: [{custom_constraint: neutron.network}]}
resources:
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.50.0.0/24}
  router:
    type: OS::Neutron::Router
    properties: {external_gateway_info: {network: {get_param: world}}}
  way_out:
    type: OS::Neutron::RouterInterface
    properties: {router: {get_resource: router}, subnet: {get_resource: subnet}}
  firewall:
    type: OS::Neutron::SecurityGroup
    properties: {rules: [{protocol: tcp, port_range_min: 22, port_range_max: 22}]}
  port:
    type: OS::Neutron::Port
    properties:
      network: {get_resource: net}
      fixed_ips: [{subnet: {get_resource: subnet}, ip_address: 10.50.0.10}]
      security_groups: [{get_resource: firewall}]
  address:
    type: OS::Neutron::FloatingIP
    depends_on: way_out
    properties: {floating_network: {get_param: world}, port_id: {get_resource: port}}
  apart: {type: OS::Nova::ServerGroup, properties: {policies: [soft-anti-affinity]}}
  server:
    type: OS::Nova::Server
    properties:
      name: web
      availability_zone: nova
      scheduler_hints: {group: {get_resource: apart}}
      image: {get_param: image}
      flavor: {get_param: flavor}
      key_name: {get_param: key_name}
      networks: [{port: {get_resource: port}}]
      metadata: {role: web}
outputs:
  address: {value: {get_attr: [address, floating_ip_address]}}
"""
#: The same with a volume that the server is given.
WITH_VOLUME = STACK.replace(
    "outputs:",
    """\
  disk: {type: OS::Cinder::Volume, properties: {size: 1, metadata: {role: data}}}
  attached:
    type: OS::Cinder::VolumeAttachment
    properties: {instance_uuid: {get_resource: server}, volume_id: {get_resource: disk}}
outputs:""",
)
#: The same with a script that is deployed to the server, and fails there.
WITH_DEPLOYMENT = STACK.replace(
    "      metadata: {role: web}\n",
    "      metadata: {role: web}\n      user_data_format: SOFTWARE_CONFIG\n",
).replace(
    "outputs:",
    """\
  setup:
    type: OS::Heat::SoftwareConfig
    properties:
      group: script
      config: |
        #!/bin/sh
        echo "cp: cannot stat 'data'" >&2
        exit 3
  deployed:
    type: OS::Heat::SoftwareDeployment
    properties: {config: {get_resource: setup}, server: {get_resource: server}}
outputs:""",
)
PIPELINE = """\
stack: {template: stack.yaml}
configure: [script: setup.sh]
specs: {web: [specs]}
"""
SPEC = """\
def test_setup(host):
    assert host.file("/setup").content_string == "10.50.0.10\\n"


def test_name(host):
    assert host.check_output("hostname") == "web"
"""
SETUP = r"""#!/bin/sh
ip -4 address show | sed -n 's/.*inet \(10.50.[0-9.]*\).*/\1/p' > /setup
"""
#: Where the port is to be, there is no subnet: Neutron says so only when it is asked to make it.
OUTSIDE = STACK.replace("ip_address: 10.50.0.10", "ip_address: 10.60.0.10")
#: Nobody ever signals.
STUCK = """\
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  nobody: {type: OS::Heat::WaitConditionHandle}
  stuck:
    type: OS::Heat::WaitCondition
    properties: {handle: {get_resource: nobody}, timeout: 3600}
"""
FILES = {
    "infraci.yaml": PROJECT,
    "stack.yaml": STACK,
    "stuck.yaml": STUCK,
    "pipelines/web.yaml": PIPELINE,
    "setup.sh": SETUP,
    "specs/test_web.py": SPEC,
}
