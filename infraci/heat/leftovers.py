"""Finds what a cloud still has of a run, by the run's name, its tags, and its resources' ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any
from urllib.parse import quote as quote_path

from infraci.base.invocation import invocation
from infraci.base.parallel import in_parallel
from infraci.heat.cloud_errors import LOCAL, NoServiceError
from infraci.heat.objects import SERVER_TYPES
from infraci.heat.openstack_connection import Connection
from infraci.model.run import ResourceReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The name, tags and ids by which a run's resources are recognised."""

    name: str  # the stack's, with which Heat begins the names of its resources
    tags: tuple[str, ...] = ()  # which a stack of the run has, all of them
    resources: tuple[ResourceReference, ...] = ()

    def ids(self, types: tuple[str, ...]) -> frozenset[str]:
        """The ids that the run's stack had of some types."""
        return frozenset(p.id for p in self.resources if p.kind in types)

    def names(self, name: str) -> bool:
        """Whether a resource of that name is named after the run."""
        return name == self.name or name.startswith(f"{self.name}-")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftoverKind:
    """A kind of resource: where its service lists it, and the command that removes it."""

    name: str
    service: str
    collection: str  # the path of its list, and the key in the answer
    command: str  # openstackclient's, which removes it by its id
    types: tuple[str, ...] = ()  # Heat's
    fields: tuple[str, ...] = ()  # the fields to ask Neutron for
    key: str = ""  # in the answer, where it is not the path

    def path(self, id_: str) -> str:
        """The path of one of the kind, below its service."""
        return f"/{self.collection}/{quote_path(id_, safe='')}".replace("//", "/")


STACK = LeftoverKind(
    name="stack", service="orchestration", collection="stacks", command="stack delete --yes --wait"
)
PORT = LeftoverKind(
    name="port",
    service="network",
    collection="ports",
    command="port delete",
    types=("OS::Neutron::Port", "AWS::EC2::NetworkInterface"),
    fields=(
        "id",
        "name",
        "device_id",
        "device_owner",
        "network_id",
        "fixed_ips",
        "security_groups",
    ),
)
FLOATING_IP = LeftoverKind(
    name="floating IP",
    service="network",
    collection="floatingips",
    command="floating ip delete",
    types=("OS::Neutron::FloatingIP", "OS::Nova::FloatingIP", "AWS::EC2::EIP"),
    fields=("id", "floating_ip_address", "router_id"),
)
SNAPSHOT = LeftoverKind(
    name="volume snapshot",
    service="block_storage",
    collection="snapshots",
    command="volume snapshot delete",
)
BALANCER = LeftoverKind(
    name="load balancer",
    service="load_balancer",
    collection="lbaas/loadbalancers",
    key="loadbalancers",
    command="loadbalancer delete --cascade --wait",
    types=("OS::Octavia::LoadBalancer",),
)
#: Many logins have no rights in an object store: it is asked for what a run has made there, only.
CONTAINER = LeftoverKind(
    name="container",
    service="object_store",
    collection="",  # the list of an account is the account
    command="container delete --recursive",
    types=("OS::Swift::Container", "AWS::S3::Bucket"),
)
_SERVERS = tuple(SERVER_TYPES)
_VOLUMES = ("OS::Cinder::Volume", "AWS::EC2::Volume")
_NETWORKS = ("OS::Neutron::Net", "OS::Neutron::ProviderNet", "AWS::EC2::VPC")
_ROUTERS = ("OS::Neutron::Router", "AWS::EC2::RouteTable")
_GROUPS = ("OS::Neutron::SecurityGroup", "AWS::EC2::SecurityGroup")

#: In the order in which they are removed: what is used goes after its users.
KINDS = (
    STACK,
    FLOATING_IP,
    BALANCER,
    LeftoverKind(
        name="server",
        service="compute",
        collection="servers",
        command="server delete --wait",
        types=_SERVERS,
    ),
    SNAPSHOT,
    LeftoverKind(
        name="volume",
        service="block_storage",
        collection="volumes",
        command="volume delete --purge",
        types=_VOLUMES,
    ),
    PORT,
    LeftoverKind(
        name="router",
        service="network",
        collection="routers",
        command="router delete",
        types=_ROUTERS,
        fields=("id", "name"),
    ),
    LeftoverKind(
        name="network",
        service="network",
        collection="networks",
        command="network delete",
        types=_NETWORKS,
        fields=("id", "name"),
    ),
    LeftoverKind(
        name="security group",
        service="network",
        collection="security-groups",
        key="security_groups",
        command="security group delete",
        types=_GROUPS,
        fields=("id", "name"),
    ),
    LeftoverKind(
        name="key pair",
        service="compute",
        collection="os-keypairs",
        key="keypairs",
        command="keypair delete",
        types=("OS::Nova::KeyPair",),
    ),
    CONTAINER,
)

