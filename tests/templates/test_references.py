"""References and keys of templates that lead to nothing."""

from __future__ import annotations

import pytest
import yaml

from infraci.templates.places import show_path
from infraci.templates.references import check_template

TEMPLATE = """\
parameters: {name: {type: string}}
conditions: {is_big: {equals: [{get_param: name}, big]}}
resources:
  net: {type: OS::Neutron::Net}
  web:
    type: OS::Nova::Server
    condition: is_big
    depends_on: net
    properties: {name: {get_param: name}, user_data: {get_attr: [net, name]}}
outputs: {net: {value: {if: [is_big, {get_resource: net}, {get_param: "OS::stack_name"}]}}}
"""


def flaws(text: str) -> list[str]:
    flaws = check_template(yaml.safe_load(text))
    return [f"{show_path(flaw.path)}: {flaw.message} [{flaw.suggestion}]" for flaw in flaws]


def test_a_template_without_flaws() -> None:
    assert flaws(TEMPLATE) == []


@pytest.mark.parametrize(
    ("old", "new", "flaw"),
    [
        ("depends_on: net", "depends_on: [net, nett]",
         'resources.web.depends_on[1]: there is no resource "nett" [net]'),
        ("condition: is_big", "condition: is_large",
         'resources.web.condition: there is no condition "is_large" [None]'),
        ("{get_attr: [net, name]}", "{get_attr: [nat, name]}",
         'resources.web.properties.user_data.get_attr: there is no resource "nat" [net]'),
        ("{name: {get_param: name}", "{name: {get_param: [nam, x]}",
         'resources.web.properties.name.get_param: there is no parameter "nam" [name]'),
        ("equals: [{get_param: name}", "equals: [{get_param: it}",
         'conditions.is_big.equals[0].get_param: there is no parameter "it" [None]'),
        ("{get_resource: net}", "{get_resource: gone}",
         'outputs.net.value.if[1].get_resource: there is no resource "gone" [None]'),
        ("if: [is_big", "if: [is_bigg",
         'outputs.net.value.if[0]: there is no condition "is_bigg" [is_big]'),
        ("    depends_on", "    depends", 'resources.web.depends: a resource has no key "depends" '
         "[depends_on]"),
        ("type: string", "type: text", 'parameters.name.type: there is no type "text" of '
         'parameters, only "string", "number", "json", "comma_delimited_list" or "boolean" [None]'),
        ("type: string", "type: string, defualt: x",
         'parameters.name.defualt: a parameter has no key "defualt" [default]'),
        ("    type: OS::Nova::Server\n", "", "resources.web: the resource has no type [None]"),
        ("net: {type: OS::Neutron::Net}", "net: x",
         "resources.net: expected a mapping with the resource's type [None]"),
    ],
)  # fmt: skip
def test_a_flaw(old: str, new: str, flaw: str) -> None:
    assert old in TEMPLATE
    assert flaws(TEMPLATE.replace(old, new)) == [flaw]


@pytest.mark.parametrize(
    "value",
    [
        "{repeat: {for_each: {<%it%>: [net]}, template: {get_resource: <%it%>}}}",
        "{get_param: {get_param: name}}",
        "{get_attr: [net, {get_param: name}]}",
        "{get_resource: gone, and: more}",
    ],
)
def test_what_only_heat_can_check_is_left_to_it(value: str) -> None:
    assert flaws(TEMPLATE.replace("{get_attr: [net, name]}", value)) == []
