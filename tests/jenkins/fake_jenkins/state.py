"""What the controller knows: items, queue, builds."""

from __future__ import annotations

import re
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Refused(Exception):  # noqa: N818 - an answer, and no error of ours
    """An answer that is not well."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(slots=True, kw_only=True)
class BuildState:
    """A build."""

    number: int
    parameters: Mapping[str, str]
    queue_id: int
    folder: Path  # console, archived files
    building: bool = True
    result: str | None = None
    description: str | None = None
    display_name: str | None = None
    began: float = field(default_factory=time.time)
    duration_s: float = 0.0
    stages: list[dict[str, Any]] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)  # what junit has read
    has_attached: bool = False
    is_stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def artifacts(self) -> dict[str, Path]:
        """The archived files by their paths."""
        root = self.folder / "archive"
        return {str(p.relative_to(root)): p for p in sorted(root.rglob("*")) if p.is_file()}

    @property
    def console(self) -> Path:
        """The console output."""
        return self.folder / "console"

    def say(self, text: str) -> None:
        """Add to the console."""
        with self.console.open("a") as stream:
            stream.write(text)


@dataclass(slots=True, kw_only=True)
class Item:
    """A folder or a job."""

    name: str
    full_name: str
    xml: str
    items: dict[str, Item] = field(default_factory=dict)
    builds: list[BuildState] = field(default_factory=list)  # the oldest first
    disabled: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it holds others."""
        return "folder.Folder" in self.xml

    @property
    def config(self) -> ET.Element:
        """Its configuration."""
        return parse(self.xml)

    @property
    def parameters(self) -> dict[str, str]:
        """Its parameters, and their defaults."""
        defaults = {}
        for definition in self.config.iterfind(".//parameterDefinitions/*"):
            choices = [choice.text or "" for choice in definition.iter("string")]
            default = definition.findtext("defaultValue") or (choices[0] if choices else "")
            defaults[definition.findtext("name") or ""] = default
        return defaults


@dataclass(slots=True, kw_only=True)
class QueueEntry:
    """A queued build."""

    id: int
    item: Item
    parameters: dict[str, str]
    number: int | None = None
    cancelled: bool = False
    left: float | None = None  # when it left the queue


def parse(xml: str) -> ET.Element:
    """XML as the controller takes it; 500 for what is none."""
    body = re.sub(r"\A\s*<\?xml[^>]*\?>", "", xml)
    try:
        return ET.fromstring(body)
    except ET.ParseError as error:
        raise Refused(500) from error


class State:
    """Everything, under one lock."""

    def __init__(self, home: Path, *, queue_memory_s: float = 300.0) -> None:
        self.home = home
        self.root = Item(name="", full_name="", xml="<x>folder.Folder</x>")
        self.queue: dict[int, QueueEntry] = {}
        self.changed = threading.Condition()
        self.queue_memory_s = queue_memory_s
        self.held = threading.Event()  # set: nothing leaves the queue
        self._ids = iter(range(1, 1_000_000))

    def find(self, path: list[str]) -> Item:
        """An item by its path."""
        item = self.root
        for name in path:
            if name not in item.items:
                raise Refused(404)
            item = item.items[name]
        return item

    def create(self, parent: Item, name: str, xml: str) -> None:
        """Make an item; 400 if there is one of that name."""
        parse(xml)
        if name in parent.items:
            raise Refused(400)
        full = f"{parent.full_name}/{name}".strip("/")
        parent.items[name] = Item(name=name, full_name=full, xml=as_jenkins_writes(xml))

    def enqueue(self, item: Item, parameters: dict[str, str]) -> QueueEntry:
        """Queue a build; one that waits already with equal parameters is the same."""
        if item.disabled:
            raise Refused(409)
        with self.changed:
            effective = item.parameters | {
                k: v for k, v in parameters.items() if k in item.parameters
            }
            for entry in self.queue.values():
                if entry.item is item and entry.number is None and entry.parameters == effective:
                    return entry
            entry = QueueEntry(id=next(self._ids), item=item, parameters=effective)
            self.queue[entry.id] = entry
            self.changed.notify_all()
            return entry

    def entry(self, number: int) -> QueueEntry:
        """An item of the queue; 404 once it has been forgotten."""
        entry = self.queue.get(number)
        if entry is None:
            raise Refused(404)
        if entry.left is not None and time.time() - entry.left > self.queue_memory_s:
            raise Refused(404)
        return entry

    def next_build(self) -> tuple[Item, BuildState] | None:
        """Take the next one out of the queue; None if there is none within a moment."""
        with self.changed:
            waiting = [e for e in self.queue.values() if e.number is None and not e.cancelled]
            if not waiting or self.held.is_set():
                self.changed.wait(0.2)
                return None
            entry = waiting[0]
            item = entry.item
            number = len(item.builds) + 1
            folder = self.home / "builds" / item.full_name / str(number)
            folder.mkdir(parents=True)
            build = BuildState(
                number=number, parameters=entry.parameters, queue_id=entry.id, folder=folder
            )
            build.console.touch()
            item.builds.append(build)
            entry.number, entry.left = number, time.time()
            return item, build

    def jobs(self) -> Iterator[Item]:
        """Every job."""
        todo = [self.root]
        while todo:
            item = todo.pop()
            todo += item.items.values()
            if not item.is_folder:
                yield item


def as_jenkins_writes(xml: str) -> str:
    """A configuration as a controller gives it back: XML "1.1", plugins' versions, and more."""
    root = parse(xml)
    if root.tag == "flow-definition":
        root.set("plugin", "workflow-job@1400.v7fd111b_ec82f")
        ET.SubElement(root, "keepDependencies").text = "false"
    ET.indent(root)
    return "<?xml version='1.1' encoding='UTF-8'?>\n" + ET.tostring(root, encoding="unicode")
