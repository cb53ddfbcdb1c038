"""The servers' name server: answers of the protocol, read by a resolver of the standard library."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from infraci.local.api.listeners import free_port
from infraci.local.api.name_server import NameServer, answer
from infraci.local.domain.port_names import Zone

ZONE = Zone(
    addresses={
        "web.example.org": ("10.0.0.5", "fd00::5"),
        "web": ("10.0.0.5", "fd00::5"),
        "host-10-0-0-6.openstacklocal": ("10.0.0.6",),
    },
    names={"10.0.0.5": "web.example.org", "fd00::5": "web.example.org"},
)
A, PTR, AAAA, MX = 1, 12, 28, 15
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3


def query(name: str, kind: int, *, flags: int = 0x0100, questions: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = struct.pack("!6H", 0x1234, flags, questions, 0, 0, 0)
    return header + labels + b"\0" + struct.pack("!2H", kind, 1)


def answered(name: str, kind: int, zone: Zone | None = ZONE) -> tuple[int, list[bytes]]:
    """The code of an answer, and the data of its records."""
    query_sent = query(name, kind)
    reply = answer(query_sent, zone)
    assert reply is not None
    number, flags, questions, records, *_ = struct.unpack_from("!6H", reply)
    assert (number, flags & 0xF900, questions) == (0x1234, 0x8100, 1)
    assert reply[12 : len(query_sent)] == query_sent[12:]
    data, at = [], len(query_sent)
    for _ in range(records):
        pointer, shown_kind, _, _, length = struct.unpack_from("!HHHIH", reply, at)
        assert (pointer, shown_kind) == (0xC00C, kind)
        data.append(reply[at + 12 : at + 12 + length])
        at += 12 + length
    assert at == len(reply)
    return flags & 0xF, data


@pytest.mark.parametrize(
    ("name", "kind", "code", "data"),
    [
        ("web.example.org", A, NO_ERROR, [socket.inet_pton(socket.AF_INET, "10.0.0.5")]),
        ("WEB.Example.org", AAAA, NO_ERROR, [socket.inet_pton(socket.AF_INET6, "fd00::5")]),
        ("web", A, NO_ERROR, [socket.inet_pton(socket.AF_INET, "10.0.0.5")]),
        ("web", MX, NO_ERROR, []),
        ("host-10-0-0-6.openstacklocal", AAAA, NO_ERROR, []),
        ("web.openstacklocal", A, NO_SUCH_NAME, []),
        ("deb.debian.org", A, SERVER_FAILURE, []),
        ("5.0.0.10.in-addr.arpa", PTR, NO_ERROR, [b"\3web\7example\3org\0"]),
        ("9.0.0.10.in-addr.arpa", PTR, SERVER_FAILURE, []),
    ],
)
def test_an_answer(name: str, kind: int, code: int, data: list[bytes]) -> None:
    assert answered(name, kind) == (code, data)


def test_who_is_no_server_of_the_cloud_is_told_nothing() -> None:
    assert answered("web", A, None) == (SERVER_FAILURE, [])


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"x" * 12,
        query("web", A)[:-3],
        query("web", A, flags=0x8100),
        query("web", A, flags=0x2800),
        query("web", A, questions=2),
        query("web", A)[:12] + b"\x3f",
        query("web", A)[:12] + b"\x02\xff\xff\0\0\1\0\1",
    ],
)
def test_what_is_no_query_has_no_answer(garbage: bytes) -> None:
    assert answer(garbage, ZONE) is None


@pytest.fixture
def port() -> Iterator[int]:
    """A name server that fails for one client's zone, and goes on."""
    clients: list[str] = []

    def zone_at(address: str) -> Zone:
        clients.append(address)
        if len(clients) == 1:
            raise RuntimeError("a bug")
        assert address == "127.0.0.1"
        return ZONE

    number = free_port("127.0.0.1", None)
    server = NameServer(("127.0.0.1", number), zone_at)
    server.start()
    yield number
    server.stop()


def test_it_answers_by_udp_also_after_an_error(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect(("127.0.0.1", port))
        client.send(query("web", A))
        client.send(query("web", A))
        assert client.recv(512).endswith(socket.inet_pton(socket.AF_INET, "10.0.0.5"))
