"""Records and the directory give the same rows on SQLite and PostgreSQL: what the pure fold says."""

from __future__ import annotations

import pytest

from acd.ports import AddressSeen, CallerNumber
from directory.definitions import DirectoryConfiguration, DirectoryError
from directory.plans import DirectoryPlans
from directory.seed import seed_demo
from directory.service import assign_extension
from records.consumer import RecordsConsumer
from records.fold import Rules, case_id, fold
from records.model import Case
from records.queries import CallFilter, get_call, list_calls, list_records
from storage.cursors import catch_up
from storage.factlog import SqlFactLog
from storage.session import Database
from tests.support.told import stored, told


def test_rows_are_the_folded_cases(database: Database, fact_log: SqlFactLog) -> None:
    log = told(11, 400)
    fact_log.append(stored(log))
    catch_up(database, fact_log, RecordsConsumer(), 37)
    cases: dict[str, Case] = {}
    for recorded in log:
        item = case_id(recorded.fact)
        case = fold(cases.get(item), recorded, Rules()) if item else None
        if case is not None:
            cases[item] = case
    with database.read() as session:
        listed = list_calls(session, CallFilter(kinds=()), limit=500)
        assert {one.interaction.item for one in listed.calls} == set(cases)
        for item, case in cases.items():
            kept = get_call(session, item)
            assert kept is not None
            assert kept.case.interaction == case.interaction
            assert (kept.case.segments, kept.case.handlings) == (case.segments, case.handlings)
            assert kept.case.record == case.record
        with_record = [case for case in cases.values() if case.record is not None]
        assert len(list_records(session, limit=500).records) == len(with_record) > 0


def test_the_demo_is_the_same_directory(database: Database) -> None:
    with database.write() as session:
        assert seed_demo(session)
    with database.write() as session:
        assert not seed_demo(session)
    definitions = DirectoryConfiguration(database).definitions()
    assert len(definitions) > 20
    with pytest.raises(DirectoryError) as refused, database.write() as session:
        assign_extension(session, "8001", "agent-8002")
    assert refused.value.code == "extension_taken"
    plans = DirectoryPlans(database)
    seen = AddressSeen("81", CallerNumber("0912345678", "+886912345678", "王小明"))
    first, again = plans.plan(seen), plans.plan(seen)
    assert first is not None
    assert first == again
    assert first.address
