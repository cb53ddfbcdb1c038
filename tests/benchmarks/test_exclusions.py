"""Each rule by which a template is no usable stack, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from benchmarks.published_templates.exclusions import Exclusion, Reason, exclude, unreadable
from benchmarks.published_templates.pipelines import choose
from infraci.model.problem import Problem
from tests.benchmarks.published import HOT, collection, template

_NONE = "a: {type: 'OS::Heat::None'}"


def _exclusion(folder: Path, text: str, *messages: str, file: str = "web.yaml") -> Exclusion | None:
    own = collection(folder, web_yaml=text)
    document = own.templates[PurePosixPath("web.yaml")]
    problems = [Problem(file=file, message=message) for message in messages]
    return exclude(own, document, choose(own, document), problems)


def _reason(folder: Path, text: str, *messages: str, file: str = "web.yaml") -> Reason | None:
    exclusion = _exclusion(folder, text, *messages, file=file)
    return exclusion.reason if exclusion else None


def test_yaml_that_cannot_be_read_is_no_stack(tmp_path: Path) -> None:
    own = collection(tmp_path, a_yaml=HOT + "resources: [\n", b_yaml=HOT)
    broken, whole = (own.templates[PurePosixPath(name)] for name in ("a.yaml", "b.yaml"))
    assert unreadable(broken) == Exclusion(
        reason=Reason.UNREADABLE, detail="its YAML cannot be read"
    )
    assert unreadable(whole) is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("The Resource Type (My::Own) could not be found", Reason.TYPE),
        ("OS::Neutron::Pool is retired: Heat makes a placeholder", Reason.TYPE),
        ('no such file: "x.sh"', Reason.FILE),
        ('"https:…" is not a file of the repository', Reason.FILE),
        ("Unknown Property colour", Reason.REFUSED),
        ("Parameter 'other' is invalid: it is no number", Reason.REFUSED),
        ("Parameter 'size' is invalid: it is no number", None),
        ('Cannot establish connection to Heat endpoint at region "None"', None),
    ],
)
def test_what_heat_says_of_it_on_any_cloud(
    tmp_path: Path, message: str, reason: Reason | None
) -> None:
    text = template(_NONE, "size: {type: number}\nother: {type: number, default: x}")
    assert _reason(tmp_path, text, message) is reason


def test_values_that_the_measure_has_chosen_exclude_nothing(tmp_path: Path) -> None:
    text = template(_NONE)
    assert _reason(tmp_path, text, "its value is too large", file="pipelines/a.yaml") is None


def test_the_type_that_is_lacking_is_named(tmp_path: Path) -> None:
    exclusion = _exclusion(
        tmp_path,
        template(_NONE),
        "Property x is not assigned",
        "The Resource Type (My::Own) could not be found",
    )
    assert exclusion == Exclusion(reason=Reason.TYPE, detail="My::Own")


@pytest.mark.parametrize(
    ("resources", "parameters", "reason"),
    [
        ("a: {type: 'OS::Nova::Server', properties: {image: windows-2012}}", "", Reason.GUEST),
        ("pfsense_vm: {type: 'OS::Nova::Server', properties: {}}", "", Reason.GUEST),
        (_NONE, "image: {type: string, default: Cisco CSR}", Reason.GUEST),
        ("a: {type: 'OS::Heat::SoftwareConfig', properties: {config: {get_file: x.ps1}}}", "",
         Reason.GUEST),
        ("a: {type: 'OS::Neutron::RouterInterface', properties: {router: main, subnet: s}}", "",
         Reason.PROJECT),
        ("a: {type: 'OS::Nova::Server', external_id: 4711, properties: {}}", "", Reason.PROJECT),
        ("a: {type: 'OS::Cinder::VolumeAttachment', properties: {instance_uuid: {get_param: s}}}",
         "s: {type: string}", Reason.PROJECT),
        ("a: {type: 'OS::Heat::Stack', properties: {context: {region_name: Two}}}", "",
         Reason.PROJECT),
        ("a: {type: {get_param: where}, properties: {}}", "where: {type: string}", Reason.FILE),
        ("a: {type: 'OS::Neutron::Port', properties: {network: ''}}", "", Reason.REFUSED),
        ("a: {type: 'OS::Cinder::VolumeAttachment', properties: {volume_id: {get_param: v}}}",
         "v: {type: number}", Reason.REFUSED),
        ("a: {type: 'OS::Neutron::Net', properties: {name: n}}\n"
         "b: {type: 'OS::Neutron::Router', properties: {name: main}}\n"
         "c: {type: 'OS::Neutron::RouterInterface', properties: {router: main}}", "", None),
        ("a: {type: 'OS::Nova::Server', properties: {security_groups: [all], key_name: me}}", "",
         None),
    ],
)  # fmt: skip
def test_what_the_template_says_itself(
    tmp_path: Path, resources: str, parameters: str, reason: Reason | None
) -> None:
    assert _reason(tmp_path, template(resources, parameters)) is reason


def test_words_in_comments_and_descriptions_exclude_nothing(tmp_path: Path) -> None:
    text = template(_NONE, more="description: shares for Windows\n# like Cisco's\n")
    assert _reason(tmp_path, text) is None
