"""Keeps containers and objects by Swift's rules; the host keeps the contents in files.

Source of rules and messages: swift/proxy/controllers, swift/common/middleware/versioned_writes
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import BinaryIO

from infraci.local.account import PROJECT_ID
from infraci.local.domain.object_records import (
    Container,
    ObjectAccount,
    ObjectHeaders,
    StoredObject,
    object_id,
)
from infraci.local.domain.store import Store
from infraci.local.errors import (
    BadContentError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
    TooLargeError,
)
from infraci.local.host.object_files import Content, ObjectFiles

#: The account of the cloud's project.
ACCOUNT_NAME = f"AUTH_{PROJECT_ID}"
#: The headers of a container by which former contents of its objects are kept in another one: of
#: ``stack`` a deletion brings the former content back, of ``history`` it is one more version.
STACK, HISTORY = "x-versions-location", "x-history-location"
#: How many bytes, and objects, a container may have.
QUOTA_BYTES, QUOTA_COUNT = "x-container-meta-quota-bytes", "x-container-meta-quota-count"
_DELETED = "application/x-deleted;swift_versions_deleted=1"
#: Times are kept, and told apart, to this part of a second.
_TICK_S = 0.00001


class Objects:
    """The account's containers and objects. Threads may share it."""

    def __init__(
        self, store: Store, files: ObjectFiles, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._files = files
        self._clock = clock

    def now(self) -> float:
        """The time by which objects and temporary URLs expire."""
        return self._clock()

    def account(self) -> ObjectAccount:
        """The account."""
        account = self._store.get(ObjectAccount, ACCOUNT_NAME)
        return account or self._store.put(ObjectAccount(id=ACCOUNT_NAME))

    def change_account(self, changes: Mapping[str, str]) -> None:
        """Change metadata; an empty value removes an entry."""
        with self._store.locked():
            account = self.account()
            self._store.put(replace(account, headers=_changed(account.headers, changes)))

    # Containers

    def containers(self) -> list[Container]:
        """All containers."""
        return self._store.find(Container)

    def container(self, name: str) -> Container:
        """A container. Raises NotFoundError."""
        container = self._store.get(Container, name)
        if container is None:
            raise NotFoundError(f"There is no container {name}.")
        return container

    def put_container(self, name: str, changes: Mapping[str, str]) -> bool:
        """Make a container, or change one that is there; returns whether it is new.

        Raises NoRoomError.
        """
        with self._store.locked():
            container = self._store.get(Container, name)
            is_new = container is None
            if is_new:
                self._files.check_room()
            container = container or Container(id=name, created_at=self._clock())
            self._store.put(replace(container, headers=_changed(container.headers, changes)))
            return is_new

    def change_container(self, name: str, changes: Mapping[str, str]) -> None:
        """Change metadata, access and versions; an empty value removes an entry."""
        with self._store.locked():
            self.container(name)
            self.put_container(name, changes)

    def delete_container(self, name: str) -> None:
        """Remove a container. Raises ConflictError if it is not empty."""
        with self._store.locked():
            container = self.container(name)
            if self.objects(name):
                raise ConflictError("There was a conflict when trying to complete your request.")
            self._store.drop(container)

    # Objects

    def objects(self, container: str) -> list[StoredObject]:
        """The objects in a container; removes those that have expired."""
        live = []
        for each in self._store.find(StoredObject, lambda o: o.container == container):
            if self._is_live(each):
                live.append(each)
            else:
                self._drop(each)
        return live

    def usage(self, container: str) -> tuple[int, int]:
        """How many objects a container has, and how many bytes they have."""
        objects = self.objects(container)
        return len(objects), sum(each.size for each in objects)

    def object(self, container: str, name: str) -> StoredObject:
        """An object. Raises NotFoundError, also for one that has expired."""
        stored = self._store.get(StoredObject, object_id(container, name))
        if stored is None or not self._is_live(stored):
            raise NotFoundError("The resource could not be found.")
        return stored

    def open(self, container: str, name: str) -> tuple[StoredObject, BinaryIO]:
        """An object and its content, to be closed by the caller. Raises NotFoundError."""
        with self._store.locked():
            stored = self.object(container, name)
            return stored, self._files.open(stored.content)

    def put(
        self,
        container: str,
        name: str,
        chunks: Iterable[bytes],
        described: ObjectHeaders,
        *,
        md5: str = "",
        size: int | None = None,
    ) -> StoredObject:
        """Make an object of a content, in place of any there was.

        ``md5`` and ``size`` are the content's, where the client tells them. The former object stays
        if it raises NotFoundError, InvalidRequestError, BadContentError, TooLargeError, NoRoomError
        or PreconditionError.
        """
        self._check_quota(container, name, size or 0)
        content = self._files.write(chunks, size=size or 0)
        try:
            if size not in (None, content.size):
                raise InvalidRequestError("The content is not whole.")
            if md5 and md5 != content.md5:
                raise BadContentError("The content's MD5 sum is not the ETag of the request.")
            return self._keep(container, name, content, described)
        except BaseException:
            self._release(content.id)
            raise

    def copy(
        self, source: StoredObject, container: str, name: str, described: ObjectHeaders
    ) -> StoredObject:
        """Make an object of another's content."""
        with self._store.locked():
            source = self.object(source.container, source.name)
            content = Content(id=source.content, size=source.size, md5=source.md5)
            self._check_quota(container, name, content.size)
            return self._keep(container, name, content, described)

    def describe(self, container: str, name: str, described: ObjectHeaders) -> None:
        """Change what is said of an object: all of it, but the type if none is given."""
        with self._store.locked():
            stored = self.object(container, name)
            self._store.put(
                replace(
                    stored,
                    headers=described.headers,
                    content_type=described.content_type or stored.content_type,
                    delete_at=described.delete_at,
                    modified_at=self._next_time(stored),
                )
            )

    def delete(self, container: str, name: str) -> None:
        """Remove an object, or bring its former content back. Raises NotFoundError."""
        with self._store.locked():
            location, is_stack = _versions(self.container(container))
            stored = self._store.get(StoredObject, object_id(container, name))
            versions = self._versions(location, name) if location else []
            if is_stack and versions:
                self._restore(container, name, versions[-1])
                return
            stored = self.object(container, name)
            if location and not is_stack:
                self._archive(location, stored)
                self._mark_deleted(location, stored)
            self._drop(stored)

    def expire(self) -> None:
        """Remove the objects that have expired."""
        for container in self.containers():
            self.objects(container.id)

    def take_over(self) -> None:
        """Remove the contents that a killed process has left, before any is written."""
        self._files.sweep({each.content for each in self._store.find(StoredObject)})

    def _is_live(self, stored: StoredObject) -> bool:
        return not stored.delete_at or stored.delete_at > self._clock()

    def _check_quota(self, container: str, name: str, size: int) -> None:
        headers = self.container(container).headers
        most_bytes, most = headers.get(QUOTA_BYTES, ""), headers.get(QUOTA_COUNT, "")
        if not (most_bytes or most):
            return
        others = [each for each in self.objects(container) if each.name != name]
        used = sum(each.size for each in others)
        if (most_bytes and used + size > int(most_bytes)) or (most and len(others) + 1 > int(most)):
            raise TooLargeError("Upload exceeds quota.")

    def _keep(
        self, container: str, name: str, content: Content, described: ObjectHeaders
    ) -> StoredObject:
        with self._store.locked():
            location, _ = _versions(self.container(container))
            self._check_quota(container, name, content.size)
            former = self._store.get(StoredObject, object_id(container, name))
            if location and self._store.get(Container, location) is None:
                raise PreconditionError(f"There is no container {location} for versions.")
            if former and location and self._is_live(former):
                self._archive(location, former)
            kept = self._store.put(
                StoredObject(
                    id=object_id(container, name),
                    container=container,
                    name=name,
                    content=content.id,
                    size=content.size,
                    md5=content.md5,
                    content_type=described.content_type,
                    modified_at=self._next_time(former),
                    headers=described.headers,
                    delete_at=described.delete_at,
                )
            )
            if former:
                self._release(former.content)
            return kept

    def _next_time(self, former: StoredObject | None) -> float:
        """Now, or just after the object that is replaced."""
        return max(self._clock(), former.modified_at + _TICK_S if former else 0.0)

    # Versions

    def _versions(self, location: str, name: str) -> list[StoredObject]:
        prefix = _version_prefix(name)
        objects = (each for each in self.objects(location) if each.name.startswith(prefix))
        return sorted(objects, key=lambda each: each.name)

    def _archive(self, location: str, stored: StoredObject) -> None:
        name = f"{_version_prefix(stored.name)}{stored.modified_at:016.5f}"
        self._store.put(
            replace(stored, id=object_id(location, name), container=location, name=name)
        )

    def _mark_deleted(self, location: str, stored: StoredObject) -> None:
        marked = replace(
            stored,
            content=self._files.write(()).id,
            size=0,
            md5="d41d8cd98f00b204e9800998ecf8427e",
            content_type=_DELETED,
            modified_at=self._next_time(stored),
        )
        self._archive(location, marked)

    def _restore(self, container: str, name: str, version: StoredObject) -> None:
        former = self._store.get(StoredObject, object_id(container, name))
        restored = replace(
            version,
            id=object_id(container, name),
            container=container,
            name=name,
            modified_at=self._next_time(former),
        )
        self._store.put(restored)
        self._store.drop(version)
        if former:
            self._release(former.content)

    def _drop(self, stored: StoredObject) -> None:
        with self._store.locked():
            self._store.drop(stored)
            self._release(stored.content)

    def _release(self, content: str) -> None:
        """Remove a content that no object has any more."""
        with self._store.locked():
            if not self._store.find(StoredObject, lambda each: each.content == content):
                self._files.remove(content)


def _changed(headers: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in {**headers, **changes}.items() if value}


def _versions(container: Container) -> tuple[str, bool]:
    """Where a container's versions are kept, if they are; and whether as a stack."""
    stack = container.headers.get(STACK, "")
    return stack or container.headers.get(HISTORY, ""), bool(stack)


def _version_prefix(name: str) -> str:
    return f"{len(name.encode()):03x}{name}/"
