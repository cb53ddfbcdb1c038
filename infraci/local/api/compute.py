"""Compute v2.1: what Nova's clients say, led to :mod:`infraci.local.domain.servers`.

Source: https://docs.openstack.org/api-ref/compute/
"""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.wrappers import Request, Response

from infraci.local.api.quotas import compute_limits
from infraci.local.api.web import Api, body_of, fields_of, reply, route
from infraci.local.domain.flavors import FLAVORS, Flavor
from infraci.local.domain.keypairs import fingerprint, new_key
from infraci.local.domain.servers import DELETING, OWNER, Servers
from infraci.local.domain.store import Document, Store
from infraci.local.errors import ConflictError, ForbiddenError, InvalidRequestError, NotFoundError
from infraci.model.nova_limits import (
    METADATA_ITEMS,
    judge_metadata,
    judge_name,
    judge_tags,
    judge_user_data,
)

MAX_MICROVERSION = "2.60"

#: What a client may say of a new server; the rest is refused by name.
SERVER_FIELDS = frozenset({
    "name", "imageRef", "flavorRef", "networks", "key_name", "user_data", "metadata",
    "config_drive", "security_groups", "min_count", "max_count", "description", "tags",
    "availability_zone", "OS-DCF:diskConfig",
})  # fmt: skip


