"""Changes inputs: as data where they are data, as text or bytes otherwise."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, cast

import yaml

#: What a value may be changed to: of each type, at its limits, and with what steers terminals.
_VALUES: tuple[object, ...] = (
    *(None, True, 0, -1, 0o644, 2**63, 10**400, 1.5, float("nan"), float("inf")),
    *("", " ", "no", "22:22", "\u202egnp", "\x1b]0;title\x07", "\x9b2J", "x" * 70_000, "💥"),
    *("../../etc/passwd", "/etc/passwd", "-oProxyCommand=false", "{{ lookup('pipe', 'id') }}"),
    *("${HOME}", "$(id)", "a\nb", "\0", "file:///etc/passwd", "OS::Nova::Server", "get_param"),
    *([], {}, [[]], [None], {"get_resource": "absent"}, {"get_param": "absent"}, {"": ""}),
    *({"get_attr": ["absent"]}, {"get_file": "/etc/passwd"}, {"str_replace": {}}, {1: 2}),
    *(datetime.date(2026, 1, 1), b"\xff\xfe", {"Fn::Join": [1]}, {"repeat": {"for_each": {}}}),
)
_DEEP = 20_000
_LONGEST = 10 << 20
_BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (after, after, b",".join([b"*%c" % before] * 9))
    for before, after in zip(b"abcdefgh", b"bcdefghi", strict=True)
)


def mutate(content: bytes, others: Sequence[bytes], chance: Random) -> bytes:
    """Change an input; parts of ``others`` may come into it."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        read = _reader(content)
        if read is not None and chance.random() < 0.75:
            content = _change_data(content, read, others, chance)
        else:
            content = chance.choice(_CHANGES)(content, others, chance)
    return content[:_LONGEST]


def _reader(content: bytes) -> Callable[[bytes], Any] | None:
    """What reads the content as data, if anything does."""
    for read in (json.loads, yaml.safe_load):
        try:
            data = read(content[:200_000])
        except (ValueError, yaml.YAMLError, RecursionError, TypeError, AttributeError):
            continue
        if isinstance(data, dict | list):
            return cast("Callable[[bytes], Any]", read)
    return None


def _change_data(
    content: bytes, read: Callable[[bytes], Any], others: Sequence[bytes], chance: Random
) -> bytes:
    data = read(content)
    places = list(_places(data))
    if not places:
        return content
    holder, key = chance.choice(places)
    change = chance.randrange(7)
    if change == 0:
        del holder[key]
    elif change == 1 and isinstance(holder, dict):
        holder[chance.choice((*_VALUES[:30], "type", "properties"))] = holder.pop(key)
    elif change == 2:
        holder[key] = [holder[key]]
    elif change == 3:
        holder[key] = {"x": holder[key]}
    elif change == 4:
        other, name = chance.choice(places)
        holder[key] = other[name]
    elif change == 5:
        holder[key] = _part(others, chance)
    else:
        holder[key] = chance.choice(_VALUES)
    try:
        if read is json.loads:
            return json.dumps(data, default=str).encode(errors="surrogatepass")
        return yaml.safe_dump(data, sort_keys=False, encoding="utf-8")
    except (ValueError, TypeError, RecursionError, yaml.YAMLError):
        return content  # it holds itself, or is no longer such data


def _places(data: Any) -> Any:
    """Each place of a value: what holds it, and its key there."""
    waiting, seen = [data], 0
    while waiting and seen < 2_000:
        holder = waiting.pop()
        entries = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, value in entries:
            seen += 1
            yield holder, key
            if isinstance(value, dict | list):
                waiting.append(value)


def _part(others: Sequence[bytes], chance: Random) -> Any:
    other = chance.choice(others)
    read = _reader(other)
    places = list(_places(read(other))) if read is not None else []
    if not places:
        return other.decode(errors="replace")
    holder, key = chance.choice(places)
    return holder[key]


def _cut(content: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _flip(content: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :]


def _insert(content: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + chance.choice(_PIECES) + content[at:]


def _double_line(content: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    at = chance.randrange(len(lines))
    return b"".join([*lines[: at + 1], lines[at] * chance.choice((1, 1, 5_000)), *lines[at + 1 :]])


def _drop_line(content: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def _splice(content: bytes, others: Sequence[bytes], chance: Random) -> bytes:
    other = chance.choice(others)
    return content[: chance.randrange(len(content) + 1)] + other[chance.randrange(len(other) + 1) :]


def _encode(content: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    text = content.decode(errors="replace")
    return text.encode(chance.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")), "replace")


def _replace(content: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    del content
    return chance.choice((b"", b"\n", b"---\n---\n", b"null", b"[]", _BOMB, *_NESTED))


_NESTED = (
    b"[" * _DEEP,
    b'{"a":' * _DEEP,
    b"- " * _DEEP,
    b"<a>" * _DEEP,
    b"[" * _DEEP + b"]" * _DEEP,
    b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
    b"<a>" * _DEEP + b"</a>" * _DEEP,
)
_PIECES = (
    *(b"\0", b"\xff\xfe", b"\t", b"\r", b"\x1b[2J", b"&a ", b"*a ", b"<<: *a\n", b"!!python/none "),
    *(b"!!binary x", b"? ", b": ", b"- ", b"|\n", b"%TAG ! x\n", b"\xe2\x80\xae", b"9" * 5_000),
    *(b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>", b"&b;", b"&#0;", b"]]>", _BOMB),
    *(b"[[ATTACHMENT|/etc/passwd]]", *_NESTED[:3]),
)
_CHANGES = (
    *(_cut, _flip, _flip, _insert, _insert, _insert, _double_line, _drop_line, _splice),
    *(_encode, _replace),
)
