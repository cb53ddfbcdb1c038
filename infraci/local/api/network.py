"""Networking v2.0: what Neutron's clients say, led to those who keep them.

Source: https://docs.openstack.org/api-ref/network/v2/
"""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.wrappers import Request, Response

from infraci.local.api.quotas import network_quotas
from infraci.local.api.web import Api, body_of, fields_of, reply, route
from infraci.local.domain.networks import Networks
from infraci.local.domain.routers import Routers
from infraci.local.domain.security_groups import SecurityGroups
from infraci.local.domain.server_ports import NOVA_OWNER
from infraci.local.domain.servers import Servers
from infraci.local.domain.store import Document, Store
from infraci.local.errors import ConflictError, InvalidRequestError, NotFoundError
from infraci.model.nova_limits import judge_name

#: The extensions there are. Heat asks for them before it accepts a resource type.
EXTENSIONS = (
    "router", "ext-gw-mode", "external-net", "security-group", "allowed-address-pairs",
    "port-security", "standard-attr-tag", "standard-attr-description", "extraroute", "binding",
    "net-mtu", "quotas", "quota_details", "availability_zone", "network_availability_zone",
    "subnet_allocation",
)  # fmt: skip

#: What a client may set: collection → fields. Others are refused, as Neutron refuses them.
SETTABLE: dict[str, frozenset[str]] = {
    "network": frozenset({
        "name", "description", "admin_state_up", "shared", "port_security_enabled", "mtu",
        "router:external", "tenant_id", "project_id", "tags", "availability_zone_hints",
    }),
    "subnet": frozenset({
        "name", "description", "network_id", "cidr", "ip_version", "gateway_ip", "enable_dhcp",
        "allocation_pools", "dns_nameservers", "host_routes", "tenant_id", "project_id", "tags",
        "prefixlen", "subnetpool_id", "segment_id", "ipv6_ra_mode", "ipv6_address_mode",
    }),
    "port": frozenset({
        "name", "description", "network_id", "fixed_ips", "mac_address", "security_groups",
        "admin_state_up", "device_id", "device_owner", "allowed_address_pairs",
        "port_security_enabled", "binding:vnic_type", "binding:host_id", "binding:profile",
        "tenant_id", "project_id", "tags",
    }),
    "router": frozenset({
        "name", "description", "admin_state_up", "external_gateway_info", "tenant_id",
        "project_id", "tags", "routes",
    }),
    "floatingip": frozenset({
        "description", "floating_network_id", "floating_ip_address", "port_id",
        "fixed_ip_address", "subnet_id", "tenant_id", "project_id", "tags",
    }),
    "security_group": frozenset({
        "name", "description", "tenant_id", "project_id", "tags", "stateful",
    }),
    "security_group_rule": frozenset({
        "security_group_id", "direction", "ethertype", "protocol", "port_range_min",
        "port_range_max", "remote_ip_prefix", "remote_group_id", "description", "tenant_id",
        "project_id",
    }),
}  # fmt: skip

_KINDS = {kind.replace("_", "-") + "s": kind for kind in SETTABLE}
_LISTING = frozenset({"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"})


