"""What reads the inputs: whole commands where there is one, else the parser itself."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from infraci.cli import main
from infraci.configure.chef_output import read_chef_resources
from infraci.configure.puppet_report import read_puppet_report
from infraci.configure.step_failure import step_cause
from infraci.history.result import dump, result_of
from infraci.jenkins.builds import Build
from infraci.jenkins.results import read_report
from infraci.ledger.ledger import Ledger
from infraci.ledger.run_folder import RunFolder
from infraci.model.record_json import dump_record
from infraci.report.junit import write_junit
from infraci.verify.result_collector import ResultCollector
from infraci.verify.serverspec import _read, _Run
from infraci.verify.task import COLLECTED, FINISHED, TESTCASE, Task, testcase_to_json
from tests.fuzz import seeds
from tests.records import MIXED, WEB, record

_REPOSITORY = Path(__file__).parents[2]


class FindingError(Exception):
    """What must not come of an input."""


#: What only a sandbox reads.
_EXECUTED = ("specs/test_web.py", "site.yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that reads inputs."""

    #: How many of a hundred inputs it gets.
    share: int
    #: Inputs as they should be, by their names.
    seeds: Mapping[str, bytes]
    #: Reads the input of a name, in the folder that ``prepare`` has made; returns an exit status
    #: that is 0 for the seeds. Raises InfraciError for what is wrong with an input.
    read: Callable[[str, bytes], int]
    #: Makes what stands around the inputs, in a folder.
    prepare: Callable[[Path], None] = lambda folder: None


def _command(*arguments: str, fine: Collection[int] = (0, 1, 2)) -> int:
    """Run a command, which ends well, or by a failure of the commit or a mistake of the user's."""
    status = main(arguments)
    if status not in fine:
        raise FindingError(f"infraci {' '.join(arguments)}: exit status {status}")
    return status


def _plan(name: str, content: bytes) -> int:
    path = Path(name)
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        return _command("plan", "--working-tree")
    finally:
        path.write_bytes(before)


def _plan_without_sandbox(name: str, content: bytes) -> int:
    """Leaves out what starts pytest and Ansible, which take a hundred times as long."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "git").symlink_to(shutil.which("git") or "git")
        os.environ["PATH"] = folder
        return _plan(name, content)


def _repository(files: Mapping[str, bytes]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o755)
        _git(folder, "init", "--quiet")
        _git(folder, "add", ".")
        _git(folder, "commit", "--quiet", "--message", "Begin")

    return make


def _git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=fuzz", "-c", "user.email=fuzz@localhost")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, timeout=60)


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("TOSCA-Metadata/TOSCA.meta", seeds.CSAR_META)
        archive.writestr("shop.yaml", seeds.TOSCA)
        archive.writestr("setup.sh", seeds.TREE["setup.sh"])
    return buffer.getvalue()


def _with_run(folder: Path) -> None:
    _repository(seeds.TREE)(folder)
    Ledger(folder).create(record()).release()


def _record(name: str, content: bytes) -> int:
    Path(".infraci/runs", record().id, name).write_bytes(content)
    _command("list")
    _command("list", "--json")
    return _command("logs", record().id, fine=(0, 125))


def _note(_: str, content: bytes) -> int:
    Path("note").write_bytes(content)
    _git(Path(), "notes", "--ref=infraci", "add", "--force", "--file=note", "HEAD")
    _command("blame", "--budget", "0", fine=(0, 1, 125))
    return _command("history", "show")


_BUILD = Build(
    job="infraci/web",
    number=1,
    url="https://ci.example/1/",
    commit="",
    is_building=False,
    result="SUCCESS",
    queue_id=1,
    began=0.0,
    duration_s=1.0,
    artifacts=(),
)


def _report(name: str, content: bytes) -> int:
    if name == "rspec.xml":
        Path(name).write_bytes(content)
        _Run(WEB, PurePosixPath("spec"), [])._results(1, _read(Path(name)))
    else:
        read_report(content, _BUILD)
    return 0


def _junit() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "junit.xml"
        write_junit(path, record())
        return path.read_bytes()


def _answers(_: str, content: bytes) -> int:
    """A specs' interpreter that sends this, and ends."""
    near_end, far_end = socket.socketpair()
    task = Task(
        server=WEB,
        root=Path(),
        paths=("specs",),
        run_folder=RunFolder(Path()),
        timeout_s=2.0,
    )
    collector = ResultCollector(task, lambda testcase: None)
    with near_end, far_end:
        sender = threading.Thread(target=_send, args=(far_end, content))
        sender.start()
        collector.listen(near_end)
        near_end.close()
        sender.join()
    collector.conclude("")
    return 0


def _send(far_end: socket.socket, content: bytes) -> None:
    with suppress(OSError):
        far_end.sendall(content)
        far_end.shutdown(socket.SHUT_WR)


def _seed_answers() -> bytes:
    cases = [testcase_to_json(case) for case in MIXED]
    lines: list[object] = [{COLLECTED: cases}, *({TESTCASE: case} for case in cases), {FINISHED: 1}]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _output(name: str, content: bytes) -> int:
    """What configuration management prints on a server."""
    text = content.decode(errors="replace")
    if name == "puppet.yaml":
        read_puppet_report(text)
    else:
        read_chef_resources(text.splitlines())
    step_cause(text)
    return 0


def _request(name: str, content: bytes) -> int:
    """A request to the embedded cloud's API."""
    method, _, path = name.partition(" ")
    url, token = os.environ["FUZZ_URL"], os.environ["FUZZ_TOKEN"]
    headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}{path}", content, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        with error:
            if error.code >= 500:
                raise FindingError(f"{name}: {error.code} {error.read(300)!r}") from error
    return 0  # its objects are not there: the seeds are refused, too


def targets() -> Mapping[str, Target]:
    """All of them, by name."""
    result = result_of(record())
    assert result is not None
    return {
        "plan": Target(
            share=37,
            seeds={name: text for name, text in seeds.TREE.items() if name not in _EXECUTED},
            read=_plan_without_sandbox,
            prepare=_repository(seeds.TREE),
        ),
        "sandbox": Target(
            share=3,
            seeds={name: seeds.TREE[name] for name in _EXECUTED},
            read=_plan,
            prepare=_repository(seeds.TREE),
        ),
        "tosca": Target(
            share=4,
            seeds={"shop.yaml": seeds.TOSCA, "shop.csar": _archive()},
            read=_plan_without_sandbox,
            prepare=_repository(
                {**seeds.TOSCA_TREE, "shop.yaml": seeds.TOSCA, "shop.csar": _archive()}
            ),
        ),
        "record": Target(
            share=8,
            seeds={"run.json": dump_record(record())},
            read=_record,
            prepare=_with_run,
        ),
        "note": Target(
            share=8, seeds={"note": dump(result).encode()}, read=_note, prepare=_with_run
        ),
        "report": Target(
            share=10, seeds={"junit.xml": _junit(), "rspec.xml": seeds.RSPEC}, read=_report
        ),
        "answers": Target(share=10, seeds={"answers": _seed_answers()}, read=_answers),
        "output": Target(
            share=5, seeds={"puppet.yaml": seeds.PUPPET, "chef.txt": seeds.CHEF}, read=_output
        ),
        "request": Target(share=15, seeds=seeds.REQUESTS, read=_request),
    }
