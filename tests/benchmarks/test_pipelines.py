"""The environments and values that a template gets, and the repository of it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from benchmarks.published_templates.pipelines import (
    StackChoice,
    choose,
    make_repository,
    renamed,
    taken_for_granted,
)
from benchmarks.published_templates.purposes import Purpose
from infraci.model.decode import load_pipelines, load_project
from tests.benchmarks.published import collection, template

_SERVER = "a: {type: 'OS::Nova::Server', properties: {%s}}"


def _choice(folder: Path, parameters: str, resources: str = "", **files: str) -> StackChoice:
    own = collection(folder, web_yaml=template(resources, parameters), **files)
    return choose(own, own.templates[PurePosixPath("web.yaml")])


def test_a_parameter_without_a_default_gets_a_value_and_another_one_keeps_its_own(
    tmp_path: Path,
) -> None:
    choice = _choice(tmp_path, "size: {type: number}\nhost: {type: string, default: web}")
    assert choice.parameters == {"size": 1}


def test_what_is_not_there_is_replaced_and_what_is_optional_stays_so(tmp_path: Path) -> None:
    choice = _choice(
        tmp_path,
        "image: {type: string, default: fedora-20}\nrouter_id: {type: string, default: ''}",
    )
    assert choice.parameters == {"image": "debian-12"}


def test_allowed_values_are_left_to_the_names_of_the_cloud(tmp_path: Path) -> None:
    parameters = "image: {type: string, default: b, constraints: [{allowed_values: [a, b]}]}"
    own = collection(tmp_path, web_yaml=template("", parameters))
    document = own.templates[PurePosixPath("web.yaml")]
    assert choose(own, document).parameters == {}
    assert renamed(own, [document])["images"] == {"a": "debian-12", "b": "debian-12"}


def test_a_key_pair_is_the_runs_even_if_an_environment_names_one(tmp_path: Path) -> None:
    choice = _choice(
        tmp_path, "ssh_key: {type: string}", web_env_yaml="parameters: {ssh_key: me}\n"
    )
    assert choice.environments == (PurePosixPath("web_env.yaml"),)
    assert (choice.key_parameter, choice.parameters) == ("ssh_key", {"ssh_key": ""})


def test_an_environments_values_stay_but_for_what_is_not_there(tmp_path: Path) -> None:
    choice = _choice(
        tmp_path,
        "size: {type: number}\nflavor: {type: string}",
        web_env_yaml="parameters: {size: 7, flavor: xxl}\n",
    )
    assert choice.parameters == {"flavor": "m1.small"}


def test_servers_of_aws_know_another_user(tmp_path: Path) -> None:
    launch = "a: {type: 'AWS::AutoScaling::LaunchConfiguration', properties: {}}"
    assert _choice(tmp_path / "aws", "", launch).user == "ec2-user"
    assert _choice(tmp_path / "own", "", _SERVER % "image: x").user is None


def test_what_templates_take_for_granted_is_not_what_they_make(tmp_path: Path) -> None:
    own = collection(
        tmp_path,
        a_yaml=template(
            _SERVER % "key_name: mine, security_groups: [web, own]"
            + "\nb: {type: 'OS::Neutron::SecurityGroup', properties: {name: own}}"
        ),
    )
    taken = taken_for_granted(own)
    assert taken == {Purpose.KEY: {"mine"}, Purpose.GROUP: {"web"}}


def test_the_repository_is_the_collection_with_pipelines(tmp_path: Path) -> None:
    own = collection(tmp_path, a_yaml=template(_SERVER % "image: F18, flavor: m1.nano"))
    choice = choose(own, own.templates[PurePosixPath("a.yaml")])
    root = tmp_path / "repository"
    make_repository(own, {"one": choice}, root)
    (pipeline,) = load_pipelines(root, ["one"])
    assert pipeline.stack.template == PurePosixPath("a.yaml")
    site = load_project(root).cloud("local")
    assert (site.images, site.flavors) == ({"F18": "debian-12"}, {})
    assert (root / "a.yaml").read_text() == (own.root / "a.yaml").read_text()
