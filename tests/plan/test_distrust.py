"""What a pipeline of an untrusted commit must not ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infraci.app.cloud_opening import cloud_of
from infraci.app.execute_run import destroy_policy_of
from infraci.base.trust import VARIABLE, is_untrusted
from infraci.errors import UsageError
from infraci.model.decode import parse_pipeline
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.project import AccessDefinition, BastionDefinition, CloudDefinition
from infraci.plan import check_untrusted

MINIMAL = "stack: {template: stack.yaml}\nspecs: {all: [test_a.py]}\n"


def read(tmp_path: Path, text: str) -> Pipeline:
    (tmp_path / "stack.yaml").write_text("resources: {}\n")
    (tmp_path / "test_a.py").write_text("")
    (tmp_path / "site.yml").write_text("")
    return parse_pipeline(text, name="web", root=tmp_path)


def test_what_is_refused(tmp_path: Path) -> None:
    text = (
        MINIMAL.replace("stack.yaml", "stack.yaml, allow_remote: true")
        + "environment: {A: text, B: {from: TOKEN}}\n"
        + "configure: [{ansible: {playbook: site.yml, environment: {C: {file: ~/.key}},"
        + " vault_password: {from: VAULT}}}]\n"
    )
    bastion = BastionDefinition(
        address="192.0.2.1", user="root", key="~/.ssh/id_rsa", host_keys=("ssh-ed25519 AAAA",)
    )
    site = CloudDefinition(access=AccessDefinition(bastion=bastion))
    messages = [str(problem) for problem in check_untrusted(read(tmp_path, text), site)]
    no_secret = "no secret is for untrusted commits"
    assert messages == [
        f"pipelines/web.yaml: environment.B: {no_secret}",
        f"pipelines/web.yaml: configure[0].ansible.environment.C: {no_secret}",
        f"pipelines/web.yaml: configure[0].ansible.vault_password: {no_secret}",
        "pipelines/web.yaml: stack.allow_remote: infraci fetches nothing that an untrusted commit"
        " names",
        "infraci.yaml: clouds.access.bastion.key: no key of this machine is for untrusted commits",
    ]


def test_nothing_is_refused_that_needs_no_trust(tmp_path: Path) -> None:
    pipeline = read(tmp_path, MINIMAL + "environment: {A: text}\n")
    assert list(check_untrusted(pipeline, CloudDefinition())) == []


def test_it_chooses_neither_its_cloud_nor_how_long_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    pipeline = replace(read(tmp_path, MINIMAL + "destroy: never\n"), cloud="production")
    assert cloud_of(pipeline, "ci") == "production"
    assert destroy_policy_of(pipeline, None) is DestroyPolicy.NEVER
    monkeypatch.setenv(VARIABLE, "1")
    with pytest.raises(UsageError, match="only an untrusted commit names it"):
        cloud_of(pipeline, "ci")
    assert cloud_of(pipeline, "production") == "production"
    assert destroy_policy_of(pipeline, None) is DestroyPolicy.ALWAYS
    assert destroy_policy_of(pipeline, "never") is DestroyPolicy.NEVER


@pytest.mark.parametrize(
    ("text", "untrusted"), [("1", True), ("yes", True), ("0", False), ("", False), ("false", False)]
)
def test_how_it_is_said(text: str, untrusted: bool) -> None:
    assert is_untrusted({VARIABLE: text}) is untrusted
    assert not is_untrusted({})
