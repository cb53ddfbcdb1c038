"""One Groovy for all tests: it takes a second to start. Fakes are cheap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infraci.jenkins.controller import Controller
from infraci.jenkins.settings import Settings
from tests.jenkins.fake_jenkins import TOKEN, USER, FakeJenkins
from tests.jenkins.interpreter import Interpreter

#: Makes what talks to a controller: ``connect(token="wrong")``.
Connect = Callable[..., Controller]


@pytest.fixture(scope="session")
def interpreter() -> Iterator[Interpreter]:
    """What runs Jenkinsfiles."""
    with Interpreter() as made:
        yield made


@pytest.fixture
def jenkins(tmp_path: Path) -> Iterator[FakeJenkins]:
    """A fake Jenkins whose jobs are projects with shell steps."""
    with FakeJenkins(tmp_path / "jenkins", queue_memory_s=60) as made:
        yield made


@pytest.fixture
def connect(jenkins: FakeJenkins) -> Connect:
    """Makes what talks to the fake Jenkins."""

    def make(**changes: str) -> Controller:
        known = {"url": jenkins.url, "user": USER, "token": TOKEN, "folder": "shop"}
        return Controller(Settings(**{**known, **changes}), retry_s=5)

    return make
