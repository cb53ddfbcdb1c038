"""Whose failure it is: what the commit asks for wrongly fails it, what the cloud does is an error.

All of it is Heat's own, with its clients for the services; what a service cannot be made to say
is put in its mouth by a proxy between the two.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from infraci.errors import ExitCode
from infraci.model.run import ErrorKind, Outcome, Phase, RunRecord, Testcase, Verdict
from tests.clouds import CloudUnderTest
from tests.faults.fakes import TEMPLATE, ProxiedCloud
from tests.faults.proxy import Answer, Ask, Fault, Plan, error, late, reset

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(240)]

STACKS = "POST /orchestration/v1/ID/stacks"
NETWORKS = "POST /network/v2.0/networks"
SERVER = "GET /compute/v2.1/servers/ID"
_JSON = (("Content-Type", "application/json"),)
#: A public key; nothing is ever logged in to with it.
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPwY9z0zXw2bVgZgmqVIHkGYb0pTt1V2vP0BxjL0n1Qf x"


def always(fault: Fault, call: str) -> Plan:
    """A fault that does not pass."""
    return Plan(fault=fault, spoils=lambda seen: str(seen) == call, times=math.inf)


def over_quota(ask: Ask) -> Answer:
    """Neutron's refusal of one network too many."""
    message = "Quota exceeded for resources: ['network']."
    body = {"NeutronError": {"type": "OverQuota", "message": message, "detail": ""}}
    return Answer(status=409, headers=_JSON, body=json.dumps(body).encode())


def no_valid_host(ask: Ask) -> Answer:
    """Nova's answer for a server that no host takes."""
    answer = ask()
    if answer.status != 200:
        return answer
    body = json.loads(answer.body)
    fault = {"code": 500, "message": "No valid host was found. There are not enough hosts."}
    body["server"] |= {"status": "ERROR", "fault": fault}
    return replace(answer, body=json.dumps(body).encode())


def with_resources(**resources: Mapping[str, Any]) -> Any:
    """The template with more resources."""
    return {**TEMPLATE, "resources": {**TEMPLATE["resources"], **resources}}  # type: ignore[dict-item]


def resource(type_: str, *after: str, **properties: Any) -> dict[str, Any]:
    made = {"type": type_, "properties": properties}
    return {**made, "depends_on": list(after)} if after else made


NET = {"get_resource": "net"}


def server(**more: Any) -> dict[str, Any]:
    properties = {"image": "debian-12", "flavor": "m1.tiny", "networks": [{"network": NET}]}
    return resource("OS::Nova::Server", "subnet", **properties | more)


#: The one address of all ports.
ADDRESS = "10.11.12.9"


def port(*after: str) -> dict[str, Any]:
    return resource("OS::Neutron::Port", *after, network=NET, fixed_ips=[{"ip_address": ADDRESS}])


def condition(*after: str, timeout: int = 2) -> dict[str, Mapping[str, Any]]:
    """A wait condition and its handle."""
    return {
        "handle": resource("OS::Heat::WaitConditionHandle"),
        "ready": resource(
            "OS::Heat::WaitCondition", *after, handle={"get_resource": "handle"}, timeout=timeout
        ),
    }


def bad(record: RunRecord) -> list[Testcase]:
    """The testcases that tell of a failure or an error."""
    return [case for case in record.testcases if case.outcome in (Outcome.FAILURE, Outcome.ERROR)]


def is_error(
    record: RunRecord, category: str, kind: ErrorKind = ErrorKind.INFRASTRUCTURE
) -> Testcase:
    """Assert that a run ended with an error that blames no commit; returns its testcase."""
    assert record.verdict is Verdict.ERROR
    assert record.verdict.exit_code is ExitCode.UNTESTABLE
    (case,) = bad(record)
    assert (case.outcome, case.kind) == (Outcome.ERROR, kind)
    (failure,) = [r.failure for r in record.phases if r.phase is Phase.PROVISION and r.failure]
    assert (case.category, failure.category) == (category, category)
    assert not any(result.failure and result.failure.blames for result in record.phases)
    return case


def is_failure(record: RunRecord, category: str) -> Testcase:
    """Assert that a run failed by its commit; returns the testcase that did."""
    assert record.verdict is Verdict.FAILED
    assert record.verdict.exit_code is ExitCode.FAILED
    (case,) = bad(record)
    assert (case.outcome, case.kind, case.category) == (Outcome.FAILURE, None, category)
    (failure,) = [result.failure for result in record.phases if result.failure]
    assert (failure.blames, failure.category) == (True, category)
    return case


# Errors of the cloud


@pytest.mark.parametrize(
    ("fault", "category"),
    [
        (error(500), "api"),
        (error(503), "api"),
        (error(504), "api"),
        (reset, "api"),
        (over_quota, "quota"),
    ],
    ids=["500", "503", "504", "reset", "quota"],
)
def test_a_service_fails_heat(near: ProxiedCloud, fault: Fault, category: str) -> None:
    record = near.run(Plan(), within=always(fault, NETWORKS))
    case = is_error(record, category)
    assert case.nodeid == "provision: resource net"
    assert case.message.startswith("net (OS::Neutron::Net): ")
    assert near.left(record) == ()


