"""What a server asks at its socket, as JSON: to have a volume mounted or unmounted in it."""

from __future__ import annotations

from collections.abc import Mapping

from infraci.errors import CloudError
from infraci.local.domain.mount_options import parse_options
from infraci.local.domain.server_volumes import ServerVolumes
from infraci.local.errors import InvalidRequestError
from infraci.local.host.host_interface import MountRequest

_MAX_PATH = 4096


class ServerRequests:
    """Answers servers: with an empty object, or with the error that their `mount` is to print."""

    def __init__(self, volumes: ServerVolumes) -> None:
        self._volumes = volumes

    def answer(self, server_id: str, request: object) -> Mapping[str, str]:
        """Do what a server asks."""
        try:
            self._do(server_id, request)
        except CloudError as error:
            return {"error": error.message}
        return {}

    def _do(self, server_id: str, request: object) -> None:
        if not isinstance(request, Mapping):
            raise InvalidRequestError("the request is no object")
        target = _text(request, "target")
        if not target.startswith("/") or len(target) > _MAX_PATH or "\0" in target:
            raise InvalidRequestError("the target is no path")
        match request.get("operation"):
            case "mount":
                self._volumes.mount(server_id, _mount_request(request, target))
            case "unmount":
                is_lazy = request.get("lazy") is True
                self._volumes.unmount(server_id, target, is_lazy=is_lazy)
            case _:
                raise InvalidRequestError("the operation is neither mount nor unmount")


def _mount_request(request: Mapping[str, object], target: str) -> MountRequest:
    type_, text = _text(request, "type"), _text(request, "options")
    options = parse_options(type_, text)
    return MountRequest(
        target=target,
        type=type_,
        numbers=_numbers(request.get("device")),
        flags=options.flags,
        options=options.options,
        is_remount="remount" in text.split(","),
    )


def _text(request: Mapping[str, object], key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not value.isprintable():
        raise InvalidRequestError(f"{key} is no printable text")
    return value


def _numbers(value: object) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2:
        major, minor = value
        if isinstance(major, int) and isinstance(minor, int):
            return major, minor
    raise InvalidRequestError("device is no pair of numbers")
