"""Stacks: created once, followed, failed with a reason, and deleted for good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infraci.base.deadline import Deadline
from infraci.errors import PhaseTimeoutError
from infraci.heat import Event, ExistsError, OnEvent, StackFailedError, TransientCloudError
from infraci.templates import StackRequest
from tests.heat.fakes import (
    Answer,
    FakeClock,
    event_entry,
    fake_cloud,
    links,
    resource_entry,
    stack_entry,
)

REQUEST = StackRequest(template={"resources": {}})
NOT_FOUND: Answer = (404, {"error": {"message": "not found"}})


def keeping(followed: list[Event]) -> OnEvent:
    return lambda *events: followed.extend(events)


def limit(clock: FakeClock, seconds: float = 600) -> Deadline:
    return Deadline(seconds, clock=clock, sleep=clock.sleep, phase="the phase")


class Heat:
    """Heat with one stack, whose states follow one another as it is looked at."""

    def __init__(self, *states: str | Answer) -> None:
        self._states = list(states)
        self.created: list[Mapping[str, Any]] = []
        self.deleted = 0
        self.create: Answer = (201, {"stack": {"id": "s-1"}})
        self.tags = ["infraci"]
        self.resources: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    def __call__(self, method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if method == "POST":
            self.created.append(arguments["json"])
            return self.create
        if method == "DELETE":
            self.deleted += 1
            return (204, None)
        if path.endswith("/events"):
            return (200, {"events": self._page(arguments["params"])})
        if path.endswith("/resources"):
            return (200, {"resources": self.resources})
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if isinstance(state, str):
            return (200, stack_entry(state, tags=self.tags, stack_status_reason="because"))
        return state

    def _page(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        ids = [event["id"] for event in self.events]
        start = ids.index(params["marker"]) + 1 if "marker" in params else 0
        return self.events[start : start + params["limit"]]


def test_create_sends_what_heat_wants() -> None:
    heat = Heat("CREATE_COMPLETE")
    cloud, _, _ = fake_cloud(heat)
    assert cloud.create_stack(REQUEST, name="web", tags=["a", "b=1"], timeout_s=90) == "s-1"
    (body,) = heat.created
    assert body["tags"] == "a,b=1"
    assert body["timeout_mins"] == 2
    assert body["disable_rollback"] is True


@pytest.mark.parametrize(
    "answer", [(503, None), (409, {"error": {"message": "The Stack (web) already exists."}})]
)
def test_a_lost_answer_makes_no_second_stack(answer: Answer) -> None:
    heat = Heat("CREATE_IN_PROGRESS")
    heat.create = answer
    cloud, _, _ = fake_cloud(heat)
    assert cloud.create_stack(REQUEST, name="web", tags=["infraci"], timeout_s=60) == "s-1"
    assert len(heat.created) == 1


def test_somebody_elses_stack_of_that_name_is_not_taken() -> None:
    heat = Heat("CREATE_COMPLETE")
    heat.create = (409, {"error": {"message": "exists"}})
    cloud, _, _ = fake_cloud(heat)
    with pytest.raises(ExistsError):
        cloud.create_stack(REQUEST, name="web", tags=["infraci", "infraci-run=x"], timeout_s=60)


def test_a_create_that_was_lost_is_sent_again() -> None:
    heat = Heat(NOT_FOUND)
    heat.create = (503, None)
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(TransientCloudError), cloud.within(limit(clock, 60)):
        cloud.create_stack(REQUEST, name="web", timeout_s=60)
    assert len(heat.created) > 5


def test_waiting_tells_each_event_once() -> None:
    heat = Heat("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    heat.events = [event_entry(n, f"r{n}", "CREATE_COMPLETE") for n in range(450)]
    cloud, _, clock = fake_cloud(heat)
    events: list[Event] = []
    stack = cloud.wait("s-1", deadline=limit(clock), on_event=keeping(events))
    assert stack.status == "CREATE_COMPLETE"
    assert [event.id for event in events] == [f"e{n}" for n in range(450)]


def test_an_event_of_a_slow_clock_is_not_missed() -> None:
    heat = Heat("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    heat.events = [event_entry(n, f"r{n}", "CREATE_COMPLETE") for n in range(30)]
    cloud, _, clock = fake_cloud(heat)
    ids: list[str] = []

    def hear(*events: Event) -> None:
        ids.extend(event.id for event in events)
        if events[-1].id == "e29":
            heat.events.insert(25, event_entry(99, "late", "CREATE_COMPLETE"))

    cloud.wait("s-1", deadline=limit(clock), on_event=hear)
    assert ids[-1] == "e99"
    assert len(ids) == 31


def failing() -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]], str, str]]:
    reason = "ResourceInError: resources.web: Went to status ERROR due to no valid host"
    yield (
        [resource_entry("web", "CREATE_FAILED", resource_status_reason=reason)],
        [event_entry(1, "web", "CREATE_FAILED", resource_status_reason=reason)],
        "web",
        "cannot create stack web: web (OS::Nova::Server): Went to status ERROR due to no valid "
        "host",
    )
    yield (
        [
            resource_entry("apps", "CREATE_FAILED", links=links("web", "web-apps")),
            resource_entry(
                "0", "CREATE_FAILED", links=links("web-apps"), resource_status_reason="no"
            ),
            resource_entry("db", "CREATE_FAILED", resource_status_reason="CREATE aborted"),
        ],
        [
            event_entry(1, "db", "CREATE_FAILED"),
            event_entry(2, "0", "CREATE_FAILED"),
        ],
        "apps.0",
        "cannot create stack web: apps.0 (OS::Nova::Server): no",
    )
    yield ([], [], "", "cannot create stack web: because")


@pytest.mark.parametrize(("resources", "events", "resource", "message"), list(failing()))
def test_a_failed_stack_names_the_resource_and_the_reason(
    resources: list[dict[str, Any]], events: list[dict[str, Any]], resource: str, message: str
) -> None:
    heat = Heat("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_FAILED")
    heat.resources, heat.events = resources, events
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(StackFailedError) as caught:
        cloud.wait("s-1", deadline=limit(clock), on_event=None)
    assert [failure.name for failure in caught.value.failures] == [resource] * bool(resource)
    assert caught.value.message == message
    assert len(caught.value.details.splitlines()) == len(events)


def test_a_timeout_names_what_is_unfinished() -> None:
    heat = Heat("CREATE_IN_PROGRESS")
    heat.resources = [
        resource_entry("apps", "CREATE_IN_PROGRESS", links=links("web", "web-apps")),
        resource_entry("0", "CREATE_IN_PROGRESS", links=links("web-apps")),
        resource_entry("net"),
    ]
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(PhaseTimeoutError, match=r"stack web \(CREATE_IN_PROGRESS\): apps\.0$"):
        cloud.wait("s-1", deadline=limit(clock), on_event=None)


def test_a_far_cloud_is_not_asked_faster_than_it_can_use() -> None:
    heat = Heat(*["CREATE_IN_PROGRESS"] * 60, "CREATE_COMPLETE")
    cloud, _, clock = fake_cloud(heat)
    cloud.wait("s-1", deadline=limit(clock), on_event=None)
    assert clock.now > 90


def test_an_api_that_is_restarted_is_waited_for() -> None:
    heat = Heat("CREATE_IN_PROGRESS", *[(503, None)] * 5, "CREATE_COMPLETE")
    cloud, _, clock = fake_cloud(heat)
    assert cloud.wait("s-1", deadline=limit(clock), on_event=None).status == "CREATE_COMPLETE"


def test_an_api_that_stays_away_is_waited_for_as_long_as_the_phase_lasts() -> None:
    heat = Heat("CREATE_IN_PROGRESS", (503, None))
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(TransientCloudError, match="503") as caught:
        cloud.wait("s-1", deadline=limit(clock, 600), on_event=None)
    assert 590 < clock.now <= 600
    assert caught.value.category == "api"


def test_an_api_that_is_broken_is_given_up_soon() -> None:
    heat = Heat("CREATE_IN_PROGRESS", (500, None))
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(TransientCloudError, match="500"):
        cloud.wait("s-1", deadline=limit(clock, 600), on_event=None)
    assert clock.now < 60


def test_deleting_waits_until_it_is_gone() -> None:
    heat = Heat("CREATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS", NOT_FOUND)
    cloud, _, clock = fake_cloud(heat)
    cloud.delete_stack("s-1", deadline=limit(clock))
    assert heat.deleted == 1


def test_deleting_what_is_gone_is_a_success() -> None:
    heat = Heat(NOT_FOUND)
    cloud, _, clock = fake_cloud(heat)
    cloud.delete_stack("s-1", deadline=limit(clock))
    assert heat.deleted == 0


def test_deleting_tells_only_of_the_deletion() -> None:
    heat = Heat("CREATE_COMPLETE", "DELETE_IN_PROGRESS", NOT_FOUND)
    heat.events = [event_entry(1, "web", "CREATE_COMPLETE")]
    cloud, _, clock = fake_cloud(heat)
    events: list[Event] = []
    cloud.delete_stack("s-1", deadline=limit(clock), on_event=keeping(events))
    assert events == []


def test_a_failed_deletion_is_tried_again() -> None:
    states = ["CREATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_FAILED"]
    heat = Heat(*states, "DELETE_IN_PROGRESS", "DELETE_COMPLETE")
    cloud, _, clock = fake_cloud(heat)
    cloud.delete_stack("s-1", deadline=limit(clock))
    assert heat.deleted == 2


def test_what_cannot_be_deleted_is_named() -> None:
    heat = Heat("DELETE_FAILED")
    heat.resources = [resource_entry("net", "DELETE_FAILED", resource_status_reason="in use")]
    cloud, _, clock = fake_cloud(heat)
    with pytest.raises(StackFailedError, match=r"delete stack web: net .*: in use") as caught:
        cloud.delete_stack("s-1", deadline=limit(clock))
    assert heat.deleted == 4
    assert caught.value.category == "delete"


def test_outputs_that_heat_could_not_compute_are_left_out() -> None:
    outputs = [
        {"output_key": "url", "output_value": "http://x"},
        {"output_key": "bad", "output_value": None, "output_error": "no such attribute"},
    ]
    cloud, sdk, _ = fake_cloud(lambda *_: (200, stack_entry(outputs=outputs)))
    assert cloud.outputs("s-1") == {"url": "http://x"}
    assert sdk.orchestration.requests[0][2]["params"] == {"resolve_outputs": "True"}


def test_finding_stacks_by_tags_reads_all_pages() -> None:
    pages = [
        [{"id": str(n), "stack_name": f"s{n}", "stack_status": "X", "tags": None} for n in range(k)]
        for k in (100, 3)
    ]
    cloud, sdk, _ = fake_cloud(lambda *_: (200, {"stacks": pages.pop(0)}))
    assert len(cloud.find_stacks(["infraci", "infraci-run=x"])) == 103
    assert sdk.orchestration.requests[0][2]["params"]["tags"] == "infraci,infraci-run=x"
    assert sdk.orchestration.requests[1][2]["params"]["marker"] == "99"
