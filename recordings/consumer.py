"""The consumer that fills the index (storage.cursors.Consumer): exactly once, since cursor and rows share a commit.

The facts of one transaction are folded in memory and written once (storage.gathering).
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from acd.core.facts import Recorded
from recordings import rows
from recordings.fold import Case, fold, item_of
from storage.gathering import gather

NAME = "recordings"


class RecordingsConsumer:
    """One row a recording, with all that it is found by."""

    @property
    def name(self) -> str:
        """Names its cursor for ever."""
        return NAME

    def apply(self, session: Session, recorded: Recorded) -> None:
        """Take the fact up; the rows are written before this session's transaction commits."""
        if item_of(recorded.fact):
            gather(session, recorded, apply_batch)


def apply_batch(session: Session, batch: list[Recorded]) -> None:
    """Fold these facts and write what changed. Facts that were applied before change nothing."""
    items = list(dict.fromkeys(item_of(recorded.fact) for recorded in batch))
    cases = rows.load(session, items)
    known = {item: frozenset(case.recordings) for item, case in cases.items()}
    before = {item: _seen(case) for item, case in cases.items()}
    for recorded in batch:
        fold(cases[item_of(recorded.fact)], recorded)
    changed = [case for item, case in cases.items() if _seen(case) != before[item]]
    rows.save(session, changed, known)


def _seen(case: Case) -> tuple[int, int]:
    """Changes with every fact that the case took."""
    contact = case.contact.last_seq if case.contact is not None else 0
    return contact, max((row.last_seq for row in case.recordings.values()), default=0)


__all__ = ["NAME", "RecordingsConsumer", "apply_batch"]
