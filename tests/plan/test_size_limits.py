"""What Nova and Neutron would refuse."""

from __future__ import annotations

import base64
import gzip
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from infraci.heat import PreviewResource, StackPreview
from infraci.plan.logins import user_data_texts
from infraci.plan.refusal import Refusals
from infraci.plan.size_limits import limit_problems
from infraci.templates import StackRequest

TEMPLATE = """\
heat_template_version: 2018-08-31
resources:
  web:
    type: OS::Nova::Server
    properties:
      user_data: x
      metadata: {}
      name: x
"""
NESTED = "file:///lib/n.yaml"


def server(path: str = "web", **properties: Any) -> PreviewResource:
    return PreviewResource(
        name=path.rpartition(".")[2], type="OS::Nova::Server", path=path, stack_name="s",
        properties=properties,
    )  # fmt: skip


def resource(name: str, kind: str, **properties: Any) -> PreviewResource:
    return PreviewResource(
        name=name, type=f"OS::Neutron::{kind}", path=name, stack_name="s", properties=properties
    )


def problems(tree: Path, *resources: PreviewResource, own_part: str = "", **more: Any) -> list[str]:
    (tree / "t.yaml").write_text(TEMPLATE)
    written = {"type": "OS::Nova::Server", "properties": {"user_data": "x"}}
    request = StackRequest(template={"resources": {"web": {**written, **more}}})
    refusals = Refusals.of(request, PurePosixPath("t.yaml"), tree)
    preview = StackPreview(name="s", description="", resources=resources)

    def texts(url: str, properties: Any) -> list[str]:
        return user_data_texts(request, url, properties)

    return [str(p) for p in limit_problems(preview, refusals, texts=texts, own_part=own_part)]


def test_what_nova_takes(tmp_path: Path) -> None:
    metadata = {f"k{n}": "v" * 255 for n in range(128)}
    largest = server(user_data="x" * 49_149, metadata=metadata, name="n" * 255, tags=["t" * 60])
    assert problems(tmp_path, largest) == []


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"user_data": "x" * 49_152},
         "t.yaml:6:7: resources.web.properties.user_data: user data is 65536 bytes in base64, and "
         "Nova takes 65535; before it is 49152 bytes"),
        ({"name": "n" * 256},
         "t.yaml:8:7: resources.web.properties.name: the name has 256 characters, and 255 are "
         "taken"),
        ({"name": "web\n"},
         "t.yaml:8:7: resources.web.properties.name: the name has characters that are not "
         "printable, which Nova does not take"),
        ({"metadata": {"role": "v" * 256}},
         't.yaml:7:7: resources.web.properties.metadata: the value of "role" in metadata has 256 '
         "characters, and Nova takes 255"),
        ({"metadata": {"a": ["v" * 252]}},
         't.yaml:7:7: resources.web.properties.metadata: the value of "a" in metadata has 256 '
         "characters, and Nova takes 255"),
        ({"metadata": {"k" * 256: ""}},
         f't.yaml:7:7: resources.web.properties.metadata: the key "{"k" * 40}" of metadata has 256 '
         "characters; Nova takes 255, of a-z A-Z 0-9 - _ : . and spaces"),
        ({"metadata": dict.fromkeys(map(str, range(129)), "")},
         "t.yaml:7:7: resources.web.properties.metadata: metadata has 129 items, and Nova takes "
         "128"),
    ],
)  # fmt: skip
def test_what_nova_does_not_take(tmp_path: Path, properties: Any, problem: str) -> None:
    assert problems(tmp_path, server(**properties)) == [problem]


def test_what_neutron_and_cinder_do_not_take(tmp_path: Path) -> None:
    group = resource("web", "SecurityGroup", description="d" * 256)
    volume = replace(
        group,
        type="OS::Cinder::Volume",
        properties={"name": "n" * 256, "description": "d" * 256, "metadata": {"k": "v" * 256}},
    )
    assert len(problems(tmp_path, group)) == 1
    assert len(problems(tmp_path, volume)) == 3
    longest = {"name": "ウ" * 255, "description": "d" * 255, "metadata": {"k": "v" * 255}}
    assert problems(tmp_path, replace(volume, properties=longest)) == []


def test_what_infraci_adds_counts_too(tmp_path: Path) -> None:
    whole = server(user_data="x" * 49_000)
    assert problems(tmp_path, whole) == []
    (problem,) = problems(tmp_path, whole, own_part="#cloud-config\n" + "x" * 500)
    assert "bytes in base64, and Nova takes 65535; before it is 49" in problem
    assert problem.endswith("of them added by Heat and infraci")


def test_user_data_that_heat_makes_only_later_is_read_off_the_template(tmp_path: Path) -> None:
    written = {"user_data": {"list_join": ["", ["x" * 60_000]]}}
    assert problems(tmp_path, server(), properties=written)


