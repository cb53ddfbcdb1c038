"""What clouds really say, and the class of failure it is."""

from __future__ import annotations

import pytest

from infraci.errors import CATEGORIES
from infraci.heat.causes import category_of


@pytest.mark.parametrize(
    ("said", "category"),
    [
        ("Quota exceeded for instances: Requested 1, but already used 10 of 10 instances", "quota"),
        ("Quota exceeded for resources: ['network'].", "quota"),
        ("You have reached the maximum stacks per tenant, 100. Please delete some stacks.",
         "quota"),
        ("VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes "
         "quota.", "quota"),
        ("No more IP addresses available on network 1b2c.", "quota"),
        ("Went to status ERROR due to \"Message: No valid host was found. There are not enough "
         "hosts available., Code: 500\"", "no valid host"),
        ("Message: Exceeded maximum number of retries. Exhausted all hosts available for retrying "
         "build failures for instance 1.", "no valid host"),
        ("Message: Build of instance 1 aborted: Failed to allocate the network(s)",
         "no valid host"),
        ("Error validating value 'debian-99': The Image (debian-99) could not be found.",
         "not found"),
        ("Property error: web.Properties.flavor: Error validating value 'huge': No Flavor matching "
         "{'name': 'huge'}.", "not found"),
        ("Error validating value 'k': The Key (k) could not be found.", "not found"),
        ("Unable to find network with name or id 'public'", "not found"),
        ("Stack CREATE timed out", "timeout"),
        ("Timed out", "timeout"),
        ("WaitConditionTimeout: resources.ready: 0 of 1 received", "guest"),
        ("WaitConditionFailure: resources.ready: the disk is full", "guest"),
        ("MessagingTimeout: resources.net: Timed out waiting for a reply to message ID 5", "api"),
        ("InternalServerError: resources.net: Request Failed: internal server error", "api"),
        ("ConnectFailure: resources.web: Unable to establish connection to http://c:8774", "api"),
        ("Unknown Property x", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_class_of_what_was_said(said: str, category: str) -> None:
    assert category_of(said) == category
    assert category in ("", *CATEGORIES)


def test_what_says_nothing_is_what_was_expected() -> None:
    assert category_of("it broke", "api") == "api"
