"""Carriers' lines as they are now: what the directory defines, with what the engine tells of it. The API, the command
and the doctor show the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from directory.definitions import read_snapshot
from directory.model import Trunk
from storage.session import Database


@dataclass(frozen=True, slots=True)
class Line:
    """A line now. What the engine tells is None, and `say` empty, while it or Asterisk does not answer or has not taken
    the line up. Else `registered` is None for a line that does not register, `answers` for one that is not asked (or
    not yet), `round_trip_ms` where it did not answer; `say` is Asterisk's own word. `calls` of this moment, in and out
    together; `cap` 0 is no limit.
    """

    id: str
    name: str
    usable: bool | None = None
    registered: bool | None = None
    answers: bool | None = None
    round_trip_ms: float | None = None
    say: str = ""
    calls: int | None = None
    cap: int = 0


def lines_defined(database: Database) -> Sequence[Trunk]:
    """The directory's lines in their order. Blocking."""
    with database.read() as session:
        return read_snapshot(session).trunks


def lines_now(defined: Sequence[Trunk], told: Mapping[str, Mapping[str, Any]]) -> Sequence[Line]:
    """Each of these lines with what the engine tells (api.gateway.asterisk_tells "lines")."""
    return [_line(one, told.get(one.id)) for one in defined]


def _line(given: Trunk, told: Mapping[str, Any] | None) -> Line:
    if told is None:
        return Line(given.id, given.name, cap=given.cap)
    return Line(
        given.id,
        given.name,
        usable=told["usable"],
        registered=told["registered"],
        answers=told["answers"],
        round_trip_ms=round(told["round_trip_us"] / 1000, 1) or None,
        say=told["say"],
        calls=told.get("calls", 0),
        cap=told.get("cap", given.cap),
    )
