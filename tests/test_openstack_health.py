"""What is wrong with the OpenStack of the live tests is seen, and named."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from tests.live.openstack.health import ailments, repeated_failure
from tests.live.openstack.place import Place

AGENT = "neutron-linuxbridge-agent"
FAILED = (
    "2026-11-28 01:20:{second:02}.120 4711 ERROR neutron.agent.linux.utils [req-{second} - -]"
    " Exit code: 4; Cmd: ['ebtables', '-D', 'neutronMAC-tap1']; RULE_DELETE failed\n"
)
WORK = "2026-11-28 01:20:10.120 4711 INFO neutron.plugins.ml2 [-] Port tap1 updated.\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An OpenStack whose agent was started at 01:20, and has logged nothing yet."""
    place = Place(state=tmp_path / "state", cache=tmp_path / "cache")
    place.make()
    note = place.run / f"{AGENT}.pid"
    note.touch()
    begun = datetime(2026, 11, 28, 1, 20).timestamp()
    os.utime(note, (begun, begun))
    return place


def log(place: Place, *lines: str) -> None:
    (place.log / f"{AGENT}.log").write_text("".join(lines))


def test_an_agent_that_repeats_a_failure_is_sick(place: Place) -> None:
    log(place, WORK, *(FAILED.format(second=second) for second in range(11, 16)))
    failure = repeated_failure(place, AGENT)
    assert failure is not None
    assert failure.startswith(f"{AGENT} has failed 5 times at the same: ERROR")
    assert failure.endswith("RULE_DELETE failed")


def test_different_failures_are_no_repeated_one(place: Place) -> None:
    log(place, *(FAILED.replace("tap1", f"tap{'abcde'[n]}").format(second=n) for n in range(5)))
    assert repeated_failure(place, AGENT) is None


def test_what_happened_before_the_agent_was_started_is_over(place: Place) -> None:
    earlier = FAILED.replace("01:20", "01:10")
    log(place, *(earlier.format(second=second) for second in range(50)), WORK)
    assert repeated_failure(place, AGENT) is None


def test_a_process_that_has_ended_is_named_with_its_last_words(place: Place) -> None:
    log(place, WORK, "Segmentation fault\n")
    reasons = ailments(place)
    assert f"{AGENT} does not run: Segmentation fault ({place.log / AGENT}.log)" in reasons
    assert "nova-compute does not run" in reasons
