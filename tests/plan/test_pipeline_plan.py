"""One pipeline's plan: what is shown, and what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infraci.errors import CloudError, ExitCode
from infraci.heat import PreviewResource, RefusedError, StackPreview
from infraci.model.catalog import Catalog
from infraci.model.decode import parse_pipeline
from infraci.model.pipeline import StackDefinition
from infraci.plan import PipelinePlan, plan_pipeline
from infraci.plan.offline import OfflineCloud
from infraci.plan.plan_output import as_data, as_text
from infraci.templates import StackRequest, load_stack
from tests.pipeline.fakes import COMMIT

TEMPLATE = """\
heat_template_version: 2018-08-31
parameters: {key_name: {type: string}}
resources:
  net: {type: OS::Neutron::Net}
  port: {type: OS::Neutron::Port, properties: {network: {get_resource: net}}}
  web:
    type: OS::Nova::Server
    properties:
      key_name: {get_param: key_name}
      networks: [{port: {get_resource: port}}, {network: public}]
  apps:
    type: OS::Heat::ResourceGroup
    properties:
      resource_def:
        type: OS::Nova::Server
        properties:
          key_name: {get_param: key_name}
          networks: [{network: {get_resource: net}}]
"""
PIPELINE = """\
description: the web
stack: {template: stack.yaml}
servers: {roles: {web: {names: ["*-web-*"], user: admin}}}
configure: [cloud-init, {script: {path: app.sh, roles: [app]}}]
specs: {all: [specs], app: [specs/test_app.py]}
"""


def server(resource_name: str, path: str, stack: str, **properties: Any) -> PreviewResource:
    given = {"image": "debian-12", "flavor": "m1.small", **properties}
    return PreviewResource(
        name=resource_name, type="OS::Nova::Server", path=path, stack_name=stack, properties=given
    )


def resource(name: str, type_: str, *nested: PreviewResource) -> PreviewResource:
    return PreviewResource(name=name, type=type_, path=name, stack_name="s", nested=nested)


class Heat:
    """Answers previews, and remembers the requests."""

    def __init__(self, answer: StackPreview | Exception, name: str = "local") -> None:
        self.answer = answer
        self.name = name
        self.requests: list[StackRequest] = []
        self.default: Sequence[Mapping[str, Any]] | None = None

    def names(self, kind: str) -> tuple[str, ...]:
        return {"image": ("debian-12", "nano")}.get(kind, ())

    def default_rules(self) -> Sequence[Mapping[str, Any]] | None:
        return self.default

    def is_retired(self, resource_type: str) -> bool:
        return resource_type == "OS::Neutron::Pool"

    def updatable(self, resource_type: str) -> Mapping[str, bool]:
        return {}

    def preview(self, request: Any, *, name: str) -> StackPreview:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


APPS = tuple(
    server(str(n), f"apps.{n}", "s-apps", name=f"app-{n}", metadata={"role": "app"})
    for n in range(2)
)
PREVIEW = StackPreview(
    name="s",
    description="",
    resources=(
        resource("apps", "OS::Heat::ResourceGroup", *APPS),
        resource("fw", "OS::Neutron::SecurityGroup"),
        resource("net", "OS::Neutron::Net"),
        server("web", "web", "s"),
    ),
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "specs").mkdir()
    for name in ("test_all.py", "test_app.py"):
        (tmp_path / "specs" / name).write_text("def test_it(host): pass\n")
    (tmp_path / "app.sh").write_text("#!/bin/sh\n")
    (tmp_path / "stack.yaml").write_text(TEMPLATE)
    return tmp_path


def plan(tree: Path, heat: Heat, text: str = PIPELINE) -> PipelinePlan:
    pipeline = parse_pipeline(text, name="web", root=tree)
    definition: StackDefinition = pipeline.stack

    def load() -> StackRequest:
        return load_stack(definition, root=tree)

    return plan_pipeline(
        pipeline,
        root=tree,
        cloud=heat,
        load=load,
        name="infraci-plan-1",
    )


def test_servers_of_one_name_are_called_after_their_resources(tree: Path) -> None:
    twins = [server(str(n), f"apps.{n}", "s-apps", name="app", metadata={}) for n in range(2)]
    group = resource("apps", "OS::Heat::ResourceGroup", *twins)
    preview = StackPreview(name="s", description="", resources=(group, server("web", "web", "s")))
    planned = plan(tree, Heat(preview), PIPELINE.replace("app: [specs/test_app.py]", ""))
    assert [s.name for s in planned.servers] == ["app-apps.0", "app-apps.1", "s-web-…"]
    assert planned.notices[0].startswith('2 servers have the name "app": ')
    assert '"app-apps.0" and "app-apps.1"' in planned.notices[0]


def test_an_lfs_pointer_in_the_place_of_a_script(tree: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (tree / "app.sh").write_text(pointer)
    messages = [str(problem) for problem in plan(tree, Heat(PREVIEW)).problems]
    assert any("app.sh: is an LFS pointer" in message for message in messages)


def test_servers_with_all_that_matters(tree: Path) -> None:
    planned = plan(tree, Heat(PREVIEW))
    assert planned.problems == ()
    assert [(s.path, s.name, s.role, s.user) for s in planned.servers] == [
        ("apps.0", "app-0", "app", "debian"),
        ("apps.1", "app-1", "app", "debian"),
        ("web", "s-web-…", "web", "admin"),
    ]
    assert [s.networks for s in planned.servers] == [("net",), ("net",), ("net", "public")]
    assert [s.spec_files for s in planned.servers] == [2, 2, 2]
    assert planned.servers[0].specs == ("specs", "specs/test_app.py")
    assert [(s.name, s.servers) for s in planned.steps] == [
        ("cloud-init", ("apps.0", "apps.1", "web")),
        ("script app.sh", ("apps.0", "apps.1")),
    ]
    assert planned.notices == (
        'the security group "default" of "web" and "apps" lets in tcp/22 and ICMP on the embedded '
        "cloud; another cloud's does so only if its project has such rules "
        "(INFRACI_CLOUD_DEFAULT_GROUP=neutron takes them away here)",
    )


def test_a_server_that_nobody_could_log_in_to(tree: Path) -> None:
    """The key pair that Heat sees meanwhile is the run's, and not one that was given."""
    (tree / "stack.yaml").write_text(TEMPLATE.replace("key_name: {get_param: key_name}", "", 1))
    *_, notice = plan(tree, Heat(PREVIEW)).notices
    assert notice.startswith("infraci cannot log in to web: it has no key_name")


