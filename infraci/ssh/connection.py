"""Connects and logs in to a server or bastion whose host key is the pinned one."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko

from infraci.base.deadline import waits
from infraci.base.lines import last_line
from infraci.errors import UnreachableError, UsageError, raise_of_machine
from infraci.model.run import Bastion, Server
from infraci.ssh.jump import Jumps

# The library's log would only repeat the errors below.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)

#: The kernel repeats a lost packet ever less often; a new connection is quicker.
_DIAL_S = 10.0
#: A server that drops connections is tried again for so long, ever less often.
BUSY_S = 120.0
_BUSY_PACE_S = (0.1, 2.0)
#: SSH_MSG_CHANNEL_DATA, _EXTENDED_DATA and _EOF (RFC 4254, 9)
_ON_CHANNELS = (94, 95, 96)
#: SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
_PROHIBITED = 1
#: What systemd has a login refused with while a boot begins or ends.
_NO_LOGINS_NOW = "pam_nologin"
#: How the library says that the server has ended the connection, which is no answer to a key.
_SAW_EOF = "transport shut down or saw EOF"
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")


class HostKeyError(UnreachableError):
    """A server showed another host key than the pinned one, or none is pinned."""

    shown = ""  # "ssh-ed25519 AAAA…", if one was


class LoginRefusedError(UnreachableError):
    """A server that answers does not accept the user or the key, or lets them run nothing."""


class DroppedError(UnreachableError):
    """A server closed the connection before the login was done, as a busy one does."""


class RebootingError(UnreachableError):
    """A server is about to reboot, or has not booted far enough for users to log in."""


class PortClosedError(UnreachableError):
    """Nothing answers at a server's SSH port."""


class UnansweredError(PortClosedError):
    """Not even a refusal comes from a server: its packets, or ours, get lost or are dropped."""


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


class _Transport(paramiko.Transport):
    """Sends nothing on a channel after its close, and remembers why the server ended it.

    The library makes a message and then sends it; if another thread closes the channel in between,
    sshd gets a message for a channel that it no longer has, and ends the connection, which all
    connections through that bastion share.
    """

    parting = ""

    def _send_message(self, data: paramiko.Message) -> None:
        # paramiko calls this under the lock that keeps the messages of a channel in order.
        message = data.asbytes()
        if message[0] not in _ON_CHANNELS or self._is_open(int.from_bytes(message[1:5], "big")):
            super()._send_message(data)  # type: ignore[misc]

    def _parse_disconnect(self, message: paramiko.Message) -> None:
        """Keep the reason with which a server ends the connection; the library only logs it."""
        message.get_int()
        self.parting = message.get_text()

    def _is_open(self, number: int) -> bool:
        channels = self._channels.values()  # type: ignore[attr-defined]
        return any(each.remote_chanid == number and not each.closed for each in channels)


def connect(
    peer: Server | Bastion, *, private_key: Path, timeout_s: float, busy_s: float = BUSY_S
) -> paramiko.Transport:
    """Connect and log in, through its bastion if it has one.

    A try blocks for ``timeout_s`` at most. A server that drops the connection, as one does that
    has many logins at once (MaxStartups), is tried again for ``busy_s``. ``private_key`` is the
    run's. Raises :class:`HostKeyError`, :class:`LoginRefusedError` or
    :class:`~infraci.errors.UnreachableError`.
    """
    ends = time.monotonic() + busy_s
    for wait_s in waits(*_BUSY_PACE_S):
        try:
            return _try(peer, private_key, timeout_s)
        except DroppedError:
            if time.monotonic() + wait_s >= ends:
                raise
        time.sleep(wait_s)
    raise AssertionError("the waits never end")


def _try(peer: Server | Bastion, private_key: Path, timeout_s: float) -> paramiko.Transport:
    ends = time.monotonic() + timeout_s
    if not peer.host_keys:
        raise HostKeyError(
            f"cannot log in to {peer.name}: its host key is not known",
            hint="its console log must show the keys that cloud-init made"
            " (BEGIN SSH HOST KEY KEYS), or anyone could answer in its place",
        )
    with _transport(peer, private_key, timeout_s) as transport:
        _handshake(transport, peer, _left(ends))
        _log_in(transport, peer, private_key, _left(ends))
    # A peer that is gone is noticed by the kernel; one whose sshd hangs, by Session.
    transport.set_keepalive(15)
    return transport


