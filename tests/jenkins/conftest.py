"""One Groovy for all tests: it takes a second to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.jenkins.interpreter import Interpreter


@pytest.fixture(scope="session")
def interpreter() -> Iterator[Interpreter]:
    """What runs Jenkinsfiles."""
    with Interpreter() as made:
        yield made
