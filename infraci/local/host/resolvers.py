"""The name servers of this machine that its servers can ask, too."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path

#: The second is systemd-resolved's list of those behind its own address, which is the loopback's.
_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
#: Resolvers ask three at most, of which the cloud is one.
_MAX = 2
#: What podman gives containers on a machine that has none which they can reach.
_PUBLIC = ("8.8.8.8", "8.8.4.4")


def find_resolvers(files: Sequence[Path] = _FILES) -> tuple[str, ...]:
    """Return the addresses of this machine's name servers, but for those on its loopback device."""
    for file in files:
        if addresses := tuple(filter(_is_usable, _name_servers(file)))[:_MAX]:
            return addresses
    return _PUBLIC


def _name_servers(file: Path) -> list[str]:
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return []
    words = (line.split() for line in lines)
    return [fields[1] for fields in words if len(fields) > 1 and fields[0] == "nameserver"]


def _is_usable(address: str) -> bool:
    try:
        return not ipaddress.IPv4Address(address).is_loopback
    except ValueError:  # also IPv6, which leads out of no network here
        return False
