"""The errors of a stack that failed, and of each resource that made it fail."""

from __future__ import annotations

from collections.abc import Sequence

from infraci.errors import ExitCode, InfraciError
from infraci.heat.objects import Resource


class ResourceFailedError(InfraciError):
    """A resource failed: a failure of the commit if its own files made it fail, else an error.

    ``name`` is what the resource is called in every run; ``why`` ends the sentence that begins
    with the resource.
    """

    def __init__(
        self,
        resource: Resource,
        why: str,
        *,
        name: str,
        category: str,
        exit_code: ExitCode = ExitCode.UNTESTABLE,
        hint: str | None = None,
    ) -> None:
        kind = f" ({resource.type})" if resource.type else ""
        super().__init__(f"{resource.path}{kind}: {why}", hint=hint, category=category)
        self.exit_code = exit_code
        self.resource = resource
        self.name = name


class StackFailedError(InfraciError):
    """A stack, or its removal, failed.

    The commit failed if one of its resources is a failure of the commit's; the message names the
    first that decides.
    """

    def __init__(
        self,
        message: str,
        *,
        failures: Sequence[ResourceFailedError] = (),
        exit_code: ExitCode = ExitCode.UNTESTABLE,
        category: str = "",
        hint: str | None = None,
        details: str = "",
    ) -> None:
        super().__init__(message, hint=hint, category=category, details=details)
        self.exit_code = exit_code
        self.failures = tuple(failures)


class UpdateFailedError(StackFailedError):
    """An update failed; ``rolled_back`` says whether the stack is again as it was before."""

    rolled_back = False
