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
from ansible.plugins.loader import become_loader

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
    _play = ""

    def __init__(self) -> None:
        super().__init__()
        _fail_where_su_asks()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """A play begins."""
        written = _written(play)
        hosts = written.get("hosts", "")
        hosts = hosts if isinstance(hosts, str) else ",".join(map(str, hosts))
        self._play = str(written.get("name") or hosts or play.get_name())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """A task begins."""
        _send({"task": task.get_name()})

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """A handler begins."""
        _send({"task": task.get_name()})

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """A task begins on a host."""
        _send({"host": host.get_name(), "status": "begun", **self._identity(task)})

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task went well."""
        values = _values_of(result)
        debug = _task(result).action in ("debug", "ansible.builtin.debug")
        text = _text(values) if debug else ""
        self._end(result, "changed" if values.get("changed") else "ok", text)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task failed; a rescue may still mend that."""
        self._end_badly(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host cannot be reached."""
        self._end_badly(result, "unreachable")

    def v2_runner_on_skipped(self, result: Any) -> None:
        """A task was not for this host."""
        self._end(result, "skipped", "")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """All is over."""
        _send({"stats": {host: stats.summarize(host) for host in stats.processed}})

    def _end_badly(self, result: Any, status: str) -> None:
        values = _values_of(result)
        self._end(
            result, status, _text(values), failures=_failures(values), **_rescue(_task(result))
        )

    def _end(self, result: Any, status: str, text: str, **more: Any) -> None:
        host = getattr(result, "host", None) or result._host
        event = {"host": host.get_name(), "status": status, "text": text, **more}
        _send({**event, **self._identity(_task(result))})

    def _identity(self, task: Any) -> dict[str, str]:
        """What a task is: its names with templates filled in and as written, and its place."""
        shown = task.get_name()
        written = _written(task).get("name")
        raw = shown
        if written and task.name and shown.endswith(task.name):
            raw = shown.removesuffix(task.name) + str(written)
        return {
            "id": task._uuid,
            "name": shown,
            "part": f"{self._play}: {raw}",
            "at": task.get_path() or "",
        }


def _fail_where_su_asks() -> None:
    """Have a task fail with "Missing su password" at su's prompt, if Ansible knows no password.

    su has no option like sudo's -n: Ansible would wait until its timeout, three times, and call
    the host unreachable. The processes that run tasks inherit the changed class.
    """
    su = become_loader.get("su", class_only=True)
    su.awaited = ""
    su.prompt = property(_awaited, lambda plugin, prompt: setattr(plugin, "awaited", prompt))
    su.check_missing_password = su.check_password_prompt


def _awaited(su: Any) -> Any:
    """The prompt that a plugin of su's awaits: where it awaits any, no password is missing."""
    return su.awaited if su.get_option("become_pass") else ""


def _written(thing: Any) -> dict[str, Any]:
    """What the playbook's file has of a play or task, before templates were filled in."""
    written = thing.get_ds() if hasattr(thing, "get_ds") else None
    return dict(written) if isinstance(written, dict) else {}


def _rescue(task: Any) -> dict[str, Any]:
    """Which block's rescue takes a failure of a task, and in the rescues of which blocks it is."""
    rescuer = None
    within = []
    child, parent = task, getattr(task, "_parent", None)
    while parent is not None:
        if rescuer is None and getattr(parent, "rescue", None) and _has(parent.block, child):
            rescuer = parent._uuid
        if _has(getattr(parent, "rescue", None), child):
            within.append(parent._uuid)
        child, parent = parent, getattr(parent, "_parent", None)
    return {"rescuer": rescuer, "within": within}


def _has(tasks: Any, task: Any) -> bool:
    return any(one._uuid == task._uuid for one in tasks or ())


def _failures(values: dict[str, Any]) -> list[dict[str, Any]]:
    """What failed of a task: itself, or those items of a loop that did."""
    items = [item for item in values.get("results") or () if isinstance(item, dict)]
    bad = [item for item in items if item.get("failed")] or [values]
    return [{name: item[name] for name in _TELLING if item.get(name)} for item in bad]


#: What of a result may tell why a task failed.
_TELLING = (
    "msg", "rc", "stderr", "stdout", "module_stderr", "module_stdout", "url", "response",
    "exception", "censored",
)  # fmt: skip


def _task(result: Any) -> Any:
    return getattr(result, "task", None) or result._task


def _values_of(result: Any) -> dict[str, Any]:
    values = getattr(result, "result", None)  # before 2.19 it was private
    return dict(result._result if values is None else values)


def _text(result: dict[str, Any]) -> str:
    """A task's message, then its output; of a loop those of its failed items."""
    if result.get("censored"):
        return str(result["censored"])
    items = [item for item in result.get("results") or () if isinstance(item, dict)]
    parts = (
        [_text(item) for item in items if item.get("failed")]
        or _message_and_output(result)
        or ([str(result["exception"])] if "exception" in result else [])
        or _variables(result)
    )
    return "\n".join(dict.fromkeys(part.strip() for part in parts))


def _message_and_output(result: dict[str, Any]) -> list[str]:
    if result.get("msg") == "non-zero return code":
        lines = str(result.get("stderr") or result.get("stdout") or "").splitlines()
        last_line = f": {lines[-1]}" if lines and lines[-1] else ""
        result = {**result, "msg": f"exit status {result.get('rc')}{last_line}"}
    names = ("msg", "stderr", "stdout", "module_stderr", "module_stdout")
    return [str(result[name]) for name in names if result.get(name)]


def _variables(result: dict[str, Any]) -> list[str]:
    """What the debug module shows with ``var:``."""
    shown = {name for name in result if not name.startswith("_")} - {"changed", "failed"}
    return [f"{name}: {value}" for name, value in result.items() if name in shown]


def _send(event: dict[str, Any]) -> None:
    mark = os.environ.get("INFRACI_MARK", "")
    sys.stdout.write(f"\n{mark}{json.dumps(event, default=str)}\n")
    sys.stdout.flush()
