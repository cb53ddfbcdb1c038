"""Which name servers of this machine its servers can ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from infraci.local.host.resolvers import find_resolvers


@pytest.mark.parametrize(
    ("own", "systemd", "addresses"),
    [
        ("nameserver 192.0.2.1\n", "nameserver 192.0.2.2\n", ("192.0.2.1",)),
        ("search a\nnameserver 127.0.0.53\n", "nameserver 192.0.2.2\n", ("192.0.2.2",)),
        ("".join(f"nameserver 192.0.2.{n}\n" for n in (1, 2, 3)), "", ("192.0.2.1", "192.0.2.2")),
        ("# nameserver 192.0.2.1\nnameserver fd00::1\nnameserver\nnameserver x\n", "", None),
        (None, "nameserver ::1", None),
    ],
)
def test_those_that_servers_can_reach(
    tmp_path: Path, own: str | None, systemd: str, addresses: tuple[str, ...] | None
) -> None:
    files = (tmp_path / "resolv.conf", tmp_path / "systemd.conf")
    if own is not None:
        files[0].write_text(own)
    files[1].write_text(systemd)
    assert find_resolvers(files) == (addresses or ("8.8.8.8", "8.8.4.4"))
