"""Recipes: what goes into an image's name, and where its packages come from."""

from __future__ import annotations

import dataclasses
import io
import re
import tarfile
from pathlib import Path

import pytest
import yaml

from infraci.local.host.recipe import (
    RECIPES,
    Mirrors,
    customize_script,
    host_mirrors,
    image_with_agents,
    overlay,
)

DEBIAN = RECIPES["debian-12"]
AGENTS = RECIPES["debian-12-agents"]


def test_tag_stands_for_all_that_goes_in() -> None:
    tag = DEBIAN.tag(Mirrors())
    assert re.fullmatch(r"localhost/infraci/debian-12:[0-9a-f]{12}", tag)
    assert tag == DEBIAN.tag(Mirrors())
    assert tag != DEBIAN.tag(Mirrors(main="http://mirror.example/debian"))
    for change in ({"packages": ("systemd",)}, {"trees": AGENTS.trees}, {"scripts": ()}):
        assert tag != dataclasses.replace(DEBIAN, **change).tag(Mirrors())


def test_recipes_are_known_by_their_names() -> None:
    assert all(name == recipe.name for name, recipe in RECIPES.items())


def test_overlay_is_the_same_wherever_it_is_packed() -> None:
    assert overlay(DEBIAN.trees) == overlay(DEBIAN.trees)
    with tarfile.open(fileobj=io.BytesIO(overlay(DEBIAN.trees))) as archive:
        members = {member.name: member for member in archive}
    assert {(m.uid, m.gid, m.mtime) for m in members.values()} == {(0, 0, 0)}
    assert members["usr/libexec/cloud-init-stages"].mode == 0o755
    assert members["etc/cloud/cloud.cfg.d/10_server.cfg"].mode == 0o644


def test_cloud_init_configuration_is_what_nova_needs() -> None:
    with tarfile.open(fileobj=io.BytesIO(overlay(DEBIAN.trees))) as archive:
        file = archive.extractfile("etc/cloud/cloud.cfg.d/10_server.cfg")
        assert file is not None
        settings = yaml.safe_load(file.read())
    assert settings["datasource_list"] == ["ConfigDrive"]
    assert settings["network"] == {"config": "disabled"}
    assert "keys-to-console" in settings["cloud_final_modules"]


def test_an_image_with_agents_is_the_same_server_with_more_in_it() -> None:
    assert image_with_agents("debian-12") == "debian-12-agents"
    assert set(DEBIAN.packages) < set(AGENTS.packages)
    assert overlay(AGENTS.trees).startswith(overlay(DEBIAN.trees).rstrip(b"\0"))
    assert customize_script(AGENTS.scripts).endswith(customize_script(DEBIAN.scripts))


@pytest.mark.parametrize("image", ["debian-12-agents", "registry.example/servers/debian:12", ""])
def test_other_images_have_their_own_agents_or_none(image: str) -> None:
    assert image_with_agents(image) == image


def test_hooks_can_be_run_and_templates_are_no_programs() -> None:
    with tarfile.open(fileobj=io.BytesIO(overlay(AGENTS.trees))) as archive:
        modes = {member.name: member.mode for member in archive}
    hooks = {name: mode for name, mode in modes.items() if "/hooks/" in name}
    assert len(hooks) == 7
    assert set(hooks.values()) == {0o755}
    # os-apply-config would run a template that is executable.
    templates = {mode for name, mode in modes.items() if "/os-apply-config/" in name}
    assert templates == {0o644}


def test_customizing_leaves_no_identity_behind() -> None:
    script = customize_script(DEBIAN.scripts)
    assert "rm -f /etc/ssh/ssh_host_*" in script
    assert ": > /etc/machine-id" in script


def test_mirrors_are_this_machines_own(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(
        "Types: deb\nURIs: http://near.example/debian/\nSuites: bookworm\n\n"
        "Types: deb\nURIs: http://near.example/debian-security\nSuites: bookworm-security\n"
    )
    (tmp_path / "sources.list.d" / "other.list").write_text(
        "deb https://packages.example/apt stable main\n"
    )
    assert host_mirrors(tmp_path) == Mirrors(
        main="http://near.example/debian", security="http://near.example/debian-security"
    )


def test_mirrors_of_the_old_form(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "# deb http://no.example/debian bookworm main\n"
        "deb [arch=amd64] https://near.example/debian bookworm main\n"
    )
    assert host_mirrors(tmp_path).main == "https://near.example/debian"
    assert host_mirrors(tmp_path).security == Mirrors().security


def test_mirrors_are_debians_where_there_is_no_debian(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://archive.ubuntu.com/ubuntu noble main\n")
    assert host_mirrors(tmp_path) == Mirrors()
    assert Mirrors().sources("bookworm")[2] == (
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
        " http://deb.debian.org/debian-security bookworm-security main"
    )
