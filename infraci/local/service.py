"""The process of the embedded cloud: all its parts put together, until nobody needs it.

Run as ``python -m infraci.local.service``; :mod:`infraci.local.process` does so.
"""

from __future__ import annotations

# The engine comes first: see there.
from infraci.local import engine  # isort: split

import fcntl
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cheroot.wsgi import Server
from werkzeug.exceptions import NotFound, Unauthorized
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from infraci.errors import CloudError
from infraci.local import image as images
from infraci.local.api.admin import Admin
from infraci.local.api.compute import Compute
from infraci.local.api.identity import Identity, Tokens
from infraci.local.api.image import Image
from infraci.local.api.network import Network
from infraci.local.machine import Machine
from infraci.local.networks import Networks
from infraci.local.place import Address, Place, build
from infraci.local.podman import LABEL_EXPIRES, LABEL_RUN, LABEL_STACK
from infraci.local.pulse import Pulse
from infraci.local.routers import Routers
from infraci.local.servers import Servers
from infraci.local.signals import GatewayServer, SignalsOnly
from infraci.local.store import Document, Store

LOG = logging.getLogger(__name__)

#: Without a request for so long, the process ends; its servers stay until somebody comes back.
IDLE_S = 1800.0
#: Requests answered at once: Heat's own among them, while a client waits for Heat.
THREADS = 24

WsgiApp = Callable[..., Iterable[bytes]]


class Cloud:
    """The parts of the embedded cloud, wired together."""

    def __init__(self, place: Place, *, idle_s: float = IDLE_S) -> None:
        place.make()
        self._place = place
        self._idle_s = idle_s
        self._last_request = time.monotonic()
        self._ended = threading.Event()
        ports = place.recall("ports")
        self._port = _free_port("127.0.0.1", ports.get("api"))
        self._signal_port = _free_port("127.0.0.1", ports.get("signal"))
        place.remember("ports", {"api": self._port, "signal": self._signal_port})
        self.url = f"http://127.0.0.1:{self._port}"
        self.password = place.password()
        self._tokens = Tokens()
        self._pulse = Pulse()
        self._store = Store(place.folder / "cloud.sqlite", pulse=self._pulse)
        self._machine = Machine(place, signal_port=self._signal_port)
        self._networks = Networks(
            self._store, self._machine, public_cidr=str(self._machine.pools.public)
        )
        self._routers = Routers(self._store, self._networks, self._machine)
        self._servers = Servers(
            self._store,
            self._networks,
            self._machine,
            access_cidr=self._machine.pools.access,
            labels_of=_labels_of,
        )

    def serve(self, ready: Callable[[], None]) -> None:
        """Answer until idle, told to end, or signalled; calls ``ready`` when it answers."""
        service_token, _ = self._tokens.issue(life_s=10 * 365 * 86400.0)
        heat, heat_api = engine.start(
            state=self._place.folder,
            url=self.url,
            signal_url=f"http://169.254.169.254:{self._signal_port}",
            service_token=service_token,
            issue_token=lambda: self._tokens.issue()[0],
            pulse=self._pulse,
        )
        app = self._application(heat_api)
        listeners = [
            Server(("127.0.0.1", self._port), app, numthreads=THREADS, server_name="infraci"),
            GatewayServer(
                (str(self._machine.pools.access_host), self._signal_port),
                SignalsOnly(app),
                numthreads=2,
            ),
        ]
        for listener in listeners:
            listener.error_log = _log_error  # type: ignore[method-assign, assignment]
            listener.prepare()
            threading.Thread(target=listener.serve, name="listener", daemon=True).start()
        self._take_over()
        self._place.write_clouds_yaml(self.url, self.password)
        self._place.write_address(Address(pid=os.getpid(), url=self.url, build=build()))
        ready()
        self._wait()
        for listener in listeners:
            listener.stop()
        heat.stop()

    def _take_over(self) -> None:
        """Go on with what an earlier process has left, or a reboot of the machine."""
        try:
            self._routers.restore()
        except CloudError:
            LOG.exception("cannot restore the routers")
        self._servers.reconcile()

    def end(self) -> None:
        """Make :meth:`serve` return soon."""
        self._ended.set()

    def _wait(self) -> None:
        while not self._ended.wait(1.0):
            try:
                self._servers.watch()
            except Exception:
                LOG.exception("cannot look after the servers")
            if time.monotonic() - self._last_request > self._idle_s:
                LOG.warning("ending: nobody asked for %.0f s", self._idle_s)
                return

    def _application(self, heat_api: WsgiApp) -> WsgiApp:
        good = self._tokens.is_valid
        routes: dict[str, Any] = {
            "/identity": Identity(self.url, self.password, self._tokens),
            "/orchestration": _authenticated(heat_api, good),
            "/compute": Compute(self._store, self._servers, good),
            "/network": Network(self._store, self._networks, self._routers, self._servers, good),
            "/image": Image(
                self._store,
                good,
                is_known=images.known,
                names=lambda: [recipe.name for recipe in images.recipes()],
            ),
            "/infraci": Admin(self._store, self._servers, good, end=self.end),
        }
        dispatch = DispatcherMiddleware(NotFound(), routes)

        def application(environ: Document, start_response: Any) -> Iterable[bytes]:
            self._last_request = time.monotonic()
            return dispatch(environ, start_response)

        return application


def _authenticated(app: WsgiApp, is_valid_token: Callable[[str | None], bool]) -> WsgiApp:
    def check(environ: Document, start_response: Any) -> Iterable[bytes]:
        versions = environ.get("PATH_INFO", "") in ("", "/", "/v1", "/v1/")
        if versions or is_valid_token(environ.get("HTTP_X_AUTH_TOKEN")):
            return app(environ, start_response)
        return Unauthorized()(environ, start_response)

    return check


def _labels_of(server: Document) -> Mapping[str, str]:
    """The labels of a server's container, from its stack's tags (see infraci.heat)."""
    stack = server["hints"].get("heat_root_stack_id")
    if not stack:
        return {}
    tags = dict(tag.split("=", 1) for tag in engine.stack_tags(stack) if "=" in tag)
    labels = {LABEL_STACK: stack}
    if "infraci-run" in tags:
        labels[LABEL_RUN] = tags["infraci-run"]
    if "infraci-expires" in tags:
        labels[LABEL_EXPIRES] = tags["infraci-expires"]
    return labels


def _free_port(host: str, wanted: object) -> int:
    for port in (wanted, 0):
        if not isinstance(port, int):
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port on {host}")


def _log_error(message: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
    LOG.log(level, message, exc_info=traceback)


def main() -> None:
    """Run the embedded cloud; standard output says «ready» once it answers."""
    place = Place.of_this_user()
    place.make()
    os.chdir("/")  # hold no file system of the user's
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING
    )
    # Heat's clients say at each start that they are deprecated; Heat knows.
    logging.getLogger("neutronclient").setLevel(logging.ERROR)
    lock = place.lock.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(0)  # another one runs already, and will say so
    cloud = Cloud(place, idle_s=float(os.environ.get("INFRACI_CLOUD_IDLE_S", IDLE_S)))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cloud.end())
    cloud.serve(ready=_say_ready)
    Path(place.folder / "address.json").unlink(missing_ok=True)
    logging.shutdown()
    os._exit(0)  # Heat's timers are no daemons: they would keep the interpreter for ever


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
