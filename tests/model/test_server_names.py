"""Names that are told apart, and aliases that files and programs can do with."""

from __future__ import annotations

import re

import pytest

from infraci.model.server_names import aliases, distinct_names

LONG = "n" * 255
AWKWARD = (
    "web/1", "web 1", "-oProxyCommand=touch /tmp/owned", "../../escaped", "ウェブ", "データ", "",
    ".", "..", "%h", "*", "a,b", "db[0]", "line\nbreak", "localhost", "All", LONG, LONG + "x",
)  # fmt: skip


@pytest.mark.parametrize("name", ["web-0", "Web_0.example", "_x", "192.0.2.1", "n" * 200])
def test_a_name_that_will_do_is_its_own_alias(name: str) -> None:
    assert aliases([name]) == (name,)


def test_aliases_are_safe_and_told_apart_in_whichever_case() -> None:
    names = [*AWKWARD, "web-1", "DB", "db", "server", "escaped"]
    by_name = dict(zip(names, aliases(names), strict=True))
    assert len({alias.lower() for alias in by_name.values()}) == len(names)
    for alias in by_name.values():
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", alias)
    assert by_name["web-1"] == "web-1"
    assert by_name["web/1"].startswith("web-1-")
    assert not {"localhost", "all"} & set(by_name.values())


def test_an_alias_does_not_depend_on_the_other_servers_or_their_order() -> None:
    by_name = dict(zip(AWKWARD, aliases(AWKWARD), strict=True))
    backwards = dict(zip(AWKWARD[::-1], aliases(AWKWARD[::-1]), strict=True))
    assert by_name == backwards == {name: aliases([name])[0] for name in AWKWARD}


def test_a_name_that_is_the_alias_of_another_is_not_taken_for_it() -> None:
    (alias,) = aliases(["web/1"])
    for names in (["web/1", alias], ["web/1", alias, alias.upper()]):
        first, *others = aliases(names)
        assert first.lower() != alias
        assert len({first.lower(), *(other.lower() for other in others)}) == len(names)


def test_equal_names_are_told_apart_by_their_resources() -> None:
    names, paths = ("twin", "one", "twin"), ("group.0", "a", "group.1")
    assert distinct_names(names, paths) == ("twin-group.0", "one", "twin-group.1")
    assert distinct_names(("one",), ("",)) == ("one",)


def test_a_name_made_so_may_be_that_of_a_third() -> None:
    distinct = distinct_names(("twin", "twin", "twin-a"), ("a", "b", "c"))
    assert distinct == ("twin-a-a", "twin-b", "twin-a-c")


def test_a_server_is_not_called_as_the_role_of_others() -> None:
    words = aliases(["db", "web", "one"], ["web", "web", "db"])
    assert words[1:] == ("web", "one")
    assert words[0].startswith("db-")
