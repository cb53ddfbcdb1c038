"""How the workers of pytest-xdist share stacks: they ask the controller, which alone has any.

A question is a message over a Unix socket, and so is the answer. The socket's name is in the
namespace that has no files (unix(7), "abstract"): a pytest that is killed leaves nothing behind.
Imports little: it is there in every session with workers, whether any of them asks or not.
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

#: What a worker's input has.
WHERE, PLAN = "infraci_hub", "infraci_plan"
#: What the plugins of the controller are registered as.
CONTROLLER, _PLUGIN = "infraci-controller", "infraci-hub"
#: A thread that was told to end needs no longer.
_END_S = 5.0
_PEER = struct.Struct("3i")  # process, user, group, as SO_PEERCRED tells


def invite(node: Any, controller_of: Callable[[Any], Any]) -> None:
    """Tell a worker where the hub is, and what is planned; the first has the hub made.

    ``controller_of`` makes pytest's controller of its configuration, once a worker needs it.
    """
    config = node.config
    hub = config.pluginmanager.get_plugin(_PLUGIN)
    if hub is None:
        hub = Hub(config, controller_of)
        config.pluginmanager.register(hub, _PLUGIN)
    node.workerinput[WHERE] = hub.name
    node.workerinput[PLAN] = hub.plan()


class Hub:
    """The controller's end."""

    def __init__(self, config: Any, controller_of: Callable[[Any], Any]) -> None:
        self._config = config
        self._controller_of = controller_of
        self.name = f"infraci-hub-{secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self._server = _Server(f"\0{self.name}", _Talk)
        self._server.answer = self._answer
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.daemon = True
        self._thread.start()

    def plan(self) -> str:
        """What is planned for all tests, as JSON; empty if nothing is."""
        controller = self._config.pluginmanager.get_plugin(CONTROLLER)
        main = None if controller is None else controller.keepers.main
        return "" if main is None else json.dumps(main.to_json())

    def pytest_unconfigure(self) -> None:
        """Hear no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_END_S)

    def _answer(self, key: str, value: Any) -> Message:
        with self._lock:
            controller = self._controller_of(self._config)
        message: Message = controller.keepers.answer(key, value)
        return message


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    answer: Answer

    def verify_request(self, request: Any, client_address: object) -> bool:
        """Hear only the user's own processes: names without files have no modes."""
        told = request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        _, user, _ = _PEER.unpack(told)
        return bool(user == os.getuid())


class _Talk(socketserver.BaseRequestHandler):
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
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hub:
        hub.connect(f"\0{name}")
        controller = JsonLines(hub)
        controller.send(key, value)
        answer = controller.receive()
    if answer is None:
        raise ConnectionError("it has ended")
    return answer
