"""What servers reach of this cloud: Nova's metadata, and of Heat signals, metadata and tokens.

And of Swift what a temporary URL is for.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from cheroot.wsgi import Server
from werkzeug.exceptions import Forbidden, LengthRequired

from infraci.local.api.body_filter import discard_body
from infraci.local.api.listeners import bind_to_absent
from infraci.local.api.web import Document

WsgiApp = Callable[..., Iterable[bytes]]

_RESOURCE = r"/orchestration/v1/[0-9a-f]+/stacks/[^/]+/[^/]+/resources/[^/]+"
#: Requests that Heat gets, by method and path; it checks the token or the signature of each.
_HEAT = re.compile(
    rf"POST {_RESOURCE}/signal"
    rf"|GET {_RESOURCE}/metadata"
    r"|POST /cfn/v1/signal/.+"
    r"|PUT /cfn/v1/waitcondition/.+"
)
_CFN = re.compile("GET /cfn/v1/?")
_CFN_ACTION = "DescribeStackResource"
#: Paths of the cloud's APIs, which are not for servers.
_OTHER = re.compile(
    "/(cfn|compute|identity|image|info|infraci|load-balancer|network|orchestration|v1|volume)(/|$)"
)
#: Swift checks the signature of a temporary URL, and nothing else of a request that has one.
_OBJECT, _SIGNATURE = re.compile("[A-Z]+ /v1/AUTH_.+"), "temp_url_sig"
_TOKEN = "POST /identity/v3/auth/tokens"  # noqa: S105


class GatewayFilter:
    """Passes some requests of servers on to Heat, and has the metadata service answer all others.

    ``app`` is the cloud, of which Heat gets some; ``identity`` knows the users of stacks only.
    What names one of the cloud's APIs and is not for servers is refused.
    """

    def __init__(self, app: WsgiApp, identity: WsgiApp, metadata: WsgiApp) -> None:
        self._app = app
        self._identity = identity
        self._metadata = metadata

    def __call__(self, environ: Document, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        if environ.get("HTTP_TRANSFER_ENCODING"):  # the listener holds each chunk in memory
            return LengthRequired()(environ, start_response)
        request = f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO')}"
        if request == _TOKEN:
            inner = {"SCRIPT_NAME": "/identity", "PATH_INFO": "/v3/auth/tokens"}
            return self._identity(environ | inner, start_response)
        if _is_allowed(request, environ):
            return self._app(environ, start_response)
        discard_body(environ)
        if not _OTHER.match(str(environ.get("PATH_INFO"))):
            return self._metadata(environ, start_response)
        refusal = Forbidden(
            "Servers may send signals, read their metadata, use temporary URLs, and nothing else."
        )
        return refusal(environ, start_response)


def _is_allowed(request: str, environ: Document) -> bool:
    if _OBJECT.fullmatch(request):
        return bool(parse_qs(str(environ.get("QUERY_STRING", ""))).get(_SIGNATURE))
    return bool(_HEAT.fullmatch(request)) or (
        bool(_CFN.fullmatch(request)) and _asks_for_metadata(environ)
    )


def _asks_for_metadata(environ: Document) -> bool:
    return parse_qs(str(environ.get("QUERY_STRING", ""))).get("Action") == [_CFN_ACTION]


class GatewayServer(Server):
    """Listens on an address that comes and goes with the stacks' bridge."""

    @classmethod
    def prepare_socket(cls, *arguments: Any, **options: Any) -> socket.socket:
        """Allow an address that this machine doesn't have at this moment."""
        made: socket.socket = super().prepare_socket(*arguments, **options)
        bind_to_absent(made)
        return made
