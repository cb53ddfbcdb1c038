"""Images, flavors and networks by a cloud's own names."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from infraci.model.pipeline import StackDefinition
from infraci.model.project import CloudDefinition
from infraci.templates import StackRequest, load_stack, with_names
from tests.model.trees import write

NAMES = CloudDefinition(
    images={"debian-12": "Debian 12 (2026)", "web": "web image"},
    flavors={"small": "m1.small", "web": "web flavor"},
    networks={"public": "ext-net", "web": "web network"},
)


def request(template: str, **parts: Any) -> StackRequest:
    return StackRequest(
        template={"heat_template_version": "2021-04-16", **yaml.safe_load(template)}, **parts
    )


def renamed(template: str, **parts: Any) -> StackRequest:
    return with_names(request(template, **parts), NAMES)


@pytest.mark.parametrize(
    ("constraint", "value", "expected"),
    [
        ("glance.image", "debian-12", "Debian 12 (2026)"),
        ("nova.flavor", "small", "m1.small"),
        ("neutron.network", "public", "ext-net"),
        ("neutron.subnet", "public", "public"),
        ("glance.image", "another", "another"),
        ("glance.image", "web", "web image"),
        ("nova.flavor", "web", "web flavor"),
    ],
)
def test_parameters_that_heat_checks(constraint: str, value: str, expected: str) -> None:
    template = f"""
    parameters:
      p: {{type: string, default: {value}, constraints: [{{custom_constraint: {constraint}}}]}}
    """
    done = renamed(
        template,
        parameters={"p": value},
        environment={"parameters": {"p": value}, "parameter_defaults": {"p": value}},
    )
    assert done.template["parameters"]["p"]["default"] == expected
    assert done.parameters == {"p": expected}
    assert done.environment == {
        "parameters": {"p": expected},
        "parameter_defaults": {"p": expected},
    }


def test_allowed_values_follow() -> None:
    template = """
    parameters:
      p:
        type: string
        constraints:
          - custom_constraint: glance.image
          - allowed_values: [debian-12, other]
            description: which
    """
    rules = renamed(template).template["parameters"]["p"]["constraints"]
    assert rules == [
        {"custom_constraint": "glance.image"},
        {"allowed_values": ["Debian 12 (2026)", "other"], "description": "which"},
    ]


def test_lists_of_names() -> None:
    template = """
    parameters:
      p:
        type: comma_delimited_list
        default: public, other
        constraints: [{custom_constraint: neutron.network}]
    """
    done = renamed(template, parameters={"p": ["public", "other"]})
    assert done.template["parameters"]["p"]["default"] == "ext-net, other"
    assert done.parameters["p"] == ["ext-net", "other"]


def test_literals_and_parameters_in_properties_of_known_types() -> None:
    template = """
    parameters:
      size: {type: string, default: small}
      net: {type: string, default: public}
      motd: {type: string, default: small}
    conditions:
      tiny: {equals: [{get_param: size}, small]}
      other: {not: {equals: [small, {get_param: motd}]}}
    resources:
      server:
        type: OS::Nova::Server
        metadata: {image: debian-12}
        properties:
          name: small
          image: debian-12
          flavor: {if: [tiny, small, {get_param: size}]}
          networks: [{network: {get_param: [net]}, subnet: public}]
          block_device_mapping_v2: [{image: debian-12, boot_index: 0}]
          metadata: {flavor: small}
          user_data: small
      volume: {type: OS::Cinder::Volume, properties: {image: debian-12, size: 1}}
      router:
        type: OS::Neutron::Router
        properties: {name: public, external_gateway_info: {network: public}}
      ip: {type: OS::Neutron::FloatingIP, properties: {floating_network: public}}
      aws: {type: AWS::EC2::Instance, properties: {ImageId: debian-12, InstanceType: small}}
      port: {type: OS::Neutron::Port, properties: {network: {get_resource: net}}}
      other: {type: OS::Heat::Value, properties: {value: debian-12, image: debian-12}}
    outputs:
      text: {value: small}
    """
    done = renamed(template, parameters={"size": "small", "motd": "small"})
    resources = done.template["resources"]
    assert resources["server"] == {
        "type": "OS::Nova::Server",
        "metadata": {"image": "debian-12"},
        "properties": {
            "name": "small",
            "image": "Debian 12 (2026)",
            "flavor": {"if": ["tiny", "m1.small", {"get_param": "size"}]},
            "networks": [{"network": {"get_param": ["net"]}, "subnet": "public"}],
            "block_device_mapping_v2": [{"image": "Debian 12 (2026)", "boot_index": 0}],
            "metadata": {"flavor": "small"},
            "user_data": "small",
        },
    }
    assert resources["volume"]["properties"]["image"] == "Debian 12 (2026)"
    assert resources["router"]["properties"] == {
        "name": "public",
        "external_gateway_info": {"network": "ext-net"},
    }
    assert resources["aws"]["properties"] == {
        "ImageId": "Debian 12 (2026)",
        "InstanceType": "m1.small",
    }
    assert resources["ip"]["properties"] == {"floating_network": "ext-net"}
    assert resources["port"]["properties"] == {"network": {"get_resource": "net"}}
    assert resources["other"]["properties"] == {"value": "debian-12", "image": "debian-12"}
    declared = done.template["parameters"]
    assert {name: parameter["default"] for name, parameter in declared.items()} == {
        "size": "m1.small",
        "net": "ext-net",
        "motd": "small",
    }
    assert done.template["conditions"] == {
        "tiny": {"equals": [{"get_param": "size"}, "m1.small"]},
        "other": {"not": {"equals": ["small", {"get_param": "motd"}]}},
    }
    assert done.template["outputs"] == {"text": {"value": "small"}}
    assert done.parameters == {"size": "m1.small", "motd": "small"}


def test_nested_templates(tmp_path: Path) -> None:
    write(
        tmp_path,
        "web.yaml",
        """\
