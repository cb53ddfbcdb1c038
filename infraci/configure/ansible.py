"""The ``ansible`` step: a playbook of the commit, run once for all its servers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infraci.configure.playbook import Stage, calling, first_error
from infraci.configure.remote import killed
from infraci.configure.step import Applied, Step, StepContext, StepError, Target, log_end
from infraci.errors import InfraciError, UnreachableError
from infraci.model.configure import AnsibleStep
from infraci.model.run import Server
from infraci.program import ProgramTimeoutError, run_program
from infraci.ssh import Session

_LAST_LINES = 20


class Ansible(Step):
    """Runs a playbook on this machine; its tasks reach the servers by the run's ssh_config."""

    def __init__(self, options: AnsibleStep) -> None:
        self._options = options
        self.name = options.title
        self.roles = options.roles

    def apply(self, session: Session, server: Server, context: StepContext) -> Applied:
        """Run it for one server only."""
        target = Target(server=server, open=lambda: session, context=context)
        (result,) = self.apply_to_all([target])
        if isinstance(result, Exception):
            raise result
        return result

    def apply_to_all(self, targets: Sequence[Target]) -> Sequence[Applied | Exception]:
        """Run it for all of them; what it changes are tasks."""
        results = self._run(targets)
        for target, result in zip(targets, results, strict=True):
            log_end(self, target, result)
        return results

    def _run(self, targets: Sequence[Target]) -> Sequence[Applied | Exception]:
        context = targets[0].context
        limit = [target.server for target in targets]
        mark = f"{secrets.token_hex(8)} "
        stage = Stage(
            servers=context.servers or limit,
            limit=limit,
            ssh_config=context.ssh_config,
            outputs=context.outputs,
            run_id=context.run_id,
            commit=context.commit,
            mark=mark,
        )
        account = _Account(targets, self._options, context.root, mark)
        limit_s = context.deadline.within(self._options.timeout_s)
        try:
            with calling(self._options, context.root, stage) as call:
                status = run_program(
                    call.command,
                    cwd=context.root,
                    environment=call.environment,
                    timeout_s=limit_s,
                    deadline=context.deadline,
                    on_line=account.hear,
                )
        except ProgramTimeoutError:
            path = str(self._options.playbook)
            return [killed(path, server, limit_s, account.last(server)) for server in limit]
        return [account.result(server, status) for server in limit]


class _Account:
    """What is heard of a playbook, by server."""

    def __init__(
        self, targets: Sequence[Target], options: AnsibleStep, root: Path, mark: str
    ) -> None:
        self._targets = {target.server.word: target for target in targets}
        self._playbook = options.playbook
        self._root = root
        self._mark = mark
        self._said: list[str] = []  # what is no event
        self._lines: dict[str, list[str]] = {name: [] for name in self._targets}
        self._changed: dict[str, list[str]] = {name: [] for name in self._targets}
        self._failed: dict[str, tuple[str, str]] = {}  # by host: the task, and what it said
        self._stats: Mapping[str, Mapping[str, int]] | None = None

    def hear(self, line: str) -> None:
        """Take a line of Ansible's output."""
        if line.startswith(self._mark):
            self._take(json.loads(line.removeprefix(self._mark)))
        elif line.strip():
            self._said.append(line)
            for name in self._targets:
                self._log(name, line)

    def _take(self, event: Mapping[str, Any]) -> None:
        if "stats" in event:
            self._stats = event["stats"]
        elif "host" in event:
            self._take_end(event)
        else:
            for target in self._targets.values():
                target.context.tell(f"ansible {self._playbook}: {event['task']}")

    def _take_end(self, event: Mapping[str, Any]) -> None:
        host, status, text = event["host"], event["status"], event["text"]
        task = f"{event['name']} ({self._place(event['at'])})"
        if status == "changed" and host in self._changed:
            self._changed[host].append(task)
        if status in ("failed", "unreachable"):
            self._failed[host] = (task, text)
        elsewhere = "" if host in self._targets else f"{host}: "
        for name in [host] if host in self._targets else self._targets:
            self._log(name, f"{elsewhere}{status}: {task}")
            for line in text.splitlines():
                self._log(name, f"    {line}")

    def _log(self, name: str, line: str) -> None:
        self._lines[name].append(line)
        self._targets[name].context.log(line)

    def _place(self, at: str) -> str:
        return at.replace(f"{self._root}/", "")

    def last(self, server: Server) -> str:
        """The last lines of a server's log."""
        return "\n".join(self._lines[server.word][-_LAST_LINES:])

    def result(self, server: Server, status: int) -> Applied | InfraciError:
        """What became of a server in a playbook that ended with that exit status."""
        name = server.word
        if self._stats is None or (status != 0 and not self._is_anybody_bad()):
            return self._error(server, first_error("\n".join(self._said)))
        for other in self._stats:  # a task that is delegated to nobody's server, say localhost
            if other not in self._targets and self._is_bad(other, "failures"):
                task, text = self._failed.get(other, ("a task", ""))
                return self._error(server, f"{task} failed on {other}{_reason(text)}")
        if self._is_bad(name, "unreachable"):
            task, text = self._failed.get(name, ("a task", ""))
            return UnreachableError(
                f"cannot reach {server.name} in {self._playbook}, {task}{_reason(text, -1)}",
                hint="its sshd or the way to it is in trouble; the commit's tasks are not to blame",
            )
        if self._is_bad(name, "failures"):
            task, text = self._failed.get(name, ("a task", ""))
            return self._error(server, f"{task} failed{_reason(text)}")
        if not self._targets.keys() & self._stats.keys():
            return self._nothing_for(server)
        return Applied(changes=tuple(self._changed[name]))

    def _is_anybody_bad(self) -> bool:
        return any(
            self._is_bad(name, count)
            for name in self._stats or ()
            for count in ("failures", "unreachable")
        )

    def _is_bad(self, name: str, count: str) -> bool:
        return bool((self._stats or {}).get(name, {}).get(count))

    def _error(self, server: Server, reason: str) -> StepError:
        return StepError(
            f"cannot configure {server.name}: in {self._playbook}, {reason}",
            hint=self._hint(server),
            details=self.last(server),
        )

    def _hint(self, server: Server) -> str | None:
        if any("sudo: a password is required" in line for line in self._lines[server.word]):
            return f"{server.user} needs password-less sudo, or the step sudo: false"
        return None

    def _nothing_for(self, server: Server) -> StepError:
        role = f"; its group is {server.role}" if server.role else ""
        return StepError(
            f"cannot configure {server.name}: no play of {self._playbook} is for it{role}",
            hint="hosts: of a play takes `all`, a server's name or a role",
            details=self.last(server),
        )


def _reason(text: str, which: int = 0) -> str:
    """The first, or another, line of what a task said, to be put after its name."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f": {lines[which]}" if lines else ""
