"""The problems of files of the repository: where, and what was expected there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from infraci.base.shorten import shortened
from infraci.errors import DefinitionError, ExitCode

#: A problem's line is cut to so many characters: keys and values in it can have any length.
_LONGEST = 2_000
#: No longer word is compared with others: it is no slip of a name.
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in one file; as a string, a line that editors can jump to."""

    file: str  # relative to the repository's top
    line: int | None = None  # 1-based
    column: int | None = None  # 1-based
    key_path: str = ""  # "configure[1].script.timeout"; empty for the file as a whole
    message: str
    expected: str | None = None
    suggestion: str | None = None  # what was probably meant

    def __str__(self) -> str:
        position = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        parts = [position, self.key_path, self.message]
        whole = " ".join(": ".join(part for part in parts if part).splitlines())
        text = shortened(whole, _LONGEST)
        return f'{text}; did you mean "{self.suggestion}"?' if self.suggestion else text


class FileError(DefinitionError):
    """Files that cannot be used, with every problem they have."""

    _verb = "load"

    def __init__(
        self,
        problems: Iterable[Problem],
        *,
        hint: str | None = None,
        category: str | None = None,
    ) -> None:
        self.problems = in_order(problems)
        files = list(dict.fromkeys(problem.file for problem in self.problems))
        subject = files[0] if len(files) == 1 else f"{len(files)} files"
        count = len(self.problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(
            f"cannot {self._verb} {subject}: {count} problem{'' if count == 1 else 's'}{lines}",
            hint=hint,
            category=category,
        )


class PipelineFileError(FileError):
    """Pipeline files that cannot be used."""


class ProjectFileError(FileError):
    """A project file (``infraci.yaml``) that cannot be used."""


class TemplateError(FileError):
    """A template, an environment, or a file they name, that cannot be used."""


class RefusedTemplateError(FileError):
    """A template that can be read, and that Heat refuses: a failure of the commit.

    ``resources`` are those that the problems are of; a problem of no resource has none there.
    """

    exit_code = ExitCode.FAILED
    _verb = "use"

    def __init__(
        self,
        problems: Iterable[Problem],
        *,
        resources: Mapping[Problem, str],
        category: str | None = None,
    ) -> None:
        super().__init__(problems, category=category)
        self.resources = resources


def near(word: str, words: Iterable[str]) -> str | None:
    """The word that is most similar to a misspelt one; None if none is similar enough."""
    if len(word) > _LONGEST_NAME:
        return None
    by_folded = {each.casefold(): each for each in words if len(each) <= _LONGEST_NAME}
    similar = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[similar[0]] if similar else None


def quoted(words: Sequence[str], last: str = "or") -> str:
    """The words as a list in a sentence: ``"a", "b" or "c"``."""
    marked = [f'"{word}"' for word in words]
    return f" {last} ".join(filter(None, [", ".join(marked[:-1]), *marked[-1:]]))


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, by file and line."""
    return tuple(sorted(set(problems), key=_sort_key))


def _sort_key(problem: Problem) -> tuple[str, int, int, str, str]:
    return (
        problem.file,
        problem.line or 0,
        problem.column or 0,
        problem.key_path,
        problem.message,
    )
