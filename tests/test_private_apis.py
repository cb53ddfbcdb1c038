"""The private parts of libraries that infraci uses: a release that changes one fails here, by name.

pyproject.toml bounds these libraries to the releases that the tests have seen.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import infraci

ROOT = Path(infraci.__file__).parent

#: Functions and methods, with the parameters that infraci gives or takes.
SIGNATURES: Mapping[str, tuple[str, ...]] = {
    "paramiko.Channel._event_pending": ("self",),
    "paramiko.Channel._wait_for_event": ("self",),
    "paramiko.Transport._parse_disconnect": ("self", "m"),
    "paramiko.Transport._send_message": ("self", "data"),
    "paramiko.Transport._send_user_message": ("self", "data"),
    "_pytest.config.PytestPluginManager._importconftest": (
        "self", "conftestpath", "importmode", "rootpath", "consider_namespace_packages",
    ),
    "_pytest.config.findpaths.load_config_dict_from_file": ("filepath",),
}  # fmt: skip
#: Attributes that their class sets in these methods.
ATTRIBUTES: Mapping[str, str] = {
    "paramiko.Transport._channels": "__init__",
    "paramiko.SSHClient._transport": "__init__",
    "jenkinsapi.jenkinsbase.JenkinsBase._data": "__init__",
    "jenkinsapi.utils.crumb_requester.CrumbRequester._baseurl": "__init__",
    "_pytest.python.Function._fixtureinfo": "__init__",
}
#: Names that are there.
NAMES = (
    "_pytest.fixtures.FuncFixtureInfo.name2fixturedefs",
    "_pytest.junitxml.xml_key",
    "_pytest.main.Session._fixturemanager",
    "_pytest.pathlib.ImportPathMismatchError",
)
LIBRARIES = ("GitPython", "jenkinsapi", "paramiko", "pytest", "pytest-testinfra")

#: Of other libraries; the tests of these files run them.
ELSEWHERE = {
    "configure/ansible_callback/infraci_events.py",
    "local/any_cloud.py",
    "local/engine.py",
    "local/restrict.py",
    "local/rpc.py",
}


def set_by(method: Any) -> set[str]:
    """The attributes that a method sets."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def resolve(name: str) -> object:
    """The object of a dotted name, whose modules are imported."""
    module, *rest = name.split(".")
    value: object = importlib.import_module(module)
    for part in rest:
        if not hasattr(value, part) and inspect.ismodule(value):
            importlib.import_module(f"{value.__name__}.{part}")
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_a_function_takes_what_infraci_gives(name: str) -> None:
    function = resolve(name)
    assert callable(function)
    assert tuple(inspect.signature(function).parameters) == SIGNATURES[name]


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_a_class_sets_an_attribute(name: str) -> None:
    owner, _, attribute = name.rpartition(".")
    assert attribute in set_by(getattr(resolve(owner), ATTRIBUTES[name]))


def test_fixtures_are_in_maps_whose_names_begin_alike() -> None:
    """``infraci.verify.collect_plugin`` takes all of them: their names differ by the release."""
    names = set_by(resolve("_pytest.fixtures.FixtureManager.__init__"))
    assert any(name.startswith("_arg2") for name in names)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_there(name: str) -> None:
    owner, _, attribute = name.rpartition(".")
    assert attribute in {*dir(resolve(owner)), *getattr(resolve(owner), "__annotations__", ())}


def test_every_private_name_that_infraci_uses_is_listed() -> None:
    listed = {part for name in (*SIGNATURES, *ATTRIBUTES, *NAMES) for part in name.split(".")}
    listed |= {"_exit"}  # of os, which documents it
    unlisted = {use for use in private_uses() if use.rpartition(" ")[2] not in listed}
    assert unlisted == set(), "list them, so that their change is seen"


@pytest.mark.parametrize("library", LIBRARIES)
def test_pyproject_bounds_the_library(library: str) -> None:
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    groups = (project["dependencies"], *project["optional-dependencies"].values())
    requirements = [line for group in groups for line in group if line.startswith(f"{library}>")]
    assert requirements
    assert all("<" in line for line in requirements)


def private_uses() -> Iterator[str]:
    """File and name of each private attribute or import that no file of infraci defines."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}
    own = {name for tree in trees.values() for name in defined(tree)}
    for path, tree in trees.items():
        file = str(path.relative_to(ROOT))
        if file in ELSEWHERE:
            continue
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module and "_pytest" in node.module:
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.Attribute) and is_private(node.attr):
                names = [] if node.attr in own else [node.attr]
            yield from (f"{file}: {name}" for name in names)


def defined(tree: ast.Module) -> Iterator[str]:
    """The names that a file gives to functions, classes, variables and its own attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
