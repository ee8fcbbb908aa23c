"""Facts of one transaction, gathered in memory and written once, just before its commit.

A batch of 500 facts loads and stores each contact once, and the writer's lock is held for milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.orm import Session

from acd.core.facts import Recorded

Write = Callable[[Session, list[Recorded]], None]
GATHERED = "ringside.gathered"


def gather(session: Session, recorded: Recorded, write: Write) -> None:
    """`write` gets this fact with all others that it is given in this session's transaction, before the commit. What is
    rolled back is forgotten."""
    gathered: dict[Write, list[Recorded]] | None = session.info.get(GATHERED)
    if gathered is None:
        gathered = session.info[GATHERED] = {}
        event.listen(session, "before_commit", _write)
        event.listen(session, "after_rollback", _forget)
    gathered.setdefault(write, []).append(recorded)


def _write(session: Session) -> None:
    if session.in_nested_transaction():  # a savepoint's end is no commit
        return
    gathered: dict[Write, list[Recorded]] = session.info[GATHERED]
    now = dict(gathered)
    gathered.clear()
    for write, facts in now.items():
        write(session, facts)


def _forget(session: Session) -> None:
    session.info[GATHERED].clear()
