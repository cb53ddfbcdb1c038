"""Rules of Swift's that its clients do not show: conditions, lists, access, versions, limits."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from swiftclient.utils import generate_temp_url
from werkzeug.test import Client, TestResponse

from infraci.local.account import ACCOUNT, stack_user
from infraci.local.api.identity import Tokens
from infraci.local.api.object_store import ObjectStoreApi
from infraci.local.domain.object_records import StoredObject
from infraci.local.domain.store import Store
from infraci.local.domain.stored_objects import ACCOUNT_NAME, Objects
from infraci.local.errors import NoRoomError
from infraci.local.host.disk_space import DiskSpace
from infraci.local.host.object_files import ObjectFiles

ROOT = f"/v1/{ACCOUNT_NAME}"
ODD_NAMES = ["a//b", "../up", "a b?c#d%e", "snow ☃", "line\nbreak", "/", "x" * 1024, "a/../b"]


class Clock:
    """A time that only tests move."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Swift:
    """A client of an object store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "objects"
        self.store = Store()
        self.clock = Clock()
        self.tokens = Tokens()
        self.files = ObjectFiles(self.folder, DiskSpace(folder))
        self.objects = Objects(self.store, self.files, clock=self.clock)
        self.client = Client(ObjectStoreApi(self.objects, self.tokens.holder))
        self.token: str | None = self.tokens.issue(holder=ACCOUNT)[0]

    def __call__(
        self, method: str, path: str = "", data: bytes | None = None, /, **headers: str
    ) -> TestResponse:
        if self.token:
            headers["X_Auth_Token"] = self.token
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(
            f"{ROOT}{path}",
            method=method,
            data=data,
            headers=named,
            environ_overrides={} if data is None else {"CONTENT_LENGTH": str(len(data))},
            buffered=True,
        )

    def contents(self) -> list[str]:
        """The files that the store has on its disk."""
        return [path.name for path in self.folder.glob("*")]


@pytest.fixture
def swift(tmp_path: Path) -> Iterator[Swift]:
    swift = Swift(tmp_path)
    assert swift("PUT", "/c").status_code == 201
    yield swift
    kept = {each.content for each in swift.store.find(StoredObject)}
    assert set(swift.contents()) == kept  # no file without an object


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_comes_back(swift: Swift, name: str) -> None:
    path = "/c/" + quote(name)
    assert swift("PUT", path, b"1", X_Object_Meta_Owner="☃".encode().decode("latin-1")).status == (
        "201 CREATED"
    )
    answer = swift("GET", path)
    assert answer.data == b"1"
    assert answer.headers["X-Object-Meta-Owner"].encode("latin-1").decode() == "☃"
    assert [each["name"] for each in json.loads(swift("GET", "/c?format=json").data)] == [name]
    (content,) = swift.contents()
    assert content.isalnum()
    assert swift("DELETE", path).status_code == 204
    assert swift("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/" + "x" * 257, 400),
        ("/c/" + "x" * 1025, 400),
        ("/c/%ff", 412),
        ("/c/%00", 412),
        ("/none/o", 404),
    ],
)
def test_names_that_are_refused(swift: Swift, path: str, status: int) -> None:
    assert swift("PUT", path, b"x").status_code == status
    assert swift.contents() == []


def test_a_container_is_removed_when_it_is_empty(swift: Swift) -> None:
    assert swift("PUT", "/c").status_code == 202
    swift("PUT", "/c/o", b"x")
    assert swift("DELETE", "/c").status_code == 409
    assert swift("HEAD", "/c").headers["X-Container-Object-Count"] == "1"
    swift("DELETE", "/c/o")
    assert swift("DELETE", "/c").status_code == 204
    assert swift("DELETE", "/c").status_code == 404
    assert swift("GET", "/c").status_code == 404


def names(swift: Swift, query: str) -> list[str]:
    listed = json.loads(swift("GET", f"/c?format=json&{query}").data)
    return [each.get("name") or each["subdir"] for each in listed]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["a", "b/", "b/1", "b/2/x", "c", "é"]),
        ("prefix=b/", ["b/", "b/1", "b/2/x"]),
        ("delimiter=/", ["a", "b/", "c", "é"]),
        ("prefix=b/&delimiter=/", ["b/", "b/1", "b/2/"]),
        ("delimiter=/&marker=b/", ["c", "é"]),
        ("marker=b/1", ["b/2/x", "c", "é"]),
        ("marker=a&end_marker=c", ["b/", "b/1", "b/2/x"]),
        ("limit=2", ["a", "b/"]),
        ("limit=0", []),
        ("reverse=true&marker=c", ["b/2/x", "b/1", "b/", "a"]),
        ("path=b", ["b/1"]),
        ("path=", ["a", "b/", "c", "é"]),
    ],
)
def test_lists(swift: Swift, query: str, expected: list[str]) -> None:
    for name in ("c", "é", "b/1", "a", "b/2/x", "b/"):
        swift("PUT", "/c/" + quote(name), b"x")
    assert names(swift, query) == expected


def test_lists_of_lines_and_limits(swift: Swift) -> None:
    assert swift("GET", "/c").status_code == 204
    swift("PUT", "/c/o", b"x")
    assert swift("GET", "/c").data == b"o\n"
    assert swift("GET", "/c?limit=10001").status_code == 412
    assert swift("GET", "").data == b"c\n"
    (shown,) = json.loads(swift("GET", "?format=json").data)
    assert (shown["name"], shown["count"], shown["bytes"]) == ("c", 1, 1)


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({"Range": "bytes=1-3"}, 206, b"123"),
        ({"Range": "bytes=-2"}, 206, b"89"),
        ({"Range": "bytes=8-"}, 206, b"89"),
        ({"Range": "bytes=10-"}, 416, None),
        ({"Range": "bytes=0-1,4-5"}, 200, b"0123456789"),
        ({"If_None_Match": hashlib.md5(b"0123456789").hexdigest()}, 304, b""),
        ({"If_None_Match": '"other"'}, 200, b"0123456789"),
        ({"If_Match": '"other"'}, 412, b""),
        ({"If_Match": "*"}, 200, b"0123456789"),
        ({"If_Modified_Since": "Tue, 01 Jan 2030 00:00:00 GMT"}, 304, b""),
        ({"If_Unmodified_Since": "Wed, 01 Jan 2020 00:00:00 GMT"}, 412, b""),
    ],
)
def test_conditions_and_ranges(
    swift: Swift, headers: dict[str, str], status: int, body: bytes | None
) -> None:
    swift("PUT", "/c/o", b"0123456789")
    answer = swift("GET", "/c/o", **headers)
    assert answer.status_code == status
    assert body is None or answer.data == body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Etag": "0" * 32}, 422),
        ({"If_None_Match": "*"}, 412),
        ({"If_None_Match": "x"}, 400),
        ({"X_Delete_At": "1"}, 400),
        ({"X_Delete_After": "soon"}, 400),
        ({"X_Object_Meta_" + "A" * 129: "x"}, 400),
        ({"X_Object_Meta_A": "x" * 257}, 400),
        ({"X_Object_Manifest": "c/o"}, 501),
        ({"X_Copy_From": "c/o"}, 400),
    ],
)
def test_a_refused_content_leaves_the_former(
    swift: Swift, headers: dict[str, str], status: int
) -> None:
    swift("PUT", "/c/o", b"old")
    assert swift("PUT", "/c/o", b"new", **headers).status_code == status
    assert swift("GET", "/c/o").data == b"old"


def test_a_content_that_ends_too_soon_is_not_kept(swift: Swift) -> None:
    answer = swift.client.open(
        f"{ROOT}/c/o",
        method="PUT",
        input_stream=io.BytesIO(b"half"),
        environ_overrides={"CONTENT_LENGTH": "8"},
        headers={"X-Auth-Token": str(swift.token)},
    )
    assert answer.status_code == 400
    assert swift("GET", "/c/o").status_code == 404


def test_a_content_that_would_fill_the_disk_is_refused(
    swift: Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stub: no test fills this machine's disk.
    swift("PUT", "/c/o", b"old")
    monkeypatch.setattr(DiskSpace, "_free_bytes", lambda _: 33 << 20)
    answer = swift("PUT", "/c/o", b"x" * (3 << 20))
    assert answer.status_code == 507
    assert b"MB are needed" in answer.data
    assert swift("GET", "/c/o").data == b"old"
    monkeypatch.setattr(DiskSpace, "_free_bytes", lambda _: 31 << 20)
    assert swift("PUT", "/d").status_code == 507
    assert swift("DELETE", "/c/o").status_code == 204


def test_a_content_of_unknown_size_fills_no_disk(
    swift: Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stub of a disk with 8 MB more than has to stay free.
    def free_bytes(_: DiskSpace) -> int:
        return (40 << 20) - sum(path.stat().st_size for path in swift.folder.glob("*"))

    monkeypatch.setattr(DiskSpace, "_free_bytes", free_bytes)
    written = 0

    def endless() -> Iterator[bytes]:
        nonlocal written
        while True:
            written += 1 << 16
            yield b"x" * (1 << 16)

    with pytest.raises(NoRoomError, match="are needed"):
        swift.files.write(endless())
    assert 6 << 20 < written < 10 << 20


def test_metadata_is_replaced_and_types_are_guessed(swift: Swift) -> None:
    swift("PUT", "/c/page.html", b"x", X_Object_Meta_A="1", Content_Encoding="gzip")
    assert swift("HEAD", "/c/page.html").headers["Content-Type"] == "text/html"
    assert swift("POST", "/c/page.html", X_Object_Meta_B="2").status_code == 202
    headers = swift("HEAD", "/c/page.html").headers
    assert headers["X-Object-Meta-B"] == "2"
    assert "X-Object-Meta-A" not in headers
    assert "Content-Encoding" not in headers
    assert headers["Content-Length"] == "1"
    assert swift("POST", "/c/none").status_code == 404


def test_metadata_of_containers_is_changed_entry_by_entry(swift: Swift) -> None:
    swift("POST", "/c", X_Container_Meta_A="1", X_Container_Meta_B="2")
    swift("PUT", "/c", X_Remove_Container_Meta_A="x", X_Container_Meta_C="3")
    headers = swift("HEAD", "/c").headers
    assert {n: headers.get(f"X-Container-Meta-{n}") for n in "ABC"} == {
        "A": None,
        "B": "2",
        "C": "3",
    }


def test_copies_share_a_content_and_outlive_its_source(swift: Swift) -> None:
    swift("PUT", "/c/o", b"x", X_Object_Meta_A="1")
    swift("PUT", "/d")
    assert swift("COPY", "/c/o", Destination="d/one").status_code == 201
    fresh = swift("PUT", "/d/two", X_Copy_From="/c/o", X_Fresh_Metadata="true")
    assert fresh.headers["X-Copied-From"] == "c/o"
    assert len(swift.contents()) == 1
    swift("DELETE", "/c/o")
    assert swift("GET", "/d/one").headers["X-Object-Meta-A"] == "1"
    assert "X-Object-Meta-A" not in swift("GET", "/d/two").headers
    assert swift("COPY", "/c/o", Destination="d/one").status_code == 404
    assert swift("COPY", "/d/one", Destination="none/one").status_code == 404


def test_an_object_expires(swift: Swift) -> None:
    swift("PUT", "/c/o", b"x", X_Delete_At=str(int(swift.clock()) + 60))
    assert swift("GET", "/c/o").data == b"x"
    swift.clock.now += 61
    assert swift("GET", "/c/o").status_code == 404
    swift.objects.expire()
    assert swift.contents() == []
    assert swift("DELETE", "/c").status_code == 204


def test_quotas_of_a_container(swift: Swift) -> None:
    swift("POST", "/c", X_Container_Meta_Quota_Bytes="4", X_Container_Meta_Quota_Count="2")
    assert swift("PUT", "/c/a", b"xxx").status_code == 201
    assert swift("PUT", "/c/a", b"yyyy").status_code == 201
    assert swift("PUT", "/c/b", b"x").status_code == 413
    swift("PUT", "/c/a", b"")
    swift("PUT", "/c/b", b"")
    assert swift("PUT", "/c/d", b"").status_code == 413
    assert swift("POST", "/c", X_Container_Meta_Quota_Count="-1").status_code == 400
    assert swift("POST", "/c", X_Container_Meta_Quota_Bytes="²").status_code == 400


def test_a_stack_of_versions(swift: Swift) -> None:
    swift("POST", "/c", X_Versions_Location="c")
    for content in (b"1", b"2", b"3"):
        assert swift("PUT", "/c/o", content).status_code == 201
    older, newer, current = names(swift, "")
    assert current == "o"
    assert older.startswith("001o/")
    assert older < newer
    for content in (b"3", b"2", b"1"):
        assert swift("GET", "/c/o").data == content
        assert swift("DELETE", "/c/o").status_code == 204
    assert swift("DELETE", "/c/o").status_code == 404
    assert names(swift, "") == []


def test_a_history_of_versions(swift: Swift) -> None:
    swift("PUT", "/old")
    swift("POST", "/c", X_History_Location="old")
    swift("PUT", "/c/o", b"1")
    swift("DELETE", "/c/o")
    assert swift("GET", "/c/o").status_code == 404
    kept, mark = json.loads(swift("GET", "/old?format=json").data)
    assert kept["bytes"] == 1
    assert mark["content_type"].startswith("application/x-deleted")
    swift("DELETE", "/old/" + quote(kept["name"]))
    swift("DELETE", "/old/" + quote(mark["name"]))
    assert swift("DELETE", "/old").status_code == 204


def test_versions_need_their_container(swift: Swift) -> None:
    swift("POST", "/c", X_Versions_Location="none")
    assert swift("PUT", "/c/o", b"1").status_code == 412
    both = {"X_Versions_Location": "c", "X_History_Location": "c"}
    assert swift("POST", "/c", **both).status_code == 400


def test_what_a_killed_process_has_left_is_removed(swift: Swift) -> None:
    swift("PUT", "/c/o", b"x")
    lost = swift.files.write([b"lost"])
    assert lost.id in swift.contents()
    swift.objects.take_over()
    assert len(swift.contents()) == 1
    assert swift("GET", "/c/o").data == b"x"


# Who may


def test_without_a_token_nothing_is_shown(swift: Swift) -> None:
    swift("PUT", "/c/o", b"x")
    swift.token = None
    for path in ("", "/c", "/c/o", "/none"):
        assert swift("GET", path).status_code == 401
    swift.token = swift.tokens.issue(holder=stack_user(user_id="u", user="n", project_id="p"))[0]
    for path in ("", "/c", "/c/o", "/none"):
        assert swift("GET", path).status_code == 403


@pytest.mark.parametrize(
    ("acl", "object_status", "list_status"),
    [
        (".r:*", 200, 401),
        (".r:*,.rlistings", 200, 200),
        (".rlistings", 401, 401),
        (".r:example.org", 200, 401),
        (".r:*,.r:-example.org", 401, 401),
        (".r:.org", 200, 401),
        (".r:other.org", 401, 401),
    ],
)
def test_readers_without_a_token(
    swift: Swift, acl: str, object_status: int, list_status: int
) -> None:
    swift("PUT", "/c/o", b"x")
    swift("POST", "/c", X_Container_Read=acl, X_Container_Meta_Temp_Url_Key="secret")
    swift.token = None
    assert swift("GET", "/c/o", Referer="http://example.org/x").status_code == object_status
    listed = swift("GET", "/c", Referer="http://example.org/x")
    assert listed.status_code == list_status
    assert "secret" not in str(listed.headers)
    assert swift("GET", "/c/o", Referer="http://[::1").status_code in (200, 401)
    assert swift("PUT", "/c/o", b"y").status_code == 401
    assert swift("GET", "/").status_code == 401


@pytest.mark.parametrize(("acl", "status"), [("p:u", 200), ("*:n", 200), ("p:v", 403)])
def test_users_of_other_projects(swift: Swift, acl: str, status: int) -> None:
    swift("PUT", "/c/o", b"x")
    swift("PUT", "/c", X_Container_Read=acl, X_Container_Write=acl)
    swift.token = swift.tokens.issue(holder=stack_user(user_id="u", user="n", project_id="p"))[0]
    assert swift("GET", "/c/o").status_code == status
    assert swift("PUT", "/c/o", b"y").status_code == {200: 201}.get(status, status)
    assert swift("POST", "/c").status_code == 403
    assert swift("COPY", "/c/o", Destination="c/p").status_code == 403


@pytest.mark.parametrize(
    ("name", "acl"),
    [("X_Container_Write", ".r:*"), ("X_Container_Read", ".r:"), ("X_Container_Read", ".x:y")],
)
def test_lists_of_access_that_are_refused(swift: Swift, name: str, acl: str) -> None:
    answer = swift("POST", "/c", **{name: acl})
    assert answer.status_code == 400
    assert acl in answer.text


# Temporary URLs


@pytest.fixture
def shared(swift: Swift) -> Swift:
    """A store with keys in its account and its container, and a client without a token."""
    swift("PUT", "/c/a/o", b"x", X_Object_Meta_Secret="s", X_Object_Meta_Public_A="1")
    swift("PUT", "/d")
    swift("POST", "", X_Account_Meta_Temp_Url_Key="one", X_Account_Meta_Temp_Url_Key_2="two")
    swift("POST", "/c", X_Container_Meta_Temp_Url_Key="inner")
    swift.token = None
    return swift


def url(path: str, method: str = "GET", key: str = "one", **options: object) -> str:
    seconds = options.pop("seconds", int(Clock.now) + 60)
    signed = generate_temp_url(f"{ROOT}{path}", str(seconds), key, method, absolute=True, **options)
    return str(signed).removeprefix(ROOT)


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("key", ["one", "two", "inner"])
@pytest.mark.parametrize("iso8601", [True, False])
def test_a_temporary_url(shared: Swift, digest: str, key: str, iso8601: bool) -> None:
    signed = url("/c/a/o", key=key, digest=digest, iso8601=iso8601)
    answer = shared("GET", signed)
    assert answer.data == b"x"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="o"')
    assert answer.headers["X-Object-Meta-Public-A"] == "1"
    assert "X-Object-Meta-Secret" not in answer.headers
    assert shared("HEAD", signed).status_code == 200
    assert shared("GET", signed + "&inline").headers["Content-Disposition"] == "inline"
    for method in ("PUT", "POST", "DELETE", "COPY"):
        assert shared(method, signed, Destination="d/o").status_code == 401
    shared.clock.now += 61
    assert shared("GET", signed).status_code == 401


def test_a_temporary_url_for_a_prefix(shared: Swift) -> None:
    signed = url("/c/a/", "PUT", prefix=True).partition("?")[2]
    assert shared("PUT", f"/c/a/new?{signed}", b"x").status_code == 201
    assert shared("PUT", f"/c/b/new?{signed}", b"x").status_code == 401
    assert shared("GET", f"/c/a/new?{signed}").status_code == 401


@pytest.mark.parametrize(
    "signed",
    [
        url("/c/a/o", key="other"),
        url("/c/a/o")[:-1] + "9",
        url("/c/other").replace("other", "a/o", 1),
        url("/d/o", "PUT", key="inner"),
        url("/c/a/o").replace("temp_url_sig=", "temp_url_sig=zz"),
        url("/c/a/o").replace("temp_url_expires=", "x="),
        url("/c/a/o").replace("temp_url_sig=", "x="),
        url("/c/a/o", digest="sha512").replace("sha512:", "md5:"),
        url("/c/a/o").replace("/c/a/o", "/c"),
        "/c/a/o?temp_url_sig=%E2%98%83&temp_url_expires=%C2%B2",
    ],
)
def test_a_forged_temporary_url(shared: Swift, signed: str) -> None:
    for method in ("GET", "HEAD", "PUT"):
        assert shared(method, signed).status_code == 401
    shared.token = shared.tokens.issue(holder=ACCOUNT)[0]
    assert shared("GET", signed).status_code == 401  # a token does not help


def test_a_temporary_url_copies_nothing(shared: Swift) -> None:
    signed = url("/d/o", "PUT")
    assert shared("PUT", signed, X_Copy_From="c/a/o").status_code == 401
    assert shared("PUT", signed, b"own").status_code == 201


def test_the_owner_sees_the_keys(shared: Swift) -> None:
    shared.token = shared.tokens.issue(holder=ACCOUNT)[0]
    assert shared("HEAD").headers["X-Account-Meta-Temp-Url-Key"] == "one"
    shared("POST", X_Account_Meta_Temp_Url_Key="")
    assert "X-Account-Meta-Temp-Url-Key" not in shared("HEAD").headers


def test_methods_that_there_are_not(swift: Swift) -> None:
    assert swift("PATCH", "/c/o").status_code == 405
    assert swift("DELETE").status_code == 405
    assert swift("COPY", "/c").status_code == 405
