"""A repository to run on each cloud in turn, and the check that nothing is left there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clouds import CloudUnderTest, embedded_cloud
from tests.contract.repository import FILES
from tests.processes import finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository, and the cloud that its commits are tested on."""

    cloud: CloudUnderTest
    folder: Path

    def write(self, files: Mapping[str, str]) -> None:
        """Commit files."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Change it")

    def git(self, *arguments: str) -> None:
        """Run git as somebody."""
        somebody = ("-c", "user.name=Somebody", "-c", "user.email=s@example.org")
        subprocess.run(["git", *somebody, *arguments], cwd=self.folder, check=True)

    def start(self, verb: str, *arguments: str) -> subprocess.Popen[str]:
        """Start infraci, with a verb that takes a cloud."""
        return self.cloud.start(self.folder, verb, "--cloud", self.cloud.name, *arguments)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``infraci run`` to its end."""
        return finish(self.start("run", *arguments))

    def infraci(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run infraci to its end."""
        return finish(self.cloud.start(self.folder, *arguments))


@pytest.fixture(scope="session")
def contract_embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudUnderTest]:
    """An embedded cloud that all of these tests share."""
    with embedded_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture(
    params=[
        pytest.param("contract_embedded", marks=pytest.mark.cloud, id="embedded"),
        pytest.param("live_cloud", marks=pytest.mark.live, id="live"),
    ]
)
def cloud(request: pytest.FixtureRequest) -> CloudUnderTest:
    """Each cloud in turn."""
    cloud: CloudUnderTest = request.getfixturevalue(request.param)
    return cloud


@pytest.fixture
def repository(cloud: CloudUnderTest, tmp_path: Path) -> Iterator[Repository]:
    """A repository; whatever the test does there, nothing may be left on the cloud."""
    made = Repository(cloud=cloud, folder=tmp_path / "repository")
    made.folder.mkdir()
    made.git("init", "--quiet")
    made.write(FILES)
    before = cloud.inventory()
    yield made
    after = cloud.inventory()
    made.infraci("destroy", "--all")
    left = {
        kind: sorted(after[kind] - before[kind]) for kind in after if after[kind] - before[kind]
    }
    assert left == {}
