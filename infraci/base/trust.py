"""Whether the commit under test is trusted, that is, comes from a maintainer.

An environment variable says so, for this process and all that it starts. A setting in the
repository would not do: the commit could change it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLE = "INFRACI_UNTRUSTED"


def is_untrusted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether programs of the commit get a sandbox, and its pipelines no secrets."""
    return environment.get(VARIABLE, "0").lower() not in ("", "0", "false", "no", "off")


def distrust() -> None:
    """Take the commit for untrusted from now on."""
    os.environ[VARIABLE] = "1"
