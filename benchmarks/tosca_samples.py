"""Every published sample of heat-translator and tosca-parser, through infraci and the real Heat.

``python -m benchmarks.tosca_samples [--up] [--only TEXT]`` downloads both source distributions from
PyPI, translates each template and archive in them, has the embedded cloud's Heat plan the result,
and with ``--up`` stands up what can be planned. It prints a line a sample, and how many came how
far.

*Usable* is a sample that heat-translator translates, whose files were published with it, and whose
translation Heat does not refuse on any cloud. The samples are unmodified. Inputs without a default
get a value that fits their constraints, or the name of what there is. Images that the samples ask
for are mapped to ``debian-12``, and servers of which nothing is known get that and ``m1.tiny``, as
two lines of infraci.yaml would do it.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from benchmarks.published_templates.fixtures import project
from benchmarks.published_templates.purposes import Purpose, purpose_of_name
from infraci.app.cloud_opening import open_cloud, open_offline
from infraci.base.deadline import Deadline
from infraci.errors import InfraciError
from infraci.heat import Cloud
from infraci.model.pipeline import StackDefinition
from infraci.model.problem import FileError
from infraci.model.project import CloudDefinition
from infraci.plan.offline import OfflineCloud
from infraci.templates import StackRequest, load_stack, with_key_pair, with_names

PACKAGES = ("heat-translator==3.5.0", "tosca-parser==2.15.0")
UP_S = 180.0
_IMAGES = (
    "fedora-18", "fedora-18.0", "fedora-19", "ubuntu-12.04", "ubuntu-14.04", "ubuntu-14.10",
    "ubuntu-16.04", "rhel-6.5", "rhel-6.5-test-image", "cirros-0.3.1", "cirros-0.3.2",
    "cirros-0.4.0",
)  # fmt: skip
SITE = CloudDefinition(
    images=dict.fromkeys((*_IMAGES, "default"), "debian-12"), flavors={"default": "m1.tiny"}
)
_AT_ONCE = 2
_TRANSLATION_S = 120
#: What the author of a sample has left to its reader.
_TO_FILL_IN = re.compile(r"#ADD_YOUR_\w+_HERE")
_NO_FILE = re.compile(r"no such file|is not a file of the repository|is not relative to")


class Outcome(StrEnum):
    """What becomes of a sample."""

    WRONG = "wrong"  # the translator itself refuses it
    INCOMPLETE = "incomplete"  # files were not published with it, or names are left to fill in
    REFUSED_BY_HEAT = "refused by Heat"  # on any cloud
    NOT_TRANSLATED = "not translated"  # by infraci, although the translator would
    TRANSLATED = "translated"
    PLANNED = "planned"
    STOOD_UP = "stood up"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clouds:
    embedded: Cloud
    any_cloud: OfflineCloud
    names: Mapping[Purpose, str]


def main() -> None:
    """Print what becomes of each sample."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tosca_samples")
    parser.add_argument("--up", action="store_true", help="stand up what can be planned")
    parser.add_argument("--only", default="", help="samples whose path contains this")
    options = parser.parse_args()
    counts: Counter[tuple[str, Outcome]] = Counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_cloud("local") as embedded,
        open_offline("any") as any_cloud,
        project(embedded, {}) as names,
        ThreadPoolExecutor(max_workers=_AT_ONCE) as pool,
    ):
        clouds = _Clouds(embedded=embedded, any_cloud=any_cloud, names=names)
        for package in PACKAGES:
            root = _download(package, Path(folder))
            paths = [path for path in _samples(root) if options.only in str(path)]

            def try_it(path: PurePosixPath, root: Path = root) -> tuple[Outcome, str]:
                return _try(root, path, clouds, up=options.up)

            for path, (outcome, reason) in zip(paths, pool.map(try_it, paths), strict=True):
                counts[package, outcome] += 1
                print(f"{outcome:15} {package.partition('=')[0]} {path}  {reason}", flush=True)
    for (package, outcome), count in sorted(counts.items()):
        print(f"{package}: {outcome}: {count}")


