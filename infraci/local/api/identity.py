"""Identity v3, for one user in one project, and for the users of stacks: tokens and the catalog.

Source: https://docs.openstack.org/api-ref/identity/v3/
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from werkzeug.wrappers import Request, Response

from infraci.base.json_reader import read_json
from infraci.local.account import (
    ACCOUNT,
    ANY_CLOUD,
    PROJECT_ID,
    REGION,
    USER,
    USER_ID,
    TokenHolder,
)
from infraci.local.api.identity_entities import IdentityEntitiesApi
from infraci.local.api.keystone_json import identity_to_json
from infraci.local.api.web import Api, Document, UnauthenticatedError, reply, route
from infraci.local.domain.identity_records import IdentityProject
from infraci.local.domain.keystone import Identity
from infraci.local.domain.stack_users import StackUsers
from infraci.local.errors import InvalidRequestError, NotFoundError

TOKEN_LIFE_S = 12 * 3600.0
#: Of a token for one signed request, which is used at once.
_SIGNED_LIFE_S = 60.0

_DOMAIN = {"id": "default", "name": "Default"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An entry of the catalog; ``path`` is below the cloud's own address."""

    type: str
    name: str
    path: str


#: Heat for clouds that are not asked.
ANY_CLOUD_PATH = f"/{ANY_CLOUD}"

ORCHESTRATION = Service(type="orchestration", name="heat", path=f"/orchestration/v1/{PROJECT_ID}")
SERVICES = (
    Service(type="identity", name="keystone", path="/identity/v3"),
    ORCHESTRATION,
    Service(type="compute", name="nova", path="/compute/v2.1"),
    Service(type="network", name="neutron", path="/network"),
    Service(type="image", name="glance", path="/image"),
    Service(type="block-storage", name="cinder", path=f"/volume/v3/{PROJECT_ID}"),
    # The name by which Heat and older clients know it.
    Service(type="volumev3", name="cinderv3", path=f"/volume/v3/{PROJECT_ID}"),
    # Temporary URLs are signed for this path.
    Service(type="object-store", name="swift", path=f"/v1/AUTH_{PROJECT_ID}"),
    Service(type="load-balancer", name="octavia", path="/load-balancer"),
    Service(type="alarming", name="aodh", path="/alarming"),
)


def catalog(url: str) -> list[Document]:
    """The catalog of a cloud that answers at ``url``."""
    return [
        {
            "id": service.type,
            "type": service.type,
            "name": service.name,
            "endpoints": [
                {
                    "id": f"{service.type}-{interface}{suffix}",
                    "interface": interface,
                    "region": region,
                    "region_id": region,
                    "url": url + path,
                }
                for region, path, suffix in _places(service)
                for interface in ("public", "internal", "admin")
            ],
        }
        for service in SERVICES
    ]


def _places(service: Service) -> list[tuple[str, str, str]]:
    """The regions that have a service, its path there, and what its endpoints' ids end with."""
    places = [(REGION, service.path, "")]
    if service.type == "orchestration":
        path = f"{ANY_CLOUD_PATH}/v1/{PROJECT_ID}"
        places.append((ANY_CLOUD, path, f"-{ANY_CLOUD}"))
    return places


def stack_user_catalog(url: str, project_id: str) -> list[Document]:
    """The catalog of a stack's user: Heat, at the address that servers reach."""
    endpoint = {
        "id": "orchestration-public",
        "interface": "public",
        "region": REGION,
        "region_id": REGION,
        "url": f"{url}/orchestration/v1/{project_id}",
    }
    service = {"type": ORCHESTRATION.type, "name": ORCHESTRATION.name}
    return [{**service, "id": ORCHESTRATION.type, "endpoints": [endpoint]}]


class Tokens:
    """The valid tokens, and whom each is for until when."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._issued: dict[str, tuple[TokenHolder, float]] = {}

    def issue(
        self, life_s: float = TOKEN_LIFE_S, *, holder: TokenHolder = ACCOUNT
    ) -> tuple[str, float]:
        """A new token, and when it expires."""
        token, expires = secrets.token_urlsafe(32), self._clock() + life_s
        with self._lock:
            now = self._clock()
            self._issued = {t: issued for t, issued in self._issued.items() if issued[1] > now}
            self._issued[token] = holder, expires
        return token, expires

    def expiry(self, token: str | None) -> float | None:
        """Return when a token expires; None if it is not valid, or not the account's."""
        holder, expires = self._valid(token)
        return expires if holder == ACCOUNT else None

    def is_valid(self, token: str | None) -> bool:
        """Whether a token is valid and the account's: only Heat takes those of other users."""
        return self.expiry(token) is not None

    def holder(self, token: str | None) -> TokenHolder | None:
        """Return the user, project and roles of a token; None if the token is not valid."""
        return self._valid(token)[0]

    def _valid(self, token: str | None) -> tuple[TokenHolder | None, float]:
        with self._lock:
            holder, expires = self._issued.get(token or "", (None, 0.0))
        return (holder, expires) if expires > self._clock() else (None, 0.0)

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        with self._lock:
            self._issued.pop(token, None)


