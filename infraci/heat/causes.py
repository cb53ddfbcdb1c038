"""What a cloud's words mean: the class of a failure (docs/failures.md tells what to do)."""

from __future__ import annotations

import re

#: The first that is found in the words counts. The words are Heat's reasons, Nova's faults, and
#: the refusals of Neutron, Cinder, Glance and Keystone, as their sources have them (Zed to 2025).
_TABLE: tuple[tuple[str, str], ...] = (
    (
        "quota",
        r"quota\w* (was |is |has been )?exceeded|exceed\w*( \w+){0,2} quota|OverQuota"
        r"|QuotaExceeded|QuotaError|reached the maximum stacks|VolumeLimitExceeded"
        r"|Maximum number of \w+ (allowed|exceeded)"
        r"|No more (free )?(floating )?IP addresses|IpAddressGenerationFailure|exceeds available"
        r"|(instances|cores|ram|gigabytes|volumes|snapshots) limit exceeded",
    ),
    (
        "no valid host",
        r"No valid host|NoValidHost|Exceeded max(imum)? (number of retries|scheduling attempts)"
        r"|Exhausted all hosts|Insufficient compute resources|MaxRetriesExceeded"
        r"|not enough hosts|Build of instance \S+ (aborted|was re-scheduled)"
        r"|ComputeHostNotFound|No valid (backend|storage)",
    ),
    (
        "guest",
        r"WaitCondition(Timeout|Failure)|SwiftSignal(Timeout|Failure)|\d+ of \d+ received",
    ),
    (
        "api",
        r"MessagingTimeout|Internal Server Error|HTTP (500|502|503|504)|Service Unavailable"
        r"|Bad Gateway|Gateway Time-?out|Unable to establish connection|ConnectFailure"
        r"|Remote end closed connection|Connection (refused|reset|aborted)|unexpected API error",
    ),
    (
        "not found",
        r"could not be found|can'?t be found|NotFound\b|not found|No \w+ (found )?matching|"
        r"No \w+ unique match|Unable to find|does not exist|Invalid key_name|Invalid image",
    ),
    ("timeout", r"timed? ?out|TimeOut"),
)

_CAUSES = tuple((category, re.compile(words, re.IGNORECASE)) for category, words in _TABLE)


def category_of(words: str, default: str = "") -> str:
    """The class of a failure, by what was said of it; the default if that says nothing."""
    for category, pattern in _CAUSES:
        if pattern.search(words):
            return category
    return default
