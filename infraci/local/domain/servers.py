"""Servers: Nova's nouns on one side, containers in network namespaces on the other."""

from __future__ import annotations

import base64
import ipaddress
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from infraci.errors import InfraciError
from infraci.local.account import PROJECT_ID, USER_ID
from infraci.local.domain.addresses import default_pools, next_free
from infraci.local.domain.config_drive import config_drive, hostname
from infraci.local.domain.flavors import FLAVORS
from infraci.local.domain.networks import Networks
from infraci.local.domain.server_ports import ServerPorts
from infraci.local.domain.store import Document, Store, new_id
from infraci.local.errors import ConflictError, InvalidRequestError, NotFoundError
from infraci.local.host.host_interface import BootPlan, HostInterface

LOG = logging.getLogger(__name__)

#: A server that is being removed; Nova shows it as active, with a task.
DELETING = "DELETING"


class Servers:
    """Nova's servers, kept in the store and stood up on the machine."""

    def __init__(
        self,
        store: Store,
        networks: Networks,
        machine: HostInterface,
        *,
        access_cidr: ipaddress.IPv4Network,
        labels_of: Callable[[Document], Mapping[str, str]],
    ) -> None:
        self._store = store
        self._networks = networks
        self.ports = ServerPorts(store, networks)
        self._machine = machine
        self.access_cidr = access_cidr
        self._labels_of = labels_of
        # A server's life is a sequence, whatever is asked for while it is being built.
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def create(self, wish: Document, hints: Document) -> Document:
        """Accept a new server; it boots in the background, as Nova's do."""
        flavor = FLAVORS.get(str(wish.get("flavorRef")))
        if flavor is None:
            raise InvalidRequestError(f"Flavor {wish.get('flavorRef')} could not be found.")
        key_name = wish.get("key_name")
        if key_name and self._store.get("keypair", key_name) is None:
            raise InvalidRequestError("Invalid key_name provided.")
        now = _now()
        server: Document = {
            "id": new_id(),
            "name": wish["name"],
            "status": "BUILD",
            "image": wish.get("imageRef"),
            "flavor": flavor.name,
            "key_name": key_name,
            "user_data": wish.get("user_data"),
            "metadata": wish.get("metadata") or {},
            "config_drive": bool(wish.get("config_drive")),
            "description": wish.get("description"),
            "tags": wish.get("tags") or [],
            "hints": hints,
            "created": now,
            "updated": now,
            "access": None,
        }
        self._store.put("server", server)
        try:
            groups = self.ports.group_ids(wish.get("security_groups") or [])
            self.ports.claim(server["id"], wish.get("networks"), groups)
        except Exception:
            self._forget(server["id"])
            raise
        self._in_background(self._boot, server["id"])
        return server

    def _boot(self, id_: str) -> None:
        if self.require(id_)["status"] == DELETING:
            return
        try:
            server = self._with_access(self.require(id_))
            self._machine.boot(self._boot_plan(server))
        except InfraciError as error:
            self._fail(id_, error.message)
        except Exception as error:
            LOG.exception("cannot boot server %s", id_)
            self._fail(id_, f"{type(error).__name__}: {error}")
        else:
            self._settle(id_, "ACTIVE")

    def _settle(self, id_: str, status: str) -> None:
        with self._store.locked():
            server = self._store.get("server", id_)
            if server and server["status"] != DELETING:
                self._store.change("server", id_, {"status": status, "updated": _now()})

    def _fail(self, id_: str, message: str) -> None:
        fault = {"code": 500, "created": _now(), "message": message}
        self._store.change("server", id_, {"status": "ERROR", "fault": fault, "updated": _now()})

    def _with_access(self, server: Document) -> Document:
        if server["access"] or not self.ports.of(server["id"]):
            return server
        with self._store.locked():
            taken = {s["access"] for s in self._store.find("server")}
            pools = default_pools(self.access_cidr, str(self.access_cidr[1]))
            address = next_free(pools, taken)
            if address is None:
                raise ConflictError(f"No access address is left in {self.access_cidr}.")
            return self._store.change("server", server["id"], {"access": address}) or server

    def _boot_plan(self, server: Document) -> BootPlan:
        flavor = FLAVORS[server["flavor"]]
        nics = self.ports.nics(server["id"])
        key = self._store.get("keypair", server["key_name"] or "")
        user_data = server["user_data"]
        return BootPlan(
            id=server["id"],
            name=server["name"],
            hostname=hostname(server["name"]),
            image=self._store.get("image", server["image"])["name"],  # type: ignore[index]
            vcpus=flavor.vcpus,
            ram_mb=flavor.ram_mb,
            nics=nics,
            access=server["access"],
            dns=self.ports.name_servers(server["id"]),
            labels=self._labels_of(server),
            config_drive=config_drive(
                server_id=server["id"],
                name=server["name"],
                metadata=server["metadata"],
                keys={key["name"]: key["public_key"]} if key else {},
                user_data=base64.b64decode(user_data) if user_data else None,
                project_id=PROJECT_ID,
            ),
        )

    def delete(self, id_: str) -> None:
        """Remove a server, and the ports that were made for it, in the background."""
        server = self.require(id_)
        if server["status"] != DELETING:
            self._store.change("server", id_, {"status": DELETING})
            self._in_background(self._remove, id_)

    def _remove(self, id_: str) -> None:
        server = self.require(id_)
        ports = self.ports.of(id_)
        network_id = ports[0]["network_id"] if ports else None
        try:
            self._machine.remove(id_, access=server["access"], network_id=network_id)
        except Exception as error:
            LOG.exception("cannot remove server %s", id_)
            self._fail(id_, str(error))
        else:
            self._forget(id_)
            self._turns.pop(id_, None)

    def _forget(self, id_: str) -> None:
        self.ports.release(id_)
        self._store.drop("server", id_)

    def act(self, id_: str, action: str, arguments: Document) -> Document | None:
        """What Nova calls an action: start, stop, reboot, rebuild, resize, console."""
        server = self.require(id_)
        match action:
            case "os-getConsoleOutput":
                text = self._machine.console(id_)
                length = arguments.get("length")
                lines = text.splitlines(keepends=True)
                return {"output": "".join(lines[-int(length) :] if length else lines)}
            case "os-stop" | "os-start" | "reboot":
                with self._turns[id_]:
                    self._power(server, action, arguments)
            case "rebuild":
                return self._rebuild(server, arguments)
            case "resize":
                self._resize(server, arguments)
            case "confirmResize":
                self._settle(id_, "ACTIVE")
            case "addSecurityGroup" | "removeSecurityGroup":
                self._regroup(id_, action, arguments)
            case _:
                raise InvalidRequestError(f"The embedded cloud has no server action {action!r}.")
        return None

    def _power(self, server: Document, action: str, arguments: Document) -> None:
        if action == "os-stop":
            self._machine.stop(server["id"])
            self._settle(server["id"], "SHUTOFF")
            return
        if action == "os-start":
            self._machine.start(self._boot_plan(server))
        else:
            self._machine.reboot(server["id"], hard=arguments.get("type") == "HARD")
        self._settle(server["id"], "ACTIVE")

    def _rebuild(self, server: Document, wish: Document) -> Document:
        changes = {"image": wish["imageRef"], "status": "REBUILD"}
        for key in ("name", "metadata", "description"):
            if wish.get(key) is not None:
                changes[key] = wish[key]
        server = self._store.change("server", server["id"], changes) or server
        self._machine.remove(server["id"], access=None, network_id=None)
        self._in_background(self._boot, server["id"])
        return {"server": server}

    def _resize(self, server: Document, wish: Document) -> None:
        flavor = FLAVORS.get(str(wish.get("flavorRef")))
        if flavor is None:
            raise InvalidRequestError(f"Flavor {wish.get('flavorRef')} could not be found.")
        self._machine.resize(server["id"], vcpus=flavor.vcpus, ram_mb=flavor.ram_mb)
        self._store.change("server", server["id"], {"flavor": flavor.name})
        self._settle(server["id"], "VERIFY_RESIZE")

    def _regroup(self, id_: str, action: str, wish: Document) -> None:
        (group,) = self.ports.group_ids([wish])
        for port in self.ports.of(id_):
            groups = [g for g in port["security_groups"] if g != group]
            if action == "addSecurityGroup":
                groups.append(group)
            self._store.change("port", port["id"], {"security_groups": groups})

    def attach(self, id_: str, wish: Document) -> Document:
        """Give a server one more port; returns the port."""
        self.require(id_)
        spec = {"port": wish.get("port_id"), "uuid": wish.get("net_id")}
        if wish.get("fixed_ips"):
            spec["fixed_ip"] = wish["fixed_ips"][0]["ip_address"]
        with self._keeping_access(id_):
            (port,) = self.ports.claim(id_, [spec], [])
            self._machine.plug(id_, self.ports.nic(port))
        return port

    def detach(self, id_: str, port_id: str) -> None:
        """Take a port from a server."""
        self.require(id_)
        port = self._networks.require("port", port_id)
        if port["device_id"] != id_:
            raise NotFoundError.of("Port", port_id)
        with self._keeping_access(id_):
            self._machine.unplug(id_, self.ports.nic(port).device)
            self.ports.let_go(port)

    def renumber(self, port_id: str, change: Callable[[], Document]) -> Document:
        """Change the addresses of a port that a server has, and its card with them."""
        id_ = self._networks.require("port", port_id)["device_id"]
        with self._keeping_access(id_):
            port = change()
            nic = self.ports.nic(port)
            self._machine.unplug(id_, nic.device)
            self._machine.plug(id_, nic)
        return port

    @contextmanager
    def _keeping_access(self, id_: str) -> Iterator[None]:
        """Let the host reach the server at its one access address whatever becomes of its cards."""
        before = self.ports.nics(id_)[:1]
        yield
        after = self.ports.nics(id_)[:1]
        if before != after:
            server = self._with_access(self.require(id_))
            if server["access"]:
                self._machine.move_access(id_, server["access"], before=before, after=after)

    def watch(self) -> None:
        """Start servers again that asked for a reboot from within; others that ended are off."""
        for id_, wants_reboot in self._machine.ended().items():
            with self._turns[id_]:
                server = self._store.get("server", id_)
                if server is None or server["status"] != "ACTIVE":
                    continue
                if wants_reboot:
                    self._machine.start(self._boot_plan(server))
                else:
                    self._settle(id_, "SHUTOFF")

    def reconcile(self, *, dry_run: bool = False) -> list[str]:
        """Take over the servers that still are, and remove those of which nothing is known.

        Returns what was (or would be) removed, a line each.
        """
        states = self._machine.states()
        if not dry_run:
            for server in self._store.find("server"):
                self._take_over(server, states.get(server["id"]))
        known = {s["id"] for s in self._store.find("server")}
        removed = []
        for id_ in sorted(states.keys() - known):
            removed.append(f"server {id_}")
            if not dry_run:
                self._machine.remove(id_, access=None, network_id=None)
        known |= {d["id"] for kind in ("network", "router") for d in self._store.find(kind)}
        return removed + self._machine.sweep(known=known, dry_run=dry_run)

    def _take_over(self, server: Document, runs: bool | None) -> None:
        if server["status"] in ("BUILD", "REBUILD", DELETING) or runs is None:
            if server["status"] != "ERROR":
                self._fail(server["id"], "The embedded cloud was killed before it was built.")
        elif server["status"] in ("ACTIVE", "SHUTOFF"):
            self._settle(server["id"], "ACTIVE" if runs else "SHUTOFF")

    def require(self, id_: str) -> Document:
        """A server, or the API's 404."""
        server = self._store.get("server", id_)
        if server is None:
            raise NotFoundError(f"Instance {id_} could not be found.")
        return server

    def _in_background(self, work: Callable[[str], None], id_: str) -> None:
        def in_turn() -> None:
            with self._turns[id_]:
                if self._store.get("server", id_):
                    work(id_)

        threading.Thread(target=in_turn, name=f"server-{id_}", daemon=True).start()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


#: Whom the servers belong to, as Nova shows it.
OWNER: Document = {"tenant_id": PROJECT_ID, "user_id": USER_ID}
