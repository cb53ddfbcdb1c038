"""TOSCA templates as what Heat is sent; the translator is the real one."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from infraci.model.catalog import Catalog, OfferedFlavor, OfferedImage
from infraci.model.pipeline import StackDefinition
from infraci.model.problem import TemplateError
from infraci.templates import StackRequest, load_stack
from infraci.templates.tosca.archive import MAX_BYTES, MAX_FILES
from tests.model.trees import write

META = "TOSCA-Metadata/TOSCA.meta"

CATALOG = Catalog(
    cloud="somewhere",
    flavors=(
        OfferedFlavor(name="large", vcpus=4, ram_mb=8192, disk_gb=80),
        OfferedFlavor(name="small", vcpus=1, ram_mb=2048, disk_gb=20),
    ),
    images=(
        OfferedImage(name="debian-12"),
        OfferedImage(name="golden", distribution="rhel", version="9", type="linux"),
        OfferedImage(name="mystery"),
    ),
)
HEAD = "tosca_definitions_version: tosca_simple_yaml_1_3\n"
WEB = f"""\
{HEAD}description: A web server.
topology_template:
  inputs:
    cpus: {{type: integer, default: 1}}
    greeting: {{type: string, default: "it's 1.10"}}
    db_password: {{type: string, default: hunter22}}
  node_templates:
    server:
      type: tosca.nodes.Compute
      metadata: {{role: web}}
      capabilities:
        host: {{properties: {{num_cpus: {{get_input: cpus}}, mem_size: 512 MB}}}}
        os: {{properties: {{type: linux, distribution: debian, version: 12}}}}
    web:
      type: tosca.nodes.WebServer
      requirements: [{{host: server}}]
      interfaces:
        Standard:
          create: scripts/create.sh
          configure:
            implementation: scripts/configure.sh
            inputs:
              greeting: {{get_input: greeting}}
              address: {{get_attribute: [server, private_address]}}
  outputs:
    address: {{value: {{get_attribute: [server, private_address]}}}}
"""
SERVER = f"""\
{HEAD}topology_template:
  node_templates:
    server:
      type: tosca.nodes.Compute
      capabilities:
        host: {{properties: {{num_cpus: 1}}}}
        os: {{properties: {{distribution: debian, version: 12}}}}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write(tmp_path, "stacks/web.yaml", WEB)
    for name in ("create", "configure"):
        write(tmp_path, f"stacks/scripts/{name}.sh", f"#!/bin/sh\necho {name}\n")
    return tmp_path


def load(
    tree: Path,
    path: str = "stacks/web.yaml",
    *,
    catalog: Catalog = CATALOG,
    environments: tuple[str, ...] = (),
    **parameters: object,
) -> StackRequest:
    stack = StackDefinition(
        template=PurePosixPath(path),
        parameters=parameters,
        environments=tuple(map(PurePosixPath, environments)),
    )
    return load_stack(stack, root=tree, catalog=lambda: catalog)


def problems(tree: Path, path: str = "t.yaml", **parameters: Any) -> list[str]:
    with pytest.raises(TemplateError) as caught:
        load(tree, path, **parameters)
    return [str(problem) for problem in caught.value.problems]


def test_a_server_with_software_needs_no_agent(tree: Path) -> None:
    request = load(tree)
    resources: Mapping[str, Any] = request.template["resources"]
    server = resources["server"]["properties"]
    assert (server["flavor"], server["image"], server["metadata"]) == (
        "small",
        "debian-12",
        {"role": "web"},
    )
    assert server["user_data_format"] == "RAW"
    assert server["key_name"] == {"get_param": "key_name"}
    assert not [item for item in resources.values() if "Deployment" in item["type"]]
    written = resources["server_software"]["properties"]["cloud_config"]["write_files"]
    names = [each["path"].removeprefix("/var/lib/infraci/deployments/") for each in written]
    assert [name for name in names if name[0].isdigit()] == [
        "00-web_create_deploy/script",
        "01-web_configure_deploy/script",
        "01-web_configure_deploy/inputs/greeting",
        "01-web_configure_deploy/inputs/address",
    ]
    assert resources["server_deployed"]["depends_on"] == ["server"]
    assert request.files["file:///stacks/scripts/create.sh"] == "#!/bin/sh\necho create\n"


