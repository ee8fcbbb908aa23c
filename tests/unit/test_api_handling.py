"""Calls handled over the API on a real core: moves, transfers, dialling, supervision, information; the directory."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import pytest_asyncio
import soundfile
import structlog
from sqlalchemy import insert
from sqlalchemy.orm import Session

from acd import why
from acd.core import inputs as i
from acd.core.model import (
    SECOND,
    Destination,
    EntryPlan,
    MediumDef,
    Menu,
    MenuOption,
    OfferResult,
    Presence,
    QueueDef,
    Seat,
    SeatProfile,
    SeatQueue,
    State,
    TrunkDef,
    WatchMode,
    Way,
)
from acd.core.shapes import Shape
from api import asking
from api.auth.permissions import PREFIX, Permission
from api.engine import EngineProcess
from api.hours import HoursKeeper
from api.routes import lists
from api.services import Services
from directory import changes, prompts, service
from directory.checks import KEYS
from directory.dry_run import Answer
from directory.model import EntryPoint, Hours, OutboundCode, Snapshot, Stretch, Trunk, WeekDay
from directory.prompts import speaker
from records.consumer import RecordsConsumer
from storage import tables
from storage.bus import CallFailed
from storage.cursors import catch_up
from tests.support.api import START, Api, serving

pytestmark = pytest.mark.asyncio
P = Permission


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as running:
        use = running.services
        with use.database.write() as session:
            service.put_entry_point(session, EntryPoint("82", "八二", "sales"))
            changes.put_trunk(
                session, Trunk("carrier", "電信", "192.0.2.1", "user", cap=1), use.secrets.sealing_key(), "s3cret"
            )
            changes.put_code(session, OutboundCode("81", "外線", "carrier", shown="+886223456781", default=True))
            service.set_dial_class(session, "amy", "national")
        await running.runtime.submit(i.TrunkDefined(TrunkDef("carrier", 1)))
        await running.runtime.submit(i.SeatProfileSet(SeatProfile("boss", "8009")))
        for seat in ("amy", "bob", "boss"):
            await running.runtime.submit(i.SeatSignedIn(seat))
            await running.runtime.submit(i.PhoneChanged(seat, True))
        await running.shown()
        yield running


async def ask(api: Api, method: str, path: str, body: object = None, *allowed: Permission) -> Any:
    """One request; (status, body)."""
    answer = await api.http.request(method, PREFIX + path, headers=api.token(*allowed), json=body)
    return answer.status_code, answer.json() if answer.content else None


async def talking(api: Api, number: int = 1, seat: str = "amy") -> str:
    """A call that the seat has; its item."""
    await api.runtime.submit(i.StatusChosen(seat, Presence.VOICE, "ready"))
    leg = f"leg-{number}"
    plan = EntryPlan("82", 1, "sales", address="a-1", last_seat="bob", priority=7)
    done = await api.runtime.submit(i.CallEntered(leg, plan), by="customer", via="asterisk")
    await api.runtime.submit(i.LegArrived(leg), by="customer", via="asterisk")
    item = getattr(done, "item", "")
    await api.shown()
    offer = api.services.state.items[item].offer
    await api.runtime.submit(i.OfferAnswered(offer))
    await api.runtime.submit(i.MediaFlowed(item, seat))
    await api.shown()
    return item


def shape(api: Api, item: str) -> Shape:
    return api.services.state.items[item].shape


async def test_hold_consult_three_way_and_complete(api: Api) -> None:
    item = await talking(api)
    call = f"/seats/amy/calls/{item}"
    assert (await ask(api, "POST", f"{call}/move", {"move": "hold"}, P.CALLS_HANDLE))[0] == 200
    assert shape(api, item) is Shape.HELD
    status, refused = await ask(api, "POST", f"{call}/move", {"move": "merge"})
    assert (status, refused["error"]["code"]) == (409, "wrong_shape")
    status, rung = await ask(api, "POST", f"{call}/consult", {"kind": "extension", "id": "8002"})
    assert (status, shape(api, item)) == (200, Shape.RINGING)
    other = api.services.state.items[item].other
    assert other is not None
    assert other.seat == "bob", "an extension of a seat is the seat"
    await api.runtime.submit(i.OfferAnswered(other.leg))
    await api.shown()
    assert shape(api, item) is Shape.CONSULT
    for move, expected in (("merge", Shape.THREE_WAY), ("coach", Shape.COACHED), ("complete", Shape.TALK)):
        assert (await ask(api, "POST", f"{call}/move", {"move": move}))[0] == 200
        assert shape(api, item) is expected
    assert api.services.state.items[item].seat == "bob"
    assert rung["item"] == item


async def test_a_blind_transfer_to_a_queue_and_an_entry_point(api: Api) -> None:
    item = await talking(api)
    status, _ = await ask(api, "POST", f"/seats/amy/calls/{item}/transfer", {"kind": "queue", "id": "other"})
    assert (status, api.services.state.items[item].queue) == (200, "other")
    second = await talking(api, 2)
    where = f"/seats/amy/calls/{second}/transfer"
    assert (await ask(api, "POST", where, {"kind": "entry", "id": "99"}))[0] == 404
    assert (await ask(api, "POST", where, {"kind": "entry", "id": "82"}))[0] == 200
    assert (await ask(api, "POST", where, {"kind": "nobody", "id": "82"}))[0] == 422


async def test_dialling_out_is_denied_by_default_and_capped(api: Api) -> None:
    status, refused = await ask(api, "POST", "/seats/bob/dial", {"number": "0912345678"}, P.CALLS_DIAL)
    assert (status, refused["error"]["code"]) == (403, "no_dial_class")
    status, refused = await ask(api, "POST", "/seats/amy/dial", {"number": "+12025550123"})
    assert (status, refused["error"]["code"]) == (403, "destination_not_allowed")
    status, done = await ask(api, "POST", "/seats/amy/dial", {"number": "0912345678", "prefix": "81"})
    assert status == 200
    item = api.services.state.items[done["item"]]
    assert item.route is not None
    assert (item.outbound, item.route.trunk, item.route.shown) == (True, "carrier", "+886223456781")
    await api.runtime.submit(i.OfferAnswered(api.services.state.seats["amy"].handlings[item.id].offer))
    await api.shown()
    with api.services.database.write() as session:
        service.set_dial_class(session, "bob", "national")
    status, refused = await ask(api, "POST", "/seats/bob/dial", {"number": "0987654321"})
    assert (status, refused["error"]["code"]) == (409, "line_cap")
    _, about = await ask(api, "GET", f"/calls/{done['item']}/information", None, P.CALLS_READ)
    assert (about["direction"], about["trunk"], about["prefix"]) == ("outbound", "carrier", "81")
    assert about["number"] == "+886912345678"
    status, refused = await ask(api, "POST", "/seats/amy/dial", {"number": "091234\n5678"})
    assert (status, refused["error"]["code"]) == (422, "bad_request_body")


async def test_a_record_of_a_call_out_is_made_by_hand_where_none_is_made_by_itself(api: Api) -> None:
    """Once, by the seat that has the call, when the customer has answered."""
    use = api.services
    with use.database.write() as session:
        service.set_outbound_record(session, False)
    _, done = await ask(api, "POST", "/seats/amy/dial", {"number": "0912345678"})
    item = done["item"]
    where = f"/seats/amy/calls/{item}/record"

    async def refused(path: str, *allowed: Permission) -> tuple[int, str]:
        await asyncio.to_thread(catch_up, use.database, api.log, RecordsConsumer())
        status, said = await ask(api, "POST", path, None, *allowed)
        return status, said["error"]["code"]

    assert (await ask(api, "POST", where))[1]["error"]["code"] == "records_behind"
    assert await refused(where) == (409, "not_connected")
    await api.runtime.submit(i.OfferAnswered(use.state.seats["amy"].handlings[item].offer))
    await api.shown()
    await api.runtime.submit(i.OfferAnswered(use.state.items[item].leg))
    assert await refused("/seats/amy/calls/nothing/record") == (404, "unknown_call")
    assert await refused(f"/seats/bob/calls/{item}/record") == (409, "not_serving")
    assert await refused(where, P.CALLS_READ, P.CALLS_DIAL) == (403, "forbidden")
    assert (await ask(api, "GET", "/records"))[1]["records"] == []
    status, made = await ask(api, "POST", where, None, P.CALLS_HANDLE)
    assert (status, made["call"], made["seat"], made["direction"]) == (201, item, "amy", "outbound")
    assert [one["id"] for one in (await ask(api, "GET", "/records"))[1]["records"]] == [made["id"]]
    assert await refused(where) == (409, "record_exists")
    inbound = await talking(api, 5, "bob")
    assert await refused(f"/seats/bob/calls/{inbound}/record") == (409, "not_outbound")


async def test_a_seat_mutes_itself_and_nobody_else(api: Api) -> None:
    item = await talking(api)
    where = f"/seats/amy/calls/{item}/mute"
    assert (await ask(api, "POST", where, {"on": True}, P.CALLS_READ, P.CALLS_DIAL))[0] == 403
    for on in (True, True, False):
        assert (await ask(api, "POST", where, {"on": on}, P.CALLS_HANDLE))[0] == 200
        await api.shown()
        assert api.services.state.seats["amy"].handlings[item].muted is on
    assert [row.kind for row in api.log.rows].count("SeatMuted") == 2
    status, refused = await ask(api, "POST", f"/seats/bob/calls/{item}/mute", {"on": True})
    assert (status, refused["error"]["code"]) == (409, "not_serving")
    assert (await ask(api, "POST", where, {}))[0] == 422


async def test_keys_go_to_the_customer_the_seat_talks_with_and_are_written_nowhere(
    api: Api, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await talking(api)
    where = f"/seats/amy/calls/{item}/keys"
    digits = "4111*1111#1111A1111"
    assert (await ask(api, "POST", where, {"digits": digits}, P.CALLS_READ, P.CALLS_DIAL))[0] == 403
    assert (await ask(api, "POST", where, {"digits": digits}, P.CALLS_HANDLE))[1]["item"] == item
    assert api.engine.keys == [("leg-1", digits)]
    for bad in ("", "12x", "1 2", "1" * 33, "1&2", "１", "1\n", "e"):
        status, said = await ask(api, "POST", where, {"digits": bad})
        assert (status, said["error"]["code"]) == (422, "bad_request_body"), bad
    for path, code in (
        (f"/seats/bob/calls/{item}/keys", "not_serving"),
        (f"/seats/nobody/calls/{item}/keys", "not_serving"),
        ("/seats/amy/calls/nothing/keys", "unknown_item"),
    ):
        assert (await ask(api, "POST", path, {"digits": digits}))[1]["error"]["code"] == code
    await ask(api, "POST", f"/seats/amy/calls/{item}/move", {"move": "hold"})
    status, refused = await ask(api, "POST", where, {"digits": digits})
    assert (status, refused["error"]["code"]) == (409, "wrong_shape"), "he hears music"
    await ask(api, "POST", f"/seats/amy/calls/{item}/move", {"move": "resume"})
    assert len(api.engine.keys) == 1

    async def broken(_leg: str, digits: str) -> None:
        raise ValueError(f"POST channels/leg-1/dtmf?dtmf={digits}")

    monkeypatch.setattr(api.engine, "send", broken)
    status, failed = await ask(api, "POST", where, {"digits": digits})
    assert (status, failed["error"]["code"]) == (503, "keys_not_sent")
    assert digits not in str(failed)
    assert digits not in str(api.log.rows)
    said = capfd.readouterr()
    assert digits not in said.out + said.err


async def test_the_engine_hands_keys_to_the_customer_s_leg(api: Api) -> None:
    item, sent = await talking(api), list[tuple[str, str]]()

    async def send_keys(leg: str, digits: str) -> None:
        sent.append((leg, digits))

    engine: Any = SimpleNamespace(runtime=api.runtime, _telephony=SimpleNamespace(send_keys=send_keys), _seq=7)
    body = {"seat": "amy", "item": item, "digits": "4111#", "by": "token:t", "via": "api"}
    with structlog.testing.capture_logs() as logs:
        told = await EngineProcess._handle(engine, "keys", body)
        refused = await EngineProcess._handle(engine, "keys", body | {"seat": "bob"})
    assert (told["done"]["item"], told["seq"], refused["refused"]["code"]) == (item, 7, "not_serving")
    assert sent == [("leg-1", "4111#")]
    assert [(one["by"], one["seat"], one["sent"]) for one in logs] == [
        ("token:t", "amy", True),
        ("token:t", "bob", False),
    ]
    assert "4111" not in str(logs)
    with pytest.raises(CallFailed, match="keys are"):
        await EngineProcess._handle(engine, "keys", body | {"digits": "1&2"})


async def test_a_supervisor_watches_and_is_audited(api: Api) -> None:
    item = await talking(api)
    status, _ = await ask(api, "POST", f"/calls/{item}/watch", {"seat": "boss", "mode": "listen"}, P.CALLS_SUPERVISE)
    assert status == 200
    watcher = next(iter(api.services.state.items[item].watchers.values()))
    assert (watcher.seat, watcher.mode) == ("boss", WatchMode.LISTEN)
    by, via = api.engine.stamps[-1]
    assert (by.startswith("token:"), via) == (True, "api")
    row = next(one for one in api.log.rows if one.kind == "WatchStarted")
    assert (row.by, row.via) == (by, via)
    await api.runtime.submit(i.OfferAnswered(watcher.leg))
    about: dict[str, Any] = {}
    for mode, place in (("listen", "listen"), ("join", "bridge"), ("whisper", "coach")):
        assert (await ask(api, "POST", f"/calls/{item}/watch", {"seat": "boss", "mode": mode}))[0] == 200
        _, about = await ask(api, "GET", f"/calls/{item}/information")
        assert about["parties"][2]["place"] == place
    assert [(one["who"], one["seat"], one["mode"]) for one in about["parties"]] == [
        ("customer", "", ""),
        ("seat", "amy", ""),
        ("supervisor", "boss", "whisper"),
    ]
    assert (about["live"], about["priority"], about["last_agent"], about["shape"]) == (True, 7, "bob", "talk")
    assert (await ask(api, "POST", f"/calls/{item}/unwatch", {"seat": "boss"}))[0] == 200
    assert shape(api, item) is Shape.TALK
    assert (await ask(api, "DELETE", f"/calls/{item}", None, P.CALLS_SUPERVISE))[0] == 200
    assert item not in api.services.state.items


async def test_recording_is_paused_and_resumed(api: Api) -> None:
    item = await talking(api)
    recording = api.services.state.items[item].recording
    await api.runtime.submit(i.RecordingStarted(item, recording))
    status, taken = await ask(api, "POST", f"/calls/{item}/pause-recording", {"seconds": 60})
    resumes = datetime.fromtimestamp(START / SECOND + 60, UTC)
    assert (status, datetime.fromisoformat(taken["resume_at"])) == (200, resumes)
    _, about = await ask(api, "GET", f"/calls/{item}/information")
    assert (about["recording"], about["recording_paused"], about["recorded"]) == (recording, True, False)
    assert (await ask(api, "POST", f"/calls/{item}/resume-recording"))[0] == 200
    assert not api.services.state.items[item].paused
    for seconds, expected in ((0, 422), (1801, 422), (1800, 200)):
        assert (await ask(api, "POST", f"/calls/{item}/pause-recording", {"seconds": seconds}))[0] == expected


async def test_forced_sign_out_and_status(api: Api) -> None:
    status, shown = await ask(api, "POST", "/seats/bob/force-status", {"status": "ready"}, P.CALLS_SUPERVISE)
    assert (status, shown["seat"]["voice"]["status"]) == (200, "ready")
    status, shown = await ask(api, "POST", "/seats/bob/force-sign-out", None, P.CALLS_SUPERVISE)
    assert (status, shown["seat"]["signed_in_at"]) == (200, None)


@pytest.mark.feature("V12")
async def test_information_of_a_call_that_is_over(api: Api) -> None:
    row = {
        "item": "i-9",
        "number": 9,
        "direction": "inbound",
        "account": "82",
        "queue": "sales",
        "trunk": "carrier",
        "priority": 3,
        "last_seat": "bob",
        "entered_at": START,
        "queued_at": START + SECOND,
        "accepted_at": START + 4 * SECOND,
        "ended_at": START + 9 * SECOND,
        "outcome": "answered",
        "ended_by": "customer",
        "sip": 200,
        "q850": 16,
        "recording": "i-9-r",
        "reason": "live",
    }
    with api.services.database.write() as session:
        session.execute(insert(tables.interactions).values(**row))
        mark = {"item": "i-9", "ordinal": 1, "kind": "key", "at": START, "subject": "main", "detail": "2"}
        session.execute(insert(tables.marks).values(**mark))
    status, about = await ask(api, "GET", "/calls/i-9/information", None, P.CALLS_READ)
    assert status == 200, about
    shown = ("live", "direction", "entry", "trunk", "queue", "wait_seconds", "priority", "last_agent", "recorded")
    assert [about[name] for name in shown] == [False, "inbound", "82", "carrier", "sales", 3.0, 3, "bob", True]
    assert (about["outcome"], about["hung_up_by"], about["sip"], about["q850"]) == ("answered", "customer", 200, 16)
    assert [(one["menu"], one["digit"]) for one in about["menus"]] == [("main", "2")]


async def test_information_of_what_nobody_knows(api: Api) -> None:
    assert (await ask(api, "GET", "/calls/nothing/information"))[0] == 404


async def test_ringing_out_leaves_the_customer_with_his_agent(api: Api) -> None:
    item = await talking(api)
    await ask(api, "POST", f"/seats/amy/calls/{item}/consult", {"kind": "seat", "id": "bob"})
    other = api.services.state.items[item].other
    assert other is not None
    await api.runtime.submit(i.OfferRefused(other.leg, OfferResult.REJECTED))
    await api.shown()
    assert (shape(api, item), api.services.state.items[item].seat) == (Shape.TALK, "amy")


@pytest.mark.parametrize("how", ["consult", "transfer"])
async def test_who_may_not_dial_cannot_reach_outside_by_a_transfer_either(api: Api, how: str) -> None:
    item = await talking(api)
    where, asked = f"/seats/amy/calls/{item}/{how}", {"kind": "outside", "number": "0912345678"}
    status, refused = await ask(api, "POST", where, asked, P.CALLS_HANDLE)
    assert (status, refused["error"]["details"]) == (403, {"permission": "calls:dial"})
    assert (shape(api, item), api.services.state.items[item].other) == (Shape.TALK, None)
    assert (await ask(api, "POST", where, asked, P.CALLS_HANDLE, P.CALLS_DIAL))[0] == 200


@pytest.mark.parametrize("how", ["consult", "transfer"])
async def test_only_extensions_of_the_pool_are_rung(api: Api, how: str) -> None:
    """Nothing else that Asterisk may know by such a name: a line, the doctor, another context."""
    item = await talking(api)
    where = f"/seats/amy/calls/{item}/{how}"
    for strange in ("8999", "carrier", "doctor", "trunk-carrier", "", "80.."):
        status, refused = await ask(api, "POST", where, {"kind": "extension", "id": strange})
        assert (status, refused["error"]["code"]) == (404, "unknown_extension"), strange
    assert api.services.state.items[item].other is None
    with api.services.database.write() as session:
        service.create_extension(session, "8020", "desk", licences=9)
    status, done = await ask(api, "POST", where, {"kind": "extension", "id": "8020"})
    assert (status, done["item"]) == (200, item)


async def test_the_live_state_is_read_where_it_is_written(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop changes it in place; a thread that walks over it would meet a dict that grows."""
    item = await talking(api)
    home, strangers = threading.get_ident(), list[str]()

    def seen(self: Services) -> State:
        if threading.get_ident() != home:
            strangers.append(threading.current_thread().name)
        return self.live.state

    monkeypatch.setattr(Services, "state", property(seen))
    for method, path, body in (
        ("GET", f"/calls/{item}/information", None),
        ("GET", "/calls/nothing/information", None),
        ("GET", "/who-serves?entry=82", None),
        ("POST", "/blacklist", {"call": item}),
        ("POST", "/vips", {"call": item, "priority": 2}),
        ("POST", f"/seats/amy/calls/{item}/consult", {"kind": "extension", "id": "8002"}),
        ("POST", f"/seats/amy/calls/{item}/consult", {"kind": "extension", "id": "8999"}),
        ("POST", f"/seats/amy/calls/{item}/move", {"move": "cancel"}),
        ("POST", f"/seats/amy/calls/{item}/transfer", {"kind": "entry", "id": "82"}),
    ):
        status, told = await ask(api, method, path, body)
        assert status in {200, 201, 404}, (path, told)
    assert strangers == []


