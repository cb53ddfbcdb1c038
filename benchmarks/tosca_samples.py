"""Every published sample of heat-translator and tosca-parser, through infraci and the real Heat.

``python -m benchmarks.tosca_samples [--up] [--only TEXT]`` downloads both source distributions from
PyPI, translates each template and archive in them, has the embedded cloud's Heat plan the result,
and with ``--up`` stands up what can be planned. It prints a line a sample, and how many came how
far.

The samples are unmodified. Inputs without a default get a value that fits their constraints. Images
that the samples ask for are mapped to ``debian-12``, and servers of which nothing is said get that
and ``m1.tiny``, as two lines of infraci.yaml would do it.
"""

from __future__ import annotations

import argparse
import re
import secrets
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from infraci.app.cloud_opening import open_cloud
from infraci.base.deadline import Deadline
from infraci.errors import InfraciError
from infraci.heat import Cloud
from infraci.model.pipeline import StackDefinition
from infraci.model.problem import FileError
from infraci.model.project import CloudDefinition
from infraci.templates import load_stack, with_key_pair, with_names

PACKAGES = ("heat-translator==3.5.0", "tosca-parser==2.15.0")
UP_S = 180.0
_IMAGES = (
    "fedora-18", "fedora-18.0", "fedora-19", "ubuntu-12.04", "ubuntu-14.04", "ubuntu-14.10",
    "ubuntu-16.04", "rhel-6.5", "cirros-0.3.1", "cirros-0.3.2", "cirros-0.4.0",
)  # fmt: skip
SITE = CloudDefinition(
    images=dict.fromkeys((*_IMAGES, "default"), "debian-12"), flavors={"default": "m1.tiny"}
)


def main() -> None:
    """Print what becomes of each sample."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tosca_samples")
    parser.add_argument("--up", action="store_true", help="stand up what can be planned")
    parser.add_argument("--only", default="", help="samples whose path contains this")
    options = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder, open_cloud("local") as cloud:
        for package in PACKAGES:
            root = _download(package, Path(folder))
            for path in _samples(root):
                if options.only not in str(path):
                    continue
                outcome, reason = _try(root, path, cloud, up=options.up)
                counts[package, outcome] += 1
                print(f"{outcome:12} {package.partition('=')[0]} {path}  {reason}", flush=True)
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


def _try(root: Path, path: PurePosixPath, cloud: Cloud, *, up: bool) -> tuple[str, str]:
    catalog = cloud.catalog().by_names(images=SITE.images, flavors=SITE.flavors)
    stack = StackDefinition(template=path, parameters=_values(root / path))
    name = f"infraci-sample-{secrets.token_hex(4)}"
    try:
        request = with_names(load_stack(stack, root=root, catalog=lambda: catalog), SITE)
    except FileError as error:
        return "refused", str(error.problems[0])[:300]
    except InfraciError as error:
        return "refused", error.message[:300]
    cloud.create_keypair(name, _PUBLIC_KEY)
    try:
        request = with_key_pair(request, "key_name", name)
        cloud.preview(request, name=name)
        if not up:
            return "planned", ""
        return _stand_up(cloud, request, name)
    except InfraciError as error:
        return "translated", error.message.splitlines()[0][:300]
    finally:
        cloud.delete_keypair(name)


def _stand_up(cloud: Cloud, request: Any, name: str) -> tuple[str, str]:
    deadline = Deadline(UP_S, phase="standing up")
    stack_id = cloud.create_stack(request, name=name, timeout_s=UP_S)
    try:
        cloud.wait(stack_id, deadline=deadline)
    except InfraciError as error:
        return "planned", error.message.splitlines()[0][:300]
    finally:
        cloud.delete_stack(stack_id, deadline=Deadline(120.0, phase="tearing down"))
    return "stood up", ""


def _values(path: Path) -> dict[str, object]:
    """A value for each input without a default."""
    try:
        document = yaml.safe_load(_entry_text(path)) or {}
    except Exception:  # many are broken on purpose; infraci has to say how
        return {}
    topology = document.get("topology_template") if isinstance(document, dict) else None
    inputs = (topology if isinstance(topology, dict) else {}).get("inputs") or {}
    return {
        name: _value(name, declared or {})
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


def _value(name: str, declared: Mapping[str, Any]) -> object:
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
    named = {"network_name": "sample", "image": "debian-12", "flavor": "m1.tiny"}
    by_type: dict[str, object] = {
        "integer": 1,
        "PortDef": 80,
        "float": 1.0,
        "boolean": True,
        "scalar-unit.size": "1 GB",
        "list": [],
        "map": {},
    }
    return by_type.get(str(declared.get("type")), named.get(name, "sample1"))


_PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIHhJ0pGmkmlEIlyKGNm8VQ1nLh8u3cfMe3uQmVtWGYl sample"
)

if __name__ == "__main__":
    main()
