"""What Neutron's nouns have in common here: their documents, and who still uses them."""

from __future__ import annotations

from infraci.local.account import PROJECT_ID
from infraci.local.domain.store import Document, Store
from infraci.local.errors import ConflictError, NotFoundError


class Neutron:
    """Documents of Neutron's in the store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def require(self, kind: str, id_: str) -> Document:
        """A document, or the API's 404."""
        document = self.store.get(kind, id_)
        if document is None:
            raise NotFoundError.of(_NOUNS[kind], id_)
        return document

    def refuse_in_use(self, noun: str, id_: str, users: list[Document]) -> None:
        """Raise the API's 409 when ports still use what is to be removed."""
        if users:
            raise ConflictError(
                f"Unable to complete operation on {noun.lower()} {id_}:"
                f" {len(users)} port(s) still use it.",
                neutron_type=f"{noun}InUse",
            )


_NOUNS = {
    "network": "Network",
    "subnet": "Subnet",
    "port": "Port",
    "router": "Router",
    "floatingip": "FloatingIP",
    "security_group": "SecurityGroup",
    "security_group_rule": "SecurityGroupRule",
}


def owned() -> Document:
    """Whose a document is: the one project's."""
    return {"tenant_id": PROJECT_ID, "project_id": PROJECT_ID}


def network_defaults(id_: str) -> Document:
    """A network as Neutron shows one of which nothing was said."""
    return {
        "id": id_, **owned(), "name": "", "description": "", "status": "ACTIVE",
        "admin_state_up": True, "shared": False, "router:external": False, "subnets": [],
        "mtu": 1400, "port_security_enabled": True, "availability_zones": ["local"],
        "availability_zone_hints": [], "tags": [], "qos_policy_id": None, "dns_domain": "",
    }  # fmt: skip


def subnet_defaults(id_: str, network_id: str) -> Document:
    """A subnet, likewise; its addresses are still to be chosen."""
    return {
        "id": id_, **owned(), "network_id": network_id, "name": "", "description": "",
        "ip_version": 4, "enable_dhcp": True, "dns_nameservers": [], "host_routes": [],
        "ipv6_address_mode": None, "ipv6_ra_mode": None, "subnetpool_id": None,
        "segment_id": None, "service_types": [], "tags": [],
    }  # fmt: skip


def port_defaults(id_: str, network_id: str) -> Document:
    """A port, likewise."""
    return {
        "id": id_, **owned(), "network_id": network_id, "name": "", "description": "",
        "status": "DOWN", "admin_state_up": True, "device_id": "", "device_owner": "",
        "security_groups": [], "allowed_address_pairs": [], "extra_dhcp_opts": [],
        "port_security_enabled": True, "binding:vnic_type": "normal", "tags": [],
        "qos_policy_id": None, "dns_name": "", "dns_assignment": [],
        "propagate_uplink_status": False,
    }  # fmt: skip


def router_defaults(id_: str) -> Document:
    """A router, likewise."""
    return {
        "id": id_, **owned(), "name": "", "description": "", "status": "ACTIVE",
        "admin_state_up": True, "external_gateway_info": None, "routes": [],
        "distributed": False, "ha": False, "availability_zones": ["local"],
        "availability_zone_hints": [], "flavor_id": None, "tags": [],
    }  # fmt: skip


def floating_defaults(id_: str) -> Document:
    """A floating IP, likewise."""
    return {
        "id": id_, **owned(), "description": "", "status": "DOWN", "router_id": None,
        "port_id": None, "fixed_ip_address": None, "dns_name": "", "dns_domain": "",
        "qos_policy_id": None, "port_details": None, "tags": [],
    }  # fmt: skip
