"""Where the OpenStack keeps its things, and what its services are told of it."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

#: The address of the host on the external network. All APIs listen here, so that servers reach
#: them too: they signal to Heat.
ADDRESS = "172.24.4.1"
EXTERNAL_CIDR = "172.24.4.0/24"
BRIDGE = "br-ex"
REGION = "RegionOne"
#: The project and user of the tests, who are nobody special.
MEMBER = "live"
#: How a process and its children are known as ours.
MARK = "INFRACI_LIVE_OPENSTACK"
HERE = Path(__file__).resolve().parent
#: Debian's own Python and programs, whatever else this machine has in its path.
PYTHON = "/usr/bin/python3"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

_BORN = time.monotonic()


class BrokenError(Exception):
    """The OpenStack cannot be had; the message says why."""


@dataclass(frozen=True)
class Place:
    """The folders of one OpenStack. Everything below ``state`` is forgotten by ``clean``."""

    state: Path
    #: What takes long to make and is the same each time: guests, unpacked packages.
    cache: Path

    @classmethod
    def of_environment(cls) -> Place:
        """The folders the environment names, or their usual places."""
        home = Path.home()
        state_home = Path(os.environ.get("XDG_STATE_HOME") or home / ".local/state")
        cache_home = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
        state = os.environ.get("INFRACI_OPENSTACK_STATE") or state_home / "infraci/openstack"
        cache = os.environ.get("INFRACI_OPENSTACK_CACHE") or cache_home / "infraci/openstack"
        return cls(state=Path(state).resolve(), cache=Path(cache).resolve())

    @property
    def etc(self) -> Path:
        """Configuration files."""
        return self.state / "etc"

    @property
    def run(self) -> Path:
        """Sockets, locks, and who runs."""
        return self.state / "run"

    @property
    def log(self) -> Path:
        """A log a process."""
        return self.state / "log"

    @property
    def data(self) -> Path:
        """What services remember."""
        return self.state / "data"

    @property
    def images(self) -> Path:
        """Guest images."""
        return self.cache / "images"

    @property
    def unpacked(self) -> Path:
        """Packages that are unpacked and not installed."""
        return self.cache / "packages"

    @property
    def clouds_yaml(self) -> Path:
        """How clients find the cloud."""
        return self.state / "clouds.yaml"

    def make(self) -> None:
        """Make the folders; nobody else may look into the state."""
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        for folder in (self.etc, self.run / "lock", self.log, self.data):
            folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def passwords(self) -> dict[str, str]:
        """Passwords of this cloud, made once."""
        file = self.state / "passwords.json"
        if not file.exists():
            names = ("admin", "service", "member", "heat", "rabbit", "metadata")
            file.touch(mode=0o600)
            file.write_text(json.dumps({name: secrets.token_hex(16) for name in names}))
        known: dict[str, str] = json.loads(file.read_text())
        return known

    def environment(self, **more: str) -> dict[str, str]:
        """What a program of ours gets for its environment."""
        return {
            "PATH": PATH,
            "HOME": str(self.data),
            "LC_ALL": "C.UTF-8",
            "PYTHONWARNINGS": "ignore",
            "PYTHONNOUSERSITE": "1",
            MARK: str(self.state),
            **more,
        }


def say(text: str) -> None:
    """Tell the user, with the seconds since this command began."""
    print(f"{time.monotonic() - _BORN:6.1f}s  {text}", file=sys.stderr, flush=True)