def token_document(url: str, expires: float, holder: TokenHolder = ACCOUNT) -> Document:
    """What Keystone says of a token: user, project, roles, catalog."""
    is_stack_user = holder.is_stack_user
    return {
        "token": {
            "methods": ["password"],
            "user": {
                "id": holder.user_id,
                "name": holder.user,
                "domain": _DOMAIN,
                "password_expires_at": None,
            },
            "project": {"id": holder.project_id, "name": holder.project, "domain": _DOMAIN},
            "is_domain": False,
            "roles": [{"id": role, "name": role} for role in holder.roles],
            "catalog": (
                stack_user_catalog(url, holder.project_id) if is_stack_user else catalog(url)
            ),
            "audit_ids": [secrets.token_urlsafe(16)],
            "issued_at": _timestamp(time.time()),
            "expires_at": _timestamp(expires),
        }
    }


class StackUserIdentityApi(Api):
    """Hands out tokens to users of stacks: all of Identity that servers can reach.

    ``url`` is where they reach this cloud.
    """

    error_key = "error"

    def __init__(self, url: str, users: StackUsers, tokens: Tokens) -> None:
        super().__init__(lambda _: True)
        self._url = url
        self._users = users
        self._tokens = tokens

    @route("POST", "/v3/auth/tokens")
    def authenticate(self, request: Request) -> Response:
        """A token, for the password of a stack's user."""
        try:
            user = read_json(request.get_data())["auth"]["identity"]["password"]["user"]
            holder = self._users.by_password(str(user["id"]), str(user["password"]))
        except (ValueError, KeyError, TypeError):
            raise UnauthenticatedError from None
        if holder is None:
            raise UnauthenticatedError
        return _issue(self._tokens, self._url, holder)


class IdentityApi(IdentityEntitiesApi):
    """Checks passwords, hands out tokens; and says for Heat who signed a request."""

    def __init__(
        self, url: str, password: str, tokens: Tokens, users: StackUsers, identity: Identity
    ) -> None:
        super().__init__(identity, tokens.is_valid)
        self._url = url
        self._password = password
        self._tokens = tokens
        self._users = users

    def may_ask(self, request: Request) -> bool:
        """Authentication and the versions need no token."""
        public = request.path in ("/", "/v3", "/v3/") or (
            request.path == "/v3/auth/tokens" and request.method == "POST"
        )
        return public or super().may_ask(request)

    @route("GET", "/")
    def versions(self, request: Request) -> Response:
        """The one version there is."""
        return reply({"versions": {"values": [self._version()]}}, 300)

    @route("GET", "/v3")
    def version(self, request: Request) -> Document:
        """Version 3."""
        return {"version": self._version()}

    @route("POST", "/v3/auth/tokens")
    def authenticate(self, request: Request) -> Response:
        """A token, for a password or for another token."""
        try:
            auth = read_json(request.get_data())["auth"]
            identity = auth["identity"]
            holders = [self._holder(identity, method, auth) for method in identity["methods"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InvalidRequestError("The request's body is no authentication request.") from None
        holder = next(filter(None, holders), None)
        if holder is None:
            raise UnauthenticatedError
        return _issue(self._tokens, self._url, holder)

    @route("POST", "/v3/ec2tokens")
    def authenticate_signed(self, request: Request) -> Response:
        """A token for the user who signed a request, which Heat describes."""
        try:
            holder = self._users.by_signature(read_json(request.get_data())["ec2Credentials"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UnauthenticatedError from None
        if holder is None:
            raise UnauthenticatedError
        return _issue(self._tokens, self._url, holder, life_s=_SIGNED_LIFE_S, status=200)

    def _holder(self, identity: Document, method: str, auth: Document) -> TokenHolder | None:
        """Whom an authentication proves; None if it proves none."""
        if method == "token":
            return ACCOUNT if self._tokens.is_valid(identity["token"]["id"]) else None
        if method != "password":
            return None
        user = identity["password"]["user"]
        password = str(user["password"])
        if user.get("id") == USER_ID or user.get("name") == USER:
            is_proved = hmac.compare_digest(password.encode(), self._password.encode())
            return ACCOUNT if is_proved else None
        return self.identity.by_password(user, password, (auth.get("scope") or {}).get("project"))

    @route("GET", "/v3/auth/tokens")
    def show_token(self, request: Request) -> Response:
        """Validate a token: return its user, project, roles, catalogue and expiry."""
        subject = request.headers.get("X-Subject-Token")
        expires = self._tokens.expiry(subject)
        if subject is None or expires is None:
            raise NotFoundError("The token could not be found.")
        answer = reply(token_document(self._url, expires))
        answer.headers["X-Subject-Token"] = subject
        return answer

    @route("DELETE", "/v3/auth/tokens")
    def revoke_token(self, request: Request) -> None:
        """Revoke a token."""
        self._tokens.revoke(request.headers.get("X-Subject-Token", ""))

    @route("GET", "/v3/auth/catalog")
    def show_catalog(self, request: Request) -> Document:
        """The catalog."""
        return {"catalog": catalog(self._url)}

    @route("GET", "/v3/auth/projects")
    def auth_projects(self, request: Request) -> Document:
        """The account's one project."""
        project = identity_to_json(self.identity.require(IdentityProject, PROJECT_ID))
        return {"projects": [project], "links": {}}

    def _version(self) -> Document:
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{self._url}/identity/v3/"}],
            "media-types": [
                {
                    "base": "application/json",
                    "type": "application/vnd.openstack.identity-v3+json",
                }
            ],
        }


def _issue(
    tokens: Tokens,
    url: str,
    holder: TokenHolder,
    *,
    life_s: float = TOKEN_LIFE_S,
    status: int = 201,
) -> Response:
    token, expires = tokens.issue(life_s, holder=holder)
    answer = reply(token_document(url, expires, holder), status)
    answer.headers["X-Subject-Token"] = token
    return answer


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
