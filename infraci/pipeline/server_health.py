"""What can be known of a server from outside: Nova's word, and its console's."""

from __future__ import annotations

import re
from collections.abc import Mapping

from infraci.errors import CloudError, ExitCode, UnreachableError
from infraci.heat import DEAD, GoneError, TransientCloudError, fatal_line
from infraci.model.run import Server
from infraci.pipeline.drivers import CloudDriver
from infraci.ssh import LoginRefusedError, PortClosedError, RebootingError

_LAST_LINES = 15

#: How long a login has to stay impossible after boot and cloud-init have ended: where the server
#: refuses it, where nothing answers at its port (on the embedded cloud, and on any other), and
#: where its SSH server is too slow, which may be this machine's fault.
_REFUSED_S = 5.0
_NEAR_CLOSED_S = 15.0
_CLOSED_S = 60.0
_SLOW_S = 90.0

#: What a console shows when a boot begins, or a shutdown before it. What cloud-init and systemd
#: write is in their sources: cloudinit/cmd/main.py, and the units' descriptions or names.
_BEGINS = re.compile(
    r"Linux version \d|running in system mode|Cloud-init v\. \S+ running 'init-local'"
    r"|\] Stopped target |reboot: (?:Restarting|Power down)"
)
#: The same when cloud-init's last stage has ended, which systemd says too if it is verbose.
_FINISHED = re.compile(
    r"Cloud-init v\. \S+ finished at "
    r"|\] (?:Finished|Failed to start) (?:cloud-final\.service"
    r"|Execute cloud user/final scripts|Cloud-init: Final Stage)"
    r"|\] Reached target (?:cloud-init\.target|Cloud-init target)"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_GIVEN = re.compile(r"Authorized keys from \S+ for user ([\w.-]+?)\+")
_KEYLESS = re.compile(r"no authorized SSH keys fingerprints found for user ([\w.-]+?)\.\s")


class GuestError(UnreachableError):
    """A server that does not come up; ``details`` are its console's last lines."""

    def __init__(self, message: str, *, hint: str, details: str = "") -> None:
        super().__init__(message, hint=hint)
        self.details = details


class LockedOutError(GuestError):
    """A server that has booted, but lets nobody in: what the commit says of it is to blame."""

    exit_code = ExitCode.FAILED
    category = ""


class ServerHealth:
    """A server as the cloud sees it."""

    def __init__(self, cloud: CloudDriver, server: Server) -> None:
        self._cloud = cloud
        self._server = server
        self._text = ""

    @property
    def text(self) -> str:
        """Its console as it was last seen."""
        return self._text

    def console(self) -> str:
        """What it has written to its console. Raises CloudError."""
        self._text = self._cloud.console(self._server.id)
        return self._text

    def look(self) -> bool:
        """Read its console again; False where the cloud has none. Raises TransientCloudError."""
        try:
            self.console()
        except TransientCloudError:
            raise
        except CloudError:
            return False
        return True

    def last_lines(self) -> str:
        """The end of its console as it was last seen, for the details of an error."""
        last = "\n".join(self._text.strip().splitlines()[-_LAST_LINES:])
        return f"the end of its console:\n{last}" if last else "its console is empty"

    def check(self) -> None:
        """Raise GuestError if it is plain that it will not come up.

        Raises TransientCloudError when the cloud has not answered for as long as it was asked.
        """
        name = self._server.name
        try:
            found = self._cloud.server(self._server.id)
        except GoneError as error:
            raise self._dead("it is gone", hint="who deleted it?") from error
        self.look()
        if found.status in DEAD:
            fault = f": {found.fault}" if found.fault else ""
            raise self._dead(
                f"Nova says it is in {found.status}{fault}",
                hint=f"`openstack server show {found.id}` and `openstack server event list "
                f"{found.id}` may say more",
            )
        if line := fatal_line(self._text):
            raise self._dead(
                f"its console says: {line}",
                hint=f"is the image of {name} whole, and made for this cloud's machines?",
            )

    def _dead(self, reason: str, *, hint: str) -> GuestError:
        return GuestError(
            f"cannot log in to {self._server.name}: {reason}", hint=hint, details=self.last_lines()
        )


def has_finished(console: str) -> bool | None:
    """Whether the last boot on a console has come to the end of cloud-init; None if unknown."""
    console = _COLOUR.sub("", console)
    begun = max((match.start() for match in _BEGINS.finditer(console)), default=-1)
    ended = max((match.start() for match in _FINISHED.finditer(console)), default=-1)
    return None if begun == ended else ended > begun


class Lockout:
    """The watch over one server: since when it has been up, and still cannot be logged in to."""

    def __init__(self, server: Server, guest: ServerHealth, *, is_near: bool) -> None:
        self._server = server
        self._guest = guest
        self._is_near = is_near
        self.is_up = False  # whether the last boot has come to its end
        self._since_s: float | None = None

    def judge(self, trouble: UnreachableError, now_s: float, *, is_tried: bool) -> None:
        """Raise LockedOutError when this trouble with a login has lasted too long.

        ``is_tried`` is whether the server itself was tried: if not, its console does not show the
        host keys that are to be pinned, which raises GuestError, since the image may be like that.
        """
        self.is_up = _known(has_finished(self._guest.text), self.is_up)
        if not self.is_up or self._is_elsewhere(trouble):
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        elif now_s - self._since_s >= self._grace_s(trouble, is_tried) and self._is_still_up():
            raise self._error(trouble, is_tried=is_tried)

    def _is_elsewhere(self, trouble: UnreachableError) -> bool:
        """Whether the trouble may be with the way to the server, or passes with its boot."""
        if isinstance(trouble, RebootingError):
            return True
        bastion = self._server.bastion
        is_routed = self._server.address_kind != "fixed" or (bastion and not bastion.private_key)
        return trouble.at_bastion or (isinstance(trouble, PortClosedError) and not is_routed)

    def _grace_s(self, trouble: UnreachableError, is_tried: bool) -> float:
        if isinstance(trouble, LoginRefusedError):
            return _REFUSED_S
        if isinstance(trouble, PortClosedError) or not is_tried:
            return _NEAR_CLOSED_S if self._is_near else _CLOSED_S
        return _SLOW_S

    def _is_still_up(self) -> bool:
        """Whether its console says so now."""
        return self._guest.look() and _known(has_finished(self._guest.text), self.is_up)

    def _error(self, trouble: UnreachableError, *, is_tried: bool) -> UnreachableError:
        details = self._guest.last_lines()
        message = f"{trouble.message}, though its boot and cloud-init have ended"
        if not is_tried:
            return GuestError(message, hint=trouble.hint or "", details=details)
        reason, hint = "", trouble.hint or ""
        if isinstance(trouble, LoginRefusedError):
            reason, hint = explain(self._guest.text, self._server.user) or (reason, hint)
        elif isinstance(trouble, PortClosedError):
            hint = (
                "does its user_data disable, remove or move its SSH server, or set a firewall? do "
                f"its security groups let port {self._server.port} in?"
            )
        return LockedOutError(f"{message}{reason}", hint=hint, details=details)


def _known(now: bool | None, before: bool) -> bool:
    """What is known of a console whose telling lines may have scrolled away."""
    return before if now is None else now


def explain(console: str, user: str) -> tuple[str, str] | None:
    """Why cloud-init, by what it says of keys, lets nobody in as this user; and what to do."""
    given = dict.fromkeys(_GIVEN.findall(console))
    keyless = dict.fromkeys(_KEYLESS.findall(console))
    if user in given or not (given or keyless):
        return None
    if user in keyless:
        return f": {user} has got no key", "has the server a key_name, which is the run's key pair?"
    if given:
        others = _listed(given)
        return (
            f": cloud-init has given the key to {others}, not to {user}",
            f"say `servers: {{user: {next(iter(given))}}}` in the pipeline if that is the image's"
            " user; `users:` in user_data needs `default`, which stands for it",
        )
    return (
        f": cloud-init has made {_listed(keyless)}, without the key, and no {user}",
        "`users:` in user_data has to contain `default`, which stands for the image's user; only"
        " that one gets the run's key",
    )


def _listed(users: Mapping[str, None]) -> str:
    return ", ".join(users)
