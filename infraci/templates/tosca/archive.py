"""CSAR archives: a zip with a TOSCA template, what it imports, and scripts."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath

import yaml

MAX_BYTES = 64 << 20  # unpacked
MAX_FILES = 5000
_META = "TOSCA-Metadata/TOSCA.meta"
_MAX_META_BYTES = 64 << 10


class ArchiveError(Exception):
    """An archive that cannot be used; the message says why."""


def is_archive(content: bytes) -> bool:
    """Whether it is a zip."""
    return content.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def unpack(content: bytes, folder: Path) -> str:
    """Unpack an archive into an empty folder; returns the path of its entry definition there."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_FILES or sum(m.file_size for m in members) > MAX_BYTES:
                raise ArchiveError(
                    f"holds more than {MAX_FILES} files or {MAX_BYTES >> 20} MiB, unpacked"
                )
            _judge(members)
            for member in members:
                archive.extract(member, folder)
    except ArchiveError:
        raise
    except Exception as error:  # of zipfile, and of whichever compression an archive names
        raise ArchiveError(f"cannot be unpacked: {error}") from error
    return _entry(folder)


def _judge(members: Sequence[zipfile.ZipInfo]) -> None:
    """Raise ArchiveError for a member that leads out of the folder, is no file, or comes twice."""
    seen = set()
    for member in members:
        if _leads_out(member.filename):
            raise ArchiveError(f'"{member.filename}" leads out of the archive')
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ArchiveError(f'"{member.filename}" is a link or a device, not a file')
        path = PurePosixPath(member.filename)
        if path in seen:
            raise ArchiveError(f'"{member.filename}" is in the archive twice')
        seen.add(path)


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name) is not None


def _entry(folder: Path) -> str:
    """What TOSCA.meta names; without that file, the one definition at the archive's top."""
    meta = folder / _META
    if not meta.is_file():
        files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
        if len(files) != 1:
            reason = f"holds no {_META}, and {len(files)} definitions at its top, not one"
            raise ArchiveError(reason)
        return files[0].name
    content = _read_meta(meta)
    entry = content.get("Entry-Definitions") if isinstance(content, dict) else None
    if not isinstance(entry, str) or not entry:
        raise ArchiveError(f"{_META} names no Entry-Definitions")
    if _leads_out(entry) or "\0" in entry or not (folder / entry).is_file():
        raise ArchiveError(f'{_META} names "{entry}", which is not in the archive')
    return entry


def _read_meta(meta: Path) -> object:
    if meta.stat().st_size > _MAX_META_BYTES:
        raise ArchiveError(f"{_META} is larger than {_MAX_META_BYTES >> 10} KiB")
    try:
        return yaml.safe_load(meta.read_text("utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise ArchiveError(f"{_META} is not valid: {error}") from error
    except RecursionError as error:
        raise ArchiveError(f"{_META} is not valid: nested too deeply") from error