class Compute(Api):
    """Servers, flavors, key pairs, limits."""

    error_key = "badRequest"

    def __init__(
        self, store: Store, servers: Servers, is_valid_token: Callable[[str | None], bool]
    ) -> None:
        super().__init__(is_valid_token)
        self._store = store
        self._servers = servers

    def may_ask(self, request: Request) -> bool:
        """Anybody may ask for the versions."""
        return request.path in ("/", "/v2.1", "/v2.1/") or super().may_ask(request)

    @route("GET", "/")
    def versions(self, request: Request) -> Document:
        """The one version there is."""
        return {"versions": [self._version(request)]}

    @route("GET", "/v2.1")
    def version(self, request: Request) -> Document:
        """Version 2.1."""
        return {"version": self._version(request)}

    def _version(self, request: Request) -> Document:
        link = {"rel": "self", "href": request.root_url.rstrip("/") + "/v2.1/"}
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": MAX_MICROVERSION,
            "min_version": "2.1",
            "updated": "2013-07-23T11:33:21Z",
            "links": [link],
        }

    # Servers

    @route("GET", "/v2.1/servers")
    def list_servers(self, request: Request) -> Document:
        """The servers, by id and name."""
        return {"servers": [{"id": s["id"], "name": s["name"]} for s in self._found(request)]}

    @route("GET", "/v2.1/servers/detail")
    def list_servers_in_detail(self, request: Request) -> Document:
        """The servers, whole."""
        return {"servers": [self._shown(server) for server in self._found(request)]}

    def _found(self, request: Request) -> list[Document]:
        servers = sorted(self._store.find("server"), key=lambda s: str(s["name"]))
        for field, key in (("name", "name"), ("status", "status"), ("uuid", "id")):
            if field in request.args:
                wanted = request.args[field].strip("^$")
                servers = [s for s in servers if wanted.lower() in str(s[key]).lower()]
        marker = request.args.get("marker")
        if marker:  # everything came with the first page
            return []
        return servers

    @route("POST", "/v2.1/servers")
    def create_server(self, request: Request) -> Response:
        """A new server."""
        wish = body_of(request, "server")
        unknown = sorted(wish.keys() - SERVER_FIELDS)
        if unknown:
            raise InvalidRequestError(f"The embedded cloud can't honour {', '.join(unknown)}.")
        _refuse_excess(wish)
        hints = fields_of(request).get("os:scheduler_hints") or {}
        server = self._servers.create(wish, hints)
        return reply({"server": {"id": server["id"], "links": [], "adminPass": ""}}, 202)

    @route("GET", "/v2.1/servers/<id_>")
    def show_server(self, request: Request, id_: str) -> Document:
        """One server."""
        return {"server": self._shown(self._servers.require(id_))}

    @route("PUT", "/v2.1/servers/<id_>")
    def update_server(self, request: Request, id_: str) -> Document:
        """Rename a server."""
        wish = body_of(request, "server")
        _refuse_excess(wish)
        changes: Document = {k: wish[k] for k in ("name", "description") if k in wish}
        server = self._store.change("server", self._servers.require(id_)["id"], changes)
        return {"server": self._shown(server or {})}

    @route("DELETE", "/v2.1/servers/<id_>")
    def delete_server(self, request: Request, id_: str) -> None:
        """Remove a server; it is shown until it is gone."""
        self._servers.delete(id_)

    @route("POST", "/v2.1/servers/<id_>/action")
    def act(self, request: Request, id_: str) -> Response:
        """One of Nova's actions."""
        wish = fields_of(request)
        if len(wish) != 1:
            raise InvalidRequestError("There must be one action in the request's body.")
        ((action, arguments),) = wish.items()
        answer = self._servers.act(id_, action, arguments or {})
        if answer and "server" in answer:
            answer = {"server": self._shown(answer["server"])}
        return reply(answer, 200 if "output" in answer else 202) if answer else Response(status=202)

    @route("GET", "/v2.1/servers/<id_>/metadata")
    def metadata(self, request: Request, id_: str) -> Document:
        """A server's metadata."""
        return {"metadata": self._servers.require(id_)["metadata"]}

    @route("POST", "/v2.1/servers/<id_>/metadata")
    def add_metadata(self, request: Request, id_: str) -> Document:
        """Set items of a server's metadata."""
        merged = {**self._servers.require(id_)["metadata"], **body_of(request, "metadata")}
        _refuse_excess({"metadata": merged})
        self._store.change("server", id_, {"metadata": merged})
        return {"metadata": merged}

    @route("PUT", "/v2.1/servers/<id_>/metadata")
    def replace_metadata(self, request: Request, id_: str) -> Document:
        """Set a server's metadata."""
        self._servers.require(id_)
        metadata = body_of(request, "metadata")
        _refuse_excess({"metadata": metadata})
        self._store.change("server", id_, {"metadata": metadata})
        return {"metadata": metadata}

    @route("DELETE", "/v2.1/servers/<id_>/metadata/<key>")
    def delete_metadata(self, request: Request, id_: str, key: str) -> None:
        """Remove an item of a server's metadata."""
        left = {k: v for k, v in self._servers.require(id_)["metadata"].items() if k != key}
        self._store.change("server", id_, {"metadata": left})

    @route("GET", "/v2.1/servers/<id_>/tags")
    def tags(self, request: Request, id_: str) -> Document:
        """A server's tags."""
        return {"tags": self._servers.require(id_)["tags"]}

    @route("PUT", "/v2.1/servers/<id_>/tags")
    def replace_tags(self, request: Request, id_: str) -> Document:
        """Set a server's tags."""
        self._servers.require(id_)
        tags = fields_of(request).get("tags") or []
        _refuse_excess({"tags": tags})
        self._store.change("server", id_, {"tags": tags})
        return {"tags": tags}

    @route("GET", "/v2.1/servers/<id_>/ips")
    def addresses(self, request: Request, id_: str) -> Document:
        """A server's addresses, by network."""
        self._servers.require(id_)
        return {"addresses": self._addresses(id_)}

    @route("GET", "/v2.1/servers/<id_>/os-interface")
    def interfaces(self, request: Request, id_: str) -> Document:
        """A server's network cards."""
        self._servers.require(id_)
        ports = self._servers.ports.of(id_)
        return {"interfaceAttachments": [_interface(port) for port in ports]}

    @route("POST", "/v2.1/servers/<id_>/os-interface")
    def attach(self, request: Request, id_: str) -> Document:
        """Give a server a network card."""
        port = self._servers.attach(id_, body_of(request, "interfaceAttachment"))
        return {"interfaceAttachment": _interface(port)}

    @route("DELETE", "/v2.1/servers/<id_>/os-interface/<port_id>")
    def detach(self, request: Request, id_: str, port_id: str) -> Response:
        """Take a network card from a server."""
        self._servers.detach(id_, port_id)
        return Response(status=202)

    @route("GET", "/v2.1/servers/<id_>/os-security-groups")
    def groups(self, request: Request, id_: str) -> Document:
        """The security groups of a server's ports."""
        self._servers.require(id_)
        return {"security_groups": self._groups(id_)}

    @route("GET", "/v2.1/servers/<id_>/os-volume_attachments")
    def volumes(self, request: Request, id_: str) -> Document:
        """No volumes yet."""
        self._servers.require(id_)
        return {"volumeAttachments": []}

    def _shown(self, server: Document) -> Document:
        shown = {
            **OWNER,
            "id": server["id"],
            "name": server["name"],
            "status": "ACTIVE" if server["status"] == DELETING else server["status"],
            "image": {"id": server["image"]},
            "flavor": _embedded(FLAVORS[server["flavor"]]),
            "metadata": server["metadata"],
            "key_name": server["key_name"],
            "config_drive": "True" if server["config_drive"] else "",
            "created": server["created"],
            "updated": server["updated"],
            "addresses": self._addresses(server["id"]),
            "accessIPv4": server["access"] or "",
            "accessIPv6": "",
            "security_groups": self._groups(server["id"]),
            "description": server["description"],
            "tags": server["tags"],
            "locked": False,
            "hostId": "local",
            "progress": 100 if server["status"] == "ACTIVE" else 0,
            "links": [],
            "os-extended-volumes:volumes_attached": [],
            "OS-DCF:diskConfig": "MANUAL",
            "OS-EXT-AZ:availability_zone": "local",
            "OS-EXT-SRV-ATTR:instance_name": f"infraci-{server['id']}",
            "OS-EXT-SRV-ATTR:host": "local",
            "OS-EXT-STS:task_state": "deleting" if server["status"] == DELETING else None,
            "OS-EXT-STS:vm_state": _VM_STATES.get(server["status"], "building"),
            "OS-EXT-STS:power_state": 1 if server["status"] == "ACTIVE" else 0,
            "OS-SRV-USG:launched_at": None,
            "OS-SRV-USG:terminated_at": None,
        }
        if "fault" in server and server["status"] == "ERROR":
            shown["fault"] = server["fault"]
        return shown

    def _addresses(self, id_: str) -> Document:
        by_network: Document = {}
        for port in self._servers.ports.of(id_):
            network = self._store.get("network", port["network_id"]) or {"name": "?"}
            entries = by_network.setdefault(network["name"], [])
            for fixed in port["fixed_ips"]:
                entries.append(_address(fixed["ip_address"], port, "fixed"))
            for floating in self._store.find("floatingip", port_id=port["id"]):
                entries.append(_address(floating["floating_ip_address"], port, "floating"))
        return by_network

    def _groups(self, id_: str) -> list[Document]:
        ids = {group for port in self._servers.ports.of(id_) for group in port["security_groups"]}
        found = [self._store.get("security_group", group) for group in sorted(ids)]
        return [{"id": g["id"], "name": g["name"]} for g in found if g]

    # Flavors, key pairs, limits

    @route("GET", "/v2.1/flavors")
    def list_flavors(self, request: Request) -> Document:
        """The flavors."""
        return self.list_flavors_in_detail(request)

    @route("GET", "/v2.1/flavors/detail")
    def list_flavors_in_detail(self, request: Request) -> Document:
        """The flavors."""
        if request.args.get("marker"):
            return {"flavors": []}
        return {"flavors": [_flavor(flavor) for flavor in FLAVORS.values()]}

    @route("GET", "/v2.1/flavors/<id_>")
    def show_flavor(self, request: Request, id_: str) -> Document:
        """One flavor."""
        if id_ not in FLAVORS:
            raise NotFoundError(f"Flavor {id_} could not be found.")
        return {"flavor": _flavor(FLAVORS[id_])}

    @route("GET", "/v2.1/flavors/<id_>/os-extra_specs")
    def extra_specs(self, request: Request, id_: str) -> Document:
        """None."""
        return {"extra_specs": {}}

    @route("GET", "/v2.1/os-keypairs")
    def list_keypairs(self, request: Request) -> Document:
        """The key pairs."""
        if request.args.get("marker"):
            return {"keypairs": []}
        return {"keypairs": [{"keypair": pair} for pair in self._store.find("keypair")]}

    @route("POST", "/v2.1/os-keypairs")
    def create_keypair(self, request: Request) -> Response:
        """Import a public key, or make a new pair; the private half is shown once, not kept."""
        wish = body_of(request, "keypair")
        name = str(wish.get("name"))
        private = None
        public = wish.get("public_key")
        if public is None:
            private, public = new_key(name)
        with self._store.locked():
            if self._store.get("keypair", name):
                raise ConflictError(f"Key pair '{name}' already exists.")
            pair = {
                "id": name,
                "name": name,
                "public_key": public.strip(),
                "fingerprint": fingerprint(public),
                "type": "ssh",
                "user_id": OWNER["user_id"],
            }
            self._store.put("keypair", pair)
        shown = {**pair, "private_key": private} if private else pair
        return reply({"keypair": shown}, 201)

    @route("GET", "/v2.1/os-keypairs/<name>")
    def show_keypair(self, request: Request, name: str) -> Document:
        """One key pair."""
        pair = self._store.get("keypair", name)
        if pair is None:
            raise NotFoundError(f"Keypair {name} not found for user {OWNER['user_id']}")
        return {"keypair": pair}

    @route("DELETE", "/v2.1/os-keypairs/<name>")
    def delete_keypair(self, request: Request, name: str) -> None:
        """Forget a key pair."""
        self.show_keypair(request, name)
        self._store.drop("keypair", name)

    @route("GET", "/v2.1/limits")
    def limits(self, request: Request) -> Document:
        """No limit but the machine's."""
        absolute = compute_limits(self._store, self._servers.access_cidr)
        return {"limits": {"rate": [], "absolute": absolute}}

    @route("GET", "/v2.1/os-availability-zone")
    def zones(self, request: Request) -> Document:
        """The one zone."""
        zone = {"zoneName": "local", "zoneState": {"available": True}, "hosts": None}
        return {"availabilityZoneInfo": [zone]}


