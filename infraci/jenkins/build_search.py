"""Tests commits for a search: each in a build on a free agent of Jenkins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from infraci.base.parallel import in_parallel
from infraci.errors import InfraciError
from infraci.history import RESULT, History, Result, invalid, parse
from infraci.jenkins.build_watch import long_deadline, watch_queued
from infraci.jenkins.builds import Build, Queued
from infraci.jenkins.controller import Controller
from infraci.jenkins.jenkins_error import JenkinsError
from infraci.jenkins.results import read_report
from infraci.model.run import Verdict

#: The job that takes single commits.
_JOB = "commit"
_HOURS = 24.0


@dataclass(slots=True, kw_only=True)
class Builds:
    """Tests commits with one pipeline, and adds their results to the history of this clone."""

    root: Path
    controller: Controller
    pipeline: str
    cloud: str
    tell: Callable[[str], None] = lambda line: None
    _queued: list[Queued] = field(default_factory=list)
    _is_over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, shas: Sequence[str]) -> Sequence[Result | None]:
        """Build commits, all at once; an interruption aborts the builds, and is raised."""
        self.tell(f"building {', '.join(sha[:10] for sha in shas)}")
        try:
            results = in_parallel(self._build, shas)
        except BaseException:
            self._abort()
            raise
        for result in results:
            if isinstance(result, Exception):
                raise result
        return [result for result in results if not isinstance(result, Exception)]

    def _build(self, sha: str) -> Result | None:
        parameters = {
            "COMMIT": sha,
            "PIPELINES": self.pipeline,
            "CLOUD": self.cloud,
            "DESTROY": "always",
        }
        with self._lock:  # so that an interruption knows each build that is queued
            if self._is_over.is_set():
                return None
            queued = self.controller.trigger(_JOB, parameters)
            self._queued.append(queued)
        build = watch_queued(
            self.controller, queued, say=lambda line: None, deadline=long_deadline(_HOURS)
        )
        with self._lock:
            self._queued.remove(queued)
        result = self._read(sha, build)
        verdict = "no result" if result is None else f"{result.verdict}"
        self.tell(f"{sha[:10]}: {verdict} ({build.url})")
        return result

    def _read(self, sha: str, build: Build) -> Result | None:
        """The result of a build, or that its commit's files are wrong; None if it has neither."""
        for path in build.artifacts:
            if path.endswith(f"/{RESULT}"):
                with suppress(ValueError):
                    text = self.controller.artifact(build, path).decode("utf-8", "replace")
                    result = replace(parse(text), of_search=True)
                    History(self.root).add(sha, [result])
                    return result
        for path in build.artifacts:
            if "/" not in path and path.endswith(".xml"):
                with suppress(JenkinsError):
                    commit, report = read_report(self.controller.artifact(build, path), build)
                    if commit == sha and report.verdict is Verdict.INVALID:
                        return invalid(pipeline=self.pipeline, cloud=self.cloud)
        return None

    def _abort(self) -> None:
        """Cancel queued builds, then abort running ones, which tear down by themselves."""
        with self._lock:
            self._is_over.set()
            left, self._queued[:] = list(self._queued), []
        for queued in left:
            with suppress(InfraciError):
                self.controller.cancel(queued)
        for queued in left:
            with suppress(InfraciError):
                if (number := self.controller.build_in_queue(queued)) is not None:
                    self.controller.stop(queued.job, number)
