"""``python -m infraci``."""

from __future__ import annotations

import sys

from infraci.cli import main

if __name__ == "__main__":
    sys.exit(main())
