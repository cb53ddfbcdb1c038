"""Server groups: policies for where servers run, kept although all of them run on this machine."""

from __future__ import annotations

from collections.abc import Mapping

from infraci.local.domain.records import Server, ServerGroup
from infraci.local.domain.store import Store
from infraci.local.errors import InvalidRequestError, NotFoundError


class ServerGroups:
    """Nova's server groups; a server joins one by the scheduler hint ``group``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[ServerGroup]:
        """Return the groups."""
        return self._store.find(ServerGroup)

    def add(self, group: ServerGroup) -> ServerGroup:
        """Keep a new group."""
        return self._store.put(group)

    def require(self, id_: str) -> ServerGroup:
        """Return a group; raises NotFoundError."""
        group = self._store.get(ServerGroup, id_)
        if group is None:
            raise NotFoundError(f"Instance group {id_} could not be found.")
        return group

    def delete(self, id_: str) -> None:
        """Remove a group; its servers stay."""
        self._store.drop(self.require(id_))

    def members(self, group: ServerGroup) -> list[str]:
        """Return the ids of a group's servers."""
        servers = self._store.find(Server, lambda server: server.hints.get("group") == group.id)
        return [server.id for server in servers]

    def resolve(self, hints: Mapping[str, object]) -> dict[str, object]:
        """Return scheduler hints with their group's id. Raises InvalidRequestError."""
        name = hints.get("group")
        if not name:
            return dict(hints)
        for group in self.all():
            if name in (group.id, group.name):
                return {**hints, "group": group.id}
        raise InvalidRequestError(f"Instance group {name} could not be found.")
