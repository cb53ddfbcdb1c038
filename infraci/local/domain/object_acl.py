"""Access control lists of containers: referrers, and users by project, name and role.

Source: https://docs.openstack.org/swift/latest/overview_acl.html
"""

from __future__ import annotations

from urllib.parse import urlsplit

from infraci.local.account import PROJECT_ID, TokenHolder
from infraci.local.errors import InvalidRequestError

_REFERRERS = (".r", ".ref", ".referer", ".referrer")
#: The roles that own the account of their project.
_OWNERS = frozenset({"admin", "swiftoperator"})


def clean_acl(header: str, acl: str) -> str:
    """An access control list as Swift keeps it. Raises InvalidRequestError."""
    return ",".join(_clean(header, part) for part in map(str.strip, acl.split(",")) if part)


def _clean(header: str, part: str) -> str:
    designator, colon, value = (word.strip() for word in part.partition(":"))
    if not colon or not part.startswith("."):
        return part
    if designator not in _REFERRERS:
        raise InvalidRequestError(f"Unknown designator {designator!r} in ACL: {part!r}")
    if header.endswith("write"):
        raise InvalidRequestError(f"Referrers not allowed in write ACL: {part!r}")
    sign = "-" * value.startswith("-")
    host = value.removeprefix("-").strip()
    host = host[1:].strip() if host.startswith("*") and host != "*" else host
    if host in ("", "."):
        raise InvalidRequestError(f"No host/domain value after referrer designator: {part!r}")
    return f".r:{sign}{host}"


def owns_account(holder: TokenHolder | None) -> bool:
    """Whether a user may do all in the account of the cloud's project."""
    return (
        holder is not None and holder.project_id == PROJECT_ID and bool(_OWNERS & set(holder.roles))
    )


def allows_referrer(acl: str, referrer: str, *, listing: bool) -> bool:
    """Whether a list lets in all who come from a page; ``listing`` for a list of names."""
    parts = acl.split(",")
    if listing and ".rlistings" not in parts:
        return False
    host = _host(referrer)
    is_allowed = False
    for part in parts:
        if not part.startswith(".r:"):
            continue
        pattern = part.removeprefix(".r:")
        is_refusal, pattern = pattern.startswith("-"), pattern.removeprefix("-")
        if pattern in ("*", host) or (pattern.startswith(".") and host.endswith(pattern)):
            is_allowed = not is_refusal
    return is_allowed


def _host(referrer: str) -> str:
    try:
        return urlsplit(referrer).hostname or "unknown"
    except ValueError:
        return "unknown"


def allows_user(acl: str, holder: TokenHolder | None) -> bool:
    """Whether a list names a user."""
    if holder is None:
        return False
    projects = ("*", holder.project_id, holder.project)
    users = ("*", holder.user_id, holder.user)
    names = {f"{project}:{user}" for project in projects for user in users} | set(holder.roles)
    return bool(names & set(acl.split(",")))
