"""Blacklist and VIPs by address id, entry plans with hours, the extension pool, and the dry run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from acd.core.decide import Core
from acd.core.inputs import EngineStarted, PhoneChanged, SeatSignedIn, Stamp, StatusChosen
from acd.core.model import SECOND, Destination, EntryPlan, Menu, MenuOption, Outcome, Presence, State, Way
from acd.core.reply import Done
from acd.ports import AddressSeen, CallerNumber
from directory import callers, changes, service
from directory.callers import AGENT_TERM
from directory.definitions import DirectoryConfiguration, DirectoryError, read_revision, read_snapshot
from directory.dry_run import Step, who_serves
from directory.model import EntryPoint, Hours, Stretch, WeekDay
from directory.plans import CallerKnown, DirectoryPlans, KnownAddress
from storage import tables
from storage.session import Database
from tests.support.copies import demo_database

TAIPEI = ZoneInfo("Asia/Taipei")
CALLER = CallerNumber("0912345678", "+886912345678", "王")
NOW = int(datetime(2026, 11, 23, 10, tzinfo=TAIPEI).timestamp()) * SECOND  # a Monday
SUNDAY = int(datetime(2026, 11, 22, 20, 5, tzinfo=TAIPEI).timestamp()) * SECOND
LUNCH = NOW + 2 * 3600 * SECOND + 1
OFFICE = Hours(
    "office",
    "辦公",
    week=tuple(WeekDay(d, (Stretch("09:00", "18:00"),), (Stretch("12:00", "13:00"),)) for d in range(5)),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = demo_database(tmp_path)
    yield found
    found.close()


class Calls:
    """Entry plans at a moment one can set."""

    def __init__(self, database: Database) -> None:
        self.now = NOW
        self._plans = DirectoryPlans(database, now=lambda: self.now)

    def plan(self, entry: str = "81", caller: CallerNumber = CALLER) -> EntryPlan:
        """The plan of one call."""
        plan = self._plans.plan(AddressSeen(entry, caller))
        assert plan is not None
        return plan


# --- the blacklist -----------------------------------------------------------------------------------------------


@pytest.mark.feature("D24")
def test_a_blacklisted_caller_is_never_connected_and_hears_the_words(database: Database) -> None:
    calls = Calls(database)
    address = calls.plan().address
    with database.write() as session:
        entry = read_snapshot(session).entry("81")
        assert entry is not None
        service.put_entry_point(session, replace(entry, refused_prompt="ringside/busy"))
        callers.block(session, address, at=NOW, by="amy", via="api")
    refused = calls.plan()
    assert (refused.refuse, refused.greeting, refused.start) == (Outcome.BLACKLISTED, "ringside/busy", None)
    assert calls.plan(caller=CallerNumber("0987654321", "+886987654321")).refuse is None


@pytest.mark.feature("C8")
def test_an_agents_entry_frees_itself_after_24_hours_to_the_microsecond(database: Database) -> None:
    calls = Calls(database)
    address = calls.plan().address
    with database.write() as session:
        entry = callers.block(session, address, at=NOW, by="amy", via="api")
    assert entry.until == NOW + 24 * 3600 * SECOND == NOW + AGENT_TERM
    calls.now = entry.until - 1
    assert calls.plan().refuse is Outcome.BLACKLISTED
    calls.now = entry.until
    assert calls.plan().refuse is None
    with database.write() as session:
        assert callers.blacklisted(session, entry.until) == []
        callers.block(session, address, at=entry.until, by="boss", via="api", for_good=True)
        again = callers.block(session, address, at=entry.until, by="amy", via="api")
    assert again.until == 0, "an agent's entry does not shorten what an administrator made for good"
    calls.now = NOW + 100 * 365 * AGENT_TERM
    assert calls.plan().refuse is Outcome.BLACKLISTED
    with database.write() as session:
        callers.unblock(session, address)
        with pytest.raises(DirectoryError, match="not on the blacklist"):
            callers.unblock(session, address)
    assert calls.plan().refuse is None


@pytest.mark.parametrize(
    ("raw", "e164"),
    [
        ("0912345678", "+886912345678"),
        ("886912345678", "+886912345678"),  # the same number as another line writes it, kept as well
        ("+886912345678", "+886912345678"),  # and once more, never seen
        ("1001", ""),
        ("1002", ""),
        ("", ""),
        ("0987654321", "+886987654321"),
    ],
)
@pytest.mark.parametrize("at", [NOW, NOW + AGENT_TERM])
def test_one_statement_finds_what_the_single_ones_do(database: Database, raw: str, e164: str, at: int) -> None:
    with database.write() as session:
        ids = [
            callers.keep_address(session, CallerNumber(*one)).id
            for one in (("0912345678", "+886912345678"), ("886912345678", "+886912345678"), ("1001", ""), ("1003", ""))
        ]
        callers.block(session, ids[1], at=NOW, by="u", via="t")
        callers.block(session, ids[3], at=NOW, by="u", via="t", for_good=True)
        callers.set_vip(session, ids[0], 5, at=NOW, by="u")
        callers.set_vip(session, ids[1], 9, at=NOW, by="u")
        callers.set_vip(session, ids[2], 2, at=NOW, by="u")
        session.execute(insert(tables.last_seats).values(address=ids[0], seat="anna", at=NOW))
    with database.read() as session:
        found = callers.find_caller(session, callers.PHONE, raw, e164, at)
        address = callers.find_address(session, callers.PHONE, raw, e164)
        known = address.id if address else ""
        assert found == callers.CallerFound(
            address,
            callers.last_seat(session, known),
            callers.is_blocked(session, known, e164, at),
            callers.vip_priority(session, known, e164),
            read_revision(session),
        )


def test_the_same_number_in_another_spelling_is_blocked_too(database: Database) -> None:
    calls = Calls(database)
    address = calls.plan().address
    with database.write() as session:
        callers.block(session, address, at=NOW, by="amy", via="api")
    other = calls.plan(caller=CallerNumber("+886912345678", "+886912345678"))
    assert other.address != address
    assert other.refuse is Outcome.BLACKLISTED


def _spellings(session: Session) -> tuple[str, str]:
    """Two addresses of one number, as two lines write it."""
    given = (CALLER, CallerNumber("+886912345678", "+886912345678"))
    one, other = (callers.keep_address(session, caller).id for caller in given)
    return one, other


def test_a_number_is_taken_off_by_whichever_spelling(database: Database) -> None:
    with database.write() as session:
        one, other = _spellings(session)
        short, shorter = (callers.keep_address(session, CallerNumber(raw, "")).id for raw in ("1001", "1002"))
        stays = callers.block(session, short, at=NOW, by="amy", via="api")
        callers.block(session, one, at=NOW, by="amy", via="api", for_good=True)
        session.execute(insert(tables.blacklist).values(address=other, until=0))  # of an older Ringside
        callers.unblock(session, other)
        assert callers.blacklisted(session, NOW) == [stays]
        with pytest.raises(DirectoryError, match="not on the blacklist"):
            callers.unblock(session, shorter)
        with pytest.raises(DirectoryError, match="not on the blacklist"):
            callers.unblock(session, one)


def test_a_number_has_one_entry_which_no_other_spelling_shortens(database: Database) -> None:
    with database.write() as session:
        one, other = _spellings(session)
        callers.block(session, one, at=NOW, by="amy", via="api")
        longer = callers.block(session, other, at=NOW, by="boss", via="api", for_good=True)
        assert callers.blacklisted(session, NOW) == [longer]
        assert callers.block(session, one, at=NOW, by="amy", via="api") == longer
        assert callers.blacklisted(session, NOW) == [longer]


def test_the_points_of_a_number_are_the_last_given_by_any_spelling(database: Database) -> None:
    with database.write() as session:
        one, other = _spellings(session)
        callers.set_vip(session, one, 60, at=NOW, by="boss")
        callers.set_vip(session, other, 5, at=NOW, by="boss")
        assert [callers.vip_priority(session, address, CALLER.e164) for address in (one, other)] == [5, 5]
        callers.set_vip(session, one, 0, at=NOW, by="boss")
        assert list(callers.vips(session)) == []


def test_erasing_the_address_leaves_nothing_of_the_number(database: Database) -> None:
    calls = Calls(database)
    address = calls.plan().address
    with database.write() as session:
        callers.block(session, address, at=NOW, by="amy", via="api", for_good=True)
        callers.set_vip(session, address, 60, at=NOW, by="amy")
        erased = {"raw": address, "e164": "", "name": "", "erased_at": NOW}
        session.execute(update(tables.addresses).where(tables.addresses.c.id == address).values(**erased))
        rows = [*session.execute(select(tables.blacklist)), *session.execute(select(tables.vips))]
        assert "912345678" not in str(rows)
        assert [one.number for one in callers.blacklisted(session, NOW)] == [""]
    assert calls.plan().refuse is None


def test_somebody_without_a_number_cannot_be_blocked(database: Database) -> None:
    with pytest.raises(DirectoryError, match="no number"), database.write() as session:
        callers.block(session, "", at=NOW, by="amy", via="api")


def test_a_vip_stands_higher(database: Database) -> None:
    calls = Calls(database)
    address = calls.plan("83").address
    before = calls.plan("83").priority
    with database.write() as session:
        callers.set_vip(session, address, 40, at=NOW, by="boss")
    assert calls.plan("83").priority == before + 40
    with database.write() as session:
        callers.set_vip(session, address, 0, at=NOW, by="boss")
        assert list(callers.vips(session)) == []
    assert calls.plan("83").priority == before


# --- hours -------------------------------------------------------------------------------------------------------


def _office(database: Database, **changed: object) -> Calls:
    with database.write() as session:
        entry = read_snapshot(session).entry("81")
        assert entry is not None
        changes.put_hours(session, OFFICE)
        service.put_entry_point(session, replace(entry, hours="office", **changed))  # type: ignore[arg-type]
    return Calls(database)


def test_closed_ends_the_call_with_its_words_and_a_break_has_its_own(database: Database) -> None:
    calls = _office(database, closed_prompt="ringside/closed", break_prompt="ringside/lunch")
    assert calls.plan().refuse is None
    calls.now = SUNDAY
    assert (calls.plan().refuse, calls.plan().greeting) == (Outcome.CLOSED, "ringside/closed")
    calls.now = LUNCH
    assert (calls.plan().refuse, calls.plan().greeting) == (Outcome.CLOSED, "ringside/lunch")


@pytest.mark.feature("D6")
def test_after_hours_a_caller_may_be_queued_or_sent_elsewhere(database: Database) -> None:
    calls = _office(database, closed_prompt="ringside/closed", closed=Destination(Way.QUEUE, "sales"))
    calls.now = SUNDAY
    plan = calls.plan()
    assert (plan.refuse, plan.greeting, plan.start) == (None, "ringside/closed", Destination(Way.QUEUE, "sales"))


# --- extensions --------------------------------------------------------------------------------------------------


def test_six_licences_are_six_extensions_and_each_belongs_to_one(database: Database) -> None:
    with database.read() as session:
        assert len(service.list_extensions(session)) == 6
    with pytest.raises(DirectoryError, match="phone seats") as full, database.write() as session:
        service.create_extension(session, "8007", licences=6)
    assert full.value.code == "no_licence"
    with pytest.raises(DirectoryError) as taken, database.write() as session:
        service.assign_extension(session, "8001", "agent-8002")
    assert taken.value.code == "extension_taken"
    with database.write() as session:
        service.create_extension(session, "8007", "desk", licences=7, short_code="7")
    with pytest.raises(DirectoryError, match="softphone") as bound, database.write() as session:
        service.assign_extension(session, "8007", "agent-8001")
    assert bound.value.code == "softphone_bound"
    with database.write() as session:
        service.release_extension(session, "8001")
        service.assign_extension(session, "8007", "agent-8001")
        service.move_extension(session, "8002", "agent-8003")
    with database.read() as session:
        pool = {one.number: one.person for one in service.list_extensions(session)}
    assert (pool["8007"], pool["8002"], pool["8003"], pool["8001"]) == ("agent-8001", "agent-8003", "", "")
    with pytest.raises(DirectoryError) as short, database.write() as session:
        service.set_short_code(session, "8001", "8002")
    assert short.value.code == "short_code_taken"


# --- who would serve? ---------------------------------------------------------------------------------------------


def _running(database: Database) -> State:
    """The core's state with two of the demo's agents at work."""
    core = Core(State())
    core.decide(EngineStarted("e", "1"), Stamp(1))
    for given in DirectoryConfiguration(database).definitions():
        assert isinstance(core.decide(given, Stamp(2)).reply, Done)
    for seat in ("agent-8001", "agent-8004"):
        for given in (
            SeatSignedIn(seat),
            PhoneChanged(seat, True),
            StatusChosen(seat, Presence.VOICE, "ready"),
        ):
            assert isinstance(core.decide(given, Stamp(3)).reply, Done)
    return core.state


def _known(**changed: object) -> CallerKnown:
    return CallerKnown(address=KnownAddress("a-1"), number="+886912345678", **changed)  # type: ignore[arg-type]


def test_the_dry_run_shows_every_branch_and_who_would_be_asked(database: Database) -> None:
    with database.write() as session:
        deep = Menu("deep", "hello", (MenuOption("*", Destination(Way.MENU, "main")),), Destination(Way.QUEUE, "vip"))
        main = read_snapshot(session).menus[0]
        changes.put_menu(session, deep)
        changes.put_menu(
            session, replace(main, options=(*main.options, MenuOption("3", Destination(Way.MENU, "deep"))))
        )
    with database.read() as session:
        given = read_snapshot(session)
    state = _running(database)
    before = len(state.items)
    answer = who_serves(given, state, "81", _known(), NOW, "TW")
    assert answer.step is not None
    ways = {branch.by: branch.step for branch in answer.step.branches}
    assert [(by, step.kind, step.id) for by, step in ways.items()] == [
        ("1", "queue", "service"),
        ("2", "queue", "sales"),
        ("3", "menu", "deep"),
        ("no key", "queue", "service"),
    ]
    seats = {seat.seat: (seat.place, seat.refused) for seat in ways["2"].seats}
    assert seats["agent-8002"] == (0, "signed_out")
    assert sorted(place for place, _ in seats.values() if place) == [1, 2]
    assert [branch.step.kind for branch in ways["3"].branches] == ["again", "queue"]
    assert len(state.items) == before, "a dry run changes nothing"


def test_keys_follow_one_way_alone(database: Database) -> None:
    with database.read() as session:
        given = read_snapshot(session)
    state = _running(database)

    def end(keys: str) -> str:
        step: Step | None = who_serves(given, state, "81", _known(), NOW, "TW", keys).step
        while step is not None and step.branches:
            step = step.branches[0].step
        assert step is not None
        return step.id

    assert [end(keys) for keys in ("2", "1", "9", "")] == ["sales", "service", "service", "service"]


def test_the_dry_run_tells_who_is_refused_and_when_hours_change(database: Database) -> None:
    _office(database, closed_prompt="ringside/closed")
    with database.read() as session:
        given = read_snapshot(session)
    closed = who_serves(given, State(), "81", _known(), SUNDAY, "TW")
    assert (closed.opening, closed.plan.refuse, closed.step) == ("closed", Outcome.CLOSED, None)
    assert closed.changes_at == NOW - 3600 * SECOND
    blocked = who_serves(given, State(), "81", _known(blacklisted=True), NOW, "TW")
    assert (blocked.blacklisted, blocked.plan.refuse) == (True, Outcome.BLACKLISTED)
    assert who_serves(given, State(), "81", _known(vip=5), NOW, "TW").plan.priority == 5
    with pytest.raises(KeyError):
        who_serves(given, State(), "99", _known(), NOW, "TW")


def test_a_menu_of_any_depth_is_walked(database: Database) -> None:
    with database.write() as session:
        to = Destination(Way.QUEUE, "sales")
        for level in range(30, 0, -1):
            changes.put_menu(
                session, Menu(f"m{level}", "hello", (MenuOption("1", to),), Destination(Way.QUEUE, "service"))
            )
            to = Destination(Way.MENU, f"m{level}")
        service.put_entry_point(session, EntryPoint("90", "深", "service", start=to))
        given = read_snapshot(session)
    step = who_serves(given, State(), "90", _known(), NOW, "TW", "1" * 30).step
    depth = 0
    while step is not None and step.branches:
        step, depth = step.branches[0].step, depth + 1
    assert (depth, step and step.id) == (30, "sales")
