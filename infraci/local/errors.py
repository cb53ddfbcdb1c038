"""The errors with which the embedded cloud refuses a request; its APIs choose the HTTP status."""

from __future__ import annotations

from infraci.errors import CloudError


class RequestError(CloudError):
    """The embedded cloud refuses a request."""

    def __init__(self, message: str, *, neutron_type: str = "") -> None:
        super().__init__(message)
        #: The name of Neutron's exception: Neutron's client raises an error of this name.
        self.neutron_type = neutron_type


class InvalidRequestError(RequestError):
    """The request asks for something that cannot be."""


class ForbiddenError(RequestError):
    """The cloud does this for no client."""


class NotFoundError(RequestError):
    """There is no such thing."""

    @classmethod
    def of(cls, noun: str, id_: str) -> NotFoundError:
        """The error for a noun of Neutron's that is not there."""
        return cls(f"{noun} {id_} could not be found.", neutron_type=f"{noun}NotFound")


class ConflictError(RequestError):
    """Something that is there now stands in the way."""


class UnsupportedError(RequestError):
    """The cloud's service cannot do what the request asks for, though another one's could."""


class PreconditionError(RequestError):
    """The request counts on something that is not so."""


class TooLargeError(RequestError):
    """The content is larger than the cloud takes."""


class BadContentError(RequestError):
    """The content is not the one that the request announces."""


class NoRoomError(RequestError):
    """The disk has no room for the content."""
