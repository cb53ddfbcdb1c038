"""The settings of a controller, from options, the environment or git's configuration.

The API token comes from the environment or a file, never from the command line or git.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from infraci import git
from infraci.base.mask import hidden
from infraci.errors import UsageError

#: The section of git's configuration: ``git config infraci.jenkinsUrl …``.
SECTION = "infraci"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to reach a controller."""

    url: str  # without a slash at its end
    user: str
    token: str = field(repr=False)  # the user's API token
    folder: str  # of the controller, that holds the repository's jobs


def load_settings(
    git_dir: Path,
    *,
    url: str | None = None,
    user: str | None = None,
    folder: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Load the settings: arguments override the environment, which overrides git's configuration.

    Raises UsageError naming what is missing.
    """
    config = git_config(git_dir)
    url = url or environment.get("JENKINS_URL") or config.get("jenkinsurl")
    user = user or environment.get("JENKINS_USER_ID") or config.get("jenkinsuser")
    if not url or not user:
        raise UsageError(
            f"cannot reach Jenkins: its {'user' if url else 'URL'} is not known",
            hint="set JENKINS_URL and JENKINS_USER_ID, or `git config infraci.jenkinsUrl` and "
            "`infraci.jenkinsUser`",
        )
    if not url.startswith(("http://", "https://")) or "@" in url:
        raise UsageError("cannot reach Jenkins: its URL has to be http(s)://HOST[/PATH]")
    return Settings(
        url=url.rstrip("/"),
        user=user,
        token=hidden(_token(environment, config)),
        folder=folder or config.get("jenkinsfolder") or default_folder(git_dir),
    )


def default_folder(git_dir: Path) -> str:
    """The name of the repository."""
    path = git_dir.resolve()
    return (path.parent if path.name == ".git" else path).name.removesuffix(".git") or "infraci"


def git_config(git_dir: Path) -> Mapping[str, str]:
    """Infraci's section of the repository's configuration; names are in lower case."""
    entries = ""
    with suppress(git.GitError):  # there is none
        entries = git.run_in_git_dir(git_dir, "config", "--null", "--get-regexp", rf"^{SECTION}\.")
    pairs = (entry.partition("\n") for entry in entries.split("\0") if entry)
    return {name.partition(".")[2].lower(): value for name, _, value in pairs}


def _token(environment: Mapping[str, str], config: Mapping[str, str]) -> str:
    if token := environment.get("JENKINS_API_TOKEN"):
        return token
    file = environment.get("JENKINS_API_TOKEN_FILE") or config.get("jenkinstokenfile")
    if not file:
        raise UsageError(
            "cannot log in to Jenkins: there is no API token",
            hint="set JENKINS_API_TOKEN, or name a file that holds it: JENKINS_API_TOKEN_FILE, "
            "`git config infraci.jenkinsTokenFile`",
        )
    try:
        token = Path(file).expanduser().read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"cannot read the API token from {file}: {reason}") from error
    if not token:
        raise UsageError(f"cannot read the API token from {file}: it is empty")
    return token
