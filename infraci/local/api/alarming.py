"""Alarming v2: keeps the alarms of Aodh's clients, which never fire.

Nothing on this machine measures servers or tells of events: an alarm stays in the state that Aodh
gives to one without data.

Source: https://docs.openstack.org/aodh/latest/webapi/v2.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from werkzeug.wrappers import Request, Response

from infraci.local.account import PROJECT_ID, USER_ID
from infraci.local.api.web import Api, Document, fields_of, reply, route
from infraci.local.domain.records import Alarm
from infraci.local.domain.store import Store
from infraci.local.errors import InvalidRequestError, NotFoundError

#: The types of alarms that Aodh has, but for those of services that are gone.
_TYPES = frozenset({
    "event", "composite", "gnocchi_resources_threshold", "gnocchi_aggregation_by_metrics_threshold",
    "gnocchi_aggregation_by_resources_threshold", "loadbalancer_member_health", "prometheus",
})  # fmt: skip
#: What Aodh itself says of an alarm, whatever a client says.
_OWN = ("alarm_id", "project_id", "user_id", "state", "timestamp", "state_timestamp")
_DEFAULTS: Document = {
    "description": None,
    "enabled": True,
    "severity": "low",
    "repeat_actions": False,
    "alarm_actions": [],
    "ok_actions": [],
    "insufficient_data_actions": [],
    "time_constraints": [],
}


class AlarmingApi(Api):
    """Alarms, and their states."""

    def __init__(self, store: Store, is_valid_token: Callable[[str | None], bool]) -> None:
        super().__init__(is_valid_token)
        self._store = store

    @route("GET", "/v2/alarms")
    def list_alarms(self, request: Request) -> Response:
        """The alarms."""
        return reply([_to_json(alarm) for alarm in self._store.find(Alarm)])

    @route("POST", "/v2/alarms")
    def create_alarm(self, request: Request) -> Response:
        """A new alarm."""
        alarm = self._store.put(Alarm(definition=_parse(fields_of(request))))
        return reply(_to_json(alarm), 201)

    @route("GET", "/v2/alarms/<id_>")
    def show_alarm(self, request: Request, id_: str) -> Document:
        """One alarm."""
        return _to_json(self._require(id_))

    @route("PUT", "/v2/alarms/<id_>")
    def update_alarm(self, request: Request, id_: str) -> Document:
        """An alarm with another definition."""
        definition = _parse(fields_of(request))
        return _to_json(self._store.put(replace(self._require(id_), definition=definition)))

    @route("DELETE", "/v2/alarms/<id_>")
    def delete_alarm(self, request: Request, id_: str) -> Response:
        """Remove an alarm."""
        self._store.drop(self._require(id_))
        return Response(status=204)

    @route("GET", "/v2/alarms/<id_>/state")
    def show_state(self, request: Request, id_: str) -> Response:
        """An alarm's state."""
        return reply(self._require(id_).state)

    def _require(self, id_: str) -> Alarm:
        alarm = self._store.get(Alarm, id_)
        if alarm is None:
            raise NotFoundError(f"Alarm {id_} not found in project {PROJECT_ID}")
        return alarm


def _parse(body: Document) -> Document:
    """What a client says of an alarm. Raises InvalidRequestError, as Aodh does."""
    for key in ("name", "type"):
        if not isinstance(body.get(key), str) or not body[key]:
            raise InvalidRequestError(f"Invalid input for field/attribute {key}. It is mandatory.")
    type_ = body["type"]
    if type_ not in _TYPES:
        raise InvalidRequestError(f"Invalid input for field/attribute type. Value: '{type_}'.")
    if not body.get(f"{type_}_rule"):
        raise InvalidRequestError(f"{type_}_rule must be set for {type_} type alarm")
    return {**_DEFAULTS, **{key: value for key, value in body.items() if key not in _OWN}}


def _to_json(alarm: Alarm) -> Document:
    own = {"alarm_id": alarm.id, "project_id": PROJECT_ID, "user_id": USER_ID, "state": alarm.state}
    return {**alarm.definition, **own}
