"""One authenticated connection to a server whose host key is the pinned one."""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
import socket
import time
from pathlib import Path

import paramiko

from infraci.errors import UnreachableError
from infraci.model.run import Server

# What the library has to say is said again, better, by the errors below.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)

_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")


class HostKeyError(UnreachableError):
    """A server showed another host key than the pinned one, or none is pinned."""


class LoginRefusedError(UnreachableError):
    """A server that answers does not accept the user or the key."""


class _PromptSocket(socket.socket):
    """Acknowledges what it receives at once.

    After a login sshd says something that needs no answer, and what we ask for next waits in
    its kernel until ours has acknowledged that, which takes 40 ms. Linux forgets the option
    again and again.
    """

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        if hasattr(socket, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


def connect(server: Server, *, private_key: Path, timeout_s: float) -> paramiko.Transport:
    """Connect and log in; blocks for ``timeout_s`` at most.

    Raises :class:`HostKeyError`, :class:`LoginRefusedError` or
    :class:`~infraci.errors.UnreachableError`.
    """
    ends = time.monotonic() + timeout_s
    if not server.host_keys:
        raise HostKeyError(
            f"cannot log in to {server.name}: its host key is not known",
            hint="its console log must show the keys that cloud-init made"
            " (BEGIN SSH HOST KEY KEYS), or anyone could answer in its place",
        )
    sock = _dial(server, timeout_s)
    transport: paramiko.Transport | None = None
    try:
        transport = paramiko.Transport(sock)
        _handshake(transport, server, max(0.1, ends - time.monotonic()))
        _log_in(transport, server, private_key, max(0.1, ends - time.monotonic()))
    except BaseException:
        with contextlib.suppress(Exception):
            if transport is not None:
                transport.close()
        sock.close()
        raise
    # A peer that is gone is noticed by the kernel; one whose sshd hangs, by Session.
    transport.set_keepalive(15)
    return transport


def unreachable(server: Server, reason: str) -> UnreachableError:
    """Make the error for a server that cannot be talked to."""
    return UnreachableError(
        f"cannot reach {server.name} ({server.user}@{server.address}:{server.port}): {reason}"
    )


def _dial(server: Server, timeout_s: float) -> socket.socket:
    """Open the TCP connection, told to notice within a minute that nobody is there any more."""
    try:
        plain = socket.create_connection((server.address, server.port), timeout=timeout_s)
        sock = _PromptSocket(fileno=plain.detach())
    except TimeoutError as error:
        raise unreachable(server, f"no answer in {timeout_s:.3g} s") from error
    except OSError as error:
        raise unreachable(server, error.strerror or str(error)) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # in milliseconds
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 40_000)
    return sock


def _handshake(transport: paramiko.Transport, server: Server, timeout_s: float) -> None:
    """Agree on keys, and hold the server's against the pinned ones."""
    transport.banner_timeout = transport.handshake_timeout = timeout_s
    pinned = {_algorithm(key): _blob(key) for key in server.host_keys}
    options = transport.get_security_options()
    known = set(options.key_types)
    wanted = [name for key in pinned for name in _signatures(key) if name in known]
    # The pinned kinds first, so that a server with several keys shows one of those.
    options.key_types = (*wanted, *(name for name in options.key_types if name not in wanted))
    try:
        transport.start_client(timeout=timeout_s)
        shown = transport.get_remote_server_key()
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise unreachable(server, _reason(error)) from error
    if pinned.get(shown.get_name()) != shown.asbytes():
        raise HostKeyError(
            f"cannot trust {server.name} ({server.address}:{server.port}): it shows the host key"
            f" {shown.get_name()} {shown.fingerprint}, which is not the one its console printed",
            hint="another machine answers at this address; nothing was sent to it",
        )


def _log_in(
    transport: paramiko.Transport, server: Server, private_key: Path, timeout_s: float
) -> None:
    transport.auth_timeout = timeout_s
    try:
        more = transport.auth_publickey(server.user, paramiko.PKey.from_path(private_key))
    except paramiko.BadAuthenticationType as error:
        raise _refused(server, f"it accepts no keys, only {error.allowed_types}") from error
    except paramiko.AuthenticationException as error:
        timed_out = "timeout" in str(error).lower()
        reason = f"no answer to the login in {timeout_s:.3g} s" if timed_out else "key refused"
        raise (unreachable if timed_out else _refused)(server, reason) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise unreachable(server, f"closed during login ({_reason(error)})") from error
    if more:
        raise _refused(server, f"the key is not enough, it also wants {', '.join(more)}")


def _refused(server: Server, reason: str) -> LoginRefusedError:
    return LoginRefusedError(
        f"cannot log in to {server.name} as {server.user}: {reason}",
        hint="is this the image's user (servers: user), and did the server get the run's key?",
    )


def _reason(error: BaseException) -> str:
    text = str(error)
    if "banner" in text:
        return "it accepts connections, but no SSH server answers"
    if isinstance(error, EOFError) or not text:
        return "connection closed"
    if "No existing session" in text:
        return "no answer in the SSH handshake"
    return text


def _algorithm(host_key: str) -> str:
    return host_key.split()[0]


def _blob(host_key: str) -> bytes:
    try:
        return base64.b64decode(host_key.split()[1], validate=True)
    except (IndexError, binascii.Error):
        return b""  # equal to no key


def _signatures(algorithm: str) -> tuple[str, ...]:
    """Name the signature algorithms in which a key of this kind is offered."""
    return _RSA_SIGNATURES if algorithm == "ssh-rsa" else (algorithm,)
