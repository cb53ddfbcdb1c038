"""Writes JUnit XML, in the subset that every reader understands."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import junit_xml

from infraci.base.atomic import SHARED, replace_file
from infraci.base.display import displayable_lines
from infraci.model.record_json import masked_record
from infraci.model.run import Outcome, RunRecord, Testcase
from infraci.report.suites import Suite, suites

#: What XML 1.0 cannot hold.
_INVALID = re.compile(
    "[^\t\n\r\u0020-\u007e\u0085\u00a0-\ud7ff\ue000-\ufdcf\ufde0-\ufffd\U00010000-\U0010fffd]"
)
#: A line of output that begins so has Jenkins publish a file of the agent.
_ATTACHMENT = "[[ATTACHMENT|"
#: The most characters of a text; readers cut or refuse more.
_LONGEST = 300_000


def write_junit(
    path: Path, record: RunRecord, *, folder: Path | None = None, attach: bool = False
) -> None:
    """Write ``record`` to ``path`` in one step, with or without a verdict.

    ``folder`` is the run's own, which evidence is named relative to; by default the report's.
    With ``attach``, failures' output names their evidence for Jenkins' junit-attachments.
    """
    write_junits(path, [record], folder=folder, attach=attach)


def write_junits(
    path: Path, records: Iterable[RunRecord], *, folder: Path | None = None, attach: bool = False
) -> None:
    """Write several pipelines' runs into one report."""
    document = ET.Element("testsuites", {"name": "infraci"})
    totals = dict.fromkeys(("tests", "failures", "errors"), 0)
    time_s = 0.0
    for record in records:
        for suite in suites(masked_record(record), (folder or path.parent).absolute()):
            element = _element(suite, len(document))
            if attach:
                _attach(element, suite)
            for name in totals:
                totals[name] += int(element.get(name, "0"))
            time_s += sum(case.duration_s for case in suite.cases)
            document.append(element)
    document.attrib.update({name: str(number) for name, number in totals.items()})
    document.set("time", f"{time_s:.3f}")
    ET.indent(document)
    content = ET.tostring(document, encoding="utf-8", xml_declaration=True)
    replace_file(path, content + b"\n", mode=SHARED)


def _element(suite: Suite, number: int) -> ET.Element:
    """Build a suite with junit-xml, and correct what junit-xml cannot express."""
    built = junit_xml.TestSuite(
        clean(suite.name),
        [_case(case) for case in suite.cases],
        hostname=clean(suite.hostname),
        id=str(number),
        package=clean(suite.package),
        timestamp=datetime.fromtimestamp(suite.started, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        properties={name: clean(value) for name, value in suite.properties.items()},
    ).build_xml_doc()
    element: ET.Element = built
    element.set("time", f"{sum(case.duration_s for case in suite.cases):.3f}")
    for case, child in zip(suite.cases, element.findall("testcase"), strict=True):
        child.set("time", f"{case.duration_s:.3f}")  # junit-xml leaves a time of zero out
        skipped = child.find("skipped")
        if skipped is not None:  # the schema allows it no attributes
            skipped.attrib.clear()
    return element


def _attach(element: ET.Element, suite: Suite) -> None:
    """Name a suite's evidence in the output of what failed, a line each.

    The format is that of https://plugins.jenkins.io/junit-attachments.
    """
    evidence = [v for n, v in suite.properties.items() if n.startswith("infraci.evidence.")]
    lines = "".join(f"\n{_ATTACHMENT}{clean(path)}]]" for path in evidence)
    for case in element.findall("testcase") if lines else ():
        if case.find("failure") is not None or case.find("error") is not None:
            output = case.find("system-out")
            if output is None:
                output = ET.Element("system-out")
                case.insert(1, output)  # between the failure and system-err
            output.text = (output.text or "") + lines + "\n"


def _case(case: Testcase) -> junit_xml.TestCase:
    made = junit_xml.TestCase(
        clean(case.name),
        classname=clean(case.classname),
        elapsed_sec=case.duration_s,
        stdout=clean(case.stdout) or None,
        stderr=clean(case.stderr) or None,
    )
    message = clean(case.message) or case.outcome.value
    if case.outcome is Outcome.FAILURE:
        made.add_failure_info(message, clean(case.text), case.category or "failure")
    elif case.outcome is Outcome.ERROR:
        made.add_error_info(message, clean(case.text), str(case.category or case.kind or "error"))
    elif case.outcome is Outcome.SKIPPED:
        made.add_skipped_info(message, clean(case.text or case.message))
    return made


def clean(text: str) -> str:
    """Remove from a text what XML cannot hold, attachments, and the middle of a long one."""
    text = _INVALID.sub("", displayable_lines(text)).replace(_ATTACHMENT, "[[ ATTACHMENT|")
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}\n[… {len(text) - _LONGEST} characters …]\n{text[-half:]}"