def _refuse_excess(wish: Document) -> None:
    """Raise the API's error when a server is to have what Nova does not take."""
    metadata, tags = wish.get("metadata") or {}, wish.get("tags") or []
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise InvalidRequestError(
            "Invalid input for field/attribute metadata. It is no map of texts."
        )
    if len(metadata) > METADATA_ITEMS:
        raise ForbiddenError(f"Maximum number of metadata items exceeds {METADATA_ITEMS}")
    excesses = (
        *judge_user_data(len(wish.get("user_data") or "")),
        *judge_name(str(wish.get("name") or "")),
        *judge_metadata(metadata),
        *judge_tags(list(map(str, tags))),
    )
    for excess in excesses:
        message = f"Invalid input for field/attribute {excess.field}. It is too long: "
        raise InvalidRequestError(message + excess.message)


_VM_STATES = {"ACTIVE": "active", "SHUTOFF": "stopped", "ERROR": "error"}


def _flavor(flavor: Flavor) -> Document:
    return {
        "id": flavor.id, "name": flavor.name, "vcpus": flavor.vcpus, "ram": flavor.ram_mb,
        "disk": flavor.disk_gb, "swap": "", "rxtx_factor": 1.0, "os-flavor-access:is_public": True,
        "OS-FLV-EXT-DATA:ephemeral": 0, "OS-FLV-DISABLED:disabled": False, "description": None,
        "extra_specs": {}, "links": [],
    }  # fmt: skip


def _embedded(flavor: Flavor) -> Document:
    return {
        "original_name": flavor.name, "vcpus": flavor.vcpus, "ram": flavor.ram_mb,
        "disk": flavor.disk_gb, "ephemeral": 0, "swap": 0, "extra_specs": {},
    }  # fmt: skip


def _address(address: str, port: Document, type_: str) -> Document:
    return {
        "version": 4,
        "addr": address,
        "OS-EXT-IPS:type": type_,
        "OS-EXT-IPS-MAC:mac_addr": port["mac_address"],
    }


def _interface(port: Document) -> Document:
    return {
        "port_id": port["id"],
        "net_id": port["network_id"],
        "mac_addr": port["mac_address"],
        "port_state": port["status"],
        "fixed_ips": port["fixed_ips"],
    }
