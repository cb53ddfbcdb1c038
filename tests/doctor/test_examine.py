"""Checks of a cloud, by answers of its services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infraci.doctor import check_quotas, examine
from infraci.errors import CloudError
from infraci.heat import PreviewResource, StackPreview
from infraci.heat.capacity import Account, Capacity, Quota, Size
from infraci.model.problem import Problem
from infraci.plan import PipelinePlan

ACCOUNT = Account(
    user="demo", project="shop", project_id="p", roles=("member",), expires="2026-01-01T00:00:00Z"
)
SERVER = PreviewResource(
    name="web",
    type="OS::Nova::Server",
    path="web",
    stack_name="s",
    properties={"flavor": "small", "networks": [{"network": "a"}]},
)


class Answers(Capacity):
    """A cloud's, as the test says."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.cloud = "far"

    def account(self) -> Account:
        return self._say("account", ACCOUNT)  # type: ignore[no-any-return]

    def template_versions(self) -> tuple[str, ...]:
        return self._say("versions", ("2013-05-23", "2021-04-16"))  # type: ignore[no-any-return]

    def sizes(self) -> Mapping[str, Size]:
        return {"small": Size(vcpus=1, ram_mb=512)}

    def quotas(self, kinds: Any) -> Mapping[str, Quota]:
        limit = self._say("limit", 10)
        return {kind: Quota(limit=limit, used=0) for kind in sorted(kinds) if kind != "MB of RAM"}

    def _say(self, what: str, usual: Any) -> Any:
        answer = self.answers.get(what, usual)
        if isinstance(answer, Exception):
            raise answer
        return answer


def lines(capacity: Capacity, *plans: PipelinePlan) -> list[str]:
    return [str(finding) for finding in examine(capacity, plans)]


def test_a_cloud_that_has_all() -> None:
    assert lines(Answers(), PipelinePlan(name="web", resources=(SERVER,))) == [
        "✓ token: demo in project shop, until 2026-01-01T00:00:00Z",
        "✓ roles: member",
        "✓ Heat: understands templates up to 2021-04-16",
        "✓ pipeline web: Heat accepts its template; images -; flavors -",
        "✓ quota of cores: 10 of 10 are left; a run takes 1",
        "✓ quota of ports: 10 of 10 are left; a run takes 1",
        "✓ quota of servers: 10 of 10 are left; a run takes 1",
    ]


def test_without_a_token_nothing_is_known() -> None:
    error = CloudError("cannot log in to cloud far: the login was refused", hint="password?")
    assert lines(Answers(account=error)) == [f"✗ token: {error.message}\n  password?"]


def test_what_is_missing() -> None:
    account = Account(
        user="demo", project="shop", project_id="p", roles=("reader",), expires="then"
    )
    plans = (
        PipelinePlan(name="web", resources=(SERVER,)),
        PipelinePlan(name="bad", problems=(Problem(file="t.yaml", message="no such image"),)),
    )
    answers = Answers(account=account, versions=CloudError("cannot reach Heat"), limit=0)
    printed = lines(answers, *plans)
    assert [line.partition("\n")[0] for line in printed if line.startswith("✗")] == [
        "✗ roles: reader",
        "✗ Heat: cannot reach Heat",
        "✗ pipeline bad: t.yaml: no such image",
        "✗ quota: pipeline web takes 1 servers, of which 0 are left (quota 0)",
        "✗ quota: pipeline web takes 1 cores, of which 0 are left (quota 0)",
        "✗ quota: pipeline web takes 1 ports, of which 0 are left (quota 0)",
    ]


class Far:
    """A cloud that previews a server."""

    name = "far"

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity

    def preview(self, request: Any, *, name: str) -> StackPreview:
        return StackPreview(name=name, description="", resources=(SERVER,))


def test_a_run_ends_before_it_makes_what_quotas_forbid() -> None:
    check_quotas(None, cloud=Far(Answers()), name="s")  # type: ignore[arg-type]
    with pytest.raises(CloudError, match=r"on cloud far: it takes 1 servers, of which 0") as caught:
        check_quotas(None, cloud=Far(Answers(limit=0)), name="s")  # type: ignore[arg-type]
    assert caught.value.category == "quota"


def test_a_cloud_that_does_not_tell_its_quotas() -> None:
    error = CloudError("cannot read the limits on cloud far: forbidden")
    check_quotas(None, cloud=Far(Answers(limit=error)), name="s")  # type: ignore[arg-type]
    assert lines(Answers(limit=error))[-1] == f"✗ quotas: {error.message}"
