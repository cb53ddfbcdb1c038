"""Stands up planned stacks by ``infraci run``, with a spec that logs in to each server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from openstack.connection import Connection

from benchmarks.published_templates.collection import Collection, Document
from benchmarks.published_templates.measure import Repository
from benchmarks.published_templates.purposes import Purpose, literals, purposes
from benchmarks.published_templates.results import Standing
from infraci.ledger.ledger import Ledger

#: More than the pipeline's own time limits take together.
_LONGEST_S = 600
#: What a guest of another distribution has, and Debian has not.
_FOREIGN = re.compile(
    r"\b(yum|dnf|zypper|rpm|subscription-manager|firewall-cmd|setenforce) +-*\w+"
    r"|/etc/(yum|sysconfig|redhat)[\w./-]*|\bsystemctl \w+ (httpd|docker)\b"
    r"|^ *coreos:|/sbin/cirros\w*",
    re.MULTILINE,
)
#: A volume's place in a server that Nova takes for no device.
_NO_DEVICE = re.compile(r"mountpoint: */(?!dev/).*")
#: What a server needs the Internet for while it boots.
_REMOTE = re.compile(
    r"\b(wget|curl|git clone|pip3? install|apt(-get)? (-\w+ )*(update|install))\b.{0,60}"
    r"|^ *packages:$|package_(update|upgrade): *true",
    re.MULTILINE,
)


def stand_up(own: Repository, name: str) -> tuple[Standing, str]:
    """Run a stack's pipeline to the end; returns what became of it, and why."""
    with TemporaryDirectory(prefix="infraci-published-") as folder:
        run_file = Path(folder) / "run"
        command = [
            sys.executable, "-P", "-m", "infraci", "run", "--working-tree", "--no-history",
            "--run-file", str(run_file), name,
        ]  # fmt: skip
        done = subprocess.run(
            command,
            cwd=own.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            check=False,
        )
        if not run_file.exists():
            return Standing.FAILED, done.stderr.strip()[-500:]
        record = Ledger(own.root).load(run_file.read_text())
    if record.leaks:
        return Standing.FAILED, f"left on the cloud: {', '.join(record.leaks)}"
    if done.returncode == 0:
        return Standing.STOOD_UP, ""
    failures = (result.failure for result in record.phases if result.failure is not None)
    story = next((failure.message for failure in failures), done.stderr.strip()[-500:])
    return cause_of(own.collection, own.collection.templates[own.choices[name].template], story)


def cause_of(collection: Collection, template: Document, story: str) -> tuple[Standing, str]:
    """Why a stack did not stand up: its own fault, what it needs and is not here, or the story."""
    if "key refused" in story and not _takes_key(collection, template):
        return Standing.NO_LOGIN, ""
    texts = list(_texts(collection, template))
    causes = [(Standing.NO_IMAGE, _FOREIGN), (Standing.NO_INTERNET, _REMOTE)]
    if "Failed to attach volume" in story:
        causes.insert(0, (Standing.WRONG, _NO_DEVICE))
    for standing, pattern in causes:
        if match := next(filter(None, map(pattern.search, texts)), None):
            return standing, match[0].strip()
    return Standing.FAILED, " ".join(story.split())[:500]


def _takes_key(collection: Collection, template: Document) -> bool:
    """Whether a run can give servers its key: by a parameter, where the template has no other."""
    for part in collection.parts(template.path):
        names_one = any(purpose is Purpose.KEY for purpose, _ in literals(part))
        if names_one or "OS::Nova::KeyPair" in part.types():
            return False
    return Purpose.KEY in purposes(collection, template).values()


def _texts(collection: Collection, template: Document) -> Iterator[str]:
    """Yield the texts of a template, its parts, and the files that they get."""
    for part in collection.parts(template.path):
        yield part.text
        for reference in part.references():
            path = collection.root / part.path.parent / reference
            if path.is_file() and path.resolve().is_relative_to(collection.root.resolve()):
                yield path.read_text(errors="replace")


def inventory(connection: Connection) -> frozenset[str]:
    """What there is in the project, but for stacks that Heat still lists as deleted."""
    stacks = (s for s in connection.orchestration.stacks() if s.status != "DELETE_COMPLETE")
    network, storage, compute = connection.network, connection.block_storage, connection.compute
    listings: dict[str, Iterable[object]] = {
        "stack": stacks,
        "server": compute.servers(),
        "key pair": compute.keypairs(),
        "port": network.ports(),
        "floating IP": network.ips(),
        "network": network.networks(),
        "router": network.routers(),
        "security group": network.security_groups(),
        "volume": storage.volumes(),
        "snapshot": storage.snapshots(),
    }
    return frozenset(
        f"{kind} {getattr(thing, 'name', '')} ({getattr(thing, 'id', '')})"
        for kind, listing in listings.items()
        for thing in listing
    )
