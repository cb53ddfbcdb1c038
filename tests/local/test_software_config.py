"""Software deployments: Heat's own agents in the servers apply them, and signal how they ended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import ConflictException

from tests.local.conftest import create, hot, network, refusal, resource, server, settled, until
from tests.local.test_cloud import inside, outputs

pytestmark = pytest.mark.cloud


def agent_server(**properties: Any) -> dict[str, Any]:
    """A server on the network of the template, with agents."""
    nic = {"network": {"get_resource": "net"}}
    made = server(networks=[nic], user_data_format="SOFTWARE_CONFIG", **properties)
    return {**made, "depends_on": "subnet"}


def config(group: str, text: object, **properties: object) -> dict[str, Any]:
    """A software config."""
    kind = "Software" if isinstance(text, str) else "Structured"
    return resource(f"OS::Heat::{kind}Config", group=group, config=text, **properties)


def deployment(config: str, server: str, kind: str = "Software", **properties: Any) -> Any:
    """A deployment of a config to a server."""
    return resource(
        f"OS::Heat::{kind}Deployment",
        config={"get_resource": config},
        server={"get_resource": server},
        **properties,
    )


WORD = """\
#!/bin/sh
echo "making for $who"
echo "no harm" >&2
printf %s "word-of-$who" > $heat_outputs_path.word
"""
USE = '#!/bin/sh\nprintf \'%s %s\' "$word" "$deploy_action" > /run/used\n'
PLAY = """\
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - copy: {content: "{{ word }}", dest: /run/played}
    - copy: {content: "played", dest: "{{ heat_outputs_path }}.result"}
