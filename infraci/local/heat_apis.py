"""Heat's two APIs as WSGI applications: its own, and the CloudFormation API, by which servers ask.

Import it after :mod:`infraci.local.engine` has chosen Heat's backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from heat.api import cfn
from heat.api.aws.ec2token import EC2Token
from heat.api.cfn import v1 as cfn_v1
from heat.api.middleware.fault import FaultWrapper
from heat.api.openstack import version_negotiation_filter
from heat.api.openstack.v1 import API
from heat.common import context
from keystoneauth1.adapter import Adapter
from oslo_config import cfg
from werkzeug.exceptions import Unauthorized

from infraci.local import any_cloud
from infraci.local.account import TokenHolder
from infraci.local.api.long_poll import WsgiApp
from infraci.local.api.web import Document

#: Where the CloudFormation API is, below the cloud's address.
CFN_PATH = "/cfn"

#: Whom a token is for; None for one that is not valid.
FindHolder = Callable[[str | None], TokenHolder | None]


def any_cloud_api(url: str, find_holder: FindHolder) -> WsgiApp:
    """Heat's API as it validates for a cloud that is not asked; only a plan may be asked for."""

    def find(token: str | None) -> TokenHolder | None:
        holder = find_holder(token)
        if holder is None or holder.is_stack_user:
            return None
        return replace(holder, roles=(*holder.roles, any_cloud.ROLE))

    return orchestration_api(url, find)


def orchestration_api(url: str, find_holder: FindHolder) -> WsgiApp:
    """Heat's API; ``url`` is this cloud's own."""
    app = context.ContextMiddleware(API(cfg.CONF), {})
    app = version_negotiation_filter(app, cfg.CONF)
    wrapped: WsgiApp = FaultWrapper(_Authenticated(app, url, find_holder))
    return wrapped


def cloudformation_api(url: str, find_holder: FindHolder) -> WsgiApp:
    """Heat's CloudFormation API, as heat-api-cfn has it: each request is signed."""
    app = context.ContextMiddleware(cfn_v1.API(cfg.CONF), {})
    app = _SignedRequests(_Authenticated(app, url, find_holder), url)
    wrapped: WsgiApp = cfn.version_negotiation_filter(app, cfg.CONF)
    return wrapped


class _SignedRequests(EC2Token):  # type: ignore[misc]
    """Has Identity check the signatures of requests."""

    def __init__(self, app: WsgiApp, url: str) -> None:
        self._url = url
        super().__init__(app, {})

    def _create_ks_adapter(self, cfg_group: str) -> Adapter:
        session = context.RequestContext().keystone_session
        return Adapter(session, endpoint_override=f"{self._url}/identity")


class _Authenticated:
    """Tells Heat whose request it is, by the request's token."""

    def __init__(self, app: WsgiApp, url: str, find_holder: FindHolder) -> None:
        self._app = app
        self._url = url
        self._find_holder = find_holder

    def __call__(self, environ: Document, start_response: Any) -> Iterable[bytes]:
        token = environ.get("HTTP_X_AUTH_TOKEN")
        holder = self._find_holder(token)
        is_public = environ.get("PATH_INFO", "") in ("", "/", "/v1", "/v1/")
        if holder is None and not is_public:
            return Unauthorized()(environ, start_response)
        return self._app(environ | _identity_headers(holder, self._url), start_response)


def _identity_headers(holder: TokenHolder | None, url: str) -> Document:
    """What the middleware of Keystone adds to a request, as Heat reads it."""
    if holder is None:
        return {"HTTP_X_IDENTITY_STATUS": "Invalid"}
    return {
        "HTTP_X_IDENTITY_STATUS": "Confirmed",
        "HTTP_X_PROJECT_ID": holder.project_id,
        "HTTP_X_PROJECT_NAME": holder.project,
        "HTTP_X_USER_ID": holder.user_id,
        "HTTP_X_USER_NAME": holder.user,
        "HTTP_X_ROLES": ",".join(holder.roles),
        "HTTP_X_AUTH_URL": f"{url}/identity/v3",
    }
