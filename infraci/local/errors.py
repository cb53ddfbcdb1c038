"""The errors with which the embedded cloud refuses requests."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal that the client is told of, with its HTTP status."""

    def __init__(self, status: int, message: str, *, kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind  # Neutron's exception name: its client raises by it


def missing(what: str, id_: str) -> ApiError:
    """The 404 of an API."""
    return ApiError(404, f"{what} {id_} could not be found.", kind=f"{what}NotFound")
