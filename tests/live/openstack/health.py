"""Whether the OpenStack is well: its processes, its agents, and what they fail at repeatedly."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from itertools import dropwhile

from tests.live.openstack import catalogue, lifecycle
from tests.live.openstack.place import BrokenError, Place
from tests.live.openstack.processes import last_lines, started_at

#: Agents that log no errors as long as they are well, whatever fails in a test's own stack.
_QUIET = (
    "neutron-linuxbridge-agent",
    "neutron-dhcp-agent",
    "neutron-l3-agent",
    "neutron-metadata-agent",
)
#: An agent that fails this often at the same thing does nothing else any more.
_REPEATED = 5
_RECORD = re.compile(r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.\d+ \d+ (?P<rest>[A-Z]+ .*)")
#: The request that a record belongs to, in which two records of the same failure differ.
_REQUEST = re.compile(r"\[[^]]*\] ?")


def ailments(place: Place) -> list[str]:
    """What is wrong, each line naming the process and, if there is one, the line of its log."""
    ended = [name for name, runs in lifecycle.state(place).items() if not runs]
    if ended:
        return [f"{name} does not run{_last_words(place, name)}" for name in ended]
    try:
        down = catalogue.agents_that_are_down(catalogue.administrator(place))
    except (BrokenError, OSError) as error:
        return [f"the cloud does not answer: {error}"]
    lines = [f"{name} is down{_last_words(place, name)}" for name in down]
    return lines + [line for name in _QUIET if (line := repeated_failure(place, name))]


def repeated_failure(place: Place, name: str) -> str | None:
    """The failure that an agent has repeated since it was started, or None."""
    begun = datetime.fromtimestamp(started_at(place, name)).isoformat(" ", "seconds")
    lines = (place.log / f"{name}.log").read_text(errors="replace").splitlines()
    records = [record for line in lines if (record := _RECORD.match(line))]
    since = dropwhile(lambda record: record["time"] < begun, records)
    errors = [record["rest"] for record in since if record["rest"].startswith("ERROR ")]
    failures = Counter(_REQUEST.sub("", error, count=1) for error in errors)
    for failure, count in failures.most_common(1):
        if count >= _REPEATED:
            return f"{name} has failed {count} times at the same: {failure}"
    return None


def _last_words(place: Place, name: str) -> str:
    log = place.log / f"{name}.log"
    return f": {last_lines(log)[-1]} ({log})" if log.exists() and last_lines(log) else ""
