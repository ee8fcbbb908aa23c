"""The bus: fan-out and questions over a unix socket, with clients that are slow, rude or alone."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.bus import (
    CALLS_AT_ONCE,
    FRAME_MAX,
    RESUMED,
    BusBusy,
    CallFailed,
    EngineAway,
    LocalBus,
    Subscription,
    UnixClient,
    UnixHub,
)

pytestmark = pytest.mark.asyncio

Json = dict[str, Any]


async def answer(method: str, body: Json) -> Json:
    """The engine of these tests."""
    match method:
        case "echo":
            return body
        case "refuse":
            raise CallFailed("seat_busy", "the seat is busy")
        case "break":
            raise RuntimeError("private words")
        case "large":
            return {"text": "x" * FRAME_MAX}
        case _:
            await asyncio.Event().wait()
            return {}


@asynccontextmanager
async def hub_at(path: Path, **options: int) -> AsyncIterator[UnixHub]:
    hub = UnixHub(path, **options)
    await hub.serve(answer)
    try:
        yield hub
    finally:
        await hub.close()


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


async def first(subscription: Subscription) -> tuple[str, bytes]:
    async with asyncio.timeout(5):
        return await anext(subscription)


async def ready(hub: UnixHub, client: UnixClient) -> None:
    """Until the hub has read everything that the client sent so far."""
    assert await client.call("echo", {"n": 1}) == {"n": 1}


async def test_a_question_is_answered(tmp_path: Path) -> None:
    async with hub_at(tmp_path / "s"), UnixClient(tmp_path / "s") as client:
        assert await client.call("echo", {"name": "客服"}) == {"name": "客服"}


async def test_many_questions_at_once_keep_their_answers_apart(tmp_path: Path) -> None:
    async with hub_at(tmp_path / "s"), UnixClient(tmp_path / "s") as client:
        answers = await asyncio.gather(*(client.call("echo", {"n": n}) for n in range(500)))
    assert [found["n"] for found in answers] == list(range(500))


async def test_the_engines_own_error_keeps_its_code(tmp_path: Path) -> None:
    async with hub_at(tmp_path / "s"), UnixClient(tmp_path / "s") as client:
        with pytest.raises(CallFailed) as caught:
            await client.call("refuse")
    assert (caught.value.code, caught.value.say) == ("seat_busy", "the seat is busy")


async def test_a_broken_handler_tells_no_private_words(tmp_path: Path) -> None:
    async with hub_at(tmp_path / "s"), UnixClient(tmp_path / "s") as client:
        with pytest.raises(CallFailed) as caught:
            await client.call("break")
        assert await client.call("echo", {"still": "here"}) == {"still": "here"}
    assert caught.value.code == "internal"
    assert "private" not in str(caught.value)


async def test_an_answer_too_large_is_an_error_not_a_hang(tmp_path: Path) -> None:
    async with hub_at(tmp_path / "s"), UnixClient(tmp_path / "s") as client:
        with pytest.raises(CallFailed) as caught:
            await client.call("large")
    assert caught.value.code == "too_large"


async def test_without_an_engine_the_error_says_what_to_do(tmp_path: Path) -> None:
    async with UnixClient(tmp_path / "none") as client:
        with pytest.raises(EngineAway, match="is `ringside up` running") as caught:
            await client.call("echo", timeout=0.1)
    assert not caught.value.maybe_done


async def test_an_unanswered_question_says_that_it_may_have_been_done(tmp_path: Path) -> None:
    async with hub_at(tmp_path / "s"), UnixClient(tmp_path / "s") as client:
        with pytest.raises(EngineAway) as caught:
            await client.call("never", timeout=0.2)
    assert caught.value.maybe_done


async def test_an_engine_that_dies_fails_open_questions_at_once(tmp_path: Path) -> None:
    async with UnixClient(tmp_path / "s") as client:
        async with hub_at(tmp_path / "s") as hub:
            asked = asyncio.create_task(client.call("never", timeout=30))
            await until(lambda: hub.clients == 1 and client.connected)
            await ready(hub, client)
        async with asyncio.timeout(2):
            with pytest.raises(EngineAway) as caught:
                await asked
    assert caught.value.maybe_done


async def test_a_client_returns_by_itself_and_subscribers_hear_of_the_gap(tmp_path: Path) -> None:
    async with UnixClient(tmp_path / "s") as client:
        subscription = client.subscribe(["seats"])
        async with hub_at(tmp_path / "s") as hub:
            await ready(hub, client)
            await hub.publish("seats", b"one")
            assert await first(subscription) == ("seats", b"one")
        await until(lambda: not client.connected)
        async with hub_at(tmp_path / "s") as hub:
            await ready(hub, client)
            await hub.publish("seats", b"two")
            assert await first(subscription) == (RESUMED, b"")
            assert await first(subscription) == ("seats", b"two")


async def test_messages_reach_their_topic_alone_in_order_and_in_any_bytes(tmp_path: Path) -> None:
    async with hub_at(tmp_path / "s") as hub, UnixClient(tmp_path / "s") as one, UnixClient(tmp_path / "s") as two:
        heard = one.subscribe(["a", "b"])
        local = hub.subscribe(["a"])
        await ready(hub, one)
        await ready(hub, two)
        await two.publish("a", bytes(range(256)))
        await two.publish("c", b"not asked for")
        await two.publish("b", "電話".encode())
        assert await first(heard) == ("a", bytes(range(256)))
        assert await first(heard) == ("b", "電話".encode())
        assert await first(local) == ("a", bytes(range(256)))


async def test_own_messages_come_once(tmp_path: Path) -> None:
    async with hub_at(tmp_path / "s") as hub, UnixClient(tmp_path / "s") as client:
        heard = client.subscribe(["a"])
        await ready(hub, client)
        await client.publish("a", b"1")
        await client.publish("a", b"2")
        await ready(hub, client)
        assert [await first(heard), await first(heard)] == [("a", b"1"), ("a", b"2")]


async def test_the_socket_is_for_this_user_alone(tmp_path: Path) -> None:
    async with hub_at(tmp_path / "run" / "s"):
        assert stat.S_IMODE((tmp_path / "run" / "s").stat().st_mode) == 0o600
    assert not (tmp_path / "run" / "s").exists()


async def test_two_engines_on_one_socket_are_refused_and_a_dead_ones_socket_is_taken(tmp_path: Path) -> None:
    async with hub_at(tmp_path / "s") as hub, UnixClient(tmp_path / "s") as client:
        with pytest.raises(BusBusy, match="another engine"):
            await UnixHub(tmp_path / "s").serve(answer)
        await ready(hub, client)
        await until(lambda: hub.clients == 1)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    async with hub_at(tmp_path / "s"), UnixClient(tmp_path / "s") as client:
        assert await client.call("echo", {"n": 1}) == {"n": 1}


async def test_a_slow_client_is_dropped_and_nobody_waits_for_it(tmp_path: Path) -> None:
    async with hub_at(tmp_path / "s", client_buffer=1 << 20) as hub, UnixClient(tmp_path / "s") as quick:
        heard = quick.subscribe(["a"])
        await ready(hub, quick)
        _reader, slow = await raw(tmp_path / "s", {"op": "topics", "topics": ["a"]})
        slow.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: hub.clients == 2)
        loop = asyncio.get_running_loop()
        longest = 0.0
        for n in range(400):
            began = loop.time()
            await hub.publish("a", b"x" * 10_000)
            longest = max(longest, loop.time() - began)
            assert await first(heard) == ("a", b"x" * 10_000), n
        await until(lambda: hub.clients == 1)
        assert hub.dropped == 1
        assert longest < 0.2
        slow.transport.abort()


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00\x00\x00\x00",
        (FRAME_MAX + 1).to_bytes(4) + b"{",
        b"\x00\x00\x00\x02[]",
        b"\x00\x00\x00\x03{{{",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x00\x00\x00\x0c" + b'{"op":"who"}',
        b"\x00\x00\x00\x0d" + b'{"op":"call"}',
    ],
)
async def test_rubbish_drops_its_sender_alone(tmp_path: Path, rubbish: bytes) -> None:
    async with hub_at(tmp_path / "s") as hub, UnixClient(tmp_path / "s") as client:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(rubbish)
        async with asyncio.timeout(5):
            with pytest.raises((EOFError, ConnectionError)):
                await reader.readexactly(1)
        writer.transport.abort()
        assert hub.dropped == 1
        assert await client.call("echo", {"n": 1}) == {"n": 1}


async def test_one_client_cannot_have_more_than_its_share_of_questions(tmp_path: Path) -> None:
    running = most = 0

    async def busy(method: str, body: Json) -> Json:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return {}

    hub = UnixHub(tmp_path / "s")
    await hub.serve(busy)
    async with UnixClient(tmp_path / "s") as client:
        await asyncio.gather(*(client.call("x") for _ in range(4 * CALLS_AT_ONCE)))
    await hub.close()
    assert 1 < most <= CALLS_AT_ONCE


async def test_what_was_asked_is_done_though_the_asker_left(tmp_path: Path) -> None:
    go, done = asyncio.Event(), asyncio.Event()

    async def slow(method: str, body: Json) -> Json:
        await go.wait()
        done.set()
        return {}

    hub = UnixHub(tmp_path / "s")
    await hub.serve(slow)
    async with UnixClient(tmp_path / "s") as client:
        with pytest.raises(EngineAway):
            await client.call("x", timeout=0.2)
    await until(lambda: hub.clients == 0)
    go.set()
    async with asyncio.timeout(2):
        await done.wait()
    await hub.close()


async def test_a_subscription_that_is_not_read_starts_anew_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.bus.SUBSCRIBER_BUFFER", 3)
    bus = LocalBus()
    heard = bus.subscribe(["a"])
    for n in range(5):
        await bus.publish("a", b"%d" % n)
    heard.close()
    assert [found async for found in heard] == [(RESUMED, b""), ("a", b"3"), ("a", b"4")]
    await bus.publish("a", b"after the end")
    assert [found async for found in heard] == []


async def raw(path: Path, *frames: Json) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    for content in frames:
        sent = json.dumps(content).encode()
        writer.write(len(sent).to_bytes(4) + sent)
    await writer.drain()
    return reader, writer
