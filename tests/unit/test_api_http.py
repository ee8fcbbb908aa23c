"""The HTTP API: tokens and permissions, reads of committed state, commands, errors in one shape."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Message, Receive, Scope, Send

from acd.core import inputs as i
from acd.core.reply import Code
from api.app import UnguardedRoute, refuse_unguarded
from api.auth.permissions import ENDPOINTS, PREFIX, Permission
from api.errors import LARGEST_REQUEST, STATUS_OF, SizeLimit
from api.metrics import LABELS
from api.routes.extensions import router as extensions
from api.schemas import micros
from api.version import VERSION
from tests.support.api import Api, serving

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as running:
        yield running


def code_of(body: Any) -> str:
    """The stable code of an error, whose shape is checked on the way."""
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "say", "details"}
    assert body["error"]["say"]
    return str(body["error"]["code"])


def sample(method: str, path: str) -> str:
    return re.sub(r"\{\w+\}", "8001" if "extensions" in path else "amy", PREFIX + path)


# --- who may do what ---------------------------------------------------------------------------------------------


async def test_every_endpoint_is_in_the_table_and_the_other_way_round(api: Api) -> None:
    published = (await api.http.get(f"{PREFIX}/openapi.json")).json()["paths"]
    served = {
        (method.upper(), path.removeprefix(PREFIX))
        for path, methods in published.items()
        if path.startswith(PREFIX)
        for method in methods
    }
    assert served == set(ENDPOINTS)


async def test_each_endpoint_refuses_nobody_and_the_wrong_token(api: Api) -> None:
    forged = {"Authorization": f"Bearer rs_{'0' * 12}_{'A' * 43}"}
    for (method, path), needed in sorted(ENDPOINTS.items()):
        url, where = sample(method, path), f"{method} {path}"
        assert (await api.http.request(method, url)).status_code == 401, where
        assert (await api.http.request(method, url, headers=forged)).status_code == 401, where
        others = [permission for permission in Permission if permission is not needed]
        answer = await api.http.request(method, url, headers=api.token(*others), json={})
        assert (answer.status_code, code_of(answer.json())) == (403, "forbidden"), where
        assert answer.json()["error"]["details"] == {"permission": needed.value}, where


async def test_each_endpoint_lets_its_own_permission_in(api: Api) -> None:
    for (method, path), needed in sorted(ENDPOINTS.items()):
        answer = await api.http.request(method, sample(method, path), headers=api.token(needed), json={})
        assert answer.status_code not in {401, 403, 500}, f"{method} {path}"


async def test_an_undeclared_route_does_not_start() -> None:
    router = APIRouter(prefix=PREFIX)
    router.add_api_route("/forgotten", lambda: None, methods=["GET"])
    with pytest.raises(UnguardedRoute, match="GET /api/v1/forgotten"):
        refuse_unguarded(router)


async def test_a_revoked_token_is_refused_at_once(api: Api) -> None:
    headers = api.token()
    assert (await api.http.get(f"{PREFIX}/seats", headers=headers)).status_code == 200
    api.services.tokens.revoke(headers["Authorization"].split("_")[1], 1)
    answer = await api.http.get(f"{PREFIX}/seats", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


# --- seats and queues --------------------------------------------------------------------------------------------


async def test_a_seat_signs_in_chooses_ready_and_is_shown_so(api: Api) -> None:
    headers = api.token()
    answer = await api.http.post(f"{PREFIX}/seats/amy/sign-in", headers=headers, json={"device": "desk"})
    assert answer.status_code == 200
    assert answer.json()["seat"]["device"] == "desk"
    await api.runtime.submit(i.PhoneChanged("amy", True))
    answer = await api.http.post(f"{PREFIX}/seats/amy/status", headers=headers, json={"status": "ready"})
    assert answer.json()["seat"]["voice"]["state"] == "ready"
    seats = (await api.http.get(f"{PREFIX}/seats", headers=headers)).json()
    assert [seat["id"] for seat in seats] == ["amy", "bob"]
    assert [seat["voice"]["state"] for seat in seats] == ["ready", "logged_out"]
    assert all(by.startswith("token:") and via == "api" for by, via in api.engine.stamps)


async def test_waiting_callers_are_listed_in_order_and_one_is_picked_up(api: Api) -> None:
    headers = api.token()
    items = [await api.caller(number) for number in (1, 2)]
    await api.shown()
    queue = (await api.http.get(f"{PREFIX}/queues/sales", headers=headers)).json()
    assert [row["item"] for row in queue["items"]] == items
    assert (queue["waiting"], queue["ready"], queue["signed_in"]) == (2, 0, 0)
    await api.http.post(f"{PREFIX}/seats/amy/sign-in", headers=headers)
    await api.runtime.submit(i.PhoneChanged("amy", True))
    answer = await api.http.post(f"{PREFIX}/seats/amy/pickup", headers=headers, json={"item": items[1]})
    assert answer.status_code == 200
    assert answer.json()["item"] == items[1]
    assert [held["doing"] for held in answer.json()["seat"]["holds"]] == ["offered"]
    assert (await api.http.get(f"{PREFIX}/queues/sales", headers=headers)).json()["offered"] == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/seats/nobody/sign-in", {}, 404, "unknown_seat"),
        ("/seats/amy/status", {"status": "ready"}, 409, "signed_out"),
        ("/seats/amy/wrap-up/end", {}, 409, "not_in_wrap_up"),
        ("/seats/amy/status", {"status": "ready", "presence": "smell"}, 422, "bad_request_body"),
        ("/seats/amy/status", {}, 422, "bad_request_body"),
        ("/seats/amy/status", {"status": "ready", "force": True}, 422, "bad_request_body"),
    ],
)
async def test_a_refusal_has_a_stable_code(api: Api, path: str, body: dict[str, str], status: int, code: str) -> None:
    answer = await api.http.post(PREFIX + path, headers=api.token(), json=body)
    assert (answer.status_code, code_of(answer.json())) == (status, code)


async def test_reading_goes_on_when_the_engine_is_away_and_commands_say_so(api: Api) -> None:
    headers = api.token()
    api.engine.away = True
    answer = await api.http.post(f"{PREFIX}/seats/amy/sign-in", headers=headers)
    assert (answer.status_code, code_of(answer.json())) == (503, "engine_away")
    assert answer.json()["error"]["details"] == {"maybe_done": False}
    assert (await api.http.get(f"{PREFIX}/seats", headers=headers)).status_code == 200


async def test_what_is_not_committed_is_not_shown(api: Api) -> None:
    headers = api.token()
    api.log.gate.clear()
    asked = asyncio.create_task(api.http.post(f"{PREFIX}/seats/amy/sign-in", headers=headers))
    while not api.engine.stamps:
        await asyncio.sleep(0.01)
    seat = (await api.http.get(f"{PREFIX}/seats/amy", headers=headers)).json()
    assert seat["signed_in_at"] is None
    assert not asked.done()
    api.log.gate.set()
    assert (await asked).json()["seat"]["signed_in_at"] is not None


# --- extensions, calls, records ----------------------------------------------------------------------------------


async def test_extensions_are_made_given_never_twice_and_taken_back(api: Api) -> None:
    headers = api.token()
    url = f"{PREFIX}/extensions"
    made = await api.http.post(url, headers=headers, json={"number": "8001"})
    assert made.status_code == 201
    assert re.fullmatch(r"[A-Za-z0-9]{20}", made.json()["password"])
    assert (await api.http.get(url, headers=headers)).json() == [
        {"number": "8001", "kind": "softphone", "seat": "", "short_code": "", "phone": None}
    ]
    assert (await api.http.post(f"{url}/8001/assign", headers=headers, json={"seat": "amy"})).json()["seat"] == "amy"
    taken = await api.http.post(f"{url}/8001/assign", headers=headers, json={"seat": "bob"})
    assert (taken.status_code, code_of(taken.json())) == (409, "extension_taken")
    assert (await api.http.get(url, headers=headers)).json()[0]["seat"] == "amy"
    assert (await api.http.post(f"{url}/8001/release", headers=headers)).json()["seat"] == ""
    assert (await api.http.post(f"{url}/8001/assign", headers=headers, json={"seat": "bob"})).json()["seat"] == "bob"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "", {"number": "8001; drop"}, 422, "bad_request_body"),
        ("POST", "/9999/assign", {"seat": "amy"}, 404, "unknown_extension"),
        ("POST", "/9999/release", {}, 404, "unknown_extension"),
    ],
)
async def test_an_extension_that_cannot_be(
    api: Api, method: str, path: str, body: dict[str, str], status: int, code: str
) -> None:
    answer = await api.http.request(method, f"{PREFIX}/extensions{path}", headers=api.token(), json=body)
    assert (answer.status_code, code_of(answer.json())) == (status, code)


async def test_a_password_is_in_no_listing(api: Api) -> None:
    headers = api.token()
    made = (await api.http.post(f"{PREFIX}/extensions", headers=headers, json={"number": "8009"})).json()
    assert made["password"] not in (await api.http.get(f"{PREFIX}/extensions", headers=headers)).text


async def test_calls_and_records_say_what_they_do_not_know(api: Api) -> None:
    headers = api.token()
    assert (await api.http.get(f"{PREFIX}/calls", headers=headers)).json() == {"calls": [], "next": ""}
    assert (await api.http.get(f"{PREFIX}/records", headers=headers)).json() == {"records": [], "next": ""}
    for noun, code in (("calls", "unknown_call"), ("records", "unknown_record")):
        answer = await api.http.get(f"{PREFIX}/{noun}/x-1", headers=headers)
        assert (answer.status_code, code_of(answer.json())) == (404, code)
        answer = await api.http.get(f"{PREFIX}/{noun}", headers=headers, params={"after": "rubbish"})
        assert (answer.status_code, code_of(answer.json())) == (422, "bad_cursor")


@pytest.mark.parametrize("noun", ["calls", "records"])
async def test_strange_times_and_texts_in_a_filter_are_no_fault_of_ours(api: Api, noun: str) -> None:
    headers = api.token()
    for params in (
        {"since": "0001-01-01T00:00:00"},
        {"until": "9999-12-31T23:59:59"},
        {"since": "0001-01-01T00:00:00+14:00"},
    ):
        answer = await api.http.get(f"{PREFIX}/{noun}", headers=headers, params=params)
        assert answer.status_code == 200, answer.text
    answer = await api.http.get(f"{PREFIX}/{noun}", headers=headers, params={"queue": "a\0b"})  # PostgreSQL takes none
    assert (answer.status_code, code_of(answer.json())) == (422, "bad_request_body")


async def test_a_time_without_a_zone_is_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Taipei")
    time.tzset()
    try:
        assert micros(datetime(1970, 1, 2)) == 86_400_000_000
        assert micros(datetime(1970, 1, 2, tzinfo=timezone(timedelta(hours=8)))) == 57_600_000_000
        assert micros(None) == 0
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_a_live_call_that_records_has_not_read_is_told_apart(api: Api) -> None:
    item = await api.caller(1)
    await api.shown()
    answer = await api.http.get(f"{PREFIX}/calls/{item}", headers=api.token())
    assert (answer.status_code, code_of(answer.json())) == (503, "records_behind")


# --- errors ------------------------------------------------------------------------------------------------------


async def test_every_refusal_of_the_core_has_a_status() -> None:
    assert set(STATUS_OF) == set(Code)


async def test_unknown_places_methods_and_large_bodies_have_the_same_shape(api: Api) -> None:
    headers = api.token()
    assert code_of((await api.http.get("/nothing", headers=headers)).json()) == "not_found"
    wrong = await api.http.delete(f"{PREFIX}/seats", headers=headers)
    assert (wrong.status_code, code_of(wrong.json())) == (405, "method_not_allowed")
    url = f"{PREFIX}/seats/amy/sign-in"
    large = await api.http.post(url, headers=headers, content=b"x" * (LARGEST_REQUEST + 1))
    assert (large.status_code, code_of(large.json())) == (413, "too_large")

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * (LARGEST_REQUEST // 2)

    chunked = await api.http.post(url, headers=headers, content=slowly())
    assert (chunked.status_code, code_of(chunked.json())) == (413, "too_large")


@pytest.mark.parametrize("path", ["/configuration", "/prompts?name=x", "/seats/amy/sign-in"])
async def test_a_large_body_is_read_from_nobody_who_may_not_send_it(api: Api, path: str) -> None:
    """1 MiB in pieces, and 1 MiB announced: no more than the usual limit is taken before the token is known."""
    piece, taken = bytes(16 * 1024), 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(64):
            taken += len(piece)
            yield piece

    usual = path.startswith("/seats")
    wrong = api.token(Permission.SEATS_READ)
    senders: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer rs_0123"},
        {"Authorization": "Basic eA=="},
        wrong,
    )
    for headers, expected in zip(senders, (401, 401, 401, 403), strict=True):
        taken = 0
        answer = await api.http.post(PREFIX + path, headers=headers, content=pieces())
        assert answer.status_code == (413 if usual else expected)
        assert answer.json()["error"]["say"]
        assert taken <= LARGEST_REQUEST + len(piece)
        announced = {**headers, "Content-Length": str(64 * len(piece))}
        taken = 0
        answer = await api.http.post(PREFIX + path, headers=announced, content=pieces())
        assert (answer.status_code, taken <= len(piece)) == (413 if usual else expected, True)


RIFF: Message = {"type": "http.request", "body": b"RIFF", "more_body": True}


@pytest.mark.parametrize(
    ("before", "headers", "whole"),
    [
        ([RIFF], [], False),
        ([RIFF], [(b"content-length", b"8")], False),
        ([], [(b"transfer-encoding", b"chunked")], False),
        ([], [(b"content-length", b"4")], False),
        ([RIFF], [(b"content-length", b"4")], True),
        ([], [], True),
    ],
)
async def test_of_who_hangs_up_only_what_came_whole_is_carried_out(
    before: list[Message], headers: list[tuple[bytes, bytes]], whole: bool
) -> None:
    """Half an upload must not be taken for a whole one."""
    messages: list[Message] = [*before, {"type": "http.disconnect"}]
    reached, sent = list[Scope](), list[Message]()

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        reached.append(scope)

    async def check(_request: Request) -> None:
        raise AssertionError("nobody asks who sends so little")

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": f"{PREFIX}/prompts", "headers": headers}
    await SizeLimit(app, check)(scope, receive, send)
    assert (bool(reached), sent, messages) == (whole, [], [])


async def test_a_body_that_is_no_json_is_not_sent_back(api: Api) -> None:
    answer = await api.http.post(
        f"{PREFIX}/seats/amy/status", headers=api.token() | {"content-type": "application/json"}, content=b"{secret"
    )
    assert answer.status_code == 422
    assert "secret" not in answer.text


async def test_errors_speak_the_language_of_the_request(api: Api) -> None:
    headers = api.token() | {"Accept-Language": "zh-TW,en;q=0.5"}
    answer = await api.http.get(f"{PREFIX}/seats/nobody", headers=headers)
    assert answer.json()["error"]["say"] == "沒有此座席。"


async def test_a_fault_of_ours_tells_nothing_of_itself(api: Api) -> None:
    def broken() -> dict[str, int]:
        raise RuntimeError("password=hunter2")

    object.__setattr__(api.services, "lags", broken)
    answer = await api.http.get(f"{PREFIX}/calls", headers=api.token())
    assert (answer.status_code, code_of(answer.json())) == (500, "internal")
    assert "hunter2" not in answer.text


async def test_the_published_description_has_the_error_shape(api: Api) -> None:
    document = (await api.http.get(f"{PREFIX}/openapi.json")).json()
    assert document["info"]["version"] == VERSION
    for path, methods in document["paths"].items():
        if path.startswith(PREFIX):
            for method in methods.values():
                for status in ("401", "403", "422", "503"):
                    schema = method["responses"][status]["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}


# --- health and figures ------------------------------------------------------------------------------------------


async def test_readiness_names_what_is_away(api: Api) -> None:
    async def broken() -> str:
        raise OSError("no")

    async def fine() -> str:
        return ""

    object.__setattr__(api.services, "checks", {"engine": fine, "database": broken})
    answer = await api.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ok": False, "checks": {"engine": "ok", "database": "OSError"}}
    assert (await api.http.get("/healthz")).json()["ok"] is True


async def test_the_metrics_page_has_closed_labels_and_no_names(api: Api) -> None:
    await api.http.post(f"{PREFIX}/seats/amy/sign-in", headers=api.token())
    await api.caller(1)
    await api.runtime.submit(i.PartyLeft("leg-1"))
    await api.runtime.submit(i.RepairMade("channel_gone", "x"))
    await api.caller(2)
    await api.shown()
    text = (await api.http.get("/metrics")).text
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.name in LABELS
        for one in family.samples:
            assert set(one.labels) - {"le"} == set(LABELS[family.name])
            found[one.name, tuple(sorted(one.labels.items()))] = one.value
    assert found["ringside_items", (("phase", "waiting"), ("queue", "sales"))] == 1
    assert found["ringside_queued_total", (("queue", "sales"),)] == 2
    assert found["ringside_ended_total", (("outcome", "abandoned_queue"), ("queue", "sales"))] == 1
    assert found["ringside_repairs_total", (("kind", "channel_gone"),)] == 1
    assert found["ringside_consumer_lag_facts", (("reader", "records"),)] == 3
    assert found["ringside_timer_lag_seconds", ()] == 0.25
    assert found["ringside_seats", (("presence", "voice"), ("state", "logged_out"))] == 1
    assert "amy" not in text
    api.engine.away = True
    assert "ringside_up 0.0" in (await api.http.get("/metrics")).text


async def test_no_route_is_outside_the_guarded_ones(api: Api) -> None:
    open_to_all = {route.path for route in api.app.routes if isinstance(route, APIRoute)} - {
        PREFIX + path for _, path in ENDPOINTS
    }
    assert open_to_all <= {"/healthz", "/readyz", "/metrics", "/play/{recording}"}
    assert extensions.prefix == "/extensions"
