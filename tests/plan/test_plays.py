"""Plays that are for no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from infraci.model.decode import parse_pipeline
from infraci.plan.plan_values import PlannedServer
from infraci.plan.plays import play_notices

PIPELINE = "stack: {template: s.yaml}\nconfigure: [{ansible: STEP}]\nspecs: {all: [specs]}\n"


def server(name: str, role: str) -> PlannedServer:
    return PlannedServer(
        name=name, path=name, role=role, user="u", image="", flavor="", networks=(), specs=(),
        spec_files=0,
    )  # fmt: skip


def notices(tree: Path, hosts: str, *, roles: str = "", made_up: bool = False) -> list[str]:
    (tree / "specs").mkdir(exist_ok=True)
    (tree / "s.yaml").write_text("")
    (tree / "plays").mkdir(exist_ok=True)
    imported = ("plays/web.yml", "site.yml")
    (tree / "site.yml").write_text("".join(f"- import_playbook: {name}\n" for name in imported))
    (tree / "plays/web.yml").write_text(f"- name: It\n  hosts: {hosts}\n  tasks: [!vault x]\n")
    step = f"{{playbook: site.yml, roles: [{roles}]}}" if roles else "site.yml"
    pipeline = parse_pipeline(PIPELINE.replace("STEP", step), root=tree)
    names = ("s-web-…", "s-db-…") if made_up else ("web-0", "db-0")
    servers = [server(names[0], "web"), server(names[1], "db")]
    return [str(notice) for notice in play_notices(pipeline, servers, tree)]


@pytest.mark.parametrize(
    "hosts",
    [
        "all", "web", "'*'", "web-0", "web:db", "'web:!db'", "'all:&db'", "localhost", "'~w.b'",
        "'web[0]'", "'web[0:1],db-0'", "[web, db]", "'{{ target }}'", "'w*'", "'!nothing'",
    ],
)  # fmt: skip
def test_plays_for_some_server(tmp_path: Path, hosts: str) -> None:
    assert notices(tmp_path, hosts) == []


@pytest.mark.parametrize(
    ("hosts", "column", "pattern", "meant"),
    [
        ("webs", 10, "webs", "web"),
        ("web:nothing", 10, "nothing", None),
        ("[web, dbb]", 16, "dbb", "db"),
        ("'~x.*'", 10, "~x.*", None),
        ("'x*'", 10, "x*", None),
        ("'all:&cache'", 10, "&cache", None),
    ],
)
def test_plays_for_no_server(
    tmp_path: Path, hosts: str, column: int, pattern: str, meant: str | None
) -> None:
    problem = f'plays/web.yml:2:{column}: hosts: "{pattern}" is neither a role nor a server that '
    problem += "this step is for"
    assert notices(tmp_path, hosts) == [problem + (f'; did you mean "{meant}"?' if meant else "")]


def test_a_step_is_for_the_servers_of_its_roles(tmp_path: Path) -> None:
    assert notices(tmp_path, "db", roles="web")
    assert not notices(tmp_path, "web", roles="web")


def test_a_name_that_heat_makes_up_may_match_a_pattern(tmp_path: Path) -> None:
    assert notices(tmp_path, "'*-db-*'", made_up=True) == []
    assert notices(tmp_path, "db-1", made_up=True)
