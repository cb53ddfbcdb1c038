"""The broker: workers of pytest-xdist ask it for stacks, which only the controller has.

A question is a message over a Unix socket, and so is the answer. The socket's name is in the
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
from collections.abc import Callable
from typing import Any

from infraci.base.json_lines import JsonLines, Message

Answer = Callable[[str, Any], Message]

#: Questions: a pipeline's plan; the folder of the run of a stack, once it stands.
ASK_PLAN, ASK_STACK = "plan", "stack"
#: Answers.
ANSWER, ERROR = "answer", "error"

#: The keys of a worker's input.
ADDRESS, PLAN = "infraci_broker", "infraci_plan"
#: The names under which the controller's plugins are registered.
CONTROLLER, _PLUGIN = "infraci-controller", "infraci-broker"
#: The thread needs no longer to end.
_END_S = 5.0
_PEER = struct.Struct("3i")  # process, user, group, of SO_PEERCRED


def add_worker(node: Any, controller_of: Callable[[Any], Any]) -> None:
    """Give a worker the broker's address and the plan; starts the broker for the first one.

    ``controller_of`` makes pytest's controller of its configuration, once a worker needs it.
    """
    config = node.config
    broker = config.pluginmanager.get_plugin(_PLUGIN)
    if broker is None:
        broker = Broker(config, controller_of)
        config.pluginmanager.register(broker, _PLUGIN)
    node.workerinput[ADDRESS] = broker.name
    node.workerinput[PLAN] = broker.plan()


class Broker:
    """The controller's end: answers the workers."""

    def __init__(self, config: Any, controller_of: Callable[[Any], Any]) -> None:
        self._config = config
        self._controller_of = controller_of
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

    def _answer(self, key: str, value: Any) -> Message:
        with self._lock:
            controller = self._controller_of(self._config)
        message: Message = controller.processes.answer(key, value)
        return message


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    answer: Answer

    def verify_request(self, request: Any, client_address: object) -> bool:
        """Accept only the user's own processes: a socket without a file has no permissions."""
        credentials = request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        _, user, _ = _PEER.unpack(credentials)
        return bool(user == os.getuid())


class _Questions(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        worker = JsonLines(self.request)
        while (question := worker.receive()) is not None:
            worker.send(*self.server.answer(*question))


def is_worker(config: Any) -> bool:
    """Whether this process is a worker, and has a controller."""
    return hasattr(config, "workerinput")


def ask(name: str, key: str, value: object) -> Message:
    """The controller's answer; blocks until there is one. Raises OSError if there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as broker:
        broker.connect(f"\0{name}")
        controller = JsonLines(broker)
        controller.send(key, value)
        answer = controller.receive()
    if answer is None:
        raise ConnectionError("it has ended")
    return answer
