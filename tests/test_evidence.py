"""Evidence, from a real sshd and from servers that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infraci.base.deadline import Deadline
from infraci.base.mask import Masker
from infraci.errors import CloudError, UnreachableError
from infraci.evidence import COMMANDS, collect
from infraci.ledger.run_folder import RunFolder
from infraci.model.run import Server
from infraci.ssh import Session
from tests.sshd import Sshd, running_sshd


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "sshd") as running:
        yield running


def _open(sshd: Sshd) -> Session:
    return Session.open(sshd.server, private_key=sshd.key.private_path, timeout_s=10)


def test_every_server_has_its_files(sshd: Sshd, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with _open(sshd) as session:
        files = collect(
            [sshd.named("web-0"), sshd.named("web-1")],
            open_session=lambda server: session,
            console=lambda server: f"{server.name} booted, password hunter22\n",
            events=lambda: "12:00 web CREATE_FAILED no valid host\n",
            balancers=lambda: '{"lb": {"operating_status": "DEGRADED"}}\n',
            folder=RunFolder(folder),
            deadline=Deadline(60),
            masker=Masker(["hunter22"]),
        )
    expected = {"evidence/stack-events.txt", "evidence/load-balancers.json"} | {
        f"evidence/{name}/{file}"
        for name in ("web-0", "web-1")
        for file in ("console.log", *COMMANDS)
    }
    assert set(files) == expected
    assert (folder / "evidence/web-1/console.log").read_text() == (
        "web-1 booted, password ******\n"
    )
    assert "no valid host" in (folder / "evidence/stack-events.txt").read_text()
    assert (folder / "evidence/web-0/df.txt").read_text().startswith("Filesystem")
    assert "sshd" in (folder / "evidence/web-0/processes.txt").read_text()


def test_what_agents_print_of_their_credentials_is_masked(tmp_path: Path) -> None:
    printed = (
        r"b'[INFO] deploy_password=aB3$x\n[INFO] word=1\n'"
        " Signaling to http://169.254.169.254/cfn/v1/signal/x?Timestamp=1&Signature=a%2Bb&Z=2\n"
    )
    folder = RunFolder(tmp_path)
    collect(
        [],
        open_session=lambda server: pytest.fail("there is no server"),
        console=lambda server: "",
        events=lambda: printed,
        balancers=lambda: "",
        folder=folder,
        deadline=Deadline(10),
    )
    assert (folder.evidence / "stack-events.txt").read_text() == (
        r"b'[INFO] deploy_password=******\n[INFO] word=1\n'"
        " Signaling to http://169.254.169.254/cfn/v1/signal/x?Timestamp=1&Signature=******&Z=2\n"
    )


def test_what_cannot_be_had_is_noted_and_the_rest_is_saved(sshd: Sshd, tmp_path: Path) -> None:
    def open_session(server: Server) -> Session:
        if server.name == "gone":
            raise UnreachableError("cannot reach gone: no answer")
        return _open(sshd)

    def broken_console(server: Server) -> str:
        raise CloudError("cannot read the console: 503")

    def broken_events() -> str:
        raise ValueError("even a bug")

    files = collect(
        [sshd.named("gone"), sshd.named("web-0")],
        open_session=open_session,
        console=broken_console,
        events=broken_events,
        balancers=broken_events,
        folder=RunFolder(tmp_path),
        deadline=Deadline(60),
    )
    assert "evidence/web-0/df.txt" in files
    saved = {file: (tmp_path / file).read_text() for file in files}
    assert "no answer" in saved["evidence/gone/unreachable.txt"]
    assert "503" in saved["evidence/gone/console.log"]
    assert "even a bug" in saved["evidence/stack-events.txt"]
    assert "even a bug" in saved["evidence/load-balancers.json"]


def test_no_time_is_left(sshd: Sshd, tmp_path: Path) -> None:
    with _open(sshd) as session:
        files = collect(
            [sshd.server],
            open_session=lambda server: session,
            console=lambda server: "booted\n",
            events=lambda: "",
            balancers=lambda: "",
            folder=RunFolder(tmp_path),
            deadline=Deadline(0),
        )
    assert set(files) == {
        "evidence/stack-events.txt",
        "evidence/web-0/console.log",
        "evidence/web-0/unreachable.txt",
    }


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file in the way")
    assert (
        collect(
            [],
            open_session=lambda server: pytest.fail("nobody to ask"),
            console=lambda server: "",
            events=lambda: "",
            balancers=lambda: "",
            folder=RunFolder(tmp_path),
            deadline=Deadline(10),
        )
        == ()
    )
