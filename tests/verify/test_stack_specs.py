"""Specs of the stack itself: once, with all its servers, and with a connection to the cloud."""

from __future__ import annotations

import pytest

from infraci.base.trust import VARIABLE
from infraci.errors import UsageError
from infraci.model.run import Outcome, Server, Testcase
from infraci.verify.cloud_access import connect
from infraci.verify.stack_view import Stack, StackResource
from tests.verify.conftest import SpecRunner

CLOUDS = """\
clouds:
  far: {auth: {auth_url: "https://far.test/v3", username: u, project_name: p}, region_name: North}
"""


def make_stack(*servers: Server, clouds_yaml: str = "") -> Stack:
    return Stack(
        run="r",
        pipeline="web",
        cloud="far",
        name="infraci-r",
        id="1",
        outputs={"url": "http://10.0.0.5"},
        resources={
            "net": StackResource(
                type="OS::Neutron::Net", status="CREATE_COMPLETE", physical_id="n1"
            )
        },
        servers=servers,
        clouds_yaml=clouds_yaml,
    )


def run_stack_specs(runner: SpecRunner, *servers: Server) -> dict[str, Testcase]:
    folder = runner.run_folder(servers[0] if servers else None)
    make_stack(*servers).write(folder)
    testcases = runner.specs.run(
        None, ("specs",), run_folder=folder, timeout_s=60, root=runner.tree, log=runner.log
    )
    assert {(case.server, case.role) for case in testcases} == {("", "stack")}
    return {case.name: case for case in testcases}


def test_a_stack_with_servers(runner: SpecRunner) -> None:
    runner.write(
        specs__test_stack="""
        def test_outputs(infraci_stack):
            assert infraci_stack.outputs == {"url": "http://10.0.0.5"}
            assert infraci_stack.resources["net"].type == "OS::Neutron::Net"

        def test_fails(infraci_stack):
            assert "missing" in infraci_stack.outputs

        def test_reached(host, infraci_server):
            assert host.check_output("echo here") == "here"
        """
    )
    results = run_stack_specs(runner, runner.sshd.named("web-0"), runner.sshd.named("db-0", "db"))
    assert {name: case.outcome for name, case in results.items()} == {
        "test_outputs": Outcome.PASSED,
        "test_fails": Outcome.FAILURE,
        "test_reached[web-0]": Outcome.PASSED,
        "test_reached[db-0]": Outcome.PASSED,
    }


def test_a_stack_without_servers_does_not_test_this_machine(runner: SpecRunner) -> None:
    runner.write(specs__test_it="def test_outputs(infraci_stack): assert infraci_stack.outputs\n")
    assert run_stack_specs(runner)["test_outputs"].outcome is Outcome.PASSED
    runner.write(specs__test_it="def test_here(host): assert host.file('/').exists\n")
    (result,) = run_stack_specs(runner).values()
    assert result.outcome is Outcome.FAILURE
    assert "the stack has no server for `host`" in result.message


def test_connection_of_openstacksdk(runner: SpecRunner) -> None:
    path = runner.folder / "clouds.yaml"
    path.write_text(CLOUDS)
    (runner.folder / "secure.yaml").write_text("clouds: {far: {auth: {password: s3cret}}}\n")
    connection = connect(make_stack(clouds_yaml=str(path)))
    assert connection.config.get_region_name() == "North"
    assert connection.config.get_auth_args()["password"] == "s3cret"


def test_an_untrusted_commit_gets_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    with pytest.raises(UsageError, match="untrusted commit"):
        connect(make_stack())
