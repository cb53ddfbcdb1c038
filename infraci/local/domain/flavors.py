"""Flavors: those that every OpenStack has, some with plain names, and those that stacks make."""

from __future__ import annotations

from dataclasses import replace

from infraci.local.domain.records import Flavor, Server
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError, ForbiddenError

#: The flavors that are always there; each has its name as its id.
BUILT_IN: dict[str, Flavor] = {
    name: Flavor(id=name, name=name, vcpus=vcpus, ram_mb=ram_mb, disk_gb=disk_gb)
    for name, vcpus, ram_mb, disk_gb in (
        ("m1.nano", 1, 256, 1),
        ("m1.micro", 1, 384, 2),
        ("m1.tiny", 1, 512, 5),
        ("m1.small", 1, 2048, 20),
        ("m1.medium", 2, 4096, 40),
        ("m1.large", 4, 8192, 80),
        ("m1.xlarge", 8, 16384, 160),
        ("tiny", 1, 512, 5),
        ("small", 1, 1024, 10),
        ("medium", 2, 4096, 40),
        ("large", 4, 8192, 80),
    )
}


class Flavors:
    """The built-in flavors, and those that clients have made."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[Flavor]:
        """Return the flavors."""
        return [*BUILT_IN.values(), *self._store.find(Flavor)]

    def get(self, id_: str) -> Flavor | None:
        """Return the flavor of an id; None if there is none."""
        return BUILT_IN.get(id_) or self._store.get(Flavor, id_)

    def of(self, server: Server) -> Flavor:
        """Return a server's flavor; of one that was deleted meanwhile, only the name is known."""
        unknown = Flavor(id=server.flavor, name=server.flavor, vcpus=1, ram_mb=0, disk_gb=0)
        return self.get(server.flavor) or unknown

    def add(self, flavor: Flavor) -> Flavor:
        """Keep a new flavor. Raises ConflictError if its id or name is taken."""
        with self._store.locked():
            if any(flavor.id == other.id or flavor.name == other.name for other in self.all()):
                raise ConflictError(f"Flavor with name {flavor.name} or ID {flavor.id} exists.")
            return self._store.put(flavor)

    def delete(self, flavor: Flavor) -> None:
        """Remove a flavor; its servers stay. Raises ForbiddenError for a built-in one."""
        if flavor.id in BUILT_IN:
            raise ForbiddenError(f"Flavor {flavor.id} belongs to the embedded cloud.")
        self._store.drop(flavor)

    def set_extra_specs(self, flavor: Flavor, specs: dict[str, str]) -> None:
        """Replace a flavor's extra specs. Raises ForbiddenError for a built-in one."""
        if flavor.id in BUILT_IN:
            raise ForbiddenError(f"Flavor {flavor.id} belongs to the embedded cloud.")
        self._store.change(Flavor, flavor.id, lambda old: replace(old, extra_specs=specs))
