"""The quality of service of ports, as limits and marks of their packets.

Source: neutron/agent/linux/tc_lib.py (what a burst is where none is given)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infraci.local.domain.neutron import TRUSTED
from infraci.local.domain.records import Network, Port, QosRule
from infraci.local.domain.store import Store
from infraci.local.host.port_filter import RateLimit

_BYTES_PER_KILOBIT = 125
#: Without a burst, this share of what may pass in a second.
_BURST_SHARE = 0.8
#: Two segments as the kernel hands them over (generic segmentation offload): a smaller burst would
#: let none of them pass.
_BURST_MIN_BYTES = 2 * 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class PortQuality:
    """What is special of a port's packets."""

    send_limit: RateLimit | None = None
    receive_limit: RateLimit | None = None
    dscp: int | None = None


def port_qualities(store: Store, ports: Iterable[Port]) -> Mapping[str, PortQuality]:
    """Return the quality of each port that has a policy, its own or its network's, by id."""
    with store.locked():
        of_network = {network.id: network.qos_policy_id for network in store.find(Network)}
        by_policy: dict[str, list[QosRule]] = {}
        for rule in store.find(QosRule):
            by_policy.setdefault(rule.policy_id, []).append(rule)
    qualities = {}
    for port in ports:
        inherited = None if port.device_owner.startswith(TRUSTED) else of_network[port.network_id]
        policy_id = port.qos_policy_id or inherited
        if policy_id in by_policy:
            qualities[port.id] = _quality(by_policy[policy_id])
    return qualities


def _quality(rules: Iterable[QosRule]) -> PortQuality:
    limits = {rule.direction: _limit(rule) for rule in rules if rule.type == "bandwidth_limit"}
    marks = [rule.dscp_mark for rule in rules if rule.type == "dscp_marking"]
    return PortQuality(
        send_limit=limits.get("egress"),
        receive_limit=limits.get("ingress"),
        dscp=marks[0] if marks else None,
    )


def _limit(rule: QosRule) -> RateLimit | None:
    if not rule.max_kbps:  # no limit, as Neutron's agents take it
        return None
    burst_kbit = rule.max_burst_kbps or int(rule.max_kbps * _BURST_SHARE)
    return RateLimit(
        bytes_per_s=rule.max_kbps * _BYTES_PER_KILOBIT,
        burst_bytes=max(burst_kbit * _BYTES_PER_KILOBIT, _BURST_MIN_BYTES),
    )
