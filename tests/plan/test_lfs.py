"""LFS pointers in the place of content, where a pipeline uses it and where it does not."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from infraci.model.decode import parse_pipeline
from infraci.plan import LfsPointerError, lfs_pointers

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
TEMPLATE = "resources: {server: {properties: {user_data: {get_file: asset.bin}}}}\n"
PIPELINE = """\
stack: {template: stacks/web.yaml}
configure: [script: setup.sh, ansible: site.yml]
specs: {all: [specs]}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {
        "stacks/web.yaml": TEMPLATE,
        "stacks/asset.bin": "content",
        "stacks/other.bin": POINTER,
        "setup.sh": "#!/bin/sh\n",
        "site.yml": "[]\n",
        "files/app.tar": "content",
        "specs/test_it.py": "",
        "specs/data/golden.bin": "content",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    os.mkfifo(tmp_path / "specs/pipe")
    (tmp_path / "specs/loop").symlink_to("loop")
    return tmp_path


def pointers(tree: Path) -> tuple[str, ...]:
    return tuple(map(str, lfs_pointers(parse_pipeline(PIPELINE, root=tree), tree)))


def test_one_that_the_pipeline_does_not_use_is_no_trouble(tree: Path) -> None:
    assert pointers(tree) == ()


@pytest.mark.parametrize(
    "name", ["stacks/asset.bin", "setup.sh", "files/app.tar", "specs/data/golden.bin"]
)
def test_one_that_it_uses_is_found(tree: Path, name: str) -> None:
    (tree / name).write_text(POINTER)
    assert pointers(tree) == (name,)


def test_several_in_one_message() -> None:
    error = LfsPointerError((PurePosixPath("a.bin"), PurePosixPath("b.bin")))
    assert error.message == 'cannot use "a.bin" and "b.bin": they are LFS pointers, not the content'
    assert "git lfs pull" in str(error.hint)
    assert error.exit_code == 125
