"""The folder and jobs as config.xml, and what of it is ours.

A job's configuration has much that Jenkins and people put there. We say a part of it, and leave
the rest: setting up again changes nothing unless that part differs.
"""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass

from infraci.jenkins.jenkins_error import JenkinsError
from infraci.model.pipeline import Schedule

#: By this we know our jobs.
MARK = "infraci takes commits through their pipelines here."
JENKINSFILE = "Jenkinsfile"

_FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
_CRON: Mapping[Schedule, str] = {Schedule.HOURLY: "H * * * *", Schedule.NIGHTLY: "H H(0-5) * * *"}
#: The parameters of the Jenkinsfile, which writes them into the job again when it first runs.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "COMMIT": (),
    "PIPELINES": (),
    "CLOUD": (),
    "DESTROY": ("always", "passing", "never"),
}
#: Elements whose children are a whole, not to be mixed with what is there.
_WHOLE = frozenset({"triggers", "branches", "userRemoteConfigs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a job has its Jenkinsfile and the commits from."""

    url: str
    branch: str
    credentials: str = ""  # the ID of Jenkins' credentials, if the repository wants some


def folder_xml() -> ET.Element:
    """What we say of the folder."""
    root = ET.Element(_FOLDER)
    ET.SubElement(root, "description").text = MARK
    return root


def job_xml(schedule: Schedule, origin: Origin) -> ET.Element:
    """What we say of the job for a schedule.

    The Jenkinsfile comes from the branch, and not from the commit under test: so every commit is
    built, also one that has none, and none decides how it is built.
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
        listed = ET.SubElement(element, "choices", {"class": "java.util.Arrays$ArrayList"})
        array = ET.SubElement(listed, "a", {"class": "string-array"})
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
    """A config.xml as Jenkins gives it, whose XML calls itself 1.1, which no parser here knows."""
    body = text.partition("?>")[2] if text.startswith("<?xml") else text
    try:
        return ET.fromstring(body)  # noqa: S314 - the controller's own, and expat bounds entities
    except ET.ParseError as error:
        raise JenkinsError(f"cannot understand a config.xml of Jenkins: {error}") from error


def merged(current: ET.Element, wanted: ET.Element) -> ET.Element:
    """The current configuration, with what we say of it."""
    result = copy.deepcopy(current)
    if result.tag != wanted.tag:
        raise JenkinsError(
            f"cannot set up: there is another kind of job ({result.tag})",
            hint="delete or rename it, or choose another --folder",
        )
    _merge(result, wanted)
    return result


def is_ours(text: str) -> bool:
    """Whether a configuration is one of those that we have made."""
    return (parse(text).findtext("description") or "").startswith(MARK)


def as_text(element: ET.Element) -> str:
    """The configuration as Jenkins takes it."""
    shown = copy.deepcopy(element)
    ET.indent(shown)
    return ET.tostring(shown, encoding="unicode") + "\n"


def _merge(current: ET.Element, wanted: ET.Element) -> None:
    if current.get("class") != wanted.get("class") and wanted.get("class"):
        _replace(current, wanted)
        return
    if wanted.tag == "parameterDefinitions":
        _add_parameters(current, wanted)
        return
    if wanted.tag in _WHOLE:
        if _said(current) != _said(wanted):
            _replace(current, wanted)
        return
    if not len(wanted):
        if (current.text or "").strip() != (wanted.text or "").strip():
            current.text = wanted.text
        return
    for child in wanted:
        found = current.find(child.tag)
        if found is None:
            current.append(copy.deepcopy(child))
        else:
            _merge(found, child)


def _add_parameters(current: ET.Element, wanted: ET.Element) -> None:
    """Only those that are missing: the Jenkinsfile says what they are."""
    known = {name.text for name in current.iter("name")}
    for parameter in wanted:
        if parameter.findtext("name") not in known:
            current.append(copy.deepcopy(parameter))


def _replace(current: ET.Element, wanted: ET.Element) -> None:
    current.clear()
    current.attrib.update(wanted.attrib)
    current.text = wanted.text
    current.extend(copy.deepcopy(child) for child in wanted)


def _said(element: ET.Element) -> list[tuple[str, str]]:
    """What an element says: its tags and texts, without the plugins' versions."""
    return [(part.tag, (part.text or "").strip()) for part in element.iter()]
