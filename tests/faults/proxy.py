"""An HTTP proxy between infraci and a cloud's APIs, which can spoil what passes through it.

It stands where the Identity service is said to be, and rewrites the addresses in what the cloud
answers, so that every service is reached through it: ``http://proxy/HOST:PORT/path``. A process
whose ``HTTP_PROXY`` it is, as Heat's engine, needs no such thing.
"""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

#: What belongs to one connection only, and is not handed on.
_HOP = frozenset({
    "connection", "content-length", "date", "host", "keep-alive", "server", "transfer-encoding",
})  # fmt: skip
_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|infraci-[\w-]+")
_HOST = re.compile(rb"http://([\w.-]+:\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it came by: the same one in every run, whatever the ids."""

    method: str
    path: str  # of the service, ids replaced: "/orchestration/v1/ID/stacks"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the cloud answered."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Dropped(Exception):  # noqa: N818
    """The connection is to be reset instead of an answer."""


Ask = Callable[[], Answer]
#: What is done instead of asking the cloud; asks it itself if that is a part of it.
Fault = Callable[[Ask], Answer]


@dataclass(slots=True, kw_only=True)
class Plan:
    """What came by, and what is to go wrong."""

    fault: Fault | None = None
    spoils: Callable[[Call], bool] = lambda _: False
    times: float = 1  # how often it goes wrong
    calls: list[Call] = field(default_factory=list)
    spoiled: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, call: Call) -> Fault | None:
        """Remember a call; returns the fault that is to meet it."""
        with self.lock:
            self.calls.append(call)
            if self.fault is None or self.spoiled >= self.times or not self.spoils(call):
                return None
            self.spoiled += 1
            return self.fault


class Proxy:
    """The proxy; ``plan`` is replaced for each run."""

    def __init__(self) -> None:
        self.plan = Plan()
        owner = self

        class Handler(_Handler):
            proxy = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[Proxy]:
        """Answer while in here."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def address(self, url: str) -> str:
        """Where that address of the cloud's is behind this proxy."""
        parts = urlsplit(url)
        return f"{self.url}/{parts.netloc}{parts.path}"


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client's."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        address = self.path.removeprefix("/").removeprefix("http://")
        host, _, path = address.partition("/")
        plain = _ID.sub("ID", path.partition("?")[0])
        call = Call(method=self.command, path=f"/{plain.rstrip('/')}")
        fault = self.proxy.plan.note(call)

        def ask() -> Answer:
            return self._forward(host, f"/{path}", body)

        try:
            answer = fault(ask) if fault is not None else ask()
        except Dropped:
            # With no time to linger, closing is a reset.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
            return
        self._send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer  # noqa: N815

    def _forward(self, host: str, path: str, body: bytes) -> Answer:
        upstream = http.client.HTTPConnection(host, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
        try:
            upstream.request(self.command, path, body=body or None, headers=headers)
            response = upstream.getresponse()
            answered = [(k, v) for k, v in response.getheaders() if k.lower() not in _HOP]
            content = response.read()
        finally:
            upstream.close()
        if not self.path.startswith("http://"):
            content = _HOST.sub(self.proxy.url.encode() + rb"/\1", content)
        return Answer(status=response.status, headers=tuple(answered), body=content)

    def _send(self, answer: Answer) -> None:
        with suppress(ConnectionError):  # who asked may have gone
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def error(status: int, **headers: str) -> Fault:
    """Answers with an error, and never asks the cloud."""
    more = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    body = b'{"error": {"message": "spoiled by the proxy", "code": %d}}' % status
    return lambda ask: Answer(
        status=status, headers=(("Content-Type", "application/json"), *more), body=body
    )


def lost_error(status: int) -> Fault:
    """Asks the cloud, which does it, and answers with an error all the same: a gateway does."""

    def lose(ask: Ask) -> Answer:
        ask()
        return error(status)(ask)

    return lose


def reset(ask: Ask) -> Answer:
    """Resets the connection before anything was asked."""
    raise Dropped


def reset_after(ask: Ask) -> Answer:
    """Resets the connection when the request was delivered, and done."""
    ask()
    raise Dropped


def truncated(ask: Ask) -> Answer:
    """Hands on half of the answer."""
    answer = ask()
    return Answer(
        status=answer.status, headers=answer.headers, body=answer.body[: len(answer.body) // 2]
    )


def late(seconds: float) -> Fault:
    """Answers well, but late."""

    def wait(ask: Ask) -> Answer:
        threading.Event().wait(seconds)
        return ask()

    return wait


#: The faults that pass: a run notices nothing of them.
PASSING: Mapping[str, Fault] = {
    "500": error(500),
    "502-after": lost_error(502),
    "503": error(503),
    "504-after": lost_error(504),
    "429": error(429, Retry_After="1"),
    "413": error(413, Retry_After="1"),
    "401": error(401),
    "reset": reset,
    "reset-after": reset_after,
    "truncated": truncated,
    "late": late(0.4),
}
