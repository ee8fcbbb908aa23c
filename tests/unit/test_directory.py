"""The directory: changes, checks, the core's inputs, entry plans and the demo's data."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from acd.core.decide import Core
from acd.core.inputs import (
    ConfigurationApplied,
    EngineStarted,
    MediumDefined,
    MenuDefined,
    PolicySet,
    QueueDefined,
    QueueRetired,
    SeatProfileSet,
    SeatRetired,
    Stamp,
    StatusDefined,
)
from acd.core.model import (
    Destination,
    MediumLimit,
    Menu,
    MenuOption,
    Outcome,
    Policy,
    Presence,
    QueueDef,
    Ring,
    Route,
    SeatProfile,
    SeatQueue,
    SkillLevel,
    State,
    StatusDef,
    Way,
)
from acd.core.reply import Done
from acd.ports import AddressSeen, CallerNumber
from directory import changes, service
from directory.catalog import LANGUAGES, MEDIA, STATUSES
from directory.definitions import DirectoryConfiguration, DirectoryError, EntryPoint, read_revision, read_snapshot
from directory.model import DialClass, Hours, OutboundCode, SpecialDay, Stretch, Trunk, WeekDay
from directory.plans import DirectoryPlans
from directory.seed import AGENTS, seed_basics, seed_demo
from storage import tables
from storage.session import Database


def _to(queue: str) -> Destination:
    return Destination(Way.QUEUE, queue)


_BACK = MenuOption("*", Destination(Way.MENU, "main"))
_HOME = MenuOption("1", Destination(Way.QUEUE, "sales"))
_ROUTE = Route("a-1", "", prefix="77")
_ANSWERED = Destination(Way.HANG_UP, outcome=Outcome.ANSWERED)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty directory and the demo's, to be copied: making them costs more than any test."""
    folder = tmp_path_factory.mktemp("directory")
    for name in ("empty", "demo"):
        made = Database(f"sqlite:///{folder}/{name}.db")
        with made.write() as session:
            tables.metadata.create_all(session.connection())
            if name == "demo":
                assert seed_demo(session)
        made.close()
    return folder


def _copied(files: Path, name: str, folder: Path) -> Iterator[Database]:
    shutil.copy(files / f"{name}.db", folder / "ringside.db")
    opened = Database(f"sqlite:///{folder}/ringside.db")
    yield opened
    opened.close()


@pytest.fixture
def database(files: Path, tmp_path: Path) -> Iterator[Database]:
    yield from _copied(files, "empty", tmp_path)


@pytest.fixture
def demo(files: Path, tmp_path: Path) -> Iterator[Database]:
    yield from _copied(files, "demo", tmp_path)


def test_seeding_twice_changes_nothing(demo: Database) -> None:
    with demo.read() as session:
        before = read_snapshot(session)
    with demo.write() as session:
        assert not seed_demo(session)
        assert not seed_basics(session)
    with demo.read() as session:
        assert read_snapshot(session) == before


def test_seeding_leaves_what_the_administrator_changed(demo: Database) -> None:
    with demo.write() as session:
        service.put_queue(session, QueueDef(id="service", name="新客服"))
    with demo.write() as session:
        seed_demo(session)
    with demo.read() as session:
        assert next(queue for queue in service.list_queues(session) if queue.id == "service").name == "新客服"


def test_demo_has_three_queues_and_six_agents_with_extensions(demo: Database) -> None:
    with demo.read() as session:
        given = read_snapshot(session)
        pool = service.list_extensions(session)
    assert {"81", "82", "83"} <= {entry.id for entry in given.entries}
    assert [queue.id for queue in given.queues] == ["service", "sales", "vip"]
    assert [seat.extension for seat in given.seats] == ["8001", "8002", "8003", "8004", "8005", "8006"]
    assert [(one.number, one.person) for one in pool] == [(seat.extension, seat.id) for seat in AGENTS]


