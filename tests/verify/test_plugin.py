"""Whatever people write in specs works as in any pytest; each check comes back as it was."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from infraci.model.run import ErrorKind, Outcome
from tests.verify.conftest import SpecRunner

MANY = """\
    import logging
    import subprocess
    import unittest
    import pytest

    def test_passes(host):
        assert host.file("/etc/passwd").exists

    def test_fails(host):
        print("said")
        logging.getLogger("spec").warning("logged")
        assert host.run("echo %s", "it's").stdout == "other\\n"

    @pytest.mark.parametrize("port", [80, 443])
    def test_port(host, port):
        assert port

    @pytest.mark.skip(reason="not yet")
    def test_skipped(host): ...

    @pytest.mark.xfail(reason="known", strict=True)
    def test_expected(host):
        assert False

    @pytest.mark.xfail(strict=True)
    def test_unexpected(host): ...

    class TestPorts:
        def test_in_class(self, host):
            assert host.backend.get_hostname() == "web-0"

    class TestOldStyle(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def _host(self, host):
            self.host = host

        def test_old(self):
            self.assertEqual(self.host.check_output("echo old"), "old")

    def test_local(tmp_path, caplog):
        assert subprocess.run(["true"]).returncode == 0
"""


def test_all_sorts_of_checks(runner: SpecRunner) -> None:
    runner.write(specs__web__test_many=MANY)
    results = runner.run()
    assert {name: case.outcome.value for name, case in results.items()} == {
        "test_passes[web-0]": "passed",
        "test_fails[web-0]": "failure",
        "test_port[web-0-80]": "passed",
        "test_port[web-0-443]": "passed",
        "test_skipped[web-0]": "skipped",
        "test_expected[web-0]": "skipped",
        "test_unexpected[web-0]": "failure",
        "test_in_class[web-0]": "passed",
        "test_old": "passed",
        "test_local": "passed",
    }
    assert runner.streamed == list(results.values())
    failed = results["test_fails[web-0]"]
    assert failed.nodeid == "specs/web/test_many.py::test_fails[web-0]"
    assert failed.classname == "specs.web.test_many"
    assert failed.file == PurePosixPath("specs/web/test_many.py")
    assert failed.line == 9
    assert (failed.server, failed.role, failed.kind) == ("web-0", "web", None)
    assert failed.message.endswith("assert \"it's\\n\" == 'other\\n'")
    assert ">       assert host.run(" in failed.text
    assert failed.stdout == "said\n"
    assert "WARNING  spec:test_many.py:11 logged" in failed.stderr
    assert failed.duration_s > 0
    assert results["test_skipped[web-0]"].message == "not yet"
    assert results["test_expected[web-0]"].message == "expected to fail: known"
    assert results["test_in_class[web-0]"].classname == "specs.web.test_many.TestPorts"
    assert "1 skipped" in runner.log.read_text()


def test_nothing_is_written_into_the_tree(runner: SpecRunner) -> None:
    runner.write(specs__test_many=MANY, specs__conftest="", specs__helper="")
    before = sorted(runner.tree.rglob("*"))
    runner.run()
    assert sorted(runner.tree.rglob("*")) == before


def test_conftest_fixtures_and_helpers(runner: SpecRunner) -> None:
    runner.put("specs/helper.py", "ANSWER = 42\n")
    runner.write(
        specs__conftest="""\
            import os, pytest
            pytest_plugins = ["pytester"]

            @pytest.fixture(scope="session")
            def answer():
                from helper import ANSWER
                return ANSWER

            @pytest.fixture
            def passwd(host):
                return host.file("/etc/passwd")
            """,
        specs__test_it="""\
            import os

            def test_it(host, answer, passwd):
                assert answer == 42 and passwd.is_file
                assert os.environ["INFRACI_SERVER"] == "web-0"
                assert os.path.exists(os.environ["INFRACI_SSH_CONFIG"])
                assert os.path.exists("specs/test_it.py")
            """,
    )
    assert runner.run()["test_it[web-0]"].outcome is Outcome.PASSED


def test_the_repositorys_configuration_counts_but_for_what_would_break_the_run(
    runner: SpecRunner,
) -> None:
    runner.put(
        "pytest.ini",
        """\
        [pytest]
        addopts = -n auto --hosts=ssh://elsewhere --junitxml=out.xml --html report.html -x
            -m "not slow" --strict-markers --strict-config --no-such-option=1 --lf
        markers = slow: takes long
        python_functions = check_* test_*
        unknown_option = 1
        filterwarnings = error
        """,
    )
    runner.write(
        specs__test_it="""\
            import pytest

            def check_fails(host):
                assert host.backend.get_pytest_id() == "x"

            def check_not_left_out(host):
                pass

            @pytest.mark.slow
            def test_slow(host):
                pass
            """
    )
    results = runner.run()
    assert {name: case.outcome.value for name, case in results.items()} == {
        "check_fails[web-0]": "failure",
        "check_not_left_out[web-0]": "passed",
    }
    assert sorted(path.name for path in runner.tree.iterdir()) == ["pytest.ini", "specs"]
    assert "left out of addopts: -n auto --hosts=ssh://elsewhere" in runner.log.read_text()


def test_configuration_above_the_tree_is_not_the_commits(runner: SpecRunner) -> None:
    (runner.folder / "pytest.ini").write_text("[pytest]\npython_functions = nothing_*\n")
    (runner.folder / "conftest.py").write_text("raise RuntimeError('not of the commit')\n")
    runner.write(specs__test_it="def test_it(host): pass\n")
    assert runner.run()["test_it[web-0]"].outcome is Outcome.PASSED


def test_configuration_beside_the_specs(runner: SpecRunner) -> None:
    runner.put("pytest.ini", "[pytest]\npython_functions = nothing_*\n")
    runner.put("specs/pytest.ini", "[pytest]\npython_functions = look_*\n")
    runner.write(specs__test_it="def look_here(host): pass\n")
    results = runner.run()
    assert [case.nodeid for case in results.values()] == ["specs/test_it.py::look_here[web-0]"]


def test_the_pipeline_says_which_server_not_the_module(runner: SpecRunner) -> None:
    runner.write(
        specs__test_it="""\
            testinfra_hosts = ["ssh://elsewhere"]
            def test_it(host):
                assert host.check_output("echo here") == "here"
            """
    )
    assert runner.run()["test_it[web-0]"].outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("def test_it(host:\n", "SyntaxError"),
        ("import no_such_module\n", "No module named 'no_such_module'"),
    ],
)
def test_a_spec_that_cannot_be_loaded(runner: SpecRunner, content: str, reason: str) -> None:
    runner.write(specs__test_bad=content, specs__test_good="def test_good(host): pass\n")
    results = runner.run()
    assert results["test_good[web-0]"].outcome is Outcome.PASSED
    bad = results["test_bad.py"]
    assert (bad.outcome, bad.kind) == (Outcome.FAILURE, ErrorKind.SPEC)
    assert bad.message.startswith("cannot collect specs/test_bad.py: ")
    assert reason in bad.message + bad.text


def test_a_conftest_that_cannot_be_loaded(runner: SpecRunner) -> None:
    runner.write(specs__conftest="1 / 0\n", specs__test_it="def test_it(host): pass\n")
    (case,) = runner.run().values()
    assert (case.outcome, case.kind) == (Outcome.FAILURE, ErrorKind.SPEC)
    assert case.message == "cannot load specs: ZeroDivisionError: division by zero"
    assert "conftest.py" in case.text


@pytest.mark.parametrize("path", ["specs/no_such.py", "specs/test_empty.py"])
def test_no_checks_at_all(runner: SpecRunner, path: str) -> None:
    runner.write(specs__test_empty="")
    (case,) = runner.run(path).values()
    assert (case.outcome, case.kind) == (Outcome.FAILURE, ErrorKind.SPEC)
    assert path in case.message
    assert case.classname


def test_a_module_that_skips_itself(runner: SpecRunner) -> None:
    runner.write(specs__test_it="import pytest\npytest.importorskip('no_such_module')\n")
    (case,) = runner.run().values()
    assert case.outcome is Outcome.SKIPPED
    assert "no_such_module" in case.message


def test_trouble_around_a_check_is_a_failure(runner: SpecRunner) -> None:
    runner.write(
        specs__test_it="""\
            import pytest

            @pytest.fixture
            def before():
                raise RuntimeError("before")

            @pytest.fixture
            def after():
                yield
                raise RuntimeError("after")

            def test_before(host, before): pass
            def test_after(host, after): pass
            def test_both(host, after): assert False
            def test_typo(hots): pass
            """
    )
    results = runner.run()
    assert {name: (case.outcome, case.kind) for name, case in results.items()} == {
        "test_before[web-0]": (Outcome.FAILURE, ErrorKind.SETUP),
        "test_after[web-0]": (Outcome.FAILURE, ErrorKind.SETUP),
        "test_both[web-0]": (Outcome.FAILURE, None),
        "test_typo": (Outcome.FAILURE, ErrorKind.SPEC),
    }
    assert results["test_before[web-0]"].message == "RuntimeError: before"
    assert "in teardown:" in results["test_both[web-0]"].text
    assert "fixture 'hots' not found" in results["test_typo"].text


def test_subtests_count_for_their_check(runner: SpecRunner) -> None:
    runner.write(
        specs__test_it="""\
            def test_it(host, subtests):
                for number in range(3):
                    with subtests.test(number=number):
                        assert number != 1
            """
    )
    (case,) = runner.run().values()
    assert case.outcome is Outcome.FAILURE


def test_a_check_may_look_at_another_server(runner: SpecRunner) -> None:
    runner.write(
        specs__test_it="""\
            import os
            import testinfra

            def test_it(host):
                config = os.environ["INFRACI_SSH_CONFIG"]
                other = testinfra.get_host("ssh://web-0", ssh_config=config)
                assert other.check_output("echo there") == "there"
                assert host.backend.client.get_transport().is_active()
            """
    )
    assert runner.run()["test_it[web-0]"].outcome is Outcome.PASSED


def test_specs_find_the_packages_that_are_installed(runner: SpecRunner) -> None:
    """As keystoneauth does, which has its ways to log in as entry points."""
    runner.write(
        specs__test_it="""
            from importlib.metadata import entry_points

            WAYS = entry_points(group="keystoneauth1.plugin")

            def test_it():
                assert "password" in WAYS.names
        """
    )
    assert runner.run()["test_it"].outcome is Outcome.PASSED
