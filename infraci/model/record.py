"""Run records as JSON, and back; what a newer version has added is ignored."""

from __future__ import annotations

import dataclasses
import json

from infraci.model.run import RunRecord


def dump_record(record: RunRecord) -> bytes:
    """The record as JSON text in UTF-8."""
    data = dataclasses.asdict(record)
    text = json.dumps(data, indent=1, ensure_ascii=False, default=str) + "\n"
    return text.encode("utf-8", "replace")  # a server may have said what is no Unicode


def parse_record(content: bytes) -> RunRecord:
    """The record in a JSON text. Raises ValueError with a reason of one line."""
    from pydantic import TypeAdapter, ValidationError

    from infraci.model.judge import key_path

    if not content.strip():
        raise ValueError("it is empty")
    try:
        return TypeAdapter(RunRecord).validate_python(json.loads(content))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"not JSON from {where} on: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise ValueError("not JSON") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = key_path([step for step in first["loc"] if step != "[key]"])
        raise ValueError(f"{place or 'the record'}: {first['msg'].lower()}") from error
