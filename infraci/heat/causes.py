"""The table that classifies a cloud's messages: the class of a failure, and who is to blame for it.

The messages are Heat's reasons, Nova's faults, the refusals of Neutron, Cinder, Glance and
Keystone, and the names of the exceptions that Heat puts before them, as in their sources (Zed to
2026). docs/failures.md is generated from this table.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from shlex import quote

from infraci.base.shorten import shortened

#: So many characters of a text are searched for causes: its beginning and its end.
_LONGEST = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A kind of failure."""

    category: str  # one of errors.CATEGORIES
    blames: bool  # whether the commit's own files made it fail
    what: str  # what happened
    says: tuple[str, ...]  # as services print it; OWN_ID stands for an id that the run has made
    words: re.Pattern[str]
    advice: str
    #: Whether the words also have to name something that the cloud made for this run.
    of_own: bool = False

    def advice_on(self, cloud: str) -> str:
        """What to do about it, with commands that name this cloud."""
        return re.sub(r"(?<=cloud )NAME\b", lambda _: quote(cloud), self.advice)


#: Stands in examples for the id of something that the cloud made for this run.
OWN_ID = "0dd0c1d4-5e1f-4c3b-9a51-2d9f3c0e7a10"

#: Heat's resource types whose end depends on what the servers signal.
SIGNAL_TYPES = frozenset({
    "AWS::CloudFormation::WaitCondition",
    "OS::Heat::SoftwareDeployment",
    "OS::Heat::StructuredDeployment",
    "OS::Heat::SwiftSignal",
    "OS::Heat::WaitCondition",
})  # fmt: skip


def _words(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE)


_NOT_FOUND = _words(
    r"could not be found|can ?not be found|can'?t be found|can ?not find|unable to find",
    r"NotFound\b|not found|found 0 times|HTTP 404|does not exist|was not found",
    r"No \w+ (found )?matching|No \w+ unique match|No \w+ found",
    r"Invalid key_name|Invalid image|ResourceTypeUnavailable|HEAT-E99001",
    r"availability zone\b.* is (not available|invalid)|No default subnetpool",
)

#: A wait condition, or a deployment, that a server should have signalled.
SIGNAL = Cause(
    category="signal",
    blames=True,
    what="a wait condition or a software deployment got a signal of a failure, or none in time; "
    "or the phase's time ended while nothing else was awaited",
    says=(
        "WaitConditionTimeout: resources.ready: 0 of 1 received",
        "WaitConditionFailure: resources.ready: the disk is full",
        "SwiftSignalTimeout: resources.ready: 1 of 2 received",
        "Error: resources.deploy: Deployment to server failed: deploy_status_code : Deployment "
        "exited with non-zero status code: 1",
    ),
    words=_words(
        r"\b(WaitCondition|SwiftSignal)(Timeout|Failure)\b",
        r"\d of \d+ received",
        r"Deployment to server failed",
    ),
    advice="the report has the ends of the servers' consoles and of what a deployment printed; "
    "`/var/log/cloud-init-output.log` says how the user data ended",
)

#: Time that was over while the cloud still worked.
LATE = Cause(
    category="timeout",
    blames=False,
    what="the phase's time, or Heat's own limit, ended while the cloud was still at work",
    says=("Stack CREATE timed out", "CREATE aborted (Task create from Server timed out)"),
    words=_words(r"timed?[ -]?out\b(?!:)", r"\wTimeout\w{0,60}: "),
    advice="the message says what was still awaited; more time by `timeouts:` in the pipeline",
)

