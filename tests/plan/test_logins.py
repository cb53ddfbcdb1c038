"""Servers that no key opens: reported before they are made, and only where it is certain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infraci.model.decode import parse_pipeline
from infraci.plan import login_notices
from infraci.templates import load_stack

TOP = """\
heat_template_version: 2018-08-31
parameters:
  key_name: {type: string}
  data: {type: string, default: ""}
resources:
"""
SERVER = """\
  web:
    type: OS::Nova::Server
    properties:
      name: web-0
      image: debian-12
      flavor: m1.small
      networks: [{network: private}]
"""
KEY = "      key_name: {get_param: key_name}\n"
RAW = "      user_data_format: RAW\n"
PIPELINE = """\
stack: {template: stack.yaml}
servers: {roles: {web: {names: ["web-*"], user: admin}}}
specs: {all: [specs]}
"""
USERS = "#cloud-config\nusers: [{name: deploy}]\n"


def notices(
    folder: Path, resources: str, files: dict[str, str] | None = None, **parameters: Any
) -> list[str]:
    (folder / "specs").mkdir()
    (folder / "stack.yaml").write_text(TOP + resources)
    for name, text in (files or {}).items():
        (folder / name).write_text(text)
    pipeline = parse_pipeline(PIPELINE, name="web", root=folder)
    return list(
        login_notices(load_stack(pipeline.stack, root=folder, parameters=parameters), pipeline)
    )


def with_user_data(value: str) -> str:
    return f"{SERVER}{KEY}{RAW}      user_data: {value}\n"


def test_a_server_that_can_be_logged_in_to(tmp_path: Path) -> None:
    assert notices(tmp_path, SERVER + KEY) == []


@pytest.mark.parametrize(
    "users",
    [
        "users: [{name: deploy}]",
        "users: []",
        "users: deploy, root",
        "users: {deploy: {shell: /bin/sh}}",
        "users: [[deploy, root]]",
    ],
)
def test_users_without_the_default(tmp_path: Path, users: str) -> None:
    data = {"data.yaml": f"#cloud-config\n{users}\n"}
    (notice,) = notices(tmp_path, with_user_data("{get_file: data.yaml}"), data)
    assert notice == (
        "infraci cannot log in to web as admin: its user_data has `users:` without `default`, "
        "which stands for the image's user; only that one gets the run's key"
    )


@pytest.mark.parametrize(
    "text",
    [
        "#cloud-config\nusers: [default, {name: deploy}]",
        "#cloud-config\nusers: [{name: default}, deploy]",
        "#cloud-config\nusers: default, deploy",
        "#cloud-config\nusers: {default: {}, deploy: {}}",
        "#cloud-config\nusers: [[default, deploy]]",
        "#cloud-config\nusers:\n",
        "#cloud-config\nuser: admin\nusers: [deploy]",
        "#cloud-config\nusers: [[",
        "#cloud-config\n- users",
        "#!/bin/sh\n# users: [deploy]",
        "users: [deploy]",
    ],
)
def test_user_data_that_lets_in(tmp_path: Path, text: str) -> None:
    assert notices(tmp_path, with_user_data("{get_file: data.yaml}"), {"data.yaml": text}) == []


def test_another_name_for_the_default(tmp_path: Path) -> None:
    data = {"data.yaml": "#cloud-config\nuser: deploy\n"}
    (notice,) = notices(tmp_path, with_user_data("{get_file: data.yaml}"), data)
    assert "infraci cannot log in to web as admin: its user_data has `user: deploy`" in notice


@pytest.mark.parametrize(
    "value",
    [
        '"#cloud-config\\nusers: [deploy]"',
        "{str_replace: {template: {get_file: data.yaml}, params: {deploy: other}}}",
        '{list_join: ["\\n", ["#cloud-config", "users: [deploy]"]]}',
        "{get_param: data}",
        "{get_resource: config}",
        "{get_resource: text}",
        "{get_resource: message}",
        "{get_file: multipart.txt}",
    ],
)
def test_wherever_user_data_comes_from(tmp_path: Path, value: str) -> None:
    made = """\
  config: {type: OS::Heat::CloudConfig, properties: {cloud_config: {users: [deploy]}}}
  text: {type: OS::Heat::SoftwareConfig, properties: {config: {get_file: data.yaml}}}
  message:
    type: OS::Heat::MultipartMime
    properties: {parts: [{config: "#!/bin/sh"}, {config: {get_resource: text}}]}
"""
    part = "--x\nContent-Type: text/cloud-config\n\n"
    multipart = f'Content-Type: multipart/mixed; boundary="x"\n\n{part}{USERS}\n--x--\n'
    files = {"data.yaml": USERS, "multipart.txt": multipart}
    (notice,) = notices(tmp_path, made + with_user_data(value), files, data=USERS)
    assert "`users:` without `default`" in notice


@pytest.mark.parametrize(
    "value", ["{get_attr: [other, text]}", "{if: [x, a, b]}", "{get_param: x}"]
)
def test_what_only_heat_knows(tmp_path: Path, value: str) -> None:
    assert notices(tmp_path, with_user_data(value)) == []


def test_user_data_in_heats_own_wrapping_is_no_cloud_config(tmp_path: Path) -> None:
    resources = with_user_data("{get_file: data.yaml}").replace(RAW, "")
    assert notices(tmp_path, resources, {"data.yaml": USERS}) == []


def test_a_server_without_the_key(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, SERVER)
    assert notice.startswith("infraci cannot log in to web: it has no key_name; say `key_name:")


def test_another_key(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, SERVER + KEY.replace("{get_param: key_name}", "ops"))
    assert "its key_name ops is not the run's key pair" in notice


def test_another_value_for_the_key(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, SERVER + KEY, key_name="ops")
    assert "its key pair is ops, since the parameter key_name has that value" in notice


def test_a_server_without_networks(tmp_path: Path) -> None:
    lonely = SERVER.replace("      networks: [{network: private}]\n", "")
    (notice,) = notices(tmp_path, lonely + KEY)
    assert notice.startswith("web names no networks")


def test_servers_of_groups_and_nested_templates(tmp_path: Path) -> None:
    group = """\
  group:
    type: OS::Heat::ResourceGroup
    properties:
      resource_def:
        type: OS::Nova::Server
        properties: {image: debian-12, networks: [{network: private}]}
  nested: {type: nested.yaml, properties: {key: {get_param: key_name}}}
"""
    nested = TOP.replace("key_name", "key") + SERVER.replace("web:", "inner:")
    messages = notices(tmp_path, group, {"nested.yaml": nested})
    assert [notice.partition(";")[0] for notice in messages] == [
        "infraci cannot log in to group: it has no key_name",
        "infraci cannot log in to inner: it has no key_name",
    ]
