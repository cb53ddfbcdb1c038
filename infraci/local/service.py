"""The process of the embedded cloud: puts its parts together, and ends when it is unused.

Run as ``python -m infraci.local.service``; :mod:`infraci.local.cloud_process` does so.
"""

from __future__ import annotations

# The engine comes first: see there.
from infraci.local import engine  # isort: split

import faulthandler
import logging
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from cheroot.wsgi import Server
from werkzeug.exceptions import Forbidden, NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from infraci.errors import CloudError, InfraciError
from infraci.local.api.admin import AdminApi
from infraci.local.api.alarming import AlarmingApi
from infraci.local.api.body_filter import BodyFilter
from infraci.local.api.compute import ComputeApi
from infraci.local.api.gateway import GatewayFilter, GatewayServer
from infraci.local.api.identity import (
    ANY_CLOUD_PATH,
    IdentityApi,
    StackUserIdentityApi,
    Tokens,
)
from infraci.local.api.image import ImageApi
from infraci.local.api.listeners import free_port, listen
from infraci.local.api.load_balancer import LoadBalancerApi
from infraci.local.api.metadata import MetadataApi
from infraci.local.api.name_server import NameServer
from infraci.local.api.network import NetworkApi
from infraci.local.api.object_store import ObjectStoreApi
from infraci.local.api.qos import QosApi
from infraci.local.api.server_requests import ServerRequests
from infraci.local.api.storage_filter import StorageFilter
from infraci.local.api.volume import VolumeApi
from infraci.local.api.web import Document
from infraci.local.domain.balancer_ports import BalancerPorts
from infraci.local.domain.balancers import Balancers
from infraci.local.domain.change_signal import ChangeSignal
from infraci.local.domain.database_reserve import DatabaseReserve
from infraci.local.domain.keystone import Identity
from infraci.local.domain.networks import Networks
from infraci.local.domain.packet_filters import PacketFilters
from infraci.local.domain.port_names import PortNames
from infraci.local.domain.project_network import ProjectNetwork
from infraci.local.domain.records import Server as ServerRecord
from infraci.local.domain.routers import Routers
from infraci.local.domain.security_groups import SecurityGroups
from infraci.local.domain.server_disks import ServerDisks
from infraci.local.domain.servers import Servers
from infraci.local.domain.snapshots import Snapshots
from infraci.local.domain.stack_users import StackUsers
from infraci.local.domain.store import Store
from infraci.local.domain.stored_objects import Objects
from infraci.local.domain.volumes import Volumes
from infraci.local.engine_limits import purge_deleted
from infraci.local.heat_apis import CFN_PATH, any_cloud_api
from infraci.local.host import image_store as images
from infraci.local.host.disk_space import LOW_BYTES, NEEDED_BYTES, DiskSpace
from infraci.local.host.host import Host
from infraci.local.host.object_files import ObjectFiles
from infraci.local.host.podman import LABEL_EXPIRES, LABEL_RUN, LABEL_STACK
from infraci.local.host.segment import CLOUD_ADDRESS
from infraci.local.host.volume_files import VolumeFiles
from infraci.local.lock_holder import LOCKED, READY, start_limit_s, take_lock
from infraci.local.stack_keystone import EngineServices
from infraci.local.state_dir import Address, StateDir, build

LOG = logging.getLogger(__name__)

#: Without a request for so long the process ends; its servers stay, for the next start.
IDLE_S = 1800.0
#: Between two purges of Heat's database.
PURGE_EVERY_S = 3600.0
#: What takes longer than this when the process ends is left undone.
END_S = 15.0
#: Open at once: requests of both sides, databases, and the pipes of programs.
FILES = 512
#: Requests answered at once: Heat's own among them, while a client waits for Heat.
THREADS = 24
#: Requests of servers answered at once: each may have one of Heat's answered as well.
_GATEWAY_THREADS = 4
#: The room within the databases: a stack's deletion takes a few kilobytes for each resource.
_RESERVE_BYTES, _HEAT_RESERVE_BYTES = 2 << 20, 4 << 20

WsgiApp = Callable[..., Iterable[bytes]]