def test_definitions_name_nothing_before_it_is_defined(demo: Database) -> None:
    kinds = [type(given) for given in DirectoryConfiguration(demo).definitions()]
    order: list[type] = [
        PolicySet,
        MediumDefined,
        StatusDefined,
        QueueDefined,
        MenuDefined,
        QueueRetired,
        SeatRetired,
        SeatProfileSet,
    ]
    ranks = [order.index(kind) for kind in kinds[:-1]]
    assert ranks == sorted(ranks)
    assert kinds[-1] is ConfigurationApplied


def test_definitions_end_in_their_revision(demo: Database) -> None:
    configuration = DirectoryConfiguration(demo)
    last = configuration.definitions()[-1]
    assert last == ConfigurationApplied(configuration.revision())
    assert configuration.revision() > 0


def test_an_empty_directory_has_revision_zero(database: Database) -> None:
    configuration = DirectoryConfiguration(database)
    assert configuration.revision() == 0
    assert configuration.definitions() == [PolicySet(Policy()), ConfigurationApplied(0)]


def test_every_change_raises_the_revision(demo: Database) -> None:
    made: list[Callable[[Session], object]] = [
        lambda session: service.create_extension(session, "8007"),
        lambda session: service.create_seat(session, SeatProfile("agent-8007"), "新人"),
        lambda session: service.assign_extension(session, "8007", "agent-8007"),
        lambda session: service.release_extension(session, "8007"),
        lambda session: service.renew_password(session, "8007"),
        lambda session: service.delete_extension(session, "8007"),
        lambda session: service.set_skills(session, "agent-8007", (SkillLevel("taiwanese", 2),)),
        lambda session: service.set_membership(session, "agent-8007", (SeatQueue("sales", 1),)),
        lambda session: service.archive_seat(session, "agent-8007"),
        lambda session: service.put_queue(session, QueueDef("extra", "另一佇列")),
        lambda session: service.archive_queue(session, "extra"),
        lambda session: service.set_policy(session, Policy(priority_weight=2)),
        lambda session: service.set_outbound_record(session, False),
        lambda session: service.create_skill(session, "hakka", "客語"),
        lambda session: service.put_medium(session, MEDIA[0]),
        lambda session: service.put_status(session, STATUSES[0]),
        lambda session: service.put_entry_point(session, EntryPoint("84", "另一專線", "sales")),
        lambda session: changes.put_menu(session, _menu(("1", "sales"))),
        lambda session: changes.put_hours(session, Hours("office", "辦公")),
        lambda session: changes.set_queue_hours(session, "sales", "office"),
        lambda session: changes.put_dial_class(session, DialClass("world", "全球", ("+886",))),
        lambda session: service.set_dial_class(session, "agent-8001", "internal"),
        lambda session: service.set_short_code(session, "8001", "1"),
        lambda session: changes.put_trunk(session, Trunk("carrier", "電信", "192.0.2.1"), bytes(32), "secret"),
        lambda session: changes.put_code(session, OutboundCode("9", "外線", "carrier")),
        lambda session: changes.remove(session, "outbound code", "9"),
        lambda session: changes.remove(session, "trunk", "carrier"),
    ]
    for change in made:
        with demo.write() as session:
            before = read_revision(session)
            change(session)
            assert read_revision(session) == before + 1


