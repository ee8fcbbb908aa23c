"""Consumers take each fact exactly once, whatever fails and whoever else works."""

from __future__ import annotations

import dataclasses
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from acd.core.codec import UnknownKind
from acd.core.facts import InputNoted, Recorded
from storage.cursors import LogBroken, Progress, catch_up, position, rewind, run_once
from storage.factlog import SqlFactLog
from storage.session import Database
from storage.settings import Settings
from storage.tables import contacts
from tests.contract.stored import stored

ROOT = Path(__file__).resolve().parent.parent.parent


class Names:
    """Writes one row a fact: the primary key finds a fact applied twice, the count one left out."""

    name = "names"

    def __init__(self, fail_at: int = 0) -> None:
        self.fail_at = fail_at

    def apply(self, session: Session, recorded: Recorded) -> None:
        if recorded.seq == self.fail_at:
            raise ZeroDivisionError
        assert isinstance(recorded.fact, InputNoted)
        row = {"id": f"c{recorded.seq}", "name": recorded.fact.code, "created_at": recorded.at}
        session.execute(insert(contacts).values(**row))


def rows(database: Database) -> list[tuple[str, str, int]]:
    with database.read() as session:
        found = select(contacts.c.id, contacts.c.name, contacts.c.created_at).order_by(contacts.c.created_at)
        return [(row.id, row.name, row.created_at) for row in session.execute(found)]


def expected(last: int) -> list[tuple[str, str, int]]:
    return [(f"c{seq}", f"code {seq}", stored(seq).at) for seq in range(1, last + 1)]


def fill(fact_log: SqlFactLog, last: int) -> None:
    first = fact_log.last_seq() + 1
    fact_log.append([stored(seq, code=f"code {seq}") for seq in range(first, last + 1)])


def test_facts_are_applied_in_order_and_the_lag_is_known(database: Database, fact_log: SqlFactLog) -> None:
    fill(fact_log, 10)
    assert run_once(database, fact_log, Names(), limit=4) == Progress(taken=4, seq=4, lag=6)
    assert rows(database) == expected(4)
    assert catch_up(database, fact_log, Names(), limit=4) == Progress(taken=6, seq=10, lag=0)
    assert run_once(database, fact_log, Names()) == Progress(taken=0, seq=10, lag=0)
    assert rows(database) == expected(10)


def test_a_consumer_that_raises_leaves_rows_and_cursor_as_they_were(database: Database, fact_log: SqlFactLog) -> None:
    fill(fact_log, 9)
    run_once(database, fact_log, Names(), limit=3)
    with pytest.raises(ZeroDivisionError):
        run_once(database, fact_log, Names(fail_at=7))
    assert position(database, "names") == 3
    assert rows(database) == expected(3)
    assert catch_up(database, fact_log, Names()) == Progress(taken=6, seq=9, lag=0)
    assert rows(database) == expected(9)


def test_the_very_first_run_may_fail_too(database: Database, fact_log: SqlFactLog) -> None:
    fill(fact_log, 2)
    with pytest.raises(ZeroDivisionError):
        run_once(database, fact_log, Names(fail_at=1))
    assert (position(database, "names"), rows(database)) == (0, [])


def test_consumers_do_not_share_a_cursor(database: Database, fact_log: SqlFactLog) -> None:
    class Nothing:
        name = "nothing"

        def apply(self, session: Session, recorded: Recorded) -> None:
            """Takes note of nothing."""

    fill(fact_log, 3)
    assert run_once(database, fact_log, Nothing()).seq == 3
    assert position(database, "names") == 0
    assert run_once(database, fact_log, Names()).taken == 3


def test_two_workers_share_the_facts_without_taking_one_twice(settings: Settings, fact_log: SqlFactLog) -> None:
    fill(fact_log, 300)
    problems: list[BaseException] = []
    together = threading.Barrier(2)

    def work() -> None:
        database = Database(settings.main_url)
        together.wait()
        try:
            while run_once(database, fact_log, Names(), limit=7).lag:
                pass
        except BaseException as error:
            problems.append(error)
        database.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database = Database(settings.main_url)
    assert problems == []
    assert rows(database) == expected(300)
    database.close()


WORKER = """
import sys
from storage.cursors import run_once
from storage.factlog import SqlFactLog
from storage.session import Database
from tests.contract.test_storage_cursors import Names
database, log = Database(sys.argv[1]), SqlFactLog(sys.argv[2])
while (done := run_once(database, log, Names(), limit=5)).lag:
    print(done.seq, flush=True)
"""


def test_kill_9_of_a_worker_loses_and_doubles_nothing(
    settings: Settings, database: Database, fact_log: SqlFactLog
) -> None:
    fill(fact_log, 2000)
    chance = random.Random(7)
    for _ in range(5):
        command = [sys.executable, "-c", WORKER, settings.main_url, settings.log_url]
        worker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        for _ in range(chance.randrange(1, 30)):
            assert worker.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(timeout=chance.uniform(0, 0.002))
        worker.kill()
        worker.wait()
        worker.stdout.close()
        reached = position(database, "names")
        assert 0 < reached < 2000
        assert rows(database) == expected(reached)
    catch_up(database, fact_log, Names())
    assert rows(database) == expected(2000)


def test_a_log_that_was_put_back_or_has_a_hole_is_noticed(
    settings: Settings, database: Database, fact_log: SqlFactLog
) -> None:
    fill(fact_log, 5)
    catch_up(database, fact_log, Names())
    with database.write() as session:
        session.execute(text("UPDATE cursors SET seq = 6"))
    with pytest.raises(LogBroken, match="log ends at 5"):
        run_once(database, fact_log, Names())
    with database.write() as session:
        session.execute(text("UPDATE cursors SET seq = 1"))
    log_tables = Database(settings.log_url)
    with log_tables.write() as session:
        session.execute(text("DELETE FROM facts WHERE seq = 2"))
    log_tables.close()
    with pytest.raises(LogBroken, match="fact 2"):
        run_once(database, fact_log, Names())
    assert position(database, "names") == 1


def test_a_fact_of_a_newer_version_stops_the_consumer_before_it(database: Database, fact_log: SqlFactLog) -> None:
    fact_log.append([stored(1, code="code 1"), dataclasses.replace(stored(2), kind="FromTheFuture")])
    with pytest.raises(UnknownKind, match="newer Ringside"):
        run_once(database, fact_log, Names())
    assert position(database, "names") == 0
    assert run_once(database, fact_log, Names(), limit=1).seq == 1


def test_a_rewound_consumer_begins_anew(database: Database, fact_log: SqlFactLog) -> None:
    fill(fact_log, 5)
    catch_up(database, fact_log, Names())
    with database.write() as session:
        session.execute(contacts.delete())
        rewind(session, "names")
    assert catch_up(database, fact_log, Names()).taken == 5
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(contacts)) == 5
