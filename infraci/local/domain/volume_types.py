"""Volume types: the one that every Cinder has, and those that stacks make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from infraci.local.domain.store import Store
from infraci.local.domain.volume_records import DEFAULT_TYPE, Volume, VolumeType
from infraci.local.errors import ConflictError, InvalidRequestError, NotFoundError

_DEFAULT = VolumeType(
    id="1f7ac100-0000-4000-8000-0000000000d1",
    name=DEFAULT_TYPE,
    description="Default Volume Type",
)


class VolumeTypes:
    """The default type, and those that clients have made."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[VolumeType]:
        """Return the types."""
        return [_DEFAULT, *self._store.find(VolumeType)]

    def require(self, id_: str) -> VolumeType:
        """Return the type of an id, or of a name. Raises NotFoundError."""
        for volume_type in self.all():
            if id_ in (volume_type.id, volume_type.name):
                return volume_type
        raise NotFoundError(f"Volume type {id_} could not be found.")

    def default(self) -> VolumeType:
        """Return the type of volumes for which no client names one."""
        return _DEFAULT

    def add(self, volume_type: VolumeType) -> VolumeType:
        """Keep a new type. Raises ConflictError if there is one of its name."""
        with self._store.locked():
            self._refuse_taken(volume_type)
            return self._store.put(volume_type)

    def change(self, id_: str, **values: object) -> VolumeType:
        """Change a type's name, description, visibility or extra specs."""
        with self._store.locked():
            changed = replace(self._own(id_), **values)  # type: ignore[arg-type]
            self._refuse_taken(changed)
            return self._store.put(changed)

    def set_extra_specs(self, id_: str, specs: Mapping[str, str]) -> None:
        """Replace a type's extra specs."""
        self.change(id_, extra_specs=dict(specs))

    def set_encryption(self, id_: str, specs: Mapping[str, str | int | None]) -> VolumeType:
        """Replace what a type says of its volumes' encryption, none by an empty mapping.

        Raises InvalidRequestError while a volume has the type.
        """
        with self._store.locked():
            self._refuse_used(self._own(id_))
            return self.change(id_, encryption=dict(specs))

    def delete(self, id_: str) -> None:
        """Remove a type. Raises InvalidRequestError while a volume has it."""
        with self._store.locked():
            volume_type = self._own(id_)
            self._refuse_used(volume_type)
            self._store.drop(volume_type)

    def _own(self, id_: str) -> VolumeType:
        volume_type = self.require(id_)
        if volume_type == _DEFAULT:
            raise InvalidRequestError(f"Volume type {_DEFAULT.name} belongs to the embedded cloud.")
        return volume_type

    def _refuse_used(self, volume_type: VolumeType) -> None:
        if self._store.find(Volume, lambda volume: volume.volume_type == volume_type.name):
            raise InvalidRequestError(f"Target volume type is still in use: {volume_type.id}")

    def _refuse_taken(self, volume_type: VolumeType) -> None:
        for other in self.all():
            if other.name == volume_type.name and other.id != volume_type.id:
                raise ConflictError(f"Volume Type {volume_type.name} already exists.")
