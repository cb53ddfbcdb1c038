"""What makes no sense is told in one message with its place, before anything is stood up."""

from __future__ import annotations

import pytest

from tests.suite.conftest import PAIR, Suite

pytestmark = pytest.mark.cloud

#: A module each, and what is said of it.
MARKERS = {
    "role='wbe'": '3: @pytest.mark.infraci: pipeline pair on local has no role "wbe": its servers '
    'have "database" and "web"; did you mean "web"?',
    "role='cache'": "3: @pytest.mark.infraci: no server of pipeline pair on local has the role "
    '"cache"',
    "": "3: @pytest.mark.infraci: it has no arguments: say which servers",
    "'web'": "3: @pytest.mark.infraci: its arguments need their names",
    "rol='web'": "3: @pytest.mark.infraci: it knows no rol=; did you mean role=?",
    "role=1": "3: @pytest.mark.infraci: role= takes a text, or a list of them, not 1",
    "server='x*'": "3: @pytest.mark.infraci: no server of pipeline pair on local is chosen: its "
    'servers are "db" and "web"',
    "stack='pair'": "3: @pytest.mark.infraci: stack= is for a whole module",
    "role='web', scope='module'": "scope= is that of stack=, which is not there",
}


def test_markers(suite: Suite) -> None:
    for number, arguments in enumerate(MARKERS):
        suite.put(
            f"specs/test_{number}.py",
            f"import pytest\n\n@pytest.mark.infraci({arguments})\ndef test_it(host): pass\n",
        )
    suite.put(
        "specs/test_pipeline.py",
        "import pytest\npytestmark = pytest.mark.infraci(stack='pear')\n\ndef test_it(): pass\n",
    )
    for workers in ([], ["-n2"]):
        status, output = suite.pytest("specs", "--infraci=pair", *workers)
        assert status == pytest.ExitCode.USAGE_ERROR, output
        for number, message in enumerate(MARKERS.values()):
            place = "" if message.startswith("scope") else f"specs/test_{number}.py:"
            assert f"{place}{message}" in output
        assert 'specs/test_pipeline.py:4: cannot load pipeline "pear"' in output
        assert "Traceback" not in output
    assert not suite.runs()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--infraci=pear"], 'cannot load pipeline "pear": there is no pipelines/pear.yaml'),
        (["--infraci=cells"], "cannot test cells: its matrix has 2 cells"),
        (["--infraci=broken"], "cannot load pipelines/broken.yaml: 3 problems"),
        (["--infraci-run=pair-0"], "cannot find run pair-0"),
    ],
)
def test_pipelines_and_runs(suite: Suite, arguments: list[str], message: str) -> None:
    suite.put("pipelines/cells.yaml", PAIR + "matrix: {parameters: {secret: [open, shut]}}\n")
    suite.put("pipelines/broken.yaml", "stak: {}\n")
    status, output = suite.pytest("specs", *arguments)
    assert status == pytest.ExitCode.USAGE_ERROR, output
    assert f"ERROR: {message}" in output or f"\n{message}" in output
    assert "Traceback" not in output
    assert not suite.runs()


def test_collecting_stands_nothing_up(suite: Suite) -> None:
    status, output = suite.pytest("specs", "--infraci=pair", "--collect-only", "-q")
    assert status == 0
    assert output.split("\n\n")[0].splitlines() == [
        "specs/all/test_all.py::test_all[db]",
        "specs/all/test_all.py::test_all[web]",
        "specs/database/test_db.py::test_db[db]",
        "specs/web/test_web.py::test_web[web]",
    ]
    assert not suite.runs()
    assert suite.leftovers() == []
