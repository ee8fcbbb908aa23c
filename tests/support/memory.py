"""Ports in memory: a fact log that can be told to fail, a clock that is moved by hand, an inbox of a list."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from acd.core.model import Micros
from acd.ports import Fenced, InboxRow, Snapshot, StoredFact


@dataclass
class MemoryLog:
    """acd.ports.FactLog over lists. `fail_next` is raised by the next append; `gate` holds appends until set."""

    rows: list[StoredFact] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    fail_next: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def last_seq(self) -> int:
        return self.rows[-1].seq if self.rows else 0

    def append(self, facts: Sequence[StoredFact]) -> None:
        self.gate.wait(5)
        if self.fail_next is not None:
            error, self.fail_next = self.fail_next, None
            raise error
        if facts[0].seq != self.last_seq() + 1:
            raise Fenced(f"seq {facts[0].seq} is taken")
        self.rows.extend(facts)
        self.batches.append(len(facts))

    def read(self, after: int, limit: int = 1000) -> list[StoredFact]:
        return self.rows[max(0, after) : max(0, after) + limit]

    def save_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)

    def load_snapshot(self, version: str) -> Snapshot | None:
        return next((kept for kept in reversed(self.snapshots) if kept.version == version), None)


@dataclass
class HandClock:
    """acd.ports.Clock that stands still until moved."""

    at: Micros

    def now(self) -> Micros:
        return self.at


@dataclass
class ListInbox:
    """acd.ports.Inbox over a list; `forget` False leaves rows pending, as a crash before `done` does."""

    rows: list[InboxRow] = field(default_factory=list)
    forget: bool = True
    finished: list[int] = field(default_factory=list)

    def pending(self, limit: int = 100) -> list[InboxRow]:
        return [row for row in self.rows if row.id not in self.finished][:limit]

    def done(self, ids: Sequence[int]) -> None:
        if self.forget:
            self.finished.extend(ids)
