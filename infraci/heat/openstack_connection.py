"""Connections to clouds by openstacksdk, which authenticate and retry requests.

Only this module imports openstacksdk, and only when a cloud is used: the import takes a third of a
second.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infraci.base.json_reader import read_json
from infraci.base.mask import hide
from infraci.errors import UsageError
from infraci.heat import cloud_errors
from infraci.heat.cloud_errors import LOCAL
from infraci.heat.retry import Retry
from infraci.model.problem import near, quoted

#: The longest time that an answer may take.
_TIMEOUT_S = 60.0
#: The hint where a login fails for want of settings.
_LOGIN_HINT = "clouds.yaml, secure.yaml and OS_* variables say how to log in to it"
#: The keys of clouds.yaml whose values are secret.
_SECRETS = (
    "password", "token", "passcode", "application_credential_secret", "client_secret",
    "access_token",
)  # fmt: skip
#: The idempotent methods, which a retry may repeat.
_REPEATABLE = ("GET", "PUT", "DELETE")


class Connection:
    """Requests to a cloud's services, authenticated, with the cloud's errors translated."""

    def __init__(
        self,
        name: str,
        services: Any,
        *,
        where: str = "",
        clouds_yaml: str = "",
        retry: Retry | None = None,
    ) -> None:
        self.cloud = name
        #: The file that describes the cloud; empty where only variables do.
        self.clouds_yaml = clouds_yaml
        #: What tells this cloud from another of that name: its address, or its own folder.
        self.where = where or str(services.auth_url)
        self._services = services
        self._has_answered = False
        self.retry = retry or Retry(first_s=0.2 if name == LOCAL else 0.5)

    @classmethod
    def open(cls, name: str, *, clouds_yaml: Path | None = None) -> Connection:
        """Read the cloud's entry by openstacksdk's own rules; sends no request.

        Raises UsageError with near names for a cloud that no clouds.yaml describes.
        """
        # infraci's own errors replace its messages.
        logging.getLogger("keystoneauth").setLevel(logging.CRITICAL + 1)
        from keystoneauth1.exceptions import ClientException
        from openstack.config import OpenStackConfig
        from openstack.exceptions import ConfigException

        from infraci.heat.services import Services

        files = [str(clouds_yaml)] if clouds_yaml is not None else None
        try:
            config = OpenStackConfig(
                config_files=files, load_envvars=clouds_yaml is None, app_name="infraci"
            )
            known = list(config.get_cloud_names())
            if name not in known and name != "envvars":
                raise _unknown(name, known)
            region = config.get_one(name)
            auth = region.config.get("auth") or {}
            hide(*(str(auth[key]) for key in _SECRETS if auth.get(key)))
            services = Services(region)
        except (ConfigException, ClientException) as error:  # the latter for a wrong auth_type
            raise UsageError(
                f'cannot use cloud "{name}": {error}',
                hint=_LOGIN_HINT,
            ) from error
        return cls(
            name,
            services,
            where="" if clouds_yaml is None else str(clouds_yaml.parent),
            clouds_yaml=str(Path(config.config_filename).absolute())
            if config.config_filename
            else "",
        )

    def ask(
        self,
        verb: str,
        service: str,
        method: str,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        params: Mapping[str, object] | None = None,
        wait_s: int = 0,
        again: bool | None = None,
    ) -> Any:
        """Send a request; returns the answer's JSON, or None. ``verb`` is for messages.

        ``again`` allows retries of transient errors; by default idempotent methods are retried.
        Raises :class:`GoneError`, :class:`ExistsError`, :class:`RefusedError`,
        :class:`TransientCloudError` or CloudError.
        """

        def once() -> Any:
            return self._once(verb, service, method, path, json=json, params=params, wait_s=wait_s)

        if method in _REPEATABLE if again is None else again:
            return self.retry.call(once)
        return once()

    def _once(self, verb: str, service: str, method: str, path: str, **options: Any) -> Any:
        start = f"cannot {verb} on cloud {self.cloud}"
        timeout_s = max(1.0, self.retry.deadline.within(_TIMEOUT_S))
        with self._translating(start):
            response = self._services.request(service, method, path, timeout_s=timeout_s, **options)
        self._has_answered = True
        if response.status_code >= 400:
            raise cloud_errors.of_answer(start, response)
        if not response.content:
            return None
        try:
            return read_json(response.content)
        except ValueError as error:
            raise cloud_errors.of_nonsense(start) from error

    def access(self) -> Any:
        """The login's user, project and roles, as keystoneauth's AccessInfo. Raises CloudError."""

        def once() -> Any:
            with self._translating(f"cannot log in to cloud {self.cloud}"):
                return self._services.access()

        return self.retry.call(once)

    @contextmanager
    def _translating(self, start: str) -> Iterator[None]:
        """Translate the library's errors."""
        from keystoneauth1.exceptions import ClientException

        try:
            yield
        except ClientException as error:
            raise cloud_errors.of_library(
                start, error, where=self.endpoint, cloud=self.cloud, known=self._has_answered
            ) from error
        except Exception as error:
            if type(error) is Exception:  # openstacksdk raises it if there is no password
                raise UsageError(f"{start}: {error}", hint=_LOGIN_HINT) from error
            raise

    @property
    def endpoint(self) -> str:
        """The address of the cloud's Identity service."""
        return str(self._services.auth_url)

    @property
    def is_delegated(self) -> bool:
        """Whether the login is an application credential."""
        return bool(self._services.is_delegated)

    @property
    def calls(self) -> Counter[str]:
        """How many requests infraci has sent: "compute GET" → 12."""
        return Counter(self._services.calls)

    def close(self) -> None:
        """Close the sockets."""
        self._services.close()


def connect(name: str, *, local: Callable[[], Path] | None = None) -> Connection:
    """Open the named cloud; ``local`` brings the embedded one up, and returns its clouds.yaml."""
    if name == LOCAL and local is not None:
        return Connection.open(name, clouds_yaml=local())
    return Connection.open(name)


def open_sdk(name: str, clouds_yaml: str) -> Any:
    """Return openstacksdk's own connection to a cloud, by :attr:`Connection.clouds_yaml`.

    Raises UsageError where the cloud is not described.
    """
    from openstack.config import OpenStackConfig
    from openstack.connection import Connection as SdkConnection
    from openstack.exceptions import ConfigException

    files = [clouds_yaml] if clouds_yaml else None
    secure = [str(Path(clouds_yaml).with_name("secure.yaml"))] if clouds_yaml else None
    try:
        config = OpenStackConfig(
            config_files=files,
            secure_files=secure,
            load_envvars=name != LOCAL,
            app_name="infraci",
        )
        return SdkConnection(config=config.get_one(name))
    except ConfigException as error:
        raise UsageError(f'cannot use cloud "{name}": {error}', hint=_LOGIN_HINT) from error


def _unknown(name: str, known: list[str]) -> UsageError:
    names = sorted({*known, LOCAL})
    meant = near(name, names)
    hint = f'did you mean "{meant}"?' if meant else f"there are {quoted(names, 'and')}"
    return UsageError(f'cannot use cloud "{name}": it is in no clouds.yaml', hint=hint)
