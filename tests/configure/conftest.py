"""Servers to configure: a real sshd that shows itself under several names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infraci.base.deadline import Deadline
from infraci.base.mask import Masker
from infraci.configure import configure_servers
from infraci.configure.step import RecoveryLimits
from infraci.ledger.run_folder import RunFolder
from infraci.model.configure_steps import ConfigureStep
from infraci.model.run import Server, Testcase
from infraci.ssh import Session
from tests.sshd import Sshd, make_run_folder, running_sshd


@dataclass
class StepRunner:
    """Runs configure steps on the servers of an sshd, and keeps its sessions with them."""

    sshd: Sshd
    folder: Path
    sessions: dict[str, Session] = field(default_factory=dict)
    recovery: RecoveryLimits = field(
        default_factory=lambda: RecoveryLimits(back_s=1.0, refused_s=0.5, closed_s=1.0)
    )
    begun: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    shown: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)  # while it lasts

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    def session_of(self, server: Server) -> Session:
        if server.name not in self.sessions:
            key = self.sshd.key.private_path
            self.sessions[server.name] = Session.open(server, private_key=key, timeout_s=10)
        return self.sessions[server.name]

    def script(self, name: str, text: str) -> None:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_folder(self, servers: Sequence[Server]) -> RunFolder:
        return make_run_folder(self.folder, servers, self.sshd.key)

    def configure(
        self,
        *steps: ConfigureStep,
        servers: Sequence[Server] | None = None,
        secrets: Sequence[str] = (),
        idempotence: bool = False,
        outputs: Mapping[str, object] | None = None,
        testcases: list[Testcase] | None = None,
        limit_s: float = 120,
    ) -> None:
        """Take servers (by default web-0 alone) through the steps."""
        servers = [self.sshd.named("web-0")] if servers is None else servers
        configure_servers(
            steps,
            servers,
            session_of=self.session_of,
            run_folder=self.run_folder(servers),
            root=self.tree,
            outputs={"lb url": "http://192.0.2.1"} if outputs is None else outputs,
            run_id="run-1",
            commit="0123456789abcdef",
            logs=self.folder / "logs",
            deadline=Deadline(limit_s),
            idempotence=idempotence,
            masker=Masker(secrets),
            recovery=self.recovery,
            on_step=self._add_step,
            on_testcases=None if testcases is None else testcases.extend,
        )

    def _add_step(self, step: str, concerned: Sequence[Server], *, is_detail: bool = False) -> None:
        lines = self.shown if is_detail else self.begun
        lines.append((step, tuple(server.name for server in concerned)))

    def log(self, name: str = "web-0") -> list[str]:
        """The lines of a server's log, without their times."""
        lines = (self.folder / "logs" / f"{name}.log").read_text().splitlines()
        return [line.partition(" ")[2] for line in lines]


class _Busy(BaseHTTPRequestHandler):
    """Answers 503 to everything."""

    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="package")
def busy_proxy() -> Iterator[str]:
    """The URL of an HTTP proxy behind which every mirror is in trouble."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="package")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def runner_of(tmp_path: Path) -> Iterator[Callable[[Sshd], StepRunner]]:
    made: list[StepRunner] = []

    def make(sshd: Sshd) -> StepRunner:
        (tmp_path / "runner" / "tree").mkdir(parents=True)
        made.append(StepRunner(sshd=sshd, folder=tmp_path / "runner"))
        return made[-1]

    yield make
    for runner in made:
        for session in runner.sessions.values():
            session.close()


@pytest.fixture
def runner(runner_of: Callable[[Sshd], StepRunner], sshd: Sshd) -> StepRunner:
    return runner_of(sshd)
