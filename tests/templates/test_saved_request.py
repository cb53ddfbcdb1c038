"""What Heat is sent, as files without secrets."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from infraci.base.mask import Masker
from infraci.templates import StackRequest, save_request, secrets_of, show_template

NESTED = {
    "heat_template_version": "2018-08-31",
    "parameters": {"token": {"type": "string", "hidden": True, "default": "nested-secret"}},
    "resources": {},
}
REQUEST = StackRequest(
    template={
        "heat_template_version": "2018-08-31",
        "parameters": {
            "password": {"type": "string", "hidden": True, "default": "hunter22"},
            "size": {"type": "string", "default": "small"},
        },
        "resources": {},
    },
    environment={
        "parameters": {"password": "environment-secret", "size": "large"},
        "parameter_defaults": {"password": "default-secret"},
    },
    files={
        "file:///stacks/node.yaml": json.dumps(NESTED),
        "file:///scripts/boot.sh": "echo environment-secret\n",
        "file://command-line/etc/motd": "hello\n",
        "site.conf": "listen 80;\n",
        "file:///../../escape": "no\n",
    },
)


def test_hidden_defaults_are_not_shown() -> None:
    shown = yaml.safe_load(show_template(REQUEST))["parameters"]
    assert (shown["password"]["default"], shown["size"]["default"]) == ("******", "small")


def test_everything_is_there_but_secrets(tmp_path: Path) -> None:
    save_request(
        REQUEST,
        template=tmp_path / "template.yaml",
        environment_file=tmp_path / "environment.yaml",
        files=tmp_path / "files",
        mask=Masker(secrets_of(REQUEST)).mask,
    )
    files = {
        str(p.relative_to(tmp_path)): p.read_text() for p in tmp_path.rglob("*") if p.is_file()
    }
    assert sorted(files) == [
        "environment.yaml",
        "files/command-line/etc/motd",
        "files/escape",
        "files/scripts/boot.sh",
        "files/site.conf",
        "files/stacks/node.yaml",
        "template.yaml",
    ]
    assert yaml.safe_load(files["environment.yaml"]) == {
        "parameters": {"password": "******", "size": "large"},
        "parameter_defaults": {"password": "******"},
    }
    assert files["files/scripts/boot.sh"] == "echo ******\n"
    assert not any(secret in text for secret in ("hunter22", "-secret") for text in files.values())


def test_each_text_in_a_hidden_value_is_a_secret() -> None:
    template = {"parameters": {"users": {"type": "json", "hidden": True}}}
    users = {"db": {"password": "hunter22", "ports": [5432, True]}, "more": ["correct-horse"]}
    secrets = set(secrets_of(StackRequest(template=template, parameters={"users": users})))
    assert secrets == {str(users), "hunter22", "correct-horse"}
