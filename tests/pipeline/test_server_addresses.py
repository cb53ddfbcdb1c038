"""What the servers of a stack are called, and how each is reached."""

from __future__ import annotations

from dataclasses import replace

from infraci.heat import NovaServer, ServerAddress
from infraci.model.decode import parse_pipeline
from infraci.model.project import AccessDefinition, BastionDefinition
from infraci.model.run import Server
from infraci.pipeline.server_logins import assign

PIPELINE = parse_pipeline("stack: {template: t.yaml}\nspecs: {all: [specs]}\n")


def nova(name: str, path: str, role: str = "", number: int = 1) -> NovaServer:
    address = ServerAddress(address=f"192.0.2.{number}", kind="fixed")
    return NovaServer(
        id=f"id-of-{path}",
        name=name,
        status="ACTIVE",
        addresses=(address,),
        metadata={"role": role},
        path=path,
    )


def assigned(
    *nova_servers: NovaServer, access: AccessDefinition | None = None
) -> tuple[Server, ...]:
    return assign(nova_servers, PIPELINE, access or AccessDefinition())


def test_twins_are_called_after_their_resources_in_every_run() -> None:
    first = [nova("twin", "group.0"), nova("twin", "group.1"), nova("web", "web")]
    again = [replace(server, id=f"another-{server.id}") for server in first]
    names = [(server.name, server.word) for server in assigned(*first)]
    assert names == [(server.name, server.word) for server in assigned(*again)]
    assert names == [("twin-group.0",) * 2, ("twin-group.1",) * 2, ("web", "web")]


def test_every_server_has_a_word_of_its_own() -> None:
    names = ("web/1", "web-1", "ウェブ", "データ", "DB", "db", "-oProxyCommand=x", "../up")
    servers = assigned(*(nova(name, str(n)) for n, name in enumerate(names)))
    assert tuple(server.name for server in servers) == names
    assert len({server.word.lower() for server in servers}) == len(names)
    assert servers[1].word == "web-1"


def test_a_server_that_is_called_as_the_role_of_another() -> None:
    db, data = assigned(nova("db", "a", role="web"), nova("data", "b", role="db"))
    assert (db.name, data.word) == ("db", "data")
    assert db.word.startswith("db-")


def test_a_server_that_is_called_as_the_bastion() -> None:
    bastion = BastionDefinition(
        address="192.0.2.9", user="jump", key="~/.ssh/id", host_keys=("ssh-ed25519 AAAA",)
    )
    (server,) = assigned(nova("192.0.2.9", "a"), access=AccessDefinition(bastion=bastion))
    assert server.bastion is not None
    assert server.bastion.address == "192.0.2.9"
    assert server.word != server.bastion.word
