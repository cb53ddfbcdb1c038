"""Heat's preview as a tree."""

from __future__ import annotations

from typing import Any

from infraci.heat.preview import read_preview

TEMPLATE = {
    "resources": {
        "web": {"type": "OS::Nova::Server"},
        "app-servers": {"type": "OS::Heat::ResourceGroup"},
        "app": {"type": "app.yaml"},
        "none": {"type": "OS::Heat::ResourceGroup"},
    }
}


def entry(name: str, stack: str, **properties: Any) -> dict[str, Any]:
    return {
        "resource_name": name,
        "resource_type": "OS::Nova::Server",
        "stack_name": stack,
        "properties": properties,
    }


def preview(resources: list[Any]) -> list[str]:
    preview = read_preview({"stack_name": "s", "resources": resources}, TEMPLATE)
    return [f"{resource.path} {resource.type}" for resource in preview.walk()]


def test_resources_by_name() -> None:
    assert preview([entry("b", "s"), entry("a", "s")]) == [
        "a OS::Nova::Server",
        "b OS::Nova::Server",
    ]


def test_a_group() -> None:
    group = [entry(str(n), "s-app-servers") for n in (10, 9)]
    assert preview([group]) == [
        "app-servers OS::Heat::ResourceGroup",
        "app-servers.9 OS::Nova::Server",
        "app-servers.10 OS::Nova::Server",
    ]


def test_a_group_of_nested_stacks() -> None:
    group = [[entry("server", f"s-app-servers-{n}")] for n in range(2)]
    assert preview([group]) == [
        "app-servers OS::Heat::ResourceGroup",
        "app-servers.0 ",
        "app-servers.0.server OS::Nova::Server",
        "app-servers.1 ",
        "app-servers.1.server OS::Nova::Server",
    ]


def test_a_group_in_a_nested_stack() -> None:
    assert preview([[[entry("0", "s-app-group")]]]) == [
        "app app.yaml",
        "app.group ",
        "app.group.0 OS::Nova::Server",
    ]


def test_a_group_of_none_is_not_shown() -> None:
    assert preview([[], entry("web", "s")]) == ["web OS::Nova::Server"]


def test_a_description_that_says_nothing() -> None:
    preview = read_preview(
        {"stack_name": "s", "description": "No description", "resources": []}, TEMPLATE
    )
    assert preview.description == ""