"""
MANIFEST = "file { '/run/manifested': content => $facts['word'] }\n"
SETTINGS = {"/run/settings.json": {"w": {"get_input": "word"}}}
FAIL = "#!/bin/sh\necho 'all is well'\necho 'disk on fire' >&2\nexit 3\n"
LEAVE = '#!/bin/sh\necho "$deploy_action" >> /run/actions\n'


def template() -> dict[str, Any]:
    """Three servers, one for each transport, with deployments of each kind."""
    word = {"get_attr": ["make", "word"]}
    return hot(
        {
            **network(gateway_ip=None),
            "web": agent_server(name="web"),
            "db": {
                **agent_server(name="db", software_config_transport="POLL_SERVER_HEAT"),
                "metadata": {"os-collect-config": {"polling_interval": 1}},
            },
            "cache": agent_server(name="cache", software_config_transport="POLL_TEMP_URL"),
            "make_config": config(
                "script",
                WORD,
                inputs=[{"name": "who", "default": "nobody"}],
                outputs=[{"name": "word"}],
            ),
            "use_config": config("script", USE, inputs=[{"name": "word"}]),
            "play_config": config("ansible", PLAY, outputs=[{"name": "result"}]),
            "file_config": config(
                "json-file", {"/run/settings.json": {"w": {"get_input": "word"}}}
            ),
            "puppet_config": config("puppet", MANIFEST),
            "apply_config": config("os-apply-config", {"word": {"get_input": "word"}}),
            "leave_config": config("script", LEAVE),
            "quiet_config": config("script", LEAVE.replace("actions", "quiet")),
            "make": deployment("make_config", "db", input_values={"who": "db"}),
            "polled": deployment(
                "make_config",
                "cache",
                input_values={"who": "cache"},
                signal_transport="TEMP_URL_SIGNAL",
            ),
            "use": deployment(
                "use_config", "web", input_values={"word": word}, signal_transport="HEAT_SIGNAL"
            ),
            "play": deployment("play_config", "web", input_values={"word": word}),
            "file": deployment(
                "file_config", "web", kind="Structured", input_values={"word": word}
            ),
            "puppet": deployment("puppet_config", "web", input_values={"word": word}),
            "apply": deployment(
                "apply_config", "web", kind="Structured", input_values={"word": word}
            ),
            "leave": deployment(
                "leave_config", "db", actions=["CREATE", "SUSPEND", "RESUME", "DELETE"]
            ),
            "quiet": deployment("quiet_config", "web", signal_transport="NO_SIGNAL"),
            "all": resource(
                "OS::Heat::SoftwareDeploymentGroup",
                config={"get_resource": "make_config"},
                servers={"a": {"get_resource": "web"}, "b": {"get_resource": "db"}},
                input_values={"who": "all"},
            ),
        },
        outputs={
            "stdout": {"value": {"get_attr": ["make", "deploy_stdout"]}},
            "stderr": {"value": {"get_attr": ["make", "deploy_stderr"]}},
            "status": {"value": {"get_attr": ["make", "deploy_status_code"]}},
            "polled": {"value": {"get_attr": ["polled", "word"]}},
            "result": {"value": {"get_attr": ["play", "result"]}},
            "words": {"value": {"get_attr": ["all", "word"]}},
            "statuses": {"value": {"get_attr": ["all", "deploy_status_codes"]}},
        },
    )


def ended(cloud: Connection, stack: Any, action: str) -> Any:
    """The stack when an action on it has ended, however it did."""

    def last() -> Any:
        now = settled(cloud, stack.id)
        return now if now.status.startswith(action) else None

    return until(last)


def act(cloud: Connection, stack: Any, action: str) -> Any:
    """The stack after an action such as ``suspend``."""
    path = f"/stacks/{stack.name}/{stack.id}/actions"
    cloud.orchestration.post(path, json={action: None}).raise_for_status()
    return ended(cloud, stack, action.upper())


def test_deployments_are_applied_and_their_outputs_used(cloud: Connection) -> None:
    whole = template()
    stack = create(cloud, "deployed", whole)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    shown = outputs(stack)
    assert shown["stdout"] == "making for db\n"
    assert shown["stderr"] == "no harm\n"
    assert shown["status"] == 0
    assert shown["result"] == "played"
    assert shown["words"] == {"a": "word-of-all", "b": "word-of-all"}
    assert shown["statuses"] == {"a": 0, "b": 0}
    assert shown["polled"] == "word-of-cache"
    ids = {each.name: each.id for each in cloud.compute.servers()}
    web, db = ids["web"], ids["db"]
    assert "polling_interval = 2\n" in inside(web, "cat /etc/os-collect-config.conf")
    assert "polling_interval = 1\n" in inside(db, "cat /etc/os-collect-config.conf")
    assert inside(web, "cat /run/used") == "word-of-db CREATE"
    assert inside(web, "cat /run/played") == "word-of-db"
    assert json.loads(inside(web, "cat /run/settings.json")) == {"w": "word-of-db"}
    assert inside(web, "cat /run/manifested") == "word-of-db"
    assert inside(web, "os-apply-config --key word --type raw").strip() == "word-of-db"

    suspended = act(cloud, stack, "suspend")
    assert suspended.status == "SUSPEND_COMPLETE", suspended.status_reason
    assert {each.status for each in cloud.compute.servers()} == {"SUSPENDED"}
    with pytest.raises(ConflictException, match="while it is in vm_state suspended"):
        cloud.compute.stop_server(web)
    resumed = act(cloud, stack, "resume")
    assert resumed.status == "RESUME_COMPLETE", resumed.status_reason
    assert {each.status for each in cloud.compute.servers()} == {"ACTIVE"}

    del whole["resources"]["leave"]
    whole["resources"]["make"]["properties"]["input_values"] = {"who": "it"}
    whole["resources"]["fail_config"] = config("script", FAIL)
    whole["resources"]["fail"] = {**deployment("fail_config", "db"), "depends_on": ["use"]}
    cloud.orchestration.update_stack(stack.id, template=whole)
    stack = ended(cloud, stack, "UPDATE")
    assert stack.status == "UPDATE_FAILED"
    assert "Deployment exited with non-zero status code: 3" in stack.status_reason
    assert inside(web, "cat /run/used") == "word-of-it UPDATE"
    failed = next(each for each in cloud.orchestration.resources(stack) if each.name == "fail")
    path = f"/software_deployments/{failed.physical_resource_id}"
    values = cloud.orchestration.get(path).json()["software_deployment"]["output_values"]
    assert values["deploy_stderr"] == "disk on fire\n"

    del whole["resources"]["fail"]
    cloud.orchestration.update_stack(stack.id, template=whole)
    stack = until(lambda: (s := ended(cloud, stack, "UPDATE")).status != "UPDATE_FAILED" and s)
    assert stack.status == "UPDATE_COMPLETE", stack.status_reason
    assert inside(db, "cat /run/actions").split() == ["CREATE", "SUSPEND", "RESUME", "DELETE"]
    until(lambda: inside(web, "cat /run/quiet 2>&1; true").split() == ["CREATE"])


@pytest.mark.parametrize(
    ("type_", "properties", "reason"),
    [
        ("SoftwareDeployment", {"signal_transport": "ZAQAR_SIGNAL"}, "has no Zaqar"),
        ("StructuredDeployment", {"signal_transport": "ZAQAR_SIGNAL"}, "has no Zaqar"),
        ("SoftwareConfig", {"group": "docker-compose"}, "no hook for it"),
    ],
)
def test_what_the_agents_cannot_do_is_refused(
    cloud: Connection, type_: str, properties: dict[str, Any], reason: str
) -> None:
    more = {"server": "x"} if "Deployment" in type_ else {}
    refused = refusal(cloud, hot({"it": resource(f"OS::Heat::{type_}", **properties, **more)}))
    assert reason in refused
