"""What specs print, on its way to the log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from infraci.base.mask import MASK, hide
from infraci.verify.pytest_output import Output
from tests.verify.conftest import SpecRunner


def test_what_specs_print_is_logged_without_secrets(runner: SpecRunner) -> None:
    hide("hunter22xyz")
    runner.put(
        "specs/test_prints.py",
        """\
        import os, sys

        def test_prints(host):
            print("printed hunter22xyz")
            os.write(2, b"written hunter22xyz\\n")
            assert "hunter22xyz" == host.check_output("echo there")
        """,
    )
    runner.run()
    log = runner.log.read_text()
    assert "hunter22" not in log
    assert f"printed {MASK}" in log
    assert f"written {MASK}" in log


def test_a_secret_in_two_parts_of_a_stream_is_masked(tmp_path: Path) -> None:
    hide("hunter22xyz")
    with Output(tmp_path / "log") as output:
        for part in ("a hunt", "er22x", "yz b\nno end hunter2"):
            os.write(output.fileno(), part.encode())
        assert output.finish() == f"a {MASK} b\nno end {MASK}"
    assert (tmp_path / "log").read_text() == f"a {MASK} b\nno end {MASK}"


def test_what_a_log_holds_steers_no_terminal(tmp_path: Path) -> None:
    hide("hunter22xyz")
    with Output(tmp_path / "log") as output:
        os.write(
            output.fileno(), "a\x1b]0;x\x07b\x1b[2J hun\u200bter\x1b]0;y\x0722xyz\r\n".encode()
        )
    assert (tmp_path / "log").read_text() == f"ab {MASK}\n"


def test_bytes_that_are_no_text_and_a_character_in_two_parts(tmp_path: Path) -> None:
    with Output(tmp_path / "log") as output:
        for part in (b"\xff \xc3", b"\xbc\n"):
            os.write(output.fileno(), part)
    assert (tmp_path / "log").read_text() == "\ufffd ü\n"


def test_only_the_end_is_kept_for_a_testcase(tmp_path: Path) -> None:
    with Output(tmp_path / "log") as output:
        for number in range(20_000):
            os.write(output.fileno(), b"line %d\n" % number)
        assert output.finish().endswith("line 19999")
        assert len(output.finish()) <= 20_000
    assert len((tmp_path / "log").read_text().splitlines()) == 20_000


def test_what_is_left_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    program = "import os, time; print('there', flush=True); os.close(2); time.sleep(300)"
    with Output(tmp_path / "log") as output:
        left = subprocess.Popen([sys.executable, "-c", program], stdout=output.fileno(), stderr=-1)
        assert left.stderr is not None
        left.stderr.read()  # until it has printed
        assert output.finish() == "there"
        assert left.poll() is None
    left.kill()
    left.wait(10)
    left.stderr.close()
