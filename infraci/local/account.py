"""The one account of the embedded cloud: its user, project and roles; and whom a token is for."""

from __future__ import annotations

from dataclasses import dataclass

USER = "infraci"
USER_ID = "1f7ac1000000400080000000000000bb"
PROJECT = "infraci"
PROJECT_ID = "1f7ac1000000400080000000000000aa"
ROLES = ("admin", "member", "reader")
REGION = "local"
ZONE = "nova"
#: Where Heat validates templates for clouds that are not asked; it has no other service.
ANY_CLOUD = "any-cloud"
#: The one role of the users that Heat makes for a stack's servers.
STACK_USER_ROLE = "heat_stack_user"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHolder:
    """Whom a token is for: a user, in a project, with roles."""

    user_id: str
    user: str
    project_id: str
    project: str
    roles: tuple[str, ...]

    @property
    def is_stack_user(self) -> bool:
        """Whether this is a user of a stack's servers, and not the account's."""
        return STACK_USER_ROLE in self.roles


ACCOUNT = TokenHolder(
    user_id=USER_ID, user=USER, project_id=PROJECT_ID, project=PROJECT, roles=ROLES
)


def stack_user(*, user_id: str, user: str, project_id: str) -> TokenHolder:
    """A user that Heat made for a stack's servers."""
    return TokenHolder(
        user_id=user_id,
        user=user,
        project_id=project_id,
        project=project_id,
        roles=(STACK_USER_ROLE,),
    )
