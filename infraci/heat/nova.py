"""Servers, consoles and key pairs, as Nova knows them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from infraci.heat.connection import Connection, ExistsError, GoneError, TransientCloudError
from infraci.heat.values import Keypair, NovaServer

_CONSOLE_LINES = 2000


def read_servers(connection: Connection, ids: Collection[str]) -> tuple[NovaServer, ...]:
    """Those of the ids that are servers, by name; one request for all."""
    found = [_server(entry) for entry in _all_servers(connection) if entry["id"] in ids]
    return tuple(sorted(found, key=lambda server: server.name))


def read_server(connection: Connection, server_id: str) -> NovaServer:
    """One server, its status and fault among all. Raises GoneError."""
    path = f"/servers/{server_id}"
    return _server(connection.ask(f"read server {server_id}", "compute", "GET", path)["server"])


def read_console(connection: Connection, server_id: str) -> str:
    """The end of what a server wrote to its console."""
    answer = connection.ask(
        f"read the console of server {server_id}",
        "compute",
        "POST",
        f"/servers/{server_id}/action",
        json={"os-getConsoleOutput": {"length": _CONSOLE_LINES}},
    )
    return str((answer or {}).get("output") or "")


def create_keypair(connection: Connection, name: str, public_key: str) -> None:
    """Import a public key; that very key under that name already is a success."""
    body = {"keypair": {"name": name, "public_key": public_key}}
    try:
        connection.ask(f"create key pair {name}", "compute", "POST", "/os-keypairs", json=body)
    except (TransientCloudError, ExistsError):
        known = {pair.name: pair.public_key.strip() for pair in read_keypairs(connection)}
        if known.get(name) != public_key.strip():
            raise


def delete_keypair(connection: Connection, name: str) -> None:
    """Delete a key pair; gone already is a success."""
    try:
        connection.ask(f"delete key pair {name}", "compute", "DELETE", f"/os-keypairs/{name}")
    except GoneError:
        return


def read_keypairs(connection: Connection) -> tuple[Keypair, ...]:
    """The user's key pairs."""
    answer = connection.ask("list key pairs", "compute", "GET", "/os-keypairs")
    pairs = [entry["keypair"] for entry in answer["keypairs"]]
    return tuple(Keypair(name=p["name"], public_key=p.get("public_key") or "") for p in pairs)


def address_of(entry: Mapping[str, Any]) -> str:
    """Where to log in: the access address, else a floating one, else a fixed one; IPv4 first."""
    if entry.get("accessIPv4"):
        return str(entry["accessIPv4"])
    found = [address for network in (entry.get("addresses") or {}).values() for address in network]
    found.sort(key=lambda a: (a.get("OS-EXT-IPS:type") != "floating", a.get("version") != 4))
    return str(found[0]["addr"]) if found else str(entry.get("accessIPv6") or "")


def _all_servers(connection: Connection) -> Iterator[Mapping[str, Any]]:
    params: dict[str, object] = {}
    while True:
        answer = connection.ask("list servers", "compute", "GET", "/servers/detail", params=params)
        yield from answer["servers"]
        more = any(link["rel"] == "next" for link in answer.get("servers_links") or ())
        if not more or not answer["servers"]:
            return
        params["marker"] = answer["servers"][-1]["id"]


def _server(entry: Mapping[str, Any]) -> NovaServer:
    return NovaServer(
        id=entry["id"],
        name=entry["name"],
        status=entry["status"],
        address=address_of(entry),
        metadata=entry.get("metadata") or {},
        fault=str((entry.get("fault") or {}).get("message") or ""),
    )
