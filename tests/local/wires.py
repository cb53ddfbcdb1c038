"""A fabric for tests, with its own bridge and pools, and processes that connect across it."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from infraci.local.host.fabric import Fabric, Nic, network_end
from infraci.local.host.host_bridge import Pools
from infraci.local.host.netns import HOST
from infraci.local.host.port_filter import NetworkFilter, PortFilter

_LISTEN = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[3] else socket.AF_INET
server = socket.create_server((sys.argv[3], int(sys.argv[2])), family=family)
print(server.getsockname()[1], flush=True)
while True:
    connection, (address, *_) = server.accept()
    connection.sendall(f"{sys.argv[1]} saw {address}".encode())
    connection.close()
"""
_ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])) as link:
    print(link.makefile().read())
"""
#: Answers each request with its name, its path and the headers it got; with 503 while a file is
#: there whose name is its last argument.
_SERVE = """
import http.server, os, sys
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        text = f"{sys.argv[1]} {self.path}\\n{self.headers}".encode()
        self.send_response(503 if os.path.exists(sys.argv[3]) else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # a health check hangs up
server = Server(("0.0.0.0", int(sys.argv[2])), Answer)
print(server.server_port, flush=True)
server.serve_forever()
"""
_PORT = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNamespace:
    """A server's namespace without a container: what the fabric sees of a server."""

    id: str
    path: Path


class FabricTestbed:
    """A cloud's fabric of one test module, removed with all that speaks on it."""

    def __init__(self) -> None:
        public, access = _free_networks()
        self.cloud = f"test:{uuid.uuid4()}"
        self.pools = Pools(
            bridge=f"infrat{os.getpid() % 10**7}",
            public=public,
            access=access,
        )
        self.fabric = Fabric(self.cloud, self.pools, mtu=1400)
        #: The ports of this machine at which :meth:`listen_on_host` listens, by name.
        self.port: dict[str, int] = {}
        self._processes: list[subprocess.Popen[str]] = []
        self._open: dict[str, list[PortFilter]] = {}

    def __enter__(self) -> FabricTestbed:
        self.fabric.ensure_host()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        self.fabric.teardown()

    def public(self, number: int) -> str:
        """An address of the public pool."""
        return str(self.pools.public[number])

    def access(self, number: int) -> str:
        """An access address."""
        return str(self.pools.access[number])

    def network(self) -> str:
        """A new network; returns its ID."""
        network_id = str(uuid.uuid4())
        self.fabric.create_network(network_id)
        return network_id

    def host(
        self,
        network_id: str,
        *addresses: str,
        gateway: str | None = None,
        gateway6: str | None = None,
    ) -> ServerNamespace:
        """A new server's namespace, with ``eth0`` in a network."""
        server_id = str(uuid.uuid4())
        path = self.fabric.create_server_namespace(server_id)
        card = nic(network_id, *addresses, gateway=gateway, gateway6=gateway6)
        self.fabric.plug(server_id, card)
        self.let_pass(network_id, server_id)
        return ServerNamespace(id=server_id, path=path)

    def let_pass(self, network_id: str, server_id: str, device: str = "eth0") -> None:
        """Let all pass a card, as without port security."""
        open_ports = self._open.setdefault(network_id, [])
        end = network_end(server_id, device)
        open_ports.append(PortFilter(device=end, mac="", port_security=False))
        self.fabric.guard(network_id, NetworkFilter(ports=tuple(open_ports)))

    def listen(
        self, name: str, host: ServerNamespace, port: int = _PORT, *, at: str = "0.0.0.0"
    ) -> None:
        """Start a process that answers each connection with its name and its client's address."""
        self._listen(name, host, port, at)

    def serve(
        self, name: str, host: ServerNamespace, port: int = _PORT, *, ill: str = ""
    ) -> subprocess.Popen[str]:
        """Start an HTTP server, which answers with its name; with 503 while the file ``ill`` is."""
        process = self._start(host, _SERVE, name, str(port), ill)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    def listen_on_host(self, name: str) -> int:
        """Start one on this machine, at a port that nothing else has; returns the port."""
        self.port[name] = self._listen(name, None, 0)
        return self.port[name]

    def _listen(
        self, name: str, host: ServerNamespace | None, port: int, at: str = "0.0.0.0"
    ) -> int:
        process = self._start(host, _LISTEN, name, str(port), at)
        assert process.stdout is not None
        return int(process.stdout.readline())

    def _start(self, host: ServerNamespace | None, *program: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*_in(host), sys.executable, "-ISc", *program], stdout=subprocess.PIPE, text=True
        )
        self._processes.append(process)
        return process

    def ask(
        self,
        host: ServerNamespace | None,
        address: str,
        port: int = _PORT,
        *,
        within_s: float = 5.0,
    ) -> str | None:
        """The answer of the listener at an address; None if it cannot be reached."""
        done = subprocess.run(
            [*_in(host), sys.executable, "-ISc", _ASK, address, str(port), str(within_s)],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or None

    def reaches_none(self, host: ServerNamespace | None, address: str, port: int = _PORT) -> bool:
        """Whether the address, which others reach, does not answer this host."""
        return self.ask(host, address, port, within_s=0.5) is None


def _free_networks() -> tuple[ipaddress.IPv4Network, ipaddress.IPv4Network]:
    """Two networks that no other test on this machine has, as far as may be seen."""
    routed = {route["dst"] for route in HOST.show("-4", "route", "show")}
    for number in range(os.getpid(), os.getpid() + 128):
        pair = [ipaddress.IPv4Network(f"172.26.{(2 * number + n) % 256}.0/24") for n in (0, 1)]
        if not routed & set(map(str, pair)):
            return pair[0], pair[1]
    raise AssertionError("every network of 172.26.0.0/16 is routed on this machine")


def nic(
    network_id: str,
    *addresses: str,
    device: str = "eth0",
    gateway: str | None = None,
    gateway6: str | None = None,
) -> Nic:
    """A card whose MAC address follows from its first address."""
    last = ipaddress.ip_interface(addresses[0]).ip.packed[-4:]
    return Nic(
        device=device,
        network_id=network_id,
        mac="fa:16:" + ":".join(f"{byte:02x}" for byte in last),
        addresses=addresses,
        gateway=gateway,
        gateway6=gateway6,
    )


def run_in(host: ServerNamespace, *command: str) -> str:
    """What a command prints in a server's namespace."""
    return subprocess.run([*_in(host), *command], capture_output=True, text=True, check=True).stdout


def _in(host: ServerNamespace | None) -> list[str]:
    return ["nsenter", f"--net={host.path}", "--"] if host is not None else []