def test_heat_is_asked_without_a_key_pair(tree: Path) -> None:
    constraint = ", constraints: [{custom_constraint: nova.keypair}]"
    (tree / "stack.yaml").write_text(TEMPLATE.replace("type: string", f"type: string{constraint}"))
    heat = Heat(PREVIEW)
    plan(tree, heat)
    (request,) = heat.requests
    assert request.parameters["key_name"]
    assert "get_param" not in json.dumps(request.template)
    assert request.template["parameters"] == {"key_name": {"type": "string"}}


def test_a_key_pair_that_is_given_is_looked_for(tree: Path) -> None:
    heat = Heat(PREVIEW)
    plan(tree, heat, PIPELINE.replace("stack.yaml}", "stack.yaml, parameters: {key_name: mine}}"))
    (request,) = heat.requests
    assert request.parameters == {"key_name": "mine"}
    assert request.template["resources"]["web"]["properties"]["key_name"] == {
        "get_param": "key_name"
    }


def test_a_refusal_that_nothing_can_be_done_about_ends_the_questions(tree: Path) -> None:
    heat = Heat(RefusedError("no", reason="resources.web: no"))
    planned = plan(tree, heat)
    assert [str(problem) for problem in planned.problems] == ["stack.yaml:6:3: resources.web: no"]
    assert len(heat.requests) == 2


def test_everything_wrong_is_found_at_once(tree: Path) -> None:
    (tree / "specs" / "test_app.py").write_text("def\n")
    (tree / "app.sh").write_text("no interpreter\n")
    (tree / "stack.yaml").write_text("resources: [\n")
    files = {problem.file for problem in plan(tree, Heat(PREVIEW)).problems}
    assert files == {"specs/test_app.py", "app.sh", "stack.yaml"}


def test_roles_without_servers_are_problems(tree: Path) -> None:
    text = PIPELINE.replace("app: [specs", "ap: [specs")
    planned = plan(tree, Heat(PREVIEW), text)
    assert [str(problem) for problem in planned.problems] == [
        'pipelines/web.yaml: specs.ap: no server has the role "ap" (there are "app" and "web"); '
        'did you mean "app"?'
    ]


def test_servers_without_specs_and_unused_roles_are_told(tree: Path) -> None:
    text = PIPELINE.replace("all: [specs], ", "").replace("*-web-*", "*-wbe-*")
    notices = plan(tree, Heat(PREVIEW), text).notices
    assert (
        "no spec tests web: it has no role, and the pipeline has no specs for all servers"
        in notices
    )
    assert any(notice.startswith('no server has the role "web" (*-wbe-*)') for notice in notices)


def test_a_stack_without_servers(tree: Path) -> None:
    text = "stack: {template: stack.yaml}\nspecs: {all: [specs]}\n"
    planned = plan(tree, Heat(StackPreview(name="s", description="", resources=())), text)
    assert planned.problems == ()
    assert any(notice.startswith("the stack has no server") for notice in planned.notices)


def test_an_instance_with_the_names_of_aws_is_a_server(tree: Path) -> None:
    properties = {
        "ImageId": "debian-12",
        "InstanceType": "m1.small",
        "Tags": [{"Key": "role", "Value": "app"}],
    }
    instance = PreviewResource(
        name="one", type="AWS::EC2::Instance", path="one", stack_name="s", properties=properties
    )
    preview = StackPreview(name="s", description="", resources=(instance,))
    (planned,) = plan(tree, Heat(preview)).servers
    assert (planned.role, planned.image, planned.flavor) == ("app", "debian-12", "m1.small")


