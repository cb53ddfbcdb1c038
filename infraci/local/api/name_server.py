"""A name server for servers: answers with the names of ports in the networks of the one that asks.

It is the first of a server's name servers, and fails for all other names, so that the server asks
its next one, which is the machine's own.

Source: RFC 1035
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import struct
import threading
from collections.abc import Callable

from infraci.local.api.listeners import bind_to_absent
from infraci.local.domain.port_names import DOMAIN, Zone

LOG = logging.getLogger(__name__)

_HEADER = struct.Struct("!6H")
_QUESTION = struct.Struct("!2H")
#: A record of the name that was asked for, valid for this moment.
_RECORD = struct.Struct("!HHHIH")
_SAME_NAME = 0xC00C
_INTERNET = 1
_A, _PTR, _AAAA = 1, 12, 28
_NO_ERROR, _SERVER_FAILURE, _NO_SUCH_NAME = 0, 2, 3
_IS_ANSWER, _IS_AUTHORITATIVE, _OPERATION, _RECURSION = 0x8000, 0x0400, 0x7800, 0x0100
_QUERY_MAX = 512
#: So often the thread looks whether it is to end.
_TURN_S = 1.0


class NameServer:
    """Listens at an address that need not be there yet."""

    def __init__(self, address: tuple[str, int], zone_at: Callable[[str], Zone | None]) -> None:
        """``zone_at`` gives the names for the access address of a server."""
        self._zone_at = zone_at
        self._ended = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bind_to_absent(self._socket)
        self._socket.bind(address)
        self._socket.settimeout(_TURN_S)

    def start(self) -> None:
        """Answer in a thread of its own."""
        threading.Thread(target=self._serve, name="name-server", daemon=True).start()

    def stop(self) -> None:
        """Make the thread end soon."""
        self._ended.set()

    def _serve(self) -> None:
        with self._socket:
            while not self._ended.is_set():
                try:
                    query, client = self._socket.recvfrom(_QUERY_MAX)
                except OSError:  # nothing came, or an earlier answer could not be delivered
                    continue
                self._reply(query, client)

    def _reply(self, query: bytes, client: tuple[str, int]) -> None:
        try:
            reply = answer(query, self._zone_at(client[0]))
            if reply is not None:
                self._socket.sendto(reply, client)
        except Exception:
            LOG.exception("cannot answer a server that asks for a name")


def answer(query: bytes, zone: Zone | None) -> bytes | None:
    """Return the answer to a query; None for what is no query."""
    try:
        name, kind, end = _question(query)
    except (struct.error, IndexError, UnicodeDecodeError):
        return None
    number, flags, questions, *_ = _HEADER.unpack_from(query)
    if flags & _IS_ANSWER or flags & _OPERATION or questions != 1:
        return None
    records = None if zone is None else _records(zone, name, kind)
    if records is not None:
        code = _NO_ERROR
    else:
        # A name with dots before the domain is one of the world's that a search list has made: what
        # the world's name servers could not tell must not become a name that there is not.
        host = name.removesuffix(f".{DOMAIN}")
        is_ours = zone is not None and host != name and "." not in host
        code = _NO_SUCH_NAME if is_ours else _SERVER_FAILURE
    is_known = _IS_AUTHORITATIVE if code != _SERVER_FAILURE else 0
    flags = _IS_ANSWER | is_known | flags & _RECURSION | code
    header = _HEADER.pack(number, flags, 1, len(records or ()), 0, 0)
    made = (
        _RECORD.pack(_SAME_NAME, kind, _INTERNET, 0, len(data)) + data for data in records or ()
    )
    return header + query[_HEADER.size : end] + b"".join(made)


def _question(query: bytes) -> tuple[str, int, int]:
    """The name that is asked for, the kind of its records, and where the question ends."""
    labels, at = [], _HEADER.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    kind, _ = _QUESTION.unpack_from(query, at + 1)
    return ".".join(labels).lower(), kind, at + 1 + _QUESTION.size


def _records(zone: Zone, name: str, kind: int) -> list[bytes] | None:
    """The data of a name's records of a kind; None if the name is not in the zone."""
    if kind == _PTR:
        by_pointer = {_pointer(address): full for address, full in zone.names.items()}
        full = by_pointer.get(name)
        return None if full is None else [_encoded(full)]
    if name not in zone.addresses:
        return None
    version = {_A: 4, _AAAA: 6}.get(kind)
    addresses = map(ipaddress.ip_address, zone.addresses[name])
    return [address.packed for address in addresses if address.version == version]


def _pointer(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer


def _encoded(name: str) -> bytes:
    labels = name.encode("ascii", "ignore").split(b".")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
