"""Reads the results of a commit from the reports that its builds have archived."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infraci.base.display import displayable
from infraci.base.invocation import invocation
from infraci.base.xml_reader import read_xml
from infraci.jenkins.builds import Build
from infraci.jenkins.controller import Controller
from infraci.jenkins.jenkins_error import JenkinsError
from infraci.model.run import Verdict, worst_verdict

_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTestcase:
    """A testcase that failed, or could not be tested."""

    name: str
    classname: str
    message: str
    is_error: bool  # it blames no commit


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    """The result of a pipeline in a build's report."""

    pipeline: str
    voting: bool
    verdict: Verdict | None  # None: the report does not say
    cause: str  # of one that did not pass, a sentence; empty in reports of earlier versions
    author: str
    email: str
    subject: str
    tests: int
    failures: tuple[FailedTestcase, ...]
    build: Build
    cloud: str = ""

    @property
    def reproduce(self) -> str:
        """The command that runs the pipeline again on the commit that failed."""
        commit = self.build.commit[:10]
        return invocation("run", "--commit", commit, self.pipeline, cloud=self.cloud)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitResult:
    """The results of a commit, of all its builds."""

    sha: str
    pipelines: tuple[PipelineResult, ...]
    builds: tuple[Build, ...]  # the newest first
    doubts: tuple[str, ...]  # reports that are not about this commit, builds without any

    @property
    def is_building(self) -> bool:
        """Whether a build is still running."""
        return any(build.is_building for build in self.builds)

    @property
    def verdict(self) -> Verdict | None:
        """The worst verdict of the voting pipelines; None while there is none."""
        if not self.pipelines:
            failed = [b for b in self.builds if not b.is_building and b.result != "SUCCESS"]
            return Verdict.ERROR if failed else None
        return worst_verdict(p.verdict or Verdict.ERROR for p in self.pipelines if p.voting)


def results_of(controller: Controller, sha: str, jobs: Iterable[str]) -> CommitResult:
    """The results of a commit; of builds of the same pipeline the newest counts."""
    builds = [b for job in jobs for b in controller.builds(job) if b.commit == sha]
    return _result(controller, sha, sorted(builds, key=lambda build: build.began, reverse=True))


def results_of_all(
    controller: Controller, shas: Iterable[str], jobs: Iterable[str]
) -> Mapping[str, CommitResult]:
    """The results of many commits; lists the builds once."""
    by_commit: dict[str, list[Build]] = {sha: [] for sha in shas}
    for job in jobs:
        for build in controller.builds(job):
            if build.commit in by_commit:
                by_commit[build.commit].append(build)
    return {
        sha: _result(controller, sha, sorted(builds, key=lambda build: build.began, reverse=True))
        for sha, builds in by_commit.items()
    }


def _result(controller: Controller, sha: str, builds: list[Build]) -> CommitResult:
    by_pipeline: dict[str, PipelineResult] = {}
    doubts = []
    for build in builds:
        for path in build.artifacts:
            if "/" in path or not path.endswith(".xml"):
                continue
            try:
                commit, result = read_report(controller.artifact(build, path), build)
            except JenkinsError as error:
                doubts.append(error.message)
                continue
            if commit != sha:
                doubts.append(
                    f"{build.url} says it built {sha[:10]}, its report says {commit[:10]}"
                )
            else:
                by_pipeline.setdefault(result.pipeline, result)
    if not by_pipeline:
        doubts += [f"{b.url} ended {b.result} without a report" for b in builds if b.result]
    return CommitResult(
        sha=sha,
        pipelines=tuple(by_pipeline[name] for name in sorted(by_pipeline)),
        builds=tuple(builds),
        doubts=tuple(doubts),
    )


def read_report(content: bytes, build: Build) -> tuple[str, PipelineResult]:
    """Read infraci's JUnit report; returns its commit and its result, safe to display.

    A commit's build may archive any file. Raises JenkinsError for a file that is no report.
    """
    try:
        root = read_xml(content)
    except ValueError as error:
        raise JenkinsError(
            f"cannot read a report of {build.url}: {displayable(str(error))}"
        ) from error
    properties = {p.get("name", ""): displayable(p.get("value", "")) for p in root.iter("property")}
    if not _SHA.fullmatch(properties.get("infraci.commit", "")):
        raise JenkinsError(f"cannot read a report of {build.url}: it names no commit")
    known = {str(verdict): verdict for verdict in Verdict}
    result = PipelineResult(
        pipeline=properties.get("infraci.pipeline", ""),
        voting=properties.get("infraci.voting") != "false",
        verdict=known.get(properties.get("infraci.verdict", "")),
        cause=properties.get("infraci.cause", ""),
        author=properties.get("infraci.author", ""),
        email=properties.get("infraci.email", ""),
        subject=properties.get("infraci.subject", ""),
        tests=len(list(root.iter("testcase"))),
        failures=tuple(_failures(root)),
        build=build,
        cloud=properties.get("infraci.cloud", ""),
    )
    return properties["infraci.commit"], result


def _failures(root: ET.Element) -> Iterable[FailedTestcase]:
    for case in root.iter("testcase"):
        for child in case:
            if child.tag in ("failure", "error"):
                yield FailedTestcase(
                    name=displayable(case.get("name", "")),
                    classname=displayable(case.get("classname", "")),
                    message=displayable(child.get("message", "")),
                    is_error=child.tag == "error",
                )
