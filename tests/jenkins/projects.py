"""Jobs with shell steps, which every controller can run: no plugins, no pipelines."""

from __future__ import annotations

from xml.sax.saxutils import escape

FOLDER = "<com.cloudbees.hudson.plugins.folder.Folder/>"

REPORT = """\
<testsuites><testsuite name="s" tests="2">
<testcase classname="c" name="good" time="0.1"/>
<testcase classname="c" name="bad" time="0.1"><failure message="no">told</failure></testcase>
</testsuite></testsuites>
"""


def project(shell: str, *, parameters: tuple[str, ...] = ("COMMIT",)) -> str:
    """A project that runs a shell script, archives ``out/`` and reads the reports there."""
    definitions = "".join(
        "<hudson.model.StringParameterDefinition>"
        f"<name>{name}</name><defaultValue></defaultValue>"
        "</hudson.model.StringParameterDefinition>"
        for name in parameters
    )
    properties = (
        "<hudson.model.ParametersDefinitionProperty><parameterDefinitions>"
        f"{definitions}</parameterDefinitions></hudson.model.ParametersDefinitionProperty>"
    )
    return (
        f"<project><properties>{properties if parameters else ''}</properties>"
        f"<builders><hudson.tasks.Shell><command>{escape(shell)}</command>"
        "</hudson.tasks.Shell></builders><publishers>"
        "<hudson.tasks.ArtifactArchiver><artifacts>out/**</artifacts>"
        "<allowEmptyArchive>true</allowEmptyArchive></hudson.tasks.ArtifactArchiver>"
        "<hudson.tasks.junit.JUnitResultArchiver><testResults>out/*.xml</testResults>"
        "<allowEmptyResults>true</allowEmptyResults></hudson.tasks.junit.JUnitResultArchiver>"
        "</publishers></project>"
    )
