"""Records and the directory give the same rows on SQLite and PostgreSQL: what the pure fold says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert

from acd.core import facts as f
from acd.core.model import SECOND, DirectKind, Outcome, Party
from acd.ports import AddressSeen, CallerNumber
from directory.definitions import DirectoryConfiguration, DirectoryError
from directory.plans import DirectoryPlans
from directory.seed import seed_demo
from directory.service import assign_extension
from records.consumer import RecordsConsumer, open_outbound_record
from records.fold import Rules, fold_into
from records.model import Case
from records.queries import CallFilter, get_call, list_calls, list_records
from storage import tables
from storage.cursors import catch_up, run_once
from storage.factlog import SqlFactLog
from storage.session import Database
from tests.support.told import stored, told


def test_rows_are_the_folded_cases(database: Database, fact_log: SqlFactLog) -> None:
    log = told(11, 400)
    fact_log.append(stored(log))
    catch_up(database, fact_log, RecordsConsumer(), 37)
    cases: dict[str, Case] = {}
    for recorded in log:
        fold_into(cases, recorded, Rules())
    with database.read() as session:
        listed = list_calls(session, CallFilter(kinds=()), limit=500)
        assert {one.interaction.item for one in listed.calls} == set(cases)
        for item, case in cases.items():
            kept = get_call(session, item)
            assert kept is not None
            assert kept.case.interaction == case.interaction
            assert (kept.case.segments, kept.case.handlings) == (case.segments, case.handlings)
            assert (kept.case.transfers, kept.case.marks) == (case.transfers, case.marks)
            assert kept.case.supervisions == case.supervisions
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


def test_a_record_opened_by_hand_and_the_worker_do_not_undo_each_other(
    database: Database, fact_log: SqlFactLog
) -> None:
    """The agent clicks while the worker folds the hang-up: the call keeps both, whoever comes second waits."""
    facts: tuple[f.Fact, ...] = (
        f.DirectStarted("d1", "anna", DirectKind.OUTBOUND, "leg-9", "a-9"),
        f.DirectAnswered("d1", "anna"),
        f.DirectEnded("d1", "anna", DirectKind.OUTBOUND, Outcome.ANSWERED, Party.CUSTOMER, False),
    )
    fact_log.append(stored([f.Recorded(seq, seq * SECOND, seq, "t", "t", 0, one) for seq, one in enumerate(facts, 1)]))
    with database.write() as session:
        session.execute(insert(tables.directory_state).values(id=1, revision=1, policy="{}", outbound_record=False))
    run_once(database, fact_log, RecordsConsumer(), 2)
    with ThreadPoolExecutor(1) as worker:
        with database.write() as session:
            assert open_outbound_record(session, "d1") is not None
            folded = worker.submit(run_once, database, fact_log, RecordsConsumer())
            with pytest.raises(TimeoutError):
                folded.result(0.3)
        assert folded.result(10).taken == 1
    with database.read() as session:
        kept = get_call(session, "d1")
    assert kept is not None
    assert kept.case.record is not None
    assert kept.case.interaction.phase == "ended"
    assert kept.case.record.conversation_end_at == 3 * SECOND
