"""A fake Jenkins controller, with what was observed of a real one (LTS 2.452.2).

Payloads of ``/api/python`` are Python literals; a POST with a password wants a crumb of its own
session, one with an API token wants none; ``/build`` of a job with parameters is 400; XML that is
none is 500; builds wait in the queue, whose items vanish; results are those of what the job's
shell part really did, on an agent that is this machine.
"""

from __future__ import annotations

from tests.jenkins.fake_jenkins.web import PASSWORD, TOKEN, USER, FakeJenkins

__all__ = ["PASSWORD", "TOKEN", "USER", "FakeJenkins"]
