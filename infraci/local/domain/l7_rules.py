"""What Octavia refuses of L7 policies and their rules, and the order of policies.

Source of rules and messages: octavia/common/validate.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from infraci.local.domain.balancer_graph import BalancerGraph
from infraci.local.domain.balancer_records import BalancerListener, L7Policy, L7Rule
from infraci.local.domain.balancer_rules import unsupported
from infraci.local.errors import ConflictError, InvalidRequestError, UnsupportedError
from infraci.local.host.haproxy_config import is_plain

_MOST_RULES = 50
_REDIRECT_CODE = 302
_HEADER_NAME = re.compile(r"[a-zA-Z0-9!#$%&'*+-.^_`|~]+")
_COOKIE_VALUE = re.compile(r"[a-zA-Z0-9!#$%&'()*+-./:<=>?@\[\]^_`{|}~]+")
_HEADER_VALUE = re.compile(r"[a-zA-Z0-9!\"#$%&'()*+,-./:;<=>?@\[\]^_`{|}~\\]+")
_QUOTED_VALUE = re.compile(r"\"[a-zA-Z0-9 \t!\"#$%&'()*+,-./:;<=>?@\[\]^_`{|}~\\]*\"")


def with_action(values: Mapping[str, Any]) -> dict[str, Any]:
    """A change of a policy, with the action that what it sets is for."""
    actions = {
        "redirect_pool_id": "REDIRECT_TO_POOL",
        "redirect_url": "REDIRECT_TO_URL",
        "redirect_prefix": "REDIRECT_PREFIX",
    }
    meant = [action for name, action in actions.items() if values.get(name)]
    if len(meant) > 1:
        raise InvalidRequestError(
            "Invalid L7 Policy arguments: Cannot specify redirect_pool_id and redirect_url or"
            " redirect_prefix at the same time"
        )
    return {**values, "action": meant[0]} if meant else dict(values)


def validate_policy(listener: BalancerListener, policy: L7Policy) -> L7Policy:
    """The policy, with what its action needs and nothing else. Raises RequestError."""
    if listener.protocol != "HTTP":
        raise UnsupportedError(
            "Provider 'amphora' does not support a requested option:"
            f" {listener.protocol} protocol listeners do not support L7 policies"
        )
    url, prefix, pool = policy.redirect_url, policy.redirect_prefix, policy.redirect_pool_id
    match policy.action:
        case "REJECT":
            url = prefix = pool = None
        case "REDIRECT_TO_URL":
            prefix = pool = None
            _require(url, "redirect_url must not be None")
        case "REDIRECT_PREFIX":
            url = pool = None
            _require(prefix, "redirect_prefix must not be None")
        case _:
            url = prefix = None
            _require(pool, "redirect_pool_id or redirect_pool must not be None")
    code = (policy.redirect_http_code or _REDIRECT_CODE) if url or prefix else None
    return replace(
        policy,
        redirect_url=url,
        redirect_prefix=prefix,
        redirect_pool_id=pool,
        redirect_http_code=code,
    )


def _require(value: str | None, message: str) -> None:
    if not value:
        raise InvalidRequestError(f"Invalid L7 Policy arguments: {message}")


def positioned(policies: Sequence[L7Policy], policy: L7Policy) -> list[L7Policy]:
    """The policies of a listener with one more, or one moved, in their order from 1 on."""
    others = [other for other in policies if other.id != policy.id]
    others.insert(policy.position - 1, policy)
    return [replace(each, position=number) for number, each in enumerate(others, start=1)]


def validate_rule(graph: BalancerGraph, rule: L7Rule) -> None:
    """Raise RequestError as Octavia does for such a rule of a policy."""
    others = [other for other in graph.rules_of(rule.l7policy_id) if other.id != rule.id]
    if len(others) >= _MOST_RULES:
        raise ConflictError(f"Too many rules on L7 policy {rule.l7policy_id}")
    if rule.type.startswith("SSL_"):
        raise unsupported(f"there are no {rule.type} rules: no listener ends TLS")
    if complaint := _complaint(rule):
        raise InvalidRequestError(f"Error parsing L7Rule: {complaint}")
    if rule.type in ("HEADER", "COOKIE") and not is_plain(rule.key or ""):
        raise unsupported("haproxy cannot look for a name with such characters")


def _complaint(rule: L7Rule) -> str:
    if not rule.value:
        return "Invalid L7 Rule: L7 rule type requires a value"
    if rule.type in ("HEADER", "COOKIE"):
        if not rule.key:
            return "Invalid L7 Rule: L7 rule type requires a key"
        if not _HEADER_NAME.fullmatch(rule.key):
            return "Invalid characters in key"
    if rule.compare_type == "REGEX":
        return _bad_regex(rule.value)
    if rule.type == "FILE_TYPE" and rule.compare_type != "EQUAL_TO":
        return "Invalid L7 Rule: invalid comparison type for rule type"
    if rule.type == "COOKIE":
        return "" if _COOKIE_VALUE.fullmatch(rule.value) else "Invalid characters in cookie value"
    what = "header value" if rule.type == "HEADER" else "comparison value"
    is_fit = _HEADER_VALUE.fullmatch(rule.value) or _QUOTED_VALUE.fullmatch(rule.value)
    return "" if is_fit else f"Invalid characters in {what}"


def _bad_regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"Unable to parse regular expression: {error}"
    return ""