def test_a_server_knows_its_own_address_before_it_is_made(tree: Path) -> None:
    template = load(tree).template
    address = {"get_attr": ["server_default_port", "fixed_ips", 0, "ip_address"]}
    assert template["outputs"]["address"]["value"] == address
    assert template["resources"]["server"]["properties"]["networks"] == [
        {"port": {"get_resource": "server_default_port"}}
    ]


def test_a_network_of_the_clouds_own(tree: Path) -> None:
    catalog = CATALOG.by_names(networks={"default": "office"})
    resources = load(tree, catalog=catalog).template["resources"]
    assert resources["server_default_port"]["properties"] == {"network": "office"}
    assert "default_network" not in resources


def test_inputs_keep_their_types_and_spelling(tree: Path) -> None:
    write(tree, "e.yaml", "parameters: {greeting: from the environment}\n")
    parameters = load(tree, cpus="2", environments=("e.yaml",)).template["parameters"]
    assert parameters["cpus"] == {"type": "number", "default": 2}
    assert parameters["greeting"]["default"] == "from the environment"
    assert load(tree).template["parameters"]["greeting"]["default"] == "it's 1.10"


def test_inputs_that_are_called_secret_are_hidden(tree: Path) -> None:
    assert load(tree).template["parameters"]["db_password"]["hidden"] is True


def test_larger_inputs_choose_larger_flavors(tree: Path) -> None:
    assert load(tree, cpus=2).template["resources"]["server"]["properties"]["flavor"] == "large"


