"""New callers at the same moment: each number becomes one address, and one who fails strands nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from acd.core.model import EntryPlan
from acd.ports import AddressSeen, CallerNumber
from directory import plans, seed
from directory.plans import DirectoryPlans, KnownAddress
from storage import tables
from storage.migrations import upgrade
from storage.session import Database
from tests.support.asterisk import until

CALLERS = 24


class Counting(Database):
    """Counts write transactions."""

    writes = 0

    @contextmanager
    def write(self) -> Iterator[Session]:
        self.writes += 1
        with super().write() as session:
            yield session


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Counting]:
    url = f"sqlite:///{tmp_path / 'main.db'}"
    upgrade(url, "main")
    opened = Counting(url)
    with opened.write() as session:
        seed.seed_demo(session)
    opened.writes = 0
    yield opened
    opened.close()


def seen(number: str) -> AddressSeen:
    return AddressSeen("81", CallerNumber(number, f"+886{number}" if number else ""))


def at_once(given: DirectoryPlans, numbers: list[str]) -> list[EntryPlan | BaseException]:
    """Every number in a thread of its own, begun together."""
    together = threading.Barrier(len(numbers))

    def one(number: str) -> EntryPlan | None:
        together.wait(10)
        return given.plan(seen(number))

    with ThreadPoolExecutor(len(numbers)) as pool:
        asked = [pool.submit(one, number) for number in numbers]
    found: list[EntryPlan | BaseException] = []
    for future in asked:
        error = future.exception()
        result = future.result() if error is None else error
        assert result is not None
        found.append(result)
    return found


def kept(database: Database) -> dict[str, str]:
    with database.read() as session:
        rows = session.execute(select(tables.addresses.c.raw, tables.addresses.c.id)).all()
    return {row.raw: row.id for row in rows}


def test_each_number_is_one_address_and_they_share(database: Counting) -> None:
    given = DirectoryPlans(database)
    numbers = [f"2{n % (CALLERS // 2):07d}" for n in range(CALLERS)]
    with ThreadPoolExecutor(1) as pool:
        with given._keeping:  # as if somebody wrote just now
            asked = pool.submit(at_once, given, numbers)
            until(lambda: len(given._asks) == CALLERS, "all of them wait")
        found = asked.result(20)
    rows = kept(database)
    assert [one.address for one in found if isinstance(one, EntryPlan)] == [rows[number] for number in numbers]
    assert len(set(rows.values())) == CALLERS // 2
    assert database.writes == 1


def test_a_failure_is_told_to_one_and_the_others_go_on(database: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    real = plans.keep_address

    def picky(session: Session, caller: CallerNumber) -> KnownAddress:
        if caller.raw == "20000007":
            raise OSError("no room")
        return real(session, caller)

    monkeypatch.setattr(plans, "keep_address", picky)
    given = DirectoryPlans(database)
    numbers = [f"2{n:07d}" for n in range(CALLERS)]
    found = dict(zip(numbers, at_once(given, numbers), strict=True))
    assert [number for number, one in found.items() if not isinstance(one, EntryPlan)] == ["20000007"]
    assert isinstance(found["20000007"], OSError)
    assert len(kept(database)) == CALLERS - 1


def test_who_shows_no_number_takes_no_transaction(database: Counting) -> None:
    plan = DirectoryPlans(database).plan(seen(""))
    assert plan is not None
    assert plan.address == ""
    assert database.writes == 0