class Network(Api):
    """One set of routes for all collections; what differs stands in the tables."""

    def __init__(
        self,
        store: Store,
        networks: Networks,
        routers: Routers,
        servers: Servers,
        is_valid_token: Callable[[str | None], bool],
    ) -> None:
        super().__init__(is_valid_token)
        self._store = store
        self._networks = networks
        self._servers = servers
        self._routers = routers
        self._groups = groups = SecurityGroups(store)
        self._create: dict[str, Callable[[Document], Document]] = {
            "network": networks.create_network,
            "subnet": networks.create_subnet,
            "port": networks.create_port,
            "router": routers.create_router,
            "floatingip": routers.create_floating,
            "security_group": groups.create,
            "security_group_rule": groups.create_rule,
        }
        self._update: dict[str, Callable[[str, Document], Document]] = {
            "port": self._update_port,
            "router": routers.update_router,
            "floatingip": self._update_floating,
        }
        self._delete: dict[str, Callable[[str], None]] = {
            "network": networks.delete_network,
            "subnet": networks.delete_subnet,
            "port": networks.delete_port,
            "router": routers.delete_router,
            "floatingip": routers.delete_floating,
            "security_group": groups.delete,
            "security_group_rule": groups.delete_rule,
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
        """The documents of a collection that have the fields asked for."""
        kind = _kind(collection)
        documents = sorted(self._store.find(kind), key=lambda d: str(d.get("name", "")))
        for field in request.args:
            if field not in _LISTING:
                wanted = request.args.getlist(field)
                documents = [d for d in documents if _matches(d, field, wanted)]
        fields = request.args.getlist("fields")
        shown = [self._shown(kind, document) for document in documents]
        if fields:
            shown = [{k: v for k, v in d.items() if k in fields} for d in shown]
        return {kind + "s": shown}

    @route("POST", "/v2.0/<collection>")
    def create(self, request: Request, collection: str) -> Response:
        """A new one, or several at once."""
        kind = _kind(collection)
        wishes = fields_of(request).get(kind + "s")
        if wishes is None:
            return reply({kind: self._new(kind, body_of(request, kind))}, 201)
        return reply({kind + "s": [self._new(kind, wish) for wish in wishes]}, 201)

    def _new(self, kind: str, wish: Document) -> Document:
        return self._shown(kind, self._create[kind](self._checked(kind, wish)))

    @route("GET", "/v2.0/<collection>/<id_>")
    def show(self, request: Request, collection: str, id_: str) -> Document:
        """One by its id."""
        kind = _kind(collection)
        return {kind: self._shown(kind, self._networks.require(kind, id_))}

    @route("PUT", "/v2.0/<collection>/<id_>")
    def update(self, request: Request, collection: str, id_: str) -> Document:
        """Change one."""
        kind = _kind(collection)
        document = self._networks.require(kind, id_)
        changes = self._checked(kind, body_of(request, kind))
        if kind in self._update:
            document = self._update[kind](id_, changes)
        else:
            document = self._store.change(kind, id_, changes) or document
        return {kind: self._shown(kind, document)}

    @route("DELETE", "/v2.0/<collection>/<id_>")
    def delete(self, request: Request, collection: str, id_: str) -> None:
        """Remove one."""
        kind = _kind(collection)
        self._networks.require(kind, id_)
        self._delete[kind](id_)

    @route("GET", "/v2.0/<collection>/<id_>/tags")
    def tags(self, request: Request, collection: str, id_: str) -> Document:
        """The tags of one."""
        return {"tags": self._networks.require(_kind(collection), id_).get("tags", [])}

    @route("PUT", "/v2.0/<collection>/<id_>/tags")
    def replace_tags(self, request: Request, collection: str, id_: str) -> Document:
        """Set the tags of one."""
        kind = _kind(collection)
        self._networks.require(kind, id_)
        tags = fields_of(request).get("tags")
        if not isinstance(tags, list):
            raise InvalidRequestError("Invalid input for tags: not a list.")
        self._store.change(kind, id_, {"tags": tags})
        return {"tags": tags}

    @route("PUT", "/v2.0/routers/<id_>/add_router_interface")
    def add_interface(self, request: Request, id_: str) -> Document:
        """Give a router a leg in a subnet."""
        return self._routers.add_interface(id_, fields_of(request))

    @route("PUT", "/v2.0/routers/<id_>/remove_router_interface")
    def remove_interface(self, request: Request, id_: str) -> Document:
        """Take a router's leg out of a subnet."""
        return self._routers.remove_interface(id_, fields_of(request))

    def _update_port(self, id_: str, changes: Document) -> Document:
        port = self._networks.require("port", id_)
        if not port["device_id"] or not _is_renumbered(port, changes):
            return self._networks.update_port(id_, changes)
        if port["device_owner"] != NOVA_OWNER:
            raise ConflictError(f"Port {id_} is in use; the embedded cloud can't renumber it.")
        return self._servers.renumber(id_, lambda: self._networks.update_port(id_, changes))

    def _update_floating(self, id_: str, changes: Document) -> Document:
        document = self._networks.require("floatingip", id_)
        if "port_id" in changes:
            document = self._routers.associate(
                id_, changes["port_id"], changes.get("fixed_ip_address")
            )
        if "description" in changes:
            plain = {"description": changes["description"]}
            document = self._store.change("floatingip", id_, plain) or document
        return document

    def _shown(self, kind: str, document: Document) -> Document:
        return self._groups.show(document) if kind == "security_group" else document

    @staticmethod
    def _checked(kind: str, wish: Document) -> Document:
        unknown = sorted(wish.keys() - SETTABLE[kind])
        if unknown:
            raise InvalidRequestError(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
        for excess in judge_name(str(wish.get("name") or "")):
            raise InvalidRequestError(f"Invalid input for name. Reason: {excess.message}.")
        return wish


def _kind(collection: str) -> str:
    try:
        return _KINDS[collection]
    except KeyError:
        raise NotFoundError.of("Collection", collection) from None


def _is_renumbered(port: Document, changes: Document) -> bool:
    return any(changes.get(key, port[key]) != port[key] for key in ("fixed_ips", "mac_address"))


def _matches(document: Document, field: str, wanted: list[str]) -> bool:
    if field == "fixed_ips":
        addresses = {f"ip_address={f['ip_address']}" for f in document["fixed_ips"]} | {
            f"subnet_id={f['subnet_id']}" for f in document["fixed_ips"]
        }
        return bool(addresses.intersection(wanted))
    value = document.get(field)
    if isinstance(value, bool):
        return str(value).lower() in {w.lower() for w in wanted}
    if isinstance(value, list):
        return set(",".join(wanted).split(",")) <= set(map(str, value))
    return str(value) in wanted
