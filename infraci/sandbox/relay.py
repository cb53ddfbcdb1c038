"""A network for a sandbox: it holds one port of each of some servers, and nothing else.

The sandbox gets a network namespace, whose loopback device has the servers' addresses. infraci,
outside, connects each connection to one of them with the server itself; other addresses have no
route. So programs in the sandbox need no setting, and infraci needs only the right to make
namespaces.

Started as ``python -m infraci.sandbox.relay FD ENDPOINTS -- COMMAND…``, this module makes the
namespace, listens in it, hands the listening sockets out through FD, and becomes the command.
"""

from __future__ import annotations

import ctypes
import fcntl
import ipaddress
import json
import os
import selectors
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from infraci.base.program import own_program

#: An address and a port.
Endpoint = tuple[str, int]

_CONNECT_S = 30.0
_END_S = 5.0
#: The most connections at once; each takes two threads of infraci's, and others wait.
_MOST = 256
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
_IPV6_FREEBIND = 78
_UP_LOOPBACK_RUNNING = 0x1 | 0x8 | 0x40


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The words before a command that run it in the network."""

    command: tuple[str, ...]
    pass_fds: tuple[int, ...]  # file descriptors that the command must inherit


@contextmanager
def relay_to(endpoints: Sequence[Endpoint]) -> Iterator[Relay]:
    """A network of these endpoints, for one command. At the end its connections are closed."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ExitStack() as stack:
        stack.enter_context(_serving(endpoints, ours, theirs))
        number = theirs.fileno()
        command = (
            *own_program("infraci.sandbox.relay"),
            str(number),
            json.dumps(list(endpoints)),
            "--",
        )
        yield Relay(command=command, pass_fds=(number,))


@contextmanager
def _serving(
    endpoints: Sequence[Endpoint], control: socket.socket, theirs: socket.socket
) -> Iterator[None]:
    thread = threading.Thread(target=_serve, args=(endpoints, control), name="relay", daemon=True)
    thread.start()
    try:
        yield
    finally:
        theirs.close()  # the command has closed its own, or has ended: the control socket ends
        thread.join(_END_S)


def _serve(endpoints: Sequence[Endpoint], control: socket.socket) -> None:
    """Accept connections to the listening sockets until the control socket is closed."""
    _, numbers, _, _ = socket.recv_fds(control, 1, len(endpoints))
    room = threading.BoundedSemaphore(_MOST)
    opened: list[socket.socket] = []
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        for number, endpoint in zip(numbers, endpoints, strict=False):
            listener = stack.enter_context(socket.socket(fileno=number))
            selector.register(listener, selectors.EVENT_READ, endpoint)
        while numbers:
            for key, _ in selector.select():
                if key.fileobj is control:
                    numbers = []
                elif isinstance(key.fileobj, socket.socket):
                    opened = [each for each in opened if each.fileno() >= 0]
                    opened += _accept(key.fileobj, key.data, room)
        for each in opened:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _accept(
    listener: socket.socket, endpoint: Endpoint, room: threading.BoundedSemaphore
) -> list[socket.socket]:
    try:
        near, _ = listener.accept()
    except OSError:
        return []
    threading.Thread(target=_connect, args=(near, endpoint, room), daemon=True).start()
    return [near]


def _connect(near: socket.socket, endpoint: Endpoint, room: threading.BoundedSemaphore) -> None:
    with near, room:
        try:
            far = socket.create_connection(endpoint, _CONNECT_S)
        except OSError:
            return
        with far:
            far.settimeout(None)
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=_pump, args=(far, near), daemon=True)
            back.start()
            _pump(near, far)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy from one socket to the other until either is closed."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
        return
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


# -- in the namespace --------------------------------------------------------------------------


def main() -> None:
    """Make the namespace, send the listening sockets, become the command."""
    control = socket.socket(fileno=int(sys.argv[1]))
    endpoints: list[Endpoint] = [
        (str(address), int(port)) for address, port in json.loads(sys.argv[2])
    ]
    _unshare()
    _bring_up()
    listeners = []
    for number, (address, port) in enumerate(endpoints):
        _add(address, number)
        listeners.append(_listen(address, port))
    socket.send_fds(control, [b"\n"], [each.fileno() for each in listeners])
    control.close()
    for each in listeners:
        each.close()
    command = sys.argv[4:]
    os.execvp(command[0], command)  # noqa: S606


def _unshare() -> None:
    """A network namespace; for other users than root in a user namespace, as themselves."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    flags = _CLONE_NEWNET if user == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    if libc.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot make a network namespace: {os.strerror(number)}")
    if user:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            Path("/proc/self", name).write_text(text)


def _bring_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _UP_LOOPBACK_RUNNING))


def _add(address: str, number: int) -> None:
    """Give the loopback device an address (netdevice(7)); those that it has stay as they are."""
    parsed = ipaddress.ip_address(address)
    if parsed.is_loopback:
        return
    if parsed.version == 6:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as any_socket:
            index = socket.if_nametoindex("lo")
            fcntl.ioctl(any_socket, _SIOCSIFADDR, struct.pack("16sIi", parsed.packed, 128, index))
        return
    name = f"lo:{number}".encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for request, packed in ((_SIOCSIFADDR, parsed.packed), (_SIOCSIFNETMASK, b"\xff" * 4)):
            # struct ifreq: its name, and a struct sockaddr_in
            ifreq = struct.pack("16sHH4s16x", name, socket.AF_INET, 0, packed)
            fcntl.ioctl(any_socket, request, ifreq)


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:  # the address may not be ready at once
        listener.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
    listener.bind((address, port))
    listener.listen(64)
    return listener


if __name__ == "__main__":
    main()
