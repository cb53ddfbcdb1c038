"""What became of each published template, and what keeps usable stacks from being planned."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.published_templates.exclusions import Reason


class Standing(StrEnum):
    """What became of a stack that was to be stood up."""

    NOT_TRIED = "not tried"
    NO_IMAGE = "needs an image that is not there"
    NO_INTERNET = "needs the Internet"
    WRONG = "is refused by any Nova"
    NO_LOGIN = "takes no key of a run"
    FAILED = "did not stand up"
    STOOD_UP = "stood up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one file."""

    collection: str
    file: str
    part_of: str = ""  # why it is a fragment, and no stack
    excluded: Reason | None = None
    detail: str = ""  # of the exclusion
    problems: tuple[str, ...] = ()  # messages, without the places they are at
    standing: Standing = Standing.NOT_TRIED
    story: str = ""  # why it did not stand up

    @property
    def is_usable(self) -> bool:
        """Whether it is a stack that any OpenStack could have."""
        return not self.part_of and self.excluded is None

    @property
    def is_planned(self) -> bool:
        """Whether it is usable and infraci plans it."""
        return self.is_usable and not self.problems

    def after(self, earlier: Result | None) -> Result:
        """The result, with what is known of an earlier time if the stack was not tried now."""
        if earlier is None or not self.is_planned or self.standing is not Standing.NOT_TRIED:
            return self
        return replace(self, standing=earlier.standing, story=earlier.story)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its problems, each once."""
        return tuple(dict.fromkeys(kind_of(message) for message in self.problems))


_TYPE = re.compile(r"^(\w+::\w+)::(\S+) cannot be had")
#: Of these services the embedded cloud has much: here a type is a kind of its own.
_LARGE = {"OS::Heat", "OS::Nova", "OS::Neutron", "OS::Cinder"}
_NAMES = re.compile(r"\"[^\"]*\"|'[^']*'|\([^)]*\)|\b\d+\b")


def kind_of(message: str) -> str:
    """The kind of a problem: its message without names and numbers, a type's without its end."""
    if match := _TYPE.search(message):
        return f"{match[1]}::{match[2] if match[1] in _LARGE else '…'} cannot be had"
    if message.startswith("the embedded cloud does not honour"):
        return message
    return _NAMES.sub("…", message)[:120]


def ranking(results: Iterable[Result]) -> list[tuple[str, int, int, str]]:
    """Return kinds of problems, of how many usable stacks, of how many alone, and an example."""
    often: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for result in results:
        if not result.is_usable:
            continue
        often.update(result.kinds)
        alone.update(result.kinds if len(result.kinds) == 1 else ())
        for kind in result.kinds:
            examples.setdefault(kind, f"{result.collection} {result.file}")
    return [(kind, count, alone[kind], examples[kind]) for kind, count in often.most_common()]


_RESULTS = TypeAdapter(list[Result])


def write(path: Path, results: Iterable[Result]) -> None:
    """Write results as JSON."""
    path.write_bytes(_RESULTS.dump_json(list(results), indent=1) + b"\n")


def read(path: Path) -> dict[tuple[str, str], Result]:
    """Read what :func:`write` has written, by collection and file; nothing if it has not."""
    if not path.exists():
        return {}
    results = _RESULTS.validate_json(path.read_bytes())
    return {(result.collection, result.file): result for result in results}


def by_collection(results: Iterable[Result]) -> Mapping[str, list[Result]]:
    """The results of each collection."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.collection, []).append(result)
    return groups
