"""The state folder of the embedded cloud: its files, and the address at which it answers."""

from __future__ import annotations

import getpass
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

import infraci
from infraci.base.atomic import replace_file
from infraci.base.state_folder import state_folder
from infraci.local.account import ANY_CLOUD, PROJECT, REGION, USER

CLOUD = "local"

_ADDRESS = "address.json"
#: The address takes no more, so that it can be written over an earlier one.
_LENGTH = 512


def build() -> str:
    """Which infraci this is: its version, and when its newest file was written.

    A cloud that was started by another build is replaced, also in a checkout that just changed.
    """
    files = Path(infraci.__file__).parent.rglob("*.py")
    return f"{infraci.__version__}-{max(int(file.stat().st_mtime) for file in files)}"


def private(path: Path) -> Path:
    """Have a file that only its owner may open; returns its path."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a running embedded cloud answers."""

    pid: int
    url: str
    build: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDir:
    """The state folder of a user."""

    folder: Path

    @classmethod
    def of_this_user(cls) -> StateDir:
        """The state folder of the user who runs this process."""
        return cls(folder=state_folder())

    @property
    def owner(self) -> str:
        """Whose cloud this is, as the labels of its containers say it: user and state folder."""
        return f"{getpass.getuser()}:{self.folder}"

    @property
    def clouds_yaml(self) -> Path:
        """The file that any OpenStack client needs."""
        return self.folder / "clouds.yaml"

    @property
    def log(self) -> Path:
        """The log of the process."""
        return self.folder / "cloud.log"

    @property
    def lock(self) -> Path:
        """Held by the process while it lives."""
        return self.folder / "lock"

    def make(self) -> None:
        """Make the folder; no other user may read it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def password(self) -> str:
        """The password, random, made once and kept in ``clouds.yaml``."""
        try:
            clouds = yaml.safe_load(self.clouds_yaml.read_text())
            return str(clouds["clouds"][CLOUD]["auth"]["password"])
        except (FileNotFoundError, yaml.YAMLError, KeyError, TypeError):
            return secrets.token_urlsafe(24)

    def write_clouds_yaml(self, url: str, password: str) -> None:
        """Write the file for OpenStack clients; only its user may read it."""
        entry = {
            "auth": {
                "auth_url": f"{url}/identity/v3",
                "username": USER,
                "password": password,
                "project_name": PROJECT,
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
            "region_name": REGION,
            "identity_api_version": 3,
        }
        clouds = {CLOUD: entry, ANY_CLOUD: {**entry, "region_name": ANY_CLOUD}}
        self._write(self.clouds_yaml, yaml.safe_dump({"clouds": clouds}))

    def write_address(self, address: Address) -> None:
        """Write where the cloud answers."""
        self._overwrite(self.folder / _ADDRESS, json.dumps(asdict(address)))

    def forget_address(self) -> None:
        """Write that the cloud does not answer."""
        if (self.folder / _ADDRESS).exists():
            self._overwrite(self.folder / _ADDRESS, "null")

    def read_address(self) -> Address | None:
        """The address that was last written; the process may have ended since."""
        try:
            address = json.loads((self.folder / _ADDRESS).read_text())
            # Another build may have written it, with other fields.
            return Address(pid=address["pid"], url=address["url"], build=address.get("build", ""))
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def remember(self, name: str, values: Mapping[str, object]) -> None:
        """Keep a choice, so that the next start makes it again."""
        self._write(self.folder / f"{name}.json", json.dumps(values))

    def recall(self, name: str) -> dict[str, object]:
        """What was chosen at an earlier start, or nothing."""
        try:
            values = json.loads((self.folder / f"{name}.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    def _overwrite(self, path: Path, text: str) -> None:
        """Write a short text over another: a full disk has no room for a second file."""
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, text.ljust(_LENGTH).encode(), 0)
        finally:
            os.close(file)

    def _write(self, path: Path, text: str) -> None:
        """Replace a file; not one that has that text already, for which a disk needs no room."""
        with suppress(FileNotFoundError):
            if path.read_text() == text:
                return
        replace_file(path, text)
