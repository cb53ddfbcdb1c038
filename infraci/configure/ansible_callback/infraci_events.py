"""Ansible's standard output as events, one JSON object a line. Runs in Ansible, not in infraci.

Each event's line begins with the mark that INFRACI_MARK holds. What Ansible itself says beside
them (warnings, errors) stays as it is.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: infraci_events
    type: stdout
    short_description: what infraci reads
    description: One JSON object a line.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Tells of tasks that begin, of what became of them on each host, and of the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "infraci_events"

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """A task begins."""
        _send({"task": task.get_name(), "at": task.get_path()})

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """A handler begins."""
        _send({"task": task.get_name(), "at": task.get_path()})

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task went well."""
        said = _said(result)
        debug = _task(result).action in ("debug", "ansible.builtin.debug")
        _end(result, "changed" if said.get("changed") else "ok", _text(said) if debug else "")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task failed; a rescue may still mend that."""
        _end(result, "ignored" if ignore_errors else "failed", _text(_said(result)))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host cannot be reached."""
        _end(result, "unreachable", _text(_said(result)))

    def v2_runner_on_skipped(self, result: Any) -> None:
        """A task was not for this host."""
        _end(result, "skipped", "")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """All is over."""
        _send({"stats": {host: stats.summarize(host) for host in stats.processed}})


def _end(result: Any, status: str, text: str) -> None:
    host = getattr(result, "host", None) or result._host
    task = _task(result)
    event = {"host": host.get_name(), "status": status, "text": text}
    _send({**event, "name": task.get_name(), "at": task.get_path()})


def _task(result: Any) -> Any:
    return getattr(result, "task", None) or result._task


def _said(result: Any) -> dict[str, Any]:
    said = getattr(result, "result", None)  # before 2.19 it was private
    return dict(result._result if said is None else said)


def _text(said: dict[str, Any]) -> str:
    """What a task says: its message, then its output; of a loop what its failed items say."""
    if said.get("censored"):
        return str(said["censored"])
    items = [item for item in said.get("results") or () if isinstance(item, dict)]
    parts = [_text(item) for item in items if item.get("failed")]
    if said.get("msg") == "non-zero return code":
        last = (str(said.get("stderr") or said.get("stdout") or "").splitlines() or [""])[-1]
        said = {**said, "msg": f"exit status {said.get('rc')}{last and ': '}{last}"}
    names = ("msg", "stderr", "stdout", "module_stderr", "module_stdout")
    parts += [str(said[name]) for name in names if said.get(name) and not parts]
    if not parts and "exception" in said:
        parts.append(str(said["exception"]))
    if not parts:  # the debug module with var:
        shown = {k: v for k, v in said.items() if not k.startswith("_") and k != "changed"}
        shown.pop("failed", None)
        parts = [f"{name}: {value}" for name, value in shown.items()]
    return "\n".join(dict.fromkeys(part.strip() for part in parts))


def _send(event: dict[str, Any]) -> None:
    mark = os.environ.get("INFRACI_MARK", "")
    sys.stdout.write(f"\n{mark}{json.dumps(event, default=str)}\n")
    sys.stdout.flush()
