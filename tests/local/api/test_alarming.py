"""Aodh's API: how it takes and shows alarms, and refuses what Aodh refuses."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

from infraci.local.api.alarming import AlarmingApi
from infraci.local.domain.store import Store

EVENT = {"name": "gone", "type": "event", "event_rule": {"event_type": "*"}}


@pytest.fixture
def client() -> Client:
    return Client(AlarmingApi(Store(), lambda _: True))


def test_an_alarm_from_beginning_to_end(client: Client) -> None:
    made = client.post("/v2/alarms", json={**EVENT, "state": "alarm", "alarm_id": "mine"})
    assert made.status_code == 201
    assert made.json
    assert (made.json["state"], made.json["severity"]) == ("insufficient data", "low")
    path = f"/v2/alarms/{made.json['alarm_id']}"
    assert client.get(path).json == made.json
    assert client.get(f"{path}/state").json == "insufficient data"
    changed = client.put(path, json={**EVENT, "severity": "critical"})
    assert changed.json == {**made.json, "severity": "critical"}
    assert client.get("/v2/alarms").json == [changed.json]
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "attribute name. It is mandatory"),
        ({"type": None}, "attribute type. It is mandatory"),
        ({"type": "threshold"}, "Value: 'threshold'"),
        ({"event_rule": None}, "event_rule must be set for event type alarm"),
    ],
)
def test_an_alarm_that_is_refused(client: Client, changes: dict[str, Any], message: str) -> None:
    answer = client.post("/v2/alarms", json={**EVENT, **changes})
    assert (answer.status_code, message in answer.text) == (400, True), answer.text
