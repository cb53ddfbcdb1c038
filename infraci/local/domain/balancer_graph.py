"""A load balancer with all that it is made of, at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from infraci.local.domain.balancer_records import (
    BalancerListener,
    BalancerPart,
    BalancerPool,
    HealthMonitor,
    L7Policy,
    L7Rule,
    LoadBalancer,
    Member,
    OctaviaRecord,
)
from infraci.local.domain.store import Store

_Part = TypeVar("_Part", bound=BalancerPart)


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerGraph:
    """A load balancer and its parts, each kind in the order in which they were made."""

    balancer: LoadBalancer
    listeners: tuple[BalancerListener, ...] = ()
    pools: tuple[BalancerPool, ...] = ()
    members: tuple[Member, ...] = ()
    monitors: tuple[HealthMonitor, ...] = ()
    #: In the order of their positions.
    policies: tuple[L7Policy, ...] = ()
    rules: tuple[L7Rule, ...] = ()

    def all(self) -> Iterator[OctaviaRecord]:
        """The balancer and its parts."""
        yield self.balancer
        yield from chain(self.rules, self.policies, self.listeners, self.monitors, self.members)
        yield from self.pools

    def policies_of(self, listener_id: str) -> tuple[L7Policy, ...]:
        """The policies of a listener, in their order."""
        return tuple(policy for policy in self.policies if policy.listener_id == listener_id)

    def rules_of(self, policy_id: str) -> tuple[L7Rule, ...]:
        """The rules of a policy."""
        return tuple(rule for rule in self.rules if rule.l7policy_id == policy_id)

    def members_of(self, pool_id: str) -> tuple[Member, ...]:
        """The members of a pool."""
        return tuple(member for member in self.members if member.pool_id == pool_id)

    def monitor_of(self, pool_id: str) -> HealthMonitor | None:
        """The health monitor of a pool, if it has one."""
        return next((one for one in self.monitors if one.pool_id == pool_id), None)

    def pools_of(self, listener: BalancerListener) -> tuple[BalancerPool, ...]:
        """The pools that a listener uses: its default, and those of its policies."""
        policies = self.policies_of(listener.id)
        used = {listener.default_pool_id} | {policy.redirect_pool_id for policy in policies}
        return tuple(pool for pool in self.pools if pool.id in used)

    def listeners_of(self, pool: BalancerPool) -> tuple[BalancerListener, ...]:
        """The listeners that use a pool."""
        return tuple(one for one in self.listeners if pool in self.pools_of(one))


def graph_of(store: Store, balancer: LoadBalancer) -> BalancerGraph:
    """Return a balancer with its parts as they are now."""

    def parts(kind: type[_Part]) -> tuple[_Part, ...]:
        inside = store.find(kind, lambda part: part.loadbalancer_id == balancer.id)
        return tuple(sorted(inside, key=lambda part: part.created_at))

    with store.locked():
        return BalancerGraph(
            balancer=store.get(LoadBalancer, balancer.id) or balancer,
            listeners=parts(BalancerListener),
            pools=parts(BalancerPool),
            members=parts(Member),
            monitors=parts(HealthMonitor),
            policies=tuple(sorted(parts(L7Policy), key=lambda policy: policy.position)),
            rules=parts(L7Rule),
        )