def test_specs_of_the_stack_itself(tree: Path) -> None:
    text = "stack: {template: stack.yaml}\nspecs: {stack: [specs]}\n"
    planned = plan(tree, Heat(StackPreview(name="s", description="", resources=())), text)
    assert planned.problems == ()
    assert "no spec" not in "".join(planned.notices)
    shown = as_text([planned], COMMIT, "local")
    assert f"    the stack  {len(list((tree / 'specs').rglob('test_*.py')))} file" in shown


def test_a_role_called_stack_is_not_mistaken_for_the_stack(tree: Path) -> None:
    text = PIPELINE.replace("app: [specs", "stack: [specs").replace(
        "roles: {web:", "roles: {stack:"
    )
    assert [str(problem) for problem in plan(tree, Heat(PREVIEW), text).problems] == [
        'pipelines/web.yaml: specs.stack: tests the stack itself, but "web" has the role "stack": '
        "give the server's role another name"
    ]


def test_a_cloud_that_does_not_answer_is_no_problem_of_the_files(tree: Path) -> None:
    with pytest.raises(CloudError):
        plan(tree, Heat(CloudError("no answer")))


def test_as_text(tree: Path) -> None:
    text = as_text([plan(tree, Heat(PREVIEW))], COMMIT, "local")
    assert text.startswith("commit 0123456789 Open the port (on local)\n\nweb  the web\n")
    assert "    apps  OS::Heat::ResourceGroup\n      0  OS::Nova::Server\n" in text
    assert "    apps.0  app  debian@app-0   debian-12  m1.small  net\n" in text
    assert "script app.sh  on  apps.0, apps.1" in text


def test_as_text_with_problems(tree: Path) -> None:
    (tree / "app.sh").write_text("no interpreter\n")
    text = as_text([plan(tree, Heat(PREVIEW))], COMMIT, "local")
    assert "  problem: app.sh:1: cannot be run" in text
    assert text.endswith("1 problem: nothing would be made")


def test_as_data_is_json(tree: Path) -> None:
    data = json.loads(json.dumps(as_data([plan(tree, Heat(PREVIEW))], COMMIT, "local")))
    assert data["pipelines"][0]["servers"][0]["role"] == "app"
    assert data["commit"]["sha"] == COMMIT.sha


def offline_cloud(tree: Path, answer: StackPreview | Exception) -> PipelinePlan:
    pipeline = parse_pipeline(PIPELINE, name="web", root=tree)
    return plan_pipeline(
        pipeline,
        root=tree,
        cloud=OfflineCloud(name="far", heat=Heat(answer), stand_in=lambda: Catalog(cloud="far")),
        load=lambda: load_stack(pipeline.stack, root=tree),
        name="s",
    )


def test_of_a_cloud_that_is_not_asked_all_is_shown_and_what_it_has_to_have_is_named(
    tree: Path,
) -> None:
    nics = [{"network": "public"}, {"network": "net"}, {"port": ""}]
    web = server("web", "web", "s", networks=nics, key_name="s")
    planned = offline_cloud(tree, replace(PREVIEW, resources=(*PREVIEW.resources[:-1], web)))
    assert [s.role for s in planned.servers] == ["app", "app", "web"]
    assert (planned.problems, planned.exit_code) == ((), ExitCode.PASSED)
    assert planned.notices[0].startswith("cloud far was not asked: ")
    needs = 'flavor "m1.small", image "debian-12", network "public"'
    assert planned.notices[1] == f"a run needs on cloud far: {needs}"


def test_what_is_wrong_is_told_without_the_cloud(tree: Path) -> None:
    (tree / "stack.yaml").write_text(TEMPLATE.replace("{get_resource: net}", "{get_resource: x}"))
    planned = offline_cloud(tree, RefusedError("no", reason="resources.web: no"))
    assert 'there is no resource "x"' in {problem.message for problem in planned.problems}
    assert planned.exit_code == ExitCode.FAILED


def test_a_hidden_value_is_not_shown(tree: Path) -> None:
    hidden = "{password: {type: string, hidden: true, default: s3cret-word}, key_name"
    (tree / "stack.yaml").write_text(TEMPLATE.replace("{key_name", hidden, 1))
    reason = "Property error: resources.web.properties.name: 's3cret-word' is wrong"
    (problem,) = plan(tree, Heat(RefusedError("no", reason=reason))).problems
    assert problem.message == "'******' is wrong"


def test_a_retired_type_is_refused_where_heat_takes_it(tree: Path) -> None:
    (tree / "stack.yaml").write_text(TEMPLATE.replace("OS::Neutron::Net", "OS::Neutron::Pool"))
    heat = Heat(PREVIEW, name="far")
    planned = plan(tree, heat)
    assert [str(problem) for problem in planned.problems] == [
        "stack.yaml:4:9: resources.net.type: OS::Neutron::Pool is retired: Heat makes a "
        "placeholder of it that does nothing"
    ]
    assert heat.requests[0].template["resources"]["net"] == {"type": "OS::Heat::None"}
