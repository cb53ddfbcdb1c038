"""Limits and quotas: what this machine has addresses for, and what is there already."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from infraci.local.api.web import Document
from infraci.local.domain.flavors import Flavors
from infraci.local.domain.networks import PUBLIC_ID
from infraci.local.domain.records import FloatingIp, NeutronRecord, Router, Server, Subnet
from infraci.local.domain.store import Store
from infraci.local.domain.volume_records import Snapshot, Volume

_NO_LIMIT = -1


def compute_limits(store: Store, access: ipaddress.IPv4Network) -> Document:
    """Nova's absolute limits: as many servers as there are addresses to log in at.

    CPUs and memory have none: servers share them, and flavors only bound what each may take.
    """
    servers = store.find(Server)
    known = Flavors(store)
    flavors = [known.of(server) for server in servers]
    return {
        "maxServerMeta": 128, "maxPersonality": 0, "maxPersonalitySize": 0,
        "maxTotalInstances": access.num_addresses - 2, "totalInstancesUsed": len(servers),
        "maxTotalCores": _NO_LIMIT, "totalCoresUsed": sum(f.vcpus for f in flavors),
        "maxTotalRAMSize": _NO_LIMIT, "totalRAMUsed": sum(f.ram_mb for f in flavors),
        "maxTotalKeypairs": _NO_LIMIT, "maxImageMeta": 128,
        "maxServerGroups": 0, "maxServerGroupMembers": 0, "totalServerGroupsUsed": 0,
    }  # fmt: skip


def volume_limits(store: Store) -> Document:
    """Cinder's absolute limits: none, since a volume's file holds only what is written to it."""
    volumes, snapshots = store.find(Volume), store.find(Snapshot)
    return {
        "maxTotalVolumes": _NO_LIMIT, "totalVolumesUsed": len(volumes),
        "maxTotalVolumeGigabytes": _NO_LIMIT,
        "totalGigabytesUsed": sum(each.size_gb for each in volumes)
        + sum(each.size_gb for each in snapshots),
        "maxTotalSnapshots": _NO_LIMIT, "totalSnapshotsUsed": len(snapshots),
        "maxTotalBackups": 0, "totalBackupsUsed": 0,
        "maxTotalBackupGigabytes": 0, "totalBackupGigabytesUsed": 0,
    }  # fmt: skip


def network_quotas(store: Store, kinds: Iterable[type[NeutronRecord]]) -> Mapping[str, Document]:
    """Neutron's quotas with what is used: as many floating IPs as the external network has."""
    return {
        kind.kind: {
            "limit": _addresses(store) if kind is FloatingIp else _NO_LIMIT,
            "used": len(_clients_own(store, kind)),
            "reserved": 0,
        }
        for kind in kinds
    }


def _addresses(store: Store) -> int:
    """How many addresses floating IPs may have; routers' gateways take some of them."""
    subnets = store.find(Subnet, lambda subnet: subnet.network_id == PUBLIC_ID)
    size = sum(
        int(ipaddress.IPv4Address(pool.end)) - int(ipaddress.IPv4Address(pool.start)) + 1
        for subnet in subnets
        for pool in subnet.allocation_pools
    )
    gateways = store.find(Router, lambda router: router.external_gateway_info is not None)
    return size - len(gateways)


def _clients_own(store: Store, kind: type[NeutronRecord]) -> list[NeutronRecord]:
    """All records but the external network, its subnet and its ports."""
    return [
        record
        for record in store.find(kind)
        if PUBLIC_ID not in (record.id, getattr(record, "network_id", None))
    ]
