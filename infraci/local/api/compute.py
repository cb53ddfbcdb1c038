"""Compute v2.1: answers Nova's clients about servers, flavors, key pairs and limits.

Source: https://docs.openstack.org/api-ref/compute/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from werkzeug.wrappers import Request, Response

from infraci.local.account import USER_ID, ZONE
from infraci.local.api.device_json import attachment_to_json, parse_attachment, parse_disks
from infraci.local.api.nova_json import (
    address_to_json,
    card_to_json,
    flavor_to_json,
    keypair_to_json,
    parse_card_addresses,
    parse_cards,
    parse_flavor,
    parse_group,
    parse_rebuild,
    parse_server,
    parse_server_group,
    server_group_to_json,
    server_to_json,
)
from infraci.local.api.parse import number, texts
from infraci.local.api.quotas import compute_limits
from infraci.local.api.web import Api, Document, body_of, check_object, fields_of, reply, route
from infraci.local.domain.keypairs import fingerprint, new_key
from infraci.local.domain.records import (
    Flavor,
    FloatingIp,
    KeyPair,
    Network,
    Port,
    SecurityGroup,
    Server,
    ServerGroup,
)
from infraci.local.domain.requests import CardRequest
from infraci.local.domain.server_groups import ServerGroups
from infraci.local.domain.servers import Servers
from infraci.local.domain.store import Store
from infraci.local.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
)
from infraci.model.nova_limits import (
    METADATA_ITEMS,
    check_metadata,
    check_server_name,
    check_tags,
    check_user_data,
)

MAX_MICROVERSION = "2.60"

#: The parameters of a list of servers, and what of a server each is a part of.
_FILTERS: Mapping[str, Callable[[Server], str]] = {
    "name": lambda server: server.name,
    "status": lambda server: server.status,
    "uuid": lambda server: server.id,
}


class ComputeApi(Api):
    """Servers, flavors, key pairs, limits."""

    error_key = "badRequest"

    def __init__(
        self, store: Store, servers: Servers, is_valid_token: Callable[[str | None], bool]
    ) -> None:
        super().__init__(is_valid_token)
        self._store = store
        self._servers = servers
        self._server_groups = ServerGroups(store)

    def may_ask(self, request: Request) -> bool:
        """The versions need no token."""
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
        return {"servers": [{"id": s.id, "name": s.name} for s in self._find(request)]}

    @route("GET", "/v2.1/servers/detail")
    def list_servers_in_detail(self, request: Request) -> Document:
        """The servers, whole."""
        return {"servers": [self._shown(server) for server in self._find(request)]}

    def _find(self, request: Request) -> list[Server]:
        if request.args.get("marker"):  # everything came with the first page
            return []
        servers = sorted(self._store.find(Server), key=lambda server: server.name)
        for parameter, value_of in _FILTERS.items():
            if parameter in request.args:
                part = request.args[parameter].strip("^$").lower()
                servers = [server for server in servers if part in value_of(server).lower()]
        return servers

    @route("POST", "/v2.1/servers")
    def create_server(self, request: Request) -> Response:
        """A new server."""
        body = body_of(request, "server")
        _refuse_excess(body)
        hints = self._server_groups.resolve(fields_of(request).get("os:scheduler_hints") or {})
        server = self._servers.create(
            parse_server(body, hints),
            cards=parse_cards(body.get("networks")),
            groups=[parse_group(group) for group in body.get("security_groups") or ()],
            disks=parse_disks(body),
        )
        return reply({"server": {"id": server.id, "links": [], "adminPass": ""}}, 202)

    @route("GET", "/v2.1/servers/<id_>")
    def show_server(self, request: Request, id_: str) -> Document:
        """One server."""
        return {"server": self._shown(self._servers.require(id_))}

    @route("PUT", "/v2.1/servers/<id_>")
    def update_server(self, request: Request, id_: str) -> Document:
        """Rename a server."""
        body = body_of(request, "server")
        _refuse_excess(body)
        values = {key: body[key] for key in ("name", "description") if key in body}
        return {"server": self._shown(self._set(id_, **values))}

    def _set(self, id_: str, **values: Any) -> Server:
        server = self._servers.require(id_)
        return self._store.change(Server, id_, lambda server: replace(server, **values)) or server

    @route("DELETE", "/v2.1/servers/<id_>")
    def delete_server(self, request: Request, id_: str) -> None:
        """Remove a server; it is shown until it is gone."""
        self._servers.delete(id_)

    @route("POST", "/v2.1/servers/<id_>/action")
    def act(self, request: Request, id_: str) -> Response:
        """One of Nova's actions."""
        body = fields_of(request)
        if len(body) != 1:
            raise InvalidRequestError("There must be one action in the request's body.")
        ((action, arguments),) = body.items()
        arguments = check_object(arguments or {}, action)
        if action == "os-getConsoleOutput":
            length = arguments.get("length")
            lines = None if length is None else number(length)
            return reply({"output": self._servers.console(id_, lines)})
        if action == "rebuild":
            server = self._servers.rebuild(id_, lambda old: parse_rebuild(old, arguments))
            return reply({"server": self._shown(server)}, 202)
        self._change(id_, action, arguments)
        return Response(status=202)

    def _change(self, id_: str, action: str, arguments: Document) -> None:
        match action:
            case "os-stop":
                self._servers.stop(id_)
            case "os-start":
                self._servers.start(id_)
            case "reboot":
                self._servers.reboot(id_, hard=arguments.get("type") == "HARD")
            case "suspend":
                self._servers.freeze(id_, action, "SUSPENDED")
            case "resume":
                self._servers.thaw(id_, action, "SUSPENDED")
            case "pause":
                self._servers.freeze(id_, action, "PAUSED")
            case "unpause":
                self._servers.thaw(id_, action, "PAUSED")
            case "resize":
                self._servers.resize(id_, str(arguments.get("flavorRef")))
            case "confirmResize":
                self._servers.confirm_resize(id_)
            case "addSecurityGroup":
                self._servers.add_group(id_, parse_group(arguments))
            case "removeSecurityGroup":
                self._servers.remove_group(id_, parse_group(arguments))
            case _:
                raise InvalidRequestError(f"The embedded cloud has no server action {action!r}.")

    @route("GET", "/v2.1/servers/<id_>/metadata")
    def metadata(self, request: Request, id_: str) -> Document:
        """A server's metadata."""
        return {"metadata": dict(self._servers.require(id_).metadata)}

    @route("POST", "/v2.1/servers/<id_>/metadata")
    def add_metadata(self, request: Request, id_: str) -> Document:
        """Set items of a server's metadata."""
        body = body_of(request, "metadata")
        return self._set_metadata(id_, {**self._servers.require(id_).metadata, **body})

    @route("PUT", "/v2.1/servers/<id_>/metadata")
    def replace_metadata(self, request: Request, id_: str) -> Document:
        """Set a server's metadata."""
        return self._set_metadata(id_, body_of(request, "metadata"))

    def _set_metadata(self, id_: str, metadata: Document) -> Document:
        self._servers.require(id_)
        _refuse_excess({"metadata": metadata})
        self._set(id_, metadata=metadata)
        return {"metadata": metadata}

    @route("DELETE", "/v2.1/servers/<id_>/metadata/<key>")
    def delete_metadata(self, request: Request, id_: str, key: str) -> None:
        """Remove an item of a server's metadata."""
        metadata = self._servers.require(id_).metadata
        self._set(id_, metadata={k: v for k, v in metadata.items() if k != key})

    @route("GET", "/v2.1/servers/<id_>/tags")
    def tags(self, request: Request, id_: str) -> Document:
        """A server's tags."""
        return {"tags": list(self._servers.require(id_).tags)}

    @route("PUT", "/v2.1/servers/<id_>/tags")
    def replace_tags(self, request: Request, id_: str) -> Document:
        """Set a server's tags."""
        self._servers.require(id_)
        tags = texts(fields_of(request).get("tags") or [])
        _refuse_excess({"tags": tags})
        self._set(id_, tags=tags)
        return {"tags": list(tags)}

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
        return {"interfaceAttachments": [card_to_json(port) for port in ports]}

    @route("POST", "/v2.1/servers/<id_>/os-interface")
    def attach(self, request: Request, id_: str) -> Document:
        """Give a server a network card."""
        body = body_of(request, "interfaceAttachment")
        card = CardRequest(
            port_id=body.get("port_id"),
            network_id=body.get("net_id"),
            addresses=parse_card_addresses(body.get("fixed_ips")),
        )
        return {"interfaceAttachment": card_to_json(self._servers.attach(id_, card))}

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
        """A server's volumes."""
        self._servers.require(id_)
        volumes = self._servers.disks.of(id_)
        return {"volumeAttachments": [attachment_to_json(volume) for volume in volumes]}

    @route("POST", "/v2.1/servers/<id_>/os-volume_attachments")
    def attach_volume(self, request: Request, id_: str) -> Document:
        """Give a server a volume."""
        disk = parse_attachment(body_of(request, "volumeAttachment"))
        return {"volumeAttachment": attachment_to_json(self._servers.volumes.attach(id_, disk))}

    @route("GET", "/v2.1/servers/<id_>/os-volume_attachments/<volume_id>")
    def show_volume(self, request: Request, id_: str, volume_id: str) -> Document:
        """One of a server's volumes."""
        self._servers.require(id_)
        return {"volumeAttachment": attachment_to_json(self._servers.disks.require(id_, volume_id))}

    @route("DELETE", "/v2.1/servers/<id_>/os-volume_attachments/<volume_id>")
    def detach_volume(self, request: Request, id_: str, volume_id: str) -> Response:
        """Take a volume from a server."""
        self._servers.volumes.detach(id_, volume_id)
        return Response(status=202)

    def _shown(self, server: Server) -> Document:
        return server_to_json(
            server,
            flavor=self._servers.flavors.of(server),
            addresses=self._addresses(server.id),
            groups=self._groups(server.id),
            volumes=self._servers.disks.of(server.id),
        )

    def _addresses(self, id_: str) -> Document:
        by_network: Document = {}
        for port in self._servers.ports.of(id_):
            network = self._store.get(Network, port.network_id)
            entries = by_network.setdefault(network.name if network else "?", [])
            for fixed in port.fixed_ips:
                entries.append(address_to_json(fixed.ip_address, port, "fixed"))
            for floating in self._floating_on(port):
                entries.append(address_to_json(floating.floating_ip_address, port, "floating"))
        return by_network

    def _floating_on(self, port: Port) -> list[FloatingIp]:
        return self._store.find(FloatingIp, lambda floating: floating.port_id == port.id)

    def _groups(self, id_: str) -> list[Document]:
        ids = {group for port in self._servers.ports.of(id_) for group in port.security_groups}
        groups = [self._store.get(SecurityGroup, group) for group in sorted(ids)]
        return [{"id": group.id, "name": group.name} for group in groups if group]

    # Server groups

    @route("GET", "/v2.1/os-server-groups")
    def list_server_groups(self, request: Request) -> Document:
        """The server groups."""
        return {"server_groups": [self._group_shown(g) for g in self._server_groups.all()]}

    @route("POST", "/v2.1/os-server-groups")
    def create_server_group(self, request: Request) -> Document:
        """A new server group."""
        group = self._server_groups.add(parse_server_group(body_of(request, "server_group")))
        return {"server_group": self._group_shown(group)}

    @route("GET", "/v2.1/os-server-groups/<id_>")
    def show_server_group(self, request: Request, id_: str) -> Document:
        """One server group."""
        return {"server_group": self._group_shown(self._server_groups.require(id_))}

    @route("DELETE", "/v2.1/os-server-groups/<id_>")
    def delete_server_group(self, request: Request, id_: str) -> None:
        """Remove a server group."""
        self._server_groups.delete(id_)

    def _group_shown(self, group: ServerGroup) -> Document:
        return server_group_to_json(group, self._server_groups.members(group))

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
        return {"flavors": [flavor_to_json(flavor) for flavor in self._servers.flavors.all()]}

    @route("GET", "/v2.1/flavors/<id_>")
    def show_flavor(self, request: Request, id_: str) -> Document:
        """One flavor."""
        return {"flavor": flavor_to_json(self._flavor(id_))}

    def _flavor(self, id_: str) -> Flavor:
        flavor = self._servers.flavors.get(id_)
        if flavor is None:
            raise NotFoundError(f"Flavor {id_} could not be found.")
        return flavor

    @route("POST", "/v2.1/flavors")
    def create_flavor(self, request: Request) -> Document:
        """A new flavor."""
        flavor = self._servers.flavors.add(parse_flavor(body_of(request, "flavor")))
        return {"flavor": flavor_to_json(flavor)}

    @route("DELETE", "/v2.1/flavors/<id_>")
    def delete_flavor(self, request: Request, id_: str) -> Response:
        """Remove a flavor."""
        self._servers.flavors.delete(self._flavor(id_))
        return Response(status=202)

    @route("GET", "/v2.1/flavors/<id_>/os-extra_specs")
    def extra_specs(self, request: Request, id_: str) -> Document:
        """A flavor's extra specs."""
        return {"extra_specs": dict(self._flavor(id_).extra_specs)}

    @route("POST", "/v2.1/flavors/<id_>/os-extra_specs")
    def set_extra_specs(self, request: Request, id_: str) -> Document:
        """Add to a flavor's extra specs."""
        flavor = self._flavor(id_)
        specs = {**flavor.extra_specs, **body_of(request, "extra_specs")}
        self._servers.flavors.set_extra_specs(flavor, specs)
        return {"extra_specs": specs}

    @route("DELETE", "/v2.1/flavors/<id_>/os-extra_specs/<key>")
    def delete_extra_spec(self, request: Request, id_: str, key: str) -> None:
        """Remove one of a flavor's extra specs."""
        flavor = self._flavor(id_)
        left = {k: v for k, v in flavor.extra_specs.items() if k != key}
        self._servers.flavors.set_extra_specs(flavor, left)

    @route("GET", "/v2.1/os-keypairs")
    def list_keypairs(self, request: Request) -> Document:
        """The key pairs."""
        if request.args.get("marker"):
            return {"keypairs": []}
        pairs = self._store.find(KeyPair)
        return {"keypairs": [{"keypair": keypair_to_json(pair)} for pair in pairs]}

    @route("POST", "/v2.1/os-keypairs")
    def create_keypair(self, request: Request) -> Response:
        """Import a public key, or make a new pair; the private half is shown once, not kept."""
        body = body_of(request, "keypair")
        name = str(body.get("name"))
        private, public = None, body.get("public_key")
        if public is None:
            private, public = new_key(name)
        with self._store.locked():
            if self._store.get(KeyPair, name):
                raise ConflictError(f"Key pair '{name}' already exists.")
            pair = KeyPair(
                id=name, name=name, public_key=public.strip(), fingerprint=fingerprint(public)
            )
            self._store.put(pair)
        shown = keypair_to_json(pair) | ({"private_key": private} if private else {})
        return reply({"keypair": shown}, 201)

    @route("GET", "/v2.1/os-keypairs/<name>")
    def show_keypair(self, request: Request, name: str) -> Document:
        """One key pair."""
        return {"keypair": keypair_to_json(self._keypair(name))}

    @route("DELETE", "/v2.1/os-keypairs/<name>")
    def delete_keypair(self, request: Request, name: str) -> None:
        """Forget a key pair."""
        self._store.drop(self._keypair(name))

    def _keypair(self, name: str) -> KeyPair:
        pair = self._store.get(KeyPair, name)
        if pair is None:
            raise NotFoundError(f"Keypair {name} not found for user {USER_ID}")
        return pair

    @route("GET", "/v2.1/limits")
    def limits(self, request: Request) -> Document:
        """No limit but the machine's."""
        absolute = compute_limits(self._store, self._servers.access_cidr)
        return {"limits": {"rate": [], "absolute": absolute}}

    @route("GET", "/v2.1/os-availability-zone")
    def zones(self, request: Request) -> Document:
        """The one zone."""
        zone = {"zoneName": ZONE, "zoneState": {"available": True}, "hosts": None}
        return {"availabilityZoneInfo": [zone]}


def _refuse_excess(body: Document) -> None:
    """Raise the API's error when a server is to have what Nova does not take."""
    metadata, tags = body.get("metadata") or {}, body.get("tags") or []
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise InvalidRequestError(
            "Invalid input for field/attribute metadata. It is no map of texts."
        )
    if len(metadata) > METADATA_ITEMS:
        raise ForbiddenError(f"Maximum number of metadata items exceeds {METADATA_ITEMS}")
    excesses = (
        *check_user_data(len(body.get("user_data") or "")),
        *check_server_name(str(body.get("name") or "")),
        *check_metadata(metadata),
        *check_tags(list(map(str, tags))),
    )
    for excess in excesses:
        message = f"Invalid input for field/attribute {excess.field}. Value: "
        raise InvalidRequestError(message + excess.message)
