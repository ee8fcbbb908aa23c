"""`python -m api` is `ringside`: how the supervisor starts its children without looking for a script."""

from __future__ import annotations

import sys


def main() -> int:
    """The command line; a child of the supervisor takes the short way."""
    if sys.argv[1:2] == ["process"] and len(sys.argv) == 3:
        from api.commands.process import MODULES, run
        from storage.settings import Settings

        if sys.argv[2] in MODULES:
            return run(sys.argv[2], Settings())
    from api.cli import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
