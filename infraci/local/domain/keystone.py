"""Identity's projects, users, groups and roles: those of the account, and those that stacks make.

What a stack makes is real as far as Identity goes: its users log in, with their roles, to its
projects. All other services serve the account's project alone.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from infraci.local.account import (
    ANY_CLOUD,
    PROJECT,
    PROJECT_ID,
    REGION,
    ROLES,
    USER,
    USER_ID,
    TokenHolder,
)
from infraci.local.domain.identity_records import (
    DEFAULT_DOMAIN,
    CatalogEndpoint,
    CatalogService,
    Grant,
    IdentityDomain,
    IdentityProject,
    IdentityRecord,
    IdentityUser,
    Membership,
    Region,
    Role,
    UserGroup,
)
from infraci.local.domain.store import Store
from infraci.local.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
)

AnyIdentity = TypeVar("AnyIdentity", bound=IdentityRecord)

#: The kinds, by the collections in which the API has them.
KINDS: Mapping[str, type[IdentityRecord]] = {
    "domains": IdentityDomain,
    "projects": IdentityProject,
    "users": IdentityUser,
    "groups": UserGroup,
    "roles": Role,
    "regions": Region,
    "services": CatalogService,
    "endpoints": CatalogEndpoint,
}
#: What the account consists of, which no client changes.
OWN: tuple[IdentityRecord, ...] = (
    IdentityDomain(id=DEFAULT_DOMAIN, name="Default", description="The default domain"),
    IdentityProject(id=PROJECT_ID, name=PROJECT),
    IdentityUser(id=USER_ID, name=USER, default_project_id=PROJECT_ID),
    *(Role(id=role, name=role) for role in ROLES),
    Region(id=REGION),
    Region(id=ANY_CLOUD),
)
_NAMELESS = (Region, CatalogService, CatalogEndpoint)
#: Of a salted hash that is slow enough for passwords that people choose.
_ROUNDS = 50_000


class Identity:
    """Projects, users, groups, roles, and the catalog's entries that clients have made."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, kind: type[AnyIdentity]) -> list[AnyIdentity]:
        """All of a kind, the account's first."""
        own = [record for record in OWN if isinstance(record, kind)]
        return [*own, *self._store.find(kind)]

    def require(self, kind: type[AnyIdentity], id_: str) -> AnyIdentity:
        """The one of an id. Raises NotFoundError."""
        for record in self.all(kind):
            if record.id == id_:
                return record
        raise NotFoundError(f"Could not find {kind.kind}: {id_}.")

    def add(self, record: AnyIdentity) -> AnyIdentity:
        """Keep a new one. Raises ConflictError for a name that is taken, and NotFoundError."""
        with self._store.locked():
            self._check(record)
            if any(other.id == record.id for other in self.all(type(record))):
                raise _conflict(record, f"ID {record.id}")
            return self._store.put(record)

    def change(self, kind: type[AnyIdentity], id_: str, **values: object) -> AnyIdentity:
        """Change fields of one."""
        with self._store.locked():
            changed = replace(self._made(kind, id_), **values)  # type: ignore[arg-type]
            self._check(changed)
            return self._store.put(changed)

    def delete(self, kind: type[IdentityRecord], id_: str) -> None:
        """Remove one, with what belongs to it."""
        with self._store.locked():
            record = self._made(kind, id_)
            if isinstance(record, IdentityDomain):
                if record.enabled:
                    raise ForbiddenError(
                        "Cannot delete a domain that is enabled, please disable it first."
                    )
                for inner in (IdentityProject, IdentityUser, UserGroup, Role):
                    for each in self._store.find(inner, lambda e: e.domain_id == id_):
                        self.delete(inner, each.id)
            if isinstance(record, CatalogService):
                for endpoint in self._store.find(CatalogEndpoint, lambda e: e.service_id == id_):
                    self._store.drop(endpoint)
            for grant in self._store.find(
                Grant, lambda g: id_ in (g.role_id, g.actor_id, g.target_id)
            ):
                self._store.drop(grant)
            for membership in self._store.find(
                Membership, lambda m: id_ in (m.user_id, m.group_id)
            ):
                self._store.drop(membership)
            self._store.drop(record)

    def set_password(self, id_: str, password: str | None) -> None:
        """Give a user another password, or none."""
        self.change(IdentityUser, id_, password_hash=_hash(password) if password else "")

    # Groups and roles

    def groups_of(self, user_id: str) -> list[UserGroup]:
        """The groups that a user is in."""
        own = self._store.find(Membership, lambda m: m.user_id == user_id)
        return [self.require(UserGroup, membership.group_id) for membership in own]

    def members_of(self, group_id: str) -> list[IdentityUser]:
        """The users in a group."""
        self.require(UserGroup, group_id)
        own = self._store.find(Membership, lambda m: m.group_id == group_id)
        return [self.require(IdentityUser, membership.user_id) for membership in own]

    def join(self, user_id: str, group_id: str) -> None:
        """Put a user into a group."""
        self.require(UserGroup, group_id)
        self.require(IdentityUser, user_id)
        self._store.put(Membership(id=f"{group_id}:{user_id}", user_id=user_id, group_id=group_id))

    def leave(self, user_id: str, group_id: str) -> None:
        """Take a user out of a group. Raises NotFoundError."""
        membership = self._store.get(Membership, f"{group_id}:{user_id}")
        if membership is None:
            raise NotFoundError(f"User {user_id} not found in group {group_id}.")
        self._store.drop(membership)

    def grants(self, matches: Callable[[Grant], bool]) -> list[Grant]:
        """The grants that match."""
        return self._store.find(Grant, matches)

    def grant(self, grant: Grant) -> None:
        """Give a role. Raises NotFoundError."""
        self.require(Role, grant.role_id)
        self.require(KINDS[grant.actors], grant.actor_id)
        self.require(KINDS[grant.targets], grant.target_id)
        self._store.put(replace(grant, id=_grant_id(grant)))

    def revoke(self, grant: Grant) -> None:
        """Take a role away. Raises NotFoundError."""
        known = self._store.get(Grant, _grant_id(grant))
        if known is None:
            raise NotFoundError(f"Could not find role assignment with role: {grant.role_id}.")
        self._store.drop(known)

    # Logins

    def by_password(
        self, user: Mapping[str, object], password: str, project: Mapping[str, object] | None
    ) -> TokenHolder | None:
        """Whom a password is of: a user by id or name, in a project in which it has a role.

        Without a project it is the user's default one. None if any of it is not so.
        """
        record = _find(self._store.find(IdentityUser), user)
        if record is None or not record.enabled or not _is_hash_of(record.password_hash, password):
            return None
        reference = project or {"id": record.default_project_id or "none"}
        scope = _find(self.all(IdentityProject), reference)
        roles = self._roles(record.id, scope.id) if scope is not None and scope.enabled else ()
        if scope is None or not roles:
            return None
        return TokenHolder(
            user_id=record.id,
            user=record.name,
            project_id=scope.id,
            project=scope.name,
            roles=tuple(roles),
        )

    def _roles(self, user_id: str, project_id: str) -> Iterable[str]:
        actors = {user_id, *(group.id for group in self.groups_of(user_id))}
        granted = self.grants(lambda g: g.target_id == project_id and g.actor_id in actors)
        return sorted({self.require(Role, each.role_id).name for each in granted})

    def _made(self, kind: type[AnyIdentity], id_: str) -> AnyIdentity:
        record = self.require(kind, id_)
        if record in OWN:
            raise ForbiddenError(f"The {kind.kind} {id_} belongs to the embedded cloud.")
        return record

    def _check(self, record: IdentityRecord) -> None:
        if not record.name and not isinstance(record, _NAMELESS):
            raise InvalidRequestError("Invalid input for field 'name': '' is too short")
        if record.domain_id is not None:
            self.require(IdentityDomain, record.domain_id)
        if isinstance(record, CatalogEndpoint):
            self.require(CatalogService, record.service_id)
            if record.region_id:
                self.require(Region, record.region_id)
        if isinstance(record, Region) and record.parent_region_id:
            self.require(Region, record.parent_region_id)
        for other in self.all(type(record)):
            is_same = (other.name, other.domain_id) == (record.name, record.domain_id)
            if is_same and other.id != record.id and not isinstance(record, _NAMELESS):
                raise _conflict(record, f"name {record.name} at domain ID {record.domain_id}")


