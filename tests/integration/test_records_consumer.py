"""V13 over driven logs: one record a connected contact, one reason for every other, whatever the consumer meets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, insert, select

from acd.core import facts as f
from acd.core.facts import Recorded
from acd.core.model import DirectKind, EntryPlan, Kind, Outcome, Party
from records.consumer import NAME, RecordsConsumer, open_outbound_record
from records.explain import NoRecord, explain
from records.fold import Rules, fold_into
from records.model import Case
from records.queries import (
    BadCursor,
    CallFilter,
    CallView,
    count_reasons,
    get_call,
    get_record,
    list_calls,
    list_records,
)
from storage import tables
from storage.cursors import catch_up, position, run_once
from storage.factlog import SqlFactLog, log_metadata
from storage.session import Database
from tests.support.memory import MemoryLog
from tests.support.told import stored, told

KEPT: tuple[Table, ...] = (
    tables.interactions,
    tables.segments,
    tables.legs,
    tables.handlings,
    tables.transfers,
    tables.supervisions,
    tables.marks,
    tables.service_records,
    tables.last_seats,
)
STEPS = 300


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{path}")
    with database.write() as session:
        tables.metadata.create_all(session.connection())
    try:
        yield database
    finally:
        database.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path / "ringside.db") as made:
        yield made


def rows(database: Database) -> dict[str, list[Any]]:
    """Everything records keeps."""
    with database.read() as session:
        return {
            table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key.columns))]
            for table in KEPT
        }


def memory(log: list[Recorded]) -> MemoryLog:
    return MemoryLog(rows=stored(log))


def folded(log: list[Recorded]) -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for recorded in log:
        fold_into(cases, recorded, Rules())
    return cases


# --- what the log itself says, without records -------------------------------------------------------------------


def connected_in(log: list[Recorded]) -> set[str]:
    """Contacts that some seat was connected to; calls between colleagues are no contacts, and a callback that a seat
    took has not reached its customer."""
    virtual = {
        one.fact.item
        for one in log
        if isinstance(one.fact, f.Entered) and one.fact.kind is Kind.CALLBACK and not one.fact.leg
    }
    inside = {
        one.fact.call for one in log if isinstance(one.fact, f.DirectStarted) and one.fact.kind is DirectKind.INTERNAL
    }
    found: set[str] = set()
    for one in log:
        match one.fact:
            case f.Accepted(item=item, bridge=bridge) if not (bridge and item in virtual):
                found.add(item)
            case f.CustomerAnswered(item=item):
                found.add(item)
            case f.FallbackCallServed(item=item, answered_at=answered) if answered:
                found.add(item)
            case f.DirectAnswered(call=call) if call not in inside:
                found.add(call)
            case _:
                pass
    return found


def contacts_in(log: list[Recorded]) -> set[str]:
    """Every contact that came in or went out."""
    opening = (f.Entered, f.FallbackCallServed, f.OutboundStarted)
    items = {one.fact.item for one in log if isinstance(one.fact, opening)}
    return items | {one.fact.call for one in log if isinstance(one.fact, f.DirectStarted)}


# --- V13 ---------------------------------------------------------------------------------------------------------


@pytest.mark.feature("V13")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), steps=st.integers(0, STEPS), drained=st.booleans())
def test_each_connected_contact_has_one_record_and_every_other_one_reason(seed: int, steps: int, drained: bool) -> None:
    log = told(seed, steps, drained=drained)
    cases = folded(log)
    assert set(cases) == contacts_in(log)
    with_record = {item for item, case in cases.items() if case.record is not None}
    assert with_record == connected_in(log)
    ids = [case.record.id for case in cases.values() if case.record is not None]
    assert len(ids) == len(set(ids)) == len(connected_in(log))
    for item, case in cases.items():
        shown = explain(case.interaction, case.record.id if case.record else "")
        assert bool(shown.record) is (item in with_record)
        assert (shown.reason is None) is (item in with_record)
        assert shown.reason is not NoRecord.FAULT
        assert shown.reason is not NoRecord.LIVE or not drained


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_the_rows_of_a_contact_hang_together(seed: int) -> None:
    for case in folded(told(seed, STEPS)).values():
        assert case.interaction.ended_at
        assert all(segment.ended_at for segment in case.segments)
        assert all(leg.ended_at for leg in case.legs)
        assert all(handling.ended_at for handling in case.handlings)
        assert [segment.ordinal for segment in case.segments] == list(range(len(case.segments)))
        assert case.interaction.shape == "none"
        assert not case.interaction.owner
        assert all(transfer.ended_at and transfer.result for transfer in case.transfers)
        assert all(watched.ended_at for watched in case.supervisions)
        if case.record is not None:
            assert case.record.id == case.interaction.record
            assert case.record.conversation_end_at
            assert case.record.service_end_at >= case.record.conversation_end_at >= case.record.service_start_at
            assert case.record.service_start_at >= case.record.contact_at


@pytest.mark.parametrize("seed", [1, 2])
def test_pieces_of_any_size_give_the_same_rows(tmp_path: Path, seed: int) -> None:
    log = told(seed, STEPS)
    found = []
    for size in (1, 2, 7, 50, 10_000):
        with opened(tmp_path / f"{size}.db") as database:
            catch_up(database, memory(log), RecordsConsumer(), size)
            found.append(rows(database))
    assert found[0]["service_records"]
    assert all(one == found[0] for one in found)


def test_rows_are_the_folded_cases(database: Database) -> None:
    log = told(3, STEPS)
    catch_up(database, memory(log), RecordsConsumer(), 13)
    with database.read() as session:
        for item, case in folded(log).items():
            kept = get_call(session, item)
            assert kept is not None
            assert kept.case.interaction == case.interaction
            assert (kept.case.segments, kept.case.handlings, kept.case.record) == (
                case.segments,
                case.handlings,
                case.record,
            )
            assert (kept.case.transfers, kept.case.supervisions, kept.case.marks) == (
                case.transfers,
                case.supervisions,
                case.marks,
            )
            assert sorted(kept.case.legs, key=_by_leg) == sorted(case.legs, key=_by_leg)


def _by_leg(leg: Any) -> str:
    return str(leg.leg)


def test_facts_that_come_twice_change_nothing(database: Database) -> None:
    log = told(4, STEPS)
    catch_up(database, memory(log), RecordsConsumer())
    before = rows(database)
    with database.write() as session:
        for recorded in log:
            RecordsConsumer().apply(session, recorded)
    assert rows(database) == before


class Failing:
    """The consumer, but it breaks at a given fact: once, as a full disk or a lost connection would."""

    def __init__(self, breaks_at: int) -> None:
        self.breaks_at = breaks_at
        self._real = RecordsConsumer()

    @property
    def name(self) -> str:
        return self._real.name

    def apply(self, session: Any, recorded: Recorded) -> None:
        if recorded.seq == self.breaks_at:
            self.breaks_at = 0
            raise OSError("disk full")
        self._real.apply(session, recorded)


def test_a_batch_that_breaks_is_taken_again_whole(tmp_path: Path) -> None:
    log = told(5, STEPS)
    with opened(tmp_path / "smooth.db") as smooth:
        catch_up(smooth, memory(log), RecordsConsumer(), 20)
        expected = rows(smooth)
    with opened(tmp_path / "rough.db") as rough:
        consumer = Failing(len(log) // 2)
        with pytest.raises(OSError, match="disk full"):
            catch_up(rough, memory(log), consumer, 20)
        assert position(rough, NAME) == (len(log) // 2 - 1) // 20 * 20
        catch_up(rough, memory(log), consumer, 20)
        assert rows(rough) == expected


CHILD = """
import sys
from pathlib import Path
from records.consumer import RecordsConsumer
from storage.cursors import run_once
from storage.factlog import SqlFactLog
from storage.session import Database
database, log = Database(f"sqlite:///{sys.argv[1]}"), SqlFactLog(f"sqlite:///{sys.argv[2]}")
while run_once(database, log, RecordsConsumer(), 3).taken:
    print("batch", flush=True)
