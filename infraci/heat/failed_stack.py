"""Why a stack failed: which resources failed, who is to blame for each, what its servers show."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from infraci.diagnosis.outside import outside_cause
from infraci.errors import ExitCode, OutsideError, UnreachableError
from infraci.heat.causes import LATE, SIGNAL, SIGNAL_TYPES, Cause, cause_of
from infraci.heat.deployment_output import DeploymentOutput, read_outputs
from infraci.heat.events import render_events
from infraci.heat.failure_evidence import FailureEvidence, read_evidence
from infraci.heat.objects import Event, Resource, Stack
from infraci.heat.openstack_connection import Connection
from infraci.heat.reasons import failures, is_aborted, plain_reason, without_position
from infraci.heat.stack_errors import ResourceFailedError, StackFailedError

#: The members of these have random names.
_GROUPS = frozenset({
    "AWS::AutoScaling::AutoScalingGroup",
    "OS::Heat::AutoScalingGroup",
    "OS::Heat::InstanceGroup",
})  # fmt: skip
_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
#: The most servers that are shown.
_SHOWN = 3


#: StackFailedError, or a subclass.
Error = TypeVar("Error", bound=StackFailedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedStack:
    """A stack that failed, and what is known of its failure."""

    connection: Connection
    stack: Stack
    resources: Sequence[Resource]  # all of the stack's, those of nested stacks too
    events: Sequence[Event]
    failed: Sequence[Resource]  # those that failed by themselves
    is_late: bool = False  # whether they failed because time was over

    def error(self, kind: type[Error], message: Callable[[str], str]) -> Error:
        """The error; ``message`` gets the reason of the failure that decides."""
        evidence = read_evidence(self.connection, self._servers())
        shown = [render_events(self.events), *(server.report for server in _shown(evidence))]
        report = "\n\n".join(filter(None, shown))
        if not self.failed:
            reason = self.stack.reason or self.stack.status
            cause = cause_of(reason)
            return kind(
                message(plain_reason(reason)),
                exit_code=_exit_code(cause),
                category=cause.category if cause else "",
                hint=cause.advice_on(self.connection.cloud) if cause else None,
                details=report,
            )
        outputs = read_outputs(self.connection, self.failed)
        errors = [self._resource_error(resource, evidence, outputs) for resource in self.failed]
        exit_code = ExitCode.worst(error.exit_code for error in errors)
        first = next(error for error in errors if error.exit_code is exit_code)
        for error in errors:
            reason = error.resource.reason if error.resource.is_failed else ""
            output = outputs.get(error.resource.physical_id)
            parts = [reason, output.report if output else "", report]
            error.details = "\n\n".join(filter(None, parts))
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return kind(
            message(first.message + more),
            failures=errors,
            exit_code=exit_code,
            category=first.category,
            hint=first.hint,
            details=report,
        )

    def _servers(self) -> list[Resource]:
        """The servers that may show why: the failed ones; all, if one was to send a signal."""
        if any(_is_signal(resource) for resource in self.failed):
            return [resource for resource in self.resources if resource.is_server]
        return [resource for resource in self.failed if resource.is_server]

    def _resource_error(
        self,
        resource: Resource,
        evidence: Sequence[FailureEvidence],
        outputs: Mapping[str, DeploymentOutput],
    ) -> ResourceFailedError:
        fault = next((server.fault for server in evidence if server.id == resource.physical_id), "")
        cause = self._cause(resource, fault)
        output = outputs.get(resource.physical_id)
        if cause is SIGNAL and (error := self._external_error(resource, evidence, output)):
            return error
        why = self._why(resource, cause)
        if output and output.reason:
            why = f"{why}: {output.reason}"
        return ResourceFailedError(
            resource,
            f"{why}; Nova says: {fault}" if fault and fault not in why else why,
            name=self._name(resource),
            exit_code=_exit_code(cause),
            category=cause.category if cause else "",
            hint=cause.advice_on(self.connection.cloud) if cause else None,
        )

    def _external_error(
        self,
        resource: Resource,
        evidence: Sequence[FailureEvidence],
        output: DeploymentOutput | None,
    ) -> ResourceFailedError | None:
        """The error for a signal that the commit is not to blame for."""
        why = self._why(resource, SIGNAL)
        for server in evidence:
            if server.is_lost:
                return ResourceFailedError(
                    resource,
                    f"{why}; {server.state}",
                    name=self._name(resource),
                    category=UnreachableError.category,
                    hint=f"what became of {server.path}? `openstack server event list "
                    f"{server.id}` may say more",
                )
        more = _outside(resource, evidence, output)
        if more is None:
            return None
        return ResourceFailedError(
            resource,
            f"{why}{more}",
            name=self._name(resource),
            category=OutsideError.category,
            hint="run it again once what it asks for can be reached",
        )

    def _cause(self, resource: Resource, fault: str) -> Cause | None:
        if self._is_out_of_time(resource):
            return SIGNAL if resource.type in SIGNAL_TYPES else LATE
        return cause_of(f"{resource.reason}\n{fault}", own=self._own_ids())

    def _why(self, resource: Resource, cause: Cause | None) -> str:
        if self._is_out_of_time(resource):
            return "no signal came in time" if cause is SIGNAL else "it was not made in time"
        return plain_reason(resource.reason) or resource.status

    def _is_out_of_time(self, resource: Resource) -> bool:
        is_over = self.is_late or LATE.words.search(f"{resource.reason} {self.stack.reason}")
        return bool(is_over) and (self.is_late or is_aborted(resource))

    def _own_ids(self) -> frozenset[str]:
        """The ids of what the cloud made for this stack, by now or before."""
        made = [r.physical_id for r in self.resources if not r.is_adopted]
        made += [event.physical_id for event in self.events]
        return frozenset(id_ for id_ in made if _ID.fullmatch(id_))

    def _name(self, resource: Resource) -> str:
        """The resource's name, the same in every run: a group's random member names become "*"."""
        types = {other.path: other.type for other in self.resources}
        names = resource.path.split(".")
        above = [".".join(names[:depth]) for depth in range(len(names))]
        return ".".join(
            "*" if types.get(holder) in _GROUPS else name
            for name, holder in zip(names, above, strict=True)
        )


def stack_failed(
    connection: Connection,
    verb: str,
    stack: Stack,
    resources: Sequence[Resource],
    events: Sequence[Event],
) -> StackFailedError:
    """The error that tells which resources failed, why, and what their servers show."""
    failed = failures(resources, events)
    if all(is_aborted(resource) for resource in failed):
        # A signal cannot come before what it waits for is there.
        failed = [r for r in failed if r.type not in SIGNAL_TYPES] or failed
    failed_stack = FailedStack(
        connection=connection, stack=stack, resources=resources, events=events, failed=failed
    )
    return failed_stack.error(
        StackFailedError, lambda why: f"cannot {verb} stack {stack.name}: {why}"
    )


def removal_failed(
    stack: Stack, resources: Sequence[Resource], events: Sequence[Event]
) -> StackFailedError:
    """The error that tells what of a stack cannot be deleted; no commit is to blame."""
    failed = failures(resources, events)
    whys = [f"{r.path} ({r.type}): {plain_reason(r.reason)}" for r in failed]
    why = (whys or [stack.reason or stack.status])[0]
    more = f" (and {len(whys) - 1} more)" if len(whys) > 1 else ""
    return StackFailedError(
        f"cannot delete stack {stack.name}: {why}{more}",
        category="delete",
        details=render_events(events),
    )


def _outside(
    resource: Resource, evidence: Sequence[FailureEvidence], output: DeploymentOutput | None
) -> str | None:
    """The rest of the sentence where something outside was not reached; None elsewhere."""
    own_hosts = [address for server in evidence for address in server.addresses]
    if outside_cause(without_position(resource.reason), own_hosts=own_hosts):
        return ""
    if output is not None:  # what else the servers printed is of other deployments
        line = outside_cause(output.text, own_hosts=own_hosts)
        return f": {line}" if line else None
    for server in evidence:
        if line := server.outside(own_hosts):
            return f"; the console of {server.path} shows: {line}"
    return None


def _shown(evidence: Sequence[FailureEvidence]) -> Sequence[FailureEvidence]:
    """The servers that show the most."""
    ordered = sorted(evidence, key=lambda server: (not server.is_lost, not server.outside(())))
    return ordered[:_SHOWN]


def _is_signal(resource: Resource) -> bool:
    return resource.type in SIGNAL_TYPES or SIGNAL.words.search(resource.reason) is not None


def _exit_code(cause: Cause | None) -> ExitCode:
    return ExitCode.FAILED if cause and cause.blames else ExitCode.UNTESTABLE
