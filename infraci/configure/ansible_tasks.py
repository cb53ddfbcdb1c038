"""The tasks of a playbook on one host: how each ended, and why one failed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from infraci.base.lines import first_line
from infraci.configure.step import Part
from infraci.configure.step_failure import SILENT, StepCause, failed_part, step_cause
from infraci.diagnosis.reason import clipped
from infraci.diagnosis.sudo import find_refusal
from infraci.model.run import Outcome, Server

#: A task that ends twice on a host, such as a handler, ended as the first of these.
_WORST = ("failed", "unreachable", "begun", "changed", "ok", "ignored", "skipped")
#: What Ansible has in place of an exception's traceback, unless asked for it.
_NO_TRACEBACK = "(traceback unavailable)"
#: Messages that tell nothing: the output does.
_VAGUE = ("non-zero return code", "MODULE FAILURE", "Module result deserialization failed")

#: What Ansible itself says of sudo and su.
_OF_BECOME = re.compile(
    r"^(?:Task failed: )?(?:(?:Missing|Incorrect) \S+ password"
    r"|Timeout \(\d+s\) waiting for privilege escalation prompt)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsibleTask:
    """A task on a host: "begun", or how it ended."""

    name: str  # "PLAY: TASK", as written in the playbook; a number tells those of one name apart
    location: str  # "site.yml:12"
    status: str
    cause: StepCause | None = None  # of one that failed
    text: str = ""
    rescuer: str | None = None  # the block whose rescue takes the failure
    within: Collection[str] = ()  # the blocks in whose rescue it is


@dataclass(slots=True, kw_only=True)
class HostTasks:
    """The tasks of one host, in their order."""

    suffix: str = ""  # of their names, on a host that is no server
    tasks: dict[str, AnsibleTask] = field(default_factory=dict)  # by Ansible's id
    names: Counter[str] = field(default_factory=Counter)

    def take(
        self, event: Mapping[str, Any], location: str, own_hosts: Collection[str], user: str
    ) -> None:
        """Note an event of a task on a host where ``user`` logs in.

        Where sudo does not answer, Ansible calls the host unreachable; here the task has failed.
        """
        id_, status = event["id"], event["status"]
        refused = _refused(event.get("failures", ()), user)
        if refused and status == "unreachable":
            status = "failed"
        before = self.tasks.get(id_)
        if (
            before
            and before.status != "begun"
            and _WORST.index(before.status) < _WORST.index(status)
        ):
            return
        is_bad = status in ("failed", "unreachable")
        self.tasks[id_] = AnsibleTask(
            name=before.name if before else self._unique(event["part"]),
            location=location,
            status=status,
            cause=(refused or cause_of_task(event.get("failures", ()), own_hosts))
            if is_bad
            else None,
            text=event["text"] if is_bad else "",
            rescuer=event.get("rescuer"),
            within=tuple(event.get("within", ())),
        )

    def failed(self) -> list[AnsibleTask]:
        """The tasks that failed and were not rescued."""
        failed = [task for task in self.tasks.values() if task.status == "failed"]
        lost = {block for task in failed if task.rescuer is None for block in task.within}
        return [task for task in failed if task.rescuer is None or task.rescuer in lost]

    def running(self) -> AnsibleTask | None:
        """The task that has begun last and did not end."""
        begun = (task for task in reversed(self.tasks.values()) if task.status == "begun")
        return next(begun, None)

    def parts(
        self,
        server: Server,
        playbook: PurePosixPath,
        failed: Sequence[AnsibleTask] = (),
        *,
        stopped: str = "",
    ) -> Iterator[Part]:
        """A part for each task, of which these failed; ``stopped`` tells what ended one."""
        for task in self.tasks.values():
            if task in failed:
                cause = task.cause or StepCause(text=SILENT)
                location, text = task.location, task.text
                yield failed_part(
                    server, str(playbook), task.name, cause, location=location, text=text
                )
            elif task.status == "begun" and stopped:
                message = f"{server.name}: {playbook}: {task.name} {stopped} ({task.location})"
                yield Part(name=task.name, outcome=Outcome.FAILURE, message=message)
            elif task.status not in ("begun", "unreachable"):
                is_skipped = task.status == "skipped"
                outcome = Outcome.SKIPPED if is_skipped else Outcome.PASSED
                yield Part(name=task.name, outcome=outcome)

    def _unique(self, name: str) -> str:
        name += self.suffix
        self.names[name] += 1
        return name if self.names[name] == 1 else self._unique_number(name)

    def _unique_number(self, name: str) -> str:
        """A number after the name, unless the playbook has that as a name itself."""
        while (numbered := f"{name} #{self.names[name]}") in self.names:
            self.names[name] += 1
        return numbered


def _refused(failures: Sequence[Mapping[str, Any]], user: str) -> StepCause | None:
    """Why sudo or su did not let Ansible begin a module; what a command prints is not searched."""
    for failure in failures:
        texts = [str(failure.get(name) or "") for name in ("module_stderr", "module_stdout")]
        message = str(failure.get("msg") or "")
        if _OF_BECOME.search(message):
            texts.insert(0, message)
        if refusal := find_refusal("\n".join(texts), user):
            return StepCause(text=refusal.reason)
    return None


def cause_of_task(failures: Sequence[Mapping[str, Any]], own_hosts: Collection[str]) -> StepCause:
    """Why a task failed; of a loop, the first item whose failure is the commit's doing."""
    causes = [_cause(failure, own_hosts) for failure in failures]
    blamed = (cause for cause in causes if not cause.is_outside)
    return next(blamed, causes[0] if causes else StepCause(text=SILENT))


def _cause(failure: Mapping[str, Any], own_hosts: Collection[str]) -> StepCause:
    """By its message, or by its output where that says more."""
    message = str(failure.get("censored") or failure.get("msg") or "").strip()
    response = str(failure.get("response") or "")
    if response and response not in message:
        message = f"{message}: {response}"
    is_vague = message.startswith(_VAGUE) or not message
    url = f"url: {failure['url']}\n" if "url" in failure else ""
    texts = [] if is_vague else [url + message]
    names = ("stderr", "module_stderr", "stdout", "module_stdout", "exception")
    outputs = [str(failure[name]) for name in names if failure.get(name)]
    texts += [output for output in outputs if output != _NO_TRACEBACK]
    causes = [step_cause(text, own_hosts=own_hosts) for text in texts]
    sure = next((cause for cause in causes if cause.is_sure), None)
    if sure is not None and (sure.is_outside or is_vague or sure.text in message):
        return sure
    if not is_vague:
        return StepCause(text=clipped(first_line(message)))
    reasons = [f"exit status {failure['rc']}"] if "rc" in failure else []
    reasons += [cause.text for cause in causes[:1]]
    return StepCause(text=": ".join(reasons) or SILENT)