def shown_host_key(peer: Server | Bastion, *, private_key: Path, timeout_s: float) -> str:
    """The host key that the answering machine shows, as ``"ssh-ed25519 AAAA…"``; proves nothing.

    Raises :class:`~infraci.errors.UnreachableError`.
    """
    ends = time.monotonic() + timeout_s
    with _transport(peer, private_key, timeout_s) as transport:
        shown = _exchange_keys(transport, peer, _left(ends))
    transport.close()
    return f"{shown.get_name()} {shown.get_base64()}"


def fingerprint(host_key: str) -> str:
    """A host key as ``ssh-keygen -l`` shows it: ``"ssh-ed25519 SHA256:…"``."""
    digest = base64.b64encode(hashlib.sha256(_blob(host_key)).digest()).decode()
    return f"{_algorithm(host_key)} SHA256:{digest.rstrip('=')}"


def close_jumps(private_key: Path) -> None:
    """Close the connections to bastions that were made for the run with this key."""
    _JUMPS.close(private_key)


def unreachable(
    peer: Server | Bastion, reason: str, kind: type[UnreachableError] = UnreachableError
) -> UnreachableError:
    """Make the error for a peer that cannot be reached."""
    return kind(
        f"cannot reach {peer.name} ({peer.user}@{peer.address}:{peer.port}"
        + (f" through {peer.bastion.name}" if peer.bastion else "")
        + f"): {reason}"
    )


#: This process's connections to bastions.
_JUMPS = Jumps(connect)


@contextlib.contextmanager
def _transport(peer: Server | Bastion, private_key: Path, timeout_s: float) -> Iterator[_Transport]:
    """A connection that is closed after an error."""
    sock: socket.socket | paramiko.Channel
    if peer.bastion is None:
        sock = _dial(peer, min(timeout_s, _DIAL_S))
    else:
        sock = _pass(peer, peer.bastion, private_key, timeout_s)
    transport: _Transport | None = None
    try:
        transport = _Transport(sock)
        yield transport
    except BaseException:
        with contextlib.suppress(Exception):
            if transport is not None:
                transport.close()
        sock.close()
        raise


def _pass(
    peer: Server | Bastion, bastion: Bastion, private_key: Path, timeout_s: float
) -> paramiko.Channel:
    """Let the bastion open the connection."""
    try:
        return _JUMPS.channel(
            bastion,
            peer.address,
            peer.port,
            private_key=private_key,
            timeout_s=timeout_s,
            open_s=_DIAL_S,
        )
    except UnreachableError as error:
        message = f"{error.message}; the way to {peer.name} leads through it"
        raise _of_bastion(type(error)(message, hint=error.hint)) from error
    except paramiko.ChannelException as error:
        if error.code == _PROHIBITED:
            reason = f"the SSH server of {bastion.name} forbids it (AllowTcpForwarding)"
            raise _of_bastion(unreachable(peer, reason)) from error
        reason = f"{bastion.name} cannot connect to it (it refuses, or there is no route)"
        raise unreachable(peer, reason, PortClosedError) from error
    except TimeoutError as error:
        raise _of_bastion(unreachable(peer, f"no answer in {timeout_s:.3g} s")) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        if "Timeout" in str(error):
            reason = f"no answer in {timeout_s:.3g} s"
            raise unreachable(peer, reason, UnansweredError) from error
        raise _of_bastion(unreachable(peer, f"{bastion.name} was lost")) from error


def _of_bastion(error: UnreachableError) -> UnreachableError:
    error.at_bastion = True
    return error


def _dial(peer: Server | Bastion, timeout_s: float) -> socket.socket:
    """Open the TCP connection; keepalives notice within a minute that the peer is gone."""
    try:
        plain = socket.create_connection((peer.address, peer.port), timeout=timeout_s)
        sock = _PromptSocket(fileno=plain.detach())
    except TimeoutError as error:
        raise unreachable(peer, f"no answer in {timeout_s:.3g} s", UnansweredError) from error
    except OSError as error:
        raise_of_machine(error)
        raise unreachable(peer, error.strerror or str(error), PortClosedError) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # in milliseconds
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 40_000)
    return sock


