"""Translates TOSCA to HOT: runs the translator, checks its result, and adapts it to any cloud."""

from __future__ import annotations

import json
import posixpath
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import yaml

from infraci.base.lines import last_line
from infraci.base.program import own_program
from infraci.base.temporary import temporary_folder
from infraci.errors import UsageError
from infraci.model.catalog import Catalog
from infraci.model.paths import PathProblem, check_path
from infraci.model.problem import Problem, TemplateError, near
from infraci.templates.content import as_text
from infraci.templates.tosca import flavors_and_images
from infraci.templates.tosca.agentless import NeedsAgentError, without_agents
from infraci.templates.tosca.archive import ArchiveError, is_archive, unpack
from infraci.templates.tosca.default_network import with_network
from infraci.templates.tosca.definitions import Definitions
from infraci.templates.tosca.translator_process import TranslationReply, TranslationRequest

#: Enough for large templates; the translator's modules alone take a second to load.
_TIMEOUT_S = 120.0
_SERVER = "OS::Nova::Server"
#: The names of inputs that are secret: TOSCA has no other mark for them.
_SECRET = re.compile(r"pass(word|wd|phrase)?$|secret|token|private_key|(^|_)pwd$", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """The HOT template, and its files, that a TOSCA template became."""

    template: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)  # by URL; scripts and nested templates


def translate(
    path: PurePosixPath,
    *,
    root: Path,
    inputs: Mapping[str, object],
    catalog: Catalog,
    key_parameter: str,
    allow_remote: bool = False,
) -> Translation:
    """Translate a template or archive of the tree at the root.

    Raises TemplateError with everything that is wrong, or that cannot be translated.
    """
    content = (root / path).read_bytes()
    if not is_archive(content):
        definitions = Definitions(root, str(path), allow_remote=allow_remote)
        return _Translator(definitions, inputs, catalog, key_parameter).translation()
    with temporary_folder("csar") as folder:
        try:
            entry = unpack(content, folder)
        except ArchiveError as error:
            raise TemplateError([Problem(file=str(path), message=str(error))]) from error
        definitions = Definitions(folder, entry, f"{path}/", allow_remote)
        return _Translator(definitions, inputs, catalog, key_parameter).translation()


