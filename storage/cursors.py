"""Consumers of the log: each fact is applied exactly once, since the cursor moves in the transaction of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from acd.core.facts import Recorded
from acd.ports import FactLog
from acd.replica import recorded
from storage.session import Database
from storage.tables import cursors

BATCH = 500  # facts a transaction: long enough to share an fsync, short enough not to make other writers wait


class Consumer(Protocol):
    """What makes rows of facts. Deterministic: the same facts give the same rows."""

    @property
    def name(self) -> str:
        """Names its cursor for ever."""
        ...

    def apply(self, session: Session, recorded: Recorded) -> None:
        """Write what this fact means, in the session given; never commit. An exception undoes the whole batch."""
        ...


class LogBroken(Exception):
    """The log does not go on where the cursor stands: a fact is missing, or an older log was put back.

    Put the right facts database back, or rewind the consumer.
    """


@dataclass(frozen=True, slots=True)
class Progress:
    """After a run: `taken` facts were applied, the cursor stands at `seq`, `lag` facts are still to come (a gauge)."""

    taken: int
    seq: int
    lag: int


def run_once(database: Database, log: FactLog, consumer: Consumer, limit: int = BATCH) -> Progress:
    """Apply the next facts, at most `limit`, and move the cursor, in one transaction.

    What the consumer raises comes out here and leaves rows and cursor as they were. Two workers may run the same
    consumer: one of them takes the batch, the other takes nothing. Raises UnknownKind for facts of a newer version,
    LogBroken where a fact is missing.
    """
    last = log.last_seq()
    seq = position(database, consumer.name)
    if seq > last:
        raise LogBroken(f"{consumer.name} has read up to fact {seq}, but the log ends at {last}")
    if seq == last:
        return Progress(0, seq, 0)
    batch = log.read(seq, limit)
    if [fact.seq for fact in batch] != list(range(seq + 1, seq + 1 + len(batch))):
        raise LogBroken(f"the log does not go on at fact {seq + 1}")
    facts = [recorded(fact) for fact in batch]
    following = batch[-1].seq
    with database.write() as session:
        if not _move(session, consumer.name, seq, following):
            session.rollback()
            return Progress(0, seq, last - seq)
        for fact in facts:
            consumer.apply(session, fact)
    return Progress(len(facts), following, max(last - following, 0))


def catch_up(database: Database, log: FactLog, consumer: Consumer, limit: int = BATCH) -> Progress:
    """Run until nothing is left that was in the log at the beginning; the sum of the runs."""
    goal, taken = log.last_seq(), 0
    while True:
        progress = run_once(database, log, consumer, limit)
        taken += progress.taken
        if progress.seq >= goal or not progress.taken:
            return Progress(taken, progress.seq, progress.lag)


def position(database: Database, name: str) -> int:
    """The last fact that the consumer has applied, 0 before the first."""
    with database.read() as session:
        return session.scalar(select(cursors.c.seq).where(cursors.c.name == name)) or 0


def rewind(session: Session, name: str) -> None:
    """Let the consumer begin anew; delete its rows in the same session."""
    session.execute(delete(cursors).where(cursors.c.name == name))


def _move(session: Session, name: str, old: int, new: int) -> bool:
    """Move the cursor before rows are written: it is the lock between two workers. False: the other one was here."""
    mine = update(cursors).where(cursors.c.name == name, cursors.c.seq == old).values(seq=new)
    if session.execute(mine.returning(cursors.c.seq)).first() is not None:
        return True
    if old:
        return False
    try:
        with session.begin_nested():
            session.execute(insert(cursors).values(name=name, seq=new))
    except IntegrityError:
        return False
    return True