def test_a_refused_change_leaves_the_revision(demo: Database) -> None:
    before = DirectoryConfiguration(demo).revision()
    with pytest.raises(DirectoryError), demo.write() as session:
        service.assign_extension(session, "8001", "agent-8002")
    assert DirectoryConfiguration(demo).revision() == before


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("extension_taken", lambda s: service.assign_extension(s, "8001", "agent-8002")),
        ("extension_taken", lambda s: service.delete_extension(s, "8001")),
        ("extension_exists", lambda s: service.create_extension(s, "8001")),
        ("unknown_extension", lambda s: service.assign_extension(s, "8999", "agent-8002")),
        ("unknown_extension", lambda s: service.release_extension(s, "8999")),
        ("unknown_extension", lambda s: service.renew_password(s, "8999")),
        ("bad_extension", lambda s: service.create_extension(s, "80;rm")),
        ("bad_extension", lambda s: service.create_extension(s, "8007", kind="fax")),
        ("unknown_seat", lambda s: service.assign_extension(s, "8001", "nobody")),
        ("unknown_seat", lambda s: service.set_seat(s, SeatProfile("nobody"), "無")),
        ("seat_exists", lambda s: service.create_seat(s, SeatProfile("agent-8001"), "又一個")),
        ("bad_id", lambda s: service.create_seat(s, SeatProfile("a b"), "空白")),
        ("bad_id", lambda s: service.put_queue(s, QueueDef("x" * 65, "長"))),
        ("bad_name", lambda s: service.create_seat(s, SeatProfile("agent-9"), "\x00\x07")),
        ("unknown_queue", lambda s: service.archive_queue(s, "service")),
        ("unknown_queue", lambda s: service.archive_queue(s, "nothing")),
        ("unknown_queue", lambda s: service.set_membership(s, "agent-8001", (SeatQueue("nothing"),))),
        ("unknown_queue", lambda s: service.put_entry_point(s, EntryPoint("84", "八四", "nothing"))),
        ("unknown_queue", lambda s: changes.put_menu(s, _menu(("1", "nothing")))),
        ("digit_twice", lambda s: changes.put_menu(s, _menu(("1", "sales"), ("1", "vip")))),
        ("bad_digit", lambda s: changes.put_menu(s, _menu(("12", "sales")))),
        ("bad_menu", lambda s: changes.put_menu(s, _menu())),
        ("bad_prompt", lambda s: changes.put_menu(s, replace(_menu(("1", "sales")), prompt="../../etc/passwd"))),
        ("unknown_menu", lambda s: service.put_entry_point(s, _leading_to(Destination(Way.MENU, "nothing")))),
        ("no_number", lambda s: service.put_entry_point(s, _leading_to(Destination(Way.OUTSIDE)))),
        ("unknown_code", lambda s: service.put_entry_point(s, _leading_to(Destination(Way.OUTSIDE, route=_ROUTE)))),
        ("unknown_queue", lambda s: service.put_entry_point(s, _leading_to(Destination(Way.VOICEMAIL)))),
        ("bad_outcome", lambda s: service.put_entry_point(s, _leading_to(_ANSWERED))),
        ("unknown_hours", lambda s: service.put_entry_point(s, replace(_leading_to(None), hours="nothing"))),
        ("unknown_hours", lambda s: changes.set_queue_hours(s, "sales", "nothing")),
        ("unknown_queue", lambda s: changes.set_queue_hours(s, "nothing", "")),
        ("bad_hours", lambda s: changes.put_hours(s, Hours("h", "H", zone="Mars/Olympus"))),
        ("bad_hours", lambda s: changes.put_hours(s, Hours("h", "H", holidays="XX"))),
        ("bad_hours", lambda s: changes.put_hours(s, Hours("h", "H", week=(WeekDay(7),)))),
        (
            "bad_hours",
            lambda s: changes.put_hours(s, Hours("h", "H", week=(WeekDay(0, (Stretch("18:00", "09:00"),)),))),
        ),
        ("bad_hours", lambda s: changes.put_hours(s, Hours("h", "H", special=(SpecialDay("2026-02-30"),)))),
        ("bad_hours", lambda s: changes.put_hours(s, Hours("h", "H", special=(SpecialDay("20261225"),)))),
        ("bad_hours", lambda s: changes.put_hours(s, Hours("h", "H", special=(SpecialDay("2026-W52-5"),)))),
        ("bad_hours", lambda s: changes.put_hours(s, Hours("h", "H", holidays="utils"))),
        ("bad_hours", lambda s: changes.put_hours(s, Hours("h", "H", holidays="list_supported_countries"))),
        ("bad_trunk", lambda s: changes.put_trunk(s, Trunk("t", "T", "host;exec"), bytes(32))),
        ("bad_trunk", lambda s: changes.put_trunk(s, Trunk("t", "T", "192.0.2.1", codecs=("lpc",)), bytes(32))),
        ("bad_password", lambda s: changes.put_trunk(s, Trunk("t", "T", "192.0.2.1"), bytes(32), "a b")),
        ("unknown_entry", lambda s: changes.put_trunk(s, Trunk("t", "T", "192.0.2.1", entry="99"), bytes(32))),
        ("unknown_trunk", lambda s: changes.put_code(s, OutboundCode("9", "外線", "nothing"))),
        ("bad_dial_class", lambda s: changes.put_dial_class(s, DialClass("x", "X", ("everywhere",)))),
        ("unknown_dial_class", lambda s: service.set_dial_class(s, "agent-8001", "nothing")),
        ("bad_time", lambda s: service.put_queue(s, QueueDef("q", "佇列", max_wait=-1))),
        ("no_overflow", lambda s: service.put_queue(s, QueueDef("q", "佇列", max_length=3))),
        ("bad_music", lambda s: service.put_queue(s, QueueDef("q", "佇列", music="../moh"))),
        ("digit_twice", lambda s: service.put_queue(s, QueueDef("q", "佇列", keys=(_HOME, _HOME)))),
        ("circle", lambda s: service.put_queue(s, QueueDef("q", "佇列", overflow=_to("q"), max_length=1))),
        ("unknown_menu", lambda s: changes.remove(s, "menu", "nothing")),
        ("unknown_menu", lambda s: changes.remove(s, "menu", "main")),
        ("unknown_medium", lambda s: service.put_entry_point(s, EntryPoint("84", "八四", "sales", medium="fax"))),
        ("bad_time", lambda s: service.put_queue(s, QueueDef("q", "佇列", ring_time=0))),
        ("bad_time", lambda s: service.put_queue(s, QueueDef("q", "佇列", rings=(Ring(2, ()), Ring(1, ()))))),
        ("bad_level", lambda s: service.put_queue(s, QueueDef("q", "佇列", needs=(SkillLevel("vip", 0),)))),
        ("bad_priority", lambda s: service.put_entry_point(s, replace(_leading_to(None), priority=9_999_999_999))),
    ],
)
def test_what_cannot_be_is_refused_with_its_code(demo: Database, code: str, change: object) -> None:
    assert callable(change)
    with pytest.raises(DirectoryError) as refused, demo.write() as session:
        change(session)
    assert refused.value.code == code
    assert refused.value.say


