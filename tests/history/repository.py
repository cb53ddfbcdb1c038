"""A repository for tests, and results that runs of it could have."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infraci.history import Case, Class, Result
from infraci.model.run import Verdict

PORT = Case(where="web", test="specs/web/test_http.py::test_port")
ANSWER = Case(where="web", test="specs/web/test_http.py::test_answer")
KNOWN = Result(
    run="web-1",
    pipeline="web",
    cloud="local",
    time=1_700_000_000,
    took_s=40,
    verdict=Verdict.FAILED,
    cases={PORT: Class.PASSED, ANSWER: Class.FAILED},
)


def result(run: str = "web-1", **changes: Any) -> Result:
    """A result: one testcase passed, one failed."""
    return replace(KNOWN, run=run, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository that a test commits to."""

    folder: Path

    def git(self, *arguments: str) -> str:
        """Run git with an author's name."""
        author = ("-c", "user.name=Zoë", "-c", "user.email=zoe@example.org")
        return subprocess.run(
            ["git", *author, *arguments],
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def commit(
        self, subject: str = "Change", files: Mapping[str, str] | None = None, *, date: str = ""
    ) -> str:
        """Commit files (None changes nothing); returns the sha."""
        for name, text in (files or {}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        when = (f"--date={date}",) if date else ()
        self.git("commit", "--quiet", "--allow-empty", f"--message={subject}", *when)
        return self.git("rev-parse", "HEAD")

    def commits(self, changes: Sequence[tuple[str, Mapping[str, str]]]) -> list[str]:
        """Many commits (subject, files) on main in a moment, and checked out; their shas."""
        stream = []
        for number, (subject, files) in enumerate(changes):
            when = f"committer Zoë <zoe@example.org> {1_700_000_000 + number} +0000"
            stream.append(f"commit refs/heads/main\n{when}\n{_data(subject)}")
            stream += [f"M 100644 inline {name}\n{_data(text)}" for name, text in files.items()]
        subprocess.run(
            ["git", "fast-import", "--quiet"],
            cwd=self.folder,
            input="".join(stream).encode(),
            check=True,
        )
        self.git("reset", "--quiet", "--hard", "main")
        return self.git("rev-list", "--reverse", "main").splitlines()

    def clone(self, folder: Path, *options: str) -> Repository:
        """Another clone, by git's own transport."""
        self.git("clone", "--quiet", *options, f"file://{self.folder}", str(folder))
        return Repository(folder=folder)


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"
