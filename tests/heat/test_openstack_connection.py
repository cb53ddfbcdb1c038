"""A cloud's errors in our words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from keystoneauth1 import exceptions as auth

from infraci.base.deadline import Deadline
from infraci.errors import CloudError, UsageError
from infraci.heat import Cloud, ExistsError, GoneError, RefusedError, TransientCloudError
from infraci.heat.cloud_errors import NoServiceError, readable_reason
from infraci.heat.openstack_connection import Connection
from infraci.heat.retry import Retry
from tests.heat.fakes import FakeClock, FakeSdk

CLOUDS = """\
clouds:
  production:
    auth: {auth_url: "http://127.0.0.1:9/v3", username: u, password: p, project_name: x}
  local:
    auth: {auth_url: "http://127.0.0.1:9/v3", username: u, password: p, project_name: x}
"""


def ask(answer: Any, *, cloud: str = "far", method: str = "GET") -> Any:
    clock = FakeClock()
    retry = Retry(clock=clock, sleep=clock.sleep)
    connection = Connection(cloud, FakeSdk(lambda *_: answer), retry=retry)
    return connection.ask("list stacks", "orchestration", method, "/stacks")


def heat_error(message: str | None, kind: str = "X") -> dict[str, Any]:
    error = {} if message is None else {"message": message}
    return {"code": 400, "explanation": "bad", "error": {"type": kind, **error}}


def test_an_answer() -> None:
    assert ask((200, {"stacks": []})) == {"stacks": []}
    assert ask((204, None)) is None


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        ((404, heat_error("The Stack (web) could not be found.")), GoneError, "(web) could not"),
        ((409, heat_error("already exists")), ExistsError, "already exists"),
        ((400, heat_error("Unknown Property x")), RefusedError, "Unknown Property x"),
        ((403, {"forbidden": {"message": "Quota exceeded for cores"}}), CloudError, "Quota"),
        ((503, None), TransientCloudError, "503"),
        ((429, {"overLimit": {"message": "slow down"}}), TransientCloudError, "slow down"),
        ((500, {"explanation": "it broke"}), TransientCloudError, "it broke"),
        ((500, heat_error("No volume service available.")), RefusedError, "No volume service"),
        ((500, heat_error("only with x", "ResourcePropertyValueDependency")), RefusedError, "only"),
        ((500, heat_error(None, "RecursionError")), RefusedError, "fails on it (RecursionError)"),
        ((400, heat_error(None, "ValueError")), RefusedError, "fails on it (ValueError)"),
        ((500, heat_error(None, "ConnectionError")), TransientCloudError, "bad"),
        ((500, heat_error(None, "DBError")), TransientCloudError, "bad"),
        (auth.ConnectFailure("Connection refused"), TransientCloudError, "connection refused"),
        (auth.Unauthorized("401"), CloudError, "login was refused"),
        (auth.EndpointNotFound("orchestration"), NoServiceError, "does not offer"),
    ],
)
def test_errors(answer: Any, kind: type[CloudError], message: str) -> None:
    with pytest.raises(kind) as caught:
        ask(answer, method="POST")
    assert type(caught.value) is kind
    assert message in caught.value.message
    assert caught.value.message.startswith("cannot list stacks")


def test_of_a_long_reason_the_beginning_and_the_end_are_kept() -> None:
    with pytest.raises(RefusedError) as caught:
        ask((400, heat_error(f"resources.web: Invalid key '{'x' * 70_000}'")), method="POST")
    assert caught.value.reason.startswith("resources.web: Invalid key 'xxx")
    assert len(caught.value.reason) < 4_100


def test_a_connection_error_names_cloud_and_endpoint() -> None:
    with pytest.raises(TransientCloudError, match=r"cloud far.*http://cloud/identity") as caught:
        ask(auth.ConnectFailure("Connection refused"))
    assert caught.value.hint is not None
    assert "auth_url" in caught.value.hint


def test_a_cloud_that_is_not_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "clouds.yaml"
    path.write_text(CLOUDS)
    with (
        Cloud.connect("local", local=lambda: path) as cloud,
        cloud.within(Deadline(0.1)),
        pytest.raises(TransientCloudError, match="connection refused"),
    ):
        cloud.keypairs()
    assert capfd.readouterr().err == ""


def test_the_embedded_clouds_hint_is_its_own() -> None:
    with pytest.raises(TransientCloudError) as caught:
        ask(auth.ConnectFailure("Connection refused"), cloud="local")
    assert caught.value.hint == "`infraci cloud status` shows whether the embedded cloud is up"


def test_a_bug_is_not_taken_for_a_cloud_error() -> None:
    with pytest.raises(ZeroDivisionError):
        ask(ZeroDivisionError())


@pytest.mark.parametrize(
    ("reason", "readable"),
    [
        ("Property error: : resources.a.properties: : Unknown Property x",
         "Property error: resources.a.properties: Unknown Property x"),
        ("ERROR: The Resource Type (OS::Nova::Servr) could not\nbe found.",
         "The Resource Type (OS::Nova::Servr) could not be found."),
    ],
)  # fmt: skip
def test_heats_reason_without_repetitions(reason: str, readable: str) -> None:
    assert readable_reason(reason) == readable


@pytest.fixture
def clouds_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "clouds.yaml"
    path.write_text(CLOUDS)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return path


def test_an_unknown_cloud_has_near_names(clouds_yaml: Path) -> None:
    with pytest.raises(UsageError, match='cannot use cloud "prodution"') as caught:
        Cloud.connect("prodution")
    assert caught.value.hint == 'did you mean "production"?'


def test_an_unknown_cloud_with_no_near_name(clouds_yaml: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Cloud.connect("xyz")
    assert caught.value.hint == 'there are "local" and "production"'


def test_a_known_cloud_is_not_asked_anything_yet(clouds_yaml: Path) -> None:
    with Cloud.connect("production") as cloud:
        assert cloud.name == "production"


def test_local_is_the_embedded_cloud_whatever_clouds_yaml_says(
    clouds_yaml: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(CLOUDS.replace(":9/", ":10/"))
    with Cloud.connect("local", local=lambda: own) as cloud:
        assert ":10/" in cloud._connection.endpoint


def test_a_broken_clouds_yaml(clouds_yaml: Path) -> None:
    clouds_yaml.write_text("clouds: [")
    with pytest.raises(UsageError, match="cannot use cloud"):
        Cloud.connect("production")