@pytest.mark.parametrize(
    "fault", [error(500), reset, late(8)], ids=["500", "reset", "no answer in time"]
)
def test_heat_fails_infraci(near: ProxiedCloud, fault: Fault) -> None:
    record = near.run(always(fault, STACKS), timeout_s=3)
    case = is_error(record, "api")
    assert case.nodeid == "provision: stack"
    near.remove(record)
    assert near.left(record) == ()


def test_no_host_takes_a_server(near: ProxiedCloud) -> None:
    template = with_resources(web=server())
    record = near.run(Plan(), within=always(no_valid_host, SERVER), template=template)
    case = is_error(record, "no valid host")
    assert case.nodeid == "provision: resource web"
    assert near.left(record) == ()


@pytest.mark.parametrize("verb", ["delete", "stop"])
def test_a_server_is_lost_while_its_signal_is_awaited(
    near: ProxiedCloud, near_cloud: CloudUnderTest, verb: str
) -> None:
    compute: Any = near_cloud.connection.compute
    lost: list[str] = []

    def lose(ask: Ask) -> Answer:
        for active in [s for s in compute.servers() if s.status == "ACTIVE" and not lost]:
            lost.append(active.id)
            if verb == "delete":
                compute.delete_server(active)
                compute.wait_for_delete(active)
            else:
                compute.stop_server(active)
        return ask()

    template = with_resources(web=server(), **condition("web", timeout=8))
    stack = "GET /orchestration/v1/ID/stacks/ID/ID"
    record = near.run(always(lose, stack), template=template)
    assert lost
    case = is_error(record, "guest")
    assert case.nodeid == "provision: resource ready"
    assert "0 of 1 signals came in time; server web is " in case.message
    assert near.left(record) == ()


# Failures of the commit


@pytest.mark.parametrize(
    ("resources", "category", "name", "words"),
    [
        ({"web": server(image="debian-99")}, "not found", "web", "debian-99"),
        ({"web": server(networks=[{"network": "nowhere"}])}, "not found", "web", "nowhere"),
        ({"other": resource("OS::Neutron::Net", nmae="x")}, "template", "other", "nmae"),
        ({"more": resource("OS::Neutron::Subnet", network=NET, cidr="10.0.0.0/33")},
         "template", "more", "10.0.0.0/33"),
        ({"more": resource("OS::Neutron::Subnet", "subnet", network=NET, cidr="10.11.12.0/25")},
         "template", "more", "overlaps with another subnet"),
        ({"one": port("subnet"), "two": port("one")}, "template", "two", ADDRESS),
        ({"one": resource("OS::Nova::KeyPair", name="same", public_key=KEY),
          "two": resource("OS::Nova::KeyPair", "one", name="same", public_key=KEY)},
         "template", "two", "Key pair 'same' already exists"),
        ({"one": port("subnet"),
          "group": resource("OS::Heat::ResourceGroup", "one", count=1, resource_def=port())},
         "template", "group.0", ADDRESS),
        (condition(), "signal", "ready", "0 of 1 signals came in time"),
    ],
    ids=["image", "network", "property", "CIDR", "overlap", "address", "name", "nested", "signal"],
)  # fmt: skip
def test_the_template_asks_for_what_cannot_be(
    near: ProxiedCloud, resources: Mapping[str, Any], category: str, name: str, words: str
) -> None:
    record = near.run(Plan(), template=with_resources(**resources))
    case = is_failure(record, category)
    assert case.nodeid == f"provision: resource {name}"
    assert case.message.startswith(f"{name} (")
    assert words in case.message
    assert near.left(record) == ()


def test_a_server_signals_failure(near: ProxiedCloud) -> None:
    script = '#!/bin/sh\nNOTIFY --data-binary \'{"status": "FAILURE", "reason": "no disk"}\'\n'
    user_data = {"template": script, "params": {"NOTIFY": {"get_attr": ["handle", "curl_cli"]}}}
    web = server(user_data_format="RAW", user_data={"str_replace": user_data})
    record = near.run(Plan(), template=with_resources(web=web, **condition(timeout=60)))
    case = is_failure(record, "signal")
    assert case.nodeid == "provision: resource ready"
    assert case.message.endswith("a signal tells of a failure: no disk")
    assert "the end of its console:" in case.text


def test_a_server_signals_failure_for_want_of_a_mirror(near: ProxiedCloud) -> None:
    script = """\
#!/bin/sh
echo 'options timeout:1 attempts:1' >>/etc/resolv.conf
curl --fail --remote-name http://deb.debian.org/cow.deb && exit 0
NOTIFY --data-binary '{"status": "FAILURE", "reason": "no cow"}'
exit 1
"""
    user_data = {"template": script, "params": {"NOTIFY": {"get_attr": ["handle", "curl_cli"]}}}
    web = server(user_data_format="RAW", user_data={"str_replace": user_data})
    record = near.run(Plan(), template=with_resources(web=web, **condition(timeout=60)))
    case = is_error(record, "outside", ErrorKind.OUTSIDE)
    assert case.nodeid == "provision: resource ready"
    assert "a signal tells of a failure: no cow; the console of web shows: curl: " in case.message


def test_time_is_over_while_only_a_signal_is_awaited(near: ProxiedCloud) -> None:
    record = near.run(Plan(), template=with_resources(**condition(timeout=3600)), timeout_s=4)
    case = is_failure(record, "signal")
    assert case.message == "ready (OS::Heat::WaitCondition): no signal came in time"
