"""The index on SQLite and PostgreSQL: filled exactly once, found by everything, chained, and brought up from 0.1.0."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import pytest
from alembic import command
from sqlalchemy import insert, select, text

from acd.core import facts as f
from acd.core.codec import dump, kind_of
from acd.core.model import SECOND, EntryPlan, Kind, Outcome, Party, WatchMode
from acd.ports import StoredFact
from recordings import chain, index, retention, search
from recordings.consumer import RecordingsConsumer
from recordings.model import Problem, StoredFile
from recordings.search import BadCursor, View, Wanted
from storage import migrations, tables
from storage.cursors import catch_up, rewind
from storage.migrations import migrate
from storage.session import BEGIN, WRITE, Database, make_engine
from storage.settings import Settings, load_secrets
from tests.support.memory import MemoryLog
from tests.support.recordings import START, Tape, conversation

FAST_MS = 100
OUTCOMES = (Outcome.ANSWERED, Outcome.ABANDONED_QUEUE, Outcome.VOICEMAIL)


def watches(item: str, chance: random.Random) -> list[f.Fact]:
    """Two supervisors come to a conversation; each may do something else than he was rung for."""
    line: list[f.Fact] = []
    for seat in ("boss", "chief"):
        rung, then = (chance.choice((WatchMode.LISTEN, WatchMode.JOIN)) for _ in range(2))
        line.append(f.WatchStarted(item, seat, f"w-{seat}", rung, "amy", 0))
        line.append(f.WatchChanged(item, seat, f"w-{seat}", then, rung))
    line += [f.WatchAnswered(item, seat, f"w-{seat}") for seat in ("boss", "chief") if chance.random() < 0.7]
    return [*line, f.WatchEnded(item, "boss", "w-boss", "left")]


def calls(seed: int, count: int) -> MemoryLog:
    """Facts of many calls at once, mixed, as a busy centre writes them."""
    chance = random.Random(seed)
    lines: list[list[tuple[f.Fact, str]]] = []
    for number in range(count):
        item, seat = f"i{number}", f"s{chance.randrange(5)}"
        name, queue = f"{item}-r", f"q{chance.randrange(3)}"
        line: list[f.Fact] = [
            f.Entered(
                item, number, Kind.CALL, "voice", f"rec{number}", EntryPlan("82", 1, queue, address=f"a{number % 7}")
            ),
            f.Queued(item, queue, 0, ()),
        ]
        if chance.random() < 0.8:
            line += [f.Accepted(f"o{number}", item, seat, "voice", queue, "b", name), f.RecordingBegan(item, name)]
            if chance.random() < 0.4:
                line += [f.RecordingPaused(item, name, 0), f.RecordingResumed(item, name, "by_hand")]
            if chance.random() < 0.2:
                line += [f.RecordingFailed(item, name, "storage"), f.RecordingBegan(item, name)]
            if chance.random() < 0.4:
                line += watches(item, chance)
            if chance.random() < 0.3:
                line.append(f.Accepted(f"p{number}", item, f"s{chance.randrange(5)}", "voice", "q9", "b", name))
        if chance.random() < 0.9:
            line.append(f.Ended(item, chance.choice(OUTCOMES), Party.CUSTOMER, "voice"))
        lines.append([(fact, seat) for fact in line])
    log = MemoryLog()
    while any(lines):
        fact, seat = chance.choice([line for line in lines if line]).pop(0)
        seq = log.last_seq() + 1
        log.rows.append(StoredFact(seq, START + seq * SECOND, seq, seat, "desk", 0, kind_of(fact), fact.V, dump(fact)))
    return log


def everything(database: Database) -> list[list[tuple[object, ...]]]:
    kept = (tables.recordings, tables.recording_seats, tables.recording_contacts)
    with database.read() as session:
        return [[tuple(row) for row in session.execute(select(t).order_by(*t.primary_key.columns))] for t in kept]


def test_batches_of_any_size_give_the_same_rows_and_twice_gives_them_once(settings: Settings, tmp_path: Path) -> None:
    database = Database(settings.main_url)
    log = calls(7, 60)
    found = []
    for limit in (1, 3, 50, 1000):
        catch_up(database, log, RecordingsConsumer(), limit)
        found.append(everything(database))
        with database.write() as session:  # again over what is there: nothing changes
            rewind(session, "recordings")
        catch_up(database, log, RecordingsConsumer(), limit)
        assert everything(database) == found[-1]
        with database.write() as session:
            rewind(session, "recordings")
            for table in (tables.recording_seats, tables.recordings, tables.recording_contacts):
                session.execute(table.delete())
    assert found[0] == found[1] == found[2] == found[3]
    assert len(found[0][0]) > 30
    database.close()


def fill(database: Database, count: int) -> list[View]:
    """So many recordings, their files left out; what is in them, newest first."""
    chance = random.Random(count)
    rows, seats, problems = [], [], []
    for number in range(count):
        at = START + chance.randrange(90 * 86_400) * SECOND
        who = sorted({f"s{chance.randrange(200)}" for _ in range(chance.choice((1, 1, 1, 2, 3)))})
        wrong = [one for one in (Problem.GAP, Problem.ONE_SIDED, Problem.CLIPPED) if chance.random() < 0.01]
        name = f"i{number}-r"
        rows.append({
            "recording": name, "item": f"i{number}", "kind": "call", "direction": "inbound", "state": "stored",
            "queue": f"q{chance.randrange(20)}", "entry": "82", "address": f"a{chance.randrange(count // 5)}",
            "outcome": chance.choice(OUTCOMES).value, "started_at": at, "ended_at": at + SECOND,
            "length": chance.randrange(1, 900) * SECOND, "seats": " ".join(who),
            "problems": " ".join(one.value for one in wrong), "legal_hold": chance.random() < 0.001,
        })  # fmt: skip
        seats += [{"recording": name, "seat": seat, "started_at": at} for seat in who]
        problems += [{"recording": name, "problem": one.value, "started_at": at} for one in wrong]
    addresses = [
        {"id": f"a{number}", "kind": "phone", "raw": f"09{number:08}", "e164": f"+8869{number:08}"}
        for number in range(count // 5)
    ]
    with database.write() as session:
        session.execute(insert(tables.addresses), addresses)
        session.execute(insert(tables.recordings), rows)
        session.execute(insert(tables.recording_seats), seats)
        if problems:
            session.execute(insert(tables.recording_problems), problems)
    if database.on_postgres:  # it does so by itself within a minute; SQLite never does
        with database.write() as session:
            session.execute(text("ANALYZE"))
    found: list[View] = []
    after = ""
    with database.read() as session:
        while True:
            page = search.find(session, after=after, limit=search.MOST)
            found += page.views
            after = page.next
            if not after:
                return found


def walked(database: Database, wanted: Wanted, limit: int) -> list[str]:
    """Every page of a search."""
    names: list[str] = []
    after = ""
    while True:
        with database.read() as session:
            page = search.find(session, wanted, after=after, limit=limit)
        names += [view.row.recording for view in page.views]
        after = page.next
        if not after:
            return names


MIDDLE = START + 45 * 86_400 * SECOND
ASKED: dict[str, tuple[Wanted, Callable[[View], bool]]] = {
    "number": (Wanted(number="+886900000003"), lambda one: one.number == "+886900000003"),
    "number as dialled": (Wanted(number="0900000003"), lambda one: one.number == "+886900000003"),
    "nobody's number": (Wanted(number="12345"), lambda _: False),
    "seat": (Wanted(seat="s7"), lambda one: "s7" in one.row.seats),
    "queue": (Wanted(queue="q3"), lambda one: one.row.queue == "q3"),
    "time": (Wanted(since=MIDDLE, until=MIDDLE + 10 * 86_400 * SECOND),
             lambda one: MIDDLE <= one.row.started_at < MIDDLE + 10 * 86_400 * SECOND),
    "length": (Wanted(shortest=890 * SECOND), lambda one: one.kept.length >= 890 * SECOND),
    "short": (Wanted(longest=5 * SECOND), lambda one: one.kept.length <= 5 * SECOND),
    "outcome": (Wanted(outcome="voicemail"), lambda one: one.row.outcome == "voicemail"),
    "problem": (Wanted(problem="gap"), lambda one: Problem.GAP in one.kept.problems),
    "problem of a seat": (Wanted(problem="gap", seat="s7"),
                          lambda one: Problem.GAP in one.kept.problems and "s7" in one.row.seats),
    "seat, queue, time": (Wanted(seat="s7", queue="q3", since=MIDDLE),
                          lambda one: "s7" in one.row.seats and one.row.queue == "q3" and one.row.started_at >= MIDDLE),
    "call": (Wanted(item="i77"), lambda one: one.row.item == "i77"),
    "held": (Wanted(held=True), lambda one: one.kept.legal_hold),
    "kind": (Wanted(kind="voicemail"), lambda _: False),
    "state": (Wanted(state="waiting"), lambda _: False),
}  # fmt: skip


@pytest.mark.feature("V19")
def test_each_filter_finds_what_a_plain_look_at_all_rows_finds(database: Database) -> None:
    every = fill(database, 3000)
    assert len(every) == 3000
    assert [one.row.started_at for one in every] == sorted((one.row.started_at for one in every), reverse=True)
    for name, (wanted, right) in ASKED.items():
        expected = [one.row.recording for one in every if right(one)]
        assert walked(database, wanted, 7 if len(expected) < 300 else 100) == expected, name
    hit = [name for name, (_, right) in ASKED.items() if any(map(right, every))]
    assert len(hit) >= 11
    with database.read() as session, pytest.raises(BadCursor):
        search.find(session, after="x' OR 1=1 --")
    for hostile in ("' OR 1=1 --", "%", "_", "\\", "é" * 500):
        for wanted in (Wanted(hostile), Wanted(seat=hostile), Wanted(queue=hostile), Wanted(item=hostile)):
            assert walked(database, wanted, 10) == []


def test_an_erased_number_is_found_no_more(database: Database) -> None:
    fill(database, 100)
    with database.write() as session:
        session.execute(text("UPDATE addresses SET raw = id, e164 = '', erased_at = 5 WHERE id = 'a3'"))
    assert walked(database, Wanted(number="+886900000003"), 10) == []
    assert walked(database, Wanted(number="a3"), 10) == []


@pytest.mark.proof
def test_find_this_call_among_fifty_thousand_takes_less_than_100_ms(database: Database) -> None:
    fill(database, 50_000)
    kind = "PostgreSQL" if database.on_postgres else "SQLite"
    for name, (wanted, _) in ASKED.items():
        spans, found = [], 0
        for _ in range(7):
            began = time.perf_counter()
            with database.read() as session:
                found = len(search.find(session, wanted).views)
            spans.append((time.perf_counter() - began) * 1000)
        print(f"{kind:11}{name:20}{found:4} rows  {median(spans):7.2f} ms  worst {max(spans):7.2f} ms")
        assert median(spans) < FAST_MS, name


# --- the chain ---------------------------------------------------------------------------------------------------

KEY = chain.chain_key("secret")


def test_a_chain_holds_and_every_change_of_it_is_seen(database: Database) -> None:
    for number in range(30):
        with database.write() as session:
            chain.append(session, KEY, f"i{number}-r", chain.STORED, START + number, "ab" * 32)

    def wrong(key: bytes = KEY) -> list[int]:
        with database.read() as session:
            return [found.seq for _, found in chain.broken(chain.links(session), key) if found is not None]

    assert wrong() == []
    assert wrong(chain.chain_key("another")) == list(range(1, 31))
    for column, value in (("recording", "x-r"), ("what", "erased"), ("at", 5), ("sha256", "00"), ("link", "00")):
        with database.write() as session:
            row = tables.recording_chain.c
            before = session.execute(select(row[column]).where(row.seq == 11)).scalar_one()
            session.execute(tables.recording_chain.update().where(row.seq == 11).values({column: value}))
        assert wrong() == ([11, 12] if column == "link" else [11])
        with database.write() as session:
            session.execute(tables.recording_chain.update().where(row.seq == 11).values({column: before}))
    with database.write() as session:
        session.execute(tables.recording_chain.delete().where(tables.recording_chain.c.seq == 20))
    assert wrong() == [21]


def test_many_who_append_at_once_make_one_chain(database: Database) -> None:
    def add(number: int) -> None:
        with database.write() as session:
            chain.append(session, KEY, f"i{number}-r", chain.STORED, START, "")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(40)))
    with database.read() as session:
        found = list(chain.broken(chain.links(session), KEY))
    assert [link.seq for link, _ in found] == list(range(1, 41))
    assert {link.recording for link, _ in found} == {f"i{number}-r" for number in range(40)}
    assert all(broken is None for _, broken in found)


# --- keeping, on both ------------------------------------------------------------------------------------------


def test_the_keeper_and_retention_work_alike_on_both(settings: Settings, database: Database) -> None:
    tape = Tape.at(settings, database)
    kept = [tape.call(f"i{number}", conversation(2), queue="sales") for number in range(3)]
    tape.call("gone", None, seconds=30)
    tape.clock.at += 10 * SECOND
    done = tape.keeper.run_once()
    assert (done.stored, done.missing, done.waiting) == (3, 1, 0)
    assert tape.verified().findings == ()
    retention.hold(database, kept[1], True, now=1, by="t", via="t")
    later = tape.clock.at + 366 * retention.DAY
    assert retention.run(database, settings, load_secrets(settings).link_key, later) == 2
    assert retention.run(database, settings, load_secrets(settings).link_key, later) == 0
    with database.read() as session:
        assert index.count_states(session) == {"raw": 0, "waiting": 0, "stored": 1, "missing": 1, "erased": 2}
    assert tape.verified().findings == ()
    assert len(list(settings.store_dir.glob("*/*/*.rsr"))) == 1


def test_of_two_that_store_the_same_recording_one_is_told_no(settings: Settings, database: Database) -> None:
    tape = Tape.at(settings, database)
    recording = tape.call("i1", None, seconds=5)

    def mark(name: str) -> bool:
        file = StoredFile(recording, name, "flac", 1, 1, "", "k", "w")
        with database.write() as session:
            return index.mark_stored(session, file, SECOND, (), 0)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(mark, ("one", "two"))) == [False, True]
    with database.read() as session:
        assert index.kept(session, recording) is not None


@pytest.mark.parametrize("first", ["hold", "erase"])
def test_a_hold_and_an_erasing_at_once_end_in_one_of_them(settings: Settings, database: Database, first: str) -> None:
    """Whoever comes second waits for the first and is refused: never a recording that is held and erased."""
    tape = Tape.at(settings, database)
    recording = tape.call("i1", conversation(2))
    tape.keeper.run_once()
    key, row = load_secrets(settings).link_key, tables.recordings
    mine = row.update().where(row.c.recording == recording)

    def second() -> None:
        if first == "hold":
            retention.erase(database, settings, key, recording, now=1, by="t", via="t")
        else:
            retention.hold(database, recording, True, now=1, by="t", via="t")

    with ThreadPoolExecutor(1) as other:
        with database.write() as session:
            session.execute(mine.values({"legal_hold": True} if first == "hold" else {"state": "erased"}))
            came = other.submit(second)
            with pytest.raises(TimeoutError):
                came.result(0.3)
        with pytest.raises(retention.Refused) as refused:
            came.result(10)
    assert refused.value.code == {"hold": "held", "erase": "erased"}[first]
    kept = tape.detail(recording).view.kept
    assert (kept.legal_hold, kept.state.value) == ((True, "stored") if first == "hold" else (False, "erased"))


def test_erasing_waits_for_the_keeper_s_link_and_makes_the_next(settings: Settings, database: Database) -> None:
    tape = Tape.at(settings, database)
    recording = tape.call("i1", conversation(2))
    tape.keeper.run_once()
    key = load_secrets(settings).link_key
    with ThreadPoolExecutor(1) as other:
        with database.write() as session:
            chain.append(session, chain.chain_key(key), "i2-r", chain.STORED, START, "")
            came = other.submit(retention.erase, database, settings, key, recording, now=1, by="t", via="t")
            with pytest.raises(TimeoutError):
                came.result(0.3)
        came.result(10)
    with database.read() as session:
        found = list(chain.broken(chain.links(session), chain.chain_key(key)))
    assert [(link.recording, link.what, wrong) for link, wrong in found] == [
        (recording, "stored", None),
        ("i2-r", "stored", None),
        (recording, "erased", None),
    ]


def test_a_database_of_the_first_release_is_brought_up_with_its_rows(empty_settings: Settings) -> None:
    engine = make_engine(empty_settings.main_url)
    empty_settings.prepare()
    with engine.execution_options(**{BEGIN: WRITE}).begin() as connection:
        config = migrations._config("main")
        config.attributes["connection"] = connection
        command.upgrade(config, "main_0001")
        connection.execute(text("INSERT INTO contacts (id, name) VALUES ('c1', '王小明')"))
    engine.dispose()
    migrate(empty_settings)
    database = Database(empty_settings.main_url)
    with database.write() as session:
        assert session.scalar(text("SELECT name FROM contacts")) == "王小明"
        index.note(session, "i1-r", "played", START, by="t", via="t")
        index.note(session, "i1-r", "erased", START, by="t", via="t")
    with database.read() as session:
        assert [note.what for note in index.notes(session, "i1-r")] == ["played", "erased"]
    database.close()
