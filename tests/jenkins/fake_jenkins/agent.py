"""The agents: what builds really do, in a workspace on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.jenkins.fake_jenkins.state import BuildState, Item, State
from tests.jenkins.interpreter import AbortedError, Event, Interpreter, StepFailedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Takes builds out of the queue, one at a time, until it has to end."""

    state: State
    environment: Mapping[str, str]
    url: str
    ended: threading.Event
    interpreter: Interpreter | None  # None: it knows no pipelines

    def work(self) -> None:
        """Take builds."""
        while not self.ended.is_set():
            following = self.state.next_build()
            if following is None:
                continue
            item, build = following
            try:
                build.result = self._take(item, build)
            except AbortedError:
                build.result = "ABORTED"
            except StepFailedError as error:
                build.say(f"{error}\n")
                build.result = "FAILURE"
            except Exception as error:
                build.say(f"the fake Jenkins broke down: {error!r}\n")
                build.result = "FAILURE"
            build.duration_s = time.time() - build.began
            build.say(f"Finished: {build.result}\n")
            build.building = False

    def _take(self, item: Item, build: BuildState) -> str:
        workspace = self.state.home / "workspace" / item.full_name
        workspace.mkdir(parents=True, exist_ok=True)
        taken = Work(build=build, item=item, workspace=workspace, agent=self)
        if item.config.tag == "flow-definition":
            return taken.pipeline()
        return taken.freestyle()


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One build at work."""

    build: BuildState
    item: Item
    workspace: Path
    agent: Agent

    @property
    def _variables(self) -> dict[str, str]:
        name = self.item.full_name
        number = str(self.build.number)
        return {
            "JOB_NAME": name,
            "JOB_BASE_NAME": self.item.name,
            "BUILD_NUMBER": number,
            "BUILD_TAG": f"jenkins-{name.replace('/', '-')}-{number}",
            "WORKSPACE": str(self.workspace),
            "CI": "true",
        }

    def freestyle(self) -> str:
        """A project's shell steps, its artifacts, its reports."""
        config = self.item.config
        variables = self._variables | dict(self.build.parameters)
        result = "SUCCESS"
        for command in config.iterfind(".//hudson.tasks.Shell/command"):
            if self._shell(command.text or "", variables)[0] != 0:
                result = "FAILURE"
                break
        for pattern in config.iterfind(".//hudson.tasks.ArtifactArchiver/artifacts"):
            self._archive(self.workspace, pattern.text or "")
        for pattern in config.iterfind(".//hudson.tasks.junit.JUnitResultArchiver/testResults"):
            if self._junit(pattern.text or "") and result == "SUCCESS":
                result = "UNSTABLE"
        return result

    def pipeline(self) -> str:
        """A pipeline: the Jenkinsfile of the job's branch."""
        config = self.item.config
        url = config.findtext(".//userRemoteConfigs/*/url") or ""
        branch = (config.findtext(".//branches/*/name") or "").removeprefix("refs/heads/")
        clone = self._clone(url)
        script = config.findtext(".//scriptPath") or "Jenkinsfile"
        text = _git(clone, "show", f"origin/{branch}:{script}")
        assert self.agent.interpreter is not None
        with tempfile.TemporaryDirectory() as folder:
            jenkinsfile = Path(folder) / "Jenkinsfile"
            jenkinsfile.write_text(text)
            taken = self.agent.interpreter.take(
                jenkinsfile,
                self._step,
                parameters=dict(self.build.parameters),
                environment=self._variables,
                scm={
                    "branches": [{"name": f"refs/heads/{branch}"}],
                    "userRemoteConfigs": [{"url": url}],
                    "extensions": [],
                },
                on_event=self._hear,
            )
        if taken.result is None:
            raise StepFailedError(str(taken.events[-1]))
        return taken.result

    def _hear(self, event: Event) -> None:
        match event.get("event"):
            case "description":
                self.build.description = event["text"]
            case "name":
                self.build.display_name = event["text"]
            case "stage":
                status = "NOT_EXECUTED" if "skipped" in event else "IN_PROGRESS"
                self.build.stages.append({"name": event["name"], "status": status})
            case "end":
                stage = next(s for s in self.build.stages if s["name"] == event["name"])
                stage["status"] = {"FAILURE": "FAILED"}.get(event["result"], event["result"])

    def _step(self, name: str, step: Event) -> Any:
        if name != "withCredentials" and self.build.is_stopped.is_set() and not self.in_post:
            self.build.folder.joinpath("post").touch()
            raise AbortedError
        match name:
            case "sh":
                status, stdout = self._shell(step["script"], step["env"])
                return {"status": status, "stdout": stdout}
            case "checkout":
                return {"GIT_COMMIT": self._checkout(step["scm"])}
            case "junit":
                failed = self._junit(step["testResults"])
                if failed and not step.get("skipMarkingBuildUnstable"):
                    raise StepFailedError("unstable")
                return None
            case "archiveArtifacts":
                self._archive(self.workspace / step["env"].get("DIR", ""), step["artifacts"])
                return None
        raise StepFailedError(f"the fake Jenkins knows no step {name}")

    @property
    def in_post(self) -> bool:
        """Whether the abort has been told: what comes after it is the post part."""
        return self.build.folder.joinpath("post").exists()

    def _shell(self, script: str, variables: Mapping[str, str]) -> tuple[int, str]:
        with (
            self.build.console.open("a") as console,
            subprocess.Popen(
                ["sh", "-xe", "-c", script],
                cwd=self.workspace,
                env={**self.agent.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=console,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            watcher = threading.Thread(target=self._watch, args=(process,), daemon=True)
            if not self.in_post:
                watcher.start()
            stdout, _ = process.communicate()
        self.build.say(stdout)
        if self.build.is_stopped.is_set() and not self.in_post:
            self.build.folder.joinpath("post").touch()
            raise AbortedError
        return process.returncode, stdout

    def _watch(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            if self.build.is_stopped.wait(0.1):
                with suppress(ProcessLookupError):  # it has ended by itself
                    os.killpg(process.pid, signal.SIGTERM)
                return

    def _clone(self, url: str) -> Path:
        clone = self.agent.state.home / "clones" / self.item.full_name
        if not clone.exists():
            _git(self.workspace, "clone", "--quiet", "--no-checkout", "--", url, str(clone))
        _git(clone, "fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
        return clone

    def _checkout(self, scm: Mapping[str, Any]) -> str:
        url, revision = scm["userRemoteConfigs"][0]["url"], scm["branches"][0]["name"]
        if not (self.workspace / ".git").exists():
            _git(self.workspace, "init", "--quiet")
            _git(self.workspace, "remote", "add", "origin", url)
        _git(self.workspace, "fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
        revision = revision.replace("refs/heads/", "refs/remotes/origin/")
        _git(self.workspace, "checkout", "--quiet", "--force", "--detach", revision)
        return _git(self.workspace, "rev-parse", "HEAD").strip()

    def _archive(self, folder: Path, patterns: str) -> None:
        for path in _matching(folder, [p.strip() for p in patterns.split(",")]):
            target = self.build.folder / "archive" / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)

    def _junit(self, patterns: str) -> bool:
        """Read reports; whether something failed."""
        failed = False
        for path in _matching(self.workspace, [p.strip() for p in patterns.split(",")]):
            self.build.reports.append(path.read_bytes())
            root = ET.parse(path).getroot()
            failed |= any(c.tag in ("failure", "error") for c in root.iterfind(".//testcase/*"))
        return failed


def _matching(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Files by Ant's patterns, of which ``**`` at the end means all below."""
    paths = {p for pattern in patterns for p in folder.glob(pattern.replace("**", "**/*"))}
    return sorted(path for path in paths if path.is_file())


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise StepFailedError(f"git {arguments[0]}: {done.stderr}")
    return done.stdout
