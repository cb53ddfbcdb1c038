"""The one account of the embedded cloud: its user, project and roles."""

from __future__ import annotations

USER = "infraci"
USER_ID = "1f7ac1000000400080000000000000bb"
PROJECT = "infraci"
PROJECT_ID = "1f7ac1000000400080000000000000aa"
ROLES = ("admin", "member", "reader")
REGION = "local"
ZONE = "nova"
#: Where Heat judges templates for clouds that are not asked; it has no other service.
ANY_CLOUD = "any-cloud"