heat_template_version: 2021-04-16
parameters:
  base: {type: string, default: debian-12}
resources:
  group:
    type: OS::Heat::ResourceGroup
    properties:
      count: 2
      resource_def:
        type: node.yaml
        properties: {picture: {get_param: base}, size: small, note: small}
  mapped: {type: "My::Node", properties: {picture: debian-12}}
  alias: {type: "My::Server", properties: {flavor: small}}
""",
    )
    write(
        tmp_path,
        "node.yaml",
        """\
heat_template_version: 2021-04-16
parameters:
  picture: {type: string}
  size: {type: string, default: small}
  note: {type: string, default: small}
  where: {type: string}
resources:
  server:
    type: OS::Nova::Server
    properties:
      image: {get_param: picture}
      flavor: {get_param: size}
      networks: [{network: {get_param: where}}, {network: public}]
""",
    )
    write(
        tmp_path,
        "env.yaml",
        'resource_registry: {"My::Node": node.yaml, "My::Server": "OS::Nova::Server"}\n'
        "parameter_defaults: {where: public, note: public}\n",
    )
    loaded = load_stack(
        StackDefinition(
            template=PurePosixPath("web.yaml"), environments=(PurePosixPath("env.yaml"),)
        ),
        root=tmp_path,
    )
    done = with_names(loaded, NAMES)
    assert done.template["parameters"]["base"]["default"] == "Debian 12 (2026)"
    resources = done.template["resources"]
    assert resources["group"]["properties"]["resource_def"]["properties"] == {
        "picture": {"get_param": "base"},
        "size": "m1.small",
        "note": "small",
    }
    assert resources["mapped"]["properties"] == {"picture": "Debian 12 (2026)"}
    assert resources["alias"]["properties"] == {"flavor": "m1.small"}
    nested = json.loads(done.files["file:///node.yaml"])
    assert nested["parameters"]["size"]["default"] == "m1.small"
    assert nested["parameters"]["note"]["default"] == "small"
    networks = nested["resources"]["server"]["properties"]["networks"]
    assert networks == [{"network": {"get_param": "where"}}, {"network": "ext-net"}]
    assert done.environment["parameter_defaults"] == {"where": "ext-net", "note": "public"}


def test_nothing_is_renamed_twice() -> None:
    swapped = CloudDefinition(images={"a": "b", "b": "a"})
    template = """
    parameters: {p: {type: string, default: a}}
    resources:
      one: {type: OS::Nova::Server, properties: {image: {get_param: p}}}
      two: {type: OS::Nova::Server, properties: {image: {get_param: p}}}
      three: {type: OS::Nova::Server, properties: {image: b}}
    """
    done = with_names(request(template, parameters={"p": "b"}), swapped)
    assert done.template["parameters"]["p"]["default"] == "b"
    assert done.template["resources"]["three"]["properties"]["image"] == "a"
    assert done.parameters == {"p": "a"}


def test_the_request_itself_is_not_changed() -> None:
    template = "resources: {s: {type: OS::Nova::Server, properties: {image: debian-12}}}"
    before = request(template)
    with_names(before, NAMES)
    assert before == request(template)


def test_a_cloud_without_names_of_its_own() -> None:
    before = request("resources: {}")
    assert with_names(before, CloudDefinition()) is before


@pytest.mark.parametrize(
    "template",
    [
        "parameters: {p: }",
        "parameters: {p: {type: string, constraints: {custom_constraint: glance.image}}}",
        "parameters: {p: {type: string, constraints: [x, {allowed_values: }]}}",
        "resources: {s: }",
        "resources: {s: {type: OS::Nova::Server, properties: }}",
        "resources: {s: {type: OS::Nova::Server, properties: [a]}}",
        "resources: {s: {type: [a], properties: {image: debian-12}}}",
        "resources: {s: {type: OS::Nova::Server, properties: {image: [1, {if: []}]}}}",
        "conditions: {c: {equals: [{get_param: p}]}}",
    ],
)
def test_templates_that_heat_will_refuse_are_left_to_it(template: str) -> None:
    assert renamed(template).template == request(template).template
