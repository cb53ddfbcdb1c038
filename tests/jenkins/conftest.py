"""One Groovy for all tests: it takes a second to start. Stand-ins are cheap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infraci.jenkins.controller import Controller
from infraci.jenkins.settings import Settings
from tests.jenkins.interpreter import Interpreter
from tests.jenkins.standin import TOKEN, USER, StandIn

#: Makes what talks to a controller: ``connect(token="wrong")``.
Connect = Callable[..., Controller]


@pytest.fixture(scope="session")
def interpreter() -> Iterator[Interpreter]:
    """What runs Jenkinsfiles."""
    with Interpreter() as made:
        yield made


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[StandIn]:
    """A stand-in whose jobs are projects with shell steps."""
    with StandIn(tmp_path / "jenkins", queue_memory_s=60) as made:
        yield made


@pytest.fixture
def connect(standin: StandIn) -> Connect:
    """Makes what talks to the stand-in."""

    def make(**changes: str) -> Controller:
        known = {"url": standin.url, "user": USER, "token": TOKEN, "folder": "shop"}
        return Controller(Settings(**{**known, **changes}), retry_s=5)

    return make
