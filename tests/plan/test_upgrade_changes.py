"""What an update would change, by two previews."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infraci.heat import PreviewResource
from infraci.model.decode import parse_pipeline
from infraci.model.problem import Problem
from infraci.plan import PipelinePlan, with_upgrade
from infraci.plan.plan_output import as_data, as_text
from infraci.plan.upgrade_changes import foresee
from tests.pipeline.fakes import COMMIT

SERVER = "OS::Nova::Server"
SCHEMAS: Mapping[str, Mapping[str, bool]] = {
    "OS::Neutron::Net": {"name": True, "shared": True},
    "OS::Neutron::Subnet": {"cidr": False, "network": False, "name": True},
    SERVER: {"metadata": True, "networks": True, "key_name": False, "user_data": True},
}
TEMPLATE = {
    "resources": {
        "net": {"type": "OS::Neutron::Net"},
        "subnet": {
            "type": "OS::Neutron::Subnet",
            "properties": {"network": {"get_resource": "net"}, "cidr": "10.0.0.0/24"},
        },
        "apps": {
            "type": "OS::Heat::ResourceGroup",
            "properties": {
                "resource_def": {
                    "type": SERVER,
                    "properties": {"networks": [{"subnet": {"get_resource": "subnet"}}]},
                }
            },
        },
    }
}
PIPELINE = parse_pipeline(
    "stack: {template: a}\nspecs: {all: [s]}\nupgrade: {no_replace: [web, 'apps.*']}\n", name="web"
)


def resource(path: str, type_: str = SERVER, *nested: Any, **properties: Any) -> PreviewResource:
    name = path.rpartition(".")[2]
    return PreviewResource(
        name=name, type=type_, path=path, stack_name="s", properties=properties, nested=nested
    )


def updatable(type_: str) -> Mapping[str, bool]:
    return SCHEMAS.get(type_, {})


def changes(before: PreviewResource, after: PreviewResource) -> list[tuple[str, str, str]]:
    foreseen = foresee([before], [after], template=TEMPLATE, updatable=updatable)
    return [(change.path, str(change.kind), ",".join(change.properties)) for change in foreseen]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({"metadata": {"a": "1"}}, {"metadata": {"a": "2"}}, "updated"),
        ({"key_name": "a"}, {"key_name": "b"}, "replaced"),
        ({"metadata": {}, "key_name": "a"}, {"metadata": {"a": "1"}, "key_name": "b"}, "replaced"),
        ({"user_data": "a"}, {"user_data": "b"}, "replaced"),
        ({"user_data": "a"}, {"user_data": "b", "user_data_update_policy": "IGNORE"}, None),
        ({"flavor": "a"}, {"flavor": "b"}, "updated"),
        ({"flavor": "a"}, {"flavor": "b", "flavor_update_policy": "REPLACE"}, "replaced"),
        ({"image": "a"}, {"image": "b"}, "rebuilt"),
        ({"image": "a"}, {"image": "b", "image_update_policy": "REPLACE"}, "replaced"),
        ({"unheard_of": "a"}, {"unheard_of": "b"}, "updated"),
        ({"metadata": {"a": "1"}}, {"metadata": {"a": "1"}}, None),
    ],
)
def test_a_server(before: Any, after: Any, kind: str | None) -> None:
    policies = {name: value for name, value in after.items() if name.endswith("_policy")}
    foreseen = changes(resource("web", **before, **policies), resource("web", **after))
    assert [change[1] for change in foreseen] == ([kind] if kind else [])


def test_the_properties_that_make_it_so_are_named() -> None:
    before = resource("web", metadata={"a": "1"}, key_name="a", user_data="a")
    after = resource("web", metadata={"a": "2"}, key_name="b", user_data="b")
    assert changes(before, after) == [("web", "replaced", "key_name,user_data")]


def test_another_type() -> None:
    assert changes(resource("a"), resource("a", "OS::Heat::Value")) == [("a", "replaced", "type")]


def test_what_comes_and_what_goes() -> None:
    assert changes(resource("old"), resource("new")) == [
        ("new", "added", ""),
        ("old", "removed", ""),
    ]


def test_what_is_replaced_changes_those_that_refer_to_it() -> None:
    def stack(cidr: str) -> list[PreviewResource]:
        return [
            resource("net", "OS::Neutron::Net"),
            resource("subnet", "OS::Neutron::Subnet", cidr=cidr),
            resource("apps", "", resource("apps.0")),
        ]

    foreseen = foresee(
        stack("10.0.0.0/24"), stack("10.1.0.0/24"), template=TEMPLATE, updatable=updatable
    )
    assert [(change.path, str(change.kind), change.properties) for change in foreseen] == [
        ("apps", "updated", ("resource_def",)),
        ("apps.0", "updated", ("networks",)),
        ("subnet", "replaced", ("cidr",)),
    ]


def planned(*resources: PreviewResource, **more: Any) -> PipelinePlan:
    return PipelinePlan(name="web", resources=resources, **more)


def upgraded(plan: PipelinePlan, before: PipelinePlan) -> PipelinePlan:
    return with_upgrade(
        plan, PIPELINE, base=COMMIT, before=before, template=TEMPLATE, updatable=updatable
    )


GROUP = resource("apps", "", resource("apps.0"))


def test_a_plan_shows_it() -> None:
    plan = upgraded(
        planned(resource("web", key_name="b"), GROUP), planned(resource("web", key_name="a"), GROUP)
    )
    text = as_text([plan], COMMIT, "local")
    assert "upgrade from 0123456789 Open the port" in text
    assert "replaced  web  OS::Nova::Server  key_name" in text
    assert (
        "note: web would be replaced (for its key_name), which upgrade.no_replace forbids" in text
    )
    (plan_data,) = as_data([plan], COMMIT, "local")["pipelines"]
    assert plan_data["base"]["sha"] == COMMIT.sha
    assert plan_data["changes"][0]["kind"] == "replaced"


def test_nothing_would_change() -> None:
    plan = upgraded(planned(resource("web"), GROUP), planned(resource("web"), GROUP))
    assert "no resource would change" in as_text([plan], COMMIT, "local")


def test_a_pattern_that_protects_nothing() -> None:
    plan = upgraded(planned(resource("wbe"), GROUP), planned(resource("wbe"), GROUP))
    (problem,) = plan.problems
    assert str(problem) == (
        'pipelines/web.yaml: upgrade.no_replace[0]: the stack has no resource "web"; '
        'did you mean "wbe"?'
    )


def test_one_that_would_be_removed() -> None:
    """Its pattern is good, as the resource is there before."""
    both = resource("apps", "", resource("apps.0"), resource("apps.1"))
    exact = parse_pipeline(
        "stack: {template: a}\nspecs: {all: [s]}\nupgrade: {no_replace: [web, apps.1]}\n"
    )
    for pipeline in (PIPELINE, exact):
        plan = with_upgrade(
            planned(resource("web"), GROUP),
            pipeline,
            base=COMMIT,
            before=planned(resource("web"), both),
            template=TEMPLATE,
            updatable=updatable,
        )
        assert plan.problems == ()
        assert plan.notices == ("apps.1 would be removed, which upgrade.no_replace forbids",)


def test_problems_of_the_base_are_told_as_its_own() -> None:
    bad = planned(problems=(Problem(file="stack.yaml", line=3, message="no"),))
    plan = upgraded(planned(resource("web"), GROUP), bad)
    assert [str(problem) for problem in plan.problems] == [
        "stack.yaml:3: no (in the base, 0123456789)"
    ]
    assert plan.changes == ()
