"""One warm interpreter, one sshd, and a tree that each test fills with specs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from infraci.ledger.run_folder import RunFolder
from infraci.model.run import Server, Testcase
from infraci.verify import SpecSession
from tests.sshd import Sshd, make_run_folder, running_sshd


@dataclass
class SpecRunner:
    """Runs specs on a server, and keeps the testcases as they are streamed."""

    specs: SpecSession
    sshd: Sshd
    folder: Path
    streamed: list[Testcase]

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    @property
    def log(self) -> Path:
        return self.folder / "specs.log"

    def write(self, **files: str) -> None:
        """Write files, whose names have ``__`` for ``/`` and end in ``.py``."""
        for name, content in files.items():
            self.put(name.replace("__", "/") + ".py", content)

    def put(self, name: str, content: str) -> None:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(content))

    def run_folder(self, server: Server | None = None) -> RunFolder:
        server = server or self.sshd.server
        folder = self.folder / server.id
        folder.mkdir(exist_ok=True)
        return make_run_folder(folder, [server], self.sshd.key)

    def run(
        self,
        *paths: str,
        server: Server | None = None,
        timeout_s: float = 60,
        on_testcase: Callable[[Testcase], None] | None = None,
    ) -> Mapping[str, Testcase]:
        """Run the specs (by default all in ``specs``); returns the testcases by name."""
        server = server or self.sshd.server
        results = self.specs.run(
            server,
            paths or ("specs",),
            run_folder=self.run_folder(server),
            timeout_s=timeout_s,
            on_testcase=on_testcase or self.streamed.append,
            log=self.log,
            root=self.tree,
        )
        by_name = {testcase.name: testcase for testcase in results}
        assert len(by_name) == len(results)
        return by_name


@pytest.fixture(scope="package")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpecSession]:
    with SpecSession.start(tmp_path_factory.mktemp("nothing")) as session:
        yield session


@pytest.fixture(scope="package")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def own_sshd(tmp_path: Path) -> Iterator[Sshd]:
    """One that the test may hurt."""
    with running_sshd(tmp_path / "sshd") as running:
        yield running


@pytest.fixture
def runner(specs: SpecSession, sshd: Sshd, tmp_path: Path) -> SpecRunner:
    folder = tmp_path / "runner"
    (folder / "tree").mkdir(parents=True)
    return SpecRunner(specs=specs, sshd=sshd, folder=folder, streamed=[])
