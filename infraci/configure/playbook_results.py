"""Reads a playbook's events while it runs, and makes of them each server's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from infraci.base.deadline import duration
from infraci.base.json_reader import read_json
from infraci.base.lines import last_line
from infraci.configure.ansible_tasks import AnsibleTask, HostTasks
from infraci.configure.playbook import error_location, first_error
from infraci.configure.step import Applied, Part, StepError, StepOutsideError, Target
from infraci.configure.step_failure import first_failed, needs_sudo, step_cause, step_error, stopped
from infraci.errors import InfraciError, UnreachableError
from infraci.model.run import Server

_LAST_LINES = 20
#: What became of tasks that did nothing: in the log, but worth no line on the console.
_QUIET = ("ok", "skipped")


class PlaybookResults:
    """Takes the lines of Ansible's output; those of events begin with ``mark``."""

    def __init__(
        self, targets: Sequence[Target], playbook: PurePosixPath, root: Path, mark: str
    ) -> None:
        self._targets = {target.server.word: target for target in targets}
        self._playbook = playbook
        self._root = root
        self._mark = mark
        self._own_hosts = targets[0].run.own_hosts
        self._output: list[str] = []  # lines that are no events
        self._lines: dict[str, list[str]] = {name: [] for name in self._targets}
        self._changed: dict[str, list[str]] = {name: [] for name in self._targets}
        self._tasks: dict[str, HostTasks] = {name: HostTasks() for name in self._targets}
        self._stats: Mapping[str, Mapping[str, int]] | None = None

    def take_line(self, line: str) -> None:
        """Take a line of Ansible's output."""
        if line.startswith(self._mark):
            with suppress(ValueError, TypeError, KeyError, AttributeError):  # one made up by a task
                self._take(read_json(line.removeprefix(self._mark)))
        elif line.strip():
            self._output.append(line)
            for name in self._targets:
                self._log(name, line)

    def result(self, server: Server, status: int) -> Applied | InfraciError:
        """What became of a server in a playbook that ended with that exit status."""
        name = server.word
        if self._stats is None or (status != 0 and not self._is_any_bad()):
            return self._unread(server)
        failed = [
            *(task for other in self._others() for task in self._failed(other)),
            *self._failed(name),
        ]
        if failed or self._is_bad(name, "failures"):
            return self._error(server, failed)
        if self._is_bad(name, "unreachable"):
            return self._unreachable(server)
        if not self._targets.keys() & self._stats.keys():
            role = f"; its group is {server.role}" if server.role else ""
            return step_error(
                f"{server.name}: {self._playbook} failed: no play is for it{role}",
                hint="hosts: of a play takes `all`, a server's name or a role",
                details=self._last(server),
            )
        return Applied(changes=tuple(self._changed[name]), parts=self._parts(server))

    def stopped(self, server: Server, timeout_s: float) -> StepError | StepOutsideError:
        """The error for a server whose playbook took too long; tasks that still ran are named."""
        tasks = self._tasks[server.word]
        if failed := tasks.failed():  # before: it was not this server that took too long
            return self._error(server, failed)
        running = tasks.running()
        when = f"was stopped after {duration(timeout_s)}"
        return stopped(
            server,
            f"{self._playbook}: {running.name}" if running else str(self._playbook),
            timeout_s,
            output="",
            details=self._last(server),
            parts=self._parts(server, stopped=when),
        )

    def _take(self, event: Mapping[str, Any]) -> None:
        if "stats" in event:
            self._stats = event["stats"]
        elif "host" not in event:
            for target in self._targets.values():
                target.run.show(f"ansible {self._playbook}: {event['task']}")
        else:
            host = event["host"]
            tasks = self._tasks.setdefault(host, HostTasks(suffix=f" ({host})"))
            user = self._targets[host].server.user if host in self._targets else "the user"
            tasks.take(event, self._relative(event["at"]), self._own_hosts, user)
            if event["status"] != "begun":
                self._log_end(event)

    def _log_end(self, event: Mapping[str, Any]) -> None:
        host, status = event["host"], event["status"]
        task = f"{event['name']} ({self._relative(event['at'])})"
        if status == "changed" and host in self._changed:
            self._changed[host].append(task)
        if status not in _QUIET and host in self._targets:
            self._targets[host].run.tell(f"ansible {self._playbook}: {status}: {task}")
        elsewhere = "" if host in self._targets else f"{host}: "
        for name in [host] if host in self._targets else self._targets:
            self._log(name, f"{elsewhere}{status}: {task}")
            for line in event["text"].splitlines():
                self._log(name, f"    {line}")

    def _log(self, name: str, line: str) -> None:
        self._lines[name].append(line)
        self._targets[name].run.log(line)

    def _relative(self, text: str) -> str:
        return text.replace(f"{self._root}/", "")

    def _last(self, server: Server) -> str:
        """The last lines of a server's log."""
        return "\n".join(self._lines[server.word][-_LAST_LINES:])

    def _others(self) -> list[str]:
        """Hosts that are none of the step's servers: localhost, mostly."""
        return [name for name in self._tasks if name not in self._targets]

    def _failed(self, name: str) -> list[AnsibleTask]:
        is_bad = self._is_bad(name, "failures") or self._is_bad(name, "unreachable")
        return self._tasks[name].failed() if is_bad and name in self._tasks else []

    def _parts(
        self, server: Server, failed: Sequence[AnsibleTask] = (), *, stopped: str = ""
    ) -> tuple[Part, ...]:
        of_all = [self._tasks[name] for name in [*self._others(), server.word]]
        parts = (tasks.parts(server, self._playbook, failed, stopped=stopped) for tasks in of_all)
        return tuple(chain.from_iterable(parts))

    def _is_any_bad(self) -> bool:
        return any(
            self._is_bad(name, count)
            for name in self._stats or ()
            for count in ("failures", "unreachable")
        )

    def _is_bad(self, name: str, count: str) -> bool:
        return bool((self._stats or {}).get(name, {}).get(count))

    def _error(self, server: Server, failed: Sequence[AnsibleTask]) -> StepError | StepOutsideError:
        parts = self._parts(server, failed)
        first = first_failed(parts)
        return step_error(
            first.message if first else f"{server.name}: {self._playbook} failed: a task failed",
            hint=needs_sudo(server, "\n".join(self._lines[server.word])),
            details=self._last(server),
            parts=parts,
        )

    def _unread(self, server: Server) -> StepError | StepOutsideError:
        """The error for a playbook that Ansible could not run to its end, whatever tasks did."""
        output = "\n".join(self._output)
        where = self._relative(error_location(output))
        reason = self._relative(first_error(output)) + (f" ({where})" if where else "")
        return step_error(
            f"{server.name}: {self._playbook} failed: {reason}",
            is_outside=step_cause(output, own_hosts=self._own_hosts).is_outside,
            details=self._last(server),
            parts=self._parts(server, self._tasks[server.word].failed()),
        )

    def _unreachable(self, server: Server) -> UnreachableError:
        tasks = self._tasks[server.word].tasks.values()
        task = next((task for task in reversed(tasks) if task.status == "unreachable"), None)
        where = f", {task.name} ({task.location})" if task else ""
        reason = last_line(task.text) if task else ""
        return UnreachableError(
            f"cannot reach {server.name} in {self._playbook}{where}{reason and ': '}{reason}",
            hint="its sshd or the network to it fails; the commit's tasks are not to blame",
        )
