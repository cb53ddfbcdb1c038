"""Playbooks and specs judged in a sandbox: what is wrong is told, and hostile ones do no harm."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from infraci.model.decode import parse_pipeline
from infraci.plan import Examination, examine
from infraci.sandbox.bubblewrap import no_sandbox_reason

PIPELINE = """\
stack: {template: stack.yaml}
configure: [cloud-init, {ansible: ansible/site.yml}]
specs: {all: [specs], web: [web]}
"""
SPECS = PIPELINE.replace(", {ansible: ansible/site.yml}", "")


class Tree:
    """A commit's files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.put("stack.yaml", "resources: {}\n")
        self.put("ansible/site.yml", "- hosts: all\n  tasks: [{name: ping, ping: {}}]\n")
        self.put("specs/test_ok.py", "def test_ok(host): pass\n")
        self.put("web/test_web.py", "def test_web(host): pass\n")

    def put(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        path.chmod(mode)

    def examine(self, pipeline: str = SPECS) -> Examination:
        return examine(parse_pipeline(pipeline, name="web", root=self.root), self.root)

    def problems(self, pipeline: str = SPECS) -> list[str]:
        return [str(problem) for problem in self.examine(pipeline).problems]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def test_nothing_is_wrong(tree: Tree) -> None:
    assert tree.examine(PIPELINE) == Examination()


def test_specs_are_collected_as_in_a_run(tree: Tree) -> None:
    """With the tree's own options, plugins and fixtures, and modules of equal names apart."""
    tree.put("pytest.ini", "[pytest]\naddopts = --strict-markers -n 4\nmarkers = slow\n")
    tree.put(
        "specs/conftest.py",
        """\
        import pytest
        import helper

        pytest_plugins = ["shared"]

        @pytest.fixture
        def mine(host): return helper.VALUE
        """,
    )
    tree.put("specs/helper.py", "VALUE = 1\n")
    tree.put("specs/shared.py", "import pytest\n@pytest.fixture\ndef theirs(): pass\n")
    tree.put("web/helper.py", "OTHER = 1\n")
    tree.put(
        "specs/test_ok.py",
        """\
        import os
        import pytest

        assert open(os.environ["INFRACI_SSH_CONFIG"]).read()
        assert os.environ["PORT"] == "8080"
        assert os.environ["TOKEN"]

        @pytest.mark.slow
        @pytest.mark.infraci(server="web-7")
        def test_ok(host, mine, theirs, tmp_path, infraci_stack): pass
        """,
    )
    tree.put("web/test_ok.py", "from helper import OTHER\ndef test_other(host): pass\n")
    environment = "environment: {PORT: 8080, TOKEN: {from: NO_SUCH}}\n"
    assert tree.examine(SPECS + environment) == Examination()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "specs/test_ok.py",
            "\nimport nothing_such\ndef test_ok(host): pass\n",
            "specs/test_ok.py:2: cannot be collected: ModuleNotFoundError: No module named"
            " 'nothing_such'",
        ),
        (
            "web/test_web.py",
            "def test_web(hots): pass\n",
            'web/test_web.py:1: test_web needs the fixture "hots", which is nowhere; did you mean'
            ' "host"?',
        ),
        (
            "specs/conftest.py",
            "x = 1\ny = unknown\n",
            "specs/conftest.py:2: cannot be collected: NameError: name 'unknown' is not defined",
        ),
        (
            "specs/test_ok.py",
            "import os\nTOKEN = os.environ['TOKEN']\ndef test_ok(host): pass\n",
            "specs/test_ok.py:2: cannot be collected: the environment variable 'TOKEN' is not set"
            " (`environment:` hands it on)",
        ),
        (
            "specs/test_ok.py",
            "import pytest\n@pytest.mark.parametrize('a', [1])\ndef test_ok(host): pass\n",
            "specs/test_ok.py: cannot be collected: In specs/test_ok.py::test_ok: function uses",
        ),
        (
            "pytest.ini",
            "[pytest]\npython_files = [\naddopts = --import-mode=wrong\n",
            "specs: pytest cannot collect it: ",
        ),
    ],
)
def test_what_cannot_be_collected(tree: Tree, name: str, text: str, told: str) -> None:
    tree.put(name, text)
    assert any(problem.startswith(told) for problem in tree.problems()), tree.examine()


