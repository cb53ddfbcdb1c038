"""Creates and removes security groups and their rules, which nothing enforces yet."""

from __future__ import annotations

from infraci.local.domain.neutron import Neutron
from infraci.local.domain.records import Port, SecurityGroup, SecurityGroupRule
from infraci.local.errors import ConflictError


class SecurityGroups(Neutron):
    """Security groups, kept in the store."""

    def default(self) -> SecurityGroup:
        """The project's security group 'default', made when first needed."""
        with self.store.locked():
            for group in self.store.find(SecurityGroup, lambda group: group.name == "default"):
                return group
            return self.create(SecurityGroup(name="default", description="Default security group"))

    def create(self, group: SecurityGroup) -> SecurityGroup:
        """Add a security group, with Neutron's own first rules: all egress."""
        self.store.put(group)
        for ethertype in ("IPv4", "IPv6"):
            self.create_rule(
                SecurityGroupRule(
                    security_group_id=group.id, direction="egress", ethertype=ethertype
                )
            )
        return group

    def create_rule(self, rule: SecurityGroupRule) -> SecurityGroupRule:
        """Add a rule to its security group."""
        self.require(SecurityGroup, rule.security_group_id)
        for other in self.store.find(SecurityGroupRule):
            if _identity(other) == _identity(rule):
                raise ConflictError(
                    f"Security group rule already exists. Rule id is {other.id}.",
                    neutron_type="SecurityGroupRuleExists",
                )
        return self.store.put(rule)

    def delete(self, id_: str) -> None:
        """Remove a security group that no port has."""
        group = self.require(SecurityGroup, id_)
        self.refuse_in_use(group, self.store.find(Port, lambda port: id_ in port.security_groups))
        for rule in self.rules(id_):
            self.store.drop(rule)
        self.store.drop(group)

    def delete_rule(self, id_: str) -> None:
        """Remove a rule of a security group."""
        self.store.drop(self.require(SecurityGroupRule, id_))

    def rules(self, id_: str) -> list[SecurityGroupRule]:
        """The rules of a security group."""
        return self.store.find(SecurityGroupRule, lambda rule: rule.security_group_id == id_)


def _identity(rule: SecurityGroupRule) -> tuple[str | int | None, ...]:
    """What no two rules may have in common."""
    return (
        *(rule.security_group_id, rule.direction, rule.ethertype, rule.protocol),
        *(rule.port_range_min, rule.port_range_max),
        *(rule.remote_ip_prefix, rule.remote_group_id),
    )