# --- the directory ------------------------------------------------------------------------------------------------


async def test_the_document_is_tried_then_applied(api: Api) -> None:
    status, told = await ask(api, "GET", "/configuration", None, P.CONFIGURATION_READ)
    assert status == 200
    assert "s3cret" not in str(told)
    told["queues"][0]["name"] = "新名"
    status, tried = await ask(api, "POST", "/configuration?dry_run=true", told, P.CONFIGURATION_MANAGE)
    assert status == 200, tried
    assert (tried["kept"], [one["fields"] for one in tried["changes"]]) == (False, [["name"]])
    assert (await ask(api, "GET", "/configuration"))[1]["queues"][0]["name"] == "Sales"
    assert (await ask(api, "POST", "/configuration", told))[1]["kept"]
    assert (await ask(api, "GET", "/configuration"))[1]["queues"][0]["name"] == "新名"
    told["trunks"][0] |= {"registers": True, "username": "u", "password": ""}
    status, refused = await ask(api, "POST", "/configuration", told)
    assert (status, refused["error"]["code"]) == (422, "bad_trunk"), "what Asterisk could not have is not kept"
    told["queues"][0]["overflow"] = {"way": "queue", "to": "nothing"}
    assert (await ask(api, "POST", "/configuration", told))[1]["error"]["code"] == "unknown_queue"


