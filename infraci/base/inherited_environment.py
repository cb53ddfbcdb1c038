"""The environment variables that a commit's programs inherit: those of an allow-list.

Tokens and passwords of clouds, CI engines and registries are in variables of any name. So programs
inherit only the variables that any program needs to run; a pipeline names others that its programs
need under ``environment:``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_NAMES = frozenset(
    """
    PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM COLORTERM COLUMNS LINES NO_COLOR CI
    TMPDIR TMP TEMP
    LD_LIBRARY_PATH VIRTUAL_ENV
    RUBYLIB RUBYOPT GEM_HOME GEM_PATH BUNDLE_GEMFILE BUNDLE_PATH
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE
    """.split()  # noqa: SIM905
)
_PREFIXES = ("LC_", "PYTHON")
_PROXIES = frozenset({"http_proxy", "https_proxy", "no_proxy", "all_proxy"})


def inherited(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that a commit's programs inherit; no proxy whose address holds a password."""
    return {name: value for name, value in environment.items() if _is_inherited(name, value)}


def _is_inherited(name: str, value: str) -> bool:
    if name.lower() in _PROXIES:
        return "@" not in value
    return name in _NAMES or name.startswith(_PREFIXES)
