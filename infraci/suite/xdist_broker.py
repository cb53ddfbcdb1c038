"""The broker: workers of pytest-xdist ask it for stacks, which only the controller has.

A question is a line of JSON over a Unix socket, and so is the answer. The socket's name is in the
namespace that has no files (unix(7), "abstract"): a pytest that is killed leaves nothing behind.
Imports little: every session with workers has it, whether a worker asks or not.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]

#: The keys of a worker's input.
ADDRESS, PLAN = "infraci_broker", "infraci_plan"
#: The names under which the controller's plugins are registered.
CONTROLLER, _PLUGIN = "infraci-controller", "infraci-broker"
#: The thread needs no longer to end.
_END_S = 5.0
_PEER = struct.Struct("3i")  # process, user, group, of SO_PEERCRED


def add_worker(node: Any) -> None:
    """Give a worker the broker's address and the plan; starts the broker for the first one."""
    config = node.config
    broker = config.pluginmanager.get_plugin(_PLUGIN)
    if broker is None:
        broker = Broker(config)
        config.pluginmanager.register(broker, _PLUGIN)
    node.workerinput[ADDRESS] = broker.name
    node.workerinput[PLAN] = broker.plan()


class Broker:
    """The controller's end: answers the workers."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self.name = f"infraci-broker-{secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self._server = _Server(f"\0{self.name}", _Questions)
        self._server.answer = self._answer
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.daemon = True
        self._thread.start()

    def plan(self) -> str:
        """What is planned for all tests, as JSON; empty if nothing is."""
        controller = self._config.pluginmanager.get_plugin(CONTROLLER)
        main = None if controller is None else controller.processes.main
        return "" if main is None else json.dumps(main.to_json())

    def pytest_unconfigure(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_END_S)

    def _answer(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        from infraci.suite.pytest_controller import controller_of

        with self._lock:
            controller = controller_of(self._config)
        return controller.processes.answer(question)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    answer: Answer

    def verify_request(self, request: Any, client_address: object) -> bool:
        """Accept only the user's own processes: a socket without a file has no permissions."""
        credentials = request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        _, user, _ = _PEER.unpack(credentials)
        return bool(user == os.getuid())


class _Questions(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        for line in self.rfile:
            answer = self.server.answer(json.loads(line))
            self.wfile.write(json.dumps(answer).encode() + b"\n")


def is_worker(config: Any) -> bool:
    """Whether this process is a worker, and has a controller."""
    return hasattr(config, "workerinput")


def ask(name: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """The controller's answer; blocks until there is one. Raises OSError if there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as broker:
        broker.connect(f"\0{name}")
        broker.sendall(json.dumps(question).encode() + b"\n")
        with broker.makefile("rb") as answers:
            line = answers.readline()
    if not line:
        raise ConnectionError("it has ended")
    answer: Mapping[str, Any] = json.loads(line)
    return answer
