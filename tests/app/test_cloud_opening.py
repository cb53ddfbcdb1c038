"""Which images a request's servers need, as far as that is plain."""

from __future__ import annotations

from typing import Any

import pytest

from infraci.app.cloud_opening import _plain_images
from infraci.templates import StackRequest

SERVER = "OS::Nova::Server"


def _request(resources: dict[str, Any], **more: Any) -> StackRequest:
    template = {
        "parameters": {"image": {"type": "string", "default": "debian-12"}},
        "resources": resources,
    }
    return StackRequest(
        template=template,
        environment=more.get("environment", {}),
        files=more.get("files", {}),
        parameters=more.get("parameters", {}),
    )


def _server(image: object, **properties: object) -> dict[str, Any]:
    return {"type": SERVER, "properties": {"image": image, **properties}}


@pytest.mark.parametrize(
    ("more", "image"),
    [
        ({}, "debian-12"),
        ({"environment": {"parameters": {"image": "a"}}}, "a"),
        ({"environment": {"parameters": {"image": "a"}}, "parameters": {"image": "b"}}, "b"),
    ],
)
def test_a_parameter_has_the_value_that_wins(more: dict[str, Any], image: str) -> None:
    request = _request({"web": _server({"get_param": "image"})}, **more)
    assert _plain_images(request) == {image}


def test_servers_in_groups_count() -> None:
    group = {
        "type": "OS::Heat::ResourceGroup",
        "properties": {"resource_def": _server("debian-12")},
    }
    assert _plain_images(_request({"web": _server("other"), "apps": group})) == {
        "other",
        "debian-12",
    }


@pytest.mark.parametrize(
    "image",
    [
        None,
        {"get_param": ["image", "name"]},
        {"get_param": "unknown"},
        {"str_replace": {"template": "debian-v", "params": {"v": 12}}},
    ],
)
def test_what_only_heat_can_work_out_is_left_to_it(image: object) -> None:
    assert _plain_images(_request({"web": _server(image)})) is None


def test_agents_are_in_the_image_where_heat_writes_user_data_for_them() -> None:
    web = _server("debian-12", user_data_format="SOFTWARE_CONFIG")
    assert _plain_images(_request({"web": web, "db": _server("debian-12")})) == {
        "debian-12",
        "debian-12-agents",
    }
    unknown = _server("debian-12", user_data_format={"get_param": "format"})
    assert _plain_images(_request({"web": unknown})) is None


def test_nested_templates_are_left_to_heat() -> None:
    request = _request({"web": _server("debian-12")}, files={"file:///a.yaml": "resources: {}"})
    assert _plain_images(request) is None
