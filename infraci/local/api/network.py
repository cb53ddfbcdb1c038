"""Networking v2.0: answers Neutron's clients, one set of routes for all its nouns.

Source: https://docs.openstack.org/api-ref/network/v2/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from werkzeug.wrappers import Request, Response

from infraci.local.api.neutron_json import (
    SETTABLE,
    group_to_json,
    interface_to_json,
    parse_fields,
    parse_new,
    port_to_json,
    to_json,
)
from infraci.local.api.parse import objects, texts
from infraci.local.api.quotas import network_quotas
from infraci.local.api.web import Api, Document, body_of, check_object, fields_of, reply, route
from infraci.local.domain.networks import Networks
from infraci.local.domain.neutron import ROUTER_INTERFACE
from infraci.local.domain.packet_filters import PacketFilters
from infraci.local.domain.port_names import PortNames
from infraci.local.domain.records import (
    AddressScope,
    FixedIp,
    FloatingIp,
    Network,
    NeutronRecord,
    Port,
    QosPolicy,
    RbacPolicy,
    Route,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    SubnetPool,
)
from infraci.local.domain.requests import AddressRequest, GatewayRequest
from infraci.local.domain.routers import Routers
from infraci.local.domain.server_ports import NOVA_OWNER
from infraci.local.domain.servers import Servers
from infraci.local.domain.store import Store
from infraci.local.domain.subnets import is_automatic
from infraci.local.errors import ConflictError, InvalidRequestError, NotFoundError

#: The extensions there are. Heat asks for them before it accepts a resource type.
EXTENSIONS = (
    "router", "ext-gw-mode", "external-net", "security-group", "allowed-address-pairs",
    "port-security", "standard-attr-tag", "standard-attr-description", "extraroute", "binding",
    "extraroute-atomic", "qos", "qos-bw-limit-direction", "net-mtu", "net-mtu-writable", "quotas",
    "quota_details", "address-scope", "rbac-policies",
    "availability_zone", "network_availability_zone", "subnet_allocation", "provider",
    "dns-integration", "dvr", "l3-ha", "router_availability_zone", "uplink-status-propagation",
)  # fmt: skip

#: What decides which packets pass.
_FILTERING = frozenset({Port, SecurityGroup, SecurityGroupRule})
_PLURALS = {kind: re.sub("y$", "ie", kind.kind) + "s" for kind in SETTABLE}
_KINDS = {plural.replace("_", "-"): kind for kind, plural in _PLURALS.items()}
#: Kinds of what can be shared with a project, by the names that they have there.
_SHAREABLE = {k.kind: k for k in (AddressScope, Network, QosPolicy, SecurityGroup, SubnetPool)}
_LISTING = frozenset({"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"})


class NetworkApi(Api):
    """One set of routes for all collections; what differs stands in tables."""

    def __init__(
        self,
        store: Store,
        networks: Networks,
        routers: Routers,
        servers: Servers,
        filters: PacketFilters,
        names: PortNames,
        is_valid_token: Callable[[str | None], bool],
    ) -> None:
        super().__init__(is_valid_token)
        self._store = store
        self._networks = networks
        self._servers = servers
        self._routers = routers
        self._filters = filters
        self._names = names
        self._groups = groups = networks.groups
        pools = networks.subnets.pools
        self._create: dict[type[NeutronRecord], Callable[..., NeutronRecord]] = {
            Network: lambda **values: networks.create_network(Network(**values)),
            Subnet: self._create_subnet,
            Port: self._create_port,
            Router: self._create_router,
            AddressScope: lambda **values: store.put(AddressScope(**values)),
            SubnetPool: lambda **values: pools.create(SubnetPool(**values)),
            RbacPolicy: self._share,
            FloatingIp: lambda **values: routers.create_floating(FloatingIp(**values)),
            SecurityGroup: lambda **values: groups.create(SecurityGroup(**values)),
            SecurityGroupRule: lambda **values: groups.create_rule(SecurityGroupRule(**values)),
        }
        self._update: dict[type[NeutronRecord], Callable[..., NeutronRecord]] = {
            Network: networks.update_network,
            Subnet: networks.subnets.update,
            SubnetPool: pools.update,
            Port: self._update_port,
            Router: self._update_router,
            FloatingIp: self._update_floating,
            SecurityGroup: self._update_group,
        }
        self._delete: dict[type[NeutronRecord], Callable[[str], None]] = {
            Network: networks.delete_network,
            Subnet: networks.subnets.delete,
            AddressScope: pools.delete_scope,
            SubnetPool: pools.delete,
            RbacPolicy: lambda id_: store.drop(networks.require(RbacPolicy, id_)),
            Port: networks.delete_port,
            Router: routers.delete_router,
            FloatingIp: routers.delete_floating,
            SecurityGroup: groups.delete,
            SecurityGroupRule: groups.delete_rule,
        }

    @route("GET", "/")
    def versions(self, request: Request) -> Document:
        """The one version there is."""
        link = {"rel": "self", "href": request.root_url.rstrip("/") + "/v2.0/"}
        return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}

    @route("GET", "/v2.0/extensions")
    def extensions(self, request: Request) -> Document:
        """The extensions there are."""
        return {
            "extensions": [
                {"alias": alias, "name": alias, "description": "", "links": [], "updated": ""}
                for alias in EXTENSIONS
            ]
        }

    @route("GET", "/v2.0/quotas/<project>")
    def quotas(self, request: Request, project: str) -> Document:
        """No limit but the machine's."""
        quotas = network_quotas(self._store, SETTABLE)
        return {"quota": {kind: quota["limit"] for kind, quota in quotas.items()}}

    @route("GET", "/v2.0/quotas/<project>/details")
    def quotas_in_detail(self, request: Request, project: str) -> Document:
        """The quotas, and what is used of them."""
        return {"quota": network_quotas(self._store, SETTABLE)}

    @route("GET", "/v2.0/<collection>")
    def find(self, request: Request, collection: str) -> Document:
        """The nouns of a collection that have the fields asked for."""
        kind = _kind(collection)
        shown = [self._shown(record) for record in self._store.find(kind)]
        shown.sort(key=lambda each: str(each.get("name", "")))
        for field in request.args:
            if field not in _LISTING:
                values = request.args.getlist(field)
                shown = [each for each in shown if _matches(each, field, values)]
        fields = request.args.getlist("fields")
        if fields:
            shown = [{k: v for k, v in each.items() if k in fields} for each in shown]
        return {_PLURALS[kind]: shown}

    @route("POST", "/v2.0/<collection>")
    def create(self, request: Request, collection: str) -> Response:
        """A new one, or several at once."""
        kind = _kind(collection)
        key = kind.kind
        plural = _PLURALS[kind]
        bodies = fields_of(request).get(plural)
        if bodies is None:
            return reply({key: self._new(kind, body_of(request, key))}, 201)
        if not isinstance(bodies, list):
            raise InvalidRequestError(f"'{plural}' in the request's body is not a list.")
        shown = [self._new(kind, check_object(body, key)) for body in bodies]
        return reply({plural: shown}, 201)

    def _new(self, kind: type[NeutronRecord], body: Document) -> Document:
        values = parse_new(kind, body)
        self._require_policy(values)
        made = self._create[kind](**values)
        self._put_into_effect(kind)
        return self._shown(made)

    def _require_policy(self, values: Document) -> None:
        """Refuse a policy for the quality of service that is not there."""
        if values.get("qos_policy_id"):
            self._networks.require(QosPolicy, values["qos_policy_id"])

    def _put_into_effect(self, kind: type[NeutronRecord]) -> None:
        """Have packets filtered by what has changed."""
        if kind in _FILTERING:
            self._filters.refresh()

    @route("GET", "/v2.0/<collection>/<id_>")
    def show(self, request: Request, collection: str, id_: str) -> Document:
        """One by its id."""
        kind = _kind(collection)
        return {kind.kind: self._shown(self._networks.require(kind, id_))}

    @route("PUT", "/v2.0/<collection>/<id_>")
    def update(self, request: Request, collection: str, id_: str) -> Document:
        """Change one."""
        kind = _kind(collection)
        record = self._networks.require(kind, id_)
        values = parse_fields(kind, body_of(request, kind.kind))
        self._require_policy(values)
        if kind in self._update:
            record = self._update[kind](id_, **values)
        else:
            record = self._set(record, values)
        # A network's policy is that of its ports.
        self._put_into_effect(Port if "qos_policy_id" in values else kind)
        return {kind.kind: self._shown(record)}

    def _set(self, record: NeutronRecord, values: Document) -> NeutronRecord:
        changed = self._store.change(
            type(record), record.id, lambda record: replace(record, **values)
        )
        return changed or record

    @route("DELETE", "/v2.0/<collection>/<id_>")
    def delete(self, request: Request, collection: str, id_: str) -> None:
        """Remove one."""
        kind = _kind(collection)
        self._networks.require(kind, id_)
        self._delete[kind](id_)
        self._put_into_effect(kind)

    @route("GET", "/v2.0/<collection>/<id_>/tags")
    def tags(self, request: Request, collection: str, id_: str) -> Document:
        """The tags of one."""
        return {"tags": list(self._networks.require(_kind(collection), id_).tags)}

    @route("PUT", "/v2.0/<collection>/<id_>/tags")
    def replace_tags(self, request: Request, collection: str, id_: str) -> Document:
        """Set the tags of one."""
        record = self._networks.require(_kind(collection), id_)
        tags = texts(fields_of(request).get("tags"))
        self._set(record, {"tags": tags})
        return {"tags": list(tags)}

    @route("PUT", "/v2.0/routers/<id_>/add_router_interface")
    def add_interface(self, request: Request, id_: str) -> Document:
        """Give a router an interface, in a subnet or by a port."""
        body = fields_of(request)
        if body.get("port_id"):
            leg = self._routers.add_port(id_, str(body["port_id"]))
        else:
            leg = self._routers.add_subnet(id_, str(body.get("subnet_id")))
        return interface_to_json(id_, leg)

    @route("PUT", "/v2.0/routers/<id_>/remove_router_interface")
    def remove_interface(self, request: Request, id_: str) -> Document:
        """Remove a router's interface."""
        body = fields_of(request)
        leg = self._routers.remove_interface(
            id_, subnet_id=body.get("subnet_id"), port_id=body.get("port_id")
        )
        return interface_to_json(id_, leg)

    @route("PUT", "/v2.0/routers/<id_>/add_extraroutes")
    def add_routes(self, request: Request, id_: str) -> Document:
        """Add static routes to a router."""
        routes = _routes_of(request)
        return {"router": self._shown(self._routers.routes.add(id_, routes))}

    @route("PUT", "/v2.0/routers/<id_>/remove_extraroutes")
    def remove_routes(self, request: Request, id_: str) -> Document:
        """Take static routes from a router."""
        routes = _routes_of(request)
        return {"router": self._shown(self._routers.routes.remove(id_, routes))}

    def _share(self, **values: Any) -> RbacPolicy:
        policy = RbacPolicy(**values)
        if policy.object_type not in _SHAREABLE:
            raise InvalidRequestError(
                f"Invalid input for object_type. Reason: '{policy.object_type}' is not in"
                f" {sorted(_SHAREABLE)}."
            )
        self._networks.require(_SHAREABLE[policy.object_type], policy.object_id)
        return self._store.put(policy)

    def _create_subnet(self, prefixlen: int | None = None, **values: Any) -> Subnet:
        subnet = self._networks.subnets.create(Subnet(**values), prefixlen)
        if is_automatic(subnet):
            for port in self._store.find(Port, lambda p: p.network_id == subnet.network_id):
                self._add_own_address(port, subnet)
        return subnet

    def _add_own_address(self, port: Port, subnet: Subnet) -> None:
        """Have a port that was there before a subnet make its address in it, as on any cloud."""

        def add() -> Port:
            return self._networks.add_own_address(port.id, subnet)

        if port.device_owner == NOVA_OWNER:
            self._servers.renumber(port.id, add)
        elif port.device_owner != ROUTER_INTERFACE:
            add()

    def _create_port(
        self,
        fixed_ips: tuple[AddressRequest, ...] | None = None,
        security_groups: tuple[str, ...] | None = None,
        port_security_enabled: bool | None = None,
        **values: Any,
    ) -> Port:
        return self._networks.create_port(
            Port(**values),
            addresses=fixed_ips,
            group_ids=security_groups,
            port_security=port_security_enabled,
        )

    def _update_port(
        self, id_: str, fixed_ips: tuple[AddressRequest, ...] | None = None, **values: Any
    ) -> Port:
        port = self._networks.require(Port, id_)

        def change() -> Port:
            return self._networks.update_port(
                id_, lambda port: replace(port, **values), addresses=fixed_ips
            )

        is_renumbered = (
            fixed_ips is not None and _pairs(fixed_ips) != _pairs(port.fixed_ips)
        ) or values.get("mac_address", port.mac_address) != port.mac_address
        if not port.device_id or not is_renumbered:
            return change()
        if port.device_owner != NOVA_OWNER:
            raise ConflictError(f"Port {id_} is in use; the embedded cloud can't renumber it.")
        return self._servers.renumber(id_, change)

    def _create_router(
        self, external_gateway_info: GatewayRequest | None = None, **values: Any
    ) -> Router:
        return self._routers.create_router(Router(**values), external_gateway_info)

    def _update_router(self, id_: str, **values: Any) -> NeutronRecord:
        router = self._networks.require(Router, id_)
        if "external_gateway_info" in values:
            router = self._routers.set_gateway(id_, values.pop("external_gateway_info"))
        if "routes" in values:
            router = self._routers.routes.set(id_, values.pop("routes"))
        return self._set(router, values)

    def _update_group(self, id_: str, **values: Any) -> NeutronRecord:
        return self._groups.update(id_, lambda group: replace(group, **values))

    def _update_floating(self, id_: str, **values: Any) -> NeutronRecord:
        floating = self._networks.require(FloatingIp, id_)
        fixed = values.pop("fixed_ip_address", None)
        if "port_id" in values:
            floating = self._routers.associate(id_, values.pop("port_id"), fixed)
        return self._set(floating, values)

    def _shown(self, record: NeutronRecord) -> Document:
        if isinstance(record, SecurityGroup):
            return group_to_json(record, self._groups.rules(record.id))
        if isinstance(record, Port):
            return port_to_json(record, self._names.of(record))
        return to_json(record)


def _kind(collection: str) -> type[NeutronRecord]:
    try:
        return _KINDS[collection]
    except KeyError:
        raise NotFoundError.of("Collection", collection) from None


def _routes_of(request: Request) -> tuple[Route, ...]:
    routes: tuple[Route, ...] = objects(Route)(body_of(request, Router.kind).get("routes"))
    return routes


def _pairs(addresses: Iterable[AddressRequest | FixedIp]) -> list[tuple[str | None, str | None]]:
    return [(address.subnet_id, address.ip_address) for address in addresses]


def _matches(document: Document, field: str, values: list[str]) -> bool:
    if field == "fixed_ips":
        addresses = {f"ip_address={f['ip_address']}" for f in document["fixed_ips"]} | {
            f"subnet_id={f['subnet_id']}" for f in document["fixed_ips"]
        }
        return bool(addresses.intersection(values))
    value = document.get(field)
    if isinstance(value, bool):
        return str(value).lower() in {w.lower() for w in values}
    if isinstance(value, list):
        return set(",".join(values).split(",")) <= set(map(str, value))
    return str(value) in values
