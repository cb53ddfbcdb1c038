"""Stacks as Heat is asked for them, and everything that can be wrong with their files."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest

from infraci.errors import DefinitionError
from infraci.model.pipeline import StackDefinition
from infraci.model.problem import TemplateError
from infraci.templates import StackRequest, load_stack, template_parameters, with_key_pair
from tests.model.trees import write

HOT = "heat_template_version: 2021-04-16\n"

WEB = f"""\
{HOT}
parameters:
  image: {{type: string, default: debian-12}}
  flavor: {{type: string}}
  key_name: {{type: string, default: ""}}
resources:
  group:
    type: OS::Heat::ResourceGroup
    properties:
      resource_def: {{type: lib/node.yaml, properties: {{image: {{get_param: image}}}}}}
  server:
    type: OS::Nova::Server
    properties:
      user_data: {{get_file: ../scripts/boot.sh}}
  database: {{type: "My::Database"}}
"""

NODE = f"""\
{HOT}
parameters: {{image: {{type: string}}}}
resources:
  one: {{type: OS::Nova::Server, properties: {{user_data: {{get_file: ../../scripts/boot.sh}}}}}}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    write(root, "stacks/web.yaml", WEB)
    write(root, "stacks/lib/node.yaml", NODE)
    write(root, "stacks/lib/database.yaml", HOT)
    write(root, "scripts/boot.sh", "#!/bin/sh\n")
    registry = 'resource_registry: {"My::Database": ../lib/database.yaml}\n'
    write(root, "stacks/env/small.yaml", "parameters: {flavor: small}\n" + registry)
    write(
        root, "stacks/env/large.yaml", "parameters: {flavor: large}\nparameter_defaults: {x: y}\n"
    )
    return root


def definition(
    *environments: str,
    parameters: Mapping[str, object] | None = None,
    files: Mapping[str, str] | None = None,
    template: str = "stacks/web.yaml",
) -> StackDefinition:
    return StackDefinition(
        template=PurePosixPath(template),
        environments=tuple(PurePosixPath(path) for path in environments),
        parameters=parameters or {},
        files={name: PurePosixPath(path) for name, path in (files or {}).items()},
    )


SMALL, LARGE = "stacks/env/small.yaml", "stacks/env/large.yaml"


def test_everything_a_template_needs_comes_along(tree: Path) -> None:
    request = load_stack(definition(SMALL), root=tree)
    assert request.template["heat_template_version"] == "2021-04-16"
    resources = request.template["resources"]
    assert resources["server"]["properties"]["user_data"] == {"get_file": "file:///scripts/boot.sh"}
    node = resources["group"]["properties"]["resource_def"]["type"]
    assert node == "file:///stacks/lib/node.yaml"
    assert request.environment["resource_registry"] == {
        "My::Database": "file:///stacks/lib/database.yaml"
    }
    assert sorted(request.files) == [
        "file:///scripts/boot.sh",
        "file:///stacks/lib/database.yaml",
        "file:///stacks/lib/node.yaml",
    ]
    nested = json.loads(request.files[node])
    assert nested["heat_template_version"] == "2021-04-16"
    server = nested["resources"]["one"]["properties"]
    assert server["user_data"] == {"get_file": "file:///scripts/boot.sh"}


