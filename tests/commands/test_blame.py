"""Real commits, broken in every way, on real servers: each failure finds its commit, or none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infraci.local.state_dir import StateDir
from tests.app.workspace import STACK, Workspace

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900)]

USER_DATA = """\
      user_data_format: RAW
      user_data:
        str_replace:
          params: {$greeting: {get_param: greeting}}
          template: {get_file: cloud.yaml}
      metadata: {role: web}
"""
GREETING = "parameters:\n  greeting: {type: string, default: none}\n"
CLOUD_CONFIG = """\
#cloud-config
write_files:
  - {path: /etc/greeting, content: $greeting}
  - {path: /etc/made-by, content: cloud-init}
"""
ROOT = "def test_root(host):\n    assert host.user('root').uid == 0\n"
#: Fails in every third run, the second one first.
FLAKY = """\
import os
from pathlib import Path


def test_flaky(host):
    runs = Path(os.environ["RUNS_SO_FAR"])
    with runs.open("a") as file:
        file.write(".")
    assert runs.stat().st_size % 3 != 2
"""
FILES = {
    "stack.yaml": STACK.replace("parameters:\n", GREETING).replace(
        "      metadata: {role: web}\n", USER_DATA
    ),
    "env.yaml": "parameters: {greeting: hello}\n",
    "cloud.yaml": CLOUD_CONFIG,
    "setup.sh": "#!/bin/sh\ntouch /setup\n",
    "pipelines/web.yaml": """\
stack: {template: stack.yaml, environments: [env.yaml]}
configure: [cloud-init, script: setup.sh]
environment: {RUNS_SO_FAR: {from: RUNS_SO_FAR}}
specs: {web: [specs]}
""",
    "pipelines/small.yaml": """\
stack: {template: stack.yaml, environments: [env.yaml]}
configure: [cloud-init, script: setup.sh]
specs: {web: [specs/test_setup.py]}
""",
    "specs/test_name.py": """\
def test_name(host):
    assert host.check_output("hostname") == "web"
""",
    "specs/test_data.py": """\
def test_data(host):
    assert host.file("/etc/made-by").content_string == "cloud-init"


def test_greeting(host):
    assert host.file("/etc/greeting").content_string == "hello"
""",
    "specs/test_setup.py": "def test_setup(host):\n    assert host.file('/setup').exists\n",
    "specs/test_root.py": ROOT,
    "specs/test_always.py": "def test_always(host):\n    assert host.file('/nope').exists\n",
    "specs/test_flaky.py": FLAKY,
}
CHANGES: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("Write a page", {"page": "1"}),
    ("Call it otherwise", {"stack.yaml": FILES["stack.yaml"].replace("name: web", "name: wbe")}),
    ("Write two pages", {"page": "2"}),
    ("Make it otherwise", {"cloud.yaml": CLOUD_CONFIG.replace(": cloud-init", ": hand")}),
    ("Write three pages", {"page": "3"}),
    ("Set it up otherwise", {"setup.sh": "#!/bin/sh\ntouch /set-up\n"}),
    ("Write four pages", {"page": "4"}),
    ("Expect something else", {"specs/test_root.py": ROOT.replace("0", "1")}),
    ("Write five pages", {"page": "5"}),
    ("Greet otherwise", {"env.yaml": "parameters: {greeting: bye}\n"}),
    ("Write six pages", {"page": "6"}),
)
#: Commits that keep a run from its specs.
STOPS: Mapping[str, Mapping[str, str]] = {
    "Boot another image": {
        "stack.yaml": FILES["stack.yaml"].replace("default: debian-12", "default: debian-99")
    },
    "Leave early": {"setup.sh": "#!/bin/sh\nexit 1\n"},
    "Install a package": {"setup.sh": "#!/bin/sh\napt-get install --yes nginxx\n"},
    "Boot by another script": {"cloud.yaml": "#cloud-config\nruncmd: [[/bin/false]]\n"},
}
MIRRORED = """\
import os
from urllib.request import urlopen


def test_package(host):
    with urlopen(os.environ["MIRROR"] + "/package.deb", timeout=10) as answer:
        assert answer.status == 200
