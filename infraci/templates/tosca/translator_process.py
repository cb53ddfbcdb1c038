"""The process in which heat-translator works, started as a module with ``python -m``.

heat-translator and tosca-parser keep what they know in modules' variables, change the working
directory and fetch what they are told to; here nobody is harmed by it. A question comes in on
stdin and the answer goes out on stdout, both JSON; see :class:`Question` and :class:`Answer`.

The translator's own text is not used: it drops every quotation mark, so that ``'1.10'`` becomes a
number. Its resources are taken before they are made text.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import yaml

#: The translator writes references as text, and counts on its own text losing the quotes.
_FLOW = re.compile(r"\{\s*'?get_(?:resource|param|attr|file)'?\s*:.*\}\Z", re.S)


class Question(TypedDict):
    """What is asked."""

    template: str  # the path of the entry definition
    parameters: dict[str, object]
    key_parameter: str  # the input that takes the run's key pair, which is not known yet
    flavors: dict[str, dict[str, int]]  # num_cpus, mem_size in MB, disk_size in GB, by name
    images: dict[str, dict[str, str]]  # os_distro and so on, by name
    allow_remote: bool


class Lost(TypedDict):
    """Something that came to nothing."""

    path: list[str]  # the key path in the entry definition
    reason: str


class Answer(TypedDict):
    """What comes back: problems, or a template."""

    problems: list[str]
    lost: list[Lost]
    template: dict[str, Any]
    files: dict[str, str]  # nested templates, by name


def main() -> None:
    """Answer the question on stdin."""
    out = sys.stdout
    sys.stdout = sys.stderr  # the parser prints
    question: Question = json.load(sys.stdin)
    json.dump(answer(question), out, default=str)
    out.flush()


def answer(question: Question) -> Answer:
    """Translate; whatever goes wrong becomes a problem."""
    try:
        return _translate(question)
    except Exception as error:
        problems = _collected() or [_said(error)]
        return {"problems": problems, "lost": [], "template": {}, "files": {}}


def _translate(question: Question) -> Answer:
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
    given = {n: _typed(value, inputs.get(n)) for n, value in question["parameters"].items()}
    values = {**({key: key} if key in inputs else {}), **defaults, **given}
    tosca = ToscaTemplate(path, values, True)
    if not hasattr(tosca, "nodetemplates"):
        raise ValueError("there is no topology_template, so that there is nothing to stand up")
    missing = [name for name, said in inputs.items() if _is_missing(name, said, values)]
    if missing:
        reason = "no value is given, and there is no default"
        lost = [_lost("inputs", name, reason) for name in missing]
        return {"problems": [], "lost": lost, "template": _EMPTY, "files": {}}
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
    if key in inputs and key not in given:
        template["parameters"][key].pop("default", None)
    lost = [*_lost_parts(tosca, translator, files), *_lost_outputs(tosca, template)]
    done = _plain(template, translator)
    return {"problems": [], "lost": lost, "template": done, "files": files}


_EMPTY: dict[str, Any] = {"parameters": {}, "resources": {}, "outputs": {}}


def _is_missing(name: str, said: Mapping[str, Any], values: Mapping[str, object]) -> bool:
    return name not in values and said.get("required", True) is not False


def _lost(section: str, name: str, reason: str) -> Lost:
    return {"path": ["topology_template", section, name], "reason": reason}


def _lost_outputs(tosca: Any, template: Mapping[str, Any]) -> Iterator[Lost]:
    for output in tosca.outputs:
        if output.name not in template["outputs"]:
            reason = "the translator knows no way to compute this output"
            yield _lost("outputs", output.name, reason)


def _lost_parts(tosca: Any, translator: Any, files: Mapping[str, str]) -> Iterator[Lost]:
    """Nodes, policies and scripts that the translator leaves out without a word."""
    made = {getattr(r.nodetemplate, "name", "") for r in translator.hot_template.resources}
    for text in files.values():
        made |= set(yaml.safe_load(text)["resources"])
    for node in tosca.nodetemplates:
        if node.name not in made and not _asks_for_nothing(node):
            reason = f"the translator makes nothing of this node (type {node.type})"
            yield _lost("node_templates", node.name, reason)
        yield from _lost_of_node(node, bool(tosca.policies))
    for policy in tosca.policies:
        if "affinity" in policy.type.lower() and policy.name not in made:
            reason = f"the translator makes nothing of this policy (type {policy.type})"
            yield _lost("policies", policy.name, reason)
    for name, said in (_topology(tosca).get("relationship_templates") or {}).items():
        if _scripts(said.get("interfaces")):
            reason = "scripts of relationship templates are not translated"
            yield _lost("relationship_templates", name, reason)


def _lost_of_node(node: Any, has_policies: bool) -> Iterator[Lost]:
    scalable = node.get_capability("scalable")
    instances = scalable.get_property_value("default_instances") if scalable else None
    if isinstance(instances, int) and instances > 1 and not has_policies:
        reason = f"{instances} instances are wanted, but the translator makes one"
        yield _lost("node_templates", node.name, reason)
    for requirement in node.requirements or ():
        for assignment in requirement.values():
            relationship = _mapping(_mapping(assignment).get("relationship"))
            for operation in _scripts(relationship.get("interfaces")):
                if operation not in ("pre_configure_source", "pre_configure_target"):
                    reason = f"the relationship's operation {operation} is not translated"
                    yield _lost("node_templates", node.name, reason)


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
    """Whether it only stands for something: software that no script installs, a whole VNF."""
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
        ((name, said),) = resource.get_dict_output().items()
        metadata = getattr(resource.nodetemplate, "entity_tpl", {}).get("metadata")
        if said["type"] == "OS::Nova::Server" and metadata:
            said.setdefault("properties", {}).setdefault("metadata", metadata)
        resources[name] = said
    return resources


def _merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: said for part in parts for name, said in part.items()}


def _plain(value: Any, translator: Any) -> Any:
    """JSON of what the translator holds; functions that it has left are written as Heat's."""
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
    return {name: said or {} for name, said in (topology.get("inputs") or {}).items()}


def _typed(value: object, said: Mapping[str, Any] | None) -> object:
    """A value as its input's type wants it; text stays text."""
    wanted = (said or {}).get("type")
    if isinstance(value, str) and wanted in ("integer", "float", "boolean", "list", "map"):
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

    return [_said(error) for error in ExceptionCollector.getExceptions()]


def _said(error: BaseException) -> str:
    text = str(error).strip()
    if isinstance(error, KeyError | AttributeError | TypeError | IndexError) and '"' not in text:
        text = f"the translator fails by {type(error).__name__}: {text}"
    return text or type(error).__name__


if __name__ == "__main__":
    main()
