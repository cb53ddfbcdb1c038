"""CSAR archives: a zip with a TOSCA template, what it imports, and scripts."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path, PurePosixPath

import yaml

MAX_BYTES = 64 << 20  # unpacked
MAX_FILES = 5000
_META = "TOSCA-Metadata/TOSCA.meta"


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
            for member in members:
                _judge(member)
                archive.extract(member, folder)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise ArchiveError(f"cannot be unpacked: {error}") from error
    return _entry(folder)


def _judge(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise ArchiveError(f'"{member.filename}" leads out of the archive')


def _entry(folder: Path) -> str:
    """What TOSCA.meta names; without that file, the one definition at the archive's top."""
    meta = folder / _META
    if meta.is_file():
        try:
            said = yaml.safe_load(meta.read_text("utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ArchiveError(f"{_META} is not valid: {error}") from error
        entry = said.get("Entry-Definitions") if isinstance(said, dict) else None
        if not entry:
            raise ArchiveError(f"{_META} names no Entry-Definitions")
        if not (folder / str(entry)).is_file():
            raise ArchiveError(f'{_META} names "{entry}", which is not in the archive')
        return str(entry)
    found = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if len(found) != 1:
        raise ArchiveError(f"holds no {_META}, and {len(found)} definitions at its top, not one")
    return found[0].name
