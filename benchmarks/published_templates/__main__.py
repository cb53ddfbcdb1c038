"""``python -m benchmarks.published_templates FOLDER``: what becomes of published HOT templates.

FOLDER holds the work tree of a repository each, called OWNER+NAME. docs/published-templates.md says
which, what the measure is, and what it has given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

from benchmarks.published_templates.collection import Collection
from benchmarks.published_templates.fixtures import connect, project
from benchmarks.published_templates.measure import Clouds, Repository, measure, repository
from benchmarks.published_templates.page import summary, write_page
from benchmarks.published_templates.pipelines import taken_for_granted
from benchmarks.published_templates.purposes import Purpose
from benchmarks.published_templates.results import Result, Standing, ranking, read, write
from benchmarks.published_templates.stand_up import inventory, stand_up
from infraci.app.cloud_opening import open_cloud, open_offline

_SEED = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write what was asked for."""
    options = _parser().parse_args(arguments)
    collections = [Collection.read(path) for path in sorted(options.folder.glob("*+*"))]
    if not collections:
        sys.exit(f"cannot measure {options.folder}: it holds no folder OWNER+NAME")
    known = read(options.json) if options.json else {}
    with _clouds(collections) as clouds:
        before = inventory(clouds.connection)
        try:
            for collection in collections:
                for result in _measured(collection, clouds, options):
                    key = (result.collection, result.file)
                    known[key] = result.after(known.get(key))
        finally:  # an hour's results outlive an interruption
            if options.json:
                write(options.json, (known[key] for key in sorted(known)))
        left = inventory(clouds.connection) - before
    results = [known[key] for key in sorted(known)]
    if options.write_docs:
        write_page(results)
    print("\n".join(summary(results)))
    for kind, count, alone, example in ranking(results):
        print(f"{count:4} {alone:4} {kind}  ({example})")
    for thing in sorted(left):
        print(f"left on the cloud: {thing}", file=sys.stderr)
    return 1 if left else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.published_templates")
    parser.add_argument("folder", type=Path, help="holds collections, each in OWNER+NAME")
    parser.add_argument("--only", default="", help="files whose OWNER/NAME/PATH contains this")
    parser.add_argument("--up", action="store_true", help="stand up those that are planned")
    parser.add_argument(
        "--most", type=int, default=5, help="so many of each collection (5; 0: all)"
    )
    parser.add_argument("--at-once", type=int, default=2, help="so many at a time (2)")
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
        closing(connect(embedded)) as connection,
    ):
        yield Clouds(embedded=embedded, any_cloud=any_cloud, names=names, connection=connection)


def _measured(
    collection: Collection, clouds: Clouds, options: argparse.Namespace
) -> Iterator[Result]:
    def is_meant(path: str) -> bool:
        return options.only in f"{collection.name}/{path}"

    with repository(collection, clouds, is_meant) as own:
        results = []
        for result in measure(own, clouds, is_meant):
            _tell(result)
            results.append(result)
        yield from results
        if options.up:
            planned = [result for result in results if result.is_planned]
            yield from _stood_up(own, planned, options)


def _stood_up(
    own: Repository, planned: list[Result], options: argparse.Namespace
) -> Iterator[Result]:
    """Yield the results of a sample that is the same each time, once it has been stood up."""
    most = options.most or len(planned)
    sample = Random(_SEED).sample(planned, min(most, len(planned)))
    names = {str(choice.template): name for name, choice in own.choices.items()}

    def stand(result: Result) -> Result:
        standing, story = stand_up(own, names[result.file])
        return replace(result, standing=standing, story=story)

    with ThreadPoolExecutor(max_workers=options.at_once) as pool:
        for result in pool.map(stand, sample):
            _tell(result)
            yield result


def _tell(result: Result) -> None:
    if not result.is_usable:
        state, detail = "left out", result.part_of or f"{result.excluded}: {result.detail}"
    elif not result.is_planned:
        state, detail = "usable", result.problems[0]
    elif result.standing is Standing.NOT_TRIED:
        state, detail = "planned", ""
    else:
        state, detail = str(result.standing), result.story
    print(f"{state:8} {result.collection} {result.file}  {detail[:160]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
