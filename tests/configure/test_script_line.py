"""Which line of a script failed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from infraci.configure.script_line import line_of, without_location

SCRIPT = """\
#!/bin/sh
# nginxx is what we want
echo "installing the package"
apt-get update
apt-get install --yes \\
    nginxx curl
mkdir /srv/shop
cp shop.conf /etc/nginx/
nginx -t
nginx -s reload
die "no shop without a name"
"""
LINES: Mapping[str, tuple[str, list[str], int | None]] = {
    "bash": ("/tmp/infraci.x/app.sh: line 14: foo: command not found", [], 14),
    "dash": ("app.sh: 14: foo: not found", [], 14),
    "perl": ("Can't locate Foo.pm in @INC at /tmp/infraci.x/app.sh line 3.", [], 3),
    "ruby": ("/tmp/infraci.x/app.sh:7:in `<main>': undefined method `x'", [], 7),
    "python": (
        "ValueError: no",
        [
            "Traceback (most recent call last):",
            'File "/tmp/infraci.x/app.sh", line 8, in <module>',
            "run()",
            'File "/usr/lib/python3/x.py", line 99, in run',
            "ValueError: no",
        ],
        8,
    ),
    "another script": ("/usr/bin/lib.sh: line 14: foo: command not found", [], None),
    "a package": ("E: Unable to locate package nginxx", [], 6),
    "a path": ("mkdir: cannot create directory '/srv/shop': File exists", [], 7),
    "its own words": ("no shop without a name", [], 11),
    "words of two lines": ("nginx: configuration test failed", [], None),
    "words of no line": ("no space left on device", [], None),
    "two lines with one word each": ("cp: cannot stat 'shop.conf' beside nginxx", [], None),
}


@pytest.mark.parametrize(("cause", "output", "line"), LINES.values(), ids=LINES)
def test_the_line(cause: str, output: list[str], line: int | None) -> None:
    assert line_of("app.sh", SCRIPT, output, cause) == line


def test_the_place_is_not_told_twice() -> None:
    assert without_location("app.sh", "/tmp/x/app.sh: line 14: no") == "no"
    assert without_location("app.sh", "app.sh: 14: foo: not found") == "foo: not found"
    assert without_location("app.sh", "lib.sh: 14: no") == "lib.sh: 14: no"
