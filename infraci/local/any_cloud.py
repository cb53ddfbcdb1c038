"""Validates templates for a cloud that is not asked: by Heat's own classes, all properties.

Heat asks services while it validates. Here no service is asked: what only the cloud knows
(whether it has an image, what a flavor's size is) counts as right, and names stay names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from heat.common.exception import StackValidationFailed
from heat.engine import constraints, resources, service
from heat.engine.clients.client_plugin import ClientPlugin
from heat.engine.clients.microversion_mixin import MicroversionMixin
from heat.engine.clients.os import cinder, ironic, nova
from heat.engine.environment import Environment
from heat.engine.resource import Resource

#: The role in a request's context by which the engine knows that it is for a cloud like that.
ROLE = "infraci-any-cloud"

_is_meant: ContextVar[bool] = ContextVar("is_meant", default=False)


class _NotAskedError(BaseException):
    """A service would be asked now. Heat handles each Exception as an answer of the service."""


class Engine(service.EngineService):  # type: ignore[misc]
    """An engine that also validates for clouds that it does not reach."""

    def preview_stack(self, cnxt: Any, *arguments: Any, **options: Any) -> Any:
        """What Heat would make of a template."""
        with _for(cnxt):
            try:
                return super().preview_stack(cnxt, *arguments, **options)
            except _NotAskedError as error:
                message = "Heat has to ask the cloud itself about it"
                raise StackValidationFailed(message=message) from error

    def list_resource_types(self, cnxt: Any, *arguments: Any, **options: Any) -> Any:
        """The names of all types."""
        with _for(cnxt):
            return super().list_resource_types(cnxt, *arguments, **options)

    def resource_schema(self, cnxt: Any, *arguments: Any, **options: Any) -> Any:
        """The properties of a type."""
        with _for(cnxt):
            return super().resource_schema(cnxt, *arguments, **options)


def is_meant() -> bool:
    """Whether this thread validates for a cloud that is not asked."""
    return _is_meant.get()


def install(classes: Mapping[str, type[Resource]]) -> None:
    """Have Heat use these classes, as it has them itself, for clouds that are not asked."""
    usual = resources.global_env()
    wide = Environment({}, user_env=False)
    for name, resource_class in classes.items():
        wide.register_class(name, _unasking(resource_class))
    wide.constraints = dict(usual.constraints)
    resources.global_env = lambda: wide if is_meant() else usual
    is_valid = constraints.CustomConstraint._is_valid
    constraints.CustomConstraint._is_valid = _true_if_not_asked(is_valid)
    for plugin in (ClientPlugin, MicroversionMixin):
        plugin.client = _unless_meant(plugin.client)
    versioned = (cinder.CinderClientPlugin, ironic.IronicClientPlugin, nova.NovaClientPlugin)
    for plugin in versioned:
        plugin.is_version_supported = _unless_meant(plugin.is_version_supported)


@contextmanager
def _for(cnxt: Any) -> Iterator[None]:
    token = _is_meant.set(ROLE in (cnxt.roles or ()))
    try:
        yield
    finally:
        _is_meant.reset(token)


def _unless_meant(create: Callable[..., Any]) -> Callable[..., Any]:
    """Have the clients of services made only for the embedded cloud itself."""

    def client(*arguments: Any, **options: Any) -> Any:
        if is_meant():
            raise _NotAskedError
        return create(*arguments, **options)

    return client


def _true_if_not_asked(validate: Callable[..., bool]) -> Callable[..., bool]:
    def is_valid(*arguments: Any, **options: Any) -> bool:
        try:
            return validate(*arguments, **options)
        except _NotAskedError:
            return True

    return is_valid


def _unasking(resource_class: type[Resource]) -> type[Resource]:
    """The class, whose checks end where they would ask a service."""

    def is_service_available(cls: type[Resource], context: object) -> tuple[bool, None]:
        return True, None

    def translate_properties(
        self: Resource, properties: Any, client_resolve: bool = True, **options: Any
    ) -> None:
        del client_resolve
        resource_class.translate_properties(self, properties, client_resolve=False, **options)

    def validate(self: Resource) -> Any:
        try:
            return resource_class.validate(self)
        except _NotAskedError:
            return None

    def _resolve_any_attribute(self: Resource, name: str) -> Any:
        try:
            return resource_class._resolve_any_attribute(self, name)
        except _NotAskedError:
            return None

    changes = {
        "_resolve_any_attribute": _resolve_any_attribute,
        "is_service_available": classmethod(is_service_available),
        "translate_properties": translate_properties,
        "validate": validate,
    }
    return type(resource_class.__name__, (resource_class,), changes)
