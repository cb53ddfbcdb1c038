"""Creates, changes and removes security groups and their rules, as Neutron does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from infraci.local.domain.neutron import Neutron
from infraci.local.domain.records import Port, SecurityGroup, SecurityGroupRule
from infraci.local.domain.security_rules import canonical, identity
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError, InvalidRequestError

DEFAULT = "default"
_ETHERTYPES = ("IPv4", "IPv6")
#: By their description the rules are known that open the default group.
_OPENED = "opened by the embedded cloud (INFRACI_CLOUD_DEFAULT_GROUP)"


class SecurityGroups(Neutron):
    """Security groups, kept in the store."""

    def __init__(self, store: Store, *, is_default_open: bool = False) -> None:
        """``is_default_open`` is whether the group `default` lets in SSH and ping from anywhere.

        The project's owner opens it so on most clouds; Neutron by itself does not.
        """
        super().__init__(store)
        group = self.default()
        if group.is_open != is_default_open:
            self._open(group) if is_default_open else self._close(group)
            self.store.put(replace(group, is_open=is_default_open))

    def _open(self, group: SecurityGroup) -> None:
        for ethertype in _ETHERTYPES:
            for protocol, port in (("icmp", None), ("tcp", 22)):
                self._add(
                    SecurityGroupRule(
                        security_group_id=group.id,
                        ethertype=ethertype,
                        protocol=protocol,
                        port_range_min=port,
                        port_range_max=port,
                        description=_OPENED,
                    )
                )

    def _close(self, group: SecurityGroup) -> None:
        for rule in self.rules(group.id):
            if rule.description == _OPENED:
                self.store.drop(rule)

    def default(self) -> SecurityGroup:
        """The project's security group 'default', made when first needed."""
        with self.store.locked():
            for group in self.store.find(SecurityGroup, lambda group: group.name == DEFAULT):
                return group
            group = self._create(SecurityGroup(name=DEFAULT, description="Default security group"))
            for ethertype in _ETHERTYPES:
                self._add(
                    SecurityGroupRule(
                        security_group_id=group.id, ethertype=ethertype, remote_group_id=group.id
                    )
                )
            return group

    def create(self, group: SecurityGroup) -> SecurityGroup:
        """Add a security group, with Neutron's own first rules: all egress."""
        if group.name.lower() == DEFAULT:
            raise ConflictError(
                "Default security group already exists.",
                neutron_type="SecurityGroupDefaultAlreadyExists",
            )
        return self._create(group)

    def _create(self, group: SecurityGroup) -> SecurityGroup:
        self.store.put(group)
        for ethertype in _ETHERTYPES:
            self._add(
                SecurityGroupRule(
                    security_group_id=group.id, direction="egress", ethertype=ethertype
                )
            )
        return group

    def update(self, id_: str, change: Callable[[SecurityGroup], SecurityGroup]) -> SecurityGroup:
        """Change a security group; whether it is stateful only while no port has it."""
        with self.store.locked():
            group = self.require(SecurityGroup, id_)
            changed = change(group)
            if group.name == DEFAULT and changed.name != DEFAULT:
                raise ConflictError(
                    "Updating default security group not allowed.",
                    neutron_type="SecurityGroupCannotUpdateDefault",
                )
            if changed.stateful != group.stateful:
                self._refuse_used(id_)
            return self.store.put(changed)

    def create_rule(self, rule: SecurityGroupRule) -> SecurityGroupRule:
        """Add a rule to its security group."""
        rule = canonical(rule)
        with self.store.locked():
            self.require(SecurityGroup, rule.security_group_id)
            if rule.remote_group_id:
                self.require(SecurityGroup, rule.remote_group_id)
            for other in self.store.find(SecurityGroupRule):
                if identity(other) == identity(rule):
                    raise ConflictError(
                        f"Security group rule already exists. Rule id is {other.id}.",
                        neutron_type="SecurityGroupRuleExists",
                    )
            return self.store.put(rule)

    def _add(self, rule: SecurityGroupRule) -> None:
        self.store.put(canonical(rule))

    def delete(self, id_: str) -> None:
        """Remove a security group that no port has, and the rules that name it."""
        with self.store.locked():
            group = self.require(SecurityGroup, id_)
            self._refuse_used(id_)
            if group.name == DEFAULT:
                raise ConflictError(
                    "Insufficient rights for removing default security group.",
                    neutron_type="SecurityGroupCannotRemoveDefault",
                )
            for rule in self.store.find(SecurityGroupRule):
                if id_ in (rule.security_group_id, rule.remote_group_id):
                    self.store.drop(rule)
            self.store.drop(group)

    def _refuse_used(self, id_: str) -> None:
        if self.store.find(Port, lambda port: id_ in port.security_groups):
            raise ConflictError(f"Security Group {id_} in use.", neutron_type="SecurityGroupInUse")

    def delete_rule(self, id_: str) -> None:
        """Remove a rule of a security group."""
        self.store.drop(self.require(SecurityGroupRule, id_))

    def rules(self, id_: str) -> list[SecurityGroupRule]:
        """The rules of a security group."""
        return self.store.find(SecurityGroupRule, lambda rule: rule.security_group_id == id_)

    def validate_port(self, port: Port) -> None:
        """Raise RequestError for guards of a port that Neutron would refuse together."""
        groups = [self.require(SecurityGroup, id_) for id_ in port.security_groups]
        if len({group.stateful for group in groups}) > 1:
            raise ConflictError(
                "Error Cannot apply both stateful and stateless security groups on the same port"
                " at the same time while attempting the operation.",
                neutron_type="SecurityGroupConflict",
            )
        if not port.port_security_enabled and port.allowed_address_pairs:
            raise ConflictError(
                "Port Security must be enabled in order to have allowed address pairs on a port.",
                neutron_type="AddressPairAndPortSecurityRequired",
            )
        if not port.port_security_enabled and groups:
            raise InvalidRequestError(
                "Port security must be enabled and port must have an IP address in order to use"
                " security groups.",
                neutron_type="PortSecurityAndIPRequiredForSecurityGroups",
            )