def test_one_name_for_two_modules(tree: Tree) -> None:
    """Where the tree asks for pytest's own way to import, its own words tell of the clash."""
    tree.put("pytest.ini", "[pytest]\naddopts = --import-mode=append\n")
    tree.put("specs/a/test_same.py", "def test_a(host): pass\n")
    tree.put("specs/b/test_same.py", "def test_b(host): pass\n")
    (problem,) = tree.problems()
    assert problem.startswith("specs/b/test_same.py: cannot be collected: import file mismatch")


def test_what_is_only_told(tree: Tree) -> None:
    """Unknown markers, tests that are lost, and what may be well on another machine."""
    tree.put(
        "specs/test_ok.py",
        """\
        import pytest

        @pytest.mark.solw
        def test_ok(host): pass

        class TestPassedOver:
            def __init__(self): pass
            def test_it(self, host): pass

        class TestTwice:
            def test_it(self, host): pass
            def test_ok(self, host): pass
            def test_it(self, host): assert True
        """,
    )
    tree.put("web/test_web.py", "import socket\nsocket.create_connection(('192.0.2.1', 80))\n")
    found = tree.examine()
    assert found.problems == ()
    assert sorted(notice.partition(": ")[0] for notice in found.notices) == [
        "specs/test_ok.py:13",
        "specs/test_ok.py:3",
        "specs/test_ok.py:6",
        "web/test_web.py:2",
    ]


