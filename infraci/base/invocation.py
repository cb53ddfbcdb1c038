"""The command lines of infraci that messages print; each works when copied into a shell."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

#: The cloud that verbs take where none is named; see also ``infraci.heat.LOCAL``.
_DEFAULT_CLOUD = "local"


def invocation(verb: str, *words: str, cloud: str = "") -> str:
    """A command line, quoted for a shell; it names the cloud unless that is the default.

    ``destroy`` needs the cloud as well: the record that tells it may be lost.
    """
    clouds = {_DEFAULT_CLOUD, os.environ.get("INFRACI_CLOUD") or _DEFAULT_CLOUD}
    where = () if cloud == "" or {cloud} == clouds else ("--cloud", cloud)
    return shlex.join(("infraci", verb, *where, *words))


def in_folder(command: str, folder: Path, *, here: Path) -> str:
    """A command for a folder's repository, as it is typed in a folder that may be elsewhere."""
    return command if here.is_relative_to(folder) else f"cd {shlex.quote(str(folder))} && {command}"