_FOREIGN = ", which the run did not make"
_INTERFACE = "network:router_interface"
#: The owner of a port that has a load balancer's address.
_BALANCERS = "Octavia"
#: The types that may make a port, which goes away with them.
_HOLDERS = (*_SERVERS, *_ROUTERS)
#: The types by which a stack borrows a floating IP, and gives it back.
_ASSOCIATIONS = (
    "OS::Neutron::FloatingIPAssociation",
    "OS::Nova::FloatingIPAssociation",
    "AWS::EC2::EIPAssociation",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A resource on the cloud that a run left, or that keeps such a resource from going."""

    kind: LeftoverKind
    id: str
    name: str
    cloud: str
    router: str = ""  # of a port that is its leg in a network
    user: str = ""  # of a port: the server or router it belongs to, where that is not the run's
    group: str = ""  # of a port: the run's security group, if it is in the way by that alone
    foreign: bool = False  # the run did not make it, but it keeps what the run made from going

    def __str__(self) -> str:
        name = f"{self.name} " * bool(self.name and self.name != self.id)
        holder = "router" if self.router else "server"
        user = f" of {holder} {self.user}" if self.user else ""
        return f"{self.kind.name} {name}({self.id}){user}{_FOREIGN * self.foreign}"

    @property
    def is_stack(self) -> bool:
        """Whether it is a stack: only Heat removes one."""
        return self.kind is STACK

    @property
    def command(self) -> str:
        """The command that removes it, or only detaches it where it is not the run's own."""
        words = self.kind.command
        if self.router:
            words = f"router remove port {self.router}"
        elif self.group:
            words = f"port unset --security-group {self.group}"
        elif self.foreign and self.kind is FLOATING_IP:
            words = "floating ip unset --port"
        where = ""
        if self.cloud == LOCAL:
            where = f'OS_CLIENT_CONFIG_FILE="$({invocation("cloud", "clouds-yaml")})" '
        return f"{where}openstack --os-cloud {quote(self.cloud)} {words} {quote(self.id)}"


def find_leftovers(connection: Connection, mark: Mark) -> tuple[Leftover, ...]:
    """What the cloud has of a run, in the order in which it can be removed.

    Sends a request for each kind, in parallel. Router interfaces come after other ports, whose
    floating IPs they carry. A service that the cloud does not have holds nothing.
    """

    def list_leftovers(kind: LeftoverKind) -> list[Leftover]:
        entries = (
            _leftover(kind, entry, mark, connection.cloud)
            for entry in _entries(connection, kind, mark)
            if _is_ours(kind, entry, mark)
        )
        return sorted(entries, key=lambda leftover: bool(leftover.router))

    leftovers: list[Leftover] = []
    kinds = [kind for kind in KINDS if _may_have(kind, mark)]
    for answer in in_parallel(list_leftovers, kinds):
        if isinstance(answer, NoServiceError):
            continue
        if isinstance(answer, Exception):
            raise answer
        leftovers += answer
    return tuple(leftovers)


def _may_have(kind: LeftoverKind, mark: Mark) -> bool:
    if kind is STACK:
        return bool(mark.tags)
    return kind is not CONTAINER or bool(mark.ids(kind.types))


def _is_ours(kind: LeftoverKind, entry: Mapping[str, Any], mark: Mark) -> bool:
    if kind is STACK:  # listed by their tags; Heat lists deleted ones for a moment
        return str(entry["stack_status"]) != "DELETE_COMPLETE"
    return _is_marked(kind, entry, mark) or _is_in_the_way(kind, entry, mark)


def _is_marked(kind: LeftoverKind, entry: Mapping[str, Any], mark: Mark) -> bool:
    return _id_of(entry) in mark.ids(kind.types) or mark.names(str(entry.get("name") or ""))


def _leftover(kind: LeftoverKind, entry: Mapping[str, Any], mark: Mark, cloud: str) -> Leftover:
    router = user = group = ""
    is_own = _is_own_port(entry, mark) if kind is PORT else _is_marked(kind, entry, mark)
    foreign = kind is not STACK and not is_own  # stacks were listed by the run's tags
    if kind is PORT:
        device = str(entry.get("device_id") or "")
        router = device * str(entry.get("device_owner")).startswith(_INTERFACE)
        user = device if foreign else ""
        if foreign and not _is_attached(entry, mark):
            group = next(iter(_own_groups(entry, mark)), "")
    names = (entry.get(name) for name in ("name", "stack_name", "floating_ip_address"))
    name = next((str(name) for name in names if name), "")
    return Leftover(
        kind=kind, id=_id_of(entry), name=name, cloud=cloud, router=router, user=user,
        group=group, foreign=foreign,
    )  # fmt: skip


def _id_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("id") or entry["name"])  # a key pair has no other


