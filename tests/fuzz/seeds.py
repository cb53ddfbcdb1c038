"""Inputs as they should be, which use much of what their formats have."""

from __future__ import annotations

import json

from infraci.local.account import PROJECT_ID

_STACK = b"""\
heat_template_version: 2018-08-31
description: A web server, and two more
parameter_groups: [{label: all, parameters: [key_name, flavor, count]}]
parameters:
  key_name: {type: string, constraints: [{custom_constraint: nova.keypair}]}
  flavor: {type: string, default: m1.tiny, constraints: [{allowed_values: [m1.tiny, m1.small]}]}
  count: {type: number, default: 2, constraints: [{range: {min: 0, max: 5}}]}
  names: {type: comma_delimited_list, default: "a,b", constraints: [{length: {max: 3}}]}
  tags: {type: json, default: {a: 1}}
  password: {type: string, hidden: true, default: secret-words}
conditions:
  many: {not: {equals: [{get_param: count}, 0]}}
resources:
  net: {type: OS::Neutron::Net, properties: {name: net}}
  subnet:
    type: OS::Neutron::Subnet
    properties:
      network: {get_resource: net}
      cidr: 10.9.8.0/24
      allocation_pools: [{start: 10.9.8.10, end: 10.9.8.90}]
      dns_nameservers: [192.0.2.1]
  group:
    type: OS::Neutron::SecurityGroup
    properties: {rules: [{protocol: tcp, port_range_min: 22, port_range_max: 22}]}
  config:
    type: OS::Heat::SoftwareConfig
    properties:
      config:
        str_replace:
          template: {get_file: boot.sh}
          params: {$names: {list_join: [" ", {get_param: names}]}, $count: {get_param: count}}
  web:
    type: OS::Nova::Server
    depends_on: [subnet]
    properties:
      name: web
      image: debian-12
      flavor: {get_param: flavor}
      key_name: {get_param: key_name}
      networks: [{network: {get_resource: net}}]
      security_groups: [{get_resource: group}]
      user_data_format: RAW
      user_data: {get_resource: config}
      metadata: {role: web}
  more:
    type: OS::Heat::ResourceGroup
    condition: many
    properties:
      count: {get_param: count}
      resource_def:
        type: My::Node
        properties:
          network: {get_resource: net}
          key_name: {get_param: key_name}
          number: "%index%"
outputs:
  address: {value: {get_attr: [web, first_address]}}
  all: {value: {yaql: {expression: $.data, data: {get_param: tags}}}}
"""
_NODE = b"""\
heat_template_version: 2018-08-31
parameters:
  network: {type: string}
  key_name: {type: string}
  number: {type: string}
resources:
  node:
    type: OS::Nova::Server
    properties:
      name: {list_join: ["-", [node, {get_param: number}]]}
      image: debian-12
      flavor: m1.tiny
      key_name: {get_param: key_name}
      networks: [{network: {get_param: network}}]
      metadata: {role: node}
"""
_PIPELINE = b"""\
description: What a fuzzer plans
stack:
  template: stack.yaml
  environments: [env.yaml]
  parameters: {count: 1}
servers:
  user: debian
configure:
  - cloud-init
  - script: {path: setup.sh, roles: [web], environment: {PORT: "80"}, timeout: 60s}
  - ansible: {playbook: site.yml, variables: {port: 80}}
specs:
  web: [specs]
  node: [specs]
timeouts: {provision: 10m}
"""
TREE = {
    "stack.yaml": _STACK,
    "node.yaml": _NODE,
    "env.yaml": b"resource_registry: {'My::Node': node.yaml}\nparameters: {flavor: m1.small}\n",
    "boot.sh": b"#!/bin/sh\necho $names $count\n",
    "pipelines/web.yaml": _PIPELINE,
    "infraci.yaml": b"clouds: {other: {images: {debian-12: debian}, host_keys: injected}}\n",
    "setup.sh": b"#!/bin/sh\ntouch /setup\n",
    "site.yml": b"- hosts: web\n  tasks:\n    - name: Hello\n      debug: {msg: hello}\n",
    "specs/test_web.py": b"def test_root(host):\n    assert host.user().name\n",
}

TOSCA = b"""\
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  inputs: {port: {type: integer, default: 80, constraints: [{in_range: [1, 99]}]}}
  node_templates:
    server:
      type: tosca.nodes.Compute
      metadata: {role: web}
      capabilities:
        host: {properties: {num_cpus: 1, mem_size: 256 MB}}
        os: {properties: {type: linux, distribution: debian, version: 12}}
    software:
      type: tosca.nodes.SoftwareComponent
      requirements: [{host: server}]
      interfaces:
        Standard:
          create: {implementation: setup.sh, inputs: {port: {get_input: port}}}
  outputs: {address: {value: {get_attribute: [server, private_address]}}}
"""
CSAR_META = "TOSCA-Meta-File-Version: 1.0\nCSAR-Version: 1.1\nEntry-Definitions: shop.yaml\n"
TOSCA_TREE = {
    "pipelines/definition.yaml": b"stack: {template: shop.yaml}\nspecs: {web: [specs]}\n",
    "pipelines/archive.yaml": b"stack: {template: shop.csar}\nspecs: {web: [specs]}\n",
    "setup.sh": TREE["setup.sh"],
    "specs/test_web.py": TREE["specs/test_web.py"],
}

