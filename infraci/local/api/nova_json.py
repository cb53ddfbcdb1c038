"""Nova's nouns as JSON: the form in which its API shows each of them, and takes it.

Source: https://docs.openstack.org/api-ref/compute/
"""

from __future__ import annotations

from dataclasses import asdict, replace

from infraci.local.account import PROJECT_ID, USER_ID, ZONE
from infraci.local.api.parse import addresses, flag, number, texts
from infraci.local.api.web import Document
from infraci.local.domain.records import (
    DELETING,
    VM_STATES,
    Flavor,
    KeyPair,
    Port,
    Server,
    ServerGroup,
)
from infraci.local.domain.requests import AddressRequest, CardRequest
from infraci.local.domain.volume_records import Volume
from infraci.local.errors import InvalidRequestError

#: What a client may say of a new server; the rest is refused by name.
SERVER_FIELDS = frozenset({
    "name", "imageRef", "flavorRef", "networks", "key_name", "user_data", "metadata",
    "config_drive", "security_groups", "min_count", "max_count", "description", "tags",
    "availability_zone", "adminPass", "OS-DCF:diskConfig", "block_device_mapping",
    "block_device_mapping_v2",
})  # fmt: skip

_POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")

#: Nova's numbers for whether a server runs; 0 where that is not known.
_POWER_STATES = {"ACTIVE": 1, "PAUSED": 3, "SHUTOFF": 4, "SUSPENDED": 4}


def parse_server(body: Document, hints: Document) -> Server:
    """The record of a new server; refuses what the embedded cloud cannot do."""
    unknown = sorted(body.keys() - SERVER_FIELDS)
    if unknown:
        raise InvalidRequestError(f"The embedded cloud can't honour {', '.join(unknown)}.")
    if not body.get("name"):
        raise InvalidRequestError("Invalid input for field/attribute name. It is missing.")
    return Server(
        name=body["name"],
        image=body.get("imageRef") or "",
        flavor=str(body.get("flavorRef")),
        key_name=body.get("key_name"),
        user_data=body.get("user_data"),
        metadata=body.get("metadata") or {},
        config_drive=flag(body.get("config_drive")),
        description=body.get("description"),
        tags=texts(body.get("tags") or []),
        hints=hints,
    )


def parse_rebuild(server: Server, arguments: Document) -> Server:
    """The server after the action rebuild: another image, and the fields of the request."""
    values = {
        key: arguments[key]
        for key in ("name", "metadata", "description")
        if arguments.get(key) is not None
    }
    return replace(server, image=str(arguments.get("imageRef")), **values)


def parse_cards(networks: object) -> list[CardRequest] | None:
    """The network cards of a new server; None leaves the choice to the cloud."""
    if networks == "none":
        return []
    if not isinstance(networks, list):
        return None
    if not all(isinstance(network, dict) for network in networks):
        raise InvalidRequestError("Invalid input for field/attribute networks.")
    return [_parse_card(network) for network in networks]


def _parse_card(network: Document) -> CardRequest:
    fixed = network.get("fixed_ip")
    return CardRequest(
        port_id=network.get("port"),
        network_id=network.get("uuid"),
        addresses=(AddressRequest(ip_address=fixed),) if fixed else None,
    )


def parse_card_addresses(fixed_ips: object) -> tuple[AddressRequest, ...] | None:
    """The addresses of a card that a server is to have; None for the next free one."""
    return addresses(fixed_ips) if fixed_ips else None


def parse_group(group: object) -> str:
    """The name of a security group, from the object that has it."""
    if not isinstance(group, dict) or not isinstance(group.get("name"), str):
        raise InvalidRequestError("Invalid input for field/attribute security_groups.")
    return str(group["name"])


