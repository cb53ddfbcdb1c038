"""Identity v3's projects, users, groups, roles, regions, services and endpoints.

Source: https://docs.openstack.org/api-ref/identity/v3/
"""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.wrappers import Request, Response

from infraci.local.api.keystone_json import grant_to_json, identity_to_json, parse_identity
from infraci.local.api.parse import flag
from infraci.local.api.web import Api, Document, body_of, reply, route
from infraci.local.domain.identity_records import (
    Grant,
    IdentityProject,
    IdentityRecord,
    IdentityUser,
    Role,
    UserGroup,
)
from infraci.local.domain.keystone import KINDS, Identity
from infraci.local.errors import NotFoundError

_COLLECTION = f"<any({', '.join(KINDS)}):collection>"
_TARGET = "<any(projects, domains):targets>/<target_id>"
_ACTOR = "<any(users, groups):actors>/<actor_id>"
#: The parameters by which role assignments are chosen, and what of a grant each is.
_CHOICES: dict[str, Callable[[Grant], bool | str]] = {
    "user.id": lambda grant: grant.actors == "users" and grant.actor_id,
    "group.id": lambda grant: grant.actors == "groups" and grant.actor_id,
    "role.id": lambda grant: grant.role_id,
    "scope.project.id": lambda grant: grant.targets == "projects" and grant.target_id,
    "scope.domain.id": lambda grant: grant.targets == "domains" and grant.target_id,
}


class IdentityEntitiesApi(Api):
    """All of Identity but for tokens."""

    error_key = "error"

    def __init__(self, identity: Identity, is_valid_token: Callable[[str | None], bool]) -> None:
        super().__init__(is_valid_token)
        self.identity = identity

    @route("GET", f"/v3/{_COLLECTION}")
    def list_entities(self, request: Request, collection: str) -> Document:
        """List the entities of a kind whose fields match the query."""
        filters = {name: value for name, value in request.args.items() if "__" not in name}
        matches = [
            shown
            for shown in map(identity_to_json, self.identity.all(KINDS[collection]))
            if all(_has(shown, name, value) for name, value in filters.items())
        ]
        return {collection: matches, "links": {"next": None, "previous": None}}

    @route("POST", f"/v3/{_COLLECTION}")
    def create(self, request: Request, collection: str) -> Response:
        """Create an entity."""
        kind = KINDS[collection]
        body = body_of(request, kind.kind)
        record = self.identity.add(kind(**parse_identity(kind, body, is_new=True)))
        self._set_password(record, body)
        return reply({kind.kind: identity_to_json(record)}, 201)

    @route("GET", f"/v3/{_COLLECTION}/<id_>")
    def show(self, request: Request, collection: str, id_: str) -> Document:
        """Show an entity."""
        kind = KINDS[collection]
        return {kind.kind: identity_to_json(self.identity.require(kind, id_))}

    @route("PATCH", f"/v3/{_COLLECTION}/<id_>")
    def update(self, request: Request, collection: str, id_: str) -> Document:
        """Change fields of an entity."""
        kind = KINDS[collection]
        body = body_of(request, kind.kind)
        record = self.identity.change(kind, id_, **parse_identity(kind, body, is_new=False))
        self._set_password(record, body)
        return {kind.kind: identity_to_json(record)}

    @route("DELETE", f"/v3/{_COLLECTION}/<id_>")
    def delete(self, request: Request, collection: str, id_: str) -> None:
        """Delete an entity."""
        self.identity.delete(KINDS[collection], id_)

    def _set_password(self, record: IdentityRecord, body: Document) -> None:
        if isinstance(record, IdentityUser) and "password" in body:
            self.identity.set_password(record.id, body["password"] and str(body["password"]))

    # Groups

    @route("GET", "/v3/users/<user_id>/groups")
    def list_groups(self, request: Request, user_id: str) -> Document:
        """The groups of a user."""
        self.identity.require(IdentityUser, user_id)
        groups = self.identity.groups_of(user_id)
        return {"groups": [identity_to_json(group) for group in groups], "links": {}}

    @route("GET", "/v3/groups/<group_id>/users")
    def list_members(self, request: Request, group_id: str) -> Document:
        """The users of a group."""
        users = self.identity.members_of(group_id)
        return {"users": [identity_to_json(user) for user in users], "links": {}}

    @route("PUT", "/v3/groups/<group_id>/users/<user_id>")
    def join(self, request: Request, group_id: str, user_id: str) -> None:
        """Put a user into a group."""
        self.identity.join(user_id, group_id)

    @route("HEAD", "/v3/groups/<group_id>/users/<user_id>")
    def is_member(self, request: Request, group_id: str, user_id: str) -> None:
        """Whether a user is in a group."""
        if user_id not in [user.id for user in self.identity.members_of(group_id)]:
            raise NotFoundError(f"User {user_id} not found in group {group_id}.")

    @route("DELETE", "/v3/groups/<group_id>/users/<user_id>")
    def leave(self, request: Request, group_id: str, user_id: str) -> None:
        """Take a user out of a group."""
        self.identity.leave(user_id, group_id)

    # Roles

    @route("PUT", f"/v3/{_TARGET}/{_ACTOR}/roles/<role_id>")
    def grant(self, request: Request, **parts: str) -> None:
        """Give a role."""
        self.identity.grant(Grant(**parts))

    @route("DELETE", f"/v3/{_TARGET}/{_ACTOR}/roles/<role_id>")
    def revoke(self, request: Request, **parts: str) -> None:
        """Take a role away."""
        self.identity.revoke(Grant(**parts))

    @route("HEAD", f"/v3/{_TARGET}/{_ACTOR}/roles/<role_id>")
    def has_role(self, request: Request, role_id: str, **parts: str) -> None:
        """Whether an actor has a role."""
        if role_id not in [grant.role_id for grant in self._granted(parts)]:
            raise NotFoundError(f"Could not find role assignment with role: {role_id}.")

    @route("GET", f"/v3/{_TARGET}/{_ACTOR}/roles")
    def list_granted(self, request: Request, **parts: str) -> Document:
        """The roles that an actor has on a target."""
        roles = [self.identity.require(Role, grant.role_id) for grant in self._granted(parts)]
        return {"roles": [identity_to_json(role) for role in roles], "links": {}}

    @route("GET", "/v3/role_assignments")
    def list_assignments(self, request: Request) -> Document:
        """The role assignments."""
        chosen = [(_CHOICES[name], v) for name, v in request.args.items() if name in _CHOICES]
        grants = self.identity.grants(lambda g: all(read(g) == value for read, value in chosen))
        return {"role_assignments": [grant_to_json(grant) for grant in grants], "links": {}}

    @route("GET", "/v3/users/<user_id>/projects")
    def list_projects_of(self, request: Request, user_id: str) -> Document:
        """The projects in which a user has a role."""
        groups: list[UserGroup] = self.identity.groups_of(user_id)
        actors = {user_id, *(group.id for group in groups)}
        ids = {g.target_id for g in self.identity.grants(lambda g: g.actor_id in actors)}
        projects = [each for each in self.identity.all(IdentityProject) if each.id in ids]
        return {"projects": [identity_to_json(project) for project in projects], "links": {}}

    def _granted(self, parts: dict[str, str]) -> list[Grant]:
        return self.identity.grants(
            lambda g: all(getattr(g, name) == value for name, value in parts.items())
        )


def _has(shown: Document, name: str, value: str) -> bool:
    known = shown.get(name)
    if isinstance(known, bool):
        return known is flag(value)
    return name not in shown or (known or "") == value