RSPEC = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="rspec" tests="2" failures="1" errors="0" time="0.5">
<testcase classname="spec.web_spec" name="Port 80" file="./spec/web_spec.rb" time="0.2"/>
<testcase classname="spec.web_spec" name="File /x exists" file="./spec/web_spec.rb" time="0.1">
<failure message="expected true" type="ExpectationNotMetError">at line 3</failure>
<system-out>looked</system-out></testcase></testsuite>
"""
PUPPET = b"""\
--- !ruby/object:Puppet::Transaction::Report
report_format: 12
logs:
- !ruby/object:Puppet::Util::Log
  level: :err
  message: 'change from absent to file failed: no space'
  source: "/Stage[main]/Main/File[/etc/motd]/ensure"
resource_statuses:
  File[/etc/motd]: !ruby/object:Puppet::Resource::Status
    file: /tmp/site.pp
    line: 3
    failed: true
    changed: false
    skipped: false
    events: [{status: failure, message: no space, property: ensure}]
"""
CHEF = b"""\
Recipe: shop::default
  * file[/etc/motd] action create
    - update content in file /etc/motd from 1 to 2
  * service[nginx] action start

    ================================================================================
    Error executing action `start` on resource 'service[nginx]'
    ================================================================================

    Mixlib::ShellOut::ShellCommandFailed
    ------------------------------------
    Expected process to exit with [0], but received '1'
"""

_TEMPLATE = {"heat_template_version": "2018-08-31", "resources": {"r": {"type": "OS::Heat::Value"}}}
_NO_ID = "00000000-0000-4000-8000-000000000000"
REQUESTS = {
    name: json.dumps(body).encode()
    for name, body in {
        "POST /identity/v3/auth/tokens": {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {
                        "user": {"name": "x", "password": "x", "domain": {"id": "default"}}
                    },
                },
                "scope": {"project": {"name": "infraci", "domain": {"id": "default"}}},
            }
        },
        "POST /network/v2.0/networks": {"network": {"name": "n", "admin_state_up": True}},
        "POST /network/v2.0/subnets": {
            "subnet": {
                "network_id": "n",
                "cidr": "10.0.0.0/24",
                "ip_version": 4,
                "allocation_pools": [{"start": "10.0.0.5", "end": "10.0.0.9"}],
            }
        },
        "POST /network/v2.0/ports": {
            "port": {"network_id": "n", "fixed_ips": [{"ip_address": "10.0.0.5"}]}
        },
        "POST /network/v2.0/security-groups": {"security_group": {"name": "g"}},
        "POST /network/v2.0/security-group-rules": {
            "security_group_rule": {
                "security_group_id": "g",
                "direction": "ingress",
                "protocol": "tcp",
                "port_range_min": 1,
                "port_range_max": 2,
            }
        },
        "POST /network/v2.0/routers": {
            "router": {"name": "r", "external_gateway_info": {"network_id": "public"}}
        },
        "POST /network/v2.0/floatingips": {"floatingip": {"floating_network_id": "public"}},
        "POST /compute/v2.1/servers": {
            "server": {
                "name": "s",
                "imageRef": "absent",
                "flavorRef": "1",
                "networks": [{"uuid": "n"}],
                "metadata": {"a": "b"},
            }
        },
        "POST /compute/v2.1/os-keypairs": {
            "keypair": {"name": "k", "public_key": "ssh-rsa AAAA x"}
        },
        "POST /load-balancer/v2.0/lbaas/loadbalancers": {
            "loadbalancer": {"name": "l", "vip_subnet_id": _NO_ID, "vip_address": "10.0.0.5"}
        },
        "POST /load-balancer/v2.0/lbaas/listeners": {
            "listener": {
                "loadbalancer_id": _NO_ID,
                "protocol": "HTTP",
                "protocol_port": 80,
                "insert_headers": {"X-Forwarded-For": "true"},
                "allowed_cidrs": ["10.0.0.0/8"],
            }
        },
        "POST /load-balancer/v2.0/lbaas/pools": {
            "pool": {
                "loadbalancer_id": _NO_ID,
                "protocol": "HTTP",
                "lb_algorithm": "ROUND_ROBIN",
                "session_persistence": {"type": "APP_COOKIE", "cookie_name": "SID"},
            }
        },
        "POST /load-balancer/v2.0/lbaas/l7policies": {
            "l7policy": {
                "listener_id": _NO_ID,
                "action": "REDIRECT_TO_URL",
                "redirect_url": "http://x.test/",
            }
        },
        f"POST /orchestration/v1/{PROJECT_ID}/validate": {"template": _TEMPLATE, "environment": {}},
        f"POST /orchestration/v1/{PROJECT_ID}/stacks/preview": {
            "stack_name": "s",
            "template": _TEMPLATE,
            "parameters": {},
            "files": {},
        },
    }.items()
}
