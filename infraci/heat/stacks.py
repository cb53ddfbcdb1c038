"""Single requests to Heat about stacks; nothing here waits for a stack."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from infraci.errors import CloudError
from infraci.heat.cloud_errors import ExistsError, GoneError, TransientCloudError
from infraci.heat.objects import FoundStack, Stack, StackPreview
from infraci.heat.openstack_connection import Connection
from infraci.heat.preview import read_preview

_PAGE = 100
#: Heat's message for a resource type that it hides, and for one whose service is missing.
_NOT_OFFERED = re.compile(r" is not supported\.|is not available for resource type")
#: Types that Heat hides from new stacks' authors and still makes; others that it hides do nothing.
HIDDEN_AND_WORKING = frozenset({
    "OS::Heat::SoftwareDeployments",
    "OS::Heat::StructuredDeployments",
    "OS::Neutron::RouterGateway",
    "OS::Nova::FloatingIP",
    "OS::Nova::FloatingIPAssociation",
})  # fmt: skip
#: The likely reason where Heat gives none.
_NO_TRUST = (
    "for a stack with servers Heat asks Keystone for a trust, and application credentials get none "
    "(unless they are --unrestricted, and even so not of the newest Keystone): log in by password"
)


class Request(Protocol):
    """What Heat is sent; :class:`infraci.templates.StackRequest` is one."""

    @property
    def template(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def environment(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def files(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def parameters(self) -> Mapping[str, object]: ...  # noqa: D102


class Stacks:
    """The stacks of a cloud; keeps their names, as a request by the id alone costs two."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._names: dict[str, str] = {}

    def preview(self, request: Request, name: str) -> StackPreview:
        """What Heat would make of a request."""
        body = _body(request, name)
        answer = self._ask("POST", "/stacks/preview", "plan the stack", json=body, again=True)
        return read_preview(answer["stack"], request.template)

    def updatable(self, resource_type: str) -> Mapping[str, bool]:
        """A type's properties, and whether Heat changes each in place; none for an unknown type."""
        path = f"/resource_types/{quote(resource_type, safe='')}"
        try:
            answer = self._ask("GET", path, f"read resource type {resource_type}")
        except CloudError as error:
            # A template of the repository, used as a type; or one that the cloud does not offer.
            if isinstance(error, GoneError) or _NOT_OFFERED.search(error.message):
                return {}
            raise
        return {
            name: bool(schema["update_allowed"]) for name, schema in answer["properties"].items()
        }

    def is_retired(self, resource_type: str) -> bool:
        """Whether Heat keeps a type only as a placeholder for stacks that have it already."""
        if resource_type in HIDDEN_AND_WORKING:
            return False
        path = f"/resource_types/{quote(resource_type, safe='')}"
        try:
            self._ask("GET", path, f"read resource type {resource_type}")
        except CloudError as error:
            return error.message.endswith(f"{resource_type} is not supported.")
        return False

    def create(self, request: Request, name: str, tags: Iterable[str], timeout_s: float) -> str:
        """Create a stack; where the answer is lost, take the stack of that name and tags."""
        body = _body(request, name)
        body |= {"tags": ",".join(tags), "timeout_mins": _minutes(timeout_s)}

        def post() -> str:
            answer = self._ask("POST", "/stacks", f"create stack {name}", json=body)
            return str(answer["stack"]["id"])

        def created() -> str | None:
            stack = self.find(name)
            return stack.id if stack is not None and set(tags) <= set(stack.tags) else None

        try:
            stack_id = self._connection.retry.call(post, look_up=created)
        except TransientCloudError as error:
            if error.hint is None and self._connection.is_delegated:
                error.hint = _NO_TRUST
            raise
        except ExistsError:
            ours = created()
            if ours is None:
                raise
            stack_id = ours
        self._names[stack_id] = name
        return stack_id

    def update(self, stack: Stack, request: Request, tags: Iterable[str], timeout_s: float) -> None:
        """Ask for a stack's update from what it is; asking twice is harmless.

        Should the answer get lost, or a second request be refused because the first is at work,
        the stack itself tells that it was heard.
        """
        body = _body(request, stack.name)
        body |= {"tags": ",".join(tags), "timeout_mins": _minutes(timeout_s)}
        body |= {"disable_rollback": False}
        path = f"/stacks/{stack.name}/{stack.id}"

        def put() -> bool:
            self._ask("PUT", path, f"update stack {stack.name}", json=body, again=False)
            return True

        def updated() -> bool | None:
            return True if self.read(stack.id).updated != stack.updated else None

        self._connection.retry.call(put, look_up=updated)

    def read(self, name_or_id: str, *, outputs: bool = False, wait_s: int = 0) -> Stack:
        """A stack as it is. Raises GoneError.

        A cloud that can waits so long for Heat to be done with it.
        """
        name = self._names.get(name_or_id)
        path = f"/stacks/{name}/{name_or_id}" if name else f"/stacks/{name_or_id}"
        params: dict[str, object] = {"resolve_outputs": str(outputs)}
        verb = f"read stack {name or name_or_id}"
        answer = self._ask("GET", path, verb, params=params, wait_s=wait_s)
        entry = answer["stack"]
        self._names[entry["id"]] = entry["stack_name"]
        return Stack(
            id=entry["id"],
            name=entry["stack_name"],
            status=entry["stack_status"],
            reason=entry.get("stack_status_reason") or "",
            tags=tuple(entry.get("tags") or ()),
            updated=entry.get("updated_time") or "",
            outputs={
                output["output_key"]: output.get("output_value")
                for output in entry.get("outputs") or ()
                if not output.get("output_error")
            },
        )

    def known(self, stack_id: str) -> Stack:
        """A stack's name and id; asked for only if we do not know them yet."""
        if stack_id in self._names:
            return Stack(id=stack_id, name=self._names[stack_id], status="")
        return self.read(stack_id)

    def find(self, name_or_id: str) -> Stack | None:
        """The stack of that name or id; None if there is none (any more)."""
        try:
            stack = self.read(name_or_id)
        except GoneError:
            return None
        return None if stack.status == "DELETE_COMPLETE" else stack

    def find_by_tags(self, tags: Iterable[str]) -> tuple[FoundStack, ...]:
        """The stacks that have all of the tags."""
        params: dict[str, object] = {"tags": ",".join(tags), "limit": _PAGE}
        stacks: list[FoundStack] = []
        while True:
            entries = self._ask("GET", "/stacks", "list stacks", params=params)["stacks"]
            stacks += [
                FoundStack(
                    id=entry["id"],
                    name=entry["stack_name"],
                    status=entry["stack_status"],
                    tags=tuple(entry.get("tags") or ()),
                )
                for entry in entries
            ]
            if len(entries) < _PAGE:
                return tuple(stacks)
            params["marker"] = entries[-1]["id"]

    def delete(self, stack: Stack) -> None:
        """Ask for a stack's deletion. Raises GoneError."""
        self._ask("DELETE", f"/stacks/{stack.name}/{stack.id}", f"delete stack {stack.name}")

    def _ask(self, method: str, path: str, verb: str, **more: Any) -> Any:
        return self._connection.ask(verb, "orchestration", method, path, **more)


def _minutes(seconds: float) -> int:
    """Heat's own limit of time: a little more than ours."""
    return max(1, round(seconds / 60 + 0.5))


def _body(request: Request, name: str) -> dict[str, object]:
    return {
        "stack_name": name,
        "template": request.template,
        "environment": request.environment,
        "files": request.files,
        "parameters": request.parameters,
        "disable_rollback": True,
    }
