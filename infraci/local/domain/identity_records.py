"""What Identity knows beside the account: domains, projects, users, groups, roles, the catalog."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from infraci.local.domain.record import Record

DEFAULT_DOMAIN = "default"


def hex_id() -> str:
    """A fresh id, as Keystone writes them."""
    return uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRecord(Record):
    """Something that Identity keeps by its id; its name is unique in its domain."""

    id: str = field(default_factory=hex_id)
    name: str = ""
    description: str | None = ""
    domain_id: str | None = DEFAULT_DOMAIN
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityDomain(IdentityRecord):
    """A domain, which holds projects, users and groups."""

    kind = "domain"

    domain_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProject(IdentityRecord):
    """A project."""

    kind = "project"

    parent_id: str | None = DEFAULT_DOMAIN
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityUser(IdentityRecord):
    """A user."""

    kind = "user"

    email: str | None = None
    default_project_id: str | None = None
    #: Empty for a user without a password, who cannot log in.
    password_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserGroup(IdentityRecord):
    """A group of users."""

    kind = "group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role(IdentityRecord):
    """A role."""

    kind = "role"

    domain_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Region(IdentityRecord):
    """A region, whose id a client chooses."""

    kind = "region"

    domain_id: str | None = None
    parent_region_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogService(IdentityRecord):
    """A service of the catalog."""

    kind = "service"

    type: str = ""
    domain_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEndpoint(IdentityRecord):
    """Where a service of the catalog answers."""

    kind = "endpoint"

    service_id: str = ""
    interface: str = "public"
    url: str = ""
    region_id: str | None = None
    domain_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership(Record):
    """A user in a group."""

    kind = "membership"

    user_id: str
    group_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(Record):
    """A role that a user or a group has on a project or a domain."""

    kind = "grant"

    role_id: str
    #: ``users`` or ``groups``, and the id there.
    actors: str
    actor_id: str
    #: ``projects`` or ``domains``, and the id there.
    targets: str
    target_id: str
