"""What a parameter is for."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from benchmarks.published_templates.purposes import Purpose, blanks, literals, purposes
from tests.benchmarks.published import collection, template


def _purpose(folder: Path, resources: str, parameters: str, name: str = "x") -> Purpose:
    own = collection(folder, a_yaml=template(resources, parameters))
    return purposes(own, own.templates[PurePosixPath("a.yaml")])[name]


@pytest.mark.parametrize(
    ("type_", "properties", "purpose"),
    [
        ("OS::Nova::Server", "image: {get_param: x}", Purpose.IMAGE),
        ("OS::Nova::Server", "networks: [{network: {get_param: x}}]", Purpose.NETWORK),
        ("OS::Nova::Server", "networks: [{port: {get_param: [x]}}]", Purpose.PORT),
        ("OS::Nova::Server", "security_groups: [{get_param: x}]", Purpose.GROUP),
        ("OS::Neutron::Port", "fixed_ips: [{subnet: {get_param: x}}]", Purpose.SUBNET),
        ("OS::Neutron::Router", "external_gateway_info: {network: {get_param: x}}",
         Purpose.EXTERNAL_NETWORK),
        ("OS::Neutron::Net", "name: {get_param: x}", Purpose.PLAIN),
        ("OS::Nova::Server", "user_data: {get_param: x}", Purpose.PLAIN),
    ],
)  # fmt: skip
def test_a_property_tells_what_its_parameter_is_for(
    tmp_path: Path, type_: str, properties: str, purpose: Purpose
) -> None:
    resources = f"a: {{type: '{type_}', properties: {{{properties}}}}}"
    assert _purpose(tmp_path, resources, "x: {type: string}") is purpose


def test_so_does_the_property_of_a_nested_template(tmp_path: Path) -> None:
    own = collection(
        tmp_path,
        a_yaml=template(
            "b: {type: b.yaml, properties: {what: {get_param: x}}}",
            "x: {type: string}",
        ),
        b_yaml=template(
            "c: {type: 'OS::Nova::Server', properties: {flavor: {get_param: what}}}",
            "what: {type: string}",
        ),
    )
    assert purposes(own, own.templates[PurePosixPath("a.yaml")]) == {"x": Purpose.FLAVOR}


def test_templates_that_contain_each_other_end(tmp_path: Path) -> None:
    nested = "b: {{type: {}, properties: {{x: {{get_param: x}}}}}}"
    own = collection(
        tmp_path,
        a_yaml=template(nested.format("b.yaml"), "x: {type: string}"),
        b_yaml=template(nested.format("a.yaml"), "x: {type: string}"),
    )
    assert purposes(own, own.templates[PurePosixPath("a.yaml")]) == {"x": Purpose.PLAIN}


@pytest.mark.parametrize(
    ("name", "declared", "purpose"),
    [
        ("x", "constraints: [{custom_constraint: neutron.network}]", Purpose.NETWORK),
        ("public_net", "constraints: [{custom_constraint: neutron.network}]",
         Purpose.EXTERNAL_NETWORK),
        ("x", "constraints: [{custom_constraint: cinder.snapshot}]", Purpose.SNAPSHOT),
        ("server_image", "type: string", Purpose.IMAGE),
        ("image_size", "type: string", Purpose.PLAIN),
        ("docker_image", "type: string", Purpose.PLAIN),
        ("server_image", "type: number", Purpose.PLAIN),
        ("ssh_key_name", "type: string", Purpose.KEY),
        ("private_net_cidr", "type: string", Purpose.PLAIN),
        ("private_net_id", "type: string", Purpose.NETWORK),
        ("floating_ip_pool", "type: string", Purpose.EXTERNAL_NETWORK),
        ("router_id", "type: string", Purpose.ROUTER),
        ("server_type", "type: string", Purpose.PLAIN),
    ],
)  # fmt: skip
def test_else_its_constraint_and_else_its_name(
    tmp_path: Path, name: str, declared: str, purpose: Purpose
) -> None:
    assert _purpose(tmp_path, "", f"{name}: {{{declared}}}", name) is purpose


def test_names_in_writing_and_names_left_empty(tmp_path: Path) -> None:
    own = collection(
        tmp_path,
        a_yaml=template(
            "a: {type: 'OS::Neutron::Port', properties: {network: }}\n"
            "b: {type: 'OS::Nova::Server', properties: {image: cirros, flavor: {get_param: f}}}"
        ),
    )
    document = own.templates[PurePosixPath("a.yaml")]
    assert list(literals(document)) == [(Purpose.IMAGE, "cirros")]
    assert list(blanks(document)) == [Purpose.NETWORK]