def test_gzip_is_no_user_data(tmp_path: Path) -> None:
    text = base64.encodebytes(gzip.compress(b"#cloud-config\n")).decode()
    (problem,) = problems(tmp_path, server(user_data=text))
    assert problem.startswith("t.yaml:6:7: resources.web.properties.user_data: it is gzip")


def subnet(name: str, cidr: str, network: str) -> PreviewResource:
    return resource(name, "Subnet", cidr=cidr, network=network)


@pytest.mark.parametrize(
    ("first", "second", "network", "expected"),
    [
        ("10.0.0.0/24", "10.0.1.0/24", "b", []),
        ("10.0.0.0/16", "10.0.1.0/24", "b",
         ["t.yaml:2:1: resources: subnet two (10.0.1.0/24) overlaps subnet one (10.0.0.0/16) on "
          "router r: Neutron refuses it"]),
        ("10.0.0.0/24", "10.0.0.0/24", "a",
         ["t.yaml:2:1: resources: subnet two (10.0.0.0/24) overlaps subnet one (10.0.0.0/24) on "
          "network a: Neutron refuses it",
          "t.yaml:2:1: resources: subnet two (10.0.0.0/24) overlaps subnet one (10.0.0.0/24) on "
          "router r: Neutron refuses it"]),
        ("{cidr}", "10.0.0.0/24", "b", []),
    ],
)  # fmt: skip
def test_subnets_that_overlap(
    tmp_path: Path, first: str, second: str, network: str, expected: list[str]
) -> None:
    messages = problems(
        tmp_path,
        subnet("one", first, "a"),
        subnet("two", second, network),
        resource("leg1", "RouterInterface", router="r", subnet="one"),
        resource("leg2", "RouterInterface", router_id="r", subnet_id="two"),
    )
    assert messages == expected


def test_what_a_preview_does_not_name_is_read_off_the_template(tmp_path: Path) -> None:
    legs = {
        f"leg{n}": {
            "type": "OS::Neutron::RouterInterface",
            "properties": {
                "router_id": {"get_resource": "r"}, "subnet": {"get_resource": f"s{n}"}
            },
        }
        for n in (1, 2)
    }  # fmt: skip
    request = StackRequest(template={"resources": legs})
    refusals = Refusals.of(request, PurePosixPath("t.yaml"), tmp_path)
    subnets = [subnet(f"s{n}", "10.0.0.0/24", f"n{n}") for n in (1, 2)]
    resources = (*subnets, *(resource(name, "RouterInterface") for name in legs))
    preview = StackPreview(name="s", description="", resources=resources)
    (problem,) = limit_problems(preview, refusals, texts=lambda *_: [])
    assert "overlaps subnet s1 (10.0.0.0/24) on router r" in problem.message


def test_user_data_of_another_resource_is_more_than_its_name(tmp_path: Path) -> None:
    config = {"type": "OS::Heat::SoftwareConfig", "properties": {"config": "x" * 60_000}}
    template = {
        "resources": {
            "config": config,
            "web": {
                "type": "OS::Nova::Server",
                "properties": {"user_data_format": "RAW", "user_data": {"get_resource": "config"}},
            },
        }
    }
    request = StackRequest(template=template)
    refusals = Refusals.of(request, PurePosixPath("t.yaml"), tmp_path)
    preview = StackPreview(name="s", description="", resources=(server(user_data="config"),))
    (problem,) = limit_problems(
        preview, refusals, texts=lambda url, properties: user_data_texts(request, url, properties)
    )
    assert "user data is 80000 bytes in base64" in problem.message


def test_subnets_of_different_routers_may_overlap(tmp_path: Path) -> None:
    legs = [resource(f"leg{n}", "RouterInterface", router=f"r{n}", subnet=f"s{n}") for n in (1, 2)]
    subnets = [subnet(f"s{n}", "10.0.0.0/24", f"n{n}") for n in (1, 2)]
    assert problems(tmp_path, *legs, *subnets) == []


def test_the_line_of_a_server_in_a_nested_template_of_a_group(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/n.yaml").write_text(TEMPLATE)
    (tmp_path / "t.yaml").write_text("resources: {}\n")
    definition = {"type": "My::Web"}
    request = StackRequest(
        template={"resources": {"apps": {"type": "G", "properties": {"resource_def": definition}}}},
        environment={"resource_registry": {"My::Web": NESTED}},
        files={NESTED: '{"heat_template_version": "x", "resources": {"web": {"type": "S"}}}'},
    )
    refusals = Refusals.of(request, PurePosixPath("t.yaml"), tmp_path)
    preview = StackPreview(
        name="s", description="", resources=(server("apps.0.web", name="n" * 256),)
    )
    (problem,) = limit_problems(preview, refusals, texts=lambda *_: [])
    assert str(problem).startswith("lib/n.yaml:8:7: resources.web.properties.name: ")
