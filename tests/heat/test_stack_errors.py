"""A stack that failed: which resources, whose failure it is, and what the servers show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from infraci.base.deadline import Deadline
from infraci.errors import ExitCode, PhaseTimeoutError
from infraci.heat import StackFailedError
from infraci.heat.reasons import plain_reason
from tests.heat.fakes import (
    Answer,
    event_entry,
    fake_cloud,
    links,
    resource_entry,
    stack_entry,
)

FAULT = "No valid host was found. There are not enough hosts available."
FAILED, UNTESTABLE = ExitCode.FAILED, ExitCode.UNTESTABLE
NET_ID = "0dd0c1d4-5e1f-4c3b-9a51-2d9f3c0e7a10"
TIMED_OUT = 'CREATE aborted (Task create from Server "web" Timed out)'


def entry(name: str, type_: str, reason: str = "", **more: Any) -> dict[str, Any]:
    """A resource that failed, if for a reason."""
    status = "CREATE_FAILED" if reason else "CREATE_COMPLETE"
    entry = resource_entry(name, status, resource_status_reason=reason, **more)
    return {**entry, "resource_type": type_}


def server(status: str = "ACTIVE", **more: Any) -> dict[str, Any]:
    return {"id": "id1", "name": "web-0", "status": status, **more}


def ended(
    resources: Sequence[Mapping[str, Any]],
    *servers: Mapping[str, Any],
    console: str = "",
    status: str = "CREATE_FAILED",
    reason: str = "Resource CREATE failed",
    events: Sequence[Mapping[str, Any]] = (),
    nova_is_down: bool = False,
    printed: Mapping[str, str] | None = None,
) -> Exception:
    """How the wait for a stack ended that has these resources, on a cloud with these servers.

    ``printed`` is the output of its software deployments.
    """

    def heat(method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if path.endswith("/events"):
            return 200, {"events": list(events)}
        if path.endswith("/resources"):
            return 200, {"resources": list(resources)}
        if path.startswith("/software_deployments/"):
            output = {"output_values": printed}
            return (200, {"software_deployment": output}) if printed is not None else (404, None)
        return 200, stack_entry(status, stack_status_reason=reason)

    def nova(method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if nova_is_down:
            return 404, None
        if path.endswith("/action"):
            return 200, {"output": console}
        return 200, {"servers": list(servers)}

    cloud, _, clock = fake_cloud(heat, nova)
    deadline = Deadline(60, clock=clock, sleep=clock.sleep, phase="the provision phase")
    with pytest.raises((StackFailedError, PhaseTimeoutError)) as caught:
        cloud.wait("s-1", deadline=deadline)
    return caught.value


def failure(resources: Sequence[Mapping[str, Any]], *servers: Any, **more: Any) -> StackFailedError:
    """The error of a stack that failed."""
    error = ended(resources, *servers, **more)
    assert isinstance(error, StackFailedError)
    return error


def ready(reason: str = "WaitConditionTimeout: resources.ready: 0 of 1 received") -> dict[str, Any]:
    return entry("ready", "OS::Heat::WaitCondition", reason)


WEB = entry("web", "OS::Nova::Server", physical_resource_id="id1")


def test_a_server_in_error() -> None:
    reason = 'ResourceInError: resources.web: Went to status ERROR due to "Unknown"'
    web = entry("web", "OS::Nova::Server", reason, physical_resource_id="id1")
    lines = "\n".join(f"line {number}" for number in range(50))
    error = failure([web], server("ERROR", fault={"message": FAULT}), console=lines)
    assert (error.category, error.exit_code) == ("no valid host", UNTESTABLE)
    assert error.message.endswith(f'Went to status ERROR due to "Unknown"; Nova says: {FAULT}')
    assert f"server web is ERROR: {FAULT}" in error.details
    assert error.details.splitlines()[-1] == "line 49"
    assert "line 34" not in error.details


def test_a_value_of_the_template_that_a_service_finds_wrong() -> None:
    reason = (
        "BadRequest: resources.web: Flavor's disk is too small for requested image. (HTTP 400) "
        "(Request-ID: req-1-2)"
    )
    error = failure([entry("web", "OS::Nova::Server", reason)])
    assert (error.category, error.exit_code) == ("template", FAILED)
    (web,) = error.failures
    assert web.message == "web (OS::Nova::Server): Flavor's disk is too small for requested image"
    assert error.message == f"cannot create stack web: {web.message}"
    assert web.details.startswith(reason)


def test_what_holds_the_failed_and_what_was_aborted_because_of_it_are_no_failures() -> None:
    group = entry("group", "OS::Heat::ResourceGroup", "x", links=links("web", "web-group"))
    port = entry(
        "port",
        "OS::Neutron::Port",
        "OverQuotaClient: resources.port: Quota exceeded for: ['port']",
        links=links("web-group"),
    )
    other = entry("other", "OS::Heat::Delay", "CREATE aborted (user triggered cancel)")
    error = failure([other, group, port])
    (only,) = error.failures
    assert (only.name, only.category, only.exit_code) == ("group.port", "quota", UNTESTABLE)


def test_a_build_that_nova_aborted_is_no_abortion_of_heats() -> None:
    reason = "ResourceInError: resources.web: Build of instance 1 aborted: Failed to allocate"
    error = failure([entry("web", "OS::Nova::Server", reason), ready()])
    assert {failed.name for failed in error.failures} == {"web", "ready"}


def test_each_failed_resource_is_checked_and_a_failure_of_the_commit_decides() -> None:
    quota = "OverQuotaClient: resources.a: Quota exceeded for resources: ['network']."
    taken = "Conflict: resources.b: Key pair 'k' already exists. (HTTP 409)"
    resources = [entry("a", "OS::Neutron::Net", quota), entry("b", "OS::Nova::KeyPair", taken)]
    events = [event_entry(0, "a", "CREATE_FAILED"), event_entry(1, "b", "CREATE_FAILED")]
    error = failure(resources, events=events)
    assert [(f.name, f.category, f.exit_code) for f in error.failures] == [
        ("a", "quota", UNTESTABLE),
        ("b", "template", FAILED),
    ]
    assert (error.exit_code, error.category) == (FAILED, "template")
    assert "b (OS::Nova::KeyPair): Key pair 'k' already exists (and 1 more)" in error.message


@pytest.mark.parametrize(("made", "exit_code"), [(NET_ID, UNTESTABLE), ("another", FAILED)])
def test_what_vanishes_is_the_clouds_if_the_cloud_made_it(made: str, exit_code: ExitCode) -> None:
    port = entry(
        "port",
        "OS::Neutron::Port",
        f"NotFound: resources.port: Network {NET_ID} could not be found.",
    )
    error = failure([entry("net", "OS::Neutron::Net", physical_resource_id=made), port])
    assert (error.category, error.exit_code) == ("not found", exit_code)


def test_the_name_of_a_key_pair_is_no_id() -> None:
    taken = "Conflict: resources.b: Key pair 'deploy' already exists. (HTTP 409)"
    pairs = [
        entry("a", "OS::Nova::KeyPair", physical_resource_id="deploy"),
        entry("b", "OS::Nova::KeyPair", taken),
    ]
    assert failure(pairs).exit_code is FAILED


def test_members_with_random_names_are_called_alike() -> None:
    group = entry("group", "OS::Heat::AutoScalingGroup", "x", links=links("web", "web-group"))
    member = entry("qwert2345abc", "OS::Nova::Server", "no", links=links("web-group"))
    (only,) = failure([group, member]).failures
    assert only.name == "group.*"
    assert only.message.startswith("group.qwert2345abc (OS::Nova::Server)")


def test_unknown_words_blame_no_commit() -> None:
    error = failure([entry("x", "OS::Heat::Value", "KeyError: resources.x: 'a'")])
    assert (error.category, error.exit_code) == ("", UNTESTABLE)
    assert "x (OS::Heat::Value): KeyError: 'a'" in error.message


def test_a_stack_whose_resources_tell_nothing_is_checked_by_its_own_reason() -> None:
    reason = "Resource CREATE failed: BadRequest: resources.k: Keypair data is invalid (HTTP 400)"
    error = failure([], reason=reason)
    assert (error.failures, error.category, error.exit_code) == ((), "template", FAILED)
    assert error.message == "cannot create stack web: Keypair data is invalid"


# Signals


def test_a_signal_that_never_came_shows_the_servers_consoles() -> None:
    error = failure([ready(), WEB], server(), console="Cloud-init finished")
    assert (error.category, error.exit_code) == ("signal", FAILED)
    assert "ready (OS::Heat::WaitCondition): 0 of 1 signals came in time" in error.message
    assert "server web is ACTIVE" in error.details
    assert error.failures[0].details.endswith("Cloud-init finished")


def test_a_signal_that_tells_of_a_failure() -> None:
    error = failure([ready("WaitConditionFailure: resources.ready: the disk is full"), WEB])
    assert "a signal tells of a failure: the disk is full" in error.message


@pytest.mark.parametrize("servers", [[], [server("SHUTOFF")], [server("ERROR")]])
def test_a_server_that_is_lost_can_send_no_signal(servers: list[Any]) -> None:
    error = failure([ready(), WEB], *servers)
    assert (error.category, error.exit_code) == ("guest", UNTESTABLE)
    assert "0 of 1 signals came in time; server web" in error.message


def test_a_server_whose_boot_ended_badly_can_send_no_signal() -> None:
    panic = "[ 1.2] Kernel panic - not syncing: VFS: Unable to mount root fs"
    error = failure([ready(), WEB], server(), console=f"booting\n{panic}\n")
    assert (error.category, error.exit_code) == ("guest", UNTESTABLE)
    assert f"; the console of web says: {panic}" in error.message


def test_servers_that_nova_does_not_tell_of_are_not_taken_for_lost() -> None:
    assert failure([ready(), WEB], nova_is_down=True).exit_code is FAILED


def test_a_mirror_that_the_console_shows_as_unreachable() -> None:
    line = "Err:1 http://deb.debian.org Temporary failure resolving 'deb.debian.org'"
    error = failure([ready(), WEB], server(), console=f"first\n{line}\nlast")
    assert (error.category, error.exit_code) == ("outside", UNTESTABLE)
    assert f"the console of web shows: {line}" in error.message


def test_a_mirror_that_the_signal_tells_of() -> None:
    reason = "WaitConditionFailure: resources.ready: Temporary failure resolving 'deb.debian.org'"
    error = failure([ready(reason), WEB], server())
    assert (error.category, error.exit_code) == ("outside", UNTESTABLE)


# Deployments


def deployed() -> dict[str, Any]:
    reason = (
        "Error: resources.d: Deployment to server failed: deploy_status_code : Deployment exited "
        "with non-zero status code: 1"
    )
    return entry("d", "OS::Heat::SoftwareDeployment", reason, physical_resource_id="d-1")


def test_a_deployment_that_failed_shows_what_it_printed() -> None:
    printed = {"deploy_stdout": "begun\n", "deploy_stderr": "+ cp a b\ncp: cannot stat 'a'\n"}
    error = failure([deployed(), WEB], server(), printed=printed)
    assert (error.category, error.exit_code) == ("signal", FAILED)
    assert error.message.endswith("exited with non-zero status code: 1: cp: cannot stat 'a'")
    assert "the end of its stdout:\nbegun\n" in error.failures[0].details
    assert "the end of its stderr:\n+ cp a b\ncp: cannot stat 'a'\n" in error.failures[0].details


@pytest.mark.parametrize("printed", [None, {}])
def test_a_deployment_that_printed_nothing(printed: Mapping[str, str] | None) -> None:
    error = failure([deployed(), WEB], server(), printed=printed)
    assert error.message.endswith("Deployment exited with non-zero status code: 1")
    assert "the end of its std" not in error.failures[0].details


def test_a_mirror_that_a_deployment_shows_as_unreachable() -> None:
    line = (
        "E: Failed to fetch http://deb.debian.org/x  Temporary failure resolving 'deb.debian.org'"
    )
    printed = {"deploy_stdout": "Reading package lists...\n", "deploy_stderr": f"{line}\n"}
    error = failure([deployed(), WEB], server(), printed=printed)
    assert (error.category, error.exit_code) == ("outside", UNTESTABLE)
    assert error.message.endswith(f"status code: 1: {line}")


def test_a_mirror_that_another_script_did_not_reach_is_not_to_blame_for_a_deployment() -> None:
    console = "Could not resolve host: github.com"
    error = failure([deployed(), WEB], server(), console=console, printed={"deploy_stderr": "no"})
    assert (error.category, error.exit_code) == ("signal", FAILED)


# Time


def in_progress(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {**resource, "resource_status": "CREATE_IN_PROGRESS"}


def late(*resources: Mapping[str, Any], **more: Any) -> Exception:
    return ended([*resources, WEB], server(), status="CREATE_IN_PROGRESS", **more)


def test_time_that_ends_while_only_a_signal_is_awaited() -> None:
    error = late(in_progress(ready()))
    assert isinstance(error, StackFailedError)
    assert (error.category, error.exit_code) == ("signal", FAILED)
    assert error.message.startswith("cannot finish the provision phase in 60 s: still waiting")
    (only,) = error.failures
    assert only.message == "ready (OS::Heat::WaitCondition): no signal came in time"


def test_time_that_ends_while_the_cloud_is_still_at_work() -> None:
    net = in_progress(entry("net", "OS::Neutron::Net"))
    error = late(in_progress(ready()), net)
    assert isinstance(error, PhaseTimeoutError)
    assert error.message.endswith("ready, net")


def test_time_that_ends_while_a_mirror_is_unreachable() -> None:
    error = late(in_progress(ready()), console="Could not resolve host: github.com")
    assert isinstance(error, StackFailedError)
    assert (error.category, error.exit_code) == ("outside", UNTESTABLE)


def test_heats_own_time_that_ends_while_it_still_builds() -> None:
    web = entry("web", "OS::Nova::Server", TIMED_OUT)
    error = failure([web, ready(TIMED_OUT)], reason="Create timed out")
    (only,) = error.failures
    assert (only.name, only.category, only.exit_code) == ("web", "timeout", UNTESTABLE)
    assert only.message == "web (OS::Nova::Server): it was not made in time"


def test_heats_own_time_that_ends_while_a_signal_is_awaited() -> None:
    error = failure([ready(TIMED_OUT), WEB], server(), reason="Create timed out")
    assert (error.category, error.exit_code) == ("signal", FAILED)


@pytest.mark.parametrize(
    ("reason", "plain"),
    [
        ("Conflict: resources.a: Port 1 is in use.\nNeutron server returns request_ids: ['r']",
         "Port 1 is in use"),
        ("Resource CREATE failed: NotFound: resources.a.resources[0].b: no", "NotFound: no"),
        ("BadRequest: resources.web: Image x could not be found. (HTTP 400) (Request-ID: req-1)",
         "Image x could not be found"),
        ("Error: resources.d: Deployment to server failed: deploy_status_code : 1",
         "Deployment to server failed: deploy_status_code : 1"),
        ("WaitConditionTimeout: resources.r: 1 of 2 received - done",
         "1 of 2 signals came in time (done)"),
        ("WaitConditionFailure: resources.r: ", "a signal tells of a failure: no reason is given"),
        ("because", "because"),
        ("", ""),
    ],
)  # fmt: skip
def test_reasons_are_the_ends_of_sentences(reason: str, plain: str) -> None:
    assert plain_reason(reason) == plain