class Cloud:
    """The parts of the embedded cloud, wired together."""

    def __init__(self, state_dir: StateDir, *, idle_s: float = IDLE_S) -> None:
        state_dir.make()
        self._state_dir = state_dir
        self._idle_s = idle_s
        self._last_request = time.monotonic()
        self._ended = threading.Event()
        self._lost: BaseException | None = None
        self._disk_space = DiskSpace(state_dir.folder)
        database, heat = state_dir.folder / "cloud.sqlite", state_dir.folder / "heat.sqlite"
        is_new = not (database.exists() and heat.exists())  # else it may have room within them
        if is_new and (shortage := self._disk_space.shortage(LOW_BYTES)):
            raise CloudError(shortage)
        ports = state_dir.recall("ports")
        self._port = free_port("127.0.0.1", ports.get("api"))
        self._signal_port = free_port("127.0.0.1", ports.get("signal"))
        state_dir.remember("ports", {"api": self._port, "signal": self._signal_port})
        self.url = f"http://127.0.0.1:{self._port}"
        self.password = state_dir.password()
        self._tokens = Tokens()
        self._change_signal = ChangeSignal()
        self._store = Store(database, change_signal=self._change_signal, on_lost=self._lose)
        self._stack_users = StackUsers(self._store)
        self._heat_database = heat
        self._reserves = (
            DatabaseReserve(database, _RESERVE_BYTES),
            DatabaseReserve(heat, _HEAT_RESERVE_BYTES),
        )
        self._host = Host(
            state_dir,
            signal_port=self._signal_port,
            host_ports=_ports(os.environ.get("INFRACI_CLOUD_HOST_PORTS", "")),
        )
        self._networks = Networks(
            self._store,
            self._host,
            public_cidr=str(self._host.pools.public),
            groups=SecurityGroups(self._store, is_default_open=_is_default_open()),
            mtu=self._host.mtu,
        )
        self._filters = PacketFilters(self._store, self._host)
        self._port_names = PortNames(self._store)
        self._routers = Routers(self._store, self._networks, self._host)
        disks = VolumeFiles(state_dir.folder / "volumes")
        self._volumes = Volumes(self._store, disks)
        self._snapshots = Snapshots(self._store, self._volumes, disks)
        objects = ObjectFiles(state_dir.folder / "objects", self._disk_space)
        self._objects = Objects(self._store, objects)
        self._objects.take_over()
        self._servers = Servers(
            self._store,
            self._networks,
            self._host,
            project_network=ProjectNetwork(
                self._store, self._networks, self._routers, engine.root_stack_of
            ),
            filters=self._filters,
            disks=ServerDisks(self._store, self._volumes),
            access_cidr=self._host.pools.access,
            labels_of=_labels_of,
        )
        self._host.sockets.answer = ServerRequests(self._servers.volumes).answer

        self._balancers = Balancers(
            self._store,
            BalancerPorts(self._store, self._networks, self._filters, self._servers.ports.nic),
            self._host,
            labels_of=lambda id_: _labels_of_stack(engine.root_stack_of(id_)),
        )

    def serve(self, ready: Callable[[], None]) -> None:
        """Answer requests until idle or :meth:`end`; calls ``ready`` once it answers."""
        gateway_url = f"http://{CLOUD_ADDRESS}:{self._signal_port}"
        heat, heat_api, cfn_api = engine.start(
            state=self._state_dir.folder,
            database=self._heat_database,
            services=EngineServices(
                url=self.url,
                gateway_url=gateway_url,
                tokens=self._tokens,
                users=self._stack_users,
            ),
            change_signal=self._change_signal,
            on_lost=self._lose,
        )
        app = self._application(heat_api, cfn_api)
        identity = StackUserIdentityApi(gateway_url, self._stack_users, self._tokens)
        listeners = (
            Server(("127.0.0.1", self._port), app, numthreads=THREADS, server_name="infraci"),
            GatewayServer(
                (str(self._host.pools.access_host), self._signal_port),
                GatewayFilter(app, BodyFilter(identity), MetadataApi(self._servers.metadata.at)),
                numthreads=_GATEWAY_THREADS,
            ),
        )
        threads = [listen(listener) for listener in listeners]
        names = NameServer(
            (str(self._host.pools.access_host), self._signal_port), self._port_names.zone_at
        )
        names.start()
        self._keep_reserves()
        self._take_over()
        self._state_dir.write_clouds_yaml(self.url, self.password)
        self._state_dir.write_address(Address(pid=os.getpid(), url=self.url, build=build()))
        ready()
        try:
            self._wait(threads)
        finally:
            faulthandler.dump_traceback_later(END_S, exit=True)
            self._state_dir.forget_address()
        names.stop()
        for listener in listeners:
            listener.stop()
        heat.stop()

    def _take_over(self) -> None:
        """Take over what an earlier process has left, also after a reboot of the machine."""
        try:
            self._routers.restore()
        except CloudError:
            LOG.exception("cannot restore the routers")
        self._servers.reconcile()
        self._balancers.take_over()
        try:
            self._filters.refresh()
        except CloudError:
            LOG.exception("cannot filter packets")
        self._volumes.reconcile()

    def _keep_reserves(self) -> None:
        """Keep room for removing stacks and servers, while there is room for more than that."""
        if self._disk_space.measure() > NEEDED_BYTES:
            for reserve in self._reserves:
                reserve.refill()

    def end(self) -> None:
        """Make :meth:`serve` return soon."""
        self._ended.set()

    def _lose(self, error: BaseException) -> None:
        """End, since a database takes no more transactions; the next process goes on with it."""
        self._lost = error
        self.end()

    def _wait(self, threads: Sequence[threading.Thread]) -> None:
        purge_at = 0.0
        while not self._ended.wait(1.0):
            if not all(thread.is_alive() for thread in threads):
                raise CloudError("cannot answer requests: a listener has ended, see above")
            try:
                self._keep_reserves()
                self._servers.watch()
                self._balancers.watch()
            except Exception:
                LOG.exception("cannot look after the servers")
            if time.monotonic() >= purge_at:
                purge_at = time.monotonic() + PURGE_EVERY_S
                _purge()
                self._objects.expire()
            if time.monotonic() - self._last_request > self._idle_s:
                LOG.warning("ending: no request came for %.0f s", self._idle_s)
                return
        if self._lost is not None:
            raise CloudError(f"cannot write its databases: {self._lost}") from self._lost

    def _application(self, heat_api: WsgiApp, cfn_api: WsgiApp) -> WsgiApp:
        is_valid = self._tokens.is_valid
        routes: dict[str, Any] = {
            "/identity": IdentityApi(
                self.url,
                self.password,
                self._tokens,
                self._stack_users,
                Identity(self._store),
            ),
            "/orchestration": heat_api,
            CFN_PATH: cfn_api,
            ANY_CLOUD_PATH: PlansOnly(any_cloud_api(self.url, self._tokens.holder)),
            "/compute": ComputeApi(self._store, self._servers, is_valid),
            "/network": NetworkApi(
                self._store,
                self._networks,
                self._routers,
                self._servers,
                self._filters,
                self._port_names,
                is_valid,
            ),
            "/network/v2.0/qos": QosApi(self._store, self._filters, is_valid),
            "/image": ImageApi(
                self._store,
                is_valid,
                is_known=images.known,
                names=lambda: [recipe.name for recipe in images.recipes()],
            ),
            "/volume": VolumeApi(self._store, self._volumes, self._snapshots, is_valid),
            "/load-balancer": LoadBalancerApi(self._balancers, is_valid),
            "/alarming": AlarmingApi(self._store, is_valid),
            "/infraci": AdminApi(self._store, self._servers, self._volumes, is_valid, end=self.end),
        }
        filtered = BodyFilter(
            StorageFilter(DispatcherMiddleware(NotFound(), routes), self._disk_space)
        )
        # Contents of objects are no JSON, and may be large.
        objects = ObjectStoreApi(self._objects, self._tokens.holder)
        dispatch = DispatcherMiddleware(filtered, {"/v1": objects, "/info": objects})

        def application(environ: Document, start_response: Any) -> Iterable[bytes]:
            self._last_request = time.monotonic()
            return dispatch(environ, start_response)

        return application