@pytest.mark.feature("C8")
async def test_an_agent_blocks_for_a_day_and_only_an_administrator_for_good(api: Api) -> None:
    asked = {"number": "0912345678", "reason": "rude"}
    status, entry = await ask(api, "POST", "/blacklist", asked, P.BLACKLIST_ADD)
    assert status == 201
    assert entry["until"] is not None
    status, refused = await ask(api, "POST", "/blacklist", asked | {"for_good": True}, P.BLACKLIST_ADD)
    assert (status, refused["error"]["details"]) == (403, {"permission": "blacklist:manage"})
    both = (P.BLACKLIST_ADD, P.BLACKLIST_MANAGE)
    assert (await ask(api, "POST", "/blacklist", asked | {"for_good": True}, *both))[1]["until"] is None
    _, listed = await ask(api, "GET", "/blacklist", None, P.BLACKLIST_READ)
    assert [one["number"] for one in listed] == ["+886912345678"]
    _, answer = await ask(api, "GET", "/who-serves?entry=82&caller=0912345678")
    assert (answer["blacklisted"], answer["refused"], answer["step"]) == (True, "blacklisted", None)
    address = entry["address"]
    assert (await ask(api, "DELETE", f"/blacklist/{address}", None, P.BLACKLIST_MANAGE))[0] == 204
    assert (await ask(api, "DELETE", f"/blacklist/{address}"))[0] == 404
    assert (await ask(api, "POST", "/blacklist", {"number": "12"}))[0] == 422
    assert (await ask(api, "POST", "/blacklist", {}))[0] == 422
    assert (await ask(api, "POST", "/blacklist", {"call": "nothing"}))[0] == 404


