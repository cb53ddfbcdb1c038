"""What can be known of a server from outside: Nova's word, and its console's."""

from __future__ import annotations

from infraci.errors import CloudError, ExitCode, UnreachableError
from infraci.heat import DEAD, GoneError, TransientCloudError, fatal_line
from infraci.model.run import Server
from infraci.pipeline.drivers import CloudDriver

_LAST_LINES = 15


class GuestError(UnreachableError):
    """A server that does not come up; ``details`` are its console's last lines."""


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
