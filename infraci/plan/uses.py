"""Finds the files of a tree that a pipeline uses, which decide whether a commit touches it.

Any text in a used YAML file that is the path of a file, from that file's folder or the tree's top,
makes that file a used one. So one rule finds nested templates, ``get_file``, registries, TOSCA's
imports and Ansible's includes. It may find files that are not used, and misses those whose names a
template or script computes.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from pathlib import Path, PurePosixPath

import yaml

from infraci.model.decode import PROJECT_FILE
from infraci.model.pipeline import Pipeline
from infraci.model.run import Phase
from infraci.plan.files import spec_files

#: What Ansible looks for beside a playbook.
_BESIDE_PLAYBOOK = (
    "ansible.cfg", "group_vars", "host_vars", "roles", "tasks", "handlers", "vars", "files",
    "templates", "library", "module_utils", "filter_plugins", "lookup_plugins", "collections",
)  # fmt: skip
_PYTEST = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml")
#: Larger files are not searched for names.
_MOST_BYTES = 1_000_000


def uses(
    pipeline: Pipeline,
    *,
    root: Path,
    spec: PurePosixPath | None = None,
    phase: Phase = Phase.VERIFY,
    steps: int | None = None,
) -> frozenset[PurePosixPath]:
    """The files and folders of the tree at the root that a pipeline uses, up to a phase.

    With a ``spec``, what its testcases depend on: no other spec then, but what these share. Only
    so many of the configure ``steps`` count, if that is said.
    """
    stack = pipeline.stack
    named = [stack.template, *stack.environments, *stack.files.values()]
    if phase in (Phase.CONFIGURE, Phase.VERIFY):
        taken = pipeline.configure[:steps]
        named += [path for step in taken for path in _paths_of(step)]
        playbooks = [step.playbook for step in taken if hasattr(step, "playbook")]
        beside = [book.parent / name for book in playbooks for name in _BESIDE_PLAYBOOK]
        named += [path for path in beside if (root / path).exists()]
    specs = _specs(pipeline, root, spec) if phase is Phase.VERIFY else ()
    return frozenset({pipeline.path, PROJECT_FILE, *_followed(named, root), *specs})


def touches(changed: Iterable[str], used: Collection[PurePosixPath]) -> tuple[str, ...]:
    """Which of the changed files are used, or lie in a folder that is."""
    return tuple(
        path
        for path in changed
        if any(p in used for p in (PurePosixPath(path), *PurePosixPath(path).parents))
    )


def _paths_of(step: object) -> Iterator[PurePosixPath]:
    """The paths that a configure step names, of whichever driver."""
    for item in fields(step):  # type: ignore[arg-type]
        value = getattr(step, item.name)
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, PurePosixPath):
                yield path


def _followed(named: Iterable[PurePosixPath], root: Path) -> Iterator[PurePosixPath]:
    """What is named, and what YAML files among it name in turn."""
    todo, seen = list(named), set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        yield path
        full = root / path
        if full.is_dir():
            todo += [PurePosixPath(p.relative_to(root)) for p in full.rglob("*.y*ml")]
        elif path.suffix in {".yaml", ".yml", ".template"}:
            todo += _named_in(full, path.parent, root)


def _named_in(file: Path, folder: PurePosixPath, root: Path) -> Iterator[PurePosixPath]:
    for text in _texts(file):
        for base in (folder, PurePosixPath()):
            path = PurePosixPath(posixpath.normpath(base / text))
            if ".." not in path.parts and (root / path).is_file():
                yield path


def _texts(file: Path) -> Iterator[str]:
    """Whatever could be a path in a YAML file; nothing if it cannot be read."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            return
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        events = list(yaml.parse(file.read_text("utf-8"), Loader=loader))
    except (OSError, ValueError, yaml.YAMLError):
        return
    for event in events:
        if isinstance(event, yaml.ScalarEvent):
            text = event.value.removeprefix("file://")
            if 0 < len(text) < 256 and not text.startswith("/") and text.isprintable():
                yield text


def _specs(pipeline: Pipeline, root: Path, spec: PurePosixPath | None) -> Iterator[PurePosixPath]:
    """The specs; of all but one only what it may share with them: conftest.py, its modules."""
    lists = (*pipeline.specs.values(), *pipeline.serverspec.values())
    named = {path for paths in lists for path in paths}
    files = {file for path in named for file in spec_files(path, root)}
    yield from [spec] if spec is not None and spec in files else named
    for folder in {folder for path in files for folder in path.parents}:
        yield from (
            PurePosixPath(file.relative_to(root))
            for file in (root / folder).glob("*.py")
            if file.name == "conftest.py" or (folder.parts and not _is_spec(file.name))
        )
    yield from map(PurePosixPath, _PYTEST)


def _is_spec(name: str) -> bool:
    return name.startswith("test_") or name.endswith("_test.py")
