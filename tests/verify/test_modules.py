"""Files of equal names in several folders of specs, in a run's pytest and in a user's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from infraci.model.run import Outcome
from tests.verify.conftest import SpecRunner

PLUGIN = """\
    import pytest
    from infraci.verify.modules import keep_apart

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(early_config):
        keep_apart(early_config)
"""
#: In each folder the same names: a spec, a helper, a conftest.py, packages with and without code.
SPEC = """\
    import pickle
    import helper
    from helper import WHERE, Thing
    from package import where as in_package
    from bare.part import WHERE as in_bare

    def test_modules(fixture):
        from later import WHERE as in_later
        from conftest import HERE
        found = {WHERE, in_package, in_bare, in_later, HERE, fixture, helper.WHERE}
        assert found == {"NAME"}

    def test_values_can_be_pickled():
        assert pickle.loads(pickle.dumps(Thing())).where == "NAME"
"""
FOLDER = {
    "test_same.py": SPEC,
    "helper.py": "WHERE = 'NAME'\nclass Thing: where = WHERE\n",
    "package/__init__.py": "from package.inner import where\n",
    "package/inner.py": "where = 'NAME'\n",
    "bare/part.py": "WHERE = 'NAME'\n",
    "later.py": "WHERE = 'NAME'\n",
    "conftest.py": """\
        import pytest
        from helper import WHERE
        HERE = WHERE

        @pytest.fixture
        def fixture(): return WHERE
    """,
}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(dedent(text))


def folder(name: str) -> dict[str, str]:
    return {f"{name}/{file}": text.replace("NAME", name) for file, text in FOLDER.items()}


def run_pytest(root: Path, *arguments: str) -> str:
    """A pytest of the user's, with what `--infraci` does to it."""
    write(root, {"plugin/apart.py": PLUGIN, "pytest.ini": "[pytest]\n"})
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-p", "apart", "-p", "no:cacheprovider", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "plugin")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize(
    "arguments", [("a", "b", "c"), (".",), ("b/test_same.py", "a", "c"), ("-n2", "a", "b", "c")]
)
def test_in_a_pytest_of_the_user(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    write(tmp_path, folder("a") | folder("b") | folder("c"))
    output = run_pytest(tmp_path, *arguments)
    assert "6 passed" in output, output


def test_tests_that_take_turns(tmp_path: Path) -> None:
    """A folder's modules are there again when it is its turn again, and are not made anew."""
    write(tmp_path, folder("a") | folder("b"))
    order = """\
        def pytest_collection_modifyitems(items): items.sort(key=lambda item: item.name)
    """
    counting = "import pathlib\npathlib.Path(__file__ + '.count').open('a').write('x')\n"
    write(tmp_path, {"conftest.py": order, "a/later.py": f"{counting}WHERE = 'a'\n"})
    write(tmp_path, {"a/test_more.py": "def test_modules(): import later; assert later.WHERE\n"})
    output = run_pytest(tmp_path, "a", "b")
    assert "5 passed" in output, output
    assert (tmp_path / "a/later.py.count").read_text() == "x"


def test_what_folders_share_is_one_module(tmp_path: Path) -> None:
    """A class of a helper above them is the same to a fixture there and to a test below."""
    write(
        tmp_path,
        {
            "specs/shared.py": "class Broken(Exception): pass\n",
            "specs/conftest.py": """\
                import pytest
                from shared import Broken

                @pytest.fixture
                def breaks():
                    def call(): raise Broken
                    return call
            """,
            **{
                f"specs/{name}/test_same.py": """\
                    import pytest
                    from shared import Broken

                    def test_it(breaks):
                        with pytest.raises(Broken):
                            breaks()
                """
                for name in ("one", "two")
            },
            "specs/two/test_other.py": "from shared import Broken\ndef test_it(): pass\n",
        },
    )
    output = run_pytest(tmp_path, "specs/one", "specs/two")
    assert "3 passed" in output, output


def test_the_nearest_of_several_above_each_other(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "specs/conftest.py": "",
            "specs/helper.py": "WHERE = 'above'\n",
            "specs/test_same.py": "import helper\ndef test(): assert helper.WHERE == 'above'\n",
            "specs/web/helper.py": "WHERE = 'web'\n",
            "specs/web/test_same.py": "import helper\ndef test(): assert helper.WHERE == 'web'\n",
            "specs/db/test_same.py": "import helper\ndef test(): assert helper.WHERE == 'above'\n",
            "specs/db/helper/notes.txt": "a folder without code is no module\n",
        },
    )
    for paths in (("specs",), ("specs/web", "specs"), ("specs/test_same.py", "specs/web")):
        output = run_pytest(tmp_path, *paths)
        assert "failed" not in output, output
        assert "error" not in output, output


def test_another_way_to_import_is_left_alone(tmp_path: Path) -> None:
    write(
        tmp_path, {"a/test_same.py": "def test(): pass\n", "b/test_same.py": "def test(): pass\n"}
    )
    assert "2 passed" in run_pytest(tmp_path, "--import-mode=importlib", "a", "b")
    assert "import file mismatch" in run_pytest(tmp_path, "--import-mode=append", "a", "b")


def test_in_a_run(runner: SpecRunner) -> None:
    write(runner.tree, folder("a") | folder("b") | {"b/sub/test_same.py": "def test(): pass\n"})
    runner.put("c/test_same.py", "def test(host): assert host.check_output('echo c') == 'c'\n")
    results = runner.specs.run(
        runner.sshd.server,
        ["a", "b", "c"],
        run_folder=runner.run_folder(),
        timeout_s=60,
        root=runner.tree,
    )
    assert [case.message for case in results if case.outcome is not Outcome.PASSED] == []
    assert [case.classname for case in results] == [
        *("a.test_same", "a.test_same", "b.sub.test_same", "b.test_same", "b.test_same"),
        "c.test_same",
    ]
