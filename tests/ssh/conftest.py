"""A real sshd, shared where it survives the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infraci.ssh import Session
from tests.sshd import Sshd, running_sshd


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
def session(sshd: Sshd) -> Iterator[Session]:
    with Session.open(sshd.server, private_key=sshd.key.private_path, timeout_s=10) as opened:
        yield opened
