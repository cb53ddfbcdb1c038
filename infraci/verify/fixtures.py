"""``host`` where pytest parametrizes nothing: in ``unittest.TestCase`` classes."""

from __future__ import annotations

import pytest
import testinfra.host

#: The scheme of the one host that Testinfra is given.
SCHEME = "infraci"


@pytest.fixture(scope="module")
def _testinfra_host(request: pytest.FixtureRequest) -> testinfra.host.Host:
    """Take Testinfra's own parameter, or make what it would have been."""
    if hasattr(request, "param"):
        return request.param
    return testinfra.host.get_host(f"{SCHEME}://server")