"""
CULPRITS = {
    "test_name": ("Call it otherwise", "stack.yaml"),
    "test_data": ("Make it otherwise", "cloud.yaml"),
    "test_setup": ("Set it up otherwise", "setup.sh"),
    "test_root": ("Expect something else", "specs/test_root.py"),
    "test_greeting": ("Greet otherwise", "env.yaml"),
}


@pytest.fixture(scope="module")
def own_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Twelve commits, of which the first and the last have been run."""
    folder = tmp_path_factory.mktemp("blame")
    made = Workspace(folder=folder / "repository", state=folder / "cloud")
    made.folder.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    made.write(FILES, "Begin")
    for subject, files in CHANGES:
        made.write(files, subject)
    return made


@pytest.fixture(scope="module")
def workspace(own_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The repository, and the cloud that is stopped in the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNS_SO_FAR", str(tmp_path_factory.mktemp("runs") / "runs"))
        yield own_workspace
        own_workspace.infraci("destroy", "--all")
        own_workspace.infraci("cloud", "down")


def _blame(workspace: Workspace, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit status and findings, by the testcase's name."""
    done = workspace.infraci("blame", "--json", *arguments)
    data = json.loads(done.stdout)
    findings = {(f["test"] or "").rpartition("::")[2]: f for f in data["findings"]}
    return done.returncode, {**findings, "": {"stacks": data["stacks"]}}


def _failures(report: Path) -> dict[str, str]:
    """The text of what failed, by the testcase's name."""
    cases = ET.parse(report).getroot().iter("testcase")
    return {
        case.get("name", "").partition("[")[0]: child.text or ""
        for case in cases
        for child in case
        if child.tag in ("failure", "error")
    }


def test_each_failure_finds_its_commit_or_none(workspace: Workspace) -> None:
    assert workspace.infraci("run", "web", "--commit", "HEAD~11").returncode == 1
    done = workspace.infraci("run", "web", "--report", "out")
    assert done.returncode == 1
    assert "` finds out; " in done.stderr
    before = _failures(workspace.folder / "out" / "web.xml")
    assert set(before) == {*CULPRITS, "test_always", "test_flaky"}
    assert before["test_setup"].startswith("blame    unknown: `infraci blame ")

    status, findings = _blame(
        workspace, "--pipeline", "web", "-j", "2", "--budget", "30", "--report", "out"
    )
    assert status == 1
    for name, (subject, file) in CULPRITS.items():
        culprit = findings[name]["culprit"]
        assert (findings[name]["verdict"], culprit["subject"]) == ("new", subject)
        assert culprit["files"] == [file]
        assert f"+++ b/{file}" in culprit["diff"]
        assert culprit["probability"] >= 0.99
        assert len(findings[name]["proof"]) > 2
    assert (findings["test_always"]["verdict"], findings["test_always"]["culprit"]["subject"]) == (
        "before", "Begin",
    )  # fmt: skip
    assert findings["test_flaky"]["verdict"] == "flaky"
    assert findings["test_flaky"]["culprit"] is None
    assert findings[""]["stacks"] <= 24

    texts = _failures(workspace.folder / "out" / "web.xml")
    for name, (subject, _) in CULPRITS.items():
        first = texts[name].partition("\n")[0]
        assert first.startswith("blame    new failure: broken by ")
        assert f"{subject}, by Somebody (99" in first
    assert texts["test_flaky"].startswith("blame    flaky: fails ")

    again = workspace.infraci("blame", "--budget", "0")
    assert again.returncode == 1
    assert "skipped" not in again.stdout
    assert again.stdout.count("new failure: broken by") == len(CULPRITS)


@pytest.fixture(scope="module")
def line(workspace: Workspace) -> Any:
    """Commits that stop a run before its specs, each mended by the next but one."""
    workspace.git("checkout", "--quiet", "-b", "stopped", "HEAD~11")
    for subject, files in STOPS.items():
        workspace.write(files, subject)
        workspace.write({"page": subject}, f"Write of it: {subject}")
        workspace.write({name: FILES[name] for name in files}, f"Mend it: {subject}")
    yield workspace.commits()[::-1]
    workspace.git("checkout", "--quiet", "--force", "main")


@pytest.mark.parametrize("subject", list(STOPS))
def test_a_commit_that_stops_a_run_is_found_as_well(
    workspace: Workspace, line: list[str], subject: str
) -> None:
    number = 1 + 3 * list(STOPS).index(subject)
    status, findings = _blame(workspace, line[number + 1], "--pipeline", "small")
    assert status == 1
    stacks = findings.pop("")["stacks"]
    for one in findings.values():
        assert (one["culprit"]["sha"], one["culprit"]["subject"]) == (line[number], subject)
        assert one["culprit"]["files"] == list(STOPS[subject])
        assert one["culprit"]["probability"] >= 0.99
        assert one["note"].startswith("its specs were not run: ")
    # The script was broken, mended and broken again: that takes some more to see.
    assert stacks <= (6 if subject == "Install a package" else 4)


def test_a_pipeline_that_cannot_be_read_is_found_as_well(workspace: Workspace) -> None:
    workspace.git("checkout", "--quiet", "-b", "unread", "HEAD~11")
    workspace.write({"pipelines/small.yaml": "stack: [\n"}, "Break the pipeline")
    workspace.write({"page": "read"}, "Write of it")
    assert workspace.infraci("run", "small").returncode == 2
    status, findings = _blame(workspace, "--pipeline", "small")
    workspace.git("checkout", "--quiet", "main")
    assert status == 1
    one = findings["plan"]
    assert (one["verdict"], one["where"]) == ("new", "")
    assert one["culprit"]["subject"] == "Break the pipeline"
    assert one["culprit"]["files"] == ["pipelines/small.yaml"]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder that is served, as a mirror's, to those who read $MIRROR."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("MIRROR", f"http://127.0.0.1:{server.server_port}")
    yield tmp_path
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_package_that_vanishes_from_its_mirror_is_no_commits_fault(
    workspace: Workspace, mirror: Path
) -> None:
    (mirror / "package.deb").write_text("as good as any")
    workspace.git("checkout", "--quiet", "-b", "mirrored", "HEAD~11")
    small = FILES["pipelines/small.yaml"] + "environment: {MIRROR: {from: MIRROR}}\n"
    files = {"specs/test_setup.py": MIRRORED, "pipelines/small.yaml": small}
    workspace.write(files, "Look at the package")
    assert workspace.infraci("run", "small").returncode == 0
    workspace.write({"page": "mirrored"}, "Write of it")
    (mirror / "package.deb").unlink()
    assert workspace.infraci("run", "small").returncode == 1
    status, findings = _blame(workspace, "--pipeline", "small")
    workspace.git("checkout", "--quiet", "main")
    assert status == 125
    one = findings["test_package"]
    assert (one["verdict"], one["culprit"]) == ("world", None)
    assert one["headline"].startswith("the world changed: it passed at ")
    assert findings[""]["stacks"] <= 4


def test_a_cloud_that_lost_a_server_blames_nobody(workspace: Workspace) -> None:
    """A run taken phase by phase, as a CI engine does; its server dies meanwhile."""
    workspace.write({"page": "7"}, "Write seven pages")
    run = workspace.infraci("provision", "web").stdout.split()[0]
    owner = StateDir(folder=workspace.state).owner
    listed = subprocess.run(
        ["podman", "ps", "--quiet", f"--filter=label=infraci.cloud={owner}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    subprocess.run(["podman", "kill", *listed.stdout.split()], check=True, capture_output=True)
    assert workspace.infraci("verify", run).returncode == 125
    recorded = workspace.infraci("history", "record", run)
    assert "no commit is blamed" in recorded.stdout
    workspace.infraci("destroy", run)

    status, findings = _blame(workspace, "--pipeline", "web")
    assert status == 125
    assert findings.pop("") == {"stacks": 0}
    assert {f["verdict"] for f in findings.values()} == {"infrastructure"}
    assert {f["culprit"] and 1 for f in findings.values()} == {None}
    done = workspace.infraci("report", run, "--output", "lost")
    assert done.returncode == 125
    for text in _failures(workspace.folder / "lost" / "web.xml").values():
        assert text.startswith("blame    infrastructure: ")


def test_git_bisect_runs_infraci(workspace: Workspace) -> None:
    workspace.git("bisect", "start", "HEAD", "HEAD~12")
    bisected = subprocess.run(
        ["git", "bisect", "run", sys.executable, "-P", "-m", "infraci", "run", "small"],
        cwd=workspace.folder, env={**os.environ, **workspace.environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "is the first bad commit" in bisected.stdout
    assert "Set it up otherwise" in bisected.stdout
    workspace.git("bisect", "reset")
    # What it has run is known to blame as well.
    shown = workspace.infraci("history", "show", "--json").stdout
    runs = [run for runs in json.loads(shown).values() for run in runs]
    assert sum(run["pipeline"] == "small" for run in runs) >= 3