@pytest.mark.parametrize("field", ["address", "call"])
@pytest.mark.parametrize(("path", "more"), [("/blacklist", {}), ("/vips", {"priority": 1})])
async def test_what_no_database_can_look_for_is_refused(api: Api, path: str, more: dict[str, int], field: str) -> None:
    assert (await ask(api, "POST", path, {field: "\x00", **more}))[1]["error"]["code"] == "bad_request_body"


async def test_who_serves_names_seats_and_refusals(api: Api) -> None:
    await api.runtime.submit(i.StatusChosen("amy", Presence.VOICE, "ready"))
    await api.shown()
    await ask(api, "POST", "/vips", {"number": "0912345678", "priority": 9}, P.CONFIGURATION_MANAGE)
    status, answer = await ask(
        api, "GET", "/who-serves?entry=82&caller=0912345678&at=Sun%2020:05", None, P.CONFIGURATION_READ
    )
    assert (status, answer["priority"], answer["step"]["id"]) == (200, 9, "sales")
    assert {one["seat"]: one["refused"] for one in answer["step"]["seats"]} == {
        "amy": "",
        "bob": "status",
        "boss": "not_member",
    }
    assert (await ask(api, "GET", "/who-serves?entry=99"))[0] == 404
    for never in ("soon", "9999-12-31T20:05", "0001-01-01T09:00"):
        status, refused = await ask(api, "GET", f"/who-serves?entry=82&at={never}")
        assert (status, refused["error"]["code"]) == (422, "bad_time")


