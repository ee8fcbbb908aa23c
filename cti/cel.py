"""Reads the channel event log that Asterisk writes: what happened while nobody of ours watched.

The file is CSV without a head line, one event a line, in time order, flushed event by event
(cti.configuration.CEL_FIELDS). A line cut short by a crash is left out.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from cti.configuration import CEL_FIELDS
from cti.dialplan import FALLBACK_MARK, SERVED_MARK

USER_DEFINED = "USER_DEFINED"
# A record begins with its time in quotes. Quotes inside a field are doubled, so no field can look like a beginning,
# and a line cut short takes no other with it.
_RECORD = re.compile(r'^(?="[0-9]+\.[0-9]{6}",")', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CelEvent:
    """One event. `at` is integer microseconds UTC; `leg` the channel's unique id, `linked` the call's first leg.

    `kind` is CEL's own name (USER_DEFINED for marks), `mark` the mark's name, `extra` JSON or, of a mark, its text.
    """

    at: int
    kind: str
    mark: str
    leg: str
    linked: str
    channel: str
    context: str
    exten: str
    app: str
    data: str
    peer: str
    extra: str


@dataclass(frozen=True, slots=True)
class FallbackCall:
    """A caller's stay in the fall-back. Times are microseconds UTC, 0 where it has not happened (yet). `number` is the
    caller's as the network said it, digits and + only; empty when withheld."""

    leg: str
    entry: str
    entered_at: int
    answered_at: int = 0
    ended_at: int = 0
    seat: str = ""
    number: str = ""


def _micros(text: str) -> int:
    """Microseconds of "1795254428.012345", exactly."""
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 1_000_000 + int(fraction.ljust(6, "0")[:6] or 0)


def _event(line: str) -> CelEvent | None:
    rows = list(csv.reader(io.StringIO(line, newline="")))
    if len(rows) != 1 or len(rows[0]) != len(CEL_FIELDS):
        return None
    row = rows[0]
    try:
        event = CelEvent(_micros(row[0]), *row[1:])
        if event.kind != USER_DEFINED:
            return event
        told = json.loads(event.extra or "{}")
        return replace(event, extra=str(told.get("extra", "")))
    except (ValueError, AttributeError):
        return None


def read_cel(path: Path, offset: int = 0) -> tuple[list[CelEvent], int]:
    """Events from a byte offset on, and the offset after the last whole line. A missing file has no events; one that
    is shorter than the offset was begun anew (logrotate) and is read from its beginning."""
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        offset = offset if offset <= file.seek(0, io.SEEK_END) else 0
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    lines = _RECORD.split(whole.decode("utf-8", "replace"))
    return [event for line in lines if (event := _event(line)) is not None], offset + len(whole)


def fallback_calls(events: Iterable[CelEvent]) -> list[FallbackCall]:
    """Who went through the fall-back, in order of entry; each leg once, at its last entry."""
    entered: dict[str, CelEvent] = {}
    served: dict[str, CelEvent] = {}
    ended: dict[str, int] = {}
    for event in events:
        if event.kind == USER_DEFINED and event.mark == FALLBACK_MARK:
            entered.pop(event.leg, None)
            entered[event.leg] = event
        elif event.kind == USER_DEFINED and event.mark == SERVED_MARK:
            served.setdefault(event.linked, event)
        elif event.kind == "HANGUP":
            ended[event.leg] = event.at
    return [
        FallbackCall(
            leg,
            mark.extra.partition(" ")[0],
            mark.at,
            served[mark.linked].at if mark.linked in served else 0,
            ended.get(leg, 0),
            served[mark.linked].extra if mark.linked in served else "",
            mark.extra.partition(" ")[2],
        )
        for leg, mark in entered.items()
    ]
