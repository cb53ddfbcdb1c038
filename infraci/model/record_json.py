"""Writes run records as JSON, and reads them; ignores fields that a newer version has added."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, cast

from infraci.base.json_reader import read_json
from infraci.base.mask import mask
from infraci.model.run import Commit, Failure, PhaseResult, RunRecord, Testcase


def dump_record(record: RunRecord) -> bytes:
    """The record as JSON text in UTF-8."""
    data = dataclasses.asdict(masked_record(record))
    text = json.dumps(data, indent=1, ensure_ascii=False, default=str) + "\n"
    return text.encode("utf-8", "replace")  # a server may have printed invalid Unicode


#: The names of fields in records of earlier versions.
_EARLIER = {"trouble": "failure", "given": "overrides", "possessions": "resources"}


def _with_todays_names(data: object) -> object:
    """A record as it is read, its fields and those of its phases under the names of today."""
    if not isinstance(data, dict):
        return data
    renamed = {_EARLIER.get(key, key): value for key, value in data.items()}
    if isinstance(phases := renamed.get("phases"), list):
        renamed["phases"] = [_with_todays_names(phase) for phase in phases]
    return renamed


def masked_record(record: RunRecord) -> RunRecord:
    """The record without secrets; fields by which it is found or compared stay as they are."""
    blame = {mask(case): text for case, text in record.blame.items()}  # called as testcases are
    return cast(RunRecord, _masked(dataclasses.replace(record, blame=blame)))


def _masked(value: object) -> object:
    if type(value) is str:  # an enumeration's members are no text of others
        return mask(value)
    if isinstance(value, Mapping):
        return {name: _masked(inner) for name, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_masked, value))
    if isinstance(value, RunRecord | Commit | PhaseResult | Failure | Testcase):
        names = {field.name for field in dataclasses.fields(value)} - _FOUND_BY[type(value)]
        masked: dict[str, Any] = {name: _masked(getattr(value, name)) for name in names}
        return dataclasses.replace(value, **masked)
    return value


#: What is no text of others, and what infraci itself looks things up by.
_FOUND_BY: Mapping[type, frozenset[str]] = {
    RunRecord: frozenset({
        "id", "pipeline", "cloud", "cloud_at", "stack_name", "stack_id", "tags", "destroy",
        "servers", "evidence", "resources", "host_keys", "api_calls", "changes",
    }),
    Commit: frozenset({"sha", "author", "email", "date"}),
    PhaseResult: frozenset(),
    Failure: frozenset({"kind", "category"}),
    Testcase: frozenset({"server", "role", "category"}),
}  # fmt: skip


def parse_record(content: bytes) -> RunRecord:
    """The record in a JSON text. Raises ValueError with a reason of one line."""
    from pydantic import TypeAdapter, ValidationError

    from infraci.model.validate import key_path

    if not content.strip():
        raise ValueError("it is empty")
    try:
        return TypeAdapter(RunRecord).validate_python(_with_todays_names(read_json(content)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = key_path([step for step in first["loc"] if step != "[key]"])
        raise ValueError(f"{path or 'the record'}: {first['msg'].lower()}") from error
