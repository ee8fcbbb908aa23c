"""The ARI client against a real Asterisk, and against a server that misbehaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from cti import ari as ari_module
from cti.ari import Ari, AriAddress, AriError, AriHooks, AriLost, Event, path
from cti.asterisk import AsteriskProcess
from cti.translate import EVENTS
from tests.support.center import until


@dataclass
class Heard:
    """What the hooks were told."""

    events: list[Event] = field(default_factory=list)
    ups: int = 0
    downs: list[bool] = field(default_factory=list)
    replaced: int = 0

    async def up(self) -> None:
        self.ups += 1

    def stand_down(self) -> None:
        self.replaced += 1

    def hooks(self) -> AriHooks:
        return AriHooks(self.up, self.events.append, self.downs.append, self.stand_down)


@asynccontextmanager
async def running(ari: Ari) -> AsyncIterator[Ari]:
    task = asyncio.create_task(ari.run())
    try:
        yield ari
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def client(box: AsteriskProcess, heard: Heard, app: str = "ari-test", password: str = "") -> Ari:
    s = box.settings
    address = AriAddress(s.http_host, s.http_port, s.ari_user, password or s.ari_password, app)
    return Ari(address, heard.hooks(), EVENTS, ("endpoint:PJSIP",))


@pytest.mark.asyncio
async def test_calls_and_events_share_one_socket(asterisk: AsteriskProcess) -> None:
    heard = Heard()
    async with running(client(asterisk, heard)) as ari:
        await until(lambda: heard.ups, "up")
        assert (await ari.call("GET", "asterisk/ping"))["ping"] == "pong"
        with pytest.raises(AriError) as refused:
            await ari.call("GET", path("channels", "no such/channel?x"))
        assert (refused.value.status, refused.value.message) == (404, "Channel not found")
        app = await ari.call("GET", "applications/ari-test")
        allowed = {row["type"] for row in app["events_allowed"]}
        assert allowed == {*EVENTS, "RESTResponse", "ApplicationReplaced"}
        assert app["endpoint_ids"] == ["PJSIP"]
        many = await asyncio.gather(*(ari.call("GET", "asterisk/ping") for _ in range(50)))
        assert len(many) == 50


@pytest.mark.asyncio
async def test_a_wrong_password_never_gets_up(asterisk: AsteriskProcess) -> None:
    heard = Heard()
    async with running(client(asterisk, heard, password="wrong")) as ari:
        await until(lambda: len(heard.downs) >= 2, "two tries")
        assert (heard.ups, ari.connected) == (0, False)
        assert heard.downs == [False] * len(heard.downs)  # somebody answered, so Asterisk is not dead


@pytest.mark.asyncio
async def test_the_second_client_of_an_application_replaces_the_first(asterisk: AsteriskProcess) -> None:
    first, second = Heard(), Heard()
    async with running(client(asterisk, first)):
        await until(lambda: first.ups, "first up")
        async with running(client(asterisk, second)):
            await until(lambda: first.replaced, "the first is told")
            await until(lambda: second.ups, "second up")
        assert (first.ups, second.replaced) == (1, 0)


# --- a server that misbehaves --------------------------------------------------------------------------------------

Answer = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]


async def good(socket: ServerConnection, request: dict[str, Any]) -> None:
    answer = {"type": "RESTResponse", "request_id": request["request_id"], "status_code": 200, "message_body": "{}"}
    await socket.send(json.dumps(answer))


@asynccontextmanager
async def pretend(answer: Answer) -> AsyncIterator[AriAddress]:
    """A server that treats each request as `answer` does; it takes what is to be set up at once."""

    async def talk(socket: ServerConnection) -> None:
        async for frame in socket:
            request = json.loads(frame)
            await (good if request["uri"].startswith("applications/") else answer)(socket, request)

    async with serve(talk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield AriAddress("127.0.0.1", port, "u", "p", "x")


@pytest.mark.asyncio
async def test_calls_under_way_fail_when_the_socket_is_lost_and_it_comes_back() -> None:
    async def hang_up(socket: ServerConnection, request: dict[str, Any]) -> None:
        await socket.close()

    heard = Heard()
    async with pretend(hang_up) as address, running(Ari(address, heard.hooks(), (), ())) as ari:
        await until(lambda: heard.ups, "up")
        with pytest.raises(AriLost):
            await ari.call("GET", "channels")
        await until(lambda: heard.ups == 2, "up again")
        assert heard.downs == [False]


@pytest.mark.asyncio
async def test_an_answer_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silence(socket: ServerConnection, request: dict[str, Any]) -> None:
        return

    monkeypatch.setattr(ari_module, "CALL_LIMIT", 0.2)
    heard = Heard()
    async with pretend(silence) as address, running(Ari(address, heard.hooks(), (), ())) as ari:
        await until(lambda: heard.ups, "up")
        with pytest.raises(AriLost, match="no answer"):
            await ari.call("GET", "channels")
        assert ari.connected


@pytest.mark.asyncio
async def test_twins_and_rubbish_are_dropped() -> None:
    async def flood(socket: ServerConnection, request: dict[str, Any]) -> None:
        for frame in ('{"type":"A"}', '{"type":"A"}', "no json", '{"type":"B"}', '{"type":"A"}', '{"type":"C"}'):
            await socket.send(frame)
        await good(socket, request)

    heard = Heard()
    async with pretend(flood) as address, running(Ari(address, heard.hooks(), (), ())) as ari:
        await until(lambda: heard.ups, "up")
        await ari.call("GET", "channels")
        assert [event["type"] for event in heard.events] == ["A", "B", "C"]


@pytest.mark.asyncio
async def test_an_error_without_words_is_an_error() -> None:
    async def fail(socket: ServerConnection, request: dict[str, Any]) -> None:
        answer = {"type": "RESTResponse", "request_id": request["request_id"], "status_code": 500, "message_body": ""}
        await socket.send(json.dumps(answer))

    heard = Heard()
    async with pretend(fail) as address, running(Ari(address, heard.hooks(), (), ())) as ari:
        await until(lambda: heard.ups, "up")
        with pytest.raises(AriError) as refused:
            await ari.call("POST", "channels/create")
        assert (refused.value.status, refused.value.message) == (500, "")


@pytest.mark.asyncio
async def test_nobody_listening_is_told_as_refused_and_calls_fail_at_once() -> None:
    async with pretend(good) as address:
        pass
    heard = Heard()
    async with running(Ari(address, heard.hooks(), (), ())) as ari:
        await until(lambda: len(heard.downs) >= 2, "two tries")
        assert all(heard.downs)
        with pytest.raises(AriLost, match="not connected"):
            await ari.call("GET", "channels")
    assert "p" not in repr(address).replace("AriAddress", "").replace("app", "").replace("port", "")