class PlansOnly:
    """Lets nothing be made where the embedded cloud's restrictions do not hold."""

    def __init__(self, app: WsgiApp) -> None:
        self._app = app

    def __call__(self, environ: Document, start_response: Any) -> Iterable[bytes]:
        """Answer what a plan asks."""
        path = str(environ.get("PATH_INFO", ""))
        if environ.get("REQUEST_METHOD") == "GET" or path.endswith("/stacks/preview"):
            return self._app(environ, start_response)
        return Forbidden()(environ, start_response)


def _labels_of(server: ServerRecord) -> Mapping[str, str]:
    """The labels of a server's container, from its stack's tags (see infraci.heat)."""
    stack = server.hints.get("heat_root_stack_id")
    return _labels_of_stack(stack) if isinstance(stack, str) else {}


def _labels_of_stack(stack: str) -> Mapping[str, str]:
    if not stack:
        return {}
    tags = dict(tag.split("=", 1) for tag in engine.stack_tags(stack) if "=" in tag)
    labels = {LABEL_STACK: stack}
    if "infraci-run" in tags:
        labels[LABEL_RUN] = tags["infraci-run"]
    if "infraci-expires" in tags:
        labels[LABEL_EXPIRES] = tags["infraci-expires"]
    return labels


def _purge() -> None:
    try:
        purge_deleted()
    except Exception:
        LOG.exception("cannot purge Heat's database")


