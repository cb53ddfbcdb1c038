"""How servers talk to Heat: signals by signed addresses and by tokens, their own metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from openstack.connection import Connection

from tests.local.conftest import (
    create,
    hot,
    network,
    refusal,
    resource,
    server,
    settled,
    until,
)
from tests.local.test_cloud import booted, inside, outputs

pytestmark = pytest.mark.cloud


def on_net(**properties: Any) -> dict[str, Any]:
    """A server on the network of the template."""
    nic = {"network": {"get_resource": "net"}}
    return {**server(networks=[nic], **properties), "depends_on": "subnet"}


def user_data(script: str, **values: object) -> dict[str, object]:
    """A script as user data, with values put in."""
    filled = {"str_replace": {"template": f"#!/bin/sh\n{script}\n", "params": values}}
    return {"user_data_format": "RAW", "user_data": filled}


def status(cloud: Connection, server_id: str, curl: str) -> str:
    """The HTTP status that a server gets."""
    return inside(server_id, f"curl -s -o /dev/null -w '%{{http_code}}' {curl}; true")


def test_a_signed_address_signals_a_wait_condition_of_each_kind(cloud: Connection) -> None:
    script = """\
cat > /run/signal.sh <<'END'
curl -sS -X PUT -H 'Content-Type: ' --data-binary \
  '{"Status": "SUCCESS", "UniqueId": "a", "Data": "aws", "Reason": "up"}' 'AWS_URL'
END
sh /run/signal.sh
curl -sS -X PUT -H 'Content-Type: application/json' --data-binary \
  '{"status": "SUCCESS", "data": "heat"}' "$(echo 'SIGNAL' | grep -o 'http[^"]*')"
