"""Heat: API, CloudFormation API (for signals) and engine in one process."""

from __future__ import annotations

from tests.live.openstack.packages import common
from tests.live.openstack.place import ADDRESS, REGION, Place
from tests.live.openstack.processes import Daemon, entry, run, script
from tests.live.openstack.services.common import IDENTITY, RABBIT, login, shared, transport, write

DATABASES = ("heat",)


def configure(place: Place) -> None:
    """Write heat.conf."""
    write(
        place.etc / "heat.conf",
        {
            "DEFAULT": {
                "auth_encryption_key": place.passwords["heat"],
                "num_engine_workers": 1,
                "stack_user_domain_name": "heat",
                "stack_domain_admin": "heat_domain_admin",
                "stack_domain_admin_password": place.passwords["heat"],
                "region_name_for_services": REGION,
                "server_keystone_endpoint_type": "public",
                "heat_metadata_server_url": f"http://{ADDRESS}:8000",
                "heat_waitcondition_server_url": f"http://{ADDRESS}:8000/v1/waitcondition",
                "max_stacks_per_tenant": 1000,
                **transport(place),
            },
            **shared(place, "heat"),
            "trustee": {
                key: value
                for key, value in login(place).items()
                if key not in ("project_name", "project_domain_name", "region_name")
            },
            "clients_keystone": {"auth_uri": IDENTITY},
            "heat_api": {"bind_host": ADDRESS, "workers": 0},
            "heat_api_cfn": {"bind_host": ADDRESS, "workers": 0},
            "paste_deploy": {"api_paste_config": common(place, "etc/heat/api-paste.ini")},
        },
    )


def create_schema(place: Place) -> None:
    """Make the tables."""
    file = str(place.etc / "heat.conf")
    run(place, script("heat-manage", "--config-file", file, "db_sync"), log="heat-schema")


def daemons(place: Place) -> list[Daemon]:
    """All in one."""
    file = str(place.etc / "heat.conf")
    return [entry("heat-all", "--config-file", file, after=[RABBIT])]
