"""Security groups and their rules. They are kept and shown; nothing enforces them yet."""

from __future__ import annotations

from infraci.local.domain.neutron import Neutron, owned
from infraci.local.domain.store import Document, new_id
from infraci.local.errors import ConflictError


class SecurityGroups(Neutron):
    """Security groups, kept in the store."""

    def default(self) -> Document:
        """The project's security group 'default', made when first asked for."""
        with self.store.locked():
            for group in self.store.find("security_group", name="default"):
                return group
            return self.create({"name": "default", "description": "Default security group"})

    def create(self, wish: Document) -> Document:
        """A security group, with Neutron's own first rules: all egress."""
        group = {
            "id": new_id(),
            **owned(),
            "description": "",
            "tags": [],
            "stateful": True,
            **wish,
        }
        self.store.put("security_group", group)
        for ethertype in ("IPv4", "IPv6"):
            self.create_rule(
                {"security_group_id": group["id"], "direction": "egress", "ethertype": ethertype}
            )
        return group

    def create_rule(self, wish: Document) -> Document:
        """A rule of a security group."""
        self.require("security_group", str(wish.get("security_group_id")))
        rule = {"id": new_id(), **owned(), **_RULE_DEFAULTS, **wish}
        for other in self.store.find("security_group_rule"):
            if all(other.get(k) == rule.get(k) for k in ("security_group_id", *_RULE_IDENTITY)):
                raise ConflictError(
                    f"Security group rule already exists. Rule id is {other['id']}.",
                    neutron_type="SecurityGroupRuleExists",
                )
        return self.store.put("security_group_rule", rule)

    def delete(self, id_: str) -> None:
        """Remove a security group that no port has."""
        self.require("security_group", id_)
        users = [p for p in self.store.find("port") if id_ in p["security_groups"]]
        self.refuse_in_use("SecurityGroup", id_, users)
        for rule in self.store.find("security_group_rule", security_group_id=id_):
            self.store.drop("security_group_rule", rule["id"])
        self.store.drop("security_group", id_)

    def delete_rule(self, id_: str) -> None:
        """Remove a rule of a security group."""
        self.require("security_group_rule", id_)
        self.store.drop("security_group_rule", id_)

    def show(self, group: Document) -> Document:
        """A security group with its rules, as the API shows it."""
        rules = self.store.find("security_group_rule", security_group_id=group["id"])
        return {**group, "security_group_rules": rules}


_RULE_DEFAULTS: Document = {
    "description": "",
    "direction": "ingress",
    "ethertype": "IPv4",
    "protocol": None,
    "port_range_min": None,
    "port_range_max": None,
    "remote_ip_prefix": None,
    "remote_group_id": None,
}
_RULE_IDENTITY = tuple(key for key in _RULE_DEFAULTS if key != "description")
