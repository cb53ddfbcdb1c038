"""Writes a run's keys and ``ssh_config``, with which users and programs log in to its servers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infraci.base.atomic import replace_file
from infraci.model.run import Bastion, Server

_KEY_LINE = re.compile(r"\b((?:ssh|ecdsa|sk)-[a-z0-9@.-]+) (AAAA[0-9A-Za-z+/]+={0,2})")
_KEYS_BEGIN = "-----BEGIN SSH HOST KEY KEYS-----"
_KEYS_END = "-----END SSH HOST KEY KEYS-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key pair; the private half is a file that only its owner may read."""

    private_path: Path
    public: str  # as in authorized_keys


def generate_key(folder: Path, comment: str, *, name: str = "id_ed25519") -> Key:
    """Write a new Ed25519 key pair into ``folder``: ``NAME`` and ``NAME.pub``."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    encoded = private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    public = f"{encoded.decode()} {' '.join(comment.split())}".rstrip()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    path = folder / name
    replace_file(path, pem)
    replace_file(path.with_suffix(".pub"), f"{public}\n".encode())
    return Key(private_path=path, public=public)


def host_keys_from_console(text: str) -> tuple[str, ...]:
    """Read the host keys that cloud-init printed to the console, as ``"ssh-ed25519 AAAA…"``.

    Only a whole block counts; of several (a reboot, keys made anew) the last. A console may
    put its clock or a unit's name before each line.
    """
    end = text.rfind(_KEYS_END)
    begin = text.rfind(_KEYS_BEGIN, 0, end) if end >= 0 else -1
    if begin < 0:
        return ()
    matches = (_KEY_LINE.search(line) for line in text[begin:end].splitlines())
    return tuple(dict.fromkeys(f"{match[1]} {match[2]}" for match in matches if match))


class LoginFiles(Protocol):
    """The files with which an ssh program logs in to servers."""

    @property
    def login_key(self) -> Path: ...  # noqa: D102

    @property
    def ssh_config(self) -> Path: ...  # noqa: D102

    @property
    def known_hosts(self) -> Path: ...  # noqa: D102


def write_ssh_config(files: LoginFiles, servers: Iterable[Server]) -> Path:
    """Write the ``ssh_config`` and ``known_hosts``; returns the former's path.

    ``ssh -F SSH_CONFIG web-0`` then logs in to the server whose word that is, through its
    bastion if it has one, and to none that shows another host key than the pinned one.
    """
    config, known_hosts = files.ssh_config.absolute(), files.known_hosts.absolute()
    peers: dict[str, Server | Bastion] = {server.word: server for server in servers}
    for peer in list(peers.values()):
        bastion = peer.bastion
        while bastion is not None:
            peers.setdefault(bastion.word, bastion)
            bastion = bastion.bastion
    defaults = (
        "Host *\n"
        f"  IdentityFile {_quoted(files.login_key.absolute())}\n"
        "  IdentitiesOnly yes\n"
        "  ForwardAgent no\n"
        f"  UserKnownHostsFile {_quoted(known_hosts)}\n"
        "  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n"
        "  PasswordAuthentication no\n"
        "  ConnectTimeout 10\n"
        "  ServerAliveInterval 15\n"
    )
    known = "".join(
        f"{name},[{peer.address}]:{peer.port} {key}\n"
        for name, peer in peers.items()
        for key in peer.host_keys
    )
    replace_file(known_hosts, known.encode())
    blocks = [_block(name, peer, config) for name, peer in peers.items()]
    replace_file(config, "\n".join([*blocks, defaults]).encode())
    return config


def _block(name: str, peer: Server | Bastion, config: Path) -> str:
    """The section of one server or bastion."""
    lines = [
        f"Host {name}",
        f"HostName {peer.address}",
        f"Port {peer.port}",
        f"User {peer.user}",
        f"HostKeyAlias {name}",
    ]
    if isinstance(peer, Bastion) and peer.private_key:
        lines.append(f"IdentityFile {_quoted(Path(peer.private_key))}")
    if peer.bastion is not None:
        bastion, path = peer.bastion.word, str(config)
        if shlex.quote(path) == path and "%" not in path:
            lines.append(f"ProxyJump {bastion}")
        else:  # ssh passes the configuration's path to ProxyJump's ssh unquoted
            quoted = shlex.quote(path.replace("%", "%%"))
            lines.append(f"ProxyCommand ssh -F {quoted} -W [%h]:%p {bastion}")
    return "\n  ".join(lines) + "\n"


def _quoted(path: Path) -> str:
    """Quote a path for ``ssh_config``, where ``%`` begins a token."""
    return '"' + str(path).replace("%", "%%") + '"'
