"""The records of load balancers and their parts: what Octavia says of each.

Fields have the names that Octavia's API gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from infraci.local.account import PROJECT_ID
from infraci.local.domain.record import Record

ACTIVE = "ACTIVE"
ERROR = "ERROR"
PENDING_CREATE = "PENDING_CREATE"
PENDING_UPDATE = "PENDING_UPDATE"
PENDING_DELETE = "PENDING_DELETE"

#: What owns the port that has a balancer's address, and its ports by which packets come and go.
VIP_OWNER = "Octavia"
AMPHORA_OWNER = "compute:octavia"


@dataclass(frozen=True, slots=True, kw_only=True)
class OctaviaRecord(Record):
    """What all nouns of Octavia's have."""

    #: As Octavia's messages name it.
    noun: ClassVar[str]

    project_id: str = PROJECT_ID
    name: str = ""
    admin_state_up: bool = True
    provisioning_status: str = PENDING_CREATE
    created_at: str = ""
    updated_at: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def balancer_id(self) -> str:
        """The load balancer that it is, or is a part of."""
        raise NotImplementedError

    @property
    def is_there(self) -> bool:
        """Whether it is to stay."""
        return self.provisioning_status != PENDING_DELETE


AnyOctaviaRecord = TypeVar("AnyOctaviaRecord", bound=OctaviaRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer(OctaviaRecord):
    """A load balancer, and its address."""

    kind = "loadbalancer"
    noun = "Load Balancer"

    description: str = ""
    provider: str = "amphora"
    vip_address: str = ""
    vip_network_id: str = ""
    vip_subnet_id: str = ""
    vip_port_id: str = ""
    #: Whether the port with its address was made for it.
    owns_port: bool = True
    #: The security group that lets in what its listeners need.
    group_id: str = ""

    @property
    def balancer_id(self) -> str:
        """Its own id."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerPart(OctaviaRecord):
    """What a load balancer is made of."""

    loadbalancer_id: str = ""

    @property
    def balancer_id(self) -> str:
        """The load balancer that it is a part of."""
        return self.loadbalancer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerListener(BalancerPart):
    """A port at which a balancer listens."""

    kind = "listener"
    noun = "Listener"

    description: str = ""
    protocol: str
    protocol_port: int
    connection_limit: int = -1
    default_pool_id: str | None = None
    insert_headers: Mapping[str, str] = field(default_factory=dict)
    timeout_client_data: int = 50000
    timeout_member_connect: int = 5000
    timeout_member_data: int = 50000
    timeout_tcp_inspect: int = 0
    allowed_cidrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPersistence:
    """How one client's requests stay with one member."""

    type: str
    cookie_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerPool(BalancerPart):
    """Members, one of which answers each request."""

    kind = "balancer_pool"
    noun = "Pool"

    description: str = ""
    protocol: str
    lb_algorithm: str
    session_persistence: SessionPersistence | None = None
    tls_enabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(BalancerPart):
    """A server of a pool."""

    kind = "balancer_member"
    noun = "Member"

    pool_id: str = ""
    address: str
    protocol_port: int
    weight: int = 1
    backup: bool = False
    #: The subnet by which it is reached; without one, by the balancer's own.
    subnet_id: str | None = None
    monitor_address: str | None = None
    monitor_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthMonitor(BalancerPart):
    """How the health of a pool's members is checked."""

    kind = "healthmonitor"
    noun = "Health Monitor"

    pool_id: str = ""
    type: str
    delay: int
    timeout: int
    max_retries: int
    max_retries_down: int = 3
    http_method: str | None = None
    url_path: str | None = None
    expected_codes: str | None = None
    http_version: float | None = None
    domain_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class L7Policy(BalancerPart):
    """What becomes of a listener's requests that match all of its rules."""

    kind = "l7policy"
    noun = "L7 Policy"

    description: str = ""
    listener_id: str = ""
    action: str
    position: int = 1
    redirect_pool_id: str | None = None
    redirect_url: str | None = None
    redirect_prefix: str | None = None
    redirect_http_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class L7Rule(BalancerPart):
    """A condition of a policy."""

    kind = "l7rule"
    noun = "L7 Rule"

    l7policy_id: str = ""
    type: str
    compare_type: str
    key: str | None = None
    value: str
    invert: bool = False