def main() -> None:
    """Run the embedded cloud; the process ends with this function, also by an exception.

    The first line on standard output is READY once the cloud answers, LOCKED when another process
    holds the lock, or the reason why the cloud cannot start.
    """
    status = 1
    faulthandler.dump_traceback_later(start_limit_s(), exit=True)
    try:
        _run(StateDir.of_this_user())
        status = 0
    except Exception as error:
        LOG.exception("the embedded cloud ends")
        _tell(_reason(error))
    finally:
        # Heat's threads are no daemons: they would keep the process, and with it the lock.
        os._exit(status)


def _run(state_dir: StateDir) -> None:
    state_dir.make()
    os.chdir("/")  # hold no file system of the user's
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING
    )
    # Heat's clients say at each start that they are deprecated; Heat knows.
    logging.getLogger("neutronclient").setLevel(logging.ERROR)
    if take_lock(state_dir) is None:
        _tell(LOCKED)
        return
    _allow_files()
    cloud = Cloud(state_dir, idle_s=float(os.environ.get("INFRACI_CLOUD_IDLE_S", IDLE_S)))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cloud.end())

    def ready() -> None:
        faulthandler.cancel_dump_traceback_later()
        _tell(READY)

    cloud.serve(ready)


def _allow_files() -> None:
    """Be allowed as many open files as the cloud's threads may need. Raises CloudError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        raise CloudError(f"it may open {hard} files, and needs {FILES} (ulimit -n)")
    if soft != resource.RLIM_INFINITY and soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


def _ports(text: str) -> list[int]:
    """Read port numbers with commas between them. Raises CloudError."""
    words = text.replace(",", " ").split()
    if wrong := [word for word in words if not (word.isdecimal() and 0 < int(word) < 65536)]:
        raise CloudError(f"INFRACI_CLOUD_HOST_PORTS: {wrong[0]!r} is not a TCP port")
    return [int(word) for word in words]


def _is_default_open() -> bool:
    """Whether the security group `default` lets in SSH and ping. Raises CloudError."""
    choice = os.environ.get("INFRACI_CLOUD_DEFAULT_GROUP", "open")
    if choice not in ("open", "neutron"):
        raise CloudError(f"INFRACI_CLOUD_DEFAULT_GROUP: {choice!r} is neither open nor neutron")
    return choice == "open"


def _tell(line: str) -> None:
    """Write a line to the process that started this one, unless that has ended; then close."""
    with suppress(OSError):
        os.write(1, f"{line}\n".encode())
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _reason(error: Exception) -> str:
    reason = error.message if isinstance(error, InfraciError) else str(error)
    return " ".join(reason.split()) or type(error).__name__


if __name__ == "__main__":
    main()