def _download(package: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "-d", str(folder), package], check=True)
    name = package.partition("==")[0].replace("-", "_")
    (archive,) = folder.glob(f"{name}-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return archive.with_name(archive.name.removesuffix(".tar.gz"))


def _samples(root: Path) -> Iterator[PurePosixPath]:
    """Archives, and the definitions that have a topology; libraries of types are no samples."""
    for path in sorted((root / "samples").rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        is_archive = path.suffix in (".zip", ".csar")
        if is_archive or (path.suffix == ".yaml" and b"\ntopology_template:" in content):
            yield PurePosixPath(path.relative_to(root))


def _try(root: Path, path: PurePosixPath, clouds: _Clouds, *, up: bool) -> tuple[Outcome, str]:
    catalog = clouds.embedded.catalog().by_names(images=SITE.images, flavors=SITE.flavors)
    stack = StackDefinition(template=path, parameters=_values(root / path, clouds.names))
    name = f"infraci-sample-{secrets.token_hex(4)}"
    try:
        request = with_names(load_stack(stack, root=root, catalog=lambda: catalog), SITE)
    except InfraciError as error:
        problems = error.problems if isinstance(error, FileError) else ()
        reason = str(problems[0]) if problems else error.message
        return _untranslated(root, path, stack.parameters, reason), reason[:300]
    if match := _TO_FILL_IN.search(json.dumps(request.template)):
        return Outcome.INCOMPLETE, match[0]
    request = with_key_pair(request, "key_name", clouds.names[Purpose.KEY])
    for cloud, outcome in (
        (clouds.any_cloud, Outcome.REFUSED_BY_HEAT),
        (clouds.embedded, Outcome.TRANSLATED),
    ):
        try:
            cloud.preview(request, name=name)
        except InfraciError as error:
            return outcome, error.message.splitlines()[0][:300]
    if not up:
        return Outcome.PLANNED, ""
    return _stand_up(clouds.embedded, request, name)


def _untranslated(
    root: Path, path: PurePosixPath, inputs: Mapping[str, object], reason: str
) -> Outcome:
    """What a sample is that infraci does not translate."""
    if _NO_FILE.search(reason):
        return Outcome.INCOMPLETE
    values = ";".join(f"{name}={value}" for name, value in inputs.items())
    command = [
        str(Path(sys.executable).with_name("heat-translator")),
        "--template-type", "tosca", "--template-file", str(path),
        *(["--parameters", values] if values else []),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=root, capture_output=True, timeout=_TRANSLATION_S, check=False
    )
    return Outcome.WRONG if done.returncode else Outcome.NOT_TRANSLATED


def _stand_up(cloud: Cloud, request: StackRequest, name: str) -> tuple[Outcome, str]:
    deadline = Deadline(UP_S, phase="standing up")
    stack_id = cloud.create_stack(request, name=name, timeout_s=UP_S)
    try:
        cloud.wait(stack_id, deadline=deadline)
    except InfraciError as error:
        return Outcome.PLANNED, error.message.splitlines()[0][:300]
    finally:
        cloud.delete_stack(stack_id, deadline=Deadline(120.0, phase="tearing down"))
    return Outcome.STOOD_UP, ""


def _values(path: Path, names: Mapping[Purpose, str]) -> dict[str, object]:
    """A value for each input without a default."""
    try:
        document = yaml.safe_load(_entry_text(path)) or {}
    except Exception:  # many are broken on purpose; infraci has to say how
        return {}
    topology = document.get("topology_template") if isinstance(document, dict) else None
    inputs = (topology if isinstance(topology, dict) else {}).get("inputs") or {}
    return {
        name: _value(name, declared or {}, names)
        for name, declared in inputs.items()
        if name != "key_name" and (declared or {}).get("default") is None
    }


def _entry_text(path: Path) -> str:
    if path.suffix == ".yaml":
        return path.read_text("utf-8")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "TOSCA-Metadata/TOSCA.meta" in names:
            meta = yaml.safe_load(archive.read("TOSCA-Metadata/TOSCA.meta"))
            return archive.read(meta["Entry-Definitions"]).decode()
        return archive.read(next(n for n in names if re.fullmatch(r"[^/]+\.ya?ml", n))).decode()


def _value(name: str, declared: Mapping[str, Any], names: Mapping[Purpose, str]) -> object:
    for rule in declared.get("constraints") or ():
        for key, value in rule.items():
            if key == "valid_values":
                return value[0]
            if key in ("in_range",):
                return value[0]
            if key in ("equal", "greater_or_equal"):
                return value
            if key == "greater_than":
                return value + 1
    by_type: dict[str, object] = {
        "integer": 1,
        "PortDef": 80,
        "float": 1.0,
        "boolean": True,
        "scalar-unit.size": "1 GB",
        "list": [],
        "map": {},
    }
    thing = names.get(purpose_of_name(name), "sample1")
    return by_type.get(str(declared.get("type")), thing)


if __name__ == "__main__":
    main()
