"""What an account may do and use on a cloud: its roles, its quotas, and names that exist there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infraci.heat.cloud_errors import GoneError
from infraci.heat.openstack_connection import Connection

_PAGE = 1000
#: Nova's words for a limit and what is used of it.
_COMPUTE = {
    "servers": ("maxTotalInstances", "totalInstancesUsed"),
    "cores": ("maxTotalCores", "totalCoresUsed"),
    "MB of RAM": ("maxTotalRAMSize", "totalRAMUsed"),
    "server groups": ("maxServerGroups", "totalServerGroupsUsed"),
}
_STORAGE = {
    "volumes": ("maxTotalVolumes", "totalVolumesUsed"),
    "GB of volumes": ("maxTotalVolumeGigabytes", "totalGigabytesUsed"),
}
_NETWORK = {
    "networks": "network",
    "subnets": "subnet",
    "ports": "port",
    "routers": "router",
    "floating IPs": "floatingip",
    "security groups": "security_group",
    "security group rules": "security_group_rule",
}
#: Where the names of a kind are listed: service, path, what the list is called.
_LISTS = {
    "image": ("image", "/images", "images"),
    "flavor": ("compute", "/flavors/detail", "flavors"),
    "network": ("network", "/networks", "networks"),
    "key": ("compute", "/os-keypairs", "keypairs"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The user and the project that a token is for."""

    user: str
    project: str
    project_id: str
    roles: tuple[str, ...]
    expires: str  # ISO 8601


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The limit of a kind, and its use."""

    limit: int  # -1 is no limit
    used: int

    @property
    def left(self) -> float:
        """How many more can be made."""
        return float("inf") if self.limit < 0 else max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The processors and the memory of a flavor."""

    vcpus: int
    ram_mb: int


class Capacity:
    """Reads one cloud's roles, quotas and names; each call sends a request."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.cloud = connection.cloud

    def account(self) -> Account:
        """The account that infraci logs in as. Raises CloudError if the login fails."""
        access = self._connection.access()
        return Account(
            user=str(access.username),
            project=str(access.project_name or "none"),
            project_id=str(access.project_id or ""),
            roles=tuple(map(str, access.role_names)),
            expires=access.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def template_versions(self) -> tuple[str, ...]:
        """The HOT versions that Heat understands, oldest first."""
        answer = self._ask("list template versions", "orchestration", "/template_versions")
        versions = [
            str(entry["version"]).partition(".")[2]
            for entry in answer["template_versions"]
            if entry.get("type") == "hot"
        ]
        return tuple(sorted(versions))

    def quotas(self, kinds: Iterable[str]) -> Mapping[str, Quota]:
        """The quotas of these kinds, by kind; sends one request to each service concerned."""
        requested, quotas = set(kinds), dict[str, Quota]()
        if requested & _COMPUTE.keys():
            quotas |= self._limits("compute", _COMPUTE)
        if requested & _STORAGE.keys():
            quotas |= self._limits("block_storage", _STORAGE)
        if requested & _NETWORK.keys():
            quotas |= self._network()
        return {kind: quota for kind, quota in quotas.items() if kind in requested}

    def sizes(self) -> Mapping[str, Size]:
        """The flavors' sizes, by name and by id."""
        answer = self._ask("list flavors", "compute", "/flavors/detail")
        return {
            str(flavor[key]): Size(vcpus=int(flavor["vcpus"]), ram_mb=int(flavor["ram"]))
            for flavor in answer["flavors"]
            for key in ("id", "name")
        }

    def names(self, kind: str) -> tuple[str, ...]:
        """The names of all images, flavors, networks or keys."""
        service, path, listed = _LISTS[kind]
        entries = self._ask(f"list {listed}", service, path)[listed]
        return tuple(str(entry.get("keypair", entry)["name"]) for entry in entries)

    def _limits(self, service: str, names: Mapping[str, tuple[str, str]]) -> dict[str, Quota]:
        limits = self._ask("read the limits", service, "/limits")["limits"]["absolute"]
        return {
            kind: Quota(limit=int(limits[limit]), used=int(limits.get(used) or 0))
            for kind, (limit, used) in names.items()
            if limit in limits
        }

    def _network(self) -> dict[str, Quota]:
        project = self.account().project_id
        path = f"/quotas/{project}/details"
        try:
            quotas = self._connection.ask("read the quotas", "network", "GET", path)["quota"]
        except GoneError:
            return {}  # this Neutron does not report use
        return {
            kind: Quota(
                limit=int(quotas[name]["limit"]),
                used=int(quotas[name]["used"]) + int(quotas[name].get("reserved") or 0),
            )
            for kind, name in _NETWORK.items()
            if name in quotas
        }

    def _ask(self, verb: str, service: str, path: str) -> Any:
        return self._connection.ask(verb, service, "GET", path, params=_params(path))


def _params(path: str) -> dict[str, object]:
    """The page size, which all paths but these two take."""
    return {} if path in ("/limits", "/template_versions") else {"limit": _PAGE}
