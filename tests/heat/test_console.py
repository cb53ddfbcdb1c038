"""What consoles show of boots, and of the scripts in user data."""

from __future__ import annotations

import pytest

from infraci.heat.console import fatal_line, script_output

#: As a Debian with systemd shows it; curl's progress has no ends of lines.
CONSOLE = """\
[  OK  ] Reached target network-online.target.
[ 6250.650680] cloud-init[48]: Generating public/private ed25519 key pair.
         Starting cloud-final.service...
[ 6370.516680] cloud-init[109]: Cloud-init v. 22.4.2 running 'modules:final' at Sat, 28 Nov 2026.
[ 6370.845408] cloud-init[109]:   % Total    % Received % Xferd  Average Speed   Time    Time
[ 6370.845509] cloud-init[109]:                                  Dload  Upload   Total   Spent
[ 6371.858451] cloud-init[109]: \r
    0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0curl: (6) Could not \
resolve host: deb.debian.org[ 6371.932639] cloud-init[109]:   % Total    % Received % Xferd
[  OK  ] Started nginx.service.
[ 6372.036100] cloud-init[109]: HTTP/1.1 200 OK
[ 6372.036119] cloud-init[109]: Content-Type: application/json
[ 6372.036213] cloud-init[109]: null2026-11-28 01:32:42,059 - cc_scripts_user.py[WARNING]: Failed
<14>Nov 28 01:32:42 cloud-init: -----BEGIN SSH HOST KEY FINGERPRINTS-----
-----BEGIN SSH HOST KEY KEYS-----
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIELqIyxlT root@web
-----END SSH HOST KEY KEYS-----
[ 6372.097483] cloud-init[109]: Cloud-init v. 22.4.2 finished at Sat, 28 Nov 2026 01:32:42 +0000.
[FAILED] Failed to start cloud-final.service.
See 'systemctl status cloud-final.service' for details.
"""


def test_the_output_of_scripts_among_all_that_a_boot_prints() -> None:
    assert script_output(CONSOLE) == "curl: (6) Could not resolve host: deb.debian.org"


def test_output_that_no_cloud_init_announces() -> None:
    assert script_output("one\n\n[    1.0] a kernel's\ntwo\n") == "one\ntwo"


@pytest.mark.parametrize(
    ("console", "line"),
    [
        ("booting\n[ 1.2] Kernel panic - not syncing: no init\nmore", "[ 1.2] Kernel panic - not "
         "syncing: no init"),
        ("a\n   grub rescue> \n", "grub rescue>"),
        ("login: ", None),
    ],
)  # fmt: skip
def test_the_line_by_which_a_boot_is_lost(console: str, line: str | None) -> None:
    assert fatal_line(console) == line
