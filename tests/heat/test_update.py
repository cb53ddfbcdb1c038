"""Updates: sent once, followed, rolled back with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from infraci.base.deadline import Deadline
from infraci.errors import ExitCode, PhaseTimeoutError
from infraci.heat import Event, RefusedError, TransientCloudError, UpdateFailedError
from infraci.templates import StackRequest
from tests.heat.fakes import Answer, FakeClock, event_entry, fake_cloud, links, stack_entry

REQUEST = StackRequest(template={"resources": {"new": {"type": "OS::Nova::KeyPair"}}})
OLD = event_entry(0, "web", "CREATE_FAILED", resource_status_reason="long ago")


def limit(clock: FakeClock, seconds: float = 600) -> Deadline:
    return Deadline(seconds, clock=clock, sleep=clock.sleep, phase="the phase")


class Heat:
    """Heat with a stack that is updated, its states following one another."""

    def __init__(self, *states: str) -> None:
        self._states = list(states)
        self._before = "CREATE_COMPLETE"
        self._events = [OLD]
        self.requests: list[Mapping[str, Any]] = []
        self.answers: list[Callable[[], Answer]] = [self.accept]
        self.events: list[dict[str, Any]] = []
        self.reason = "because"

    def accept(self) -> Answer:
        self._before = ""
        self._events = [OLD, *self.events]
        return (202, None)

    def accept_and_hang_up(self) -> Answer:
        self.accept()
        return (503, None)

    def __call__(self, method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if method == "PUT":
            self.requests.append({"path": path, **arguments["json"]})
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            return answer()
        if path.endswith("/events"):
            after = arguments["params"].get("marker")
            ids = [event["id"] for event in self._events]
            return (200, {"events": self._events[ids.index(after) + 1 if after else 0 :]})
        if path.endswith("/resources"):
            return (200, {"resources": []})
        if self._before:
            return (200, stack_entry(self._before, updated_time=None))
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        return (
            200,
            stack_entry(
                state, updated_time="2026-01-01T00:00:00Z", stack_status_reason=self.reason
            ),
        )


def test_an_update_goes_well() -> None:
    heat = Heat("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    heat.events = [event_entry(1, "web", "UPDATE_COMPLETE")]
    cloud, _, clock = fake_cloud(heat)
    events: list[Event] = []
    cloud.update_stack(
        "s-1",
        REQUEST,
        tags=["a", "b=1"],
        deadline=limit(clock, 90),
        on_event=lambda *new: events.extend(new),
    )
    (body,) = heat.requests
    assert body["path"] == "/stacks/web/s-1"
    assert (body["tags"], body["timeout_mins"], body["disable_rollback"]) == ("a,b=1", 2, False)
    assert [event.id for event in events] == ["e1"]  # and not what was before


def test_a_lost_answer_is_no_reason_to_ask_again() -> None:
    heat = Heat("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    heat.answers = [heat.accept_and_hang_up]
    cloud, _, clock = fake_cloud(heat)
    cloud.update_stack("s-1", REQUEST, tags=[], deadline=limit(clock))
    assert len(heat.requests) == 1


def test_an_update_that_was_lost_is_sent_again() -> None:
    heat = Heat("UPDATE_COMPLETE")
    heat.answers = [lambda: (503, None), lambda: (503, None), heat.accept]
    cloud, _, clock = fake_cloud(heat)
    cloud.update_stack("s-1", REQUEST, tags=[], deadline=limit(clock))
    assert len(heat.requests) == 3


def test_a_cloud_that_never_hears() -> None:
    heat = Heat()
    heat.answers = [lambda: (503, None)]
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(TransientCloudError):
        cloud.update_stack("s-1", REQUEST, tags=[], deadline=limit(clock))


def test_what_heat_refuses() -> None:
    heat = Heat()
    heat.answers = [lambda: (400, {"error": {"message": "Unknown Property flavour"}})]
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(RefusedError, match="Unknown Property flavour"):
        cloud.update_stack("s-1", REQUEST, tags=[], deadline=limit(clock))


def test_an_update_that_is_rolled_back_names_what_failed_first() -> None:
    # An engine with convergence says UPDATE_FAILED for a moment.
    states = ["UPDATE_IN_PROGRESS", "UPDATE_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]
    heat = Heat(*states)
    nested = links("web-app_servers-abcdefghijkl-0-mnopqrstuvwx")
    heat.events = [
        event_entry(1, "other", "UPDATE_FAILED", resource_status_reason="UPDATE aborted (x)"),
        event_entry(2, "server", "CREATE_FAILED", resource_status_reason="no luck", links=nested),
        event_entry(3, "app_servers", "UPDATE_FAILED", resource_status_reason="resources.0: no"),
        event_entry(4, "web", "ROLLBACK_IN_PROGRESS"),
        event_entry(5, "server", "DELETE_FAILED", resource_status_reason="later"),
    ]
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(UpdateFailedError) as caught:
        cloud.update_stack("s-1", REQUEST, tags=[], deadline=limit(clock))
    assert caught.value.rolled_back
    (failed,) = caught.value.failures
    assert failed.name == "app_servers.0.server"
    assert caught.value.exit_code is ExitCode.UNTESTABLE  # nothing says that it is the commit's
    assert caught.value.message == (
        "cannot update stack web: app_servers.0.server: no luck (it was rolled back)"
    )
    assert "long ago" not in caught.value.details
    assert "no luck" in caught.value.details


def test_a_new_resource_that_the_template_makes_impossible() -> None:
    heat = Heat("UPDATE_IN_PROGRESS", "ROLLBACK_COMPLETE")
    taken = "Conflict: resources.new: Key pair 'k' already exists. (HTTP 409)"
    heat.events = [event_entry(1, "new", "CREATE_FAILED", resource_status_reason=taken)]
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(UpdateFailedError) as caught:
        cloud.update_stack("s-1", REQUEST, tags=[], deadline=limit(clock))
    assert (caught.value.exit_code, caught.value.category) == (ExitCode.FAILED, "template")
    (failed,) = caught.value.failures
    assert failed.message == "new (OS::Nova::KeyPair): Key pair 'k' already exists"


def test_a_rollback_that_fails() -> None:
    heat = Heat("ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED")
    heat.events = [event_entry(1, "db", "UPDATE_FAILED", resource_status_reason="no luck")]
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(UpdateFailedError) as caught:
        cloud.update_stack("s-1", REQUEST, tags=[], deadline=limit(clock))
    assert not caught.value.rolled_back
    assert "db: no luck (to roll it back failed as well: because)" in caught.value.message


def test_an_update_that_nobody_rolls_back() -> None:
    heat = Heat("UPDATE_IN_PROGRESS", "UPDATE_FAILED")
    heat.reason = "Timed out"
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(UpdateFailedError) as caught:
        cloud.update_stack("s-1", REQUEST, tags=[], deadline=limit(clock))
    assert not caught.value.rolled_back
    assert "Timed out (it was not rolled back)" in caught.value.message


def test_an_update_that_takes_too_long() -> None:
    heat = Heat("UPDATE_IN_PROGRESS")
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(PhaseTimeoutError, match="stack web"):
        cloud.update_stack("s-1", REQUEST, tags=[], deadline=limit(clock))
