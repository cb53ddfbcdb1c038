"""A host key of ours beside whatever user data a template says."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from infraci.templates import StackRequest, with_host_key
from infraci.templates.host_keys import PARAMETER

VERSION = "2018-08-31"
OURS = {"config": {"get_param": PARAMETER}, "type": "text"}


def rewritten(
    template: str, files: dict[str, str] | None = None, **environment: Any
) -> tuple[StackRequest, dict[str, str]]:
    request = StackRequest(
        template={"heat_template_version": VERSION, **yaml.safe_load(template)},
        files=files or {},
        environment=environment,
    )
    done, left_out = with_host_key(request, private="-----BEGIN\nSECRET\n", public="ssh-ed25519 A")
    return done, dict(left_out)


def server(properties: str) -> str:
    return f"resources: {{web: {{type: OS::Nova::Server, properties: {properties}}}}}"


def test_a_server_without_user_data() -> None:
    done, left_out = rewritten(server("{name: web}"))
    assert left_out == {}
    assert done.template["resources"] == {
        "web": {
            "type": "OS::Nova::Server",
            "properties": {
                "name": "web",
                "user_data_format": "RAW",
                "user_data": {"get_resource": "web_infraci_user_data"},
            },
        },
        "web_infraci_user_data": {
            "type": "OS::Heat::MultipartMime",
            "properties": {"parts": [OURS]},
        },
    }
    assert done.template["parameters"][PARAMETER]["hidden"] is True


def test_the_key_is_in_the_hidden_parameter_only() -> None:
    done, _ = rewritten(server("{}"), parameter_defaults={"other": 1})
    defaults = done.environment["parameter_defaults"]
    assert defaults["other"] == 1
    header, _, part = defaults[PARAMETER].partition("\n")
    assert header == "#cloud-config"
    assert yaml.safe_load(part) == {
        "ssh_deletekeys": True,
        "ssh_keys": {
            "ed25519_private": "-----BEGIN\nSECRET\n",
            "ed25519_public": "ssh-ed25519 A",
        },
    }
    assert "SECRET" not in json.dumps([done.template, done.files, done.parameters])


@pytest.mark.parametrize(
    "user_data",
    [
        '"#!/bin/sh"',
        "{get_file: 'file:///init.sh'}",
        "{get_resource: config}",
        "{get_param: script}",
        "{str_replace: {template: '#!/bin/sh $a', params: {$a: {get_attr: [x, y]}}}}",
    ],
)
def test_user_data_becomes_the_first_part(user_data: str) -> None:
    template = server(f"{{user_data_format: RAW, user_data: {user_data}}}")
    done, left_out = rewritten(template, files={"file:///init.sh": "#!/bin/sh"})
    assert left_out == {}
    parts = done.template["resources"]["web_infraci_user_data"]["properties"]["parts"]
    assert parts == [{"config": yaml.safe_load(user_data), "type": "text"}, OURS]


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ("{user_data: '#!/bin/sh'}", "HEAT_CFNTOOLS"),
        ("{user_data: x, user_data_format: SOFTWARE_CONFIG}", "SOFTWARE_CONFIG"),
        ("{user_data_format: SOFTWARE_CONFIG}", "SOFTWARE_CONFIG"),
        ("{user_data_format: RAW, user_data: 'Content-Type: multipart/mixed'}", "multipart"),
        ("{user_data_format: RAW, user_data: {get_file: f}}", "multipart"),
    ],
)
def test_what_cannot_be_joined_is_left_as_it_is(properties: str, reason: str) -> None:
    template = server(properties)
    done, left_out = rewritten(template, files={"f": "Content-Type: multipart/mixed"})
    assert reason in left_out["web"]
    assert done.template["resources"] == yaml.safe_load(template)["resources"]


MESSAGE = """
resources:
  message: {type: OS::Heat::MultipartMime, properties: {parts: [{config: x}]}}
  web:
    type: OS::Nova::Server
    properties: {user_data_format: RAW, user_data: {get_resource: message}}
  db:
    type: OS::Nova::Server
    properties: {user_data_format: RAW, user_data: {get_param: which}}
"""


def test_a_message_of_the_template_gets_one_more_part() -> None:
    done, left_out = rewritten(MESSAGE)
    parts = done.template["resources"]["message"]["properties"]["parts"]
    assert parts == [{"config": "x"}, OURS]
    assert "multipart" in left_out["db"]


GROUP = """
resources:
  nodes:
    type: OS::Heat::ResourceGroup
    condition: wanted
    properties:
      resource_def:
        type: My::Server
        properties: {user_data_format: RAW, user_data: %s}
"""


def test_a_group_of_servers_shares_one_message() -> None:
    done, left_out = rewritten(
        GROUP % "hello", resource_registry={"My::Server": "OS::Nova::Server"}
    )
    assert left_out == {}
    resources = done.template["resources"]
    repeated = resources["nodes"]["properties"]["resource_def"]
    assert repeated["properties"]["user_data"] == {"get_resource": "nodes_infraci_user_data"}
    assert resources["nodes_infraci_user_data"]["condition"] == "wanted"
    _, left_out = rewritten(
        GROUP % "'I am %index%'", resource_registry={"My::Server": "OS::Nova::Server"}
    )
    assert "differ" in left_out["nodes"]


def test_nested_templates_as_well() -> None:
    inner = json.dumps({"heat_template_version": VERSION, **yaml.safe_load(server("{}"))})
    outer = "resources: {app: {type: 'file:///app.yaml'}}"
    done, left_out = rewritten(outer, files={"file:///app.yaml": inner})
    assert left_out == {}
    nested = json.loads(done.files["file:///app.yaml"])
    assert nested["parameters"][PARAMETER]["hidden"] is True
    assert "web_infraci_user_data" in nested["resources"]
    assert "parameters" not in done.template
