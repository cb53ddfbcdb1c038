"""Networking v2.0: policies for the quality of service, and the rules of each.

Source: https://docs.openstack.org/api-ref/network/v2/#qos
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from werkzeug.wrappers import Request, Response

from infraci.local.api.parse import flag, number, text
from infraci.local.api.web import Api, Document, body_of, reply, route
from infraci.local.domain.packet_filters import PacketFilters
from infraci.local.domain.qos_policies import QosPolicies
from infraci.local.domain.records import QosPolicy, QosRule
from infraci.local.domain.store import Store
from infraci.local.errors import InvalidRequestError, NotFoundError

_POLICY: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "name": ("name", text),
    "description": ("description", text),
    "shared": ("shared", flag),
    "is_default": ("is_default", flag),
    "project_id": ("project_id", text),
    "tenant_id": ("project_id", text),
}
#: Of each type of rule: what a client may set, and what it must.
_RULES: Mapping[str, Mapping[str, tuple[str, Callable[[Any], object]]]] = {
    "bandwidth_limit": {
        "max_kbps": ("max_kbps", number),
        "max_burst_kbps": ("max_burst_kbps", number),
        "direction": ("direction", text),
    },
    "dscp_marking": {"dscp_mark": ("dscp_mark", number)},
}
_REQUIRED = {"bandwidth_limit": "max_kbps", "dscp_marking": "dscp_mark"}
_DSCP_MARKS = (0, *range(8, 42, 2), 46, 48, 56)


class QosApi(Api):
    """Below ``/v2.0/qos`` of the network service."""

    def __init__(
        self, store: Store, filters: PacketFilters, is_valid_token: Callable[[str | None], bool]
    ) -> None:
        super().__init__(is_valid_token)
        self._store = store
        self._filters = filters
        self._policies = QosPolicies(store)

    @route("GET", "/rule-types")
    def rule_types(self, request: Request) -> Document:
        """The types of rules there are."""
        return {"rule_types": [{"type": type_} for type_ in _RULES]}

    @route("GET", "/policies")
    def find(self, request: Request) -> Document:
        """The policies that have the values asked for."""
        shown = [self._shown(policy) for policy in self._store.find(QosPolicy)]
        for field, value in request.args.items():
            if field in ("id", "name", "shared", "project_id", "tenant_id"):
                shown = [p for p in shown if str(p[field]).lower() == value.lower()]
        return {"policies": sorted(shown, key=lambda policy: str(policy["name"]))}

    @route("POST", "/policies")
    def create(self, request: Request) -> Response:
        """A new policy, without rules."""
        values = _values(_POLICY, body_of(request, "policy"))
        return reply({"policy": self._shown(self._store.put(QosPolicy(**values)))}, 201)

    @route("GET", "/policies/<id_>")
    def show(self, request: Request, id_: str) -> Document:
        """A policy by its id."""
        return {"policy": self._shown(self._policies.require(QosPolicy, id_))}

    @route("PUT", "/policies/<id_>")
    def update(self, request: Request, id_: str) -> Document:
        """Change a policy."""
        values = _values(_POLICY, body_of(request, "policy"))
        return {"policy": self._shown(self._policies.update(id_, **values))}

    @route("DELETE", "/policies/<id_>")
    def delete(self, request: Request, id_: str) -> None:
        """Remove a policy."""
        self._policies.delete(id_)

    @route("GET", "/policies/<policy_id>/<kind>")
    def find_rules(self, request: Request, policy_id: str, kind: str) -> Document:
        """The rules of a policy that are of a type."""
        type_ = _type_of(kind)
        self._policies.require(QosPolicy, policy_id)
        rules = self._policies.rules(policy_id)
        return {kind: [_rule_to_json(rule) for rule in rules if rule.type == type_]}

    @route("POST", "/policies/<policy_id>/<kind>")
    def create_rule(self, request: Request, policy_id: str, kind: str) -> Response:
        """A new rule of a policy."""
        type_ = _type_of(kind)
        body = body_of(request, f"{type_}_rule")
        if body.get(_REQUIRED[type_]) is None:
            raise InvalidRequestError(
                f"Failed to parse request. Required attribute '{_REQUIRED[type_]}' not specified"
            )
        values = _rule_values(type_, body)
        rule = self._policies.create_rule(QosRule(policy_id=policy_id, type=type_, **values))
        self._filters.refresh()
        return reply({f"{type_}_rule": _rule_to_json(rule)}, 201)

    @route("GET", "/policies/<policy_id>/<kind>/<id_>")
    def show_rule(self, request: Request, policy_id: str, kind: str, id_: str) -> Document:
        """A rule by its id."""
        type_ = _type_of(kind)
        return {f"{type_}_rule": _rule_to_json(self._policies.rule(policy_id, type_, id_))}

    @route("PUT", "/policies/<policy_id>/<kind>/<id_>")
    def update_rule(self, request: Request, policy_id: str, kind: str, id_: str) -> Document:
        """Change a rule."""
        type_ = _type_of(kind)
        values = _rule_values(type_, body_of(request, f"{type_}_rule"))
        rule = self._policies.rule(policy_id, type_, id_)
        changed = self._policies.update_rule(rule, lambda rule: replace(rule, **values))
        self._filters.refresh()
        return {f"{type_}_rule": _rule_to_json(changed)}

    @route("DELETE", "/policies/<policy_id>/<kind>/<id_>")
    def delete_rule(self, request: Request, policy_id: str, kind: str, id_: str) -> None:
        """Remove a rule."""
        self._store.drop(self._policies.rule(policy_id, _type_of(kind), id_))
        self._filters.refresh()

    def _shown(self, policy: QosPolicy) -> Document:
        rules = self._policies.rules(policy.id)
        return {
            "id": policy.id, "name": policy.name, "description": policy.description,
            "shared": policy.shared, "is_default": policy.is_default, "tags": list(policy.tags),
            "project_id": policy.project_id, "tenant_id": policy.project_id,
            "rules": [
                {**_rule_to_json(rule), "type": rule.type, "qos_policy_id": policy.id}
                for rule in rules
            ],
        }  # fmt: skip


def _type_of(kind: str) -> str:
    """The type of rules that a path names, as in ``bandwidth_limit_rules``."""
    type_ = kind.removesuffix("_rules")
    if type_ not in _RULES or type_ == kind:
        raise NotFoundError.of("Collection", kind)
    return type_


def _values(
    fields: Mapping[str, tuple[str, Callable[[Any], object]]], body: Document
) -> dict[str, Any]:
    if unknown := sorted(body.keys() - fields):
        raise InvalidRequestError(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    parsed = {}
    for key, value in body.items():
        name, parse = fields[key]
        if value is not None:
            parsed[name] = parse(value)
    return parsed


def _rule_values(type_: str, body: Document) -> dict[str, Any]:
    others = {"tenant_id": ("project_id", text), "project_id": ("project_id", text)}
    values = _values({**_RULES[type_], **others}, body)
    for name in ("max_kbps", "max_burst_kbps"):
        if values.get(name, 0) < 0:
            raise InvalidRequestError(
                f"Invalid input for {name}. Reason: '{values[name]}' is too small."
            )
    if values.get("direction", "egress") not in ("egress", "ingress"):
        raise InvalidRequestError(
            f"Invalid input for direction. Reason: '{values['direction']}' is not in"
            " ['egress', 'ingress']."
        )
    if values.get("dscp_mark", 0) not in _DSCP_MARKS:
        raise InvalidRequestError(
            f"Invalid input for dscp_mark. Reason: '{values['dscp_mark']}' is not in"
            f" {list(_DSCP_MARKS)}."
        )
    return values


def _rule_to_json(rule: QosRule) -> Document:
    fields = {name: getattr(rule, name) for name, _ in _RULES[rule.type].values()}
    return {"id": rule.id, **fields}
