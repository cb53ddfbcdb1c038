"""A stranger's commit on a real stack: it is tested as any other, and gets nothing that is ours."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from infraci.errors import ExitCode
from tests.app.workspace import PIPELINE, Workspace

pytestmark = pytest.mark.cloud

EXAMPLE = Path(__file__).parents[2] / "examples" / "drivers"


def test_a_stack_of_several_drivers(workspace: Workspace) -> None:
    """Ansible, Puppet, Testinfra and Serverspec in sandboxes, to the end."""
    files = {
        str(path.relative_to(EXAMPLE)): path.read_text()
        for path in EXAMPLE.rglob("*")
        if path.is_file()
    }
    workspace.write(files, "Bring what there is")
    shop = workspace.folder / "pipelines" / "shop.yaml"
    workspace.write({"pipelines/shop.yaml": shop.read_text() + "\ndestroy: never\n"}, "Keep it")
    done = workspace.infraci("run", "shop", "--untrusted")
    assert done.returncode == ExitCode.PASSED, done.stderr
    (run,) = (workspace.folder / ".infraci" / "runs").glob("shop-*")
    record = json.loads((run / "run.json").read_text())
    assert record["untrusted"]
    assert record["destroyed"]  # whatever the commit says


def test_it_gets_nothing_of_this_machine(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later phases of a run remember what its commit is; secrets are refused before it stands."""
    monkeypatch.setenv("OS_PASSWORD", "hidden")
    spec = """\
        import os, socket
        from pathlib import Path

        def test_cloud(host):
            assert host.file("/setup").exists
            state = Path(os.environ.get("INFRACI_STATE_DIR", "{state}"))
            assert not state.exists()
            assert "OS_PASSWORD" not in os.environ
            assert os.geteuid() != 0
            for port in {ports}:
                with socket.socket() as any_socket:
                    assert any_socket.connect_ex(("127.0.0.1", port)) != 0
    """
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ports = sorted({int(line.split()[1].partition(":")[2], 16) for line in listening
                    if line.split()[3] == "0A"})  # fmt: skip
    workspace.write({"specs/test_web.py": dedent(spec).format(state=workspace.state, ports=ports)})
    done = workspace.infraci("provision", "tiny", "--untrusted")
    assert done.returncode == ExitCode.PASSED, done.stderr
    for verb in ("configure", "verify"):
        done = workspace.infraci(verb)
        assert done.returncode == ExitCode.PASSED, done.stderr

    taking = PIPELINE.replace(
        "script: setup.sh", "script: {path: setup.sh, environment: {P: {from: OS_PASSWORD}}}"
    )
    workspace.write({"pipelines/tiny.yaml": taking}, "Take a secret")
    for command in (("plan", "--untrusted"), ("run", "tiny", "--untrusted")):
        done = workspace.infraci(*command)
        assert done.returncode == ExitCode.INVALID
        assert "configure[1].script.environment.P: no secret is for untrusted commits" in (
            done.stdout + done.stderr
        )
