"""Projects, users, groups and roles that stacks make in the cloud's identity."""

from __future__ import annotations

from typing import Any

import openstack
import pytest
from keystoneauth1.exceptions import Unauthorized
from openstack.connection import Connection
from openstack.exceptions import ConflictException, ForbiddenException

from tests.local.conftest import create, hot, refusal, resource, settled, until

pytestmark = pytest.mark.cloud


def ref(name: str) -> dict[str, str]:
    return {"get_resource": name}


def template(password: str = "first", **project: Any) -> dict[str, object]:
    on_shop = [{"role": ref("role"), "project": ref("shop")}]
    user = {"name": "carol", "password": password, "groups": [ref("staff")]}
    return hot(
        {
            "shop": resource("OS::Keystone::Project", name="shop", tags=["web"], **project),
            "role": resource("OS::Keystone::Role", name="operator"),
            "staff": resource("OS::Keystone::Group", name="staff", roles=on_shop),
            "carol": resource(
                "OS::Keystone::User", **user, default_project=ref("shop"), email="c@example.org"
            ),
            "more": resource(
                "OS::Keystone::UserRoleAssignment",
                user=ref("carol"),
                roles=[{"role": "reader", "project": ref("shop")}],
            ),
            "north": resource("OS::Keystone::Region", id="north"),
            "billing": resource("OS::Keystone::Service", name="billing", type="billing"),
            "billed": resource(
                "OS::Keystone::Endpoint",
                service=ref("billing"),
                interface="public",
                url="http://billing.test",
                region=ref("north"),
            ),
        }
    )


def identity_of(cloud: Connection) -> Any:
    return cloud.identity


def log_in(cloud: Connection, password: str) -> Connection:
    auth = {
        "auth_url": cloud.config.get_auth_args()["auth_url"],
        "username": "carol",
        "password": password,
        "project_name": "shop",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    return openstack.connect(auth=auth, region_name="local", load_yaml_config=False)


def test_what_a_stack_makes_is_there_and_logs_in(cloud: Connection) -> None:
    stack = create(cloud, "tenants", template())
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    project = identity_of(cloud).find_project("shop")
    assert project.tags == ["web"]
    carol = identity_of(cloud).find_user("carol")
    assert [g.name for g in identity_of(cloud).groups() if g.name == "staff"] == ["staff"]
    assert [e.url for e in identity_of(cloud).endpoints(region_id="north")] == [
        "http://billing.test"
    ]
    with log_in(cloud, "first") as theirs:
        session: Any = theirs.config.get_session()
        access = session.auth.get_access(session)
        assert access.project_id == project.id
        assert access.user_id == carol.id
        assert sorted(access.role_names) == ["operator", "reader"]
        # No other service has anything for another project.
        assert theirs.compute.get("/servers").status_code == 401
    cloud.orchestration.update_stack(stack, template=template("second", description="the shop"))
    updated = settled(cloud, stack.id)
    assert updated.status == "UPDATE_COMPLETE", updated.status_reason
    assert identity_of(cloud).find_project("shop").description == "the shop"
    with log_in(cloud, "first") as theirs, pytest.raises(Unauthorized):
        theirs.config.get_session().get_token()
    with log_in(cloud, "second") as theirs:
        assert theirs.config.get_session().get_token()
    cloud.orchestration.delete_stack(stack)
    until(lambda: not list(cloud.orchestration.stacks()))
    assert identity_of(cloud).find_project("shop") is None
    assert {user.name for user in identity_of(cloud).users()} == {"infraci"}
    assert {role.name for role in identity_of(cloud).roles()} == {"admin", "member", "reader"}


def test_keystones_rules(cloud: Connection) -> None:
    domain = identity_of(cloud).create_domain(name="kept")
    with pytest.raises(ConflictException, match="Duplicate entry found with name kept"):
        identity_of(cloud).create_domain(name="kept")
    with pytest.raises(ForbiddenException, match="please disable it first"):
        identity_of(cloud).delete_domain(domain)
    inner = identity_of(cloud).create_project(name="inner", domain_id=domain.id)
    identity_of(cloud).update_domain(domain, is_enabled=False)
    identity_of(cloud).delete_domain(domain)
    assert identity_of(cloud).find_project(inner.id) is None
    own = identity_of(cloud).find_project("infraci")
    with pytest.raises(ForbiddenException, match="belongs to the embedded cloud"):
        identity_of(cloud).delete_project(own)


def test_what_is_not_there_is_refused(cloud: Connection) -> None:
    group = resource("OS::Keystone::Group", roles=[{"role": "nosuchrole", "project": "infraci"}])
    assert "nosuchrole" in refusal(cloud, hot({"group": group}))


def test_a_domain_could_not_be_deleted(cloud: Connection) -> None:
    domain = resource("OS::Keystone::Domain", name="tenants")
    assert "the stack would stay" in refusal(cloud, hot({"domain": domain}))
