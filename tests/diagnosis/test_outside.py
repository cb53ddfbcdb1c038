"""What real programs printed while their mirror was in trouble, and what looks like it.

tests/data/outside holds outputs of the programs of Debian 12 (dnf 4.14, zypper 1.14, npm 9, pip
23, Ansible 2.14, skopeo 1.9 with the registry client of podman), in a network namespace of its
own where every mirror is one of: unknown since no name server answers (no-resolver), a port
where nobody listens (refused), an address that swallows all packets (blackhole), a server that
answers nothing (silent), resets connections (reset), or says 503 or 429. Then, what is no
mirror's trouble: a name that does not exist, a 404, and a server without any route.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from infraci.configure.ansible_tasks import cause_of_task
from infraci.diagnosis.outside import SIGNATURES, outside_cause

DATA = Path(__file__).parents[1] / "data" / "outside"
FAULTS = ("no-resolver", "refused", "blackhole", "silent", "reset", "http-503", "http-429")
NO_TROUBLE = ("no-such-name", "http-404", "no-route")
#: The script in which these programs were called.
SOURCE = "get https://download.example.com/a.tgz"
#: The words do not tell: pip says no more than that it has found nothing, these no more than that
#: they could not connect.
SILENT_ABOUT_IT = {
    ("http-503", "pip"),
    ("http-429", "pip"),
    ("http-429", "puppetmodule"),
    ("http-429", "galaxy"),
    ("silent", "galaxy"),
    ("blackhole", "galaxy"),
    ("silent", "wget"),
}
#: The other way round: libcurl's and wget's words are the same for a name server that does not
#: answer and for a name that does not exist.
SAME_WORDS = {"curl", "curl-connect", "curl-http", "curl-tar", "dnf", "git", "wget-q", "zypper"}


def _outputs(scenarios: tuple[str, ...]) -> list[Any]:
    return [
        pytest.param(scenario, tool, output, id=f"{scenario}-{tool}")
        for scenario in scenarios
        for tool, output in yaml.safe_load((DATA / f"{scenario}.yaml").read_text()).items()
    ]


@pytest.mark.parametrize(("scenario", "tool", "output"), _outputs(FAULTS))
def test_a_mirror_in_trouble(scenario: str, tool: str, output: str) -> None:
    cause = outside_cause(output, source=SOURCE)
    if (scenario, tool) in SILENT_ABOUT_IT:
        assert cause is None
    else:
        assert cause is not None
        assert cause in output


@pytest.mark.parametrize(("scenario", "tool", "output"), _outputs(NO_TROUBLE))
def test_what_the_commit_asked_for(scenario: str, tool: str, output: str) -> None:
    cause = outside_cause(output, source=SOURCE)
    assert (cause is not None) == (scenario == "no-such-name" and tool in SAME_WORDS)


def test_each_signature_shows_what_it_finds() -> None:
    for signature in SIGNATURES:
        assert signature.pattern.search(signature.prints), signature


MODULES: Mapping[str, Mapping[str, Mapping[str, object]]] = yaml.safe_load(
    (DATA / "ansible-modules.yaml").read_text()
)
#: unarchive finds an empty file where it got a 404 or 503; pip as above; apt tells the reason of
#: a 404 only.
UNTOLD = {
    ("http-503", "unarchive"),
    ("http-429", "unarchive"),
    ("http-503", "pip"),
    ("http-429", "pip"),
    ("no-such-name", "git"),
    ("no-such-name", "aptcache"),
    ("no-such-name", "aptinstall"),
}


@pytest.mark.parametrize(
    ("scenario", "module"), [(s, module) for s, modules in MODULES.items() for module in modules]
)
def test_modules_of_ansible(scenario: str, module: str) -> None:
    cause = cause_of_task([MODULES[scenario][module]], ())
    expected = (scenario in FAULTS) != ((scenario, module) in UNTOLD)
    assert cause.is_outside == expected


CURL = "curl: (7) Failed to connect to {host} port 80: Connection refused\n"


@pytest.mark.parametrize(
    ("host", "is_outside"),
    [
        ("download.example.com", True),
        ("93.184.215.14", True),
        ("localhost", False),
        ("127.0.0.1", False),
        ("10.0.0.5", False),
        ("192.168.1.9", False),
        ("169.254.169.254", False),
        ("db", False),
        ("db-0", False),
        ("db-0.stack.example.com", False),
        ("203.0.113.7", False),  # a floating IP of the stack
    ],
)
def test_servers_of_the_stack_are_not_outside(host: str, is_outside: bool) -> None:
    own = {"db-0", "203.0.113.7"}
    assert (outside_cause(CURL.format(host=host), own_hosts=own) is not None) == is_outside


@pytest.mark.parametrize(
    ("source", "is_outside"),
    [
        ("curl -f https://download.example.com/a", True),
        ("curl -f http://localhost/health", False),
        ("curl -f https://download.example.com/a\ncurl -f http://10.0.0.5/b", False),
        ('curl -f "http://$HOST/health"', False),
        ("", False),
    ],
)
def test_a_program_that_names_no_server_is_checked_by_its_script(
    source: str, is_outside: bool
) -> None:
    output = "curl: (22) The requested URL returned error: 503\n"
    assert (outside_cause(output, source=source) is not None) == is_outside


RETRIED = "curl: (6) Could not resolve host: download.example.com\n"
NO_PACKAGES = (
    "W: Failed to fetch http://deb.debian.org/x  Temporary failure resolving 'deb.debian.org'\n"
)
LATER: Mapping[str, tuple[str, bool]] = {
    "the script's own last words": (RETRIED + "cannot download it\nplease try again\n", True),
    "its error": (RETRIED + "ERROR: download failed\n", True),
    "a file that is missing then": (RETRIED + "chmod: cannot access '/usr/bin/x': No such\n", True),
    "another command that is missing": (
        RETRIED + "app.sh: line 9: foo: command not found\n",
        False,
    ),
    "many other lines": (RETRIED + "one\ntwo\nthree\nfour\n", False),
    "another error": (RETRIED + "E: Unable to correct problems\n", False),
    "a package that is not found since": (
        NO_PACKAGES + "E: Unable to locate package nginx\n",
        True,
    ),
    "its service": (NO_PACKAGES + "Failed to start x: Unit x.service not found.\n", True),
    "packages that were installed after all": (
        NO_PACKAGES + "Setting up nginx (1.22)\napp.sh: line 9: foo: command not found\n",
        False,
    ),
    "pip, that went on": (
        "WARNING: Retrying (x) after connection broken by 'ReadTimeoutError(y)': /simple/a/\n"
        "Collecting a\nERROR: Could not find a version that satisfies b (from versions: none)\n",
        False,
    ),
    "pip, that was answered": (
        "WARNING: Retrying (x) after connection broken by 'ReadTimeoutError(y)': /simple/a/\n"
        "ERROR: Could not find a version that satisfies a==9 (from versions: 1.0, 2.0)\n",
        False,
    ),
}


@pytest.mark.parametrize(("output", "is_outside"), LATER.values(), ids=LATER)
def test_what_follows_decides(output: str, is_outside: bool) -> None:
    """A warning that was overcome is no cause; what is missing because of it is no other one."""
    assert (outside_cause(output) is not None) == is_outside


NOT_OUTSIDE = """\
E: Unable to locate package nginxx
E: Failed to fetch http://deb.debian.org/x.deb  404  Not Found [IP: 192.0.2.1 80]
E: Release file for http://snapshot.debian.org/x/InRelease is expired (invalid since 3d)
ERROR: No matching distribution found for requestz
remote: Repository not found.
fatal: Authentication failed for 'https://github.com/x/y/'
git@github.com: Permission denied (publickey).
npm ERR! code E404
Error response from daemon: pull access denied for nginxx, repository does not exist
Error response from daemon: manifest for nginx:9 not found: manifest unknown
curl: (60) SSL certificate problem: unable to get local issuer certificate
curl: (35) error:0A00010B:SSL routines::wrong version number
app: cannot connect to the database: [Errno 111] Connection refused
ConnectionRefusedError: [Errno 111] Connection refused
psql: error: could not translate host name "db" to address: Temporary failure in name resolution
nc: connect to db.stack port 80 (tcp) failed: Connection refused
nc: connect to 10.0.0.5 port 80 (tcp) failed: Connection refused
dpkg: error processing package nginx (--configure):
"""


@pytest.mark.parametrize("line", NOT_OUTSIDE.splitlines())
def test_refusals_and_the_commits_own_servers_are_no_trouble_of_a_mirror(line: str) -> None:
    assert outside_cause(line) is None
    assert outside_cause(line, own_hosts={"db"}, source=SOURCE) is None
