"""Heat's reasons, and where in the template they are about."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from infraci.plan import place_refusal

TEMPLATE = """\
heat_template_version: 2018-08-31
parameters:
  image: {type: string}
  disk: {type: string, constraints: [{custom_constraint: cinder.volume}]}
resources:
  web:
    type: OS::Nova::Servr
    properties:
      flavour: m1.small
      networks:
        - {network: public}
  apps:
    type: OS::Heat::ResourceGroup
    properties:
      resource_def:
        type: OS::Nova::Server
        properties:
          imge: debian-12
"""


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (
            "Property error: resources.web.properties: Unknown Property flavour",
            "t.yaml:9:7: resources.web.properties.flavour: Unknown Property flavour",
        ),
        (
            "Property error: resources.web.properties.networks[0].network: no such network",
            "t.yaml:11:12: resources.web.properties.networks[0].network: no such network",
        ),
        (
            "Parameter 'image' is invalid: No images matching {'name': 'x'}.",
            "t.yaml:3:3: parameters.image: Parameter 'image' is invalid: No images matching "
            "{'name': 'x'}",
        ),
        (
            "Property error: resources.apps<nested_stack>.resources[0].properties: "
            "Unknown Property imge",
            "t.yaml:18:11: resources.apps.properties.resource_def.properties.imge: "
            "Unknown Property imge",
        ),
        (
            "The Parameter (image) was not provided.",
            "t.yaml:3:3: parameters.image: The Parameter (image) was not provided",
        ),
        (
            "The Resource Type (OS::Nova::Servr) could not be found.",
            "t.yaml:7:5: resources.web.type: The Resource Type (OS::Nova::Servr) could not be "
            "found",
        ),
        (
            "resources.web: Property image not assigned",
            "t.yaml:8:5: resources.web.properties: Property image not assigned",
        ),
        (
            'The specified reference "web" (in x) is incorrect.',
            't.yaml:6:3: resources.web: The specified reference "web" (in x) is incorrect',
        ),
        (
            "HEAT-E99001 Service None is not available for resource type OS::Nova::Servr, reason: "
            "it is retired. Use another instead.",
            "t.yaml:7:5: resources.web.type: OS::Nova::Servr cannot be had: it is retired. "
            "Use another instead",
        ),
        (
            "Property error: resources.web.properties: Property flavour not implemented yet",
            "t.yaml:9:7: resources.web.properties.flavour: this cloud's Heat does not honour the "
            "property flavour",
        ),
        (
            "No volume service available.",
            "t.yaml:4:3: parameters.disk: No volume service available",
        ),
        ("Something else", "t.yaml: Something else"),
        ("resources.gone: no", "t.yaml:5:1: resources: no"),
    ],
)
def test_the_line_that_a_reason_is_about(tmp_path: Path, reason: str, shown: str) -> None:
    (tmp_path / "t.yaml").write_text(TEMPLATE)
    problem = place_refusal(reason, template=PurePosixPath("t.yaml"), root=tmp_path)
    assert str(problem) == shown


@pytest.mark.parametrize("text", [None, "a: [", "\xff"])
def test_a_template_that_cannot_be_read(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "t.yaml").write_text(text, "latin-1")
    problem = place_refusal("resources.web: no", template=PurePosixPath("t.yaml"), root=tmp_path)
    assert str(problem) == "t.yaml: resources.web: no"


@pytest.mark.parametrize(
    ("reason", "suggestion"),
    [
        ("Property error: resources.web.properties: Unknown Property flavour", "flavor"),
        ("Property error: resources.apps.properties: Unknown Property imge", "image"),
        ("Property error: resources.web.properties: Unknown Property zebra", None),
    ],
)
def test_a_property_that_was_probably_meant(
    tmp_path: Path, reason: str, suggestion: str | None
) -> None:
    (tmp_path / "t.yaml").write_text(TEMPLATE)
    names = {"OS::Nova::Servr": ("flavor", "networks"), "OS::Nova::Server": ("flavor", "image")}
    problem = place_refusal(
        reason,
        template=PurePosixPath("t.yaml"),
        root=tmp_path,
        property_names=lambda kind: names.get(kind, ()),
    )
    assert problem.suggestion == suggestion


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("Error validating value 'debain-12': The Image (debain-12) could not be found.", "image"),
        ("Parameter 'image' is invalid: No images matching {'name': 'debain-12'}.", "image"),
        ("The Flavor ID (debain-12) could not be found.", "flavor"),
        ("Unable to find network with name or id 'debain-12'", "network"),
        ("No Network found for debain-12", "network"),
        ("The Key (debain-12) could not be found.", "key"),
    ],
)
def test_a_name_that_the_cloud_does_not_have(tmp_path: Path, reason: str, kind: str) -> None:
    kinds: list[str] = []

    def names(kind: str) -> list[str]:
        kinds.append(kind)
        return ["ubuntu", "debian-12"]

    (tmp_path / "t.yaml").write_text(TEMPLATE)
    problem = place_refusal(reason, template=PurePosixPath("t.yaml"), root=tmp_path, names=names)
    assert kinds == [kind]
    assert problem.suggestion == "debian-12"


@pytest.mark.parametrize(
    ("offered", "meant"), [({"OS::Nova::Server"}, "OS::Nova::Server"), (set(), None)]
)
def test_a_type_that_the_cloud_does_not_have_is_not_meant(
    tmp_path: Path, offered: set[str], meant: str | None
) -> None:
    (tmp_path / "t.yaml").write_text(TEMPLATE)
    problem = place_refusal(
        "The Resource Type (OS::Nova::Servr) could not be found.",
        template=PurePosixPath("t.yaml"),
        root=tmp_path,
        property_names=lambda kind: ("image",) if kind in offered else (),
    )
    assert problem.suggestion == meant