#: What the account may have is used up.
QUOTA = Cause(
    category="quota",
    blames=False,
    what="the project may not have more servers, cores, RAM, ports, floating IPs, volumes, "
    "stacks or key pairs; or a network of the cloud's has no address left",
    says=(
        "Forbidden: resources.web: Quota exceeded for instances: Requested 1, but already used "
        "10 of 10 instances (HTTP 403)",
        "OverQuotaClient: resources.net: Quota exceeded for resources: ['network'].",
        "You have reached the maximum stacks per tenant, 100. Please delete some stacks.",
        "VolumeSizeExceedsAvailableQuota: resources.disk: Requested volume or snapshot exceeds "
        "allowed gigabytes quota.",
        "ExternalIpAddressExhaustedClient: resources.ip: Unable to find any IP address on "
        "external network 1b2c.",
        "OctaviaClientException: resources.lb: Quota has been met for resources: Load Balancer "
        "(HTTP 403)",
    ),
    words=_words(
        r"quota\w* (was |is |has been )?exceeded|exceed\w*( \w+){0,2} quota",
        r"OverQuota|QuotaExceeded|QuotaError|over quota|quota usage would overflow",
        r"Quota has been met",
        r"reached the maximum stacks|Maximum resources per stack|VolumeLimitExceeded",
        r"Maximum number of \w+( \w+)? (allowed|exceeded)|exceeds available",
        r"No more (free )?(floating )?IP addresses|IpAddressGenerationFailure",
        r"No fixed IP addresses available|Zero floating IPs|Unable to find any IP address",
        r"ExternalIpAddressExhausted|No (tenant|project) network is available",
        r"(instances|cores|ram|gigabytes|volumes|snapshots) limit exceeded",
        r"larger than maximum allowed limit|No access address is left",
    ),
    advice="`infraci gc --cloud NAME` removes what dead runs have left; `openstack quota show "
    "--usage`; ask for more, or run fewer pipelines at once",
)

#: A service that is broken, or cannot be reached.
BROKEN = Cause(
    category="api",
    blames=False,
    what="a service did not answer, broke, or refused the login, for as long as infraci or "
    "Heat asked again",
    says=(
        "InternalServerError: resources.net: Request Failed: internal server error while "
        "processing your request.",
        "MessagingTimeout: resources.net: Timed out waiting for a reply to message ID 5",
        "ConnectFailure: resources.web: Unable to establish connection to http://c:8774",
        "ClientException: resources.web: Unexpected API Error. (HTTP 500)",
        "Unauthorized: resources.web: The request you have made requires authentication. "
        "(HTTP 401)",
    ),
    words=_words(
        r"MessagingTimeout|RPCTimeout|RemoteError|DBError|DBConnectionError|DBDeadlock",
        r"Internal ?Server ?Error|HTTP 5\d\d|\b5\d\d-|Service ?Unavailable|unexpected API error",
        r"Bad ?Gateway|Gateway ?Time-?out|currently unavailable|APITimeout",
        r"Unable to establish connection|ConnectFailure|ConnectTimeout|ConnectionFailed",
        r"Remote end closed connection|Connection (refused|reset|aborted)|Read timed out",
        r"Connection to \w+( \w+){0,5}( \S+)? failed|UnknownConnectionError|SSLError",
        r"DiscoveryFailure|storage volume backend API|Timeout while requesting",
        r"HTTP 429|TooManyRequests|HTTP 401|\bUnauthorized\b|AuthorizationFailure",
    ),
    advice="`openstack --os-cloud NAME token issue`, `… catalog list`; the services' logs; run "
    "it again",
)

