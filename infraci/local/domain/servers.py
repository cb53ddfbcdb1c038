"""Creates, changes and removes servers: keeps their records, and has the host run them."""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from infraci.errors import InfraciError
from infraci.local.domain.addresses import default_pools, next_free
from infraci.local.domain.agents import image_to_boot
from infraci.local.domain.balancer_records import LoadBalancer
from infraci.local.domain.config_drive import config_drive
from infraci.local.domain.flavors import Flavors
from infraci.local.domain.instance_metadata import hostname
from infraci.local.domain.metadata_source import MetadataSource
from infraci.local.domain.networks import Networks
from infraci.local.domain.packet_filters import PacketFilters
from infraci.local.domain.port_names import DOMAIN
from infraci.local.domain.project_network import ProjectNetwork
from infraci.local.domain.records import (
    DELETING,
    FROZEN,
    VM_STATES,
    Fault,
    Image,
    KeyPair,
    Network,
    Port,
    Router,
    Server,
)
from infraci.local.domain.requests import CardRequest, DiskRequest
from infraci.local.domain.server_disks import ServerDisks
from infraci.local.domain.server_ports import ServerPorts
from infraci.local.domain.server_volumes import ServerVolumes, Turns
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError, InvalidRequestError, NotFoundError
from infraci.local.host.fabric import access_nic
from infraci.local.host.host_interface import BootPlan, HostInterface

LOG = logging.getLogger(__name__)


