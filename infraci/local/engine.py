"""Runs Heat itself, its engine and its API application, unmodified, in this process.

The engine's clients find the APIs of the embedded cloud in the catalog that
:mod:`infraci.local.api.identity` writes. Otherwise this is a Heat as in a cloud, but that
:class:`Keystone` replaces a service that only a whole OpenStack has.

Import this module first of all that belongs to OpenStack: the threading backend of oslo.service
must be chosen before anything else of it is loaded.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

with warnings.catch_warnings():
    # A library of Heat's still looks whether eventlet is there; eventlet says it is deprecated.
    warnings.simplefilter("ignore")
    from oslo_service import backend

    backend.init_backend(backend.BackendType.THREADING)

    from heat.api.middleware.fault import FaultWrapper
    from heat.api.openstack import version_negotiation_filter
    from heat.api.openstack.v1 import API
    from heat.common import config, context, exception, messaging
    from heat.db import api as db_api
    from heat.db import models
    from heat.engine import resources, scheduler, service
    from heat.engine.clients.os.keystone import fake_keystoneclient
    from heat.objects.resource import Resource
    from heat.objects.stack import Stack
    from heat.objects.stack_tag import StackTagList
    from heat.rpc import api as rpc_api
    from keystoneauth1 import access
    from keystoneauth1.identity.access import AccessInfoPlugin
    from oslo_config import cfg
    from oslo_log import log as oslo_log
    from sqlalchemy import event
    from sqlalchemy.engine import Engine as Database
    from sqlalchemy.pool import QueuePool

from infraci.local import any_cloud
from infraci.local.account import PROJECT, PROJECT_ID, ROLES, USER, USER_ID
from infraci.local.api.identity import token_document
from infraci.local.api.long_poll import LongPoll, WsgiApp
from infraci.local.api.web import Document
from infraci.local.domain.change_signal import ChangeSignal
from infraci.local.domain.database_reserve import CHECKPOINT_PAGES
from infraci.local.domain.store import is_lost
from infraci.local.engine_limits import Threads, share_session
from infraci.local.restrict import restrict
from infraci.local.rpc import TRANSPORT_URL

#: Heat polls its resources when something has changed, and at least this often.
_LOOK_S = 0.2

_FAR_FUTURE = 4102444800.0  # 2100-01-01


class Keystone(fake_keystoneclient.FakeKeystoneClient):  # type: ignore[misc]
    """Stands for Keystone where Heat makes trusts, and users who may send signals.

    One user in one project needs no trust; a signal's user gets a token of its own.
    """

    def __init__(self, context: Any = None, *_: object, **__: object) -> None:
        super().__init__(context=context)

    def create_trust_context(self) -> Any:
        """The request's own context: it is the user's, and stays so."""
        stored = context.RequestContext.from_dict(self.context.to_dict())
        stored.trust_id = "local"
        stored.trustor_user_id = USER_ID
        return stored

    regenerate_trust_context = create_trust_context

    def create_stack_domain_project(self, stack_id: str) -> str:
        """The one project there is."""
        return PROJECT_ID

    def create_stack_domain_user(
        self, username: str, project_id: str, password: str | None = None
    ) -> str:
        """A name of its own: Heat tells a stack's wait condition handles apart by their users."""
        return uuid4().hex

    def stack_domain_user_token(self, user_id: str, project_id: str, password: str) -> str:
        """A token with which a server may signal."""
        return _issue_token()


def _issue_token() -> str:
    raise NotImplementedError("Heat was not started")


def start(
    *,
    state: Path,
    database: Path,
    url: str,
    signal_url: str,
    service_token: str,
    issue_token: Callable[[], str],
    change_signal: ChangeSignal,
    on_lost: Callable[[BaseException], object],
) -> tuple[service.EngineService, WsgiApp]:
    """Start the engine and build the API application; once in a process.

    ``database`` is a file of SQLite's that has a write-ahead log, so that readers do not wait for
    writers. ``url`` is where this cloud answers, and ``signal_url`` where it does so to servers.
    ``service_token`` is the engine's own token, ``issue_token`` makes those for signals;
    ``on_lost`` is called when Heat's database takes no more transactions.
    """
    global _issue_token
    _issue_token = issue_token
    _configure(state, database, url, signal_url)
    _authenticate_as(url, service_token)
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
    return engine, LongPoll(_api(url), change_signal=change_signal, is_busy=_is_busy)


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


def _configure(state: Path, database: Path, url: str, signal_url: str) -> None:
    conf = cfg.CONF
    logging.getLogger("heat").setLevel(logging.ERROR)
    oslo_log.register_options(conf)  # Heat's fault middleware reads `debug`
    conf(args=[], project="heat", prog="infraci-cloud", default_config_files=[])
    config.set_config_defaults()
    for name, value in {
        "convergence_engine": False,
        "keystone_backend": f"{__name__}.Keystone",
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
        "heat_metadata_server_url": signal_url,
        # Clouds differ in these; the plan has the limits that a project names.
        "max_template_size": 64 << 20,
        "max_json_body_size": 128 << 20,
    }.items():
        conf.set_override(name, value)
    # There are no backups of volumes: Heat refuses the deletion policy that makes one.
    conf.set_override("backups_enabled", False, group="volumes")
    conf.set_override("connection", f"sqlite:///{database}", group="database")
    conf.set_override("auth_uri", f"{url}/identity/v3", group="clients_keystone")
    # The address that servers are given for their signals; the engine itself never asks it.
    conf.set_override("url", f"{signal_url}/orchestration/v1/%(tenant_id)s", group="clients_heat")


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


def any_cloud_api(url: str) -> WsgiApp:
    """Heat's API as it judges for a cloud that is not asked; only a plan may be asked for."""
    return _api(url, roles=(*ROLES, any_cloud.ROLE))


def _api(url: str, roles: Sequence[str] = ROLES) -> WsgiApp:
    app = context.ContextMiddleware(API(cfg.CONF), {})
    app = version_negotiation_filter(app, cfg.CONF)
    wrapped: WsgiApp = FaultWrapper(_Authenticated(app, url, roles))
    return wrapped


class _Authenticated:
    """Tells Heat whose request it is; the token was checked before."""

    def __init__(self, app: WsgiApp, url: str, roles: Sequence[str]) -> None:
        self._app = app
        self._url = url
        self._roles = roles

    def __call__(self, environ: Document, start_response: Any) -> Iterable[bytes]:
        environ |= {
            "HTTP_X_IDENTITY_STATUS": "Confirmed",
            "HTTP_X_PROJECT_ID": PROJECT_ID,
            "HTTP_X_PROJECT_NAME": PROJECT,
            "HTTP_X_USER_ID": USER_ID,
            "HTTP_X_USER_NAME": USER,
            "HTTP_X_ROLES": ",".join(self._roles),
            "HTTP_X_AUTH_URL": f"{self._url}/identity/v3",
        }
        return self._app(environ, start_response)


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
