"""Who had an extension does not keep its SIP password, and no password comes a second time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from acd.core.model import SeatProfile
from directory import changes, document, pool, service
from directory.definitions import read_snapshot
from directory.model import DialClass, DirectoryError, EntryPoint, OutboundCode, Trunk
from storage import migrations, tables
from storage.session import Database
from storage.settings import Settings
from tests.support.copies import demo_database
from tests.support.older import at_revision


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = demo_database(tmp_path)
    with found.write() as session:
        service.create_extension(session, "8090", "desk")
        service.create_extension(session, "8091")
    yield found
    found.close()


def generations(database: Database) -> dict[str, int]:
    with database.read() as session:
        return {one.number: one.generation for one in service.list_extensions(session)}


def _profile(session: Session, seat: str) -> SeatProfile:
    return next(one for one in read_snapshot(session).seats if one.id == seat)


def _without(session: Session) -> None:
    profile = _profile(session, "agent-8001")
    service.set_seat(session, SeatProfile(profile.id, "", profile.queues, profile.skills))


ENDS: dict[str, Callable[[Session], object]] = {
    "release": lambda session: service.release_extension(session, "8001"),
    "move": lambda session: service.move_extension(session, "8001", "agent-8002"),
    "another given": lambda session: service.assign_extension(session, "8091", "agent-8001"),
    "taken from the seat": _without,
    "the person leaves": lambda session: service.archive_seat(session, "agent-8001"),
    "renewed": lambda session: service.renew_password(session, "8001"),
}


@pytest.mark.parametrize("how", ENDS)
def test_who_had_an_extension_does_not_keep_its_password(database: Database, how: str) -> None:
    before = generations(database)
    with database.write() as session:
        ENDS[how](session)
    after = generations(database)
    assert after["8001"] > max(before.values()), "one that nothing ever had"
    assert after["8090"] == before["8090"]


def test_a_free_extension_has_the_password_that_was_shown_when_it_was_made(database: Database) -> None:
    before = generations(database)
    with database.write() as session:
        service.create_seat(session, SeatProfile("lin", "8091"), "林")
        service.set_seat(session, SeatProfile("lin", "8091", total_limit=2))
        service.move_extension(session, "8091", "lin")
    assert generations(database) == before


def test_a_desk_phone_keeps_its_password_whoever_sits_there(database: Database) -> None:
    before = generations(database)
    with database.write() as session:
        for seat in ("lin", "hao"):
            service.create_seat(session, SeatProfile(seat), seat)
        service.assign_extension(session, "8090", "lin")
        service.move_extension(session, "8090", "hao")
        service.release_extension(session, "8090")
    assert generations(database) == before


def test_a_deleted_extension_comes_again_with_another_password(database: Database) -> None:
    given = {generations(database)["8091"]}
    for _ in range(3):
        with database.write() as session:
            service.renew_password(session, "8091")
        given.add(generations(database)["8091"])
        with database.write() as session:
            service.delete_extension(session, "8091")
            service.create_extension(session, "8091")
        given.add(generations(database)["8091"])
    assert len(given) == 7


def test_an_older_installation_counts_on_from_what_it_may_have_given(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.prepare()
    with at_revision(settings, "main_0004") as connection:
        connection.execute(text("INSERT INTO directory_state (id, revision, policy) VALUES (1, 40, '{}')"))
        connection.execute(text("INSERT INTO people (id, name) VALUES ('lin', 'Lin')"))
        rows = [("8001", "softphone", 3, "lin"), ("8002", "softphone", 2, None), ("8003", "desk", 2, None)]
        for number, kind, generation, person in rows:
            put = text("INSERT INTO extensions (number, kind, generation, person_id) VALUES (:n, :k, :g, :p)")
            connection.execute(put, {"n": number, "k": kind, "g": generation, "p": person})
    migrations.migrate(settings)
    database = Database(settings.main_url)
    with database.read() as session:
        classes = {one.id: one for one in read_snapshot(session).dial_classes}
    assert classes["callback"] == DialClass("callback", "回電"), "an empty one: nobody is called back unasked"
    assert classes["forward"].allow == ()
    after = generations(database)
    assert (after["8001"], after["8003"]) == (3, 2), "phones that are in use go on"
    assert after["8002"] > 40, "who had the free one last may still know its password"
    with database.write() as session:
        service.create_extension(session, "8009")
    assert generations(database)["8009"] > after["8002"]
    database.close()


def test_a_dial_class_that_was_archived_is_in_use_again_and_allows_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.prepare()
    with at_revision(settings, "main_0004") as connection:
        connection.execute(text("INSERT INTO directory_state (id, revision, policy) VALUES (1, 40, '{}')"))
        rows = [("callback", ["*"], True), ("forward", ["0"], False)]
        for name, allow, archived in rows:
            put = text("INSERT INTO dial_classes (id, definition, archived) VALUES (:id, :told, :archived)")
            told = json.dumps({"id": name, "name": "old", "allow": allow})
            connection.execute(put, {"id": name, "told": told, "archived": archived})
    migrations.migrate(settings)
    database = Database(settings.main_url)
    with database.read() as session:
        classes = {one.id: one for one in read_snapshot(session).dial_classes}
    database.close()
    assert classes["callback"] == DialClass("callback", "回電")
    assert classes["forward"] == DialClass("forward", "old", ("0",)), "one in use stays as it is"


CLASHES: dict[str, Callable[[Session], object]] = {
    "an emergency number": lambda session: service.create_extension(session, "119", emergency=("110", "119")),
    "the doctor's": lambda session: service.create_extension(session, pool.DOCTOR),
    "short code of the doctor": lambda session: service.set_short_code(session, "8001", pool.DOCTOR),
    "an entry point's": lambda session: service.create_extension(session, "81"),
    "a code's": lambda session: service.create_extension(session, "77"),
    "short code": lambda session: service.set_short_code(session, "8001", "110", ("110",)),
    "short code of an entry": lambda session: service.create_extension(session, "8099", short_code="82"),
    "entry of an extension": lambda session: service.put_entry_point(session, EntryPoint("8001", "x", "service")),
    "code of an extension": lambda session: changes.put_code(session, OutboundCode("8001", "x", "carrier")),
    "code of a document": lambda session: document.apply(
        session,
        {"codes": [{"id": code, "name": "x", "trunk": "carrier"} for code in ("77", "8001")]},
        key=bytes(32),
        region="TW",
    ),
    "doctor's number of a document": lambda session: document.apply(
        session,
        {"extensions": [*document.export(session)["extensions"], {"number": pool.DOCTOR}]},
        key=bytes(32),
        region="TW",
    ),
    "emergency number of a document": lambda session: document.apply(
        session,
        {"extensions": [*document.export(session)["extensions"], {"number": "110"}]},
        key=bytes(32),
        region="TW",
        emergency=("110",),
    ),
}


@pytest.mark.parametrize("what", CLASHES)
def test_what_is_dialled_means_one_thing(database: Database, what: str) -> None:
    with database.write() as session:
        changes.put_trunk(session, Trunk("carrier", "電信", "192.0.2.1"), bytes(32))
        changes.put_code(session, OutboundCode("77", "x", "carrier"))
    with pytest.raises(DirectoryError) as refused, database.write() as session:
        CLASHES[what](session)
    assert refused.value.code == "number_taken"


def test_a_clash_of_an_older_installation_keeps_nobody_from_other_changes(database: Database) -> None:
    with database.write() as session:
        session.execute(tables.extensions.insert().values(number="81", kind="desk", generation=1))
        service.put_entry_point(session, next(one for one in read_snapshot(session).entries if one.id == "81"))
        service.create_extension(session, "8100", emergency=("110",))
        told = document.export(session)
        assert document.apply(session, told, key=bytes(32), region="TW") == []


def test_a_new_extension_takes_nobodys_short_code(database: Database) -> None:
    with database.write() as session:
        service.set_short_code(session, "8001", "11")
        with pytest.raises(DirectoryError, match="8001") as refused:
            service.create_extension(session, "11")
    assert refused.value.code == "short_code_taken"
