"""`python -m api` is `ringside`: how the supervisor starts its children without looking for a script."""

from __future__ import annotations

import sys

from api.cli import main

if __name__ == "__main__":
    sys.exit(main())
