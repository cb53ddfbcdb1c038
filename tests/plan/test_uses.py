"""Which files a pipeline uses: all that its own files name, and no others."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from infraci.model.decode import load_pipelines
from infraci.plan.uses import touches, uses

FILES = {
    "pipelines/web.yaml": """\
stack: {template: stacks/web.yaml, environments: [env/ci.yaml], files: {extra: stacks/extra.txt}}
configure:
  - cloud-init
  - script: {path: scripts/setup.sh}
  - ansible: {playbook: ansible/site.yaml, roles_path: [shared]}
specs: {all: [specs/common], web: [specs/web/test_http.py]}
""",
    "stacks/web.yaml": """\
resources:
  one: {type: nested.yaml}
  two: {type: X, properties: {user_data: {get_file: ../files/user-data}, note: stacks/unused.txt}}
""",
    "stacks/nested.yaml": "resources: {a: {properties: {b: {get_file: deep.sh}}}}\n",
    "stacks/deep.sh": "",
    "stacks/unused.txt": "",
    "stacks/other.yaml": "",
    "stacks/extra.txt": "",
    "files/user-data": "",
    "env/ci.yaml": "resource_registry: {My::Type: ../stacks/mine.yaml}\n",
    "stacks/mine.yaml": "resources: {get_file: ../../outside}\n",
    "scripts/setup.sh": "",
    "scripts/other.sh": "",
    "ansible/site.yaml": "- import_playbook: more.yaml\n- vars: !vault abc\n",
    "ansible/more.yaml": "- hosts: [\n",
    "ansible/roles/web/tasks/main.yml": "- include_tasks: ../../../extra/tasks.yml\n",
    "ansible/extra/tasks.yml": "",
    "ansible/unused.yaml": "",
    "shared/x/tasks/main.yml": "",
    "specs/conftest.py": "",
    "specs/common/test_up.py": "",
    "specs/web/test_http.py": "",
    "specs/web/helper.py": "",
    "specs/web/test_unused.py": "",
    "specs/db/test_db.py": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def _touched(root: Path, spec: str | None = None) -> set[str]:
    (pipeline,) = load_pipelines(root)
    used = uses(pipeline, root=root, spec=PurePosixPath(spec) if spec else None)
    return set(touches(FILES, used))


UNUSED = {
    "stacks/other.yaml",
    "scripts/other.sh",
    "ansible/unused.yaml",
    "specs/web/test_unused.py",
    "specs/db/test_db.py",
}


def test_all_that_a_pipeline_names_and_nothing_else(root: Path) -> None:
    assert set(FILES) - _touched(root) == UNUSED


def test_a_testcase_depends_on_no_other_spec(root: Path) -> None:
    others = {*UNUSED, "specs/common/test_up.py"}
    assert set(FILES) - _touched(root, "specs/web/test_http.py") == others


def test_of_a_spec_that_is_not_known_all_count(root: Path) -> None:
    assert _touched(root, "specs/nowhere.py") == _touched(root)


def test_files_that_cannot_be_read_name_nothing(root: Path) -> None:
    (root / "stacks/web.yaml").write_bytes(b"\xff\xfe")
    (root / "env/ci.yaml").write_text("a: " + "x" * 2_000_000)
    assert "stacks/nested.yaml" not in _touched(root)


def test_a_file_in_a_folder_that_is_used_is_used() -> None:
    used = {PurePosixPath("specs/web"), PurePosixPath("a.yaml")}
    changed = ["specs/web/deep/x.py", "specs/website.py", "a.yaml", "b/a.yaml"]
    assert touches(changed, used) == ("specs/web/deep/x.py", "a.yaml")