def server_to_json(
    server: Server,
    *,
    flavor: Flavor,
    addresses: Document,
    groups: list[Document],
    volumes: list[Volume],
) -> Document:
    """A server as Nova shows it."""
    is_deleting = server.status == DELETING
    shown = {
        "tenant_id": PROJECT_ID,
        "user_id": USER_ID,
        "id": server.id,
        "name": server.name,
        "status": "ACTIVE" if is_deleting else server.status,
        "image": "" if server.boots_from_volume else {"id": server.image},
        "flavor": _embedded(flavor),
        "metadata": server.metadata,
        "key_name": server.key_name,
        "config_drive": "True" if server.config_drive else "",
        "created": server.created,
        "updated": server.updated,
        "addresses": addresses,
        "accessIPv4": server.access or "",
        "accessIPv6": "",
        "security_groups": groups,
        "description": server.description,
        "tags": list(server.tags),
        "locked": False,
        "hostId": "local",
        "progress": 100 if server.status == "ACTIVE" else 0,
        "links": [],
        "os-extended-volumes:volumes_attached": [_attached(volume) for volume in volumes],
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": ZONE,
        "OS-EXT-SRV-ATTR:instance_name": f"infraci-{server.id}",
        "OS-EXT-SRV-ATTR:host": "local",
        "OS-EXT-STS:task_state": "deleting" if is_deleting else None,
        "OS-EXT-STS:vm_state": VM_STATES.get(server.status, "building"),
        "OS-EXT-STS:power_state": _POWER_STATES.get(server.status, 0),
        "OS-SRV-USG:launched_at": None,
        "OS-SRV-USG:terminated_at": None,
    }
    if server.fault and server.status == "ERROR":
        shown["fault"] = {"code": 500, **asdict(server.fault)}
    return shown


def _attached(volume: Volume) -> Document:
    """A volume as a server shows it."""
    attachment = volume.attachment
    goes = attachment is not None and attachment.delete_on_termination
    return {"id": volume.id, "delete_on_termination": goes}


def parse_server_group(body: Document) -> ServerGroup:
    """The record of a new server group; older microversions say its one policy as a list."""
    policies = body.get("policies") or [body.get("policy")]
    if not isinstance(policies, list) or len(policies) != 1 or policies[0] not in _POLICIES:
        raise InvalidRequestError(f"Invalid input for field/attribute policies: {policies}.")
    return ServerGroup(name=str(body.get("name") or ""), policy=policies[0])


def server_group_to_json(group: ServerGroup, members: list[str]) -> Document:
    """A server group as Nova shows it, with the ids of its servers."""
    return {
        "id": group.id, "name": group.name, "policies": [group.policy], "members": members,
        "metadata": {}, "project_id": PROJECT_ID, "user_id": USER_ID,
    }  # fmt: skip


def flavor_to_json(flavor: Flavor) -> Document:
    """A flavor as Nova shows it."""
    return {
        "id": flavor.id, "name": flavor.name, "vcpus": flavor.vcpus, "ram": flavor.ram_mb,
        "disk": flavor.disk_gb, "swap": "", "rxtx_factor": 1.0, "os-flavor-access:is_public": True,
        "OS-FLV-EXT-DATA:ephemeral": 0, "OS-FLV-DISABLED:disabled": False, "description": None,
        "extra_specs": dict(flavor.extra_specs), "links": [],
    }  # fmt: skip


def parse_flavor(body: Document) -> Flavor:
    """The record of a new flavor; its id is made up unless the client gives one."""
    id_, name = body.get("id") or "auto", str(body.get("name") or "")
    if not name:
        raise InvalidRequestError("Invalid input for field/attribute name. It is missing.")
    flavor = Flavor(
        name=name,
        vcpus=number(body.get("vcpus")),
        ram_mb=number(body.get("ram")),
        disk_gb=number(body.get("disk") or 0),
    )
    return flavor if id_ == "auto" else replace(flavor, id=str(id_))


def _embedded(flavor: Flavor) -> Document:
    """A flavor as a server shows it."""
    return {
        "original_name": flavor.name, "vcpus": flavor.vcpus, "ram": flavor.ram_mb,
        "disk": flavor.disk_gb, "ephemeral": 0, "swap": 0, "extra_specs": {},
    }  # fmt: skip


def keypair_to_json(pair: KeyPair) -> Document:
    """A key pair as Nova shows it."""
    return {**asdict(pair), "type": "ssh", "user_id": USER_ID}


def address_to_json(address: str, port: Port, type_: str) -> Document:
    """An address as a server shows it; its type is fixed or floating."""
    return {
        "version": 6 if ":" in address else 4,
        "addr": address,
        "OS-EXT-IPS:type": type_,
        "OS-EXT-IPS-MAC:mac_addr": port.mac_address,
    }


def card_to_json(port: Port) -> Document:
    """A server's network card as Nova shows it."""
    return {
        "port_id": port.id,
        "net_id": port.network_id,
        "mac_addr": port.mac_address,
        "port_state": port.status,
        "fixed_ips": [asdict(fixed) for fixed in port.fixed_ips],
    }
