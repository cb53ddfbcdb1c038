"""A server's health as seen from outside: its status in Nova, its console, and failing logins."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import suppress

from infraci.base.lines import last_lines
from infraci.errors import CloudError, ExitCode, UnreachableError
from infraci.heat import DEAD, GoneError, TransientCloudError, fatal_line
from infraci.model.run import Server
from infraci.pipeline.drivers import CloudDriver
from infraci.ssh import LoginRefusedError, PortClosedError, RebootingError, UnansweredError

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
_WITH_KEY = re.compile(r"Authorized keys from \S+ for user ([\w.-]+?)\+")
_WITHOUT_KEY = re.compile(r"no authorized SSH keys fingerprints found for user ([\w.-]+?)\.\s")


class GuestError(UnreachableError):
    """A server that does not come up; ``details`` are its console's last lines."""


class LockedOutError(GuestError):
    """A server that has booted, but refuses logins: what the commit says of it is to blame."""

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
        """Read what it has written to its console. Raises CloudError."""
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
        last = last_lines(self._text, _LAST_LINES)
        return f"the end of its console:\n{last}" if last else "its console is empty"

    def closed_to(self, source: str | None) -> LockedOutError | None:
        """The error to raise where no security group lets a login from this address in.

        Of an address that is not known only that counts that no group lets any login in. Where the
        cloud does not say, there is none. Raises TransientCloudError.
        """
        name, port = self._server.name, self._server.port
        try:
            admission = self._cloud.admission(self._server.id, port, source=source)
        except TransientCloudError:
            raise
        except CloudError:
            return None
        if admission.is_open:
            return None
        groups = ", ".join(admission.groups)
        where = f" from {source}, which is this machine" if source else ""
        return LockedOutError(
            f"cannot log in to {name}: no security group of {name} allows tcp/{port} in{where}",
            hint=f"its security groups are {groups}: add a rule {{protocol: tcp, port_range_min: "
            f"{port}, port_range_max: {port}}} to one of them"
            if groups
            else "its port has no security group: give it one that allows it",
        )

    def check(self) -> None:
        """Raise GuestError if it is plain that it will not come up.

        Raises TransientCloudError when the cloud has not answered for as long as it was asked.
        """
        name = self._server.name
        try:
            nova_server = self._cloud.server(self._server.id)
        except GoneError as error:
            raise self._dead("it is gone", hint="who deleted it?") from error
        self.look()
        if nova_server.status in DEAD:
            fault = f": {nova_server.fault}" if nova_server.fault else ""
            raise self._dead(
                f"Nova says it is in {nova_server.status}{fault}",
                hint=f"`openstack server show {nova_server.id}` and `openstack server event list "
                f"{nova_server.id}` may say more",
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
    """Decides when a server that has booted refuses logins for good."""

    def __init__(self, server: Server, health: ServerHealth, *, is_near: bool) -> None:
        self._server = server
        self._health = health
        self._is_near = is_near
        self.is_up = False  # whether the last boot has come to its end
        self._since_s: float | None = None
        self._is_asked = False  # whether Neutron was, for the server's security groups

    def check_unanswered(self, error: UnreachableError) -> None:
        """Raise LockedOutError where no answer comes and the security groups let no login in."""
        if self._is_asked or error.at_bastion or not isinstance(error, UnansweredError):
            return
        self._is_asked = True
        locked_out = self._health.closed_to(_own_address(self._server) if self._is_near else None)
        if locked_out is not None:
            raise locked_out

    def check(self, error: UnreachableError, now_s: float, *, is_tried: bool) -> None:
        """Raise LockedOutError when logins have failed for too long since the boot ended.

        ``is_tried`` is whether the server itself was tried: if not, its console does not show the
        host keys that are to be pinned, which raises GuestError, since the image may be like that.
        """
        self.is_up = _or_before(has_finished(self._health.text), self.is_up)
        if not self.is_up or self._is_elsewhere(error):
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        elif now_s - self._since_s >= self._grace_s(error, is_tried) and self._is_still_up():
            raise self._error(error, is_tried=is_tried)

    def _is_elsewhere(self, error: UnreachableError) -> bool:
        """Whether the error may come from the network on the way, or passes with a reboot."""
        if isinstance(error, RebootingError):
            return True
        bastion = self._server.bastion
        is_routed = self._server.address_kind != "fixed" or (bastion and not bastion.private_key)
        return error.at_bastion or (isinstance(error, PortClosedError) and not is_routed)

    def _grace_s(self, error: UnreachableError, is_tried: bool) -> float:
        if isinstance(error, LoginRefusedError):
            return _REFUSED_S
        if isinstance(error, PortClosedError) or not is_tried:
            return _NEAR_CLOSED_S if self._is_near else _CLOSED_S
        return _SLOW_S

    def _is_still_up(self) -> bool:
        """Whether its console says so now."""
        return self._health.look() and _or_before(has_finished(self._health.text), self.is_up)

    def _error(self, error: UnreachableError, *, is_tried: bool) -> UnreachableError:
        details = self._health.last_lines()
        message = f"{error.message}, though its boot and cloud-init have ended"
        if not is_tried:
            return GuestError(message, hint=error.hint or "", details=details)
        reason, hint = "", error.hint or ""
        if isinstance(error, LoginRefusedError):
            reason, hint = explain(self._health.text, self._server.user) or (reason, hint)
        elif isinstance(error, PortClosedError):
            hint = (
                "does its user_data disable, remove or move its SSH server, or set a firewall? do "
                f"its security groups let port {self._server.port} in?"
            )
        return LockedOutError(f"{message}{reason}", hint=hint, details=details)


def _own_address(server: Server) -> str | None:
    """This machine's address as a server sees it that is reached without any translation."""
    if server.bastion is not None:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect((server.address, server.port))  # sends nothing
        return str(probe.getsockname()[0])
    return None


def _or_before(now: bool | None, before: bool) -> bool:
    """What a console shows now, or what it showed before its lines scrolled away."""
    return before if now is None else now


def explain(console: str, user: str) -> tuple[str, str] | None:
    """Why this user cannot log in, by what cloud-init prints of keys; and what to do."""
    with_key = dict.fromkeys(_WITH_KEY.findall(console))
    without_key = dict.fromkeys(_WITHOUT_KEY.findall(console))
    if user in with_key or not (with_key or without_key):
        return None
    if user in without_key:
        return f": {user} has got no key", "has the server a key_name, which is the run's key pair?"
    if with_key:
        listed = _listed(with_key)
        return (
            f": cloud-init has given the key to {listed}, not to {user}",
            f"say `servers: {{user: {next(iter(with_key))}}}` in the pipeline if that is the"
            " image's user; `users:` in user_data needs `default`, which stands for it",
        )
    return (
        f": cloud-init has made {_listed(without_key)}, without the key, and no {user}",
        "`users:` in user_data has to contain `default`, which stands for the image's user; only"
        " that one gets the run's key",
    )


def _listed(users: Mapping[str, None]) -> str:
    return ", ".join(users)
