"""XML that others have written: read, or refused with a reason, whatever it is."""

from __future__ import annotations

import pytest

from infraci.base.xml_reader import read_xml

_BOMB = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>"""
_OUTSIDE = b"""<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>"""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not XML"),
        (b"no XML", "it is not XML"),
        (b"<a>", "it is not XML"),
        (b"<a>\x00</a>", "it is not XML"),
        (b"<a>\x1b</a>", "it is not XML"),
        (b"<a>\xff</a>", "it is not XML"),
        (b"<a>&x;</a>", "it is not XML"),
        (b'<?xml version="1.0" encoding="utf-7"?><a>+AGE-</a>', "it is not XML"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "it is not XML"),
        (b'<?xml version="1.0" encoding="shift_jis"?><a/>', "it is not XML"),
        (b'<?xml version="1.0" encoding="rot13"?><a/>', "it is not XML"),
        (b'<?xml version="1.0" encoding="utf-16"?><a/>', "it is not XML"),
        (b'<?xml version="1.0" encoding="idna"?><a>x</a>', "it is not XML"),
        (_BOMB, "it has a document type"),
        (_OUTSIDE, "it has a document type"),
        (b"<a>" * 100_000, "it is nested deeper"),
    ],
)
def test_what_cannot_be_read(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        read_xml(content)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf<a b='\xc3\xbc'/>",
        '<?xml version="1.0" encoding="utf-16"?><a b="ü"/>'.encode("utf-16"),
        '<?xml version="1.0" encoding="iso-8859-1"?><a b="ü"/>'.encode("latin-1"),
        '<?xml version="1.0" encoding="windows-1252"?><a b="ü"/>'.encode("cp1252"),
    ],
)
def test_other_encodings(content: bytes) -> None:
    assert read_xml(content).get("b") == "ü"


def test_a_huge_attribute() -> None:
    assert len(read_xml(b'<a b="' + b"x" * 20_000_000 + b'"/>').get("b", "")) == 20_000_000
