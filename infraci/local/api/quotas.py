"""Limits and quotas: what this machine has addresses for, and what is there already."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from infraci.local.domain.flavors import FLAVORS
from infraci.local.domain.networks import PUBLIC_ID
from infraci.local.domain.store import Document, Store

_NO_LIMIT = -1


def compute_limits(store: Store, access: ipaddress.IPv4Network) -> Document:
    """Nova's absolute limits: as many servers as there are addresses to log in at.

    CPUs and memory have none: servers share them, and flavors only bound what each may take.
    """
    servers = store.find("server")
    flavors = [FLAVORS[server["flavor"]] for server in servers]
    return {
        "maxServerMeta": 128, "maxPersonality": 0, "maxPersonalitySize": 0,
        "maxTotalInstances": access.num_addresses - 2, "totalInstancesUsed": len(servers),
        "maxTotalCores": _NO_LIMIT, "totalCoresUsed": sum(f.vcpus for f in flavors),
        "maxTotalRAMSize": _NO_LIMIT, "totalRAMUsed": sum(f.ram_mb for f in flavors),
        "maxTotalKeypairs": _NO_LIMIT, "maxImageMeta": 128,
        "maxServerGroups": 0, "maxServerGroupMembers": 0, "totalServerGroupsUsed": 0,
    }  # fmt: skip


def network_quotas(store: Store, kinds: Iterable[str]) -> Mapping[str, Document]:
    """Neutron's quotas with what is used: as many floating IPs as the external network has."""
    limits = dict.fromkeys(kinds, _NO_LIMIT)
    limits["floatingip"] = _addresses(store)
    return {
        kind: {"limit": limit, "used": len(_ours(store, kind)), "reserved": 0}
        for kind, limit in limits.items()
    }


def _addresses(store: Store) -> int:
    """How many addresses floating IPs may have; routers' gateways take some of them."""
    subnets = store.find("subnet", network_id=PUBLIC_ID)
    pools = [pool for subnet in subnets for pool in subnet["allocation_pools"]]
    size = sum(
        int(ipaddress.IPv4Address(pool["end"])) - int(ipaddress.IPv4Address(pool["start"])) + 1
        for pool in pools
    )
    gateways = [router for router in store.find("router") if router.get("external_gateway_info")]
    return size - len(gateways)


def _ours(store: Store, kind: str) -> list[Document]:
    """What is not the cloud's own: its external network and that one's subnet."""
    cloud = (PUBLIC_ID,)
    return [
        document
        for document in store.find(kind)
        if document["id"] not in cloud and document.get("network_id") not in cloud
    ]
