"""The whole directory as one document: written out and taken in, whole or not at all."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from acd.core.decide import Core
from acd.core.inputs import PhoneChanged, SeatSignedIn, Stamp, StatusChosen
from acd.core.model import SECOND, Presence, State, Way
from acd.core.reply import Code, Done, Refused
from directory import changes, document, pool
from directory.definitions import DirectoryConfiguration, DirectoryError, read_revision, read_snapshot
from directory.model import OutboundCode, Trunk
from storage import tables
from storage.session import Database
from tests.support.copies import demo_database

KEY = bytes(32)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = demo_database(tmp_path)
    with found.write() as session:
        changes.put_trunk(session, Trunk("carrier", "電信", "192.0.2.1"), KEY, "s3cret")
        changes.put_code(session, OutboundCode("82", "銷售線", "carrier"))
    yield found
    found.close()


def export(database: Database) -> dict[str, Any]:
    with database.read() as session:
        return json.loads(json.dumps(document.export(session)))  # type: ignore[no-any-return]


def apply(database: Database, given: object) -> list[document.Change]:
    with database.write() as session:
        return document.apply(session, given, key=KEY, region="TW")


def test_what_is_written_out_changes_nothing_when_taken_in(database: Database) -> None:
    told = export(database)
    assert "s3cret" not in json.dumps(told)
    with database.read() as session:
        before, revision = read_snapshot(session), read_revision(session)
    assert apply(database, told) == []
    with database.read() as session:
        assert read_snapshot(session) == before
        assert read_revision(session) == revision


def test_a_document_builds_the_same_directory_elsewhere(database: Database, tmp_path: Path) -> None:
    other = Database(f"sqlite:///{tmp_path}/other.db")
    with other.write() as session:
        tables.metadata.create_all(session.connection())
    told = export(database)
    assert apply(other, told)
    assert export(other) == told
    other.close()


def test_changes_are_named_and_made_at_once(database: Database) -> None:
    told = export(database)
    told["queues"][0] |= {"max_wait": 90, "overflow": {"way": "queue", "to": "sales"}}
    told["menus"][0]["options"].append({"digit": "9", "to": {"way": "outside", "number": "02-2345-6789", "code": "82"}})
    told["hours"] = [
        {"id": "office", "name": "辦公", "week": [{"day": 0, "open": [{"begins": "09:00", "ends": "18:00"}]}]}
    ]
    told["queues"][1]["hours"] = "office"
    told["trunks"][0]["password"] = "other"
    told["seats"] = [seat for seat in told["seats"] if seat["id"] != "agent-8006"]
    told["entries"] = [entry for entry in told["entries"] if entry["id"] != "web"]
    found = {(one.section, one.id, one.what): one.fields for one in apply(database, told)}
    assert found == {
        ("hours", "office", "added"): (),
        ("queues", "service", "changed"): ("max_wait", "overflow"),
        ("queues", "sales", "changed"): ("hours",),
        ("menus", "main", "changed"): ("options",),
        ("entries", "web", "removed"): (),
        ("seats", "agent-8006", "removed"): (),
        ("trunks", "carrier", "password"): (),
    }
    with database.read() as session:
        given = read_snapshot(session)
        assert changes.trunks_with_passwords(session, KEY)[0][1] == "other"
    assert given.queues[0].max_wait == 90 * SECOND
    outside = given.menus[0].options[-1].to
    assert (outside.way, outside.route and outside.route.prefix) == (Way.OUTSIDE, "82")
    assert "2345" not in str(given.menus)
    assert export(database)["menus"][0]["options"][-1]["to"]["number"] == "+886223456789"


def test_a_section_that_is_not_there_stays(database: Database) -> None:
    before = export(database)
    assert apply(database, {"outbound_record": False}) == [document.Change("outbound_record", "", "changed")]
    assert export(database) == before | {"outbound_record": False}


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("bad_document", lambda told: told.update(colour="blue")),
        ("bad_document", lambda told: told.update(queues="none")),
        ("bad_document", lambda told: told["queues"].append(dict(told["queues"][0]))),
        ("bad_document", lambda told: told["queues"][0].update(colour="blue")),
        ("bad_document", lambda told: told["queues"][0].update(ring_time="soon")),
        ("bad_document", lambda told: told["queues"][0].update(ring_time=float("inf"))),
        ("bad_document", lambda told: told["queues"][0].update(strategy="fairest")),
        ("bad_document", lambda told: told["menus"][0].update(options=None)),
        ("bad_document", lambda told: told.update(outbound_record="yes")),
        ("bad_document", lambda told: told.update(skills=["a"])),
        ("bad_id", lambda told: told["queues"].append({"id": "a b", "name": "x"})),
        ("unknown_queue", lambda told: told["entries"][0].update(queue="nothing")),
        ("unknown_queue", lambda told: told.update(queues=told["queues"][:1])),
        ("destination_not_allowed", lambda told: _outside(told, "+12025550123")),
        ("bad_number", lambda told: _outside(told, "12")),
        ("skill_in_use", lambda told: told.update(skills={"mandarin": "國語", "vip": "貴賓"})),
        ("extension_taken", lambda told: told["seats"][0].update(extension="8002")),
        ("unknown_extension", lambda told: told["seats"][0].update(extension="9999")),
        ("bad_extension", lambda told: told["extensions"].append({"number": "9;x"})),
        ("short_code_taken", lambda told: told["extensions"][1].update(short_code="8001")),
        ("bad_document", lambda told: told["statuses"][0].update(retired=True)),
        ("bad_document", lambda told: told["queues"][0].update(name="\ud800")),
        ("bad_document", lambda told: told.update({"\ud800": []})),
        ("bad_document", lambda told: told["queues"][0].update(name="a\0b")),
        ("bad_document", lambda told: told["seats"][0].update(total_limit=10**20)),
        ("bad_document", lambda told: told["queues"][0].update(ring_time=1e300)),
        ("bad_document", lambda told: told["menus"].append(_nested(5000))),
    ],
)
def test_a_document_that_cannot_be_changes_nothing(
    database: Database, code: str, spoil: Callable[[dict[str, Any]], None]
) -> None:
    before = export(database)
    told = export(database)
    spoil(told)
    with pytest.raises(DirectoryError) as refused:
        apply(database, told)
    assert refused.value.code == code
    assert export(database) == before


def test_what_a_row_lacks_is_told_by_its_name(database: Database) -> None:
    with pytest.raises(DirectoryError, match=r"trunks\[0\]: Trunk lacks address, name"):
        apply(database, {"trunks": [{"id": "city"}]})


def _nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {"id": "deep"}
    for _ in range(levels):
        found = {"id": "deep", "in": [found]}
    return found


def _outside(told: dict[str, Any], number: str) -> None:
    told["menus"][0]["default"] = {"way": "outside", "number": number, "code": "82"}


@pytest.mark.parametrize("given", [None, [], "x", 3])
def test_what_is_no_object_is_refused(database: Database, given: object) -> None:
    with pytest.raises(DirectoryError) as refused:
        apply(database, given)
    assert refused.value.code == "bad_document"


def test_an_extension_in_use_is_not_deleted_by_a_document_that_leaves_it_out(database: Database) -> None:
    told = export(database)
    fewer = [row for row in told["extensions"] if row["number"] != "8001"]
    for given in ({"extensions": fewer}, {"extensions": fewer, "seats": told["seats"]}):
        with pytest.raises(DirectoryError, match="agent-8001") as refused:
            apply(database, given)
        assert refused.value.code == "extension_taken"
    assert export(database) == told
    seats = [{name: part for name, part in row.items() if part != "8001"} for row in told["seats"]]
    assert [change.what for change in apply(database, {"extensions": fewer, "seats": seats})] == ["removed", "changed"]
    assert "8001" not in {row["number"] for row in export(database)["extensions"]}


def test_a_document_ends_the_passwords_of_those_whose_holder_changes_and_of_no_others(database: Database) -> None:
    def generations() -> dict[str, int]:
        with database.read() as session:
            return {one.number: one.generation for one in pool.list_extensions(session)}

    before, told = generations(), export(database)
    by_id = {row["id"]: row for row in told["seats"]}
    by_id["agent-8001"]["extension"], by_id["agent-8002"]["extension"] = "8002", "8001"
    del by_id["agent-8003"]["extension"]
    apply(database, told)
    after = generations()
    assert {number for number in before if after[number] != before[number]} == {"8001", "8002", "8003"}
    again = export(database)
    apply(database, again | {"extensions": [row for row in again["extensions"] if row["number"] != "8003"]})
    apply(database, again)
    assert generations()["8003"] > max(*before.values(), *after.values()), "what is deleted and comes again is new"


def test_a_status_that_a_document_leaves_out_is_nobodys_any_more(database: Database) -> None:
    """Its seats stay in it until they choose; nobody comes into it, at log-in least of all."""
    core, configuration = Core(State()), DirectoryConfiguration(database)

    def take() -> None:
        for one in configuration.definitions():
            assert isinstance(core.decide(one, Stamp(1, "system", "engine")).reply, Done)

    take()
    told = export(database)
    old = next(row for row in told["statuses"] if row.get("after_login") and row["presence"] == "voice")
    told["statuses"] = [row for row in told["statuses"] if row is not old] + [dict(old, id="recess")]
    apply(database, told)
    take()
    for given in (SeatSignedIn("agent-8001"), PhoneChanged("agent-8001", True)):
        assert isinstance(core.decide(given, Stamp(2, "agent-8001", "desk")).reply, Done)
    assert core.state.seats["agent-8001"].voice.status == "recess"
    refused = core.decide(StatusChosen("agent-8001", Presence.VOICE, old["id"]), Stamp(3, "agent-8001", "desk")).reply
    assert isinstance(refused, Refused)
    assert refused.code == Code.UNKNOWN_STATUS
    apply(database, {"statuses": [*told["statuses"], {**old, "after_login": False}]})
    take()
    chosen = core.decide(StatusChosen("agent-8001", Presence.VOICE, old["id"]), Stamp(4, "agent-8001", "desk")).reply
    assert isinstance(chosen, Done)


def test_a_skill_goes_with_the_document_in_which_its_last_holder_loses_it_or_leaves(database: Database) -> None:
    told = export(database)
    told["skills"] |= {"a": "a", "b": "b"}
    first, second = told["seats"][0], told["seats"][1]
    first["skills"] = [*first.get("skills", ()), {"skill": "a"}]
    second["skills"] = [*second.get("skills", ()), {"skill": "b"}]
    apply(database, told)
    before = export(database)
    del told["skills"]["a"], told["skills"]["b"]
    with pytest.raises(DirectoryError) as refused:
        apply(database, told)
    assert refused.value.code == "skill_in_use"
    assert export(database) == before
    first["skills"] = [has for has in first["skills"] if has["skill"] != "a"]
    told["seats"] = [row for row in told["seats"] if row is not second]
    apply(database, told)
    assert export(database)["skills"] == told["skills"]


def test_short_codes_are_swapped_by_one_document(database: Database) -> None:
    told = export(database)
    one, other = told["extensions"][0], told["extensions"][1]
    one["short_code"], other["short_code"] = "11", "12"
    apply(database, told)
    one["short_code"], other["short_code"] = "12", "11"
    assert {change.what for change in apply(database, told)} == {"changed"}
    assert export(database)["extensions"][:2] == [one, other]


def test_a_large_directory_costs_in_proportion(database: Database) -> None:
    """Callers that nobody knows yet wait for the same lock, 5 s at most."""
    told = export(database)

    def cost(seats: int) -> int:
        """Thousands of the database's own steps."""
        numbers = [str(20_000 + k) for k in range(seats)]
        more = [{"id": f"s-{number}", "name": "x", "extension": number} for number in numbers]
        given = {
            "extensions": [*told["extensions"], *({"number": number} for number in numbers)],
            "seats": [*told["seats"], *more],
        }
        apply(database, given)
        steps = itertools.count()
        with database.write() as session:
            driver = session.connection().connection.driver_connection
            assert driver is not None
            driver.set_progress_handler(lambda: next(steps) < 0, 1000)
            assert document.apply(session, given, key=KEY, region="TW") == []
            driver.set_progress_handler(None, 0)
        return next(steps)

    few, many = cost(100), cost(400)
    assert many < 6 * few, "a quadratic one: 16 times"