def _is_in_the_way(kind: LeftoverKind, entry: Mapping[str, Any], mark: Mark) -> bool:
    """Whether a resource, perhaps another's, keeps one of the run's from being deleted."""
    if kind is FLOATING_IP:  # a router keeps the interfaces that floating IPs need
        is_lent = _id_of(entry) in mark.ids(_ASSOCIATIONS)
        return entry.get("router_id") in mark.ids(_ROUTERS) and not is_lent
    if kind is SNAPSHOT:  # Cinder keeps a volume that has snapshots
        return entry.get("volume_id") in mark.ids(_VOLUMES)
    return kind is PORT and (_is_attached(entry, mark) or bool(_own_groups(entry, mark)))


def _is_attached(entry: Mapping[str, Any], mark: Mark) -> bool:
    """Whether a port belongs to the run's router, server or network."""
    return not _comes_with_others(entry) and (
        entry.get("device_id") in mark.ids(_HOLDERS)
        or entry.get("network_id") in mark.ids(_NETWORKS)
    )


def _own_groups(entry: Mapping[str, Any], mark: Mark) -> frozenset[str]:
    """The run's security groups that a port is in."""
    if _comes_with_others(entry):
        return frozenset()
    return mark.ids(_GROUPS).intersection(entry.get("security_groups") or ())


def _comes_with_others(entry: Mapping[str, Any]) -> bool:
    """Whether a port belongs to a network, floating IP or load balancer, and is deleted with it."""
    owner = str(entry.get("device_owner") or "")
    is_networks = owner.startswith("network:") and not owner.startswith(_INTERFACE)
    return is_networks or owner == _BALANCERS


def _is_own_port(entry: Mapping[str, Any], mark: Mark) -> bool:
    """Whether a port is the run's, so that infraci may remove it.

    A server's ports are. A router's interface is, if the stack has made that very interface, or
    both the router and the network.
    """
    if _is_marked(PORT, entry, mark):
        return True
    ours = entry.get("device_id") in mark.ids(_HOLDERS)
    if not str(entry.get("device_owner")).startswith(_INTERFACE):
        return ours
    legs = mark.ids(("OS::Neutron::RouterInterface",))
    ends = [f"subnet_id={ip.get('subnet_id')}" for ip in entry.get("fixed_ips") or ()]
    ends.append(f"port_id={entry.get('id')}")
    made = any(f"{entry.get('device_id')}:{end}" in legs for end in ends)
    return made or (ours and entry.get("network_id") in mark.ids(_NETWORKS))


def _entries(connection: Connection, kind: LeftoverKind, mark: Mark) -> Iterator[Mapping[str, Any]]:
    """All entries of a list, page by page."""
    key = kind.key or kind.collection
    params: dict[str, object] = {}
    if kind.fields:
        params["fields"] = list(kind.fields)
    if kind is STACK:
        params["tags"] = ",".join(mark.tags)
    if kind is CONTAINER:
        yield from _containers(connection)
        return
    while True:
        answer = connection.ask(
            f"list the {kind.name}s", kind.service, "GET", f"/{kind.collection}", params=params
        )
        entries = [entry.get("keypair", entry) for entry in answer[key]]
        yield from entries
        links = answer.get(f"{key}_links") or ()
        if not entries or not any(link.get("rel") == "next" for link in links):
            return
        params["marker"] = entries[-1]["id"]


def _containers(connection: Connection) -> Iterator[Mapping[str, Any]]:
    """All containers of an account: Swift's lists have no links, and end with an empty one."""
    params: dict[str, object] = {"format": "json"}
    while True:
        page = connection.ask("list the containers", CONTAINER.service, "GET", "/", params=params)
        if not page:
            return
        yield from page
        params["marker"] = page[-1]["name"]
