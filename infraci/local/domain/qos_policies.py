"""Policies for the quality of service, and their rules, by Neutron's rules.

A port has its own policy, or its network's. What a policy says is put into effect with the packet
filters (:mod:`infraci.local.domain.packet_filters`).

Source: neutron/services/qos/qos_plugin.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from infraci.local.domain.neutron import Neutron
from infraci.local.domain.records import Network, Port, QosPolicy, QosRule
from infraci.local.errors import ConflictError, NotFoundError


class QosPolicies(Neutron):
    """Policies and their rules, kept in the store."""

    def rules(self, policy_id: str) -> list[QosRule]:
        """The rules of a policy, always in the same order."""
        rules = self.store.find(QosRule, lambda rule: rule.policy_id == policy_id)
        return sorted(rules, key=lambda rule: (rule.type, rule.direction, rule.id))

    def update(self, id_: str, **values: Any) -> QosPolicy:
        """Change a policy."""
        policy = self.require(QosPolicy, id_)
        return self.store.change(QosPolicy, id_, lambda p: replace(p, **values)) or policy

    def delete(self, id_: str) -> None:
        """Remove a policy that no port and no network has."""
        with self.store.locked():
            policy = self.require(QosPolicy, id_)
            users: list[Network | Port] = [*self.store.find(Network), *self.store.find(Port)]
            for user in users:
                if user.qos_policy_id == id_:
                    raise ConflictError(
                        f"QoS Policy {id_} is used by {user.kind} {user.id}.",
                        neutron_type="QosPolicyInUse",
                    )
            for rule in self.rules(id_):
                self.store.drop(rule)
            self.store.drop(policy)

    def create_rule(self, rule: QosRule) -> QosRule:
        """Add a rule to its policy, which has one of a type and a direction at most."""
        with self.store.locked():
            self.require(QosPolicy, rule.policy_id)
            return self.store.put(self._validated(rule))

    def rule(self, policy_id: str, type_: str, id_: str) -> QosRule:
        """A rule of a policy; raises NotFoundError when it is not there."""
        rule = self.store.get(QosRule, id_)
        if rule is None or (rule.policy_id, rule.type) != (policy_id, type_):
            raise NotFoundError(
                f"QoS rule {id_} for policy {policy_id} could not be found.",
                neutron_type="QosRuleNotFound",
            )
        return rule

    def update_rule(self, rule: QosRule, change: Callable[[QosRule], QosRule]) -> QosRule:
        """Change a rule."""
        with self.store.locked():
            return self.store.put(self._validated(change(rule)))

    def _validated(self, rule: QosRule) -> QosRule:
        for other in self.rules(rule.policy_id):
            is_same = (other.type, other.direction) == (rule.type, rule.direction)
            if is_same and other.id != rule.id:
                raise ConflictError(
                    f"Rule {rule.type} conflicts with rule {other.id} which already exists in QoS"
                    f" Policy {rule.policy_id}.",
                    neutron_type="QoSRulesConflict",
                )
        return rule