cat > /run/swift.sh <<'END'
SWIFT_CURL --data-binary '{"status": "SUCCESS", "data": "swift"}'
END
sh /run/swift.sh
"""
    values = {
        "AWS_URL": {"get_resource": "aws"},
        "SIGNAL": {"get_attr": ["heat", "signal"]},
        "SWIFT_CURL": {"get_attr": ["swift", "curl_cli"]},
    }
    template = hot(
        {
            **network(gateway_ip=None),
            "aws": resource("AWS::CloudFormation::WaitConditionHandle"),
            "aws_condition": resource(
                "AWS::CloudFormation::WaitCondition", Handle={"get_resource": "aws"}, Timeout=60
            ),
            "heat": resource("OS::Heat::WaitConditionHandle", signal_transport="CFN_SIGNAL"),
            "heat_condition": resource(
                "OS::Heat::WaitCondition", handle={"get_resource": "heat"}, timeout=60
            ),
            "swift": resource("OS::Heat::SwiftSignalHandle"),
            "swift_signal": resource(
                "OS::Heat::SwiftSignal", handle={"get_resource": "swift"}, timeout=60
            ),
            "web": on_net(**user_data(script, **values)),
        },
        outputs={
            "swift": {"value": {"get_attr": ["swift_signal", "data"]}},
            "aws": {"value": {"get_attr": ["aws_condition", "Data"]}},
            "heat": {"value": {"get_attr": ["heat_condition", "data"]}},
        },
    )
    stack = create(cloud, "signed", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert json.loads(outputs(stack)["aws"]) == {"a": "aws"}
    assert json.loads(outputs(stack)["heat"]) == {"1": "heat"}
    assert json.loads(outputs(stack)["swift"]) == {"1": "swift"}
    (web,) = cloud.compute.servers()
    booted(cloud, web.id)
    forged = "$(grep -o 'http[^'\"'\"']*' /run/signal.sh | sed 's/Signature=./Signature=_/')"
    put = "-X PUT -H 'Content-Type: application/json' --data-binary '{}'"
    assert status(cloud, web.id, f'{put} "{forged}"') == "403"
    temporary = "$(grep -o 'http[^'\"'\"']*' /run/swift.sh)"
    assert status(cloud, web.id, f'"{temporary}"') == "401"
    assert status(cloud, web.id, f'"{temporary.replace("$(", "$(dirname $(")})"') == "403"


def test_a_signed_address_scales_a_group(cloud: Connection) -> None:
    template = hot(
        {
            "group": resource(
                "OS::Heat::AutoScalingGroup",
                min_size=1,
                max_size=3,
                resource=resource("OS::Heat::RandomString"),
            ),
            "up": resource(
                "OS::Heat::ScalingPolicy",
                adjustment_type="change_in_capacity",
                auto_scaling_group_id={"get_resource": "group"},
                scaling_adjustment=1,
            ),
        },
        outputs={
            "url": {"value": {"get_attr": ["up", "alarm_url"]}},
            "size": {"value": {"get_attr": ["group", "current_size"]}},
        },
    )
    stack = create(cloud, "scaled", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    # The gateway is there while networks are; the signature is for its name.
    url = urlsplit(outputs(stack)["url"])
    here = urlsplit(cloud.config.get_endpoint_from_catalog("orchestration", "public"))
    signal = urlunsplit(url._replace(netloc=here.netloc))
    assert requests.post(signal, headers={"Host": url.netloc}, timeout=30).ok

    def size() -> object:
        return outputs(cloud.orchestration.get_stack(stack.id))["size"]

    until(lambda: size() == 2)
    stack = settled(cloud, stack.id)
    forged = signal.replace("Signature=", "Signature=x")
    assert requests.post(forged, headers={"Host": url.netloc}, timeout=30).status_code == 403
    assert size() == 2


def test_a_server_reads_its_own_resource_and_reaches_nothing_else(cloud: Connection) -> None:
    template = hot(
        {
            **network(gateway_ip=None),
            "web": on_net(
                user_data_format="SOFTWARE_CONFIG", software_config_transport="POLL_SERVER_HEAT"
            ),
            "other": on_net(
                user_data_format="SOFTWARE_CONFIG", software_config_transport="POLL_SERVER_HEAT"
            ),
        },
        outputs={"heat": {"value": {"get_attr": ["web", "os_collect_config", "heat"]}}},
    )
    stack = create(cloud, "own", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    own = outputs(stack)["heat"]
    (web, _) = cloud.compute.servers()
    booted(cloud, web.id)
    token = _token(web.id, own)
    base = own["auth_url"].removesuffix("/identity/v3")
    mine = f"{base}/orchestration/v1/{own['project_id']}/stacks/{own['stack_id']}/resources"
    asks = f"-H 'X-Auth-Token: {token}'"
    answer = inside(web.id, f"curl -s {asks} {mine}/web/metadata")
    assert json.loads(answer)["metadata"]["os-collect-config"]["heat"]["user_id"] == own["user_id"]
    assert status(cloud, web.id, f"{asks} {mine}/other/metadata") == "403"
    assert status(cloud, web.id, f"{mine}/web/metadata") == "401"
    assert status(cloud, web.id, f"{asks} {mine}/web") == "403"
    assert status(cloud, web.id, f"{asks} {base}/compute/v2.1/servers") == "403"


def _token(server_id: str, own: Mapping[str, str]) -> str:
    user = {"id": own["user_id"], "password": own["password"]}
    body = json.dumps({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}})
    curl = "curl -s -o /dev/null -D - -H 'Content-Type: application/json'"
    headers = inside(server_id, f"{curl} -d '{body}' {own['auth_url']}/auth/tokens")
    values = dict(line.split(": ", 1) for line in headers.splitlines() if ": " in line)
    return {key.lower(): value for key, value in values.items()}["x-subject-token"]


@pytest.mark.parametrize("transport", ["TEMP_URL_SIGNAL", "ZAQAR_SIGNAL"])
def test_transports_that_need_other_services_are_refused(cloud: Connection, transport: str) -> None:
    handle = resource("OS::Heat::WaitConditionHandle", signal_transport=transport)
    assert transport in refusal(cloud, hot({"handle": handle}))
