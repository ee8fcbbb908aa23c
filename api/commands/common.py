"""What every command has: settings, words, output; and how tables and errors look."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any
from zoneinfo import ZoneInfo

from acd.core.model import Micros
from api import gateway
from api.words import Words
from storage.bus import UnixClient
from storage.settings import Settings


class Exit(IntEnum):
    """How a command ends."""

    OK = 0
    FAILED = 1  # what was asked for does not hold, or went wrong
    USAGE = 2  # the arguments do not fit
    AWAY = 3  # the engine, the database or Asterisk does not answer
    REFUSED = 4  # the core or the directory says no, and why
    UNKNOWN = 5  # there is no such thing


class CommandFailed(Exception):
    """The command ends with this code, its text told on standard error."""

    def __init__(self, code: Exit, say: str) -> None:
        super().__init__(say)
        self.code = code


@dataclass(frozen=True, slots=True)
class Context:
    """One run of a command."""

    settings: Settings
    words: Words
    args: argparse.Namespace

    def say(self, line: str = "") -> None:
        """One line on standard output."""
        print(line, flush=True)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[object]], plain: Sequence[Mapping[str, Any]]) -> None:
        """A list: for a person a table with these heads (keys of the words), with --json the plain rows."""
        if self.args.json:
            self.say(json.dumps(list(plain), ensure_ascii=False, indent=1))
            return
        shown = [[self.words(head) for head in heads], *([str(cell) for cell in row] for row in rows)]
        for line in aligned(shown):
            self.say(line)


Run = Callable[[Context], int]


def asterisk_tells(context: Context, what: str) -> Mapping[str, Mapping[str, Any]]:
    """What Asterisk tells the engine of each phone ("phones") or line ("lines"), by its id; empty while one of them is
    away."""

    async def ask() -> Mapping[str, Mapping[str, Any]]:
        async with UnixClient(context.settings.socket_path) as client:
            return await gateway.asterisk_tells(client, what)

    return asyncio.run(ask())


def width(text: str) -> int:
    """Columns a terminal uses for a text: East Asian letters take two."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def printable(text: str) -> str:
    """Without control characters: what a caller sent must not steer the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Rows of cells as lines, each column as wide as its widest cell."""
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(width(cell) for cell in column) for column in zip(*clean, strict=True)]
    for row in clean:
        cells = (cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def moment(at: Micros, zone: ZoneInfo) -> str:
    """A time in the organisation's zone; "-" for never."""
    if not at:
        return "-"
    return datetime.fromtimestamp(at / 1_000_000, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def seconds(span: Micros) -> str:
    """A duration in seconds with one digit."""
    return f"{span / 1_000_000:.1f}"


def complain(text: str) -> None:
    """One line on standard error."""
    print(f"ringside: {text}", file=sys.stderr, flush=True)
