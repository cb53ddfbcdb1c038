"""The tables of docs/embedded-cloud.md, made by ``python -m tests.docs_embedded_cloud``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from infraci.local.supported_properties import AWS_TYPES, KEPT, KEPT_TYPES, OWN_TYPES, PROPERTIES

PAGE = Path(__file__).parents[1] / "docs" / "embedded-cloud.md"
BEGIN = "<!-- types: made by python -m tests.docs_embedded_cloud -->\n"
END = "<!-- end of types -->\n"


def made(page: str) -> str:
    """Return the text of the page with its tables as they should be."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return "\n".join([head + BEGIN, *_lines(), "", END + tail])


def _lines() -> Iterator[str]:
    yield "| type | properties that are honoured | kept without their effect |"
    yield "|---|---|---|"
    for type_ in sorted(PROPERTIES):
        kept = KEPT.get(type_, {})
        yield f"| `{type_}` | {_listed(PROPERTIES[type_])} | {_listed(kept) or 'none'} |"
    yield ""
    yield "Types of Heat's own:"
    yield ""
    yield f"{', '.join(f'`{type_}`' for type_ in sorted(OWN_TYPES))}."
    yield ""
    yield "AWS's names for the same, with all properties that Heat implements:"
    yield ""
    yield f"{', '.join(f'`{type_}`' for type_ in sorted(AWS_TYPES))}."
    yield ""
    yield "Types that are kept without their effect:"
    yield ""
    for type_, difference in sorted(KEPT_TYPES.items()):
        yield f"- `{type_}`: {difference}"


def _listed(paths: Collection[str]) -> str:
    names = sorted({path.partition(".")[0] for path in paths})
    return ", ".join(f"`{name}`{_inner(paths, name)}" for name in names)


def _inner(paths: Collection[str], name: str) -> str:
    below = [path.removeprefix(f"{name}.") for path in paths if path.startswith(f"{name}.")]
    return f" ({_listed(below)})" if below else ""


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text()))
