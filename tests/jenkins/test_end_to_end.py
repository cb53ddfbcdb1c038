"""From a push to verdicts: hook, controller, agent, real servers, reports, results, alerts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infraci.base.deadline import Deadline
from tests.app.workspace import FILES, Workspace, cloud_in
from tests.jenkins.fake_jenkins import TOKEN, USER, FakeJenkins
from tests.jenkins.interpreter import Interpreter
from tests.processes import run_infraci

pytestmark = pytest.mark.cloud

JENKINSFILE = (Path(__file__).parents[2] / "Jenkinsfile").read_text()
#: Adds a file that the web tier's spec does not want, and then something that is not its matter.
BROKEN = {"setup.sh": "#!/bin/sh\ntouch /set-up\n"}
INNOCENT = {"README": "How it works\n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A developer's clone, the bare repository with the hook, and the controller."""

    workspace: Workspace
    bare: Path
    jenkins: FakeJenkins

    def infraci(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run infraci in the developer's clone."""
        environment = {
            **self.workspace.environment,
            "JENKINS_URL": self.jenkins.url,
            "JENKINS_USER_ID": USER,
            "JENKINS_API_TOKEN": TOKEN,
        }
        words = ("jenkins", *arguments, "--folder", "shop")
        return run_infraci(*words, cwd=self.workspace.folder, env=environment)

    def shas(self) -> list[str]:
        """All commits, the oldest first."""
        listed = subprocess.run(
            ["git", "rev-list", "--reverse", "HEAD"],
            cwd=self.workspace.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        return listed.stdout.split()

    def push_only_the_newest(self) -> None:
        """Push with a hook that builds one commit at most."""
        subprocess.run(["git", "config", "infraci.limit", "1"], cwd=self.bare, check=True)
        self.workspace.git("push", "--quiet", "origin", "main")

    def until_built(self, count: int) -> None:
        """Wait until so many builds have ended."""
        for _ in Deadline(1200, phase="the test").poll("the builds"):
            jobs = list(self.jenkins.state.jobs())
            if sum(not b.building for job in jobs for b in job.builds) == count:
                return


@pytest.fixture(scope="module")
def cloud_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of the agents' embedded cloud."""
    with cloud_in(tmp_path_factory.mktemp("cloud")) as folder:
        yield folder


@pytest.fixture
def shop(tmp_path: Path, cloud_state: Path, interpreter: Interpreter) -> Iterator[Shop]:
    """All that is there before the first push."""
    workspace = Workspace(folder=tmp_path / "shop", state=cloud_state)
    workspace.folder.mkdir()
    workspace.git("init", "--quiet", "--initial-branch=main")
    bare = tmp_path / "shop.git"
    workspace.git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    workspace.git("remote", "add", "origin", str(bare))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**workspace.environment, "PATH": path}
    with FakeJenkins(
        tmp_path / "jenkins", environment=environment, interpreter=interpreter
    ) as jenkins:
        (tmp_path / "token").write_text(TOKEN)
        done = run_infraci(
            "hook", "install", "--url", jenkins.url, "--user", USER,
            "--token-file", str(tmp_path / "token"), "--folder", "shop", cwd=bare,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        yield Shop(workspace=workspace, bare=bare, jenkins=jenkins)
    for job_folder in (tmp_path / "jenkins" / "workspace" / "shop").glob("*"):
        Workspace(folder=job_folder, state=workspace.state).infraci("destroy", "--all")


def test_green_red_red(shop: Shop) -> None:
    workspace = shop.workspace
    workspace.write({**FILES, "Jenkinsfile": JENKINSFILE}, "Open the $(shop) <b>&")
    assert shop.infraci("setup").returncode == 0
    workspace.write(BROKEN, "Break the web tier")
    workspace.write(INNOCENT, "Say how it works")
    workspace.git("push", "--quiet", "origin", "main")
    shop.until_built(3)
    consoles = [b.console.read_text() for job in shop.jenkins.state.jobs() for b in job.builds]

    good, bad, innocent = shop.shas()
    done = shop.infraci("results", good, bad, innocent, "--json")
    results: list[dict[str, Any]] = json.loads(done.stdout)
    assert [f["verdict"] for f in results] == ["passed", "failed", "failed"], consoles
    assert [f["commit"] for f in results] == [good, bad, innocent]
    assert done.returncode == 1
    assert [f["notes"] for f in results] == [[], [], []]
    assert [[p["subject"] for p in f["pipelines"]] for f in results] == [
        ["Open the $(shop) <b>&"],
        ["Break the web tier"],
        ["Say how it works"],
    ]
    assert [f["name"] for f in results[1]["pipelines"][0]["failures"]] == ["test_setup[web]"]
    _by_the_builds_own_evidence(shop, [good, bad, innocent])
    _remembered(shop, [good, bad, innocent])

    _alerts(shop, bad)
    printed = shop.infraci("results", "HEAD~1")
    assert printed.stdout.startswith(f"{bad[:10]} failed: Break the web tier (Somebody)\n")
    assert f"again: infraci run --commit {bad[:10]} tiny" in printed.stdout
    assert workspace.leftovers() == []


def _remembered(shop: Shop, shas: list[str]) -> None:
    """Builds push their results to the bare repository, from which every clone has them."""
    shop.workspace.infraci("history", "pull")
    printed = [
        json.loads(shop.workspace.infraci("history", "show", s, "--json").stdout) for s in shas
    ]
    assert [[r["verdict"] for r in t[s]] for s, t in zip(shas, printed, strict=True)] == [
        ["passed"], ["failed"], ["failed"],
    ]  # fmt: skip


def _alerts(shop: Shop, bad: str) -> None:
    """One, of the commit that broke it; its builds' order is nobody's matter."""
    printed = shop.infraci("alert", "--dry-run").stdout
    assert printed.startswith(f"tiny on main failed: {bad[:10]} Break the web tier\n")
    assert f"culprit: {bad} (the commit before it passed)" in printed
    assert printed.count("verdict:") == 1


def _by_the_builds_own_evidence(shop: Shop, shas: list[str]) -> None:
    """Each build's report and stages agree with the results."""
    (job,) = shop.jenkins.state.jobs()
    assert sorted(build.description or "" for build in job.builds) == sorted(shas)
    for build in job.builds:
        sha = build.description or ""
        (report,) = build.reports
        assert f'name="infraci.commit" value="{sha}"'.encode() in report
        assert build.result == ("SUCCESS" if sha == shas[0] else "UNSTABLE")
        assert (b"<failure" in report) == (sha != shas[0])
        assert (f"commit   {sha}".encode() in report) == (sha != shas[0])
        assert [s["name"] for s in build.stages if s["status"] != "NOT_EXECUTED"] == [
            "Plan", "Pipeline", "Provision", "Configure", "Verify", "Report",
        ]  # fmt: skip
        evidence = [path for path in build.artifacts if path.startswith("tiny/evidence/web/")]
        assert bool(evidence) == (sha != shas[0])
        attached = str(shop.jenkins.state.home / "workspace").encode() in report
        assert attached == (sha != shas[0])


def test_wrong_files_are_the_commits_fault(shop: Shop) -> None:
    workspace = shop.workspace
    wrong = {"pipelines/tiny.yaml": FILES["pipelines/tiny.yaml"].replace("specs:", "spcs:")}
    workspace.write({**FILES, "Jenkinsfile": JENKINSFILE})
    assert shop.infraci("setup").returncode == 0
    workspace.write(wrong, "Mistype")
    shop.push_only_the_newest()
    shop.until_built(1)
    done = shop.infraci("results", "HEAD")
    assert done.returncode == 2
    assert "tiny: invalid, 1 testcases, 1 failed" in done.stdout
    assert 'did you mean "specs"?' in done.stdout
    assert workspace.leftovers() == []


def test_an_abort_leaves_nothing(shop: Shop) -> None:
    workspace = shop.workspace
    workspace.write({**FILES, "Jenkinsfile": JENKINSFILE, "setup.sh": "#!/bin/sh\nsleep 600\n"})
    assert shop.infraci("setup").returncode == 0
    workspace.git("push", "--quiet", "origin", "main")
    (job,) = shop.jenkins.state.jobs()
    for _ in Deadline(600, phase="the test").poll("the stage Configure"):
        if any(s["name"] == "Configure" for b in job.builds for s in b.stages):
            break
    (build,) = job.builds
    for _ in Deadline(600, phase="the test").poll("the script"):
        if "infraci configure" in build.console.read_text():
            break
    build.is_stopped.set()
    shop.until_built(1)
    assert build.result == "ABORTED", build.console.read_text()
    assert build.reports
    assert workspace.leftovers() == []
