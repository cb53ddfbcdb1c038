"""Results, their ranking, and the page that is written of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.published_templates.exclusions import Reason
from benchmarks.published_templates.page import lines, summary
from benchmarks.published_templates.results import (
    Result,
    Standing,
    kind_of,
    ranking,
    read,
    write,
)

_ALARM = "OS::Aodh::EventAlarm cannot be had: the embedded cloud has nothing that could honour it"
_SIZE = "the embedded cloud does not honour the property size"


def _result(file: str, *problems: str, **more: object) -> Result:
    return Result(collection="OWNER/NAME", file=file, problems=problems, **more)  # type: ignore[arg-type]


RESULTS = [
    _result("up.yaml", standing=Standing.STOOD_UP),
    _result("failed.yaml", standing=Standing.FAILED, story="timed | out"),
    _result("one.yaml", _ALARM),
    _result("two.yaml", _ALARM, _SIZE),
    _result("part.yaml", part_of="up.yaml uses it"),
    _result("out.yaml", excluded=Reason.TYPE, detail="My::Own"),
]


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert read(path) == {}
    write(path, RESULTS)
    assert list(read(path).values()) == RESULTS


def test_what_stood_up_once_is_known_until_it_is_tried_again_or_not_planned() -> None:
    up, failed, *_ = RESULTS
    planned = _result("up.yaml")
    assert planned.after(up) == up
    assert planned.after(None) == planned
    assert _result("up.yaml", standing=Standing.FAILED).after(up).standing is Standing.FAILED
    assert _result("up.yaml", _ALARM).after(up).standing is Standing.NOT_TRIED
    assert planned.after(failed).story == failed.story


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (_ALARM, "OS::Aodh::… cannot be had"),
        ("OS::Heat::Stack cannot be had: no", "OS::Heat::Stack cannot be had"),
        (_SIZE, _SIZE),
        ("Error validating value 'x': The Volume (x) could not be found",
         "Error validating value …: The Volume … could not be found"),
    ],
)  # fmt: skip
def test_the_kind_of_a_problem_is_without_names(message: str, kind: str) -> None:
    assert kind_of(message) == kind


def test_kinds_are_ranked_by_the_stacks_that_have_them() -> None:
    assert ranking(RESULTS) == [
        (kind_of(_ALARM), 2, 1, "OWNER/NAME one.yaml"),
        (_SIZE, 1, 0, "OWNER/NAME two.yaml"),
    ]


def test_the_summary_counts_each_file_once() -> None:
    row = next(line for line in summary(RESULTS) if line.startswith("| all "))
    files, fragments, *excluded, usable, planned, tried, up = map(int, row.split("|")[2:-1])
    assert (files, fragments, excluded) == (6, 1, [0, 0, 1, 0, 0, 0])
    assert (usable, planned, tried, up) == (4, 2, 2, 1)
    assert files == fragments + sum(excluded) + usable


def test_the_page_has_each_file_with_its_reason() -> None:
    text = "\n".join(lines(RESULTS))
    assert "- `failed.yaml`: did not stand up: timed \\| out" in text
    assert f"- `one.yaml`: {_ALARM}" in text
    assert "- `part.yaml`: up.yaml uses it" in text
    assert "- `out.yaml`: My::Own" in text
