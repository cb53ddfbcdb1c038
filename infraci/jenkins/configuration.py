"""The config.xml of the folder and its jobs, and the part of it that infraci sets.

Jenkins and people add to a job's configuration. infraci sets a part of it, and leaves the rest:
a second setup changes nothing unless that part differs.
"""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass

from infraci.jenkins.jenkins_error import JenkinsError
from infraci.model.pipeline import Schedule

#: Descriptions of infraci's jobs begin so.
MARK = "infraci takes commits through their pipelines here."
JENKINSFILE = "Jenkinsfile"

_FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
_CRON: Mapping[Schedule, str] = {Schedule.HOURLY: "H * * * *", Schedule.NIGHTLY: "H H(0-5) * * *"}
#: The parameters of the Jenkinsfile, which sets them again when it first runs.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "COMMIT": (),
    "PIPELINES": (),
    "CLOUD": (),
    "DESTROY": ("always", "passing", "never"),
}
#: Elements whose children are replaced as a whole.
_WHOLE = frozenset({"triggers", "branches", "userRemoteConfigs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The repository that a job has its Jenkinsfile and the commits from."""

    url: str
    branch: str
    credentials: str = ""  # the ID of Jenkins' credentials, if the repository needs some


def folder_xml() -> ET.Element:
    """The part of the folder's configuration that infraci sets."""
    root = ET.Element(_FOLDER)
    ET.SubElement(root, "description").text = MARK
    return root


def job_xml(schedule: Schedule, origin: Origin) -> ET.Element:
    """The part of the configuration of a schedule's job that infraci sets.

    The Jenkinsfile comes from the branch, and not from the commit under test: so a commit without
    one is built as well, and no commit decides how it is built.
    """
    root = ET.Element("flow-definition")
    ET.SubElement(root, "description").text = f"{MARK} Schedule: {schedule}."
    properties = ET.SubElement(root, "properties")
    definitions = ET.SubElement(
        ET.SubElement(properties, "hudson.model.ParametersDefinitionProperty"),
        "parameterDefinitions",
    )
    for name, choices in PARAMETERS.items():
        definitions.append(_parameter(name, choices))
    triggers = ET.SubElement(
        ET.SubElement(
            properties,
            "org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty",
        ),
        "triggers",
    )
    if schedule in _CRON:
        timer = ET.SubElement(triggers, "hudson.triggers.TimerTrigger")
        ET.SubElement(timer, "spec").text = _CRON[schedule]
    root.append(_definition(origin))
    return root


def _parameter(name: str, choices: tuple[str, ...]) -> ET.Element:
    kind = "Choice" if choices else "String"
    element = ET.Element(f"hudson.model.{kind}ParameterDefinition")
    ET.SubElement(element, "name").text = name
    if choices:
        array_list = ET.SubElement(element, "choices", {"class": "java.util.Arrays$ArrayList"})
        array = ET.SubElement(array_list, "a", {"class": "string-array"})
        for choice in choices:
            ET.SubElement(array, "string").text = choice
    else:
        ET.SubElement(element, "defaultValue").text = "local" if name == "CLOUD" else ""
        ET.SubElement(element, "trim").text = "true"
    return element


def _definition(origin: Origin) -> ET.Element:
    definition = ET.Element(
        "definition", {"class": "org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition"}
    )
    scm = ET.SubElement(definition, "scm", {"class": "hudson.plugins.git.GitSCM"})
    ET.SubElement(scm, "configVersion").text = "2"
    remote = ET.SubElement(
        ET.SubElement(scm, "userRemoteConfigs"), "hudson.plugins.git.UserRemoteConfig"
    )
    ET.SubElement(remote, "url").text = origin.url
    if origin.credentials:
        ET.SubElement(remote, "credentialsId").text = origin.credentials
    branch = ET.SubElement(ET.SubElement(scm, "branches"), "hudson.plugins.git.BranchSpec")
    ET.SubElement(branch, "name").text = f"refs/heads/{origin.branch}"
    ET.SubElement(definition, "scriptPath").text = JENKINSFILE
    ET.SubElement(definition, "lightweight").text = "true"
    return definition


def parse(text: str) -> ET.Element:
    """Parse Jenkins' config.xml, whose XML declares version 1.1, which expat does not know."""
    body = text.partition("?>")[2] if text.startswith("<?xml") else text
    try:
        return ET.fromstring(body)  # noqa: S314 - the controller's own, and expat bounds entities
    except ET.ParseError as error:
        raise JenkinsError(f"cannot understand a config.xml of Jenkins: {error}") from error


def merged(current: ET.Element, ours: ET.Element) -> ET.Element:
    """Merge our part into a current configuration."""
    result = copy.deepcopy(current)
    if result.tag != ours.tag:
        raise JenkinsError(
            f"cannot set up: a job of another kind has this name ({result.tag})",
            hint="delete or rename it, or choose another --folder",
        )
    _merge(result, ours)
    return result


def is_ours(text: str) -> bool:
    """Whether infraci has made a configuration."""
    return (parse(text).findtext("description") or "").startswith(MARK)


def as_text(element: ET.Element) -> str:
    """Format a configuration as Jenkins accepts it."""
    indented = copy.deepcopy(element)
    ET.indent(indented)
    return ET.tostring(indented, encoding="unicode") + "\n"


def _merge(current: ET.Element, ours: ET.Element) -> None:
    if current.get("class") != ours.get("class") and ours.get("class"):
        _replace(current, ours)
        return
    if ours.tag == "parameterDefinitions":
        _add_parameters(current, ours)
        return
    if ours.tag in _WHOLE:
        if _content(current) != _content(ours):
            _replace(current, ours)
        return
    if not len(ours):
        if (current.text or "").strip() != (ours.text or "").strip():
            current.text = ours.text
        return
    for child in ours:
        existing = current.find(child.tag)
        if existing is None:
            current.append(copy.deepcopy(child))
        else:
            _merge(existing, child)


def _add_parameters(current: ET.Element, ours: ET.Element) -> None:
    """Add missing parameters; the Jenkinsfile sets their details."""
    known = {name.text for name in current.iter("name")}
    for parameter in ours:
        if parameter.findtext("name") not in known:
            current.append(copy.deepcopy(parameter))


def _replace(current: ET.Element, ours: ET.Element) -> None:
    current.clear()
    current.attrib.update(ours.attrib)
    current.text = ours.text
    current.extend(copy.deepcopy(child) for child in ours)


def _content(element: ET.Element) -> list[tuple[str, str]]:
    """The tags and texts of an element, without the versions of plugins."""
    return [(part.tag, (part.text or "").strip()) for part in element.iter()]
