"""Makes pipelines for published templates: a git repository each collection."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks.published_templates.collection import Collection, Document, mapping
from benchmarks.published_templates.purposes import Purpose, literals, purposes, rule
from benchmarks.published_templates.values import NAMES, value_for

#: By purpose, the table of infraci.yaml that gives the cloud's name for a template's.
_TABLES = {
    Purpose.IMAGE: "images",
    Purpose.FLAVOR: "flavors",
    Purpose.NETWORK: "networks",
    Purpose.EXTERNAL_NETWORK: "networks",
}
#: What the embedded cloud has by these names itself.
_KNOWN = frozenset({
    "debian-12", "debian-13", "m1.nano", "m1.micro", "m1.tiny", "m1.small", "public", "private",
})  # fmt: skip
#: What makes servers that know this user in place of the image's.
_AWS_SERVERS = {"AWS::EC2::Instance", "AWS::AutoScaling::LaunchConfiguration"}
_AWS_USER = "ec2-user"
_EMPTY: tuple[object, ...] = ("", None, [], {})
_SPEC = """def test_the_server_is_up(host):
    assert host.check_output("id -un")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChoice:
    """How a template is stood up: its environments, and values for its parameters."""

    template: PurePosixPath
    environments: tuple[PurePosixPath, ...] = ()
    parameters: Mapping[str, object]
    key_parameter: str = "key_name"
    user: str | None = None  # whom servers know; else the image's own

    def pipeline(self) -> str:
        """The pipeline file."""
        stack = {
            "template": str(self.template),
            "environments": [str(path) for path in self.environments],
            "parameters": self.parameters,
            "key_parameter": self.key_parameter,
        }
        pipeline = {
            "stack": stack,
            **({"servers": {"user": self.user}} if self.user else {}),
            "specs": {"all": ["specs/published"]},
            "timeouts": {"provision": "150s", "destroy": "2m"},
        }
        return json.dumps(pipeline, indent=1, default=str)


def choose(
    collection: Collection,
    template: Document,
    *,
    names: Mapping[Purpose, str] = NAMES,
    is_lacking: Callable[[str], bool] = lambda type_: False,
) -> StackChoice:
    """Choose environments and values for a template.

    ``names`` are of what there is for each purpose; ``is_lacking`` tells types that Heat lacks.
    """
    environments = collection.environments_for(template, is_lacking=is_lacking)
    given: dict[str, Any] = {}
    for path in environments:
        given |= collection.environments[path].parameters
    values: dict[str, object] = {}
    keys: list[str] = []
    for name, purpose in purposes(collection, template).items():
        declared = mapping(template.parameters[name])
        if purpose is Purpose.KEY:
            keys.append(name)
        elif _takes_ours(declared, purpose, given.get(name), is_given=name in given):
            values[name] = value_for(name, declared, names.get(purpose))
    keys.sort(key=lambda name: name != "key_name")
    values |= dict.fromkeys(keys[1:], names[Purpose.KEY])
    if keys and given.get(keys[0]):
        values[keys[0]] = ""  # takes the environment's away, so that it gets the run's
    types = {name for part in collection.parts(template.path) for name in part.types()}
    return StackChoice(
        template=template.path,
        user=_AWS_USER if types & _AWS_SERVERS else None,
        environments=environments,
        parameters=values,
        key_parameter=keys[0] if keys else "key_name",
    )


def _takes_ours(
    declared: Mapping[str, Any], purpose: Purpose, given: object, *, is_given: bool
) -> bool:
    """Whether a parameter gets a value from us: it has none, or what it names is not there."""
    if not is_given and "default" not in declared:
        return True
    is_name = purpose is not Purpose.PLAIN and not rule(declared, "allowed_values")
    return is_name and (given if is_given else declared["default"]) not in _EMPTY


def renamed(collection: Collection, templates: Iterable[Document]) -> dict[str, dict[str, str]]:
    """What infraci.yaml has to call images, flavors and networks that the templates name."""
    tables: dict[str, dict[str, str]] = {table: {} for table in _TABLES.values()}
    for template in templates:
        own = own_names(template)
        for purpose, name in (*literals(template), *_offered(collection, template)):
            if purpose in _TABLES and name not in _KNOWN | own:
                tables[_TABLES[purpose]].setdefault(name, NAMES[purpose])
    return tables


def taken_for_granted(collection: Collection) -> dict[Purpose, set[str]]:
    """What the templates name, in writing or by allowed values, and do not make."""
    taken: dict[Purpose, set[str]] = {}
    for template in collection.templates.values():
        own = own_names(template)
        for purpose, name in (*literals(template), *_offered(collection, template)):
            if name not in own:
                taken.setdefault(purpose, set()).add(name)
    return taken


def _offered(collection: Collection, template: Document) -> Iterator[tuple[Purpose, str]]:
    """Yield the defaults and the allowed values of parameters that name something."""
    for name, purpose in purposes(collection, template).items():
        declared = mapping(template.parameters[name])
        for value in (declared.get("default"), *(rule(declared, "allowed_values") or ())):
            if isinstance(value, str) and value:
                yield purpose, value


def own_names(template: Document) -> set[str]:
    """The names that a template gives to what it makes."""
    resources = mapping(template.content.get("resources")).values()
    names = (mapping(mapping(resource).get("properties")).get("name") for resource in resources)
    return {name for name in names if isinstance(name, str)}


def make_repository(
    collection: Collection, choices: Mapping[str, StackChoice], folder: Path
) -> None:
    """Copy a collection, unmodified, into a git repository with a pipeline of each name."""
    ignored = shutil.ignore_patterns(".git")
    shutil.copytree(collection.root, folder, symlinks=True, ignore=ignored)
    tables = renamed(collection, collection.templates.values())
    (folder / "infraci.yaml").write_text(json.dumps({"clouds": {"local": tables}}))
    (folder / "pipelines").mkdir(exist_ok=True)
    for name, choice in choices.items():
        (folder / "pipelines" / f"{name}.yaml").write_text(choice.pipeline())
    spec = folder / "specs" / "published" / "test_up.py"
    spec.parent.mkdir(parents=True, exist_ok=True)
    spec.write_text(_SPEC)
    for arguments in (("init", "-q"), ("add", "-A", "-f"), ("commit", "-qm", "published")):
        identity = ("-c", "user.name=published", "-c", "user.email=published@localhost")
        command = ["git", "-C", str(folder), *identity, *arguments]
        subprocess.run(command, check=True, timeout=120)
