"""Stands for Keystone where Heat makes trusts, and users for a stack's servers.

Import it after :mod:`infraci.local.engine` has chosen Heat's backend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from heat.common import context, exception
from heat.engine.clients.os.keystone import fake_keystoneclient
from keystoneclient.v3 import client as v3

from infraci.local.account import USER_ID
from infraci.local.api.identity import Tokens
from infraci.local.domain.stack_users import Ec2Key, StackUsers


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineServices:
    """What the engine uses of the cloud around it, and where that answers."""

    #: Where the cloud answers, to the engine too; and where it does so to servers.
    url: str
    gateway_url: str
    tokens: Tokens
    users: StackUsers


_running: list[EngineServices] = []


def install(services: EngineServices) -> None:
    """Have :class:`Keystone` use these, which Heat makes without arguments of ours."""
    _running.append(services)


def _services() -> EngineServices:
    return _running[-1]


class Keystone(fake_keystoneclient.FakeKeystoneClient):  # type: ignore[misc]
    """The client of Keystone that Heat makes: one user in one project needs no trust."""

    def __init__(self, context: Any = None, *_: object, **__: object) -> None:
        super().__init__(context=context, stack_domain_id="default")

    @property
    def client(self) -> Any:
        """Keystone's own client, for the types of templates that make users and projects."""
        return v3.Client(
            session=self.context.keystone_session,
            endpoint_override=f"{_services().url}/identity/v3",
        )

    @client.setter
    def client(self, value: object) -> None:
        """Ignore the client that the class of Heat's sets."""

    def create_trust_context(self) -> Any:
        """The request's own context: it is the user's, and stays so."""
        stored = context.RequestContext.from_dict(self.context.to_dict())
        stored.trust_id = "local"
        stored.trustor_user_id = USER_ID
        return stored

    regenerate_trust_context = create_trust_context

    def create_stack_domain_project(self, stack_id: str) -> str:
        """A project of the stack's own: by it Heat tells the users of stacks apart."""
        return uuid4().hex

    def delete_stack_domain_project(self, project_id: str) -> None:
        """Remove the users that are left in a stack's project."""
        _services().users.delete_project(project_id)

    def create_stack_domain_user(
        self, username: str, project_id: str, password: str | None = None
    ) -> str:
        """A user for one resource of a stack."""
        return _services().users.create(username, project_id, password).id

    def delete_stack_domain_user(self, user_id: str, project_id: str) -> None:
        """Remove a user with its keys."""
        _services().users.delete(user_id)

    def enable_stack_domain_user(self, user_id: str, project_id: str) -> None:
        """Let a user in again."""
        _services().users.enable(user_id, is_enabled=True)

    def disable_stack_domain_user(self, user_id: str, project_id: str) -> None:
        """No longer let a user in."""
        _services().users.enable(user_id, is_enabled=False)

    def create_stack_domain_user_keypair(self, user_id: str, project_id: str) -> Ec2Key:
        """Keys with which a user signs requests."""
        return _services().users.create_key(user_id)

    def delete_stack_domain_user_keypair(
        self, user_id: str, project_id: str, credential_id: str
    ) -> None:
        """Remove a user's keys."""
        _services().users.delete_key(credential_id)

    def stack_domain_user_token(self, user_id: str, project_id: str, password: str) -> str:
        """A token with which a server may signal."""
        holder = _services().users.holder(user_id)
        if holder is None:
            raise exception.AuthorizationFailure
        return _services().tokens.issue(holder=holder)[0]

    def server_keystone_endpoint_url(self, fallback_endpoint: str) -> str:
        """Where servers reach Identity."""
        return f"{_services().gateway_url}/identity/v3"
