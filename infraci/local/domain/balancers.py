"""Creates, changes and removes load balancers and their parts, as Octavia does.

Only one change of a balancer is under way at a time: it and what is concerned are pending until the
host has put the change into effect, and whoever asks for another one meanwhile is refused.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar, cast

from infraci.local.domain.balancer_graph import BalancerGraph, graph_of
from infraci.local.domain.balancer_health import Totals, statuses_of, totals_of
from infraci.local.domain.balancer_plans import plan_of
from infraci.local.domain.balancer_ports import BalancerPorts, VipRequest
from infraci.local.domain.balancer_records import (
    ACTIVE,
    ERROR,
    PENDING_DELETE,
    PENDING_UPDATE,
    AnyOctaviaRecord,
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
from infraci.local.domain.balancer_rules import (
    failure,
    validate_listener,
    validate_member,
    validate_monitor,
    validate_pair,
    validate_pool,
)
from infraci.local.domain.l7_rules import positioned, validate_policy, validate_rule
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError, NotFoundError
from infraci.local.host.host_interface import BalancerHost

LOG = logging.getLogger(__name__)

_DELETABLE = (ACTIVE, ERROR)
_AnyPart = TypeVar("_AnyPart", bound=BalancerPart)


class Balancers:
    """Octavia's load balancers, kept in the store and run on the host."""

    def __init__(
        self,
        store: Store,
        ports: BalancerPorts,
        host: BalancerHost,
        *,
        labels_of: Callable[[str], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self._store = store
        self._ports = ports
        self._host = host
        self._labels_of = labels_of
        # What is done with one balancer is done in turn.
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._changing: dict[str, str] = {}  # of each balancer, what was changed last

    # What there is

    def all(self, kind: type[AnyOctaviaRecord]) -> list[AnyOctaviaRecord]:
        """Return the records of a kind."""
        return sorted(self._store.find(kind), key=lambda record: record.created_at)

    def require(self, kind: type[AnyOctaviaRecord], id_: str) -> AnyOctaviaRecord:
        """Return a record; raises NotFoundError."""
        record = self._store.get(kind, id_)
        if record is None:
            raise NotFoundError(f"{kind.noun} {id_} not found.")
        return record

    def graph(self, balancer_id: str) -> BalancerGraph:
        """Return a balancer with its parts; raises NotFoundError."""
        return graph_of(self._store, self.require(LoadBalancer, balancer_id))

    def statuses(self, graph: BalancerGraph) -> Mapping[str, str]:
        """Return the operating statuses of a balancer and its parts, by their ids."""
        return statuses_of(graph, self._host.balancer_stats(graph.balancer.id))

    def totals(self, balancer_id: str, listener_id: str = "") -> Totals:
        """Return what went through a balancer, or through one of its listeners."""
        graph = self.graph(balancer_id)
        listeners = tuple(one for one in graph.listeners if listener_id in ("", one.id))
        return totals_of(listeners, self._host.balancer_stats(balancer_id))

    # Load balancers

    def create(self, balancer: LoadBalancer, vip: VipRequest) -> LoadBalancer:
        """Accept a new balancer; it is made in the background."""
        self._host.check_balancers()
        with self._store.locked():
            # It is known before anything is made for it, so that nothing is lost with this process.
            owns_port = vip.port_id is None
            balancer = self._store.put(replace(balancer, owns_port=owns_port, created_at=_now()))
            try:
                balancer = self._store.put(self._ports.claim(balancer, vip))
            except Exception:
                self._store.drop(balancer)
                raise
        self._in_background(balancer.id)
        return balancer

    def delete(self, id_: str, *, cascade: bool) -> None:
        """Remove a balancer in the background; its parts too, with ``cascade``."""
        with self._store.locked():
            graph = self.graph(id_)
            if (graph.listeners or graph.pools) and not cascade:
                raise failure(f"Cannot delete Load Balancer {id_} - it has children")
            if graph.balancer.provisioning_status not in _DELETABLE:
                raise _pending(graph.balancer)
            for record in graph.all():
                self._store.put(replace(record, provisioning_status=PENDING_DELETE))
        self._in_background(id_)

    # Changes of parts

    def add(self, part: _AnyPart) -> _AnyPart:
        """Accept a new part of a balancer; it takes effect in the background."""
        with self._store.locked():
            graph = self.graph(part.balancer_id)
            validated = cast(_AnyPart, self._validated(graph, part))
            self._begin(graph, validated)
            self._put(graph, replace(validated, created_at=_now()))
            added = self.require(type(validated), validated.id)
        self._in_background(added.balancer_id)
        return added

    def change(
        self,
        kind: type[AnyOctaviaRecord],
        id_: str,
        change: Callable[[AnyOctaviaRecord], AnyOctaviaRecord],
    ) -> AnyOctaviaRecord:
        """Accept a change of a balancer or a part; it takes effect in the background."""
        with self._store.locked():
            record = change(self.require(kind, id_))
            graph = self.graph(record.balancer_id)
            validated = cast(AnyOctaviaRecord, self._validated(graph, record))
            self._begin(graph, validated)
            self._changing[record.balancer_id] = id_
            self._put(
                graph, replace(validated, provisioning_status=PENDING_UPDATE, updated_at=_now())
            )
            changed = self.require(kind, id_)
        self._in_background(changed.balancer_id)
        return changed

    def remove(self, kind: type[_AnyPart], id_: str) -> None:
        """Remove a part of a balancer, and what it is made of, in the background."""
        with self._store.locked():
            part = self.require(kind, id_)
            graph = self.graph(part.balancer_id)
            if isinstance(part, BalancerPool):
                self._refuse_used(graph, part)
            self._begin(graph, part)
            parts: list[BalancerPart] = [part, *_inside(graph, part)]
            for each in parts:
                self._store.put(replace(each, provisioning_status=PENDING_DELETE))
        self._in_background(part.balancer_id)

    def _refuse_used(self, graph: BalancerGraph, pool: BalancerPool) -> None:
        for policy in graph.policies:
            if policy.redirect_pool_id == pool.id:
                raise ConflictError(f"Pool {pool.id} is in use by L7 policy {policy.id}")

    def set_default_pool(self, listener_id: str, pool: BalancerPool) -> BalancerPool:
        """Add a pool as the default of a listener that has none yet."""
        with self._store.locked():
            listener = self.require(BalancerListener, listener_id)
            if listener.default_pool_id:
                raise ConflictError("This listener already has a default pool")
            validate_pool(pool)
            validate_pair(listener, pool)
            added = self.add(replace(pool, loadbalancer_id=listener.loadbalancer_id))
            # The background waits for the lock: it sees both.
            self._store.put(
                replace(
                    self.require(BalancerListener, listener_id),
                    default_pool_id=added.id,
                    provisioning_status=PENDING_UPDATE,
                )
            )
            return added

    def _validated(self, graph: BalancerGraph, record: OctaviaRecord) -> OctaviaRecord:
        """The record, complete. Raises RequestError as Octavia does."""
        match record:
            case BalancerListener():
                validate_listener(graph, record)
                if record.default_pool_id:
                    validate_pair(record, self._pool_of(graph, record.default_pool_id))
            case BalancerPool():
                validate_pool(record)
            case Member():
                validate_member(graph, record)
                self._ports.require_subnet(record.subnet_id)
            case HealthMonitor():
                return validate_monitor(graph, record)
            case L7Policy():
                listener = self.require(BalancerListener, record.listener_id)
                policy = validate_policy(listener, record)
                if policy.redirect_pool_id:
                    validate_pair(listener, self._pool_of(graph, policy.redirect_pool_id))
                return policy
            case L7Rule():
                validate_rule(graph, record)
        return record

    def _pool_of(self, graph: BalancerGraph, id_: str) -> BalancerPool:
        for pool in graph.pools:
            if pool.id == id_:
                return pool
        raise NotFoundError(f"Pool {id_} not found.")

    def _begin(self, graph: BalancerGraph, record: OctaviaRecord) -> None:
        """Make a balancer, and what a change of one part concerns, pending; or refuse it."""
        parents = _concerned(graph, record)
        for parent in parents:
            if isinstance(parent, BalancerPool) and parent.provisioning_status != ACTIVE:
                raise _immutable(parent)
        balancer = graph.balancer
        if balancer.provisioning_status != ACTIVE and record.id == balancer.id:
            raise _pending(balancer)
        if balancer.provisioning_status != ACTIVE:
            raise _immutable(balancer)
        for each in (balancer, *parents):
            self._store.put(replace(each, provisioning_status=PENDING_UPDATE))

    def _put(self, graph: BalancerGraph, record: OctaviaRecord) -> None:
        """Keep a record; a policy pushes those behind it further back."""
        if isinstance(record, L7Policy):
            for policy in positioned(graph.policies_of(record.listener_id), record):
                self._store.put(policy)
        else:
            self._store.put(record)

    # In the background

    def _in_background(self, id_: str) -> None:
        threading.Thread(
            target=self.put_into_effect, args=(id_,), name=f"balancer-{id_}", daemon=True
        ).start()

    def put_into_effect(self, id_: str) -> None:
        """Have the host do what the records of a balancer say, then say that it does."""
        with self._turns[id_]:
            if self._store.get(LoadBalancer, id_):
                self._apply(self.graph(id_))
            if self._store.get(LoadBalancer, id_) is None:
                self._turns.pop(id_, None)
                self._changing.pop(id_, None)

    def _apply(self, graph: BalancerGraph) -> None:
        id_ = graph.balancer.id
        try:
            if graph.balancer.is_there:
                self._balance(graph)
            else:
                self._host.remove_balancer(id_)
                self._ports.release(graph.balancer)
        except Exception:
            LOG.exception("cannot put load balancer %s into effect", id_)
            self._settle(graph, is_done=False)
        else:
            self._settle(graph, is_done=True)

    def _balance(self, graph: BalancerGraph) -> None:
        nics = self._ports.nics(graph)
        self._host.balance(plan_of(graph), nics, self._labels_of(graph.balancer.id))
        self._ports.guard(graph)

    def _settle(self, graph: BalancerGraph, *, is_done: bool) -> None:
        """Say what became of all that was pending."""
        with self._store.locked():
            for before in graph.all():
                record = self._store.get(type(before), before.id)
                is_same = record and record.provisioning_status == before.provisioning_status
                if record is None or not is_same or not _is_pending(record):
                    continue  # or it is being changed once more
                if record.provisioning_status == PENDING_DELETE and is_done:
                    self._forget(record)
                else:
                    status = ACTIVE if is_done or self._is_untouched(record) else ERROR
                    self._store.put(replace(record, provisioning_status=status))

    def _is_untouched(self, record: OctaviaRecord) -> bool:
        """Whether the pending change was to a part of the record, not to the record itself."""
        is_changing = self._changing.get(record.balancer_id) == record.id
        return record.provisioning_status == PENDING_UPDATE and not is_changing

    def _forget(self, record: OctaviaRecord) -> None:
        self._store.drop(record)
        if isinstance(record, L7Policy):
            policies = self._store.find(
                L7Policy, lambda policy: policy.listener_id == record.listener_id
            )
            policies.sort(key=lambda policy: policy.position)
            for number, policy in enumerate(policies, start=1):
                self._store.put(replace(policy, position=number))
        if isinstance(record, BalancerPool):
            for listener in self._store.find(
                BalancerListener, lambda listener: listener.default_pool_id == record.id
            ):
                self._store.put(replace(listener, default_pool_id=None))

    def watch(self) -> None:
        """Start haproxy again where it has ended by itself."""
        for id_ in self._host.ended_balancers():
            balancer = self._store.get(LoadBalancer, id_)
            if balancer is not None and balancer.provisioning_status == ACTIVE:
                LOG.warning("haproxy of load balancer %s has ended; starting it again", id_)
                self.put_into_effect(id_)

    def take_over(self) -> None:
        """Put all balancers into effect: an earlier process, or the machine, may have ended."""
        for balancer in self._store.find(LoadBalancer):
            if not balancer.vip_port_id:  # its client never learnt of it
                self._store.put(replace(balancer, provisioning_status=PENDING_DELETE))
            if balancer.provisioning_status != ERROR:
                self.put_into_effect(balancer.id)


def _inside(graph: BalancerGraph, part: BalancerPart) -> Iterable[BalancerPart]:
    """What goes with a part."""
    match part:
        case BalancerListener():
            policies = graph.policies_of(part.id)
            return (*policies, *(rule for each in policies for rule in graph.rules_of(each.id)))
        case L7Policy():
            return graph.rules_of(part.id)
        case BalancerPool():
            monitor = graph.monitor_of(part.id)
            return (*graph.members_of(part.id), *((monitor,) if monitor else ()))
    return ()


def _concerned(graph: BalancerGraph, record: OctaviaRecord) -> list[BalancerPart]:
    """What a change of a record makes pending beside it: the listeners and the pool it is of."""
    pool_id = getattr(record, "pool_id", "") or (
        record.id if isinstance(record, BalancerPool) else ""
    )
    policy_id = getattr(record, "l7policy_id", "")
    listener_ids = {getattr(record, "listener_id", "")}
    listener_ids |= {one.listener_id for one in graph.policies if one.id == policy_id}
    pools = [pool for pool in graph.pools if pool.id == pool_id]
    listener_ids |= {one.id for pool in pools for one in graph.listeners_of(pool)}
    parents: list[BalancerPart] = [pool for pool in pools if pool.id != record.id]
    parents += [policy for policy in graph.policies if policy.id == policy_id]
    return [*parents, *(one for one in graph.listeners if one.id in listener_ids)]


def _is_pending(record: OctaviaRecord) -> bool:
    return record.provisioning_status.startswith("PENDING_")


def _immutable(record: OctaviaRecord) -> ConflictError:
    return ConflictError(f"{record.noun} {record.id} is immutable and cannot be updated.")


def _pending(balancer: LoadBalancer) -> ConflictError:
    status = balancer.provisioning_status
    return ConflictError(f"Invalid state {status} of loadbalancer resource {balancer.id}")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
