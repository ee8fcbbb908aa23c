"""What the dialplan's plain queue did while no engine was there, read from the CEL (cti.cel) bit by bit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from acd.core.inputs import FallbackServed
from acd.core.model import EntryPlan, Micros
from cti.cel import USER_DEFINED, CelEvent, FallbackCall, fallback_calls, read_cel
from cti.dialplan import FALLBACK_MARK, SERVED_MARK

LONGEST_LOOK_BACK = 32 * 2**20
"""Bytes of the log read at the start, about 20,000 calls; what came before was told long ago."""


@dataclass(frozen=True, slots=True)
class Stays:
    """Callers' stays in the fall-back that the core has not been told of: those over, and those still there."""

    over: Sequence[FallbackCall]
    there: Sequence[FallbackCall]


class FallbackReader:
    """Remembers how far it has read. Blocking: call it in a thread, one call at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = -1
        self._events: list[CelEvent] = []
        self._legs: set[str] = set()
        self._told: set[str] = set()

    def look(self, alive: Collection[str]) -> Stays:
        """Read on. `alive` are the channels that exist: a caller who is none of them is gone, seen or not."""
        self._read()
        calls = [call for call in fallback_calls(self._events) if call.leg not in self._told]
        over = [call for call in calls if call.ended_at or call.leg not in alive]
        return Stays(over, [call for call in calls if not call.ended_at and call.leg in alive])

    def _read(self) -> None:
        if self._offset < 0:
            size = self._file.stat().st_size if self._file.exists() else 0
            self._offset = max(0, size - LONGEST_LOOK_BACK)
        events, self._offset = read_cel(self._file, self._offset)
        for event in events:
            marked = event.kind == USER_DEFINED and event.mark in (FALLBACK_MARK, SERVED_MARK)
            if marked and event.mark == FALLBACK_MARK:
                self._legs.add(event.leg)
                self._told.discard(event.leg)
            if marked or (event.kind == "HANGUP" and event.leg in self._legs):
                self._events.append(event)

    def told(self, call: FallbackCall) -> None:
        """The core knows: forget it."""
        self._told.add(call.leg)
        self._legs.discard(call.leg)
        self._events = [event for event in self._events if call.leg not in (event.leg, event.linked)]


def served(call: FallbackCall, plan: EntryPlan, now: Micros) -> FallbackServed:
    """The stay as an input. Where nobody saw the end, it is now at the latest and not exact."""
    ended = call.ended_at or now
    return FallbackServed(
        call.leg, plan, call.entered_at, call.answered_at, ended, call.seat, exact=bool(call.ended_at)
    )
