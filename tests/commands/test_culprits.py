"""A commit that breaks its servers, by whichever of its files: every way to ask names it.

Three commits each: a good one, one that breaks a file, and one that leaves the fault in place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from infraci.errors import ExitCode
from infraci.local.state_dir import StateDir
from tests.app.workspace import FILES, STACK, Workspace

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900)]

ROUTER = """\
  router:
    type: OS::Neutron::Router
    properties: {external_gateway_info: {network: public}}
  way_out:
    type: OS::Neutron::RouterInterface
    properties: {router: {get_resource: router}, subnet: {get_resource: subnet}}
"""
ROUTED = STACK.replace("outputs:\n", f"{ROUTER}outputs:\n").replace(
    "depends_on: subnet", "depends_on: way_out"
)
WITH_USER_DATA = STACK.replace(
    "      metadata:",
    "      user_data_format: RAW\n      user_data: {get_file: boot.sh}\n      metadata:",
)
SPECS = "specs: {web: [specs]}\n"
SPEC = "def test_name(host):\n    assert host.check_output('hostname') == 'web'\n"
PLAY = """\
- name: Prepare
  hosts: web
  become: true
  gather_facts: false
  tasks:
    - name: Make the folder
      ansible.builtin.raw: mkdir -p /srv/shop
    - name: Fill it
      ansible.builtin.raw: touch /srv/shop/page
"""
MANIFEST = "file { '/srv/shop': ensure => directory }\nfile { '/srv/shop/page': content => 'x' }\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a commit has, how the next one breaks it, and the testcase that fails then."""

    files: Mapping[str, str]
    broken: Mapping[str, str]
    suite: str
    case: str
    cause: str  # the sentence begins so, or has this in it


def _pipeline(step: str) -> str:
    return f"stack: {{template: stack.yaml}}\nconfigure: [{step}]\n{SPECS}"


FAULTS = {
    "template": Fault(
        files={},
        broken={"stack.yaml": STACK.replace("cidr: 10.9.8.0/24", "cidr: 10.9.8.0/99")},
        suite="infraci.tiny.provision",
        case="infraci.tiny.provision",
        cause="10.9.8.0/99",
    ),
    "image": Fault(
        files={},
        broken={"stack.yaml": STACK.replace("default: debian-12", "default: debian-99")},
        suite="infraci.tiny.provision",
        case="infraci.tiny.provision",
        cause="debian-99",
    ),
    "user data": Fault(
        files={
            "stack.yaml": WITH_USER_DATA,
            "boot.sh": "#!/bin/sh\ntouch /booted\n",
            "pipelines/tiny.yaml": _pipeline("cloud-init"),
        },
        broken={"boot.sh": "#!/bin/sh\necho no disk >&2\nexit 3\n"},
        suite="infraci.tiny.web",
        case="infraci.tiny.configure.cloud-init[web]",
        cause="web: cloud-init's module scripts_user failed: ",
    ),
    "script": Fault(
        files={"setup.sh": "#!/bin/sh\nset -e\ntouch /setup\n"},
        broken={"setup.sh": "#!/bin/sh\nset -e\napt-get install --yes nginxx\n"},
        suite="infraci.tiny.web",
        case="infraci.tiny.configure.script setup.sh[web]",
        cause="web: setup.sh failed: E: Unable to locate package nginxx (line 3)",
    ),
    "ansible": Fault(
        files={"site.yml": PLAY, "pipelines/tiny.yaml": _pipeline("ansible: site.yml")},
        broken={"site.yml": PLAY.replace("touch /srv/shop", "touch /srv/shp")},
        suite="infraci.tiny.web",
        case="infraci.tiny.configure.ansible site.yml: Prepare: Fill it[web]",
        cause="web: site.yml: Prepare: Fill it failed: ",
    ),
    "puppet": Fault(
        files={
            "stack.yaml": ROUTED,
            "site.pp": MANIFEST,
            "pipelines/tiny.yaml": _pipeline("puppet: site.pp"),
        },
        broken={"site.pp": MANIFEST.replace("/srv/shop/page", "/srv/shp/page")},
        suite="infraci.tiny.web",
        case="infraci.tiny.configure.puppet site.pp: File[/srv/shp/page][web]",
        cause="web: site.pp: File[/srv/shp/page] failed: ",
    ),
    "spec": Fault(
        files={},
        broken={"specs/test_web.py": SPEC.replace("'web'", "'wbe'")},
        suite="infraci.tiny.web",
        case="specs.test_web.test_name[web]",
        cause="web: specs/test_web.py::test_name failed: assert 'web' == 'wbe'",
    ),
}


