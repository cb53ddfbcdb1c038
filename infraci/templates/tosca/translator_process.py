"""The process that runs heat-translator, started as a module with ``python -m``.

heat-translator and tosca-parser keep state in modules' variables, change the working directory and
fetch URLs, so they run in a process of their own. It reads a :class:`Question` from stdin and
writes an :class:`Answer` to stdout, both as JSON.

It does not use the translator's own text, which drops every quotation mark, so that ``'1.10'``
becomes a number; it reads the resources before the translator makes text of them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import yaml

#: A reference that the translator has written as text: its own output would drop the quotes.
_FLOW = re.compile(r"\{\s*'?get_(?:resource|param|attr|file)'?\s*:.*\}\Z", re.S)


class TranslationRequest(TypedDict):
    """What to translate, and for which cloud."""

    template: str  # the path of the entry definition
    parameters: dict[str, object]
    key_parameter: str  # the input that takes the run's key pair, which is not known yet
    flavors: dict[str, dict[str, int]]  # num_cpus, mem_size in MB, disk_size in GB, by name
    images: dict[str, dict[str, str]]  # os_distro and so on, by name
    allow_remote: bool


class Omission(TypedDict):
    """A part of the template that the translator has left out."""

    path: list[str]  # the key path in the entry definition
    reason: str


class TranslationReply(TypedDict):
    """Problems, or a template."""

    problems: list[str]
    omissions: list[Omission]
    template: dict[str, Any]
    files: dict[str, str]  # nested templates, by name


def main() -> None:
    """Answer the question on stdin."""
    out = sys.stdout
    sys.stdout = sys.stderr  # the parser prints
    question: TranslationRequest = json.load(sys.stdin)
    json.dump(answer(question), out, default=str)
    out.flush()


def answer(question: TranslationRequest) -> TranslationReply:
    """Translate; any exception becomes a problem."""
    try:
        return _translate(question)
    except Exception as error:
        problems = _collected() or [_message(error)]
        return {"problems": problems, "omissions": [], "template": {}, "files": {}}


def _translate(question: TranslationRequest) -> TranslationReply:
    if not question["allow_remote"]:
        sys.addaudithook(_refuse_connections)
    from toscaparser.tosca_template import ToscaTemplate
    from translator.common import flavors, images
    from translator.hot.tosca_translator import TOSCATranslator

    flavors.FLAVORS = question["flavors"]
    images.IMAGES = question["images"]
    path, key = question["template"], question["key_parameter"]
    inputs = _inputs(Path(path))
    defaults = {n: s["default"] for n, s in inputs.items() if s.get("default") is not None}
    typed_inputs = {n: _typed(value, inputs.get(n)) for n, value in question["parameters"].items()}
    values = {**({key: key} if key in inputs else {}), **defaults, **typed_inputs}
    tosca = ToscaTemplate(path, values, True)
    if not hasattr(tosca, "nodetemplates"):
        raise ValueError("there is no topology_template, so that there is nothing to stand up")
    missing = [name for name, declared in inputs.items() if _is_missing(name, declared, values)]
    if missing:
        reason = "no value is given, and there is no default"
        omissions = [_omission("inputs", name, reason) for name in missing]
        return {"problems": [], "omissions": omissions, "template": _EMPTY, "files": {}}
    translator = TOSCATranslator(tosca, values)
    files = translator.translate_to_yaml_files_dict("template.yaml")
    del files["template.yaml"]
    template: dict[str, Any] = {
        "heat_template_version": "2018-08-31",
        "description": tosca.description or "",
        "parameters": _merged(p.get_dict_output() for p in translator.hot_template.parameters),
        "resources": _resources(translator),
        "outputs": _merged(o.get_dict_output() for o in translator.hot_template.outputs),
    }
    if key in inputs and key not in typed_inputs:
        template["parameters"][key].pop("default", None)
    omissions = [*_omitted_parts(tosca, translator, files), *_omitted_outputs(tosca, template)]
    plain = _plain(template, translator)
    return {"problems": [], "omissions": omissions, "template": plain, "files": files}


_EMPTY: dict[str, Any] = {"parameters": {}, "resources": {}, "outputs": {}}


def _is_missing(name: str, declared: Mapping[str, Any], values: Mapping[str, object]) -> bool:
    return name not in values and declared.get("required", True) is not False


def _omission(section: str, name: str, reason: str) -> Omission:
    return {"path": ["topology_template", section, name], "reason": reason}


def _omitted_outputs(tosca: Any, template: Mapping[str, Any]) -> Iterator[Omission]:
    for output in tosca.outputs:
        if output.name not in template["outputs"]:
            reason = "the translator cannot compute this output"
            yield _omission("outputs", output.name, reason)


def _omitted_parts(tosca: Any, translator: Any, files: Mapping[str, str]) -> Iterator[Omission]:
    """Nodes, policies and scripts that the translator leaves out without an error."""
    made = {getattr(r.nodetemplate, "name", "") for r in translator.hot_template.resources}
    for text in files.values():
        made |= set(yaml.safe_load(text)["resources"])
    for node in tosca.nodetemplates:
        if node.name not in made and not _asks_for_nothing(node):
            reason = f"the translator makes nothing of this node (type {node.type})"
            yield _omission("node_templates", node.name, reason)
        yield from _omissions_of_node(node, bool(tosca.policies))
    for policy in tosca.policies:
        if "affinity" in policy.type.lower() and policy.name not in made:
            reason = f"the translator makes nothing of this policy (type {policy.type})"
            yield _omission("policies", policy.name, reason)
    for name, relationship in (_topology(tosca).get("relationship_templates") or {}).items():
        if any(_scripts(relationship.get("interfaces"))):
            reason = "scripts of relationship templates are not translated"
            yield _omission("relationship_templates", name, reason)


def _omissions_of_node(node: Any, has_policies: bool) -> Iterator[Omission]:
    scalable = node.get_capability("scalable")
    instances = scalable.get_property_value("default_instances") if scalable else None
    if isinstance(instances, int) and instances > 1 and not has_policies:
        reason = f"{instances} instances are wanted, but the translator makes one"
        yield _omission("node_templates", node.name, reason)
    for requirement in node.requirements or ():
        for assignment in requirement.values():
            relationship = _mapping(_mapping(assignment).get("relationship"))
            for operation in _scripts(relationship.get("interfaces")):
                if operation not in ("pre_configure_source", "pre_configure_target"):
                    reason = f"the relationship's operation {operation} is not translated"
                    yield _omission("node_templates", node.name, reason)


def _mapping(value: object) -> Mapping[str, Any]:
    """The value, if it is a mapping; else an empty one."""
    return value if isinstance(value, dict) else {}


def _scripts(interfaces: object) -> Iterator[str]:
    """The operations of interfaces that have something to run."""
    for interface in _mapping(interfaces).values():
        for name, operation in _mapping(interface).items():
            if name not in ("type", "inputs") and operation:
                yield name


def _asks_for_nothing(node: Any) -> bool:
    """Whether a node needs no resource: software that no script installs, or a whole VNF."""
    from translator.hot.syntax.hot_resource import HotResource

    kinds = ("SoftwareComponent", "WebServer", "WebApplication", "DBMS", "Database", "nfv.VNF")
    base = HotResource.get_base_type_str(node.type_definition)
    only_stands = base.removeprefix("tosca.nodes.") in kinds
    return only_stands and not _DEPLOYED & set(HotResource.get_all_operations(node))


_DEPLOYED = frozenset({"create", "configure", "start"})


def _topology(tosca: Any) -> dict[str, Any]:
    return tosca.tpl.get("topology_template") or {}


def _resources(translator: Any) -> dict[str, Any]:
    resources = {}
    for resource in translator.hot_template.resources:
        if resource.hide_resource:
            continue
        ((name, content),) = resource.get_dict_output().items()
        metadata = getattr(resource.nodetemplate, "entity_tpl", {}).get("metadata")
        if content["type"] == "OS::Nova::Server" and metadata:
            content.setdefault("properties", {}).setdefault("metadata", metadata)
        resources[name] = content
    return resources


def _merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: content for part in parts for name, content in part.items()}


def _plain(value: Any, translator: Any) -> Any:
    """The translator's values as JSON; functions that it has left become Heat's."""
    from toscaparser.functions import Function, GetInput, GetProperty

    if isinstance(value, GetInput):
        return {"get_param": value.input_name}
    if isinstance(value, GetProperty):
        return _plain(value.result(), translator)
    if isinstance(value, Function):
        done = translator.node_translator.translate_param_value(value, None)
        if done is None:
            raise ValueError(f"{json.dumps(value.__dict__.get('args'), default=str)} has no equal")
        return _plain(done, translator)
    if isinstance(value, Mapping):
        if set(value) == {"get_input"}:
            return {"get_param": _plain(value["get_input"], translator)}
        return {str(key): _plain(inner, translator) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, translator) for inner in value]
    if isinstance(value, str) and _FLOW.match(value):
        return yaml.safe_load(value)
    return value


def _inputs(path: Path) -> dict[str, dict[str, Any]]:
    text = yaml.safe_load(path.read_text("utf-8"))
    topology = text.get("topology_template") or {}
    return {name: declared or {} for name, declared in (topology.get("inputs") or {}).items()}


def _typed(value: object, declared: Mapping[str, Any] | None) -> object:
    """A value, read as YAML where its input's type is not text."""
    kind = (declared or {}).get("type")
    if isinstance(value, str) and kind in ("integer", "float", "boolean", "list", "map"):
        try:
            return yaml.safe_load(value)
        except yaml.YAMLError:
            return value
    return value


def _refuse_connections(event: str, arguments: Sequence[object]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError("the network is not to be used")


def _collected() -> list[str]:
    from toscaparser.common.exception import ExceptionCollector

    return [_message(error) for error in ExceptionCollector.getExceptions()]


def _message(error: BaseException) -> str:
    text = str(error).strip()
    if isinstance(error, KeyError | AttributeError | TypeError | IndexError) and '"' not in text:
        text = f"the translator fails by {type(error).__name__}: {text}"
    return text or type(error).__name__


if __name__ == "__main__":
    main()
