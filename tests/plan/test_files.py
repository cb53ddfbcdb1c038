"""Scripts and specs, checked without running them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from infraci.model.decode import parse_pipeline
from infraci.plan.files import check_files, serverspec_files, spec_files

PIPELINE = """\
stack: {template: stack.yaml}
configure: [cloud-init, {script: setup.sh}]
specs: {all: [specs], web: [extra.py]}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "specs" / "deep").mkdir(parents=True)
    (tmp_path / "specs" / "deep" / "test_a.py").write_text("def test_a(host): pass\n")
    (tmp_path / "extra.py").write_text("def test_b(host): pass\n")
    (tmp_path / "setup.sh").write_text("#!/bin/sh\ntrue\n")
    (tmp_path / "stack.yaml").write_text("resources: {}\n")
    return tmp_path


def problems(tree: Path) -> list[str]:
    pipeline = parse_pipeline(PIPELINE, name="web", root=tree)
    return [str(problem) for problem in check_files(pipeline, tree)]


def test_nothing_is_wrong(tree: Path) -> None:
    assert problems(tree) == []


def test_everything_is_wrong_at_once(tree: Path) -> None:
    (tree / "setup.sh").write_bytes(b"#!/bin/sh\r\ntrue\r\n")
    (tree / "extra.py").write_text("def test_b(host) pass\n")
    (tree / "specs" / "conftest.py").write_text("import os\n  x = 1\n")
    (tree / "specs" / "deep" / "test_a.py").write_bytes(b"def test_a():\n  '\0'\n")
    lines = problems(tree)
    assert [line.partition(":")[0] for line in lines] == [
        "setup.sh",
        "specs/deep/test_a.py",
        "extra.py",
        "specs/conftest.py",
    ]
    assert lines[2].startswith("extra.py:1:18: is not Python")


def test_a_folder_without_specs(tree: Path) -> None:
    (tree / "specs" / "deep" / "test_a.py").rename(tree / "specs" / "deep" / "a.py")
    assert problems(tree) == ["specs: holds no spec: pytest collects test_*.py and *_test.py"]


def test_a_spec_that_is_nested_deeper_than_python_reads(tree: Path) -> None:
    (tree / "extra.py").write_text("x = " + "- " * 20_000 + "1\n")
    assert problems(tree) == [
        "extra.py: is no Python that can be read: nested too deeply",
    ]


def test_nothing_is_executed(tree: Path) -> None:
    (tree / "extra.py").write_text("raise SystemExit('executed')\n")
    assert problems(tree) == []


def test_warnings_of_the_compiler_are_not_ours(tree: Path) -> None:
    (tree / "extra.py").write_text("x = '\\d'\nassert (x, 'always true')\n")
    assert problems(tree) == []


def test_what_pytest_collects(tree: Path) -> None:
    (tree / "specs" / "other_test.py").write_text("")
    (tree / "specs" / "helper.py").write_text("")
    assert spec_files(PurePosixPath("specs"), tree) == (
        PurePosixPath("specs/deep/test_a.py"),
        PurePosixPath("specs/other_test.py"),
    )
    assert spec_files(PurePosixPath("extra.py"), tree) == (PurePosixPath("extra.py"),)


def test_serverspecs(tree: Path) -> None:
    (tree / "ruby" / "spec").mkdir(parents=True)
    (tree / "ruby" / "spec" / "page.rb").write_text("")
    text = """\
stack: {template: stack.yaml}
serverspec: {all: [ruby/spec]}
"""
    pipeline = parse_pipeline(text, name="web", root=tree)
    (problem,) = check_files(pipeline, tree)
    assert str(problem).startswith("ruby/spec: ")
    spec = tree / "ruby" / "spec" / "page_spec.rb"
    spec.write_text("")
    assert serverspec_files(PurePosixPath("ruby"), tree) == (
        PurePosixPath("ruby/spec/page_spec.rb"),
    )