def test_callers_cannot_be_sent_round_for_ever(demo: Database) -> None:
    """A menu whose silence leads to a full queue that leads to the menu again; by a key it may lead back."""
    with demo.write() as session:
        changes.put_menu(session, replace(_menu(("1", "sales")), options=(_HOME, _BACK)))
        full = replace(service.list_queues(session)[0], max_length=1, overflow=Destination(Way.MENU, "other"))
        changes.put_menu(session, replace(_menu(("1", "sales")), default=_to("service")))
    with pytest.raises(DirectoryError, match="menu other") as refused, demo.write() as session:
        service.put_queue(session, full)
    assert refused.value.code == "circle"


def _menu(*options: tuple[str, str]) -> Menu:
    return Menu("other", "hello", tuple(MenuOption(digit, _to(queue)) for digit, queue in options), _to("sales"))


def _leading_to(start: Destination | None) -> EntryPoint:
    return EntryPoint("84", "八四", "sales", start=start)


def test_a_limit_above_the_ceiling_is_refused(demo: Database) -> None:
    profile = replace(AGENTS[0], limits=(MediumLimit("chat", 16),))
    with pytest.raises(DirectoryError) as refused, demo.write() as session:
        service.set_seat(session, profile)
    assert refused.value.code == "over_ceiling"


def test_an_extension_in_use_is_free_once_it_is_released(demo: Database) -> None:
    with demo.write() as session:
        service.release_extension(session, "8001")
        service.assign_extension(session, "8001", "agent-8002")
    with demo.read() as session:
        pool = {one.number: one.person for one in service.list_extensions(session)}
    assert pool["8001"] == "agent-8002"
    assert pool["8002"] == ""


