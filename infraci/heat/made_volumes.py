"""Finds volumes that Nova made for servers: they bear no name, and belong to no stack.

A server that boots from an image on a new volume has one. Unless ``delete_on_termination`` is set,
the volume stays when the server goes, and nothing then tells whose it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from infraci.errors import CloudError
from infraci.heat.openstack_connection import Connection
from infraci.model.run import ResourceReference

#: The type that a stack's own volumes have: what holds for them holds for these.
_TYPE = "OS::Cinder::Volume"
_SECONDS = len("2026-11-28T12:00:00")


def volumes_of_servers(
    connection: Connection, servers: Collection[str]
) -> tuple[ResourceReference, ...]:
    """The volumes that Nova made for servers, by the servers' ids.

    A volume that a server was given by its id is older than the server. On a cloud that does not
    answer now there is none: what follows, the deletion of the servers, matters more.
    """
    made: dict[str, ResourceReference] = {}
    with suppress(CloudError):
        for volume in _list(connection) if servers else ():
            for attachment in volume.get("attachments") or ():
                server = str(attachment.get("server_id"))
                is_unnamed = server in servers and not volume.get("name")
                if is_unnamed and _is_newer(connection, volume, server):
                    made[volume["id"]] = ResourceReference(kind=_TYPE, id=volume["id"])
    return tuple(made.values())


def _list(connection: Connection) -> list[Mapping[str, Any]]:
    answer = connection.ask("list volumes", "block_storage", "GET", "/volumes/detail", again=False)
    return list(answer["volumes"])


def _is_newer(connection: Connection, volume: Mapping[str, Any], server: str) -> bool:
    answer = connection.ask("show a server", "compute", "GET", f"/servers/{server}", again=False)
    began = str(answer["server"].get("created") or "")[:_SECONDS]
    return began != "" and str(volume.get("created_at") or "")[:_SECONDS] >= began