def _conflict(record: IdentityRecord, what: str) -> ConflictError:
    return ConflictError(
        f"Conflict occurred attempting to store {record.kind} - Duplicate entry found with {what}."
    )


def _find(records: Iterable[AnyIdentity], reference: Mapping[str, object]) -> AnyIdentity | None:
    """The record that has the reference's id, or its name and domain."""
    domain = reference.get("domain")
    domain = domain if isinstance(domain, Mapping) else {}
    for record in records:
        if reference.get("id"):
            if record.id == reference["id"]:
                return record
        elif record.name == reference.get("name") and record.domain_id == (
            domain.get("id") or str(domain.get("name") or DEFAULT_DOMAIN).lower()
        ):
            return record
    return None


def _grant_id(grant: Grant) -> str:
    return f"{grant.targets}:{grant.target_id}:{grant.actors}:{grant.actor_id}:{grant.role_id}"


def _hash(password: str, salt: str | None = None) -> str:
    salt = salt or secrets.token_hex(8)
    derived = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), _ROUNDS)
    return f"{salt}${derived.hex()}"


def _is_hash_of(password_hash: str, password: str) -> bool:
    salt, _, _ = password_hash.partition("$")
    return bool(salt) and hmac.compare_digest(password_hash, _hash(password, salt))
