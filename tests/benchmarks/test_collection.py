"""What a collection holds, what belongs together, and what is only a part."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from benchmarks.published_templates.collection import Collection
from tests.benchmarks.published import HOT, collection, template


def _chosen(own: Collection, name: str, *, lacking: tuple[str, ...] = ()) -> list[str]:
    document = own.templates[PurePosixPath(name)]
    environments = own.environments_for(document, is_lacking=lambda type_: type_ in lacking)
    return [str(path) for path in environments]


def test_a_collection_has_its_repositorys_name_and_tells_templates_from_environments(
    tmp_path: Path,
) -> None:
    own = collection(
        tmp_path,
        a_yaml=HOT,
        env_yaml="parameters: {x: 1}\n",
        playbook_yaml="- hosts: all\n",
        broken_yaml=HOT + "resources: [\n",
    )
    assert own.name == "OWNER/NAME"
    assert {str(path) for path in own.templates} == {"a.yaml", "broken.yaml"}
    assert own.templates[PurePosixPath("broken.yaml")].content == {}
    assert [str(path) for path in own.environments] == ["env.yaml"]


@pytest.mark.parametrize(
    "user",
    [
        template("a: {type: parts/part.yaml}"),
        template("a: {type: 'OS::Heat::ResourceGroup',\n"
                 "    properties: {resource_def: {type: parts/part.yaml}}}"),
        template("a: {type: 'OS::Heat::Stack',\n"
                 "    properties: {template: {get_file: parts/part.yaml}}}"),
        template("a: {type: 'https://example.org/OWNER/NAME/raw/parts/part.yaml'}"),
        "resource_registry: {'My::Part': parts/part.yaml}\n",
        "resource_registry: {'My::Part': /home/stack/parts/part.yaml}\n",
        "resource_registry: {resources: {a: {'My::Part': parts/part.yaml}}}\n",
    ],
)  # fmt: skip
def test_a_template_that_another_file_uses_is_a_fragment(tmp_path: Path, user: str) -> None:
    own = collection(tmp_path, user_yaml=user, parts__part_yaml=HOT, parts__other_yaml=HOT)
    assert own.fragments == {PurePosixPath("parts/part.yaml"): "user.yaml uses it"}


def test_a_file_of_the_same_name_elsewhere_is_not_meant(tmp_path: Path) -> None:
    own = collection(tmp_path, user_yaml=template("a: {type: part.yaml}"), other__part_yaml=HOT)
    assert own.fragments == {}


def test_a_template_with_the_output_of_a_resource_is_a_fragment(tmp_path: Path) -> None:
    own = collection(tmp_path, a_yaml=HOT + "outputs: {OS::stack_id: {value: x}}\n", b_yaml=HOT)
    assert [str(path) for path in own.fragments] == ["a.yaml"]


def test_an_environment_belongs_by_its_types_or_by_its_place(tmp_path: Path) -> None:
    own = collection(
        tmp_path,
        web_yaml=template("a: {type: 'My::Part'}", "size: {type: number}"),
        parts__part_yaml=HOT,
        parts_yaml="resource_registry: {'My::Part': parts/part.yaml}\n",
        apart__db_yaml=template("a: {type: 'OS::Heat::None'}", "size: {type: number}"),
        apart__values_yaml="parameters: {size: 1}\n",
        apart__misfit_yaml="parameters: {other: 1}\n",
    )
    assert _chosen(own, "web.yaml") == ["parts.yaml"]
    assert _chosen(own, "apart/db.yaml") == ["apart/values.yaml"]


def test_a_further_environment_replaces_a_part_that_heat_lacks(tmp_path: Path) -> None:
    own = collection(
        tmp_path,
        web_yaml=template("a: {type: 'My::Balancer'}\nb: {type: 'My::Node'}"),
        old_yaml=template("a: {type: 'OS::Neutron::LoadBalancer'}"),
        none_yaml=template("a: {type: 'OS::Heat::None'}"),
        a_all_yaml="resource_registry: {'My::Balancer': old.yaml, 'My::Node': none.yaml}\n",
        b_old_yaml="resource_registry: {'My::Balancer': old.yaml}\n",
        c_none_yaml="resource_registry: {'My::Balancer': none.yaml}\n",
    )
    chosen = _chosen(own, "web.yaml", lacking=("OS::Neutron::LoadBalancer",))
    assert chosen == ["a_all.yaml", "c_none.yaml"]
