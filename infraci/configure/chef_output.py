"""Reads what Chef's doc formatter prints of each resource."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

#: "Recipe: web::default"
_RECIPE = re.compile(r"^\s*Recipe: (.+)$")
#: "  * file[/etc/motd] action create (up to date)"; what follows the action says what was done.
_RESOURCE = re.compile(r"^(\s*)\* (\S+\[.*\]) action (\S+)(.*)$")
#: The box under a resource that failed.
_FAILED = re.compile(r"^\s*Error executing action [`'](\w+)['`] on resource '(.+)'$")
_IGNORED = re.compile(r"ERROR: (\S+\[.*?\]) .*ignore_failure is set, continuing")
#: What ends the message in such a box.
_SECTION = re.compile(r"^(?:Resource Declaration|Compiled Resource|Cookbook Trace|System Info):")
_DECLARED = re.compile(r"^# Declared in (\S+):(\d+)")
_RULE = re.compile(r"^(?:=+|-+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChefResource:
    """How one action of a resource ended."""

    recipe: str
    action: str  # "apt_package[nginx] action install"
    name: str  # unique in the run: with the recipe, and a number if it comes more than once
    is_changed: bool = False
    is_skipped: bool = False
    is_failed: bool = False
    text: str = ""  # why it failed
    location: str = ""  # where it is declared, on the server: "/…/default.rb:1"


def read_chef_resources(lines: Sequence[str]) -> tuple[ChefResource, ...]:
    """Read what Chef printed. A failure that the recipe ignores is none."""
    ignored = {match[1] for line in lines if (match := _IGNORED.search(line))}
    resources: list[ChefResource] = []
    names: Counter[str] = Counter()
    recipe = ""
    for at, line in enumerate(lines):
        if match := _RECIPE.match(line):
            recipe = match[1].strip()
        elif match := _RESOURCE.match(line):
            resources.append(_resource(recipe, match, lines, at, names))
        elif (match := _FAILED.match(line)) and match[2] not in ignored:
            _mark_failed(resources, f"{match[2]} action {match[1]}", lines[at + 1 :])
    return tuple(resources)


def _resource(
    recipe: str, match: re.Match[str], lines: Sequence[str], at: int, names: Counter[str]
) -> ChefResource:
    """The resource of a line.

    Under one that was changed, lines indented deeper say what was done; one that is up to date or
    was skipped says so on its own line.
    """
    action, rest = f"{match[2]} action {match[3]}", match[4].strip()
    following = lines[at + 1] if at + 1 < len(lines) else ""
    is_deeper = _depth(following) > len(match[1])
    name = f"{recipe}: {action}" if recipe else action
    names[name] += 1
    return ChefResource(
        recipe=recipe,
        action=action,
        name=name if names[name] == 1 else f"{name} #{names[name]}",
        is_changed=not rest and is_deeper and following.lstrip().startswith(("- ", "+ ")),
        is_skipped=rest.startswith("(skipped"),
    )


def _mark_failed(resources: list[ChefResource], action: str, box: Sequence[str]) -> None:
    """Mark the last resource of this action as failed, for the reason that its box has."""
    for number in reversed(range(len(resources))):
        if resources[number].action == action:
            declared = (match for line in box if (match := _DECLARED.match(line.strip())))
            location = next((f"{match[1]}:{match[2]}" for match in declared), "")
            text = "\n".join(_message(box))
            failed = replace(resources[number], is_failed=True, text=text, location=location)
            resources[number] = failed
            return


def _message(box: Sequence[str]) -> Iterator[str]:
    """The lines of a box, from the exception's class to the first of its other sections."""
    depth = _depth(box[0]) if box else 0
    for line in box:
        text = line.strip()
        if _SECTION.match(text) or (text and _depth(line) < depth):
            return
        if text and not _RULE.match(text):
            yield re.sub(r"^STD(?:OUT|ERR): ?", "", text)


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
