"""``python -m benchmarks.published_templates FOLDER``: what becomes of published HOT templates.

FOLDER holds the work tree of a repository each, called OWNER+NAME. docs/published-templates.md says
which, what the measure is, and what it has given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.published_templates.collection import Collection
from benchmarks.published_templates.fixtures import project
from benchmarks.published_templates.measure import Clouds, measure, repository
from benchmarks.published_templates.page import summary, write_page
from benchmarks.published_templates.pipelines import taken_for_granted
from benchmarks.published_templates.purposes import Purpose
from benchmarks.published_templates.results import Result, ranking, read, write
from infraci.app.cloud_opening import open_cloud, open_offline


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write what was asked for."""
    options = _parser().parse_args(arguments)
    collections = [Collection.read(path) for path in sorted(options.folder.glob("*+*"))]
    if not collections:
        sys.exit(f"cannot measure {options.folder}: it holds no folder OWNER+NAME")
    known = read(options.json) if options.json else {}
    with _clouds(collections) as clouds:
        for collection in collections:
            for result in _measured(collection, clouds, options.only):
                known[result.collection, result.file] = result
    results = [known[key] for key in sorted(known)]
    if options.json:
        write(options.json, results)
    if options.write_docs:
        write_page(results)
    print("\n".join(summary(results)))
    for kind, count, alone, example in ranking(results):
        print(f"{count:4} {alone:4} {kind}  ({example})")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.published_templates")
    parser.add_argument("folder", type=Path, help="holds collections, each in OWNER+NAME")
    parser.add_argument("--only", default="", help="files whose OWNER/NAME/PATH contains this")
    parser.add_argument("--json", type=Path, help="keep results there; others in it are kept")
    parser.add_argument("--write-docs", action="store_true", help="write the page of the docs")
    return parser


@contextmanager
def _clouds(collections: Sequence[Collection]) -> Iterator[Clouds]:
    taken: dict[Purpose, set[str]] = {}
    for collection in collections:
        for purpose, named in taken_for_granted(collection).items():
            taken.setdefault(purpose, set()).update(named)
    with (
        open_cloud("local") as embedded,
        open_offline("any") as any_cloud,
        project(embedded, taken) as names,
    ):
        yield Clouds(embedded=embedded, any_cloud=any_cloud, names=names)


def _measured(collection: Collection, clouds: Clouds, only: str) -> Iterator[Result]:
    def is_meant(path: str) -> bool:
        return only in f"{collection.name}/{path}"

    with repository(collection, clouds, is_meant) as own:
        for result in measure(own, clouds, is_meant):
            state = "planned" if result.is_planned else "usable" if result.is_usable else "left out"
            detail = result.part_of or result.detail or next(iter(result.problems), "")
            print(f"{state:8} {result.collection} {result.file}  {detail[:160]}", flush=True)
            yield result


if __name__ == "__main__":
    sys.exit(main())
