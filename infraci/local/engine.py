"""Runs Heat itself, its engine and its API application, unmodified, in this process.

The engine's clients find the APIs of the embedded cloud in the catalog that
:mod:`infraci.local.api.identity` writes. Otherwise this is a Heat as in a cloud, but that
:mod:`infraci.local.stack_keystone` replaces a service that only a whole OpenStack has.

Import this module first of all that belongs to OpenStack: the threading backend of oslo.service
must be chosen before anything else of it is loaded.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

with warnings.catch_warnings():
    # A library of Heat's still looks whether eventlet is there; eventlet says it is deprecated.
    warnings.simplefilter("ignore")
    from oslo_service import backend

    backend.init_backend(backend.BackendType.THREADING)

    from heat.common import config, context, exception, messaging
    from heat.db import api as db_api
    from heat.db import models
    from heat.engine import resources, scheduler, service, service_software_config
    from heat.engine.clients.os.heat_plugin import HeatClientPlugin
    from heat.engine.clients.os.swift import SwiftClientPlugin
    from heat.objects.resource import Resource
    from heat.objects.stack import Stack
    from heat.objects.stack_tag import StackTagList
    from heat.rpc import api as rpc_api
    from heatclient import client as heatclient
    from keystoneauth1 import access
    from keystoneauth1.identity.access import AccessInfoPlugin
    from oslo_config import cfg
    from oslo_log import log as oslo_log
    from oslo_policy import opts as policy
    from sqlalchemy import event
    from sqlalchemy.engine import Engine as Database
    from sqlalchemy.pool import QueuePool


from infraci.local import any_cloud, stack_keystone
from infraci.local.api.identity import token_document
from infraci.local.api.long_poll import LongPoll, WsgiApp
from infraci.local.domain.change_signal import ChangeSignal
from infraci.local.domain.database_reserve import CHECKPOINT_PAGES
from infraci.local.domain.store import is_lost
from infraci.local.engine_limits import Threads, share_session
from infraci.local.heat_apis import CFN_PATH, cloudformation_api, orchestration_api
from infraci.local.restrict import restrict
from infraci.local.rpc import TRANSPORT_URL
from infraci.local.stack_keystone import EngineServices, Keystone

#: Heat polls its resources when something has changed, and at least this often.
_LOOK_S = 0.2

_FAR_FUTURE = 4102444800.0  # 2100-01-01
_SERVICE_TOKEN_LIFE_S = 10 * 365 * 86400.0


def start(
    *,
    state: Path,
    database: Path,
    services: EngineServices,
    change_signal: ChangeSignal,
    on_lost: Callable[[BaseException], object],
) -> tuple[service.EngineService, WsgiApp, WsgiApp]:
    """Start the engine; returns it, its API and its CloudFormation API. Once in a process.

    ``database`` is a file of SQLite's that has a write-ahead log, so that readers do not wait for
    writers; ``on_lost`` is called when it takes no more transactions.
    """
    stack_keystone.install(services)
    url, tokens = services.url, services.tokens
    _configure(state, database, url, services.gateway_url)
    _authenticate_as(url, tokens.issue(life_s=_SERVICE_TOKEN_LIFE_S)[0])
    HeatClientPlugin._create = _client_of_heat
    _give_temporary_urls(url, services.gateway_url)
    _follow(change_signal)
    _watch_database(on_lost)
    messaging.setup(TRANSPORT_URL)
    connections = db_api.get_engine()
    _keep_connections(connections)
    models.BASE.metadata.create_all(connections)
    _remove_dangling(connections)
    engine = any_cloud.Engine("local", rpc_api.ENGINE_TOPIC)
    engine.thread_group_mgr = threads = Threads()
    any_cloud.install(restrict(resources.global_env()))
    engine.start()
    threads.engine_id = engine.engine_id
    api = LongPoll(
        orchestration_api(url, tokens.holder), change_signal=change_signal, is_busy=_is_busy
    )
    return engine, api, cloudformation_api(url, tokens.holder)


def stack_tags(stack_id: str) -> list[str]:
    """Return the tags of a stack; none when there is no such stack."""
    tags = StackTagList.get(context.get_admin_context(), stack_id)
    return [tag.tag for tag in tags or ()]


def root_stack_of(physical_id: str) -> str:
    """Return the id of the root stack that made something; empty if no stack did."""
    admin = context.get_admin_context()
    try:
        made_by = Resource.get_all_by_physical_resource_id(admin, physical_id)
    except exception.NotFound:
        return ""
    return next((str(Stack.get_root_id(admin, made.stack_id)) for made in made_by), "")


def _is_busy(stack_id: str) -> bool:
    try:
        _, status, *_ = Stack.get_status(context.get_admin_context(), stack_id)
    except exception.NotFound:
        return False
    return bool(status == "IN_PROGRESS")


def _configure(state: Path, database: Path, url: str, gateway_url: str) -> None:
    conf = cfg.CONF
    logging.getLogger("heat").setLevel(logging.ERROR)
    oslo_log.register_options(conf)  # Heat's fault middleware reads `debug`
    conf(args=[], project="heat", prog="infraci-cloud", default_config_files=[])
    config.set_config_defaults()
    for name, value in {
        "convergence_engine": False,
        "keystone_backend": f"{Keystone.__module__}.{Keystone.__name__}",
        "stack_domain_admin": "infraci",
        "stack_domain_admin_password": "unused",
        "stack_user_domain_id": "default",
        "stack_scheduler_hints": True,
        "region_name_for_services": "local",
        # What fails on one machine fails there again; a cloud has others to try.
        "action_retry_limit": 0,
        # Who deletes a stack that is being made need not wait until it is; nor who hears of a
        # failure for what else is being made. Convergence, which clouds have, does not either.
        "error_wait_time": 0,
        "num_engine_workers": 1,
        "environment_dir": str(state / "environment.d"),
        "template_dir": str(state / "templates"),
        "max_resources_per_stack": -1,
        "max_stacks_per_tenant": -1,
        "heat_metadata_server_url": f"{gateway_url}{CFN_PATH}/v1",
        "heat_waitcondition_server_url": f"{gateway_url}{CFN_PATH}/v1/waitcondition",
        # Clouds differ in these; the plan has the limits that a project names.
        "max_template_size": 64 << 20,
        "max_json_body_size": 128 << 20,
    }.items():
        conf.set_override(name, value)
    # With its new rules alone Heat's CloudFormation API denies servers their metadata, since it
    # does not name the project of a request. Clouds that have this API keep the old rules, too.
    policy.set_defaults(conf, enforce_new_defaults=False)
    # There are no backups of volumes: Heat refuses the deletion policy that makes one.
    conf.set_override("backups_enabled", False, group="volumes")
    conf.set_override("connection", f"sqlite:///{database}", group="database")
    conf.set_override("auth_uri", f"{url}/identity/v3", group="clients_keystone")
    # The address that servers are given for their signals; the engine itself never asks it.
    conf.set_override("url", f"{gateway_url}/orchestration/v1/%(tenant_id)s", group="clients_heat")


def _keep_connections(database: Database) -> None:
    """Have transactions share connections: Heat spends a quarter of its time on opening new ones.

    oslo.db takes those of SQLite for cheap, and has no option for it.
    """
    unpooled = database.pool
    database.pool = QueuePool(
        unpooled._creator,
        max_overflow=-1,
        dialect=unpooled._dialect,
        _dispatch=unpooled.dispatch,
    )


def _remove_dangling(database: Database) -> None:
    """Remove the data of resources that are gone, which databases of older versions still have."""
    gone = "DELETE FROM resource_data WHERE resource_id NOT IN (SELECT id FROM resource)"
    with database.begin() as connection:
        connection.exec_driver_sql(gone)


def _authenticate_as(url: str, token: str) -> None:
    document = token_document(url, _FAR_FUTURE)
    plugin = AccessInfoPlugin(
        auth_ref=access.create(body=document, auth_token=token), auth_url=f"{url}/identity/v3"
    )
    share_session(plugin)


def _client_of_heat(plugin: HeatClientPlugin) -> Any:
    """The client with which ``OS::Heat::Stack`` makes stacks of its own.

    Heat would ask where servers send their signals, which is another address.
    """
    url = plugin.url_for(service_type=plugin.ORCHESTRATION)
    return heatclient.Client("1", endpoint_override=url, session=plugin.context.keystone_session)


def _give_temporary_urls(url: str, gateway_url: str) -> None:
    """Have temporary URLs name the gateway, by which servers reach this cloud.

    Heat itself does not: what it puts at such a URL goes to the cloud's own address.
    """
    make = SwiftClientPlugin.get_temp_url

    def get_temp_url(plugin: SwiftClientPlugin, *arguments: Any, **options: Any) -> str:
        made: str = make(plugin, *arguments, **options)
        return f"{gateway_url}/{made.split('/', 3)[3]}"

    class Requests:
        """What Heat uses of requests."""

        RequestException = requests.RequestException

        @staticmethod
        def put(to: str, body: str, *, timeout: float) -> requests.Response:
            return requests.put(to.replace(gateway_url, url, 1), body, timeout=timeout)

    SwiftClientPlugin.get_temp_url = get_temp_url
    service_software_config.requests = Requests


def _follow(change_signal: ChangeSignal) -> None:
    """Let Heat's tasks sleep until something changes, also by a write of their own."""

    def sleep(self: scheduler.TaskRunner, wait_time: float | None) -> None:
        if wait_time is not None:
            seen = getattr(self, "seen", -1)
            self.seen = change_signal.wait(seen, min(wait_time, _LOOK_S))

    scheduler.TaskRunner._sleep = sleep

    @event.listens_for(Database, "after_cursor_execute")
    def note(connection: Any, _c: object, _s: str, _p: object, context: Any, _m: bool) -> None:
        if context is not None and context.isinsert | context.isupdate | context.isdelete:
            connection.info["wrote"] = True

    @event.listens_for(Database, "commit")
    def notify(connection: Any) -> None:
        if connection.info.pop("wrote", False):
            change_signal.notify()


def _watch_database(on_lost: Callable[[BaseException], object]) -> None:
    """Call ``on_lost`` when the database takes no more: Heat's threads end then."""

    @event.listens_for(Database, "handle_error")
    def note(failed: Any) -> None:
        if is_lost(failed.original_exception):
            on_lost(failed.original_exception)


@event.listens_for(Database, "connect")
def _tune_sqlite(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA busy_timeout=30000")
    # Each connection would come to hold 2 MB of the file, which the kernel holds anyway.
    connection.execute("PRAGMA cache_size=-256")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    # SQLite gives the number of a resource that is deleted to the next one, which would inherit
    # the data of the former: the members that a group once had to leave out.
    connection.execute("PRAGMA foreign_keys=ON")


@event.listens_for(Database, "begin")
def _begin_immediate(connection: Any) -> None:
    # A deferred transaction that turns to writing fails at once when another one writes.
    if "in_transaction" not in connection.info:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.info["in_transaction"] = True


@event.listens_for(Database, "checkin")
def _end_transaction(_connection: object, record: Any) -> None:
    record.info.pop("in_transaction", None)
