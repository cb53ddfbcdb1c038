"""Collects specs in the sandbox, and reads the findings.

The findings come from the commit's own code, so they are hostile text.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from infraci.base.display import displayable
from infraci.base.json_reader import read_json
from infraci.base.program import own_program
from infraci.errors import InfraciError
from infraci.model.problem import Problem
from infraci.sandbox.bubblewrap import run_sandboxed

_LIMIT_S = 30.0
_MOST_FINDINGS = 100
_MOST_CHARACTERS = 500
_DONE = "done"


class CollectError(InfraciError):
    """The specs could not be collected; the reason may be the sandbox."""


def collect_specs(
    groups: Mapping[str, Sequence[PurePosixPath]], root: Path, environment: Mapping[str, str]
) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Collect the specs of each role as a run would, without running any.

    Returns the certain problems, and those that a run may not have. Raises CollectError,
    NoSandboxError, and ProgramTimeoutError after too much time or output.
    """
    mark = secrets.token_hex(8)
    request = {
        "root": str(root),
        "groups": [{"role": role, "paths": list(map(str, p))} for role, p in groups.items()],
        "environment": dict(environment),
    }
    lines: list[str] = []
    last = ""

    def on_line(line: str) -> None:
        nonlocal last
        if line.startswith(f"{mark} "):
            lines.append(line.removeprefix(f"{mark} "))
        elif line.strip():
            last = _text(line)
        del lines[_MOST_FINDINGS + 1 :]

    status = run_sandboxed(
        [*own_program("infraci.verify.collector"), mark, json.dumps(request)],
        cwd=root,
        read=[root],
        environment={},
        timeout_s=_LIMIT_S,
        on_line=on_line,
    )
    findings = [finding for line in lines if line != _DONE for finding in _read(line)]
    if not findings and _DONE not in lines:
        reason = last or f"pytest ended with exit status {status}"
        raise CollectError(f"cannot collect the specs: {reason}")
    certain = tuple(dict.fromkeys(problem for problem, is_certain in findings if is_certain))
    others = tuple(dict.fromkeys(problem for problem, is_certain in findings if not is_certain))
    return certain, others


def _read(line: str) -> list[tuple[Problem, bool]]:
    """A finding, and whether it is certain; nothing if the line holds none."""
    try:
        finding: dict[str, Any] = read_json(line)
        problem = Problem(
            file=_text(finding["file"]),
            line=int(finding["line"]) if finding["line"] else None,
            message=_text(finding["message"]),
            suggestion=_text(finding["suggestion"]) if finding["suggestion"] else None,
        )
        return [(problem, bool(finding["is_certain"]) and not _is_here(finding["missing_module"]))]
    except (ValueError, TypeError, KeyError):
        return []


def _text(value: object) -> str:
    return displayable(str(value)[:_MOST_CHARACTERS])


def _is_here(module: object) -> bool:
    """Whether a module that the sandbox lacks is installed on this machine."""
    if not isinstance(module, str) or not module.isidentifier():
        return False
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