def test_the_request_is_the_same_wherever_the_tree_lies(tree: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere/copy"
    moved.parent.mkdir()
    before = load_stack(definition(SMALL), root=tree)
    tree.rename(moved)
    assert load_stack(definition(SMALL), root=moved) == before


def test_later_environments_win(tree: Path) -> None:
    environment = load_stack(definition(SMALL, LARGE), root=tree).environment
    assert environment["parameters"] == {"flavor": "large"}
    assert environment["parameter_defaults"] == {"x": "y"}
    assert environment["resource_registry"]


@dataclass(frozen=True)
class Precedence:
    """Where the flavor is set, and the value that Heat then has."""

    seen: str
    file: Mapping[str, object] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    line: Mapping[str, str] = field(default_factory=dict)
    line_environment: str | None = None


@pytest.mark.parametrize(
    "case",
    [
        Precedence("small", environments=(SMALL,)),
        Precedence("file", file={"flavor": "file"}, environments=(SMALL,)),
        Precedence("line-env", file={"flavor": "file"}, line_environment="line-env"),
        Precedence("line", file={"flavor": "file"}, line={"flavor": "line"}),
        Precedence("line", line={"flavor": "line"}, line_environment="line-env"),
    ],
)
def test_the_command_line_beats_the_file_and_values_beat_environments(
    tree: Path, tmp_path: Path, case: Precedence
) -> None:
    outside = []
    if case.line_environment:
        content = f"parameters: {{flavor: {case.line_environment}}}\n"
        outside.append(write(tmp_path, "outside.yaml", content))
    request = load_stack(
        definition(*case.environments, parameters=case.file),
        root=tree,
        parameters=case.line,
        environments=outside,
    )
    seen = {**request.environment.get("parameters", {}), **request.parameters}  # as Heat merges
    assert seen["flavor"] == case.seen


def test_an_environment_outside_the_tree_brings_its_own_files(tree: Path, tmp_path: Path) -> None:
    write(tmp_path, "mine/database.yaml", HOT)
    mine = write(tmp_path, "mine/env.yaml", 'resource_registry: {"My::Database": database.yaml}\n')
    request = load_stack(definition(), root=tree, environments=[mine])
    url = request.environment["resource_registry"]["My::Database"]
    assert url == f"file://command-line{tmp_path}/mine/database.yaml"
    assert url in request.files


def test_an_environment_given_by_its_path_in_the_tree_has_the_trees_name(tree: Path) -> None:
    request = load_stack(definition(), root=tree, environments=[tree / SMALL])
    assert "file:///stacks/lib/database.yaml" in request.files


def test_empty_environments_are_fine(tree: Path) -> None:
    write(tree, "empty.yaml", "# nothing\n")
    assert load_stack(definition("empty.yaml"), root=tree).environment == {}


def test_extra_files_for_names_that_the_template_computes(tree: Path) -> None:
    write(tree, "stacks/motd.yaml", HOT + "outputs: {x: {value: {get_file: motd}}}\n")
    write(tree, "etc/motd.txt", "Hello\n")
    request = load_stack(
        definition(template="stacks/motd.yaml", files={"motd": "etc/motd.txt"}), root=tree
    )
    assert request.files == {"file:///stacks/motd": "Hello\n", "motd": "Hello\n"}
    assert request.template["outputs"]["x"]["value"]["get_file"] == "file:///stacks/motd"


def test_files_with_awkward_names_and_contents(tree: Path) -> None:
    write(tree, "stacks/with space.sh", "a")
    write(tree, "stacks/ünï.sh", "b")
    write(tree, "stacks/bytes.bin", b"\xff\x00")
    write(tree, "stacks/empty", "")
    names = ["with space.sh", "with%20space.sh", "ünï.sh", "bytes.bin", "empty"]
    lines = "".join(f"  {n}: {{value: {{get_file: '{name}'}}}}\n" for n, name in enumerate(names))
    write(tree, "stacks/web.yaml", f"{HOT}outputs:\n{lines}")
    files = load_stack(definition(), root=tree).files
    assert files["file:///stacks/with space.sh"] == "a"
    assert files["file:///stacks/with%20space.sh"] == "a"
    assert files["file:///stacks/ünï.sh"] == "b"
    assert base64.b64decode(files["file:///stacks/bytes.bin"]) == b"\xff\x00"
    assert files["file:///stacks/empty"] == ""


def test_a_file_shared_by_two_templates_is_no_circle(tree: Path) -> None:
    write(tree, "stacks/web.yaml", HOT + "resources: {a: {type: a.yaml}, b: {type: b.yaml}}\n")
    for name in ("a", "b"):
        write(tree, f"stacks/{name}.yaml", HOT + "resources: {c: {type: lib/node.yaml}}\n")
    assert len(load_stack(definition(), root=tree).files) == 4


def test_declared_parameters(tree: Path) -> None:
    declared = template_parameters(load_stack(definition(), root=tree))
    assert list(declared) == ["image", "flavor", "key_name"]
    assert declared["image"] == {"type": "string", "default": "debian-12"}
    assert template_parameters(StackRequest(template={"heat_template_version": "x"})) == {}


def test_the_runs_key_pair_goes_where_nobody_gave_a_value(tree: Path) -> None:
    request = load_stack(definition(), root=tree)
    assert with_key_pair(request, "key_name", "k").parameters == {"key_name": "k"}
    assert with_key_pair(request, "other", "k") is request
    request = load_stack(definition(parameters={"key_name": "mine"}), root=tree)
    assert with_key_pair(request, "key_name", "k") is request
    write(tree, "key.yaml", "parameters: {key_name: theirs}\n")
    theirs = load_stack(definition("key.yaml"), root=tree)
    assert with_key_pair(theirs, "key_name", "k") is theirs


@dataclass(frozen=True)
class Bad:
    """A template that is wrong, and the messages it deserves."""

    name: str
    template: str | bytes
    messages: tuple[str, ...]


BAD_TEMPLATES = [
    Bad("empty", "", ("t.yaml:1:1: expected a mapping, found nothing; this is no HOT template",)),
    Bad("list", "- a\n",
        ("t.yaml:1:1: expected a mapping, found a list; this is no HOT template",)),
    Bad("text", "a\n", ("t.yaml:1:1: expected a mapping, found text; this is no HOT template",)),
    Bad("no-version", "resources: {}\n",
        ("t.yaml:1:1: heat_template_version is missing; this is no HOT template",)),
    Bad("cloud-formation", "AWSTemplateFormatVersion: 2010-09-09\n",
        ("t.yaml:1:1: AWSTemplateFormatVersion: only HOT templates are supported",)),
    Bad("yaml", HOT + "resources:\n  a: b: c\n",
        ('t.yaml:3:7: not valid YAML: a ":" where no key can be; check the indentation, or quote '
         'a value that holds ": "',)),
    Bad("tab", HOT + "resources:\n\ta: b\n",
        ("t.yaml:3:1: not valid YAML: a tab; YAML is indented with spaces",)),
    Bad("json", '{"heat_template_version": "x",}',
        ("t.yaml: not valid: Expecting property name enclosed in double quotes: "
         "line 1 column 31 (char 30)",)),
    Bad("two-documents", HOT + "---\n" + HOT,
        ("t.yaml:2:1: not valid YAML: but found another document",)),
    Bad("section", HOT + "resource: {}\n",
        ('t.yaml:2:1: resource: unknown section; did you mean "resources"?',)),
    Bad("resources-list", HOT + "resources: []\n",
        ("t.yaml:2:1: resources: expected a mapping, found a list",)),
    Bad("too-deep", HOT + "resources: " + "[" * 3000, ("t.yaml: nested too deeply",)),
    Bad("endless", HOT + "resources: &r {a: *r}\n",
        ("t.yaml: an alias makes a value contain itself",)),
    Bad("bomb", HOT + "conditions:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
        ("t.yaml: more than 200000 values, with aliases expanded, in line 8",)),
    Bad("missing-file", HOT + "resources:\n  a:\n    user_data: {get_file: scripts/bot.sh}\n",
        ('t.yaml:4:27: resources.a.user_data.get_file: no such file: "scripts/bot.sh"; '
         'did you mean "scripts/boot.sh"?',)),
    Bad("missing-type", HOT + "resources: {a: {type: stacks/lib/nod.yaml}}\n",
        ('t.yaml:2:23: resources.a.type: no such file: "stacks/lib/nod.yaml"; '
         'did you mean "stacks/lib/node.yaml"?',)),
    Bad("directory", HOT + "outputs: {a: {get_file: scripts}}\n",
        ('t.yaml:2:25: outputs.a.get_file: expected a file, found the directory "scripts"',)),
    Bad("nothing", HOT + 'outputs: {a: {get_file: ""}}\n',
        ("t.yaml:2:25: outputs.a.get_file: expected a file's name, found nothing",)),
    Bad("web", HOT + "outputs: {a: {get_file: 'https://example.org/x'}}\n",
        ("t.yaml:2:25: outputs.a.get_file: \"https:…\" is not a file of the repository "
         "(stack: allow_remote: true allows it)",)),
    Bad("file-url", HOT + "resources: {a: {type: 'file:///etc/x.yaml'}}\n",
        ("t.yaml:2:23: resources.a.type: \"file:…\" is not a file of the repository",)),
    Bad("absolute", HOT + "outputs: {a: {get_file: /etc/passwd}}\n",
        ('t.yaml:2:25: outputs.a.get_file: "/etc/passwd" is not relative to this file',)),
    Bad("escape", HOT + "outputs: {a: {get_file: ../../etc/passwd}}\n",
        ('t.yaml:2:25: outputs.a.get_file: "../../etc/passwd" leads out of the repository',)),
    Bad("quoted-escape", HOT + "outputs: {a: {get_file: '%2e%2e/%2e%2e/etc/passwd'}}\n",
        ('t.yaml:2:25: outputs.a.get_file: "../../etc/passwd" leads out of the repository',)),
    Bad("link", HOT + "outputs: {a: {get_file: outside}}\n",
        ('t.yaml:2:25: outputs.a.get_file: "outside" leads out of the repository, '
         "by a symbolic link",)),
    Bad("itself", HOT + "resources: {a: {type: t.yaml}}\n",
        ('t.yaml:2:23: resources.a.type: "t.yaml" contains itself',)),
    Bad("circle", HOT + "resources: {a: {type: round.yaml}}\n",
        ('round.yaml:2:23: resources.a.type: "t.yaml" contains itself',)),
    Bad("nested-text", HOT + "resources: {a: {type: text.yaml}}\n",
        ("text.yaml:1:1: expected a mapping, found text; this is no HOT template",)),
    Bad("nested-yaml", HOT + "resources: {a: {type: bad.yaml}}\n",
        ("bad.yaml:2:1: not valid YAML: expected a value",)),
    Bad("several", HOT + "resource: {}\noutputs:\n  a: {get_file: b}\n  c: {get_file: /d}\n",
        ('t.yaml:2:1: resource: unknown section; did you mean "resources"?',
         't.yaml:4:17: outputs.a.get_file: no such file: "b"',
         't.yaml:5:17: outputs.c.get_file: "/d" is not relative to this file')),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_TEMPLATES, ids=lambda bad: bad.name)
def test_bad_templates(tree: Path, bad: Bad) -> None:
    write(tree, "t.yaml", bad.template)
    write(tree, "round.yaml", HOT + "resources: {a: {type: t.yaml}}\n")
    write(tree, "text.yaml", "hello\n")
    write(tree, "bad.yaml", "a: [\n")
    (tree / "outside").symlink_to("/etc/passwd")
    with pytest.raises(TemplateError) as caught:
        load_stack(definition(template="t.yaml"), root=tree)
    assert tuple(str(problem) for problem in caught.value.problems) == bad.messages
    assert isinstance(caught.value, DefinitionError)


BAD_ENVIRONMENTS = [
    Bad("list", "- a\n", ("e.yaml:1:1: expected a mapping, found a list; this is no environment",)),
    Bad("yaml", "parameters: {a\n",
        ('e.yaml:2:1: not valid YAML: expected "," or "}" in the mapping',)),
    Bad("section", "parameter: {a: b}\n",
        ('e.yaml:1:1: parameter: unknown section; did you mean "parameters"?',)),
    Bad("text", "parameters: a\n", ('e.yaml:1:1: parameters: expected a mapping, found "a"',)),
    Bad("undeclared", "parameters:\n  flavour: x\n",
        ('e.yaml:2:3: parameters.flavour: stacks/web.yaml declares no such parameter; '
         'did you mean "flavor"?',)),
    Bad("registry", "resource_registry:\n  My::Thing: lib/thing.yaml\n",
        ('e.yaml:2:14: resource_registry.My::Thing: no such file: "lib/thing.yaml"',)),
    Bad("registry-null", "resource_registry: {My::Thing: }\n",
        ("e.yaml:1:32: resource_registry.My::Thing: expected a file's name, found nothing",)),
    Bad("registry-base", "resource_registry: {base_url: 'http://x/', A: 'OS::B'}\n",
        ("e.yaml:1:31: resource_registry.base_url: base_url is not supported; "
         "name files relative to the environment",)),
    Bad("registry-resource", "resource_registry: {resources: {a: {B: c.yaml}}}\n",
        ('e.yaml:1:40: resource_registry.resources.a.B: no such file: "c.yaml"; '
         'did you mean "e.yaml"?',)),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_ENVIRONMENTS, ids=lambda bad: bad.name)
def test_bad_environments(tree: Path, bad: Bad) -> None:
    write(tree, "e.yaml", bad.template)
    with pytest.raises(TemplateError) as caught:
        load_stack(definition("e.yaml"), root=tree)
    assert tuple(str(problem) for problem in caught.value.problems) == bad.messages


def test_a_value_for_a_parameter_that_is_not_declared(tree: Path) -> None:
    write(
        tree,
        "pipelines/web.yaml",
        "stack:\n  template: stacks/web.yaml\n  parameters: {imgae: x}\n",
    )
    with pytest.raises(TemplateError) as caught:
        load_stack(
            definition(parameters={"imgae": "x"}),
            root=tree,
            parameters={"flavour": "y"},
            pipeline=PurePosixPath("pipelines/web.yaml"),
        )
    assert [str(problem) for problem in caught.value.problems] == [
        '-P flavour: a value is given for "flavour", but stacks/web.yaml declares no such '
        'parameter; did you mean "flavor"?',
        'pipelines/web.yaml:3:16: stack.parameters.imgae: a value is given for "imgae", but '
        'stacks/web.yaml declares no such parameter; did you mean "image"?',
    ]


def test_an_environment_from_the_command_line_that_does_not_exist(
    tree: Path, tmp_path: Path
) -> None:
    with pytest.raises(TemplateError, match=rf"{tmp_path}/no.yaml: no such file"):
        load_stack(definition(), root=tree, environments=[tmp_path / "no.yaml"])


def test_problems_of_template_and_environments_at_once(tree: Path) -> None:
    write(tree, "t.yaml", HOT + "resource: {}\n")
    write(tree, "e.yaml", "parameter: {}\n")
    with pytest.raises(TemplateError, match="cannot load 2 files: 2 problems"):
        load_stack(definition("e.yaml", template="t.yaml"), root=tree)
