"""The command line, its repository, and a real embedded cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.workspace import FILES, Workspace, cloud_in


@pytest.fixture(scope="session")
def cloud_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of an embedded cloud that all of these tests share."""
    with cloud_in(tmp_path_factory.mktemp("cloud")) as folder:
        yield folder


@pytest.fixture
def workspace(tmp_path: Path, cloud_state: Path) -> Iterator[Workspace]:
    """A repository; whatever its test leaves is removed."""
    made = Workspace(folder=tmp_path / "repository", state=cloud_state)
    made.create(FILES)
    yield made
    made.infraci("destroy", "--all")
