"""Progress lines and clear endings for the tools; standard library only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent


class SetupFailed(Exception):
    """A step cannot go on; the text says why and what to do."""


def say(text: str) -> None:
    """Print one line at once, so that a person sees what is going on."""
    print(text, flush=True)


def warn(text: str) -> None:
    """Print a warning on standard error."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


def stop(text: str, code: int = 1) -> NoReturn:
    """End the program with a reason on standard error."""
    print(text, file=sys.stderr, flush=True)
    raise SystemExit(code)