def test_an_archived_seat_gives_its_extension_back_and_is_retired(demo: Database) -> None:
    with demo.write() as session:
        service.archive_seat(session, "agent-8001")
    definitions = DirectoryConfiguration(demo).definitions()
    assert SeatRetired("agent-8001") in definitions
    assert not [
        given for given in definitions if isinstance(given, SeatProfileSet) and given.profile.id == "agent-8001"
    ]
    with demo.read() as session:
        assert {one.number: one.person for one in service.list_extensions(session)}["8001"] == ""


def test_ids_are_never_used_again(demo: Database) -> None:
    with demo.write() as session:
        service.archive_seat(session, "agent-8001")
        service.put_queue(session, QueueDef("gone", "走了"))
        service.archive_queue(session, "gone", move_to="sales")
    assert QueueRetired("gone", "sales") in DirectoryConfiguration(demo).definitions()
    with pytest.raises(DirectoryError, match="never used again"), demo.write() as session:
        service.create_seat(session, SeatProfile("agent-8001"), "另一人")
    with pytest.raises(DirectoryError, match="never used again"), demo.write() as session:
        service.put_queue(session, QueueDef("gone", "回來"))


def test_an_extension_that_changes_hands_is_freed_before_it_is_taken(demo: Database) -> None:
    configuration = DirectoryConfiguration(demo)
    configuration.definitions()
    with demo.write() as session:
        service.release_extension(session, "8001")
        service.release_extension(session, "8002")
        service.assign_extension(session, "8001", "agent-8002")
        service.assign_extension(session, "8002", "agent-8001")
    held = {f"agent-{number}": number for number in ("8001", "8002")}
    for given in configuration.definitions():
        if isinstance(given, SeatProfileSet) and given.profile.id in {"agent-8001", "agent-8002"}:
            others = [number for seat, number in held.items() if seat != given.profile.id]
            assert given.profile.extension == "" or given.profile.extension not in others
            held[given.profile.id] = given.profile.extension
    assert held == {"agent-8001": "8002", "agent-8002": "8001"}


def test_a_seat_that_goes_leaves_its_queues_and_extension_at_once(demo: Database) -> None:
    """The core keeps a seat that is signed in; it must not be offered anything meanwhile."""
    configuration = DirectoryConfiguration(demo)
    configuration.definitions()
    with demo.write() as session:
        service.archive_seat(session, "agent-8001")
        service.assign_extension(session, "8001", "agent-8002")
    given = configuration.definitions()
    emptied = given.index(SeatProfileSet(SeatProfile("agent-8001")))
    assert emptied < given.index(SeatRetired("agent-8001"))
    taken = [one for one in given if isinstance(one, SeatProfileSet) and one.profile.extension == "8001"]
    assert [one.profile.id for one in taken] == ["agent-8002"]
    assert emptied < given.index(taken[0])
    assert SeatProfileSet(SeatProfile("agent-8001")) not in configuration.definitions()


def test_the_core_takes_the_demo_and_its_changes_without_a_refusal(demo: Database) -> None:
    configuration, core = DirectoryConfiguration(demo), Core(State())
    core.decide(EngineStarted("e", "1"), Stamp(1))
    _apply(core, configuration)
    assert list(core.state.queues) == ["service", "sales", "vip"]
    assert core.state.extensions == {seat.extension: seat.id for seat in AGENTS}
    with demo.write() as session:
        service.release_extension(session, "8001")
        service.release_extension(session, "8002")
        service.assign_extension(session, "8001", "agent-8002")
        service.assign_extension(session, "8002", "agent-8001")
        service.archive_seat(session, "agent-8003")
        service.assign_extension(session, "8003", "agent-8004")
    _apply(core, configuration)
    assert core.state.extensions == {seat.extension: seat.id for seat in service_seats(demo) if seat.extension}
    assert "agent-8003" not in core.state.seats
    assert core.state.revision == configuration.revision()


def _apply(core: Core, configuration: DirectoryConfiguration) -> None:
    for given in configuration.definitions():
        reply = core.decide(given, Stamp(2)).reply
        assert isinstance(reply, Done), (given, reply)


def service_seats(database: Database) -> tuple[SeatProfile, ...]:
    """The seats of the directory."""
    with database.read() as session:
        return service.list_seats(session)