class Servers:
    """Nova's servers, kept in the store and run on the host."""

    def __init__(
        self,
        store: Store,
        networks: Networks,
        host: HostInterface,
        *,
        project_network: ProjectNetwork,
        filters: PacketFilters,
        disks: ServerDisks,
        access_cidr: ipaddress.IPv4Network,
        labels_of: Callable[[Server], Mapping[str, str]],
    ) -> None:
        self._store = store
        self.flavors = Flavors(store)
        self._networks = networks
        self.ports = ServerPorts(store, networks, project_network)
        self.metadata = MetadataSource(store, self.ports, self.flavors)
        self.disks = disks
        self._host = host
        self._filters = filters
        self.access_cidr = access_cidr
        self._labels_of = labels_of
        # What is done with one server is done in turn, also while it is being built.
        self._turns: Turns = defaultdict(threading.Lock)
        self.volumes = ServerVolumes(disks, host, turns=self._turns, require=self.require)

    def create(
        self,
        server: Server,
        *,
        cards: Sequence[CardRequest] | None = None,
        groups: Sequence[str] = (),
        disks: Sequence[DiskRequest] = (),
    ) -> Server:
        """Accept a new server; it boots in the background, as Nova's do.

        Without ``cards`` it has one in its stack's or project's network; ``groups`` are names of
        security groups.
        """
        if self.flavors.get(server.flavor) is None:
            raise _no_flavor(server.flavor)
        if server.key_name and self._store.get(KeyPair, server.key_name) is None:
            raise InvalidRequestError("Invalid key_name provided.")
        if image := self.disks.root_image(disks):
            server = replace(server, image=image, boots_from_volume=True)
        now = _now()
        server = self._store.put(replace(server, created=now, updated=now))
        try:
            self.disks.claim(server.id, disks)
            stack_id = str(server.hints.get("heat_root_stack_id", ""))
            self.ports.claim(server.id, cards, self.ports.group_ids(groups), stack_id=stack_id)
        except Exception:
            self._forget(server)
            raise
        self._in_background(self._boot, server.id)
        return server

    def _boot(self, id_: str) -> None:
        if self.require(id_).status == DELETING:
            return
        try:
            server = self._with_access(self.require(id_))
            self._start(self._host.boot, server)
            self.disks.settle(id_)
        except InfraciError as error:
            self._fail(id_, error.message)
        except Exception as error:
            LOG.exception("cannot boot server %s", id_)
            self._fail(id_, f"{type(error).__name__}: {error}")
        else:
            self._settle(id_, "ACTIVE")

    def _start(self, start: Callable[[BootPlan], None], server: Server) -> None:
        """Start a server with its volumes, and meanwhile apply its security groups."""
        plan = self._boot_plan(server)
        self._networks.stand_up(nic.network_id for nic in plan.nics)
        with ThreadPoolExecutor(max_workers=1) as beside:
            guarded = beside.submit(self._filters.refresh)
            start(plan)
        guarded.result()

    def _settle(self, id_: str, status: str) -> None:
        with self._store.locked():
            server = self._store.get(Server, id_)
            if server and server.status != DELETING:
                self._store.put(replace(server, status=status, updated=_now()))

    def _fail(self, id_: str, message: str) -> None:
        now = _now()
        fault = Fault(created=now, message=message)
        self._store.change(
            Server, id_, lambda server: replace(server, status="ERROR", fault=fault, updated=now)
        )

    def _with_access(self, server: Server) -> Server:
        if server.access or access_nic(self.ports.nics(server.id)) is None:
            return server
        with self._store.locked():
            taken = {other.access for other in self._store.find(Server)}
            pools = default_pools(self.access_cidr, str(self.access_cidr[1]))
            address = next_free(pools, taken)
            if address is None:
                raise ConflictError(f"No access address is left in {self.access_cidr}.")
            changed = self._store.change(
                Server, server.id, lambda server: replace(server, access=address)
            )
            return changed or server

    def _boot_plan(self, server: Server) -> BootPlan:
        flavor = self.flavors.of(server)
        image = self._store.get(Image, server.image)
        if image is None:
            raise InvalidRequestError(f"Image {server.image} could not be found.")
        metadata = self.metadata.of(server)
        return BootPlan(
            id=server.id,
            name=server.name,
            hostname=hostname(server.name),
            image=image_to_boot(image.name, metadata.user_data or b""),
            vcpus=flavor.vcpus,
            ram_mb=flavor.ram_mb,
            nics=self.ports.nics(server.id),
            disks=self.volumes.of(server.id),
            access=server.access,
            dns=self.ports.name_servers(server.id),
            domain=DOMAIN,
            labels=self._labels_of(server),
            config_drive=config_drive(metadata),
        )

    def delete(self, id_: str) -> None:
        """Remove a server, and the ports that were made for it, in the background."""
        server = self.require(id_)
        if server.status != DELETING:
            self._store.change(Server, id_, lambda server: replace(server, status=DELETING))
            self._in_background(self._remove, id_)

    def _remove(self, id_: str) -> None:
        server = self.require(id_)
        try:
            nic = access_nic(self.ports.nics(id_))
            network_id = nic.network_id if nic else None
            self._host.remove(id_, access=server.access, network_id=network_id)
        except Exception as error:
            LOG.exception("cannot remove server %s", id_)
            self._fail(id_, str(error))
        else:
            self._forget(server)
            self._turns.pop(id_, None)
            self.volumes.forget(id_)

    def _forget(self, server: Server) -> None:
        self.ports.release_all(server.id)
        self.disks.release_all(server.id)
        self._store.drop(server)

    def console(self, id_: str, lines: int | None) -> str:
        """The last lines that a server wrote to its console; all of them for None or 0."""
        self.require(id_)
        text = self._host.console(id_)
        return "".join(text.splitlines(keepends=True)[-lines:]) if lines else text

    def stop(self, id_: str) -> None:
        """Shut a server down."""
        self._check_status(id_, "stop", "ACTIVE", "ERROR")
        with self._turns[id_]:
            self._host.stop(id_)
            self._settle(id_, "SHUTOFF")

    def start(self, id_: str) -> None:
        """Start a server that was stopped."""
        server = self._check_status(id_, "start", "SHUTOFF")
        with self._turns[id_]:
            self._start(self._host.start, server)
            self._settle(id_, "ACTIVE")

    def reboot(self, id_: str, *, hard: bool) -> None:
        """Shut a server down and start it."""
        server = self.require(id_)
        if not hard:
            self._check_status(id_, "reboot", "ACTIVE")
        with self._turns[id_]:
            if server.status in FROZEN:
                self._host.thaw(id_)
            self._host.reboot(id_, hard=hard, disks=self.volumes.of(id_))
            self._settle(id_, "ACTIVE")

    def freeze(self, id_: str, action: str, status: str) -> None:
        """Hold all that runs in a server, for an action that ends in one of FROZEN."""
        self._check_status(id_, action, "ACTIVE")
        with self._turns[id_]:
            self._host.freeze(id_)
            self._settle(id_, status)

    def thaw(self, id_: str, action: str, status: str) -> None:
        """Let all that runs in a server go on, for an action that undoes :meth:`freeze`."""
        self._check_status(id_, action, status)
        with self._turns[id_]:
            self._host.thaw(id_)
            self._settle(id_, "ACTIVE")

    def _check_status(self, id_: str, action: str, *statuses: str) -> Server:
        server = self.require(id_)
        if server.status not in statuses:
            state = VM_STATES.get(server.status, "building")
            raise ConflictError(f"Cannot '{action}' instance {id_} while it is in vm_state {state}")
        return server

    def rebuild(self, id_: str, change: Callable[[Server], Server]) -> Server:
        """Replace a server by a new one of the same id, in the background."""
        server = self.require(id_)

        def to_rebuild(server: Server) -> Server:
            return replace(change(server), status="REBUILD")

        server = self._store.change(Server, id_, to_rebuild) or server
        self._host.remove(id_, access=None, network_id=None)
        self._in_background(self._boot, id_)
        return server

    def resize(self, id_: str, flavor_id: str) -> None:
        """Change a server's flavor, with its limits."""
        self.require(id_)
        flavor = self.flavors.get(flavor_id)
        if flavor is None:
            raise _no_flavor(flavor_id)
        self._host.resize(id_, vcpus=flavor.vcpus, ram_mb=flavor.ram_mb)
        self._store.change(Server, id_, lambda server: replace(server, flavor=flavor.id))
        self._settle(id_, "VERIFY_RESIZE")

    def confirm_resize(self, id_: str) -> None:
        """Keep the new flavor."""
        self._settle(self.require(id_).id, "ACTIVE")

    def add_group(self, id_: str, name: str) -> None:
        """Add a security group to a server's ports."""
        self._regroup(id_, name, is_added=True)

    def remove_group(self, id_: str, name: str) -> None:
        """Take a security group from a server's ports."""
        self._regroup(id_, name, is_added=False)

    def _regroup(self, id_: str, name: str, *, is_added: bool) -> None:
        self.require(id_)
        (group,) = self.ports.group_ids([name])
        with self._store.locked():
            for port in self.ports.of(id_):
                others = tuple(each for each in port.security_groups if each != group)
                groups = (*others, group) if is_added else others
                self._networks.update_port(port.id, partial(replace, security_groups=groups))
        self._filters.refresh()

    def attach(self, id_: str, card: CardRequest) -> Port:
        """Give a server one more port; returns the port."""
        self.require(id_)
        with self._keeping_access(id_):
            (port,) = self.ports.claim(id_, [card], [])
            self._host.plug(id_, self.ports.nic(port))
        self._filters.refresh()
        return port

    def detach(self, id_: str, port_id: str) -> None:
        """Take a port from a server."""
        self.require(id_)
        port = self._networks.require(Port, port_id)
        if port.device_id != id_:
            raise NotFoundError.of("Port", port_id)
        with self._keeping_access(id_):
            self._host.unplug(id_, self.ports.nic(port).device)
            self.ports.release(port)
        self._filters.refresh()

    def renumber(self, port_id: str, change: Callable[[], Port]) -> Port:
        """Change the addresses of a port that a server has, and its card with them."""
        id_ = self._networks.require(Port, port_id).device_id
        with self._keeping_access(id_):
            port = change()
            nic = self.ports.nic(port)
            self._host.unplug(id_, nic.device)
            self._host.plug(id_, nic)
        self._filters.refresh()
        return port

    @contextmanager
    def _keeping_access(self, id_: str) -> Iterator[None]:
        """Keep a server's access address on its first card with IPv4 when its cards change."""
        before = access_nic(self.ports.nics(id_))
        yield
        after = access_nic(self.ports.nics(id_))
        if before != after:
            server = self._with_access(self.require(id_))
            if server.access:
                self._host.move_access(id_, server.access, before=before, after=after)

    def watch(self) -> None:
        """Start servers again that rebooted themselves; others that have ended are off.

        Servers get devices of partitions that they have made.
        """
        self._host.watch_partitions()
        for id_, wants_reboot in self._host.ended().items():
            with self._turns[id_]:
                server = self._store.get(Server, id_)
                if server is None or server.status != "ACTIVE":
                    continue
                if wants_reboot:
                    self._start(self._host.start, server)
                else:
                    self._settle(id_, "SHUTOFF")

    def reconcile(self, *, dry_run: bool = False) -> list[str]:
        """Take over the servers that still run, and remove those that the store does not know.

        Returns what was (or would be) removed, a line each.
        """
        states = self._host.states()
        if not dry_run:
            for server in self._store.find(Server):
                self._take_over(server, states.get(server.id))
        known = {server.id for server in self._store.find(Server)}
        removed = []
        for id_ in sorted(states.keys() - known):
            removed.append(f"server {id_}")
            if not dry_run:
                self._host.remove(id_, access=None, network_id=None)
        known |= {network.id for network in self._store.find(Network)}
        known |= {router.id for router in self._store.find(Router)}
        known |= {balancer.id for balancer in self._store.find(LoadBalancer)}
        return removed + self._host.sweep(known=known, dry_run=dry_run)

    def _take_over(self, server: Server, runs: bool | None) -> None:
        if server.status in ("BUILD", "REBUILD", DELETING) or runs is None:
            if server.status != "ERROR":
                self._fail(server.id, "The embedded cloud was killed before it was built.")
        elif server.status in ("ACTIVE", "SHUTOFF"):
            self._settle(server.id, "ACTIVE" if runs else "SHUTOFF")

    def require(self, id_: str) -> Server:
        """A server; raises NotFoundError when it is not there."""
        server = self._store.get(Server, id_)
        if server is None:
            raise NotFoundError(f"Instance {id_} could not be found.")
        return server

    def _in_background(self, work: Callable[[str], None], id_: str) -> None:
        def in_turn() -> None:
            with self._turns[id_]:
                if self._store.get(Server, id_):
                    work(id_)

        threading.Thread(target=in_turn, name=f"server-{id_}", daemon=True).start()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _no_flavor(flavor_id: str) -> InvalidRequestError:
    return InvalidRequestError(f"Flavor {flavor_id} could not be found.")
