"""Connections to clouds by openstacksdk, and its errors in our words.

openstacksdk is imported here only, and only when a cloud is asked for: it takes a third of a
second.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infraci.errors import CloudError, DefinitionError, InfraciError, UsageError
from infraci.model.problem import near, quoted

#: The name of the embedded cloud.
LOCAL = "local"

_TIMEOUT_S = 120
#: What a cloud says when it is overloaded or being restarted; the same request may soon succeed.
_PASSING = (429, 502, 503, 504)


class TransientCloudError(CloudError):
    """The cloud did not answer, or was not able to; asking again may help."""


class RefusedError(DefinitionError):
    """Heat refused what it was sent; the message is Heat's."""

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class GoneError(CloudError):
    """There is no such thing on the cloud (any more)."""


class ExistsError(CloudError):
    """There is such a thing already."""


class Connection:
    """Requests to a cloud's services, authenticated, with the cloud's errors translated."""

    def __init__(self, name: str, sdk: Any) -> None:
        self.cloud = name
        self._sdk = sdk

    @classmethod
    def open(cls, name: str, *, clouds_yaml: Path | None = None) -> Connection:
        """Read the cloud's entry by openstacksdk's own rules; nothing is asked of it yet.

        Raises UsageError for a cloud that nothing is said of, with near names.
        """
        # What it has to say is said again, better, by our errors.
        logging.getLogger("keystoneauth").setLevel(logging.CRITICAL + 1)
        from openstack.config import OpenStackConfig
        from openstack.connection import Connection as SdkConnection
        from openstack.exceptions import ConfigException

        files = [str(clouds_yaml)] if clouds_yaml is not None else None
        try:
            config = OpenStackConfig(
                config_files=files, load_envvars=clouds_yaml is None, app_name="infraci"
            )
            known = list(config.get_cloud_names())
            if name not in known and name != "envvars":
                raise _unknown(name, known)
            region = config.get_one(name)
        except ConfigException as error:
            raise UsageError(f'cannot use cloud "{name}": {error}') from error
        return cls(name, SdkConnection(config=region))

    def ask(
        self,
        verb: str,
        service: str,
        method: str,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        params: Mapping[str, object] | None = None,
    ) -> Any:
        """One request; the answer's JSON, or None. ``verb`` says in messages what it was for.

        What the cloud may soon be able to answer is asked again, a few times, unless that could
        do something twice. Raises :class:`GoneError`, :class:`ExistsError`,
        :class:`RefusedError`, :class:`TransientCloudError` or CloudError.
        """
        from keystoneauth1 import exceptions as auth

        again: dict[str, object] = {}
        if method in ("GET", "DELETE"):
            again = {
                "connect_retries": 3,
                "status_code_retries": 3,
                "retriable_status_codes": _PASSING,
            }
        try:
            proxy = getattr(self._sdk, service)
            response = proxy.request(
                path, method, json=json, params=params, timeout=_TIMEOUT_S, **again
            )
        except auth.ClientException as error:
            raise self._translated(verb, error) from error
        except Exception as error:
            from openstack.exceptions import SDKException

            if not isinstance(error, SDKException):
                raise
            raise CloudError(f"cannot {verb} on cloud {self.cloud}: {error}") from error
        if response.status_code >= 400:
            raise self._refused(verb, response)
        return response.json() if response.content else None

    @property
    def endpoint(self) -> str:
        """Where the cloud's Identity service is."""
        return str(self._sdk.config.auth.get("auth_url", "?"))

    def close(self) -> None:
        """Let go of the sockets."""
        self._sdk.close()

    def _translated(self, verb: str, error: Exception) -> CloudError:
        """An error of keystoneauth: no connection, no login, no such service."""
        from keystoneauth1 import exceptions as auth

        start = f"cannot {verb} on cloud {self.cloud}"
        where = f"its Identity service is {self.endpoint}"
        if isinstance(error, auth.Unauthorized):
            hint = "are user and password (or the application credential) in clouds.yaml right?"
            return CloudError(f"{start}: the login was refused ({where})", hint=hint)
        if isinstance(error, auth.EndpointNotFound):
            hint = "`openstack catalog list` shows what the cloud has"
            return CloudError(f"{start}: it does not offer that service: {error}", hint=hint)
        if _is_broken_connection(error):
            if self.cloud == LOCAL:
                hint = "`infraci cloud status` shows whether the embedded cloud is up"
            else:
                hint = "is the network up, and auth_url in clouds.yaml right?"
            return TransientCloudError(f"{start}: {_short(error)} ({where})", hint=hint)
        if isinstance(error, auth.HttpError) and error.http_status in _PASSING:
            return TransientCloudError(f"{start}: {_short(error)}")
        return CloudError(f"{start}: {_short(error)}")

    def _refused(self, verb: str, response: Any) -> InfraciError:
        said = reason_of(response)
        status = response.status_code
        message = f"cannot {verb} on cloud {self.cloud}: {said}"
        if status == 404:
            return GoneError(message)
        if status == 409:
            return ExistsError(message)
        if status == 400 and "/stacks" in response.url:
            readable = readable_reason(said)
            return RefusedError(f"cannot {verb}: {readable}", reason=readable)
        if status in (*_PASSING, 500):
            return TransientCloudError(message)
        hint = "the user lacks a role, or a quota is used up" if status == 403 else None
        return CloudError(message, hint=hint)


def connect(name: str, *, local: Callable[[], Path] | None = None) -> Connection:
    """Open the named cloud; ``local`` brings the embedded one up, and returns its clouds.yaml."""
    if name == LOCAL and local is not None:
        return Connection.open(name, clouds_yaml=local())
    return Connection.open(name)


def reason_of(response: Any) -> str:
    """What the answer of a service says went wrong, without its wrapping."""
    try:
        body = response.json()
    except ValueError:
        return f"{response.status_code} {response.reason}"
    if isinstance(body, dict):
        # Heat: {"error": {"message"}}; Nova: {"badRequest": {"message"}}; Neutron: NeutronError
        for value in (body.get("error"), *body.values()):
            if isinstance(value, dict) and isinstance(value.get("message"), str):
                return str(value["message"]).strip()
        if isinstance(body.get("explanation"), str):
            return str(body["explanation"])
    return f"{response.status_code} {response.reason}"


def readable_reason(text: str) -> str:
    """Heat's validation message without its stuttering colons and inner quotation."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r":(?:\s+:)+", ":", text)
    return re.sub(r"^(?:ERROR: )+", "", text)


def _unknown(name: str, known: list[str]) -> UsageError:
    names = sorted({*known, LOCAL})
    meant = near(name, names)
    hint = f'did you mean "{meant}"?' if meant else f"there are {quoted(names, 'and')}"
    return UsageError(f'cannot use cloud "{name}": no clouds.yaml says anything of it', hint=hint)


def _is_broken_connection(error: BaseException | None) -> bool:
    """Whether no connection is behind it; a failed look for API versions hides that."""
    from keystoneauth1 import exceptions as auth

    while error is not None:
        if isinstance(error, auth.ConnectionError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _short(error: Exception) -> str:
    """The first sentence of a library's message; the rest is its inner life."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    for inner in ("Connection refused", "Name or service not known", "Connection reset by peer",
                  "No route to host", "timed out", "Connection aborted"):  # fmt: skip
        if inner in text:
            return inner[0].lower() + inner[1:]
    return text
