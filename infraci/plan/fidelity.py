"""What a stack would not do on the embedded cloud as on another one: notes of a plan."""

from __future__ import annotations

from collections.abc import Iterator

from infraci.heat import PreviewResource, StackPreview
from infraci.local.supported_properties import DIFFERENT, DIFFERENT_VALUES, KEPT, KEPT_TYPES
from infraci.model.problem import quoted

#: So many resources of one note are named.
_NAMED = 4
_KEPT = "has no effect on the embedded cloud"
_DIFFERENT = "has another effect on the embedded cloud"


def fidelity_notices(preview: StackPreview) -> Iterator[str]:
    """Yield a sentence for each type or property without its effect on the embedded cloud."""
    users: dict[tuple[str, str], list[str]] = {}
    for resource in preview.walk():
        for name, effect in _effects(resource):
            users.setdefault((name, effect), []).append(resource.path)
    for (name, effect), paths in users.items():
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        named = ", ".join(f'"{path}"' for path in paths[:_NAMED]) if more else quoted(paths, "and")
        yield f"{name} of {named}{more} {effect}"


def _effects(resource: PreviewResource) -> Iterator[tuple[str, str]]:
    """Yield what a resource sets that has another effect or none, and what that is."""
    if difference := KEPT_TYPES.get(resource.type):
        yield resource.type, f"{_KEPT}: {difference}"
    for tables, effect in ((KEPT, _KEPT), (DIFFERENT, _DIFFERENT)):
        for name, difference in tables.get(resource.type, {}).items():
            if any(_values(resource.properties, name)):
                yield name, f"{effect}: {difference}"
    for (type_, name, value), difference in DIFFERENT_VALUES.items():
        if type_ == resource.type and value in _values(resource.properties, name):
            yield f"{name} {value}", f"{_DIFFERENT}: {difference}"


def _values(properties: object, path: str) -> Iterator[object]:
    """Yield what is set at a path such as ``networks.tag``, once for each entry of a list."""
    name, _, rest = path.partition(".")
    value = properties.get(name) if isinstance(properties, dict) else None
    if not rest:
        yield value
        return
    for entry in value if isinstance(value, list) else [value]:
        yield from _values(entry, rest)