def test_one_status_of_each_presence_holds_after_login(demo: Database) -> None:
    with demo.write() as session:
        ready = next(status for status in STATUSES if status.id == "ready")
        changed = {name: getattr(ready, name) for name in StatusDef.__slots__} | {"after_login": True}
        service.put_status(session, StatusDef(**changed))
    with demo.read() as session:
        after = [status.id for status in read_snapshot(session).statuses if status.after_login]
    assert sorted(after) == ["ready", "text_away"]


def test_statuses_have_names_in_three_languages() -> None:
    for status in STATUSES:
        assert tuple(language for language, _ in status.names) == LANGUAGES
        assert all(name for _, name in status.names)


def test_text_busy_is_not_offered_but_takes_transfers() -> None:
    busy = next(status for status in STATUSES if status.id == "text_busy")
    assert (busy.presence, busy.auto_offer, busy.accept_transfer) == (Presence.TEXT, False, True)


def test_text_is_capped_at_fifteen_and_voice_at_one() -> None:
    media = {medium.id: medium for medium in MEDIA}
    assert media["chat"].ceiling == 15
    assert (media["voice"].limit, media["voice"].ceiling, media["voice"].excludes) == (1, 1, ("*",))


# --- entry plans -------------------------------------------------------------------------------------------------


def seen(entry: str, raw: str = "0912345678", e164: str = "+886912345678") -> AddressSeen:
    return AddressSeen(entry, CallerNumber(raw, e164, "王小明"))


def test_plan_carries_the_entry_point(demo: Database) -> None:
    plan = DirectoryPlans(demo).plan(seen("81"))
    assert plan is not None
    assert plan.queue == "service"
    assert plan.start == Destination(Way.MENU, "main")
    assert plan.revision == DirectoryConfiguration(demo).revision()


def test_no_plan_for_an_unknown_entry_point(demo: Database) -> None:
    assert DirectoryPlans(demo).plan(seen("89")) is None
    assert DirectoryPlans(demo).plan(seen("81' OR 1=1")) is None


def test_the_same_number_is_the_same_address(demo: Database) -> None:
    plans = DirectoryPlans(demo)
    one, two, other = plans.plan(seen("81")), plans.plan(seen("83")), plans.plan(seen("81", "0987", "+886987"))
    assert one is not None
    assert two is not None
    assert other is not None
    assert one.address == two.address != other.address


def test_the_address_says_nothing_of_the_number(demo: Database) -> None:
    plan = DirectoryPlans(demo).plan(seen("81"))
    assert plan is not None
    assert plan.address
    assert "912345678" not in plan.address


def test_callers_who_hide_their_number_are_not_one_person(demo: Database) -> None:
    plan = DirectoryPlans(demo).plan(seen("81", "", ""))
    assert plan is not None
    assert plan.address == ""


def test_hostile_numbers_are_bounded_and_printable(demo: Database) -> None:
    plans = DirectoryPlans(demo)
    hostile = "1\x00\n\u202e" + "9" * 10_000
    one, two = plans.plan(seen("81", hostile, "")), plans.plan(seen("81", hostile, ""))
    assert one is not None
    assert two is not None
    assert one.address == two.address != ""


def test_plan_names_who_served_the_caller_last(demo: Database) -> None:
    plans = DirectoryPlans(demo)
    first = plans.plan(seen("83"))
    assert first is not None
    assert first.last_seat == ""
    with demo.write() as session:
        session.execute(insert(tables.last_seats).values(address=first.address, seat="agent-8003", at=1))
    again = plans.plan(seen("83"))
    assert again is not None
    assert again.last_seat == "agent-8003"


def test_a_changed_entry_point_is_seen_at_the_next_call(demo: Database) -> None:
    plans = DirectoryPlans(demo)
    assert plans.plan(seen("82")) is not None
    with demo.write() as session:
        service.put_entry_point(session, EntryPoint("82", "銷售專線", "vip", greeting="hello"))
    moved = plans.plan(seen("82"))
    assert moved is not None
    assert (moved.queue, moved.greeting) == ("vip", "hello")