"""


def test_a_worker_killed_between_and_in_batches_loses_nothing(tmp_path: Path) -> None:
    log = told(6, STEPS)
    facts = tmp_path / "facts.db"
    with Database(f"sqlite:///{facts}").write() as session:
        log_metadata.create_all(session.connection())
    kept = SqlFactLog(f"sqlite:///{facts}")
    kept.append(stored(log))
    with opened(tmp_path / "smooth.db") as smooth:
        catch_up(smooth, kept, RecordsConsumer())
        expected = rows(smooth)
    path = tmp_path / "killed.db"
    with opened(path) as killed:
        for batches in (1, 4, 9):
            _kill_after(path, facts, batches)
            assert 0 < position(killed, NAME) < len(log)
        catch_up(killed, kept, RecordsConsumer(), 3)
        assert rows(killed) == expected
    kept.close()


def _kill_after(path: Path, facts: Path, batches: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(facts)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    deadline = time.monotonic() + 60
    for _ in range(batches):
        assert child.stdout.readline() == "batch\n"
        assert time.monotonic() < deadline
    os.kill(child.pid, signal.SIGKILL)
    child.stdout.close()
    assert child.wait(10) == -signal.SIGKILL


# --- reading -------------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(database: Database) -> tuple[Database, list[Recorded]]:
    log = told(7, 600)
    catch_up(database, memory(log), RecordsConsumer())
    return database, log


def test_pages_give_every_call_once_newest_first(filled: tuple[Database, list[Recorded]]) -> None:
    database, log = filled
    shown: list[CallView] = []
    after = ""
    with database.read() as session:
        while True:
            page = list_calls(session, CallFilter(kinds=()), after=after, limit=7)
            shown += page.calls
            after = page.next
            if not after:
                break
    assert len(shown) == len(contacts_in(log)) > 20
    assert {one.interaction.item for one in shown} == contacts_in(log)
    times = [one.interaction.entered_at for one in shown]
    assert times == sorted(times, reverse=True)
    for one in shown:
        assert bool(one.explanation.record) is (one.explanation.reason is None)


FILTERS: list[tuple[CallFilter, Callable[[Any], bool]]] = [
    (CallFilter(), lambda one: one.kind == "call"),
    (CallFilter(kinds=(), medium="chat"), lambda one: one.medium == "chat"),
    (CallFilter(kinds=(), queue="sales"), lambda one: one.queue == "sales"),
    (CallFilter(kinds=(), recorded=True), lambda one: one.reason == ""),
    (CallFilter(kinds=(), recorded=False), lambda one: one.reason != ""),
    (CallFilter(kinds=(), outcome="abandoned_ivr"), lambda one: one.outcome == "abandoned_ivr"),
    (CallFilter(kinds=(), reason="left_on_the_way"), lambda one: one.reason == "left_on_the_way"),
    (CallFilter(kinds=(), direction="outbound"), lambda one: one.direction == "outbound"),
    (CallFilter(kinds=(), seat="s1"), lambda one: one.seat == "s1"),
    (CallFilter(kinds=(), live=False), lambda one: one.ended_at),
]


@pytest.mark.parametrize(("wanted", "holds"), FILTERS)
def test_filters_take_what_they_say(
    filled: tuple[Database, list[Recorded]], wanted: CallFilter, holds: Callable[[Any], bool]
) -> None:
    database, log = filled
    expected = {item for item, case in folded(log).items() if holds(case.interaction)}
    assert expected
    with database.read() as session:
        found = list_calls(session, wanted, limit=500)
    assert {one.interaction.item for one in found.calls} == expected


def test_a_span_of_time_takes_its_beginning_and_not_its_end(filled: tuple[Database, list[Recorded]]) -> None:
    database, _ = filled
    with database.read() as session:
        whole = list_calls(session, CallFilter(kinds=()), limit=500).calls
        first, last = whole[-1].interaction.entered_at, whole[0].interaction.entered_at
        span = list_calls(session, CallFilter(kinds=(), since=first, until=last), limit=500).calls
    assert {one.interaction.item for one in span} == {
        one.interaction.item for one in whole if first <= one.interaction.entered_at < last
    }
    assert 0 < len(span) < len(whole)


@pytest.mark.parametrize("cursor", ["x", "~", "12", "12~", "~a", "-1~a", "9" * 30 + "~a", "１~a"])
def test_a_cursor_that_is_not_ours_is_refused(filled: tuple[Database, list[Recorded]], cursor: str) -> None:
    database, _ = filled
    with database.read() as session, pytest.raises(BadCursor):
        list_calls(session, after=cursor)


def test_records_are_listed_and_read(filled: tuple[Database, list[Recorded]]) -> None:
    database, log = filled
    with database.read() as session:
        page = list_records(session, limit=2)
        rest = list_records(session, after=page.next, limit=500)
        found = [*page.records, *rest.records]
        assert {one.item for one in found} == connected_in(log)
        assert len(found) == len(connected_in(log)) > 2
        assert get_record(session, found[0].id) == found[0]
        assert get_record(session, "nothing") is None
        assert get_call(session, "nothing") is None


def test_counts_put_every_contact_into_one_place(filled: tuple[Database, list[Recorded]]) -> None:
    database, log = filled
    with database.read() as session:
        counts = count_reasons(session)
        assert sum(counts.values()) == len(contacts_in(log))
        assert counts[""] == len(connected_in(log))
        assert NoRecord.FAULT not in counts


PLAN = EntryPlan(entry="83", revision=1, queue="vip", address="a-9")


def small_log(*facts: f.Fact) -> MemoryLog:
    return memory(
        [Recorded(seq, seq * 1_000_000, seq, "system", "engine", 0, fact) for seq, fact in enumerate(facts, 1)]
    )


def test_the_number_is_shown_until_it_is_erased(database: Database) -> None:
    run_once(database, small_log(f.Entered("i1", 1, Kind.CALL, "voice", "s1", PLAN, "leg-1")), RecordsConsumer())
    address = {"id": "a-9", "kind": "phone", "raw": "0912", "e164": "+886912"}
    with database.write() as session:
        session.execute(insert(tables.addresses).values(**address))
    with database.read() as session:
        assert list_calls(session, CallFilter(number="0912")).calls[0].number == "+886912"
    with database.write() as session:
        session.execute(tables.addresses.update().values(raw="a-9", e164="", erased_at=1))
    with database.read() as session:
        assert list_calls(session).calls[0].number == ""


def test_who_answered_last_is_kept_for_the_next_call(database: Database) -> None:
    entered = f.Entered("i1", 1, Kind.CALL, "voice", "s1", PLAN, "leg-1")
    accepted: list[f.Fact] = [f.Accepted(f"o{n}", "i1", seat, "voice", "vip") for n, seat in enumerate(("anna", "ben"))]
    run_once(database, small_log(entered, *accepted), RecordsConsumer())
    assert rows(database)["last_seats"] == [("a-9", "ben", 3_000_000)]


OUTBOUND = (
    f.DirectStarted("d1", "anna", DirectKind.OUTBOUND, "leg-9", "a-9"),
    f.DirectAnswered("d1", "anna"),
)


@pytest.mark.feature("V2")
def test_switch_for_outbound_records(database: Database) -> None:
    """ON: a connected call opens a record for the agent by itself. OFF: after connect the agent makes it by hand."""
    switch_on, switch_off = ({"id": 1, "revision": 1, "policy": "{}", "outbound_record": on} for on in (True, False))
    log = small_log(*OUTBOUND)
    with database.write() as session:
        session.execute(insert(tables.directory_state).values(**switch_off))
    run_once(database, log, RecordsConsumer(), 1)
    with database.write() as session:
        assert open_outbound_record(session, "d1") is None  # not connected yet
    run_once(database, log, RecordsConsumer(), 1)
    with database.read() as session:
        call = list_calls(session).calls[0]
    assert call.explanation.reason is NoRecord.OUTBOUND_SWITCH_OFF
    with database.write() as session:
        made = open_outbound_record(session, "d1")
    assert made is not None
    assert made.record is not None
    with database.read() as session:
        assert list_calls(session).calls[0].explanation.record == made.record.id
        assert list_records(session).records[0].seat == "anna"
    with database.write() as session:
        session.execute(tables.directory_state.update().values(**switch_on))
    second: list[f.Fact] = [
        f.DirectStarted("d2", "ben", DirectKind.OUTBOUND, "leg-8", "a-9"),
        f.DirectAnswered("d2", "ben"),
        f.DirectEnded("d2", "ben", DirectKind.OUTBOUND, Outcome.ANSWERED, Party.CUSTOMER, False),
    ]
    more = small_log(*OUTBOUND, *second)
    run_once(database, more, RecordsConsumer(), 1)
    with database.read() as session:
        assert len(list_records(session).records) == 1  # d2 rings: nobody is connected, so there is none yet
    catch_up(database, more, RecordsConsumer())
    with database.read() as session:
        assert [one.seat for one in list_records(session).records] == ["ben", "anna"]
