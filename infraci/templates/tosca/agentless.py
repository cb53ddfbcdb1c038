"""Turns software deployments into user data, so that servers need no agent.

The translator writes ``OS::Heat::SoftwareDeployment``, which waits until an agent in the guest asks
Heat for it; hardly an image has one. This module gives the same scripts, with the same inputs in
their environment and in the same order, to cloud-init, which every image has. A wait condition for
each server makes the stack wait for the scripts, and fail if one fails. Heat makes a server whose
scripts wait for another server's after these have ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_DEPLOYMENTS = ("OS::Heat::SoftwareDeployment", "OS::Heat::SoftwareDeploymentGroup")
_CONFIG = "OS::Heat::SoftwareConfig"
_SERVER = "OS::Nova::Server"
_FOLDER = "/var/lib/infraci/deployments"
#: The longest that Heat waits; the pipeline's own timeout ends sooner.
_WAIT_S = 7200

_RUN = f"""\
#!/bin/sh
# What the template deploys here, in order. It ends at the first failure, and always signals Heat.
cd {_FOLDER} || exit 1
for each in [0-9]*; do
  (
    for input in "$each"/inputs/*; do
      [ ! -e "$input" ] || export "${{input##*/}}=$(cat "$input")"
    done
    exec "./$each/script"
  ) >"$each/log" 2>&1
  status=$?
  cat "$each/log"
  if [ "$status" -ne 0 ]; then
    python3 ./signal FAILURE "${{each#*-}} ended with exit status $status: $(tail -n 3 "$each/log")"
    exit 1
  fi
done
exec python3 ./signal SUCCESS "all is deployed"
"""

_SIGNAL = """\
import json, sys, urllib.request
said = json.dumps({"status": sys.argv[1], "reason": sys.argv[2]}).encode()
headers = {"Content-Type": "application/json", "X-Auth-Token": open("token").read().strip()}
request = urllib.request.Request(open("endpoint").read().strip(), said, headers)
urllib.request.urlopen(request, timeout=60)
"""


class NeedsAgentError(Exception):
    """A resource needs an agent in its server; ``reason`` continues "RESOURCE …"."""

    def __init__(self, resource: str, reason: str) -> None:
        super().__init__(reason)
        self.resource = resource
        self.reason = reason


@dataclass(slots=True)
class _Deployment:
    name: str
    servers: tuple[str, ...]
    script: Any  # {"get_file": …}
    inputs: Mapping[str, Any]
    after: tuple[str, ...]


@dataclass(slots=True)
class _Server:
    name: str
    deployments: list[_Deployment] = field(default_factory=list)


def without_agents(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template with its deployments in the servers' user data. Raises NeedsAgentError."""
    originals: Mapping[str, Mapping[str, Any]] = template["resources"]
    resources: dict[str, Any] = {name: dict(resource) for name, resource in originals.items()}
    deployments = {
        name: _read(name, resource, resources)
        for name, resource in resources.items()
        if resource["type"] in _DEPLOYMENTS
    }
    names = [name for name, resource in resources.items() if resource["type"] == _SERVER]
    servers = {name: _Server(name) for name in names}
    for deployment in _in_order(deployments):
        for name in deployment.servers:
            servers[name].deployments.append(deployment)
    replaced = (*_DEPLOYMENTS, _CONFIG)
    resources = {n: item for n, item in resources.items() if item["type"] not in replaced}
    for server in servers.values():
        if server.deployments:
            resources[server.name] = {
                **resources[server.name],
                "properties": dict(resources[server.name]["properties"]),
            }
            _deploy(server, deployments, resources)
    for name, resource in resources.items():
        resources[name] = _redirect(resource, deployments)
    return {**template, "resources": resources}


