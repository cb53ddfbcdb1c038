"""Lets servers signal Heat's wait conditions, and refuses all other requests of theirs."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from typing import Any

from cheroot.wsgi import Server
from werkzeug.exceptions import Forbidden

from infraci.local.api.web import Document

WsgiApp = Callable[..., Iterable[bytes]]

_SIGNAL = re.compile(r"/orchestration/v1/[0-9a-f]+/stacks/[^/]+/[^/]+/resources/[^/]+/signal")


class SignalFilter:
    """Passes the signals of servers to Heat, and refuses everything else."""

    def __init__(self, app: WsgiApp) -> None:
        self._app = app

    def __call__(self, environ: Document, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        path = str(environ.get("PATH_INFO"))
        if environ["REQUEST_METHOD"] == "POST" and _SIGNAL.fullmatch(path):
            return self._app(environ, start_response)
        return Forbidden("Servers may send signals, and nothing else.")(environ, start_response)


class GatewayServer(Server):
    """Listens on an address that comes and goes with the stacks' bridge."""

    @classmethod
    def prepare_socket(cls, *arguments: Any, **options: Any) -> socket.socket:
        """Allow an address that this machine doesn't have at this moment."""
        made: socket.socket = super().prepare_socket(*arguments, **options)
        made.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        return made


_IP_FREEBIND = 15  # from linux/in.h; Python's socket module doesn't name it
