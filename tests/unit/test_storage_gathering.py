"""Facts that consumers gather are written once a transaction, before its commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from acd.core import facts as f
from acd.core.facts import Recorded
from recordings.consumer import RecordingsConsumer
from records.consumer import RecordsConsumer
from storage import tables
from storage.gathering import GATHERED, gather
from storage.session import BEGIN, WRITE, Database

FACTS = [Recorded(seq, seq, seq, "system", "engine", 0, f.SignedOut(f"s{seq}")) for seq in (1, 2, 3)]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path}/ringside.db")
    with found.write() as session:
        tables.metadata.create_all(session.connection())
    yield found
    found.close()


class Writer:
    """Keeps what it was given, and writes a row each time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.given: list[list[int]] = []

    def write(self, session: Session, facts: list[Recorded]) -> None:
        self.given.append([one.seq for one in facts])
        row = {"id": f"{self.name}-{len(self.given)}", "name": self.name}
        session.execute(tables.skills.insert().values(**row))


def _rows(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(text("SELECT id FROM skills ORDER BY id")))


def test_the_facts_of_a_transaction_are_written_once_by_each_who_gathers_them(database: Database) -> None:
    one, other = Writer("one"), Writer("other")
    for _ in range(2):
        with database.write() as session:
            for fact in FACTS:
                gather(session, fact, one.write)
            gather(session, FACTS[1], other.write)
            assert _rows(database) == [f"{name}-1" for name in ("one", "other") if one.given]
    assert (one.given, other.given) == ([[1, 2, 3]] * 2, [[2]] * 2)
    assert _rows(database) == ["one-1", "one-2", "other-1", "other-2"]


def test_what_was_gathered_before_a_failure_is_not_written(database: Database) -> None:
    one = Writer("one")

    def fail() -> None:
        with database.write() as session:
            gather(session, FACTS[0], one.write)
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fail()
    assert (one.given, _rows(database)) == ([], [])


def test_each_transaction_of_a_session_writes_its_own(database: Database) -> None:
    """Also after a savepoint and after one that was rolled back."""
    one = Writer("one")
    with Session(database.engine.execution_options(**{BEGIN: WRITE})) as session:
        gather(session, FACTS[0], one.write)
        with session.begin_nested():
            gather(session, FACTS[1], one.write)
        assert one.given == []
        session.commit()
        gather(session, FACTS[1], one.write)
        session.execute(text("SELECT 1"))
        session.rollback()
        gather(session, FACTS[2], one.write)
        session.commit()
    assert one.given == [[1, 2], [3]]
    assert _rows(database) == ["one-1", "one-2"]


def test_records_and_recordings_gather_in_one_place(database: Database) -> None:
    arrived = Recorded(1, 1, 1, "system", "engine", 0, f.RecordingBegan("i1", "r1"))
    with database.write() as session:
        for consumer in (RecordsConsumer(), RecordingsConsumer()):
            consumer.apply(session, arrived)
            consumer.apply(session, FACTS[0])  # of no contact
        assert list(session.info[GATHERED].values()) == [[arrived], [arrived]]
        session.info[GATHERED].clear()