def _read(name: str, resource: Mapping[str, Any], resources: Mapping[str, Any]) -> _Deployment:
    properties = resource.get("properties") or {}
    config = resources[properties["config"]["get_resource"]]["properties"]
    if config.get("group") != "script":
        raise NeedsAgentError(
            name,
            f"is to be run by {config.get('group')} in the server, which takes an agent there; "
            "infraci runs scripts (or use a configure step of the pipeline)",
        )
    if config.get("outputs"):
        raise NeedsAgentError(
            name, "has outputs that the template reads (get_operation_output), which takes an agent"
        )
    if not isinstance(config.get("config"), dict):
        raise NeedsAgentError(name, "installs Ansible roles in the server, which takes an agent")
    where = properties.get("servers") or [properties.get("server") or {}]
    targets = where.values() if isinstance(where, dict) else where
    servers = tuple(target.get("get_resource", "") for target in targets)
    if not all(resources.get(server, {}).get("type") == _SERVER for server in servers):
        raise NeedsAgentError(name, "is on no server")
    return _Deployment(
        name=name,
        servers=servers,
        script=config["config"],
        inputs=properties.get("input_values") or {},
        after=tuple(resource.get("depends_on") or ()),
    )


def _in_order(deployments: Mapping[str, _Deployment]) -> list[_Deployment]:
    """The deployments, each after those that it depends on, else in the template's order."""
    done: dict[str, _Deployment] = {}

    def sort(name: str, waiting: tuple[str, ...]) -> None:
        if name in waiting:
            raise NeedsAgentError(name, f"waits for itself: {' → '.join((*waiting, name))}")
        if name in deployments and name not in done:
            for before in deployments[name].after:
                sort(before, (*waiting, name))
            done[name] = deployments[name]

    for name in deployments:
        sort(name, ())
    return list(done.values())


def _deploy(
    server: _Server, deployments: Mapping[str, _Deployment], resources: dict[str, Any]
) -> None:
    """Put a server's scripts into its user data, and add a wait condition for them."""
    handle, config, wait = (f"{server.name}_{part}" for part in ("handle", "software", "deployed"))
    if "user_data" in resources[server.name]["properties"]:
        raise NeedsAgentError(server.name, "has user data of its own, and software as well")
    files = [
        _file("run", _RUN, mode="0700"),
        _file("signal", _SIGNAL),
        _file("token", {"get_attr": [handle, "token"]}),
        _file("endpoint", {"get_attr": [handle, "endpoint"]}),
    ]
    for number, deployment in enumerate(server.deployments):
        folder = f"{number:02}-{deployment.name}"
        files.append(_file(f"{folder}/script", deployment.script, mode="0700"))
        files += [
            _file(f"{folder}/inputs/{name}", _text(value))
            for name, value in deployment.inputs.items()
            if value is not None
        ]
    elsewhere = {
        other
        for deployment in server.deployments
        for name in deployment.after
        if name in deployments
        for other in deployments[name].servers
        if other != server.name
    }
    resources[server.name]["properties"]["user_data"] = {"get_resource": config}
    if elsewhere:
        before = resources[server.name].get("depends_on") or []
        resources[server.name]["depends_on"] = [*before, *_waits(elsewhere)]
    resources[handle] = {"type": "OS::Heat::WaitConditionHandle"}
    resources[config] = {
        "type": "OS::Heat::CloudConfig",
        "properties": {
            "cloud_config": {"write_files": files, "runcmd": [[f"{_FOLDER}/run"]]},
        },
    }
    resources[wait] = {
        "type": "OS::Heat::WaitCondition",
        "depends_on": [server.name],
        "properties": {"handle": {"get_resource": handle}, "timeout": _WAIT_S},
    }


def _file(name: str, content: object, *, mode: str = "0600") -> dict[str, Any]:
    return {"path": f"{_FOLDER}/{name}", "permissions": mode, "content": content}


def _text(value: object) -> object:
    """A value as text; Heat makes text of a value that is not known yet."""
    if isinstance(value, str):
        return value
    return {"str_replace": {"template": "$value", "params": {"$value": value}}}


def _waits(servers: Iterable[str]) -> list[str]:
    return [f"{server}_deployed" for server in sorted(servers)]


def _redirect(
    resource: Mapping[str, Any], deployments: Mapping[str, _Deployment]
) -> dict[str, Any]:
    """The resource, which depends on the servers of each deployment that it depended on."""
    after = resource.get("depends_on")
    if not after:
        return dict(resource)
    names: dict[str, None] = {}
    for name in after:
        new_names = _waits(deployments[name].servers) if name in deployments else [name]
        names |= dict.fromkeys(new_names)
    return {**resource, "depends_on": list(names)}
