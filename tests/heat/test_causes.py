"""What clouds really say: the class of failure it is, and whose."""

from __future__ import annotations

import pytest

from infraci.errors import CATEGORIES
from infraci.heat.causes import CAUSES, OWN_ID, Cause, category_of, cause_of

#: Whose failure it is.
COMMIT, CLOUD = True, False


@pytest.mark.parametrize(
    ("cause", "words"), [(cause, words) for cause in CAUSES for words in cause.says]
)
def test_each_example_of_the_table_is_of_its_row(cause: Cause, words: str) -> None:
    assert cause_of(words, own=[OWN_ID]) is cause


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.what)
def test_each_row_has_examples_and_a_known_class(cause: Cause) -> None:
    assert cause.category in CATEGORIES
    assert cause.says
    assert cause.advice


@pytest.mark.parametrize("cause", [c for c in CAUSES if c.of_own], ids=lambda cause: cause.what)
def test_an_id_of_anything_else_is_checked_by_the_words_alone(cause: Cause) -> None:
    for words in cause.says:
        other = cause_of(words)
        assert other is not None
        assert other is not cause


@pytest.mark.parametrize(
    ("words", "category", "blames"),
    [
        # Neutron
        ("Conflict: resources.net: Quota exceeded for resources: ['network'].", "quota", CLOUD),
        ("NetworkNotFoundClient: resources.p: Network nowhere could not be found.", "not found",
         COMMIT),
        ("InvalidIpForSubnetClient: resources.p: IP address 10.9.9.9 is not a valid IP for the "
         "specified subnet.\nNeutron server returns request_ids: ['req-1']", "template", COMMIT),
        ("BadRequest: resources.p: IP address 10.9.9.9 is not a valid IP for any of the subnets "
         "on the specified network.", "template", COMMIT),
        ("Conflict: resources.s: Found overlapping allocation pools: 10.0.0.2-10.0.0.9 "
         "10.0.0.5-10.0.0.20 for subnet 10.0.0.0/24.", "template", COMMIT),
        ("Conflict: resources.p: Unable to complete operation for network 1b2c. The mac address "
         "fa:16:3e:00:00:01 is in use.", "template", COMMIT),
        ("ServiceUnavailable: resources.n: The service is unavailable.", "api", CLOUD),
        ("Conflict: resources.pair: Port Security must be enabled in order to have allowed "
         "address pairs on a port.", "template", COMMIT),
        # Nova
        ("BadRequest: resources.web: Can not find requested image (HTTP 400)", "not found",
         COMMIT),
        ("BadRequest: resources.web: Multiple security groups found matching 'web'. Use an ID to "
         "be more specific. (HTTP 400)", "template", COMMIT),
        ("BadRequest: resources.web: MessagingTimeout: Timed out waiting for a reply (HTTP 400)",
         "api", CLOUD),
        ("Message: Build of instance 1 aborted: Image 2 is unacceptable: it is too large, Code: "
         "500", "template", COMMIT),
        ("OverLimit: resources.web: This request was rate-limited. (HTTP 429)", "api", CLOUD),
        # Cinder, Glance
        ("VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for quota 'v'.",
         "quota", CLOUD),
        ("NotFound: resources.v: Volume type with name ssd could not be found. (HTTP 404)",
         "not found", COMMIT),
        ("BadRequest: resources.v: Invalid input received: Size of specified image 5GB is larger "
         "than volume size 1GB. (HTTP 400)", "template", COMMIT),
        ("HTTPServiceUnavailable: resources.i: HTTP 503", "api", CLOUD),
        # Heat
        ("ResourceTypeUnavailable: resources.lb: HEAT-E99001 Service octavia is not available "
         "for resource type OS::Octavia::LoadBalancer, reason: none", "not found", COMMIT),
        ("PropertyUnspecifiedError: resources.p: At least one of the following properties must "
         "be specified: network, network_id.", "template", COMMIT),
        ("WaitConditionFailure: resources.ready: Quota exceeded", "signal", COMMIT),
        ("Property error: resources.ready.properties.timeout: Value 'x' is not an integer",
         "template", COMMIT),
        ("CREATE aborted (Task create from Server web Timed out)", "timeout", CLOUD),
        ("Timed out", "timeout", CLOUD),
    ],
)  # fmt: skip
def test_whose_failure_words_tell_of(words: str, category: str, blames: bool) -> None:
    cause = cause_of(words)
    outcome = (cause.category, cause.blames) if cause else ("", CLOUD)
    assert outcome == (category, blames)


@pytest.mark.parametrize("words", ["", "it broke", "KeyError: resources.x: 'a'", "resource 1"])
def test_unknown_words_tell_nothing(words: str) -> None:
    assert cause_of(words) is None
    assert category_of(words, "api") == "api"


def test_of_long_words_the_beginning_and_the_end_are_checked() -> None:
    """A template's names can be repeated in them, and have any length."""
    assert category_of("Timeouts" * 10_000) == ""
    assert category_of(f"Quota exceeded for {'x' * 70_000}") == "quota"
    assert category_of(f"{'x' * 70_000} Quota exceeded") == "quota"
    assert category_of(f"{'x' * 35_000} Quota exceeded {'x' * 35_000}") == ""
