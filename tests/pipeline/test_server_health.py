"""What consoles say of a boot's end, and of who has got a key."""

from __future__ import annotations

import pytest

from infraci.pipeline.server_health import explain, has_finished

LINUX = "[    0.000000] Linux version 6.1.0-27-cloud-amd64\n"
CLOUD_INIT = "[   9.13] cloud-init[104]: Cloud-init v. 22.4.2 finished at Fri, 27 Nov 2026\n"
#: As Debian 12, Ubuntu 22.04 and a newer systemd with colours write it.
DEBIAN = "[  OK  ] Finished cloud-final.service.\n"
UBUNTU = "[  OK  ] Finished Execute cloud user/final scripts.\n"
COLOURED = "[\x1b[0;32m  OK  \x1b[0m] Finished \x1b[0;1;39mcloud-final.service\x1b[0m - Final.\n"
FAILED = "[FAILED] Failed to start cloud-final.service - Cloud-init: Final Stage.\n"
STOPPED = "[  OK  ] Stopped target Multi-User System.\n"

GIVEN = "ci-info: ++++Authorized keys from /home/{0}/.ssh/authorized_keys for user {0}++++\n"
KEYLESS = "ci-info: no authorized SSH keys fingerprints found for user {}.\n"


@pytest.mark.parametrize("end", [CLOUD_INIT, DEBIAN, UBUNTU, COLOURED, FAILED])
def test_a_boot_that_has_ended(end: str) -> None:
    assert has_finished(LINUX + end) is True
    assert has_finished(end) is True  # its beginning has scrolled away
    assert has_finished(LINUX + end + LINUX) is False
    assert has_finished(LINUX + end + STOPPED) is False
    assert has_finished(LINUX + end + LINUX + end) is True


def test_what_tells_nothing() -> None:
    assert has_finished("") is None
    assert has_finished("[ 77.1] some driver says something\n") is None
    assert has_finished(LINUX) is False


def test_who_has_got_the_key() -> None:
    assert explain(GIVEN.format("debian"), "debian") is None
    assert explain("", "debian") is None
    reason, hint = explain(GIVEN.format("debian"), "ubuntu") or ("", "")
    assert reason == ": cloud-init has given the key to debian, not to ubuntu"
    assert "servers: {user: debian}" in hint
    reason, hint = explain(KEYLESS.format("debian"), "debian") or ("", "")
    assert reason == ": debian has got no key"
    assert "key_name" in hint
    both = KEYLESS.format("deploy") + KEYLESS.format("svc.app")
    reason, hint = explain(both, "debian") or ("", "")
    assert reason == ": cloud-init has made deploy, svc.app, without the key, and no debian"
    assert "`default`" in hint
