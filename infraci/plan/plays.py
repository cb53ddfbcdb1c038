"""Finds plays of Ansible playbooks that match no server of the stack.

Ansible itself only warns, and goes on. infraci reads the playbook as YAML and runs nothing of it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from infraci.model.configure_steps import AnsibleStep
from infraci.model.pipeline import Pipeline
from infraci.model.problem import Problem, near
from infraci.model.server_names import aliases
from infraci.plan.plan_values import PlannedServer
from infraci.templates.places import compose

_IMPORTS = ("import_playbook", "ansible.builtin.import_playbook")
_LOCAL = ("localhost", "127.0.0.1", "::1")
_EVERY = ("all", "*")
#: Between the patterns of one text, but not within "web[0:2]" or an IPv6 address.
_BETWEEN = re.compile(r"[,:](?![^\[]*\])")
_SUBSCRIPT = re.compile(r"\[-?\d*(?:[:-]-?\d*)?\]\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Host:
    """A server as an inventory has it."""

    word: str
    role: str
    is_known: bool  # whether Heat makes up no part of its name


def play_notices(
    pipeline: Pipeline, servers: Sequence[PlannedServer], root: Path
) -> Iterator[Problem]:
    """Patterns of ``hosts:`` that match none of the servers that their step is for."""
    words = aliases([s.name for s in servers], [s.role for s in servers])
    hosts = [
        _Host(word=word, role=server.role, is_known=not server.name.endswith("…"))
        for word, server in zip(words, servers, strict=True)
    ]
    for step in pipeline.configure:
        if isinstance(step, AnsibleStep):
            concerned = [host for host in hosts if not step.roles or host.role in step.roles]
            yield from _of_playbook(str(step.playbook), root, concerned, seen=set())


def _of_playbook(
    file: str, root: Path, hosts: Sequence[_Host], *, seen: set[str]
) -> Iterator[Problem]:
    if file in seen or file.startswith(("/", "..")):
        return
    seen.add(file)
    try:
        plays = compose((root / file).read_text("utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return  # Ansible's own check reports it
    for play in plays.value if isinstance(plays, yaml.SequenceNode) else ():
        for key, value in play.value if isinstance(play, yaml.MappingNode) else ():
            if key.value in _IMPORTS and isinstance(value, yaml.ScalarNode):
                path = posixpath.normpath(posixpath.join(posixpath.dirname(file), value.value))
                yield from _of_playbook(path, root, hosts, seen=seen)
            elif key.value == "hosts":
                yield from _of_hosts(file, value, hosts)


def _of_hosts(file: str, value: yaml.Node, hosts: Sequence[_Host]) -> Iterator[Problem]:
    nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
    for node in nodes:
        text = str(node.value)
        if not isinstance(node, yaml.ScalarNode) or "{{" in text:
            continue
        for pattern in filter(None, (part.strip() for part in _BETWEEN.split(text))):
            if pattern.startswith("!") or _matches(pattern.lstrip("&"), hosts):
                continue
            known = sorted({*(h.word for h in hosts), *(h.role for h in hosts)} - {""})
            yield Problem(
                file=file,
                line=node.start_mark.line + 1,
                column=node.start_mark.column + 1,
                key_path="hosts",
                message=f'"{pattern}" is neither a role nor a server that this step is for',
                suggestion=near(pattern, known),
            )


def _matches(pattern: str, hosts: Sequence[_Host]) -> bool:
    if pattern in _EVERY or pattern in _LOCAL:
        return True
    pattern = _SUBSCRIPT.sub("", pattern)
    for host in hosts:
        if pattern.startswith("~"):
            try:
                if re.match(pattern[1:], host.word) or re.match(pattern[1:], host.role):
                    return True
            except re.error:
                return True
        elif fnmatchcase(host.word, pattern) or (host.role and fnmatchcase(host.role, pattern)):
            return True
        if not host.is_known and set(pattern) & set("*?[~"):
            return True  # as its name may
    return False