#: The first that fits the words counts.
CAUSES: tuple[Cause, ...] = (
    SIGNAL,
    Cause(
        category="template",
        blames=True,
        what="two things of the stack claim one address, port, range or rule",
        says=(
            "IpAddressInUseClient: resources.b: Unable to complete operation for network "
            f"{OWN_ID}. The IP address 10.0.0.5 is in use.",
            "BadRequest: resources.two: Invalid input for operation: Requested subnet with cidr: "
            f"10.0.0.0/24 for network: {OWN_ID} overlaps with another subnet.",
            f"Conflict: resources.b: Port {OWN_ID} is still in use. (HTTP 409)",
            f"BadRequest: resources.leg: Bad router request: Router already has a port on subnet "
            f"{OWN_ID}.",
        ),
        words=_words(
            r"\bIP address \S+ (is (already )?in use|already allocated)",
            r"IpAddress(InUse|AlreadyAllocated)|MacAddressInUse|mac address \S+ is in use",
            r"already has an attached device|Port \S+ is (still )?in use",
            r"already has a port on subnet|already contains IPv6 port",
            r"\boverlap|conflicts? with allocation pool|is the same as the gateway",
            r"current status is in-use|already attached to|that fixed IP already has a floating IP",
            r"Cannot have multiple|SecurityGroupRuleExists|Duplicate (Security|address|items)",
        ),
        advice="give each of them one of its own",
    ),
    Cause(
        category="template",
        blames=True,
        what="a name is taken already, or several things have it",
        says=(
            "Conflict: resources.key: Key pair 'deploy' already exists. (HTTP 409)",
            "PhysicalResourceNameAmbiguity: resources.port: Multiple physical resources were found "
            "with name (backend).",
            "Conflict: resources.web: Multiple possible networks found, use a Network ID to be "
            "more specific. (HTTP 409)",
        ),
        words=_words(
            r"already exists",
            r"NameAmbiguity|IDAmbiguity|NoUniqueMatch|No unique match",
            r"Multiple (possible|physical|security|\w+ (found|matches))|More than one",
            r"found ([2-9]|\d{2,}) times",
        ),
        advice="leave the name to Heat, or name one thing by its resource",
    ),
    Cause(
        category="template",
        blames=True,
        what="a resource lacks what it needs first: a subnet, a router, a larger flavor or volume",
        says=(
            "ExternalGatewayForFloatingIPNotFound: resources.ip: External network public is not "
            f"reachable from subnet {OWN_ID}.",
            f"BadRequest: resources.web: Network {OWN_ID} requires a subnet in order to boot "
            "instances on. (HTTP 400)",
            "BadRequest: resources.web: Flavor's disk is too small for requested image. (HTTP 400)",
            "Forbidden: resources.web: Only volume-backed servers are allowed for flavors with "
            "zero disk. (HTTP 403)",
        ),
        words=_words(
            r"not reachable from subnet|requires a subnet in order|requires a FixedIP",
            r"too small for|disk is smaller than|memory is too small|larger than volume size",
            r"\bis unacceptable: |Only volume-backed servers are allowed",
            r"not allowed to create an interface on external network",
            r"port_security_enabled|Port security must be|no external gateway",
            r"must have a gateway IP|must have at least one fixed IP",
        ),
        advice="add it, and `depends_on:` where no reference says the order",
    ),
    Cause(
        category="template",
        blames=True,
        of_own=True,
        what="a network that the template makes has too few addresses",
        says=(
            f"IpAddressGenerationFailureClient: resources.port: No more IP addresses available on "
            f"network {OWN_ID}.",
        ),
        words=_words(
            r"No more (free )?IP addresses|IpAddressGenerationFailure",
            r"No fixed IP addresses available",
        ),
        advice="a larger `cidr`, or a larger allocation pool",
    ),
    QUOTA,
    Cause(
        category="no valid host",
        blames=False,
        what="Nova found no hypervisor for a server, or none that could start it",
        says=(
            'ResourceInError: resources.web: Went to status ERROR due to "Message: No valid host '
            'was found. There are not enough hosts available., Code: 500"',
            "Message: Exceeded maximum number of retries. Exhausted all hosts available for "
            "retrying build failures for instance 1.",
            "Message: Build of instance 1 aborted: Failed to allocate the network(s)",
        ),
        words=_words(
            r"No valid host|NoValidHost|MaxRetriesExceeded",
            r"Exceeded max(imum)? (number of retries|scheduling attempts)",
            r"Exhausted all hosts|Insufficient compute resources",
            r"not enough hosts|Build of instance \S+ (aborted|was re-scheduled)|Scheduling failed",
            r"ComputeHostNotFound|No valid (backend|storage)|Binding failed for port",
        ),
        advice="a smaller flavor, another availability zone; `openstack server show ID` has Nova's "
        "fault, which the report quotes",
    ),
    Cause(
        category="template",
        blames=True,
        what="a provider of load balancers cannot do what the template asks for",
        says=(
            "OctaviaClientException: resources.pool: Provider 'amphora' does not support a "
            "requested option: Amphora provider does not support SOURCE_IP_PORT algorithm. "
            "(HTTP 501)",
        ),
        words=_words(r"Provider '\w+' does not support a requested"),
        advice="another value, or another `provider` of the load balancer",
    ),
    BROKEN,
    Cause(
        category="not found",
        blames=False,
        of_own=True,
        what="something that the cloud made for the stack is gone, and not by infraci",
        says=(
            f"NotFound: resources.web: Instance {OWN_ID} could not be found. (HTTP 404)",
            f"PortNotFoundClient: resources.ip: Port {OWN_ID} could not be found.",
        ),
        words=_NOT_FOUND,
        advice="who or what deletes things of this project?",
    ),
    Cause(
        category="not found",
        blames=True,
        what="the cloud has no image, flavor, network, key pair, resource type, service or zone "
        "of the name that the template or its parameters give",
        says=(
            "Error validating value 'debian-99': The Image (debian-99) could not be found.",
            "resources.web.properties.flavor: Error validating value 'huge': No Flavor matching "
            "{'name': 'huge'}.",
            "BadRequest: resources.web: Invalid key_name provided. (HTTP 400)",
            "EntityNotFound: resources.port: The network (nowhere) could not be found.",
            "BadRequest: resources.web: The requested availability zone is not available "
            "(HTTP 400)",
        ),
        words=_NOT_FOUND,
        advice="`openstack image list` and the like show what there is; other names for another "
        "cloud stand under `clouds:` in `infraci.yaml`",
    ),
    Cause(
        category="api",
        blames=False,
        of_own=True,
        what="a service is still busy with something that it made for the stack",
        says=(
            f"Conflict: resources.disk: Cannot 'attach_volume' instance {OWN_ID} while it is in "
            "vm_state building (HTTP 409)",
            f"Conflict: resources.subnet: Unable to complete operation on subnet {OWN_ID}: One or "
            "more ports have an IP allocation from this subnet.",
        ),
        words=_words(r"Conflict|HTTP 409|InUse|\bin use\b|while it is in|Invalid volume: "),
        advice="run it again; if it happens again, a `depends_on:` may be missing",
    ),
    Cause(
        category="template",
        blames=True,
        what="Heat or a service finds a property or a value wrong",
        says=(
            "Property error: resources.web.properties.flavour: Unknown Property flavour",
            "ResourcePropertyConflict: resources.port: Cannot define the following properties at "
            "the same time: network, network_id.",
            "StackValidationFailed: resources.group: Property error: resources[0].properties.size: "
            "Value 'x' is not an integer",
            "BadRequest: resources.subnet: Invalid input for cidr. Reason: '10.0.0.0/33' is not a "
            "valid IP subnet.",
            "HTTPBadRequest: resources.image: 400 Bad Request: Invalid container format (HTTP 400)",
        ),
        words=_words(
            r"BadRequest|HTTP 40[09]|\b40[09]-|\bConflict\w*: |Invalid ?Input|Bad \w+ request",
            r"InvalidIpFor|StateInvalid",
            r"Property error|Unknown Property|StackValidationFailed|InvalidSchemaError",
            r"PropertyUnspecifiedError|ResourceProperty(Value)?(Conflict|Dependency)",
            r"InvalidTemplate\w+|InvalidExternalResourceDependency|CircularDependency",
            r"UserParameterMissing|UnknownUserParameter|ImmutableParameterModified",
            r"ResourceActionNotSupported|\bNotSupported: |Unrecognized attribute",
            r"Cannot define the following properties|properties must be specified",
            r"Maximum number of metadata items|Personality file",
        ),
        advice="`infraci plan` has Heat validate the template without making anything",
    ),
    Cause(
        category="api",
        blames=False,
        what="the account may not do what the template asks for",
        says=(
            "Forbidden: resources.web: Policy doesn't allow os_compute_api:servers:create to be "
            "performed. (HTTP 403)",
        ),
        words=_words(r"Forbidden|HTTP 403|Policy doesn't allow|not authorized|NotAuthorized"),
        advice="the role that it lacks, or a template that does without",
    ),
    LATE,
    Cause(
        category="api",
        blames=False,
        what="a service could not make a resource, and does not say why",
        says=(
            'ResourceInError: resources.disk: Went to status error due to "Unknown"',
            "ResourceUnknownStatus: resources.web: web is not active - Unknown status SHUTOFF due "
            'to "Unknown"',
        ),
        words=_words(r"Went to status|Unknown status|ResourceInError|ResourceUnknownStatus"),
        advice="the service's own logs",
    ),
)


def cause_of(words: str, *, own: Collection[str] = ()) -> Cause | None:
    """The first cause whose words match; None if none does.

    ``own`` are the ids of what the cloud made for this run: a name or a value is the template's,
    an id is the cloud's.
    """
    is_of_own = any(id_ in words for id_ in own)
    words = shortened(words, _LONGEST)
    for cause in CAUSES:
        if (is_of_own or not cause.of_own) and cause.words.search(words):
            return cause
    return None


def category_of(words: str, default: str = "") -> str:
    """The class of a failure by its message; the default where no cause matches."""
    cause = cause_of(words)
    return cause.category if cause else default
