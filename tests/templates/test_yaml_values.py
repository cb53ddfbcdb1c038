"""Values of templates and environments that YAML loses or changes."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from infraci.model.pipeline import StackDefinition
from infraci.model.problem import TemplateError
from infraci.templates import StackRequest, load_stack
from tests.model.trees import write

TEMPLATE = """\
heat_template_version: 2018-08-31
parameters:
  version: {type: string, default: "1"}
  count: {type: number, default: 1.10}
  big: {type: boolean, default: yes}
resources:
  net: {type: OS::Neutron::Net, properties: {name: net}}
"""


def load(tree: Path, template: str, environment: str = "", most: int = 524288) -> StackRequest:
    write(tree, "t.yaml", template)
    write(tree, "e.yaml", environment)
    environments = (PurePosixPath("e.yaml"),) if environment else ()
    stack = StackDefinition(template=PurePosixPath("t.yaml"), environments=environments)
    return load_stack(stack, root=tree, max_template_bytes=most)


def test_nothing_is_told_of_values_that_are_what_they_look_like(tmp_path: Path) -> None:
    assert load(tmp_path, TEMPLATE, "parameters: {version: '1.10', count: 2.0}\n").notices == ()


@pytest.mark.parametrize(
    ("old", "new", "notice"),
    [
        ("properties: {name", "properties: {mode: 0644, name",
         't.yaml:7:52: resources.net.properties.mode: YAML reads 0644 as 420; write "0644" if text '
         "is meant"),
        ("properties: {name", "properties: {at: 22:22, name",
         't.yaml:7:50: resources.net.properties.at: YAML reads 22:22 as 1342; write "22:22" if '
         "text is meant"),
        ("properties: {name", "properties: {v: 1.10, name",
         't.yaml:7:49: resources.net.properties.v: YAML reads 1.10 as 1.1; write "1.10" if text is '
         "meant"),
        ("name: net", "name: no",
         't.yaml:7:52: resources.net.properties.name: YAML reads no as false; write "no" if text '
         "is meant"),
        ('default: "1"', "default: yes",
         't.yaml:3:36: parameters.version.default: YAML reads yes as true; write "yes" if text is '
         "meant"),
        ("  version:", "  on:",
         't.yaml:3:3: parameters.on: YAML reads the key on as true; write "on"'),
        ('default: "1"', "default: 1_0",
         't.yaml:3:36: parameters.version.default: YAML reads 1_0 as 10; write "1_0" if text is '
         "meant"),
    ],
)  # fmt: skip
def test_a_value_that_yaml_changes(tmp_path: Path, old: str, new: str, notice: str) -> None:
    assert old in TEMPLATE
    assert [str(n) for n in load(tmp_path, TEMPLATE.replace(old, new)).notices] == [notice]


def test_values_of_environments_are_checked_by_the_parameters_types(tmp_path: Path) -> None:
    request = load(tmp_path, TEMPLATE, "parameters: {version: 1.10, count: 1.10, big: yes}\n")
    assert [str(notice) for notice in request.notices] == [
        'e.yaml:1:23: parameters.version: YAML reads 1.10 as 1.1; write "1.10" if text is meant'
    ]


def test_the_value_of_a_hidden_parameter_is_not_shown(tmp_path: Path) -> None:
    template = TEMPLATE.replace("type: string,", "type: string, hidden: true,")
    for text in (template, template.replace('"1"', "0644")):
        for notice in load(tmp_path, text, "parameters: {version: 0644}\n").notices:
            assert notice.message == (
                "YAML reads this value as another one; quote it if text is meant"
            )


def test_a_date_is_text_in_environments_as_in_templates(tmp_path: Path) -> None:
    template = TEMPLATE.replace('"1"', "2026-1-2")
    request = load(tmp_path, template, "parameters: {version: 2026-11-28}\n")
    assert request.environment == {"parameters": {"version": "2026-11-28"}}
    assert request.template["parameters"]["version"]["default"] == "2026-1-2"


def test_a_key_that_is_there_twice_is_told_with_both_lines(tmp_path: Path) -> None:
    template = TEMPLATE + "  net:\n    type: OS::Neutron::Subnet\n"
    request = load(tmp_path, template, "parameters: {version: a, version: b}\n")
    assert sorted(str(notice) for notice in request.notices) == [
        'e.yaml:1:26: parameters.version: the key "version" is there already, in line 1; this one '
        "is taken",
        't.yaml:8:3: resources.net: the key "net" is there already, in line 7; this one is taken',
    ]
    assert request.environment == {"parameters": {"version": "b"}}
    assert request.template["resources"]["net"]["type"] == "OS::Neutron::Subnet"


def test_a_merge_key_may_be_overridden(tmp_path: Path) -> None:
    merged = "  a: &a {type: OS::Neutron::Net}\n  b: {<<: *a, type: OS::Heat::None}\n"
    assert load(tmp_path, TEMPLATE + merged).template["resources"]["b"]["type"] == "OS::Heat::None"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (".nan", "t.yaml:3:36: parameters.version.default: Heat cannot be sent the number .nan"),
        ("!!binary aGk=",
         't.yaml:3:36: parameters.version.default: the tag "!!binary" is not known to Heat'),
        ("!!set {a}", 't.yaml:3:36: parameters.version.default: the tag "!!set" is not known to '
         "Heat"),
        ("{? [a] : b}",
         "t.yaml:3:39: parameters.version.default: a key must be text, not a list or a mapping"),
    ],
)  # fmt: skip
def test_what_heat_cannot_be_sent(tmp_path: Path, value: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        load(tmp_path, TEMPLATE.replace('"1"', value))
    assert message in [str(problem) for problem in caught.value.problems]


def test_a_template_may_not_be_larger_than_heat_takes(tmp_path: Path) -> None:
    large = TEMPLATE + "# " + "x" * 2000 + "\n"
    size = len(large)
    assert load(tmp_path, large, most=size).template
    for template, environment, file in ((large, "", "t"), (TEMPLATE, large, "e")):
        with pytest.raises(TemplateError) as caught:
            load(tmp_path, template, environment, most=size - 1)
        assert [str(problem) for problem in caught.value.problems] == [
            f"{file}.yaml: is {size} bytes, more than the {size - 1} that Heat takes "
            "(max_template_size)"
        ]


def test_a_file_that_alone_is_too_large_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "big.sh", "x" * 2001)
    with pytest.raises(TemplateError) as caught:
        load(tmp_path, TEMPLATE.replace("name: net", "name: {get_file: big.sh}"), most=1000)
    assert [str(problem) for problem in caught.value.problems] == [
        "big.sh: is 2001 bytes, more than the 2000 that Heat takes (max_json_body_size)"
    ]


def test_all_files_together_may_be_twice_as_large(tmp_path: Path) -> None:
    write(tmp_path, "big.sh", "#!/bin/sh\n" + "x" * 2900)
    template = TEMPLATE.replace("name: net", "name: {get_file: big.sh}")
    assert load(tmp_path, template, most=4000).files
    with pytest.raises(TemplateError) as caught:
        load(tmp_path, template, most=1500)
    (problem,) = caught.value.problems
    assert "takes 3000 (max_json_body_size); the largest: big.sh (" in problem.message


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"Gr\xfc\xdfe\n")
    request = load(tmp_path, TEMPLATE.replace("name: net", "name: {get_file: latin.txt}"))
    assert [str(notice) for notice in request.notices] == [
        "latin.txt: is not UTF-8: it is sent as base64, and stays so where a template uses it"
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_template_in_another_encoding_is_called_that(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "stack.yaml").write_bytes(TEMPLATE.replace("net", "nét").encode(encoding))
    with pytest.raises(TemplateError) as caught:
        load_stack(StackDefinition(template=PurePosixPath("stack.yaml")), root=tmp_path)
    assert [str(p) for p in caught.value.problems] == ["stack.yaml: is not UTF-8 text"]
