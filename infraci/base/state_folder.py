"""The folder for files that belong to a user and to no repository."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """The state folder: one a user, or where INFRACI_STATE_DIR says."""
    if folder := os.environ.get("INFRACI_STATE_DIR"):
        return Path(folder)
    from platformdirs import user_state_path

    return user_state_path("infraci") / "cloud"