def test_without_a_sandbox_nothing_is_executed(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mark = tmp_path / "executed"
    tree.put("specs/conftest.py", f"open({str(mark)!r}, 'w')\n")
    monkeypatch.setenv("PATH", "/nowhere")
    no_sandbox_reason.cache_clear()
    try:
        found = tree.examine(PIPELINE)
    finally:
        no_sandbox_reason.cache_clear()
    assert found == Examination(
        notices=(
            "ansible/site.yml, the specs are not judged before the run: bubblewrap is not"
            " installed",
        )
    )
    assert not mark.exists()


class Outside:
    """What an attack is to reach: files outside of the tree, a port, infraci's environment."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
        (folder / "key").write_text("hidden-key")
        (folder / "key").chmod(0o644)

    def attack(self) -> str:
        """A Python program that tries all it can, and leaves marks of what it has done."""
        return dedent(f"""\
            import os, pathlib, socket
            out = pathlib.Path({str(self.folder)!r})
            for path in (out / "written", pathlib.Path(__file__).parent / "written"):
                try:
                    path.write_text("x")
                except OSError:
                    pass
            try:
                socket.create_connection(("127.0.0.1", {self.port}), 1)
            except OSError:
                pass
            stolen = []
            for steal in (lambda: os.environ["OS_PASSWORD"], lambda: (out / "key").read_text(),
                          lambda: open("/proc/{os.getpid()}/environ").read(),
                          lambda: open("/etc/shadow").read()):
                try:
                    stolen.append(steal())
                except Exception:
                    pass
            print("stolen", stolen, os.geteuid() == 0)
            raise RuntimeError(f"stolen {{stolen}} {{os.geteuid() == 0}}")
        """)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    monkeypatch.setenv("OS_PASSWORD", "hidden-password")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        outside = Outside(tmp_path / "outside", server.getsockname()[1])
        yield outside
        with pytest.raises(BlockingIOError):  # so that none has connected
            server.accept()
    assert sorted(path.name for path in outside.folder.iterdir()) == ["key"]
    assert not list(tmp_path.rglob("written"))


@pytest.mark.parametrize("name", ["conftest.py", "specs/conftest.py", "specs/test_ok.py"])
def test_specs_reach_nothing(tree: Tree, outside: Outside, name: str) -> None:
    tree.put(name, outside.attack())
    found = tree.examine()
    assert "RuntimeError: stolen [] False" in str(found)
    assert "hidden" not in str(found)


def test_what_a_plugin_of_the_tree_does_at_the_end(tree: Tree, outside: Outside) -> None:
    tree.put("pytest.ini", "[pytest]\naddopts = -p evil\npythonpath = specs\n")
    tree.put("specs/evil.py", outside.attack())
    assert "hidden" not in str(tree.examine())


@pytest.mark.parametrize(
    "attack",
    [
        "vault_password_file",
        "callback_plugins",
        "filter_plugins",
        "library",
        "vars_plugins",
        "inventory",
        "strategy_plugins",
        "collections",
    ],
)
def test_playbooks_reach_nothing(tree: Tree, outside: Outside, attack: str) -> None:
    """An ansible.cfg beside the playbook names what Ansible loads, or starts, as it reads."""
    code = outside.attack()
    config = {
        "vault_password_file": "vault_password_file = ./run",
        "callback_plugins": "callback_plugins = ./plugins\ncallbacks_enabled = evil\n"
        "stdout_callback = evil",
        "filter_plugins": "filter_plugins = ./plugins",
        "library": "library = ./plugins",
        "vars_plugins": "vars_plugins = ./plugins\nvars_plugins_enabled = evil,host_group_vars",
        "inventory": "inventory = ./run",
        "strategy_plugins": "strategy_plugins = ./plugins\nstrategy = evil",
        "collections": "collections_path = ./collections",
    }[attack]
    tree.put("ansible/ansible.cfg", f"[defaults]\n{config}\n")
    tree.put("ansible/run", f"#!/usr/bin/env python3\n{code}", 0o755)
    tree.put("ansible/plugins/evil.py", code)
    tree.put("ansible/filter_plugins/evil.py", code)
    tree.put("ansible/collections/ansible_collections/a/b/plugins/filter/evil.py", code)
    tree.put("ansible/collections/ansible_collections/a/b/plugins/modules/evil.py", code)
    tree.put(
        "ansible/site.yml",
        """\
        - hosts: all
          tasks:
            - debug: {msg: "{{ 'x' | evil }}"}
            - a.b.evil: {}
            - evil: {}
        """,
    )
    found = tree.examine(PIPELINE)
    assert "hidden" not in str(found)
    assert found.problems or attack in ("library", "collections", "inventory")


def test_an_attack_of_the_vault_is_executed_in_the_sandbox(tree: Tree, outside: Outside) -> None:
    """So that the test above tests what it says."""
    tree.put("ansible/ansible.cfg", "[defaults]\nvault_password_file = ./run\n")
    tree.put("ansible/run", f"#!/usr/bin/env python3\n{outside.attack()}", 0o755)
    assert "Vault password script ansible/run returned non-zero (1)" in str(tree.examine(PIPELINE))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os\nos._exit(0)\n", "not judged before the run: cannot collect the specs"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "not judged before the run"),
        (
            "import os\nwhile True: os.write(1, b'x' * 65536)\n",
            "specs/conftest.py:2: cannot be collected: OSError: [Errno 28] No space left on device",
        ),
        (
            "import os\nfor fd in range(3, 20):\n  try:\n    while True: os.write(fd, b'x' * 9999)"
            "\n  except OSError: pass\n",
            "the specs: not judged before the run: cannot finish bwrap: it was killed after 16 MiB"
            " of output",
        ),
        ("x = bytearray(4 << 30)\n", "specs/conftest.py:1: cannot be collected: MemoryError"),
        (
            "import os\nwhile True:\n  try:\n    os.fork()\n  except OSError: os._exit(1)\n",
            "not judged before the run",
        ),
        ("import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()\n", ""),
    ],
)
def test_specs_that_take_all_they_can(tree: Tree, code: str, told: str) -> None:
    tree.put("specs/conftest.py", code)
    found = tree.examine()
    assert told in str(found)


def test_hostile_findings_are_text_of_limited_length(tree: Tree) -> None:
    """A commit can write into the line of findings what it likes."""
    tree.put(
        "specs/conftest.py",
        """\
        import json, os, sys
        words = open("/proc/self/cmdline").read().split("\\0")
        mark = [word for word in words if len(word) == 16][0]
        finding = {"file": "x" * 10000, "line": 1, "message": ["x"] * 10000, "suggestion": None,
                   "is_certain": True, "missing_module": "os.path; import evil"}
        for line in ["no json", "[]", "{}", "[" * 100000, json.dumps(finding), json.dumps(
                     finding | {"line": "one"}), json.dumps(finding | {"line": 10**400})]:
            for fd in range(3, 20):
                try:
                    os.write(fd, f"{mark} {line}\\n".encode())
                except OSError:
                    pass
        os._exit(0)
        """,
    )
    found = tree.examine()
    assert all(len(str(problem)) < 2000 for problem in found.problems)
    assert found.problems[0].file == "x" * 500
