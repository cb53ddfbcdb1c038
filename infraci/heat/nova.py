"""Reads servers and consoles from Nova, and creates and deletes key pairs there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from infraci.heat.cloud_errors import ExistsError, GoneError
from infraci.heat.objects import Keypair, NovaServer, ServerAddress
from infraci.heat.openstack_connection import Connection

#: Heat's type of a floating IP, which Neutron has.
FLOATING_IP = "OS::Neutron::FloatingIP"

_CONSOLE_LINES = 2000


def read_servers(connection: Connection, paths: Mapping[str, str]) -> tuple[NovaServer, ...]:
    """The servers among resources, whose ``paths`` are by id; sorted by name, then by path."""
    servers = [
        replace(_server(entry), path=paths[entry["id"]])
        for entry in _all_servers(connection)
        if entry["id"] in paths
    ]
    return tuple(sorted(servers, key=lambda server: (server.name, server.path)))


def with_floating(
    connection: Connection, servers: tuple[NovaServer, ...], ids: Collection[str]
) -> tuple[NovaServer, ...]:
    """The servers, with those floating IPs (Neutron's ids) that Nova does not show yet.

    Nova shows a floating IP some seconds after Neutron. Asks Neutron only if one is missing.
    """
    known = {address.address for server in servers for address in server.addresses}
    shown = [a for server in servers for a in server.addresses if a.kind == "floating"]
    if len(shown) >= len(ids):
        return servers
    answer = connection.ask("list floating IPs", "network", "GET", "/floatingips")
    new: dict[str, list[ServerAddress]] = {}
    for entry in answer["floatingips"]:
        device = (entry.get("port_details") or {}).get("device_id")
        address = entry["floating_ip_address"]
        if entry["id"] in ids and device and address not in known:
            new.setdefault(device, []).append(ServerAddress(address=address, kind="floating"))
    return tuple(
        replace(server, addresses=(*new.get(server.id, ()), *server.addresses))
        for server in servers
    )


def read_server(connection: Connection, server_id: str) -> NovaServer:
    """One server, its status and fault among all. Raises GoneError."""
    path = f"/servers/{server_id}"
    return _server(connection.ask(f"read server {server_id}", "compute", "GET", path)["server"])


def read_console(connection: Connection, server_id: str) -> str:
    """The last lines of a server's console."""
    answer = connection.ask(
        f"read the console of server {server_id}",
        "compute",
        "POST",
        f"/servers/{server_id}/action",
        json={"os-getConsoleOutput": {"length": _CONSOLE_LINES}},
        again=True,
    )
    return str((answer or {}).get("output") or "")


def create_keypair(connection: Connection, name: str, public_key: str) -> None:
    """Import a public key; succeeds if the cloud has that very key under that name."""
    body = {"keypair": {"name": name, "public_key": public_key}}
    try:
        # A retry is safe: Nova allows a name once, and ExistsError compares the key.
        connection.ask(
            f"create key pair {name}", "compute", "POST", "/os-keypairs", json=body, again=True
        )
    except ExistsError:
        known = {pair.name: pair.public_key.strip() for pair in read_keypairs(connection)}
        if known.get(name) != public_key.strip():
            raise


def delete_keypair(connection: Connection, name: str) -> None:
    """Delete a key pair; succeeds if there is none."""
    try:
        connection.ask(f"delete key pair {name}", "compute", "DELETE", f"/os-keypairs/{name}")
    except GoneError:
        return


def read_keypairs(connection: Connection) -> tuple[Keypair, ...]:
    """The user's key pairs."""
    answer = connection.ask("list key pairs", "compute", "GET", "/os-keypairs")
    pairs = [entry["keypair"] for entry in answer["keypairs"]]
    return tuple(Keypair(name=p["name"], public_key=p.get("public_key") or "") for p in pairs)


def addresses_of(entry: Mapping[str, Any]) -> tuple[ServerAddress, ...]:
    """All addresses of a server, IPv4 first; Nova does not know which of them can be reached."""
    listed = [
        ServerAddress(address=str(entry[field]), kind="access", version=version)
        for field, version in (("accessIPv4", 4), ("accessIPv6", 6))
        if entry.get(field)
    ]
    for network, addresses in (entry.get("addresses") or {}).items():
        listed += [
            ServerAddress(
                address=str(address["addr"]),
                kind="floating" if address.get("OS-EXT-IPS:type") == "floating" else "fixed",
                version=int(address.get("version") or 4),
                network=str(network),
            )
            for address in addresses
        ]
    return tuple(sorted(listed, key=lambda address: address.version))


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
        addresses=addresses_of(entry),
        metadata=entry.get("metadata") or {},
        image=str((entry.get("image") or {}).get("id") or ""),
        fault=str((entry.get("fault") or {}).get("message") or ""),
    )
