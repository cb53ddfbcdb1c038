"""``infraci exec`` and ``infraci login``, each server with a real sshd of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.app.lookup import find_server
from infraci.errors import UsageError
from infraci.ledger.ledger import Ledger
from infraci.model.run import Server
from tests.app.workspace import Workspace
from tests.records import record
from tests.sshd import Sshd, running_sshd

RUN = "three-tier-1"


@pytest.fixture
def sshds(tmp_path: Path) -> Iterator[tuple[Sshd, Sshd]]:
    with running_sshd(tmp_path / "one") as one, running_sshd(tmp_path / "two") as two:
        two.authorize(one.key.public)
        yield one, two


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(folder=tmp_path / "repository", state=tmp_path / "state")
    workspace.create({"README": "x\n"})
    return workspace


def stand(workspace: Workspace, sshd: Sshd, *servers: Server) -> None:
    """Have a run whose servers stand."""
    ledger = Ledger(workspace.folder)
    ledger.create(record(id=RUN, servers=servers, verdict=None)).release()
    shutil.copy(sshd.key.private_path, ledger.folder(RUN).login_key)


def test_names_that_differ_by_what_no_host_may_be_called(
    workspace: Workspace, sshds: tuple[Sshd, Sshd]
) -> None:
    one, two = sshds
    stand(workspace, one, one.named("web/1"), two.named("web-1"))
    for name, sshd in (("web/1", one), ("web-1", two), (one.named("web/1").word, one)):
        done = workspace.infraci("exec", RUN, name, "--", "sh", "-c", "echo $SSH_CONNECTION")
        assert done.stdout.split()[-1:] == [str(sshd.server.port)], done.stderr


@pytest.mark.parametrize(
    "words",
    [
        [RUN, "one", "--"],
        [RUN, "one"],
        ["one", "--"],
        ["web", "--"],  # the role
        ["three-tier", "web", "--"],  # the pipeline
    ],
)
def test_exec_chooses_as_login_does(
    workspace: Workspace, sshds: tuple[Sshd, Sshd], words: list[str]
) -> None:
    one, two = sshds
    stand(
        workspace, one, replace(one.named("one"), role="web"), replace(two.named("two"), role="db")
    )
    done = workspace.infraci("exec", *words, "sh", "-c", "echo $SSH_CONNECTION -v")
    assert done.stdout.split()[-2:] == [str(one.server.port), "-v"], done.stderr


def test_exec_on_the_only_server(workspace: Workspace, sshds: tuple[Sshd, Sshd]) -> None:
    stand(workspace, sshds[0], sshds[0].named("one"))
    assert workspace.infraci("exec", "--", "echo", "--", "-q").stdout == "-- -q\n"
    assert workspace.infraci("exec", RUN, "one").returncode == 2
    assert workspace.infraci("exec", RUN, "one", "more", "--", "id").returncode == 2


@pytest.mark.parametrize("verb", ["exec", "login"])
def test_a_name_is_never_an_option_of_ssh(
    workspace: Workspace, sshds: tuple[Sshd, Sshd], tmp_path: Path, verb: str
) -> None:
    one, _ = sshds
    name = f"-oProxyCommand=touch {tmp_path}/owned"
    stand(workspace, one, one.named(name))
    words = [RUN, name, "--", "id"] if verb == "exec" else ["--", RUN, name]
    done = workspace.infraci(verb, *words)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "owned").exists()


def test_what_a_server_is_found_by() -> None:
    web = Server(name="db", alias="db-1", id="1", role="web", user="u", address="")
    others = [replace(web, name=f"x/{n}", alias=f"x-{n}", role="db") for n in range(2)]
    known = record(servers=(web, *others))
    assert find_server(known, "db") is web  # its name goes before a role of that name
    assert find_server(known, "db-1") is web
    assert find_server(known, "web") is web
    assert find_server(known, "x-1") is others[1]
    with pytest.raises(UsageError, match="cannot choose a server"):
        find_server(known, None)
    with pytest.raises(UsageError, match='cannot find server "nobody"'):
        find_server(known, "nobody")
