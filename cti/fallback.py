"""What went on while no engine was there, read from the CEL (cti.cel) bit by bit.

Stays in the dialplan's plain queue, and callers the core may never have heard of: those who hung up while the dialplan
waited for the application to come back (cti.dialplan, `entry`), or while nobody listened to it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from acd.core.inputs import FallbackServed
from acd.core.model import EntryPlan, Micros
from cti.cel import USER_DEFINED, CelEvent, FallbackCall, fallback_calls, read_cel
from cti.dialplan import FALLBACK_MARK, SERVED_MARK

ENTRY = "entry"

LONGEST_LOOK_BACK = 4 * 2**20
"""Bytes of the log read at the start, over 1,000 calls in 0.15 s; what came before was told long ago."""


IN_VAIN: Micros = 2_000
"""Microseconds from leaving the application to the hang-up, from which on he did not leave by hanging up: the end of
Stasis by a hang-up bears the hang-up's own time, after a failure the dialplan waits."""


@dataclass(frozen=True, slots=True)
class Try:
    """A caller's tries to reach the application: the first and the last one's end (0 while he is in it)."""

    entry: str
    began_at: Micros
    failed_at: Micros = 0


@dataclass(frozen=True, slots=True)
class Stays:
    """Callers' stays in the fall-back that the core has not been told of: those over, those still there, and the
    callers who left unseen without ever having been in it."""

    over: Sequence[FallbackCall]
    there: Sequence[FallbackCall]
    missed: Sequence[FallbackCall] = ()


class FallbackReader:
    """Remembers how far it has read. Blocking: call it in a thread, one call at a time."""

    def __init__(self, file: Path, since: Micros = 0) -> None:
        """What was over before `since` was told by an earlier engine."""
        self._file = file
        self._since = since
        self._deaf: tuple[Micros, Micros] = (0, 0)
        self._offset = -1
        self._events: list[CelEvent] = []
        self._legs: set[str] = set()
        self._told: set[str] = set()
        self._tries: dict[str, Try] = {}
        self._missed: dict[str, FallbackCall] = {}

    def look(self, alive: Collection[str]) -> Stays:
        """Read on. `alive` are the channels that exist: a caller who is none of them is gone, seen or not."""
        self._read()
        calls = [call for call in fallback_calls(self._events) if call.leg not in self._told]
        fresh = [call for call in calls if not call.ended_at or call.ended_at >= self._since]
        over = [call for call in fresh if call.ended_at or call.leg not in alive]
        there = [call for call in fresh if not call.ended_at and call.leg in alive]
        return Stays(over, there, list(self._missed.values()))

    def deaf(self, since: Micros, until: Micros) -> None:
        """Nobody listened to the application in that time: whoever hung up in it did so unseen."""
        self._deaf = (since, until)

    def _read(self) -> None:
        if self._offset < 0:
            size = self._file.stat().st_size if self._file.exists() else 0
            self._offset = max(0, size - LONGEST_LOOK_BACK)
        events, self._offset = read_cel(self._file, self._offset)
        for event in events:
            self._note_try(event)
            marked = event.kind == USER_DEFINED and event.mark in (FALLBACK_MARK, SERVED_MARK)
            if marked and event.mark == SERVED_MARK and event.linked not in self._legs:
                continue  # a stay that was told already
            if marked and event.mark == FALLBACK_MARK:
                self._legs.add(event.leg)
                self._told.discard(event.leg)
            if marked or (event.kind == "HANGUP" and event.leg in self._legs):
                self._events.append(event)

    def _note_try(self, event: CelEvent) -> None:
        known = self._tries.get(event.leg)
        if event.app == "Stasis" and event.context == ENTRY and event.kind == "APP_START":
            began = known.began_at if known is not None else event.at
            self._tries[event.leg] = Try(event.exten, began)
        elif event.app == "Stasis" and event.context == ENTRY and event.kind == "APP_END" and known is not None:
            self._tries[event.leg] = replace(known, failed_at=event.at)
        elif event.mark == FALLBACK_MARK:
            self._tries.pop(event.leg, None)
        elif event.kind == "HANGUP" and known is not None:
            del self._tries[event.leg]
            in_vain = bool(known.failed_at) and event.at - known.failed_at > IN_VAIN
            unseen = self._deaf[0] <= event.at <= self._deaf[1]
            if event.at >= self._since and (in_vain or unseen):
                self._missed[event.leg] = FallbackCall(event.leg, known.entry, known.began_at, 0, event.at)

    def told(self, call: FallbackCall) -> None:
        """The core knows: forget it."""
        if self._missed.pop(call.leg, None) is not None:
            return
        self._told.add(call.leg)
        self._legs.discard(call.leg)
        self._events = [event for event in self._events if call.leg not in (event.leg, event.linked)]


def served(call: FallbackCall, plan: EntryPlan, now: Micros) -> FallbackServed:
    """The stay as an input. Where nobody saw the end, it is now at the latest and not exact."""
    ended = call.ended_at or now
    return FallbackServed(
        call.leg, plan, call.entered_at, call.answered_at, ended, call.seat, exact=bool(call.ended_at)
    )