@pytest.fixture
def shop(workspace: Workspace, request: pytest.FixtureRequest) -> Workspace:
    """A repository of three commits, the second of which breaks it."""
    fault: Fault = request.param
    base = {"pipelines/tiny.yaml": _pipeline("script: setup.sh"), "specs/test_web.py": SPEC}
    workspace.write({**FILES, **base, **fault.files}, "Begin the shop")
    workspace.write(fault.broken, "Break the shop")
    workspace.write({"README": "A shop.\n"}, "Describe the shop")
    return workspace


def _failures(report: Path) -> Iterator[tuple[str, str, ET.Element]]:
    for suite in ET.parse(report).getroot().iter("testsuite"):
        for case in suite.iter("testcase"):
            for child in case:
                if child.tag in ("failure", "error"):
                    name = f"{case.get('classname')}.{case.get('name')}"
                    yield suite.get("name", ""), name, child


@pytest.mark.parametrize(
    ("shop", "fault"),
    [(fault, fault) for fault in FAULTS.values()],
    ids=list(FAULTS),
    indirect=["shop"],
)
def test_the_commit_that_breaks_it_is_named(shop: Workspace, fault: Fault) -> None:
    _, culprit, _ = shop.commits()[:3]

    # The run itself is a failure of that commit, at the testcase that is concerned.
    done = shop.infraci("run", "tiny", "--commit", culprit, "--report", "out")
    assert done.returncode == ExitCode.FAILED, done.stderr
    ((suite, case, failure),) = _failures(shop.folder / "out" / "tiny.xml")
    assert suite == fault.suite
    assert case.startswith(fault.case)
    assert failure.tag == "failure"
    assert f"commit   {culprit}" in (failure.text or "")
    assert "author   Somebody <s@example.org>" in (failure.text or "")
    (sentence,) = (line for line in done.stderr.splitlines() if "tiny failed: " in line)
    assert fault.cause in sentence

    # Blame names it for the commit after it, which has the fault as well.
    blamed = shop.infraci("blame", "--json", "--pipeline", "tiny")
    assert blamed.returncode == ExitCode.FAILED, blamed.stderr
    data = json.loads(blamed.stdout)
    assert {finding["culprit"]["sha"] for finding in data["findings"]} == {culprit}
    assert min(finding["probability"] for finding in data["findings"]) >= 0.99
    assert data["stacks"] <= 3

    # And git bisect agrees.
    shop.git("bisect", "start", "HEAD", "HEAD~2")
    bisected = subprocess.run(
        ["git", "bisect", "run", sys.executable, "-P", "-m", "infraci", "run", "tiny"],
        cwd=shop.folder, env={**os.environ, **shop.environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"{culprit} is the first bad commit" in bisected.stdout
    assert shop.leftovers() == []


#: What a mirror that is down makes apt say: no server of this stack reaches any.
MIRROR_DOWN = """\
#!/bin/sh
exec apt-get -o Acquire::Retries=0 -o Acquire::http::Timeout=5 -o APT::Update::Error-Mode=any update
"""


def test_a_mirror_that_is_down_blames_nobody(workspace: Workspace) -> None:
    workspace.write({"setup.sh": MIRROR_DOWN}, "Update the packages")
    done = workspace.infraci("run", "tiny", "--report", "out")
    assert done.returncode == ExitCode.UNTESTABLE, done.stderr
    ((_, case, error),) = _failures(workspace.folder / "out" / "tiny.xml")
    assert (case, error.tag) == ("infraci.tiny.configure.script setup.sh[web]", "error")
    assert error.get("type") == "outside"


def test_a_server_that_is_killed_blames_nobody(workspace: Workspace) -> None:
    """It dies while a step waits on it, as of a crash of its hypervisor."""
    workspace.write({"setup.sh": "#!/bin/sh\necho waiting\nsleep 100\n"}, "Wait for it")
    lines, is_killed = [], False
    with workspace.start("-v", "run", "tiny", "--report", "out") as process:
        for line in process.stderr or ():
            lines.append(line)
            if "web: script setup.sh" in line and not is_killed:
                _kill_servers(workspace)
                is_killed = True
    assert process.returncode == ExitCode.UNTESTABLE, lines
    ((_, case, error),) = _failures(workspace.folder / "out" / "tiny.xml")
    assert (case, error.tag) == ("infraci.tiny.configure.script setup.sh[web]", "error")
    blamed = workspace.infraci("blame", "--json", "--budget", "0")
    assert blamed.returncode == ExitCode.UNTESTABLE
    assert {finding["culprit"] for finding in json.loads(blamed.stdout)["findings"]} == {None}
    assert workspace.leftovers() == []


def _kill_servers(workspace: Workspace) -> None:
    owner = StateDir(folder=workspace.state).owner
    listed = subprocess.run(
        ["podman", "ps", "--quiet", f"--filter=label=infraci.cloud={owner}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    subprocess.run(["podman", "kill", *listed.stdout.split()], check=True, capture_output=True)