def _center(queues: int, seats: int) -> tuple[Snapshot, State]:
    """Entry point 81 with a key for each queue, ten of them a menu; every seat serves all of them."""
    defined = tuple(QueueDef(f"q{number}", f"q{number}") for number in range(queues))
    places = [Destination(Way.QUEUE, one.id) for one in defined]
    menus: list[Menu] = []
    while len(places) > 1:
        groups = [places[start : start + 10] for start in range(0, len(places), 10)]
        made = [_menu(f"m{len(menus) + number}", group) for number, group in enumerate(groups)]
        menus += made
        places = [Destination(Way.MENU, one.id) for one in made]
    state = State()
    state.media["voice"] = MediumDef("voice", Presence.VOICE, 1, 1, ("*",), ("voice",), needs_phone=True)
    state.queues |= {one.id: one for one in defined}
    for number in range(seats):
        profile = SeatProfile(f"s{number}", "", tuple(SeatQueue(one.id) for one in defined))
        state.seats[profile.id] = Seat(profile, signed_in_at=1)
    entry = EntryPoint(id="81", name="", queue="q0", start=places[0])
    return Snapshot(queues=defined, menus=tuple(menus), entries=(entry,)), state


def _menu(name: str, places: list[Destination]) -> Menu:
    options = tuple(MenuOption(KEYS[number], to) for number, to in enumerate(places))
    return Menu(id=name, prompt="x", options=options, default=Destination(Way.HANG_UP))


