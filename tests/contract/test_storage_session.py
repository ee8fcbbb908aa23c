"""One transaction a request: whole or not at all, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage.session import Database, make_engine
from storage.tables import addresses, contacts, extensions, people, person_queues, queues, skills


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(contacts)) or 0


def test_a_request_is_committed_at_its_end(database: Database) -> None:
    with database.write() as session:
        session.execute(insert(contacts).values(id="c1", name="王小明"))
        assert count(database) == 0
    assert count(database) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_any_exception_undoes_the_request(database: Database, error: type[BaseException]) -> None:
    def request() -> None:
        with database.write() as session:
            session.execute(insert(contacts).values(id="c1"))
            raise error

    with pytest.raises(error):
        request()
    assert count(database) == 0
    with database.write() as session:  # the connection is of use again
        session.execute(insert(contacts).values(id="c1"))
    assert count(database) == 1


def test_a_reader_cannot_write(database: Database) -> None:
    with database.read() as session, pytest.raises(DBAPIError, match=r"readonly|read-only"):
        session.execute(insert(contacts).values(id="c1"))
    assert count(database) == 0


def test_a_reader_sees_one_state_of_the_tables(database: Database) -> None:
    with database.read() as session:
        before = session.scalar(select(func.count()).select_from(contacts))
        with database.write() as other:
            other.execute(insert(contacts).values(id="c1"))
        assert session.scalar(select(func.count()).select_from(contacts)) == before == 0
    assert count(database) == 1


def test_writers_take_turns_and_lose_no_change(database: Database) -> None:
    """Eight threads add to one number; reading before writing in one transaction must not fail or lose."""
    with database.write() as session:
        session.execute(insert(contacts).values(id="c1"))
    problems: list[BaseException] = []

    def add() -> None:
        try:
            for _ in range(10):
                with database.write() as session:
                    session.scalar(select(contacts.c.created_at))
                    session.execute(update(contacts).values(created_at=contacts.c.created_at + 1))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with database.read() as session:
        assert session.scalar(select(contacts.c.created_at)) == 80


def test_foreign_keys_are_checked_at_the_commit(database: Database) -> None:
    with database.write() as session:
        session.execute(insert(person_queues).values(person_id="p1", queue_id="q1"))
        session.execute(insert(people).values(id="p1", name="陳"))
        session.execute(insert(queues).values(id="q1", definition="{}"))

    def dangle() -> None:
        with database.write() as session:
            session.execute(insert(person_queues).values(person_id="p1", queue_id="none"))

    with pytest.raises(IntegrityError):
        dangle()
    with database.read() as session:
        found = session.execute(select(person_queues)).one()
    assert tuple(found) == ("p1", "q1", 0)


def test_defaults_are_of_the_right_type(database: Database) -> None:
    with database.write() as session:
        session.execute(insert(people).values(id="p1"))
        session.execute(insert(skills).values(id="s1"))
        session.execute(insert(extensions).values(number="8001"))
    with database.read() as session:
        assert tuple(session.execute(select(people)).one()) == ("p1", "", 0, False, "", False)
        assert tuple(session.execute(select(extensions)).one()) == ("8001", "", 1, "", None)


def test_a_person_has_one_extension_at_most_and_free_ones_are_many(database: Database) -> None:
    with database.write() as session:
        session.execute(insert(people).values(id="p1"))
        session.execute(insert(extensions), [{"number": "8001"}, {"number": "8002"}])

    def give_both() -> None:
        with database.write() as session:
            session.execute(update(extensions).values(person_id="p1"))

    with pytest.raises(IntegrityError):
        give_both()


def test_one_number_is_one_address_and_erased_ones_stand_side_by_side(database: Database) -> None:
    def seen(row: str) -> None:
        with database.write() as session:
            session.execute(insert(addresses).values(id=row, kind="phone", raw="0912", e164="+886912"))

    seen("a1")
    with pytest.raises(IntegrityError):
        seen("a2")
    for row in ("a1", "a2"):
        with database.write() as session:
            session.execute(update(addresses).where(addresses.c.id == row).values(raw=row, e164="", name=""))
        seen("a2" if row == "a1" else "a3")


def test_an_acknowledged_commit_is_on_the_disk(database: Database) -> None:
    with database.read() as session:
        if database.on_postgres:
            assert session.scalar(text("SHOW synchronous_commit")) == "on"
        else:
            assert session.scalar(text("PRAGMA synchronous")) == 2  # FULL
            assert session.scalar(text("PRAGMA journal_mode")) == "wal"
            assert session.scalar(text("PRAGMA foreign_keys")) == 1


def test_a_database_in_memory_is_refused(tmp_path: Path) -> None:
    for url in ("sqlite://", "sqlite:///:memory:"):
        with pytest.raises(ValueError, match="needs a file"):
            make_engine(url)
