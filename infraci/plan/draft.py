"""Mends a request wherever it is wrong, so that Heat reports its other problems.

A wrong value becomes one that Heat knows only after the stack is made, an attribute of a resource
that does nothing: Heat validates no such value.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from infraci.heat import PreviewResource
from infraci.plan.sites import GROUPED, Site, last_properties
from infraci.templates import StackRequest, nested_templates
from infraci.templates.places import KeyPath, value_at

#: The resource of which every attribute is unknown.
STUB = "infraci_unknown"
_NONE = "OS::Heat::None"
_UNKNOWN = {"get_attr": [STUB, "value"]}
#: HOT's functions, whose arguments must not be fewer.
_FUNCTIONS = frozenset({
    "get_resource", "get_param", "get_attr", "get_file", "str_replace", "str_replace_strict",
    "str_replace_vstrict", "str_split", "list_join", "list_concat", "list_concat_unique",
    "map_merge", "map_replace", "repeat", "resource_facade", "digest", "yaql", "contains",
    "equals", "if", "not", "and", "or", "filter", "make_url",
})  # fmt: skip
_TRUE = {"equals": [0, 0]}


class Draft:
    """A request in the making; ``templates`` are by URL, the stack's own under the empty one."""

    def __init__(self, request: StackRequest) -> None:
        self._request = request
        nested = nested_templates(request.files)
        self.templates: dict[str, dict[str, Any]] = copy.deepcopy(
            {"": dict(request.template), **nested}
        )
        self._has_none = any(_NONE in json.dumps(t, default=str) for t in self.templates.values())
        self._mended: set[tuple[str, KeyPath]] = set()
        self._changed: set[str] = set()
        #: Of lists that have lost items, by their path: which of the first items are left.
        self._left: dict[tuple[str, KeyPath], list[int]] = {}
        self._without: set[str] = set()  # parameters that get no value
        self._given: dict[str, str] = {}

    def request(self) -> StackRequest:
        """The request as mended so far."""
        files = {url: json.dumps(self._whole(url)) for url in self._changed if url}
        known = value_at(self.templates[""], ("parameters",))
        lacks = self._without | (
            set(self._request.parameters) - set(known if isinstance(known, dict) else ())
        )
        environment = dict(self._request.environment)
        if isinstance(values := environment.get("parameters"), dict):
            lacks |= values.keys() - set(known if isinstance(known, dict) else ())
            environment["parameters"] = _only(values, lacks)
        if isinstance(values := environment.get("parameter_defaults"), dict):
            environment["parameter_defaults"] = _only(values, self._without)
        return replace(
            self._request,
            template=self._whole(""),
            files={**self._request.files, **files},
            environment=environment,
            parameters=_only({**self._request.parameters, **self._given}, lacks),
        )

    def without(self, sites: Iterable[Site]) -> StackRequest:
        """The request with these resources replaced by ones that do nothing."""
        other = copy.copy(self)
        other.templates = dict(self.templates)
        other._changed = set(self._changed)
        for site in sites:
            template = other.templates[site.url]
            name = site.path[1]
            resources = {**template["resources"], name: {"type": _NONE}}
            other.templates[site.url] = {**template, "resources": resources}
            other._changed.add(site.url)
        return other.request()

    def _whole(self, url: str) -> dict[str, Any]:
        template = self.templates[url]
        resources = template.get("resources")
        if url not in self._changed or not isinstance(resources, dict):
            return template
        return {**template, "resources": {**resources, STUB: {"type": _NONE}}}

    def mend(
        self, url: str, path: KeyPath, *, remove: bool = False, meant: str | None = None
    ) -> bool:
        """Replace what is at a path of the request; whether there was anything left to do.

        Replaces the whole resource where a part of it was mended before and is still wrong. After
        the removal of a key, the key called ``meant`` gets a value.
        """
        if url not in self.templates or not path:
            return False
        if (url, path) in self._mended:
            path = path[:2]
            if (url, path) in self._mended:
                return False
        self._mended.add((url, path))
        self._changed.add(url)
        template = self.templates[url]
        match path:
            case ("parameters", str(name), *_):
                self.forget_parameter(url, name)
            case ("conditions", str(name), *_):
                template["conditions"][name] = _TRUE
            case ("outputs", str(name), *_):
                template["outputs"].pop(name, None)
            case ("resources", str(name)):
                template["resources"][name] = {"type": _NONE}
            case ("resources", _, *_):
                self._mend_part(url, path, remove=remove)
                right = (*self._now(url, path[:-1]), meant or "")
                if remove and meant and value_at(template, right) is None:
                    _put(template, right, _UNKNOWN if len(path) > 3 else {})
            case _:
                return False
        return True

    def _mend_part(self, url: str, path: KeyPath, *, remove: bool) -> None:
        """Mend a part of a resource: a type, a reference, a key, a property."""
        template = self.templates[url]
        function = next((i for i, key in enumerate(path) if key in _FUNCTIONS and i > 3), None)
        cut = path[:function]
        now = self._now(url, cut)
        if cut[-1] == "type" and (len(cut) == 3 or cut[-2] in GROUPED):
            _put(template, now[:-1], {"type": _NONE})
        elif remove or cut[2] != "properties":
            self._remove(url, cut)
        elif len(cut) == 3 or cut[-1] in GROUPED:
            _put(template, (now[:2] if len(cut) == 3 else now), {"type": _NONE})
        else:
            self._mend_property(url, cut)

    def _mend_property(self, url: str, path: KeyPath) -> None:
        """Remove the part, so that Heat validates the rest; or make the property unknown."""
        template = self.templates[url]
        start = (last_properties(path) or 0) + 2
        item = next((i for i in range(start, len(path)) if isinstance(path[i], int)), None)
        whole = path if item is None else path[: item + 1]
        holder = value_at(template, self._now(url, whole[:-1]))
        if len(path) > start and isinstance(holder, dict | list) and len(holder) > 1:
            self._remove(url, whole)
        else:
            _put(template, path[:start], _UNKNOWN)

    def _remove(self, url: str, path: KeyPath) -> None:
        above, key = path[:-1], path[-1]
        holder = value_at(self.templates[url], self._now(url, above))
        if isinstance(holder, dict):
            holder.pop(key, None)
        elif isinstance(holder, list) and isinstance(key, int):
            left = self._left.setdefault((url, above), list(range(len(holder))))
            if key in left:
                del holder[left.index(key)]
                left.remove(key)

    def _now(self, url: str, path: KeyPath) -> KeyPath:
        """The draft's path for a path of the request; a removed one leads to nothing."""
        now: KeyPath = ()
        for index, key in enumerate(path):
            left = self._left.get((url, path[:index]))
            if left is not None and isinstance(key, int):
                key = left.index(key) if key in left else len(left)
            now = (*now, key)
        return now

    def original(self, url: str, path: KeyPath) -> KeyPath:
        """The request's path for a path of the draft."""
        first: KeyPath = ()
        for key in path:
            left = self._left.get((url, first))
            first = (*first, left[key] if left and isinstance(key, int) else key)
        return first

    def has_emptied(self, resource: PreviewResource) -> bool:
        """Whether the draft has replaced a resource by one that does nothing."""
        return resource.type == _NONE and not self._has_none

    def forget_parameter(self, url: str, name: str) -> None:
        """Remove a parameter's declaration; a nested template's parameter takes any value."""
        template = self.templates[url]
        self._changed.add(url)
        declared = template.get("parameters") or {}
        if url:
            declared[name] = {"type": "string", "default": ""}
        else:
            declared.pop(name, None)
            self._without.add(name)
        template.pop("parameter_groups", None)
        self._make_unknown(url, name, everywhere=True)

    def make_unknown(self, name: str, value: str) -> None:
        """Give a parameter of the stack a value that Heat does not validate."""
        self._changed.add("")
        self._given[name] = value
        declared = value_at(self.templates[""], ("parameters", name))
        if isinstance(declared, dict):
            declared.pop("constraints", None)
        self._make_unknown("", name, everywhere=False)

    def _make_unknown(self, url: str, name: str, *, everywhere: bool) -> None:
        def is_meant(node: Any) -> bool:
            argument = node.get("get_param") if len(node) == 1 else None
            return argument == name or (isinstance(argument, list) and argument[:1] == [name])

        template = self.templates[url]
        for section in ("resources", "outputs"):
            if section in template:
                template[section] = _replaced(template[section], is_meant, _UNKNOWN)
        if everywhere and "conditions" in template:
            template["conditions"] = _replaced(template["conditions"], is_meant, "")


def _put(template: dict[str, Any], path: KeyPath, value: Any) -> None:
    holder, last = value_at(template, path[:-1]), path[-1]
    if isinstance(holder, dict):
        holder[str(last)] = copy.deepcopy(value)
    elif isinstance(holder, list) and isinstance(last, int):
        holder[last] = copy.deepcopy(value)


def _replaced(node: Any, is_meant: Callable[[dict[str, Any]], bool], value: Any) -> Any:
    if isinstance(node, list):
        return [_replaced(item, is_meant, value) for item in node]
    if not isinstance(node, dict):
        return node
    if is_meant(node):
        return copy.deepcopy(value)
    return {key: _replaced(inner, is_meant, value) for key, inner in node.items()}


def _only(values: Mapping[str, Any], without: Iterable[str]) -> dict[str, Any]:
    left_out = set(without)
    return {name: value for name, value in values.items() if name not in left_out}