async def test_calls_go_on_while_somebody_asks_who_serves(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot, state = _center(queues=100, seats=200)
    turns, seen, threads = 0, list[int](), list[int]()
    look, tell = why.seats_for, lists.answer_out

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def looking(given: State, item: str) -> why.ItemVerdict:
        seen.append(turns)
        return look(given, item)

    def telling(answer: Answer) -> lists.WhoServesOut:
        threads.append(threading.get_ident())
        return tell(answer)

    monkeypatch.setattr(asking, "read_snapshot", lambda _: snapshot)
    monkeypatch.setattr(Services, "state", property(lambda _: state))
    monkeypatch.setattr(why, "seats_for", looking)
    monkeypatch.setattr(lists, "answer_out", telling)
    running = asyncio.create_task(others())
    status, answer = await ask(api, "GET", "/who-serves?entry=81")
    running.cancel()
    assert status == 200
    assert len(answer["step"]["branches"][3]["step"]["branches"][7]["step"]["seats"]) == 200
    assert len(seen) == len(set(seen)) == 100, "everything else has a turn before each queue"
    assert threads != []
    assert threading.get_ident() not in threads, "megabytes are not made where calls wait for it"


async def test_prompts_are_uploaded_listed_and_removed(api: Api) -> None:
    out = io.BytesIO()
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    soundfile.write(out, tone, 16_000, format="FLAC")
    headers = api.token(P.CONFIGURATION_MANAGE)
    url = f"{PREFIX}/prompts"
    made = await api.http.post(f"{url}?name=welcome", headers=headers, content=out.getvalue())
    assert (made.status_code, made.json()["seconds"]) == (201, pytest.approx(1.0, abs=0.01))
    bad = await api.http.post(f"{url}?name=x", headers=headers, content=b"not a sound")
    assert (bad.status_code, bad.json()["error"]["code"]) == (422, "bad_sound")
    large = await api.http.post(f"{url}?name=x", headers=headers, content=bytes(9 * 1024 * 1024))
    assert large.status_code == 413
    _, listed = await ask(api, "GET", "/prompts", None, P.CONFIGURATION_READ)
    assert [one["plays"] for one in listed] == [made.json()["plays"]]
    assert (await ask(api, "DELETE", f"/prompts/{made.json()['id']}"))[0] == 204
    assert (await ask(api, "GET", "/prompts"))[1] == []
    said = await ask(api, "POST", "/prompts/speak", {"name": "hi", "text": "您好"})
    assert said[0] == (201 if speaker() else 503)


async def test_a_sound_is_converted_in_no_transaction_and_not_in_the_loop(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes seconds: neither the event loop nor another writer waits for it."""
    out, opened, seen = io.BytesIO(), list[object](), list[tuple[bool, int]]()
    soundfile.write(out, [0.3, -0.3] * 4000, 8000, format="WAV")
    real, write = prompts.converted, api.services.database.write

    @contextmanager
    def writing() -> Iterator[Session]:
        opened.append(None)
        with write() as session:
            yield session
        opened.pop()

    def converting(raw: bytes, longest_s: int) -> bytes:
        seen.append((bool(opened), threading.get_ident()))
        return real(raw, longest_s)

    monkeypatch.setattr(api.services.database, "write", writing)
    monkeypatch.setattr(prompts, "converted", converting)
    monkeypatch.setattr(prompts, "spoken", lambda *_: out.getvalue())
    headers = api.token(P.CONFIGURATION_MANAGE)
    made = await api.http.post(f"{PREFIX}/prompts?name=welcome", headers=headers, content=out.getvalue())
    said = await ask(api, "POST", "/prompts/speak", {"name": "hi", "text": "hello"})
    assert (made.status_code, said[0]) == (201, 201)
    assert [within for within, _ in seen] == [False, False]
    assert threading.get_ident() not in {thread for _, thread in seen}


async def test_a_desk_phone_a_short_code_and_the_licence_cap(api: Api) -> None:
    status, made = await ask(api, "POST", "/extensions", {"number": "8010", "kind": "desk", "short_code": "10"})
    assert (status, made["kind"], made["short_code"], made["phone"]) == (201, "desk", "10", None)
    assert (await ask(api, "POST", "/extensions/8010/assign", {"seat": "amy"}))[0] == 200
    assert (await ask(api, "POST", "/extensions/8010/move", {"seat": "bob"}))[1]["seat"] == "bob"
    assert (await ask(api, "DELETE", "/extensions/8010"))[0] == 409
    assert (await ask(api, "POST", "/extensions/8010/release"))[0] == 200
    assert (await ask(api, "DELETE", "/extensions/8010"))[0] == 204
    assert (await ask(api, "POST", "/extensions/8010/short-code", {"short_code": "1"}))[0] == 404


async def test_a_password_is_told_to_whoever_made_it_and_to_nobody_else(api: Api) -> None:
    """Neither giving an extension to whoever has it nor moving a desk phone tells the password that a phone uses."""
    told: dict[str, set[str]] = {}
    for number, kind in (("8010", "desk"), ("8011", "softphone")):
        _, made = await ask(api, "POST", "/extensions", {"number": number, "kind": kind})
        told[number] = {made["password"]}
        for how, seat in (("assign", "amy"), ("assign", "amy"), ("move", "amy")):
            status, given = await ask(api, "POST", f"/extensions/{number}/{how}", {"seat": seat})
            assert (status, given["seat"], given.get("password")) == (200, seat, None), (number, how)
        assert (await ask(api, "POST", f"/extensions/{number}/release"))[1].get("password") is None
        assert (await ask(api, "POST", f"/extensions/{number}/assign", {"seat": "amy"}))[1].get("password") is None
        told[number].add((await ask(api, "POST", f"/extensions/{number}/move", {"seat": "bob"}))[1]["password"] or "")
        await ask(api, "POST", f"/extensions/{number}/release")
    assert (len(told["8011"]), "" in told["8011"]) == (2, False), "who had a softphone's has another one now"
    assert "" in told["8010"], "a desk phone's goes on"
    status, renewed = await ask(api, "POST", "/extensions/8011/password", None, P.EXTENSIONS_MANAGE)
    with api.services.database.read() as session:
        generation = next(one.generation for one in service.list_extensions(session) if one.number == "8011")
    assert (status, renewed["password"]) == (200, api.services.secrets.phone_password("8011", generation))
    assert renewed["password"] not in told["8011"]
    assert (await ask(api, "POST", "/extensions/8999/password"))[0] == 404


async def test_queues_close_and_open_at_the_second_their_hours_say(api: Api) -> None:
    zone = ZoneInfo("Asia/Taipei")
    opens = int(datetime(2026, 11, 23, 9, tzinfo=zone).timestamp()) * SECOND  # a Monday
    keeper = HoursKeeper(api.services.database, api.runtime)
    with api.services.database.write() as session:
        changes.put_hours(session, Hours("office", "辦公", week=(WeekDay(0, (Stretch("09:00", "18:00"),)),)))
        changes.set_queue_hours(session, "sales", "office")
    for now, expected in ((opens - 1, False), (opens - 1, False), (opens, True), (opens + 9 * 3600 * SECOND, False)):
        await keeper.step(now)
        await api.shown()
        flow = api.services.state.flows.get("sales")
        assert (flow.open if flow else True) is expected
    told = [row for row in api.log.rows if row.kind == "QueueOpened"]
    assert [(row.by, row.via) for row in told] == [("system", "timer")] * 3, "only changes are told"
