"""Identity's records as Keystone's JSON, and what clients send as fields of records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infraci.local.api.parse import flag, text, texts
from infraci.local.api.web import Document
from infraci.local.domain.identity_records import (
    CatalogEndpoint,
    CatalogService,
    Grant,
    IdentityDomain,
    IdentityProject,
    IdentityRecord,
    IdentityUser,
    Region,
    Role,
    UserGroup,
)

_COMMON = ("id", "name", "description", "domain_id", "enabled")
#: The fields that Keystone shows of each kind.
_SHOWN: Mapping[type[IdentityRecord], tuple[str, ...]] = {
    IdentityDomain: ("id", "name", "description", "enabled"),
    IdentityProject: (*_COMMON, "parent_id", "tags"),
    IdentityUser: (*_COMMON, "email", "default_project_id"),
    UserGroup: ("id", "name", "description", "domain_id"),
    Role: ("id", "name", "description", "domain_id"),
    Region: ("id", "description", "parent_region_id"),
    CatalogService: ("id", "name", "description", "type", "enabled"),
    CatalogEndpoint: ("id", "name", "service_id", "interface", "url", "region_id", "enabled"),
}
_PARSERS: Mapping[str, Callable[[object], Any]] = {"enabled": flag, "tags": texts}


def identity_to_json(record: IdentityRecord) -> Document:
    """A record as Keystone shows it."""
    shown = {name: getattr(record, name) for name in _SHOWN[type(record)]}
    if isinstance(record, CatalogEndpoint):
        shown["region"] = record.region_id
    return {name: list(v) if isinstance(v, tuple) else v for name, v in shown.items()}


def parse_identity(kind: type[IdentityRecord], body: Document, *, is_new: bool) -> dict[str, Any]:
    """The fields that a client sets. A client chooses the ids of regions alone."""
    names = set(_SHOWN[kind])
    if not (is_new and kind is Region):
        names.discard("id")
    fields = {
        name: None if value is None else _PARSERS.get(name, text)(value)
        for name, value in body.items()
        if name in names
    }
    if kind is CatalogEndpoint and body.get("region") and not body.get("region_id"):
        fields["region_id"] = text(body["region"])
    no_value = ("name", "enabled", "tags", *(("id", "domain_id") if is_new else ()))
    return {n: v for n, v in fields.items() if v is not None or n not in no_value}


def grant_to_json(grant: Grant) -> Document:
    """A role assignment."""
    return {
        "role": {"id": grant.role_id},
        grant.actors.removesuffix("s"): {"id": grant.actor_id},
        "scope": {grant.targets.removesuffix("s"): {"id": grant.target_id}},
        "links": {},
    }
