"""A read-only copy of the core's state, evolved from committed facts (ADR 0011).

Web, worker and command line read with it: they need no engine and see only what is durable.
"""

from __future__ import annotations

from acd.core.codec import CORE_VERSION, load_fact, load_state
from acd.core.evolve import evolve
from acd.core.facts import Recorded
from acd.core.model import State
from acd.ports import FactLog, StoredFact

BATCH = 2000
"""Facts read at once: some hundred kilobytes."""


def recorded(stored: StoredFact) -> Recorded:
    """A stored row as a fact with its envelope. Raises UnknownKind for facts of a newer version."""
    fact = load_fact(stored.kind, stored.v, stored.body)
    return Recorded(stored.seq, stored.at, stored.step, stored.by, stored.via, stored.inbox, fact)


class Replica:
    """Follows a log. Not thread-safe; `catch_up` blocks on the log, so call it from a thread where that matters."""

    def __init__(self, log: FactLog, *, use_snapshot: bool = True) -> None:
        self._log = log
        self.state = State()
        self.seq = 0
        self.step = 0
        self.at = 0
        snapshot = log.load_snapshot(CORE_VERSION) if use_snapshot else None
        if snapshot is not None:
            self.state, self.seq = load_state(snapshot.state), snapshot.seq
            last = log.read(snapshot.seq - 1, 1)
            self.step, self.at = (last[0].step, last[0].at) if last else (0, 0)

    def catch_up(self, limit: int | None = None) -> list[Recorded]:
        """Read and evolve everything committed since; returns it. `limit` stops after about that many facts."""
        news: list[Recorded] = []
        while limit is None or len(news) < limit:
            batch = self._log.read(self.seq, BATCH)
            facts = [recorded(stored) for stored in batch]
            for fact in facts:
                self._apply(fact)
            news += facts
            if len(batch) < BATCH:
                break
        return news

    def _apply(self, fact: Recorded) -> None:
        evolve(self.state, fact)
        self.seq, self.step, self.at = fact.seq, fact.step, fact.at
