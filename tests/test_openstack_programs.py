"""The programs that stand in for the system's on the OpenStack of the live tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.cloud

PROGRAMS = Path(__file__).parent / "live/openstack/programs"
MAC = "fa:16:3e:00:00:01"
#: What Neutron's agent does when a port changes: it lists the rules, and deletes the port's.
CHANGE = f"""
set -e
frames() {{ '{PROGRAMS}/ebtables' -t nat --concurrent "$@"; }}
frames -N neutronMAC-tap1 -P DROP
frames -A neutronMAC-tap1 -j DROP
for time in 1 2 3; do
    frames -I neutronMAC-tap1 -i tap1 --among-src {MAC} -j RETURN
    frames -I neutronMAC-tap1 -i tap2 --among-src {MAC},fa:16:3e:00:00:02 -j RETURN
    rule=$(frames -L neutronMAC-tap1 | grep 'tap1 --among-src')
    frames -D neutronMAC-tap1 $rule
    if frames -D neutronMAC-tap1 $rule; then exit 9; fi
    frames -L neutronMAC-tap1 | grep -- ^-
    frames -D neutronMAC-tap1 $(frames -L neutronMAC-tap1 | grep 'tap2 --among-src')
done
"""


def test_ebtables_deletes_a_set_of_addresses_and_no_other_rule() -> None:
    """In a network namespace, whose packet filter is its own."""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", CHANGE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept, drop = "-i tap2 --among-src fa:16:3e:0:0:1,fa:16:3e:0:0:2 -j RETURN", "-j DROP"
    assert [line.rstrip() for line in done.stdout.splitlines()] == [kept, drop] * 3
    missing = "ebtables: there is no rule -i tap1 --among-src"
    assert [line.startswith(missing) for line in done.stderr.splitlines()] == [True] * 3
