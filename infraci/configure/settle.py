"""Waits after a step until its servers can be logged in to again.

A step may end with a reboot, give its server other host keys, or lock infraci out. Detected at
once, each is an error of that step; later it would look like the loss of a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infraci.base.deadline import Deadline, duration
from infraci.base.parallel import in_parallel
from infraci.configure.step import Applied, Step, StepError, Target
from infraci.errors import InfraciError, PhaseTimeoutError, UnreachableError
from infraci.ssh import (
    Boot,
    HostKeyError,
    LoginRefusedError,
    PortClosedError,
    RebootingError,
    Session,
    fingerprint,
    look_at_boot,
    rebooting,
)

_LOGIN_S = 30.0
_PACE_S = (0.1, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """A server before a step."""

    session: Session
    boot: Boot


def look_before(targets: Sequence[Target]) -> Sequence[Before | None]:
    """The boot that each server is in before the step; None for a server that does not answer.

    Waits for a server that does not answer, which may have begun a reboot; at most half of the time
    that is left, so that the step keeps the rest for the other servers.
    """

    def look(target: Target) -> Before | None:
        deadline = target.run.deadline
        begun_s, last_message = deadline.remaining_s, ""
        longest_s = min(target.run.recovery.back_s, begun_s / 2)
        for _ in deadline.poll(target.server.name, first_s=_PACE_S[0], ceiling_s=_PACE_S[1]):
            try:
                session = target.open()
                return Before(session=session, boot=look_at_boot(session))
            except (HostKeyError, LoginRefusedError):
                return None
            except UnreachableError as error:
                if begun_s - deadline.remaining_s >= longest_s:
                    return None
                if error.message != last_message:
                    last_message = error.message
                    target.run.tell(last_message)
        raise AssertionError("poll() ends only by an exception")

    return [each if isinstance(each, Before) else None for each in in_parallel(look, targets)]


def settle(
    step: Step,
    targets: Sequence[Target],
    befores: Sequence[Before | None],
    results: Sequence[Applied | Exception],
) -> Sequence[Applied | Exception]:
    """Wait for each server on which the step did not fail; returns the result or a worse error."""

    def one(work: tuple[Target, Before | None, Applied | Exception]) -> Applied | Exception:
        target, before, result = work
        if before is None or not isinstance(result, Applied | UnreachableError):
            return result
        try:
            has_rebooted = _Wait(step, target, before).over()
        except (UnreachableError, PhaseTimeoutError) as error:
            is_worse = isinstance(result, Applied) or isinstance(error, HostKeyError)
            return error if is_worse else result
        if not has_rebooted or isinstance(result, Applied):
            return result
        if step.may_reboot:
            target.run.log(f"{result.message}; it has rebooted, and {step.name} is done")
            return Applied()
        result.hint = "its server has rebooted meanwhile: reboot it in a script step after this one"
        return result

    return in_parallel(one, list(zip(targets, befores, results, strict=True)))


class _Wait:
    """The wait for one server."""

    def __init__(self, step: Step, target: Target, before: Before) -> None:
        self._step = step
        self._target = target
        self._server = target.server
        self._before = before
        self._recovery = target.run.recovery
        self._deadline: Deadline = target.run.deadline
        self._begun_s = self._deadline.remaining_s
        self._refused_s: float | None = None  # the time at which it began to refuse logins
        self._gone_s: float | None = None  # the time at which it ceased to answer
        self._last_text = ""

    def over(self) -> bool:
        """Block until the server can be logged in to; returns whether it has rebooted.

        Raises HostKeyError, StepError and UnreachableError, and what the deadline raises.
        """
        first_s, ceiling_s = _PACE_S
        what = f"{self._server.name} after {self._step.name}"
        for _ in self._deadline.poll(what, first_s=first_s, ceiling_s=ceiling_s):
            try:
                boot = self._look()
            except HostKeyError as error:
                raise self._other_host_key(error) from error
            except (UnreachableError, PhaseTimeoutError) as error:
                self._check(error)
                continue
            if boot.id != self._before.boot.id:
                self._tell("it has rebooted")
            return boot.id != self._before.boot.id
        raise AssertionError("poll() ends only by an exception")

    @property
    def _waited_s(self) -> float:
        return self._begun_s - self._deadline.remaining_s

    def _look(self) -> Boot:
        """Log in anew, as specs will. Raises RebootingError for a boot that is about to end."""
        with Session.open(
            self._server,
            private_key=self._before.session.private_key,
            timeout_s=self._deadline.within(_LOGIN_S),
            busy_s=self._deadline.within(self._recovery.slow_s),
        ) as session:
            boot = look_at_boot(session)
            if self._is_believed(boot):
                raise rebooting(session, boot)
            return boot

    def _is_believed(self, boot: Boot) -> bool:
        """Whether the boot is about to end: a guess is believed for a while only."""
        return bool(boot.ending) and not (boot.is_guess and self._waited_s > self._recovery.guess_s)

    def _check(self, error: UnreachableError | PhaseTimeoutError) -> None:
        """Raise once waiting longer does not help."""
        self._tell(error.message)
        if isinstance(error, RebootingError):
            self._gone_s = self._refused_s = None
        elif self._is_up():
            self._gone_s = None
            self._refused_s = self._waited_s if self._refused_s is None else self._refused_s
            if self._waited_s - self._refused_s >= self._grace_s(error):
                raise self._shut_out(error)
        else:
            self._refused_s = None
            self._gone_s = self._waited_s if self._gone_s is None else self._gone_s
            if self._waited_s - self._gone_s >= self._recovery.back_s:
                limit = duration(self._recovery.back_s)
                raise UnreachableError(
                    f"{error.message}: it has not come back in {limit} after {self._step.name}",
                    hint=error.hint,
                )

    def _is_up(self) -> bool:
        """Whether it answers on the connection from before the step, in a boot that goes on."""
        session = self._before.session
        try:
            boot = look_at_boot(session) if session.is_alive else None
        except InfraciError:
            return False
        return boot is not None and boot.id == self._before.boot.id and not self._is_believed(boot)

    def _shut_out(self, error: UnreachableError | PhaseTimeoutError) -> StepError:
        return StepError(
            f"cannot go on after {self._step.name}: {error.message}, though the connection from"
            " before still works",
            hint="what does the step change about users, keys, the SSH server or a firewall?",
        )

    def _other_host_key(self, error: HostKeyError) -> InfraciError:
        """The error for other host keys than before: the step's failure if the server made them.

        Only the connection from before the step can prove that.
        """
        now, before = (
            fingerprint(error.shown),
            " or ".join(map(fingerprint, self._server.host_keys)),
        )
        message = (
            f"cannot trust {self._server.name} after {self._step.name}: its host key is {now},"
            f" and was {before}"
        )
        hint = (
            "nothing was sent to it; to have other host keys, make them in user_data (ssh_keys:),"
            " so that they are known from the first boot on; or leave /etc/ssh/ssh_host_* alone"
        )
        if self._is_own(error.shown):
            return StepError(message, hint=hint)
        return HostKeyError(message, hint=hint)

    def _is_own(self, host_key: str) -> bool:
        session = self._before.session
        try:
            if not session.is_alive:
                return False
            done = session.run("cat /etc/ssh/ssh_host_*_key.pub", timeout_s=_LOGIN_S)
        except InfraciError:
            return False
        return any(line.startswith(host_key) for line in done.stdout.splitlines())

    def _tell(self, text: str) -> None:
        if text != self._last_text:
            self._last_text = text
            self._target.run.log(text)
            self._target.run.tell(f"{self._step.name}: {text}")

    def _grace_s(self, error: UnreachableError | PhaseTimeoutError) -> float:
        if isinstance(error, LoginRefusedError):
            return self._recovery.refused_s
        is_closed = isinstance(error, PortClosedError)
        return self._recovery.closed_s if is_closed else self._recovery.slow_s
