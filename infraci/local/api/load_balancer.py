"""Load balancing v2: answers Octavia's clients, one set of routes for most of its nouns.

Source: https://docs.openstack.org/api-ref/load-balancer/v2/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields, replace
from typing import Any

from werkzeug.wrappers import Request, Response

from infraci.local.api.octavia_fields import parse_change, parse_new
from infraci.local.api.octavia_json import to_json, tree_to_json
from infraci.local.api.parse import flag
from infraci.local.api.web import Api, Document, fields_of, reply, route
from infraci.local.domain.balancer_ports import VipRequest
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
from infraci.local.domain.balancer_rules import failure
from infraci.local.domain.balancers import Balancers
from infraci.local.domain.l7_rules import with_action
from infraci.local.errors import InvalidRequestError, NotFoundError

#: Collection → the noun's key in bodies, and its kind.
_KINDS: Mapping[str, tuple[str, type[OctaviaRecord]]] = {
    "loadbalancers": ("loadbalancer", LoadBalancer),
    "listeners": ("listener", BalancerListener),
    "pools": ("pool", BalancerPool),
    "healthmonitors": ("healthmonitor", HealthMonitor),
    "l7policies": ("l7policy", L7Policy),
}
#: Nouns within others: collection, inner collection → its key and kind, and its field that names
#: the outer one.
_INNER: Mapping[tuple[str, str], tuple[str, type[BalancerPart], type[BalancerPart], str]] = {
    ("pools", "members"): ("member", Member, BalancerPool, "pool_id"),
    ("l7policies", "rules"): ("rule", L7Rule, L7Policy, "l7policy_id"),
}
_LISTING = frozenset({"fields", "limit", "marker", "page_reverse", "sort", "sort_key", "sort_dir"})
_PROVIDERS = {
    "amphora": "haproxy on this machine, as in Octavia's amphorae",
    "octavia": "Deprecated alias of the amphora provider",
}
_NO_LIMIT = -1
#: The position of a policy after all others.
_LAST = 2147483647
_QUOTAS = (
    *("loadbalancer", "load_balancer", "listener", "member", "pool"),
    *("healthmonitor", "health_monitor", "l7policy", "l7rule"),
)


class LoadBalancerApi(Api):
    """Load balancers and what they are made of."""

    def __init__(self, balancers: Balancers, is_valid_token: Callable[[str | None], bool]) -> None:
        super().__init__(is_valid_token)
        self._balancers = balancers

    def may_ask(self, request: Request) -> bool:
        """The versions need no token."""
        return request.path in ("/", "/v2", "/v2.0") or super().may_ask(request)

    def _refusal(self, status: int, message: str, neutron_type: str = "") -> Response:
        code = "Client" if status < 500 else "Server"
        return reply({"faultcode": code, "faultstring": message, "debuginfo": None}, status)

    @route("GET", "/")
    def versions(self, request: Request) -> Document:
        """The one version there is."""
        link = {"rel": "self", "href": request.root_url.rstrip("/") + "/v2"}
        version = {"status": "CURRENT", "updated": "2023-10-05T00:00:00Z", "links": [link]}
        return {"versions": [{"id": "v2.27", **version}]}

    # Load balancers

    @route("POST", "/v2.0/lbaas/loadbalancers")
    def create_balancer(self, request: Request) -> Response:
        """A new load balancer."""
        values = parse_new(LoadBalancer, _body(request, "loadbalancer"))
        vip = VipRequest(
            address=values.pop("vip_address", None),
            subnet_id=values.pop("vip_subnet_id", None),
            network_id=values.pop("vip_network_id", None),
            port_id=values.pop("vip_port_id", None),
        )
        provider = values.get("provider")
        if provider is not None and provider not in _PROVIDERS:
            raise InvalidRequestError(f"Provider '{provider}' is not enabled.")
        balancer = self._balancers.create(LoadBalancer(**values), vip)
        return reply({"loadbalancer": self._shown(balancer)}, 201)

    @route("DELETE", "/v2.0/lbaas/loadbalancers/<id_>")
    def delete_balancer(self, request: Request, id_: str) -> None:
        """Remove a load balancer, with its parts if the request says so."""
        self._balancers.delete(id_, cascade=flag(request.args.get("cascade")))

    @route("GET", "/v2.0/lbaas/loadbalancers/<id_>/stats")
    def balancer_stats(self, request: Request, id_: str) -> Document:
        """What went through a load balancer."""
        return {"stats": asdict(self._balancers.totals(id_))}

    @route("GET", "/v2.0/lbaas/loadbalancers/<id_>/status")
    def balancer_status(self, request: Request, id_: str) -> Document:
        """The status tree of a load balancer."""
        graph = self._balancers.graph(id_)
        return tree_to_json(graph, self._balancers.statuses(graph))

    @route("GET", "/v2.0/lbaas/loadbalancers/<id_>/statuses")
    def balancer_statuses(self, request: Request, id_: str) -> Document:
        """The status tree, by its other name."""
        return self.balancer_status(request, id_)

    @route("PUT", "/v2.0/lbaas/loadbalancers/<id_>/failover")
    def failover(self, request: Request, id_: str) -> Response:
        """Make a load balancer anew, as far as anything is amiss."""
        self._balancers.change(LoadBalancer, id_, lambda balancer: balancer)
        return Response(status=202)

    @route("GET", "/v2.0/lbaas/listeners/<id_>/stats")
    def listener_stats(self, request: Request, id_: str) -> Document:
        """What went through a listener."""
        listener = self._balancers.require(BalancerListener, id_)
        return {"stats": asdict(self._balancers.totals(listener.balancer_id, id_))}

    # Their parts

    @route("POST", "/v2.0/lbaas/listeners")
    def create_listener(self, request: Request) -> Response:
        """A new listener."""
        values = parse_new(BalancerListener, _body(request, "listener"))
        self._require_balancer(values["loadbalancer_id"])
        return self._added("listener", BalancerListener(**values))

    @route("POST", "/v2.0/lbaas/pools")
    def create_pool(self, request: Request) -> Response:
        """A new pool, of a load balancer or of a listener."""
        values = parse_new(BalancerPool, _body(request, "pool"))
        listener_id = values.pop("listener_id", None)
        pool = BalancerPool(**values)
        if listener_id:
            pool = self._balancers.set_default_pool(listener_id, pool)
            return reply({"pool": self._shown(pool)}, 201)
        if not pool.loadbalancer_id:
            raise failure("Must provide at least one of: loadbalancer_id, listener_id")
        self._require_balancer(pool.loadbalancer_id)
        return self._added("pool", pool)

    @route("POST", "/v2.0/lbaas/healthmonitors")
    def create_monitor(self, request: Request) -> Response:
        """A new health monitor."""
        values = parse_new(HealthMonitor, _body(request, "healthmonitor"))
        pool = self._balancers.require(BalancerPool, values["pool_id"])
        monitor = HealthMonitor(**values, loadbalancer_id=pool.loadbalancer_id)
        return self._added("healthmonitor", monitor)

    @route("POST", "/v2.0/lbaas/l7policies")
    def create_policy(self, request: Request) -> Response:
        """A new L7 policy, the last one of its listener unless the request says where."""
        values = with_action(parse_new(L7Policy, _body(request, "l7policy")))
        values.setdefault("position", _LAST)
        listener = self._balancers.require(BalancerListener, values["listener_id"])
        policy = L7Policy(**values, loadbalancer_id=listener.loadbalancer_id)
        return self._added("l7policy", policy)

    def _require_balancer(self, id_: str) -> None:
        self._balancers.require(LoadBalancer, id_)

    def _added(self, key: str, part: BalancerPart) -> Response:
        return reply({key: self._shown(self._balancers.add(part))}, 201)

    # What is the same of all

    @route("GET", "/v2.0/lbaas/<collection>")
    def find(self, request: Request, collection: str) -> Document:
        """The nouns of a collection that have the fields asked for."""
        _, kind = _kind(collection)
        return {collection: self._listed(request, self._balancers.all(kind))}

    @route("GET", "/v2.0/lbaas/<collection>/<id_>")
    def show(self, request: Request, collection: str, id_: str) -> Document:
        """One by its id."""
        key, kind = _kind(collection)
        return {key: self._shown(self._balancers.require(kind, id_))}

    @route("PUT", "/v2.0/lbaas/<collection>/<id_>")
    def update(self, request: Request, collection: str, id_: str) -> Document:
        """Change one."""
        key, kind = _kind(collection)
        return {key: self._changed(kind, id_, _body(request, key))}

    @route("DELETE", "/v2.0/lbaas/<collection>/<id_>")
    def delete(self, request: Request, collection: str, id_: str) -> None:
        """Remove one."""
        _, kind = _kind(collection)
        if issubclass(kind, BalancerPart):
            self._balancers.remove(kind, id_)

    @route("GET", "/v2.0/lbaas/<collection>/<outer>/<inner>")
    def find_inner(self, request: Request, collection: str, outer: str, inner: str) -> Document:
        """The nouns within one of a collection."""
        _, kind, outer_kind, field = _inner(collection, inner)
        self._balancers.require(outer_kind, outer)
        parts = [part for part in self._balancers.all(kind) if getattr(part, field) == outer]
        return {inner: self._listed(request, parts)}

    @route("POST", "/v2.0/lbaas/<collection>/<outer>/<inner>")
    def create_inner(self, request: Request, collection: str, outer: str, inner: str) -> Response:
        """A new one within one of a collection."""
        key, kind, outer_kind, field = _inner(collection, inner)
        values = parse_new(kind, _body(request, key))
        parent = self._balancers.require(outer_kind, outer)
        values |= {field: outer, "loadbalancer_id": parent.loadbalancer_id}
        return self._added(key, kind(**values))

    @route("GET", "/v2.0/lbaas/<collection>/<outer>/<inner>/<id_>")
    def show_inner(
        self, request: Request, collection: str, outer: str, inner: str, id_: str
    ) -> Document:
        """One within one of a collection."""
        key, kind, *_ = _inner(collection, inner)
        self._require_inner(collection, outer, inner, id_)
        return {key: self._shown(self._balancers.require(kind, id_))}

    @route("PUT", "/v2.0/lbaas/<collection>/<outer>/<inner>/<id_>")
    def update_inner(
        self, request: Request, collection: str, outer: str, inner: str, id_: str
    ) -> Document:
        """Change one within one of a collection."""
        key, kind, *_ = _inner(collection, inner)
        self._require_inner(collection, outer, inner, id_)
        return {key: self._changed(kind, id_, _body(request, key))}

    @route("DELETE", "/v2.0/lbaas/<collection>/<outer>/<inner>/<id_>")
    def delete_inner(
        self, request: Request, collection: str, outer: str, inner: str, id_: str
    ) -> None:
        """Remove one within one of a collection."""
        _, kind, *_ = _inner(collection, inner)
        self._require_inner(collection, outer, inner, id_)
        self._balancers.remove(kind, id_)

    def _require_inner(self, collection: str, outer: str, inner: str, id_: str) -> None:
        _, kind, _, field = _inner(collection, inner)
        if getattr(self._balancers.require(kind, id_), field) != outer:
            raise NotFoundError(f"{kind.noun} {id_} not found.")

    def _changed(self, kind: type[OctaviaRecord], id_: str, body: Document) -> Document:
        values = parse_change(kind, body)
        defaults = _defaults(kind)
        for name, value in values.items():
            if value is None and name not in defaults:
                raise InvalidRequestError(f"None is not a valid option for {name}")
        values = {
            name: defaults[name] if value is None else value for name, value in values.items()
        }
        if kind is L7Policy:
            values = with_action(values)
        changed = self._balancers.change(kind, id_, lambda record: replace(record, **values))
        return self._shown(changed)

    def _shown(self, record: OctaviaRecord) -> Document:
        graph = self._balancers.graph(record.balancer_id)
        return to_json(record, graph, self._balancers.statuses(graph).get(record.id, "OFFLINE"))

    def _listed(self, request: Request, records: list[Any]) -> list[Document]:
        """What a list shows: everything, or what the request's parameters choose, on one page."""
        if request.args.get("marker"):
            return []
        shown = []
        graphs = {id_: self._balancers.graph(id_) for id_ in {r.balancer_id for r in records}}
        statuses = {id_: self._balancers.statuses(graph) for id_, graph in graphs.items()}
        for record in records:
            id_ = record.balancer_id
            shown.append(to_json(record, graphs[id_], statuses[id_].get(record.id, "OFFLINE")))
        for name, value in request.args.items():
            if name not in _LISTING:
                shown = [each for each in shown if _matches(each, name, value)]
        names = request.args.getlist("fields")
        return [{k: v for k, v in each.items() if k in names} for each in shown] if names else shown

    # What else clients ask

    @route("GET", "/v2.0/lbaas/providers")
    def providers(self, request: Request) -> Document:
        """The one provider, by its two names."""
        return {"providers": [{"name": n, "description": d} for n, d in _PROVIDERS.items()]}

    @route("GET", "/v2.0/lbaas/flavors")
    def flavors(self, request: Request) -> Document:
        """None."""
        return {"flavors": []}

    @route("GET", "/v2.0/lbaas/availabilityzones")
    def zones(self, request: Request) -> Document:
        """None."""
        return {"availability_zones": []}

    @route("GET", "/v2.0/lbaas/quotas/defaults")
    def default_quotas(self, request: Request) -> Document:
        """No limit."""
        return {"quota": dict.fromkeys(_QUOTAS, _NO_LIMIT)}

    @route("GET", "/v2.0/lbaas/quotas/<project>")
    def quotas(self, request: Request, project: str) -> Document:
        """No limit."""
        return self.default_quotas(request)


def _kind(collection: str) -> tuple[str, type[OctaviaRecord]]:
    try:
        return _KINDS[collection]
    except KeyError:
        raise NotFoundError(f"{collection} not found.") from None


def _inner(collection: str, inner: str) -> tuple[str, type[BalancerPart], type[BalancerPart], str]:
    try:
        return _INNER[collection, inner]
    except KeyError:
        raise NotFoundError(f"{collection} have no {inner}.") from None


def _body(request: Request, key: str) -> Document:
    body = fields_of(request).get(key)
    if not isinstance(body, dict):
        raise InvalidRequestError(f'Missing argument: "{key}"')
    return body


def _defaults(kind: type[OctaviaRecord]) -> Document:
    """The values that fields have when a client says nothing of them."""
    defaults: Document = {}
    for field in fields(kind):
        if field.default is not MISSING:
            defaults[field.name] = field.default
        elif field.default_factory is not MISSING:
            defaults[field.name] = field.default_factory()
    return defaults


def _matches(shown: Document, name: str, value: str) -> bool:
    present = shown.get(name)
    if isinstance(present, bool):
        return str(present).lower() == value.lower()
    if isinstance(present, list):
        return value in [each.get("id") if isinstance(each, dict) else each for each in present]
    return str(present) == value