def test_an_archive(tree: Path) -> None:
    with zipfile.ZipFile(tree / "web.dat", "w") as archive:  # known by its content, not its name
        archive.writestr("TOSCA-Metadata/TOSCA.meta", "Entry-Definitions: Definitions/web.yaml\n")
        archive.writestr("Definitions/web.yaml", WEB.replace("scripts/", "../Scripts/"))
        archive.writestr("Scripts/create.sh", "#!/bin/sh\n")
        archive.writestr("Scripts/configure.sh", "#!/bin/sh\n")
    request = load(tree, "web.dat")
    assert sorted(request.files) == [
        "file:///web.dat/Scripts/configure.sh",
        "file:///web.dat/Scripts/create.sh",
    ]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../out.yaml": ""}, 'a.csar: "../out.yaml" leads out of the archive'),
        ({}, "a.csar: holds no TOSCA-Metadata/TOSCA.meta, and 0 definitions at its top, not one"),
        (
            {"TOSCA-Metadata/TOSCA.meta": "Entry-Definitions: gone.yaml\n"},
            'a.csar: TOSCA-Metadata/TOSCA.meta names "gone.yaml", which is not in the archive',
        ),
        ({"a.yaml": "a: [\n"}, "a.csar/a.yaml:2:1: "),
        ({"/etc/out.yaml": ""}, 'a.csar: "/etc/out.yaml" leads out of the archive'),
        ({"a\\..\\..\\out.yaml": ""}, "a.csar: "),
        ({"a.yaml": "", "./a.yaml": ""}, 'a.csar: "./a.yaml" is in the archive twice'),
        ({"a": "", "a/b.yaml": ""}, "a.csar: cannot be unpacked: "),
        ({"x" * 300 + ".yaml": ""}, "a.csar: cannot be unpacked: "),
        *(
            ({META: f"Entry-Definitions: {entry}\n", "a.yaml": "{}"}, f"a.csar: {META} {reason}")
            for entry, reason in {
                "../../../../../../etc/hostname": "names",
                "/etc/hostname": "names",
                "TOSCA-Metadata": "names",
                '"a\\0.yaml"': "names",
                "[a.yaml]": "names no Entry-Definitions",
                "7": "names no Entry-Definitions",
                "2001-99-99": "is not valid",
                "[" * 50_000: "is not valid",
                "x" * 100_000: "is larger than 64 KiB",
            }.items()
        ),
    ],
)
def test_bad_archives(tmp_path: Path, members: Mapping[str, str], message: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.csar", "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    (reason,) = problems(tmp_path, "a.csar")
    assert reason.startswith(message)


def test_an_archive_with_a_link(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.yaml")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.csar", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert problems(tmp_path, "a.csar") == ['a.csar: "a.yaml" is a link or a device, not a file']


@pytest.mark.parametrize(("number", "size"), [(1, MAX_BYTES + 1), (MAX_FILES + 1, 0)])
def test_an_archive_of_much(tmp_path: Path, number: int, size: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.csar", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in range(number):
            archive.writestr(f"{name}.yaml", b"\0" * size)
    (reason,) = problems(tmp_path, "a.csar")
    assert reason == "a.csar: holds more than 5000 files or 64 MiB, unpacked"


def test_an_archive_whose_sizes_or_names_lie(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.csar", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("aé.yaml", b"\0" * 1_000_000)
    content = (tmp_path / "a.csar").read_bytes()
    for lie in (
        content.replace((1_000_000).to_bytes(4, "little"), (7).to_bytes(4, "little")),
        content.replace("é".encode(), b"\xff\xff"),
    ):
        (tmp_path / "a.csar").write_bytes(lie)
        (reason,) = problems(tmp_path, "a.csar")
        assert reason.startswith("a.csar: cannot be unpacked: ")


def test_an_archive_that_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "a.csar").write_bytes(b"PK\x03\x04 and no more")
    assert problems(tmp_path, "a.csar") == ["a.csar: cannot be unpacked: File is not a zip file"]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        pytest.param(
            SERVER.replace("tosca.nodes.Compute", "tosca.nodes.Computer"),
            ['t.yaml:5:13: Type "tosca.nodes.Computer" is not a valid type.'],
            id="an unknown type",
        ),
        pytest.param(
            SERVER + "    balancer: {type: tosca.nodes.LoadBalancer}\n",
            [
                't.yaml:9:22: Type "tosca.nodes.LoadBalancer" is valid TOSCA type but translation '
                "support is not yet available."
            ],
            id="a type that the translator does not know",
        ),
        pytest.param(
            SERVER.replace("debian", "fedora"),
            [
                "t.yaml:8:9: topology_template.node_templates.server.capabilities.os: no image of "
                "cloud somewhere is what the os capability says; there are debian-12 (debian 12), "
                "golden (rhel 9), mystery (not described)."
            ],
            id="no image",
        ),
        pytest.param(
            SERVER.replace("num_cpus: 1", "num_cpus: 16"),
            ["t.yaml:7:9: topology_template.node_templates.server.capabilities.host: no flavor"],
            id="no flavor",
        ),
        pytest.param(
            HEAD + "imports: [lib/gone.yaml]\n" + SERVER.removeprefix(HEAD),
            ['t.yaml:2:11: imports: no such file: "lib/gone.yaml"'],
            id="a missing import",
        ),
        pytest.param(
            HEAD + "imports: [t.yaml]\n" + SERVER.removeprefix(HEAD),
            ['t.yaml:2:11: imports: "t.yaml" imports itself: t.yaml → t.yaml'],
            id="a circular import",
        ),
        pytest.param(
            HEAD + "imports: ['https://example.com/t.yaml']\n" + SERVER.removeprefix(HEAD),
            ['t.yaml:2:11: imports: "https://example.com/t.yaml" is not a file of the repository'],
            id="a remote import",
        ),
        pytest.param(
            SERVER + "  inputs:\n    size: {type: integer}\n",
            ["t.yaml:10:5: topology_template.inputs.size: no value is given, and there is no"],
            id="an input without a value",
        ),
        pytest.param(
            SERVER
            + "    app:\n      type: tosca.nodes.SoftwareComponent\n"
            + "      requirements: [{host: server}]\n"
            + "      interfaces: {Standard: {create: gone.sh}}\n",
            ['t.yaml:12:39: no such file: "gone.sh"'],
            id="a missing script",
        ),
        pytest.param(
            SERVER
            + "    app:\n      type: tosca.nodes.SoftwareComponent\n"
            + "      requirements: [{host: server}]\n"
            + '      interfaces: {Standard: {create: "a\\0.sh"}}\n',
            ["t.yaml: no such file: "],
            id="a path that none can be",
        ),
        pytest.param(
            SERVER
            + "    app:\n      type: tosca.nodes.SoftwareComponent\n"
            + "      requirements: [{host: server}]\n"
            + "      interfaces: {Standard: {create: site.yaml}}\n",
            [
                "t.yaml:9:5: topology_template.node_templates.app: app_create_deploy is to be run "
                "by ansible in the server, which takes an agent there"
            ],
            id="a playbook",
        ),
        pytest.param(
            SERVER + "        scalable: {properties: {min_instances: 1, max_instances: 3, "
            "default_instances: 3}}\n",
            [
                "t.yaml:4:5: topology_template.node_templates.server: 3 instances are wanted, but "
                "the translator makes one"
            ],
            id="several instances",
        ),
        pytest.param(HEAD, ["t.yaml: there is no topology_template"], id="nothing"),
    ],
)
def test_bad_templates(tmp_path: Path, text: str, messages: list[str]) -> None:
    write(tmp_path, "t.yaml", text)
    write(tmp_path, "site.yaml", "[]\n")
    reasons = problems(tmp_path)
    assert len(reasons) == len(messages), reasons
    for reason, message in zip(reasons, messages, strict=True):
        assert reason.startswith(message), reasons


def test_a_value_for_no_input(tmp_path: Path) -> None:
    write(tmp_path, "t.yaml", SERVER)
    assert problems(tmp_path, size=1) == [
        "t.yaml:2:1: topology_template.inputs.size: a value is given, but the template declares "
        "no such input"
    ]


def test_what_is_not_said_is_the_clouds_default(tmp_path: Path) -> None:
    write(tmp_path, "t.yaml", SERVER.partition("      capabilities")[0])
    assert len(problems(tmp_path)) == 2
    catalog = CATALOG.by_names(images={"default": "golden"}, flavors={"default": "large"})
    server = load(tmp_path, "t.yaml", catalog=catalog).template["resources"]["server"]["properties"]
    assert (server["image"], server["flavor"]) == ("golden", "large")


def test_a_size_that_there_is_not_has_no_default(tmp_path: Path) -> None:
    write(tmp_path, "t.yaml", SERVER.replace("num_cpus: 1", "num_cpus: 16"))
    catalog = CATALOG.by_names(flavors={"default": "large"})
    with pytest.raises(TemplateError, match="no flavor of cloud somewhere is chosen"):
        load(tmp_path, "t.yaml", catalog=catalog)


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(SERVER, "utf-8-sig")
    assert "server" in load(tmp_path, "t.yaml").template["resources"]


@pytest.mark.parametrize(
    ("interfaces", "expected"),
    [
        ("{}", []),
        (
            "{Configure: {pre_configure_source: configure.sh}}",
            ["scripts of relationship templates are not translated"],
        ),
    ],
)
def test_only_scripts_of_relationship_templates_are_refused(
    tmp_path: Path, interfaces: str, expected: list[str]
) -> None:
    relationships = (
        "  relationship_templates:\n"
        f"    connection: {{type: tosca.relationships.ConnectsTo, interfaces: {interfaces}}}\n"
    )
    write(tmp_path, "t.yaml", SERVER + relationships)
    write(tmp_path, "configure.sh", "#!/bin/sh\n")
    try:
        load(tmp_path, "t.yaml")
        reasons = []
    except TemplateError as error:
        reasons = [problem.message for problem in error.problems]
    assert reasons == expected