def _left(ends: float) -> float:
    return max(0.1, ends - time.monotonic())


def _handshake(transport: paramiko.Transport, peer: Server | Bastion, timeout_s: float) -> None:
    """Exchange keys, and compare the peer's host key with the pinned ones."""
    pinned = {_algorithm(key): _blob(key) for key in peer.host_keys}
    options = transport.get_security_options()
    known = set(options.key_types)
    algorithms = [name for key in pinned for name in _signatures(key) if name in known]
    # The pinned kinds first, so that a server with several keys shows one of those.
    options.key_types = (*algorithms, *(n for n in options.key_types if n not in algorithms))
    shown = _exchange_keys(transport, peer, timeout_s)
    if pinned.get(shown.get_name()) != shown.asbytes():
        host_key = f"{shown.get_name()} {shown.get_base64()}"
        error = HostKeyError(
            f"cannot trust {peer.name} ({peer.address}:{peer.port}): it shows the host key"
            f" {fingerprint(host_key)}, which is not the one that is known",
            hint="another machine answers at this address; nothing was sent to it",
        )
        error.shown = host_key
        raise error


def _exchange_keys(
    transport: paramiko.Transport, peer: Server | Bastion, timeout_s: float
) -> paramiko.PKey:
    """Begin the SSH protocol; returns the host key that the peer shows."""
    transport.banner_timeout = transport.handshake_timeout = timeout_s
    ends = time.monotonic() + timeout_s
    try:
        transport.start_client(timeout=timeout_s)
        return transport.get_remote_server_key()
    except (paramiko.SSHException, EOFError, OSError) as error:
        kind = UnreachableError if time.monotonic() >= ends else DroppedError
        raise unreachable(peer, _reason(error), kind) from error


def _log_in(
    transport: _Transport, peer: Server | Bastion, private_key: Path, timeout_s: float
) -> None:
    transport.auth_timeout = timeout_s
    try:
        more = transport.auth_publickey(peer.user, _identity(peer, private_key))
    except paramiko.BadAuthenticationType as error:
        raise _refused(peer, f"it accepts no keys, only {error.allowed_types}") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        text = str(error)
        if "timeout" in text.lower():
            reason = f"no answer to the login in {timeout_s:.3g} s"
            raise unreachable(peer, reason) from error
        is_ended = not isinstance(error, paramiko.AuthenticationException) or _SAW_EOF in text
        if is_ended and "authentication failures" not in transport.parting:
            parting = _parting(transport)
            kind = RebootingError if _NO_LOGINS_NOW in parting else DroppedError
            raise unreachable(peer, f"closed during login ({parting})", kind) from error
        raise _refused(peer, "key refused") from error
    if more:
        raise _refused(peer, f"the key is not enough, it also wants {', '.join(more)}")


def _identity(peer: Server | Bastion, private_key: Path) -> paramiko.PKey:
    """The run's key; of a bastion that is not the run's, its own."""
    own = peer.private_key if isinstance(peer, Bastion) else ""
    if not own:
        return paramiko.PKey.from_path(private_key)
    path = Path(own)
    try:
        return paramiko.PKey.from_path(path)
    except (OSError, ValueError, paramiko.SSHException) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UsageError(
            f"cannot log in to {peer.name}: its key {path} cannot be read:"
            f" {reason or error or 'unknown format'}",
            hint="it is named by clouds: access: bastion: key in infraci.yaml, and may have no"
            " passphrase",
        ) from error


def _refused(peer: Server | Bastion, reason: str) -> LoginRefusedError:
    return LoginRefusedError(
        f"cannot log in to {peer.name} as {peer.user}: {reason}",
        hint="is this the image's user (servers: user), and did the server get the run's key?",
    )


def _parting(transport: _Transport) -> str:
    """What the server said before it ended the connection: its reason, or a banner."""
    # The library itself shows no banner of a connection that has ended.
    banner: bytes = getattr(transport.auth_handler, "banner", None) or b""
    text = f"{banner.decode(errors='replace')}\n{transport.parting}"
    return last_line(text, "connection closed")[:200]


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
