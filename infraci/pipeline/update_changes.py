"""What an update did to a stack's resources, and what it was not to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from infraci.errors import DefinitionError
from infraci.heat import NovaServer, Resource
from infraci.model.pipeline import Pipeline
from infraci.model.problem import quoted
from infraci.model.run import ChangeKind, Outcome, Phase, ResourceChange, Testcase

#: What is no longer what it was.
_LOST = (ChangeKind.REMOVED, ChangeKind.REPLACED, ChangeKind.REBUILT)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSnapshot:
    """A stack's resources at one time, by path, and the images of its servers, by id."""

    resources: Mapping[str, Resource]
    images: Mapping[str, str]

    @classmethod
    def of(cls, resources: Sequence[Resource], servers: Sequence[NovaServer]) -> StackSnapshot:
        """What the cloud says."""
        return cls(
            resources={resource.path: resource for resource in resources},
            images={server.id: server.image for server in servers},
        )

    def changes_to(self, after: StackSnapshot) -> tuple[ResourceChange, ...]:
        """What happened until then, by path."""
        paths = sorted(self.resources.keys() | after.resources.keys())
        return tuple(
            ResourceChange(
                path=path, type=(after.resources.get(path) or self.resources[path]).type, kind=k
            )
            for path in paths
            if (k := self._change(path, after)) is not None
        )

    def _change(self, path: str, after: StackSnapshot) -> ChangeKind | None:
        old, new = self.resources.get(path), after.resources.get(path)
        if old is None:
            return ChangeKind.ADDED
        if new is None:
            return ChangeKind.REMOVED
        if old.physical_id != new.physical_id:
            return ChangeKind.REPLACED
        if self.images.get(old.physical_id) != after.images.get(new.physical_id):
            return ChangeKind.REBUILT
        changed = new.status == "UPDATE_COMPLETE" and old.updated != new.updated
        return ChangeKind.UPDATED if changed else None

    def renewed_by(self, changes: Sequence[ResourceChange]) -> frozenset[str]:
        """The ids of what is still there, but no longer what it was: servers with a new disk."""
        return frozenset(
            self.resources[change.path].physical_id
            for change in changes
            if change.kind is ChangeKind.REBUILT
        )


def check_changes(
    changes: Sequence[ResourceChange],
    before: StackSnapshot,
    after: StackSnapshot,
    pipeline: Pipeline,
) -> Iterator[Testcase]:
    """A check for every resource of before that the update was not to replace or remove.

    Raises DefinitionError for a pattern that no resource matches, neither before nor after: it
    would protect nothing.
    """
    patterns = pipeline.upgrade.no_replace if pipeline.upgrade else ()
    paths = before.resources.keys() | after.resources.keys()
    idle = [p for p in patterns if not any(fnmatchcase(path, p) for path in paths)]
    if idle:
        raise DefinitionError(
            f"cannot tell what {pipeline.path} means by upgrade.no_replace: the stack has no "
            f"resource {quoted(idle)}",
            hint="`infraci plan` shows the resources; those of nested stacks are dotted",
        )
    kinds = {change.path: change.kind for change in changes}
    for path in sorted(before.resources):
        if any(fnmatchcase(path, pattern) for pattern in patterns):
            yield _check(path, kinds.get(path), before, after, pipeline)


def _check(
    path: str,
    kind: ChangeKind | None,
    before: StackSnapshot,
    after: StackSnapshot,
    pipeline: Pipeline,
) -> Testcase:
    failed = kind in _LOST
    old, new = before.resources[path], after.resources.get(path)
    message = f"{path} ({old.type}) was {kind}, which upgrade.no_replace of {pipeline.path} forbids"
    ids = f"before: {old.physical_id}\nafter:  {new.physical_id if new else 'none'}"
    return Testcase(
        server="",
        role="",
        classname=f"infraci.{pipeline.name}.{Phase.UPDATE}",
        name=f"{path} is kept",
        nodeid=f"upgrade.no_replace: {path}",
        phase=Phase.UPDATE,
        outcome=Outcome.FAILURE if failed else Outcome.PASSED,
        message=message if failed else "",
        text=f"{message}\n\n{ids}" if failed else "",
    )