@dataclass(slots=True)
class _Translator:
    definitions: Definitions
    inputs: Mapping[str, object]
    catalog: Catalog
    key_parameter: str
    files: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def translation(self) -> Translation:
        self.definitions.read()
        self._raise(self.definitions.problems)
        answer = self._ask()
        self._raise([self.definitions.problem_about(reason) for reason in answer["problems"]])
        self._check_answer(answer)
        self._raise(self.problems)
        nested = {name: yaml.safe_load(text) for name, text in answer["files"].items()}
        template = self._finished(answer["template"], nested)
        for name, inner in nested.items():
            self.files[self._url(name)] = json.dumps(self._finished(inner, nested), default=str)
        try:
            template = without_agents(with_network(template, self.catalog.default_network))
        except NeedsAgentError as error:
            path = self.definitions.node_of(error.resource)
            message = f"{error.resource} {error.reason}"
            raise TemplateError([self.definitions.problem(path, message)]) from error
        self._raise(self.problems)
        return Translation(template=template, files=self.files)

    def _raise(self, problems: list[Problem]) -> None:
        if problems:
            raise TemplateError(problems)

    def _ask(self) -> TranslationReply:
        if find_spec("translator") is None or find_spec("toscaparser") is None:
            raise UsageError(
                f"cannot read {self.definitions.shown}{self.definitions.entry}: TOSCA templates "
                "need heat-translator, which is not installed",
                hint="pip install 'infraci[tosca]'",
            )
        entry = self.definitions.folder.resolve() / self.definitions.entry
        question: TranslationRequest = {
            "template": str(entry),
            "parameters": dict(self.inputs),
            "key_parameter": self.key_parameter,
            "flavors": flavors_and_images.flavors(self.catalog),
            "images": flavors_and_images.images(self.catalog),
            "allow_remote": self.definitions.allow_remote,
        }
        try:
            process = subprocess.run(
                own_program("infraci.templates.tosca.translator_process"),
                input=json.dumps(question, default=str),
                capture_output=True,
                text=True,
                cwd=entry.parent,
                timeout=_TIMEOUT_S,
                check=True,
            )
            answer: TranslationReply = json.loads(process.stdout)
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"it did not end within {_TIMEOUT_S:.0f} s") from error
        except (subprocess.CalledProcessError, ValueError) as error:
            output = str(getattr(error, "stderr", "") or error)
            raise self._failed(last_line(output, "it printed nothing")) from error
        return answer

    def _failed(self, reason: str) -> TemplateError:
        file = self.definitions.shown + self.definitions.entry
        return TemplateError([Problem(file=file, message=f"cannot be translated: {reason}")])

    def _check_answer(self, answer: TranslationReply) -> None:
        """Add problems for values without an input, and for what the translator has left out."""
        declared = answer["template"]["parameters"]
        for name in self.inputs:
            if name not in declared:
                path = ("topology_template", "inputs", name)
                message = "a value is given, but the template declares no such input"
                meant = near(name, declared)
                message += f'; did you mean "{meant}"?' if meant else ""
                self.problems.append(self.definitions.problem(path, message))
        for omission in answer["omissions"]:
            problem = self.definitions.problem(tuple(omission["path"]), omission["reason"])
            self.problems.append(problem)
        for name, resource in answer["template"]["resources"].items():
            if resource["type"] == _SERVER:
                self._check_server(name, resource.setdefault("properties", {}))

    def _check_server(self, name: str, properties: dict[str, Any]) -> None:
        """Set the default flavor and image where a server asks for none; add problems."""
        path = self.definitions.node_of(name)
        cloud = self.catalog.cloud
        for capability, choice_of, default in (
            ("host", "flavor", self.catalog.default_flavor),
            ("os", "image", self.catalog.default_image),
        ):
            written = self.definitions.keys(*path, "capabilities", capability, "properties")
            if default and not written and not properties.get(choice_of):
                properties[choice_of] = default
        if not properties.get("flavor"):
            sizes = ", ".join(
                f"{f.name} ({f.vcpus} CPU, {f.ram_mb} MB, {f.disk_gb} GB)"
                for f in self.catalog.flavors
            )
            message = (
                f"no flavor of cloud {cloud} is chosen: the host capability says no sizes, or "
                f"larger ones than there are: {sizes or 'none'}"
            )
            self.problems.append(self.definitions.problem((*path, "capabilities", "host"), message))
        if not properties.get("image"):
            message = (
                f"no image of cloud {cloud} is what the os capability says; there are "
                f"{flavors_and_images.shown_images(self.catalog)}. infraci.yaml can give an image "
                "one more name, as in fedora-18"
            )
            self.problems.append(self.definitions.problem((*path, "capabilities", "os"), message))

    def _finished(self, template: dict[str, Any], nested: Mapping[str, Any]) -> dict[str, Any]:
        """The template with files' URLs, any cloud's addresses, and a key pair in each server."""
        finished: dict[str, Any] = self._walk(template, nested)
        parameters = finished.setdefault("parameters", {})
        for name, parameter in parameters.items():
            if _SECRET.search(name):
                parameter["hidden"] = True
        for resource in finished["resources"].values():
            if resource["type"] == _SERVER:
                properties = resource.setdefault("properties", {})
                properties["user_data_format"] = "RAW"
                properties.setdefault("key_name", {"get_param": self.key_parameter})
        if json.dumps({"get_param": self.key_parameter}) in json.dumps(finished["resources"]):
            parameters.setdefault(self.key_parameter, {"type": "string"})
        return finished

    def _walk(self, node: Any, nested: Mapping[str, Any]) -> Any:
        match node:
            case {"get_file": str(name), **more} if not more:
                return {"get_file": self._file(name)}
            case {"get_attr": [str(server), "networks", "private", 0]}:
                return {"get_attr": [server, "first_address"]}
            case {"type": str(name), **more} if name in nested:
                properties = {
                    **self._walk(more.get("properties") or {}, nested),
                    self.key_parameter: {"get_param": self.key_parameter},
                }
                return {**more, "type": self._url(name), "properties": properties}
            case dict():
                return {key: self._walk(value, nested) for key, value in node.items()}
            case list():
                return [self._walk(inner, nested) for inner in node]
            case _:
                return node

    def _url(self, name: str) -> str:
        return f"file:///{quote(self.definitions.shown + self.definitions.entry)}/{quote(name)}"

    def _file(self, name: str) -> str:
        """The URL of a script, whose content becomes one of Heat's files."""
        for folder in self.definitions.folders:
            path = check_path(posixpath.join(folder, name), root=self.definitions.folder)
            if not isinstance(path, PathProblem):
                url = f"file:///{quote(self.definitions.shown + str(path))}"
                self.files[url] = as_text((self.definitions.folder / path).read_bytes())
                return url
        problem = self.definitions.problem_about(f'no such file: "{name}"')
        if problem not in self.problems:
            self.problems.append(problem)
        return name
