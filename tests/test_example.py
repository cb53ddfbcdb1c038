"""The example in examples/: a good commit, one that breaks the web servers, and its fix."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from infraci.local.host.fabric import find_all
from infraci.local.state_dir import StateDir
from tests.processes import run_infraci

pytestmark = pytest.mark.cloud

BUILD = Path(__file__).parents[1] / "examples" / "story" / "build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The story's repository, and an embedded cloud of its own."""

    folder: Path
    environment: Mapping[str, str]

    def infraci(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line there."""
        return run_infraci(*arguments, cwd=self.folder, env=self.environment)

    def git(self, *arguments: str) -> str:
        """Ask git."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def leftovers(self) -> list[str]:
        """Containers and network namespaces of this cloud, and stacks it still knows."""
        owner = StateDir(folder=Path(self.environment["INFRACI_STATE_DIR"])).owner
        podman = ["podman", "ps", "--all", "--format={{.Names}}"]
        containers = subprocess.run(
            [*podman, f"--filter=label=infraci.cloud={owner}"],
            capture_output=True,
            text=True,
            check=True,
        )
        runs = json.loads(self.infraci("list", "--standing", "--json").stdout)
        return [
            *containers.stdout.split(),
            *(found.namespace for found in find_all() if found.labels.get("cloud") == owner),
            *(run["id"] for run in runs),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A JUnit report, as far as the story is concerned."""

    root: ET.Element

    def names(self, outcome: str) -> set[str]:
        """The testcases that have such an element."""
        return {
            case.get("name", "")
            for case in self.root.iter("testcase")
            if case.find(outcome) is not None
        }

    @property
    def testcases(self) -> set[str]:
        """The names of all testcases."""
        return {case.get("name", "") for case in self.root.iter("testcase")}

    @property
    def properties(self) -> list[Mapping[str, str]]:
        """Each suite's properties."""
        return [
            {each.get("name", ""): each.get("value", "") for each in suite.iter("property")}
            for suite in self.root.iter("testsuite")
        ]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The repository as examples/README.md has people build it."""
    folder = tmp_path_factory.mktemp("story")
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OS_", "INFRACI_"))
        },
        "INFRACI_STATE_DIR": str(folder / "cloud"),
    }
    subprocess.run([BUILD, folder / "shop"], check=True, capture_output=True)
    shop = Shop(folder=folder / "shop", environment=environment)
    yield shop
    shop.infraci("cloud", "down")


def run(shop: Shop, commit: str) -> tuple[subprocess.CompletedProcess[str], Report]:
    """Take a commit all the way."""
    reports = shop.folder.parent / commit
    done = shop.infraci("run", "--commit", commit, "--report", str(reports))
    tree = ET.parse(reports / "shop.xml")
    return done, Report(root=tree.getroot())


def test_the_first_commit_is_good(shop: Shop) -> None:
    done, report = run(shop, "HEAD~2")
    assert done.returncode == 0, done.stderr
    assert not report.names("failure") | report.names("error")
    assert {f"test_page_is_served[web-{number}]" for number in (0, 1)} <= report.testcases
    assert shop.leftovers() == []


def test_the_second_breaks_the_web_servers_and_is_named(shop: Shop) -> None:
    done, report = run(shop, "HEAD~1")
    assert done.returncode == 1, done.stderr
    assert report.names("failure") == {
        f"{check}[web-{number}]"
        for check in ("test_port_is_open", "test_page_is_served")
        for number in (0, 1)
    }
    assert not report.names("error")
    sha = shop.git("rev-parse", "HEAD~1")
    for properties in report.properties:
        assert properties["infraci.commit"] == sha
        assert properties["infraci.author"] == "Bert Builder"
        assert properties["infraci.subject"] == "Run the web server as a user of its own"
        assert properties["infraci.verdict"] == "failed"
    for failure in report.root.iter("failure"):
        assert sha in (failure.text or "")
        assert "Bert Builder <bert@example.com>" in (failure.text or "")
    assert shop.leftovers() == []


def test_why_it_failed_is_kept(shop: Shop) -> None:
    (failed,) = (
        each
        for each in json.loads(shop.infraci("list", "--json").stdout)
        if each["verdict"] == "failed"
    )
    evidence = shop.folder / ".infraci" / "runs" / failed["id"] / "evidence"
    assert "web.service" in (evidence / "web-0" / "failed-units.txt").read_text()
    assert "Permission denied" in (evidence / "web-0" / "journal.txt").read_text()


def test_the_third_mends_it(shop: Shop) -> None:
    done, report = run(shop, "HEAD")
    assert done.returncode == 0, done.stderr
    assert not report.names("failure") | report.names("error")
    assert shop.leftovers() == []
