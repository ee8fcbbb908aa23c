"""Between the processes of one machine: fan-out (acd.ports.Bus) and questions to the engine, on one unix socket.

The engine hosts `UnixHub`; web, worker, rescue and the command line each hold a `UnixClient`. `LocalBus` is the same
fan-out inside one process. A frame is a length (4 bytes, big-endian) and that many bytes of JSON, at most 1 MiB.
Losing a message loses no decision, since readers follow the log: whoever is too slow is dropped, not waited for, and a
message on the topic `RESUMED` tells a subscriber that it may have missed some.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import random
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["RESUMED", "BusBusy", "CallFailed", "EngineAway", "LocalBus", "Subscription", "UnixClient", "UnixHub"]

log = logging.getLogger("ringside.bus")

Json = dict[str, Any]
Handler = Callable[[str, Json], Awaitable[Json]]

RESUMED = "bus.resumed"
FRAME_MAX = 1 << 20
CLIENT_BUFFER = 4 << 20  # bytes waiting for one client before it is dropped: some 20,000 notices of 200 bytes
SUBSCRIBER_BUFFER = 10_000  # messages waiting in one subscription before it starts anew with RESUMED
CALLS_AT_ONCE = 64  # of one client; the next one is not read before one is answered
TOPICS_MAX = 256
BACK_OFF_FIRST = 0.05  # seconds; doubles, with full jitter, so that clients do not return all at once
BACK_OFF_MOST = 2.0
LENGTH = 4


class EngineAway(Exception):
    """The engine does not answer; is `ringside up` running?

    `maybe_done`: the question had left when the answer failed to come, so the engine may have acted on it.
    """

    def __init__(self, why: str, *, maybe_done: bool = False) -> None:
        super().__init__(f"the engine does not answer ({why}); is `ringside up` running?")
        self.maybe_done = maybe_done


class CallFailed(Exception):
    """The engine answered with an error: `code` is stable, `say` is for a person. A handler may raise it too."""

    def __init__(self, code: str, say: str) -> None:
        super().__init__(f"{code}: {say}")
        self.code = code
        self.say = say


class BusBusy(Exception):
    """Somebody already listens on this socket: another `ringside up` with the same data folder."""


class Subscription:
    """The messages of some topics: `async for topic, message in subscription`. Ends with `close()`."""

    def __init__(self, topics: Sequence[str], gone: Callable[[Subscription], None]) -> None:
        self.topics = frozenset(topics)
        self._gone = gone
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._more = asyncio.Event()
        self._closed = False

    def put(self, topic: str, message: bytes) -> None:
        """Called by the bus. A reader too slow for its buffer loses it and is told so."""
        if len(self._waiting) >= SUBSCRIBER_BUFFER:
            self._waiting.clear()
            self._waiting.append((RESUMED, b""))
        self._waiting.append((topic, message))
        self._more.set()

    def close(self) -> None:
        """No more messages; the reader's loop ends."""
        self._closed = True
        self._more.set()
        self._gone(self)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """As `close`; for contextlib.aclosing."""
        self.close()


class LocalBus:
    """acd.ports.Bus inside one process."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []

    async def publish(self, topic: str, message: bytes) -> None:
        """Give the message to everyone who subscribed to its topic; never waits."""
        self.deliver(topic, message)

    def subscribe(self, topics: Sequence[str]) -> Subscription:
        """From now on; close it when done."""
        subscription = Subscription(topics, self._forget)
        self._subscriptions.append(subscription)
        return subscription

    def deliver(self, topic: str, message: bytes) -> None:
        """As publish, from code that cannot await."""
        for subscription in self._subscriptions:
            if topic in subscription.topics or topic == RESUMED:
                subscription.put(topic, message)

    @property
    def topics(self) -> list[str]:
        """What is subscribed to, sorted."""
        return sorted({topic for subscription in self._subscriptions for topic in subscription.topics})

    def close(self) -> None:
        """End every subscription."""
        for subscription in list(self._subscriptions):
            subscription.close()

    def _forget(self, subscription: Subscription) -> None:
        with contextlib.suppress(ValueError):
            self._subscriptions.remove(subscription)


class UnixHub:
    """The engine's end: fan-out to every client and its own process, and a handler for their questions."""

    def __init__(self, path: Path, *, client_buffer: int = CLIENT_BUFFER) -> None:
        """`client_buffer`: bytes that may wait for one client before it is dropped."""
        self._path = path
        self._client_buffer = client_buffer
        self._local = LocalBus()
        self._clients: dict[int, _Peer] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._handler: Handler | None = None
        self.dropped = 0  # clients that were too slow or sent rubbish

    async def serve(self, handler: Handler) -> None:
        """Listen, for this user alone (mode 0600), and return. The handler answers questions, many at once.

        A CallFailed that it raises goes to the asker; any other exception is logged and answered as `internal`.
        Raises BusBusy when another process answers on this socket.
        """
        self._handler = handler
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        await _remove_stale(self._path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listener.fileno(), 0o600)  # before bind: there is no moment when others may connect
            listener.bind(str(self._path))
            listener.setblocking(False)
            self._server = await asyncio.start_unix_server(self._serve_client, sock=listener)
        except BaseException:
            listener.close()
            raise

    async def publish(self, topic: str, message: bytes) -> None:
        """Give the message to every client and task that subscribed to its topic; never waits for one."""
        self._spread(topic, message, sender=0)

    def subscribe(self, topics: Sequence[str]) -> Subscription:
        """A subscription of this process."""
        return self._local.subscribe(topics)

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    async def close(self) -> None:
        """Stop listening, remove the socket, cancel what is being answered, drop the clients."""
        if self._server is not None:
            self._server.close()
            _unlink(self._path)
        for task in self._answers:
            task.cancel()
        for peer in self._clients.values():
            peer.drop()
        await asyncio.gather(
            *self._answers, *(peer.ended.wait() for peer in self._clients.values()), return_exceptions=True
        )
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None
        self._local.close()

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._numbers)
        peer = self._clients[number] = _Peer(writer, self._client_buffer)
        try:
            while True:
                frame = await _read_frame(reader)
                await self._take(number, peer, frame)
        except (EOFError, ConnectionError):
            pass
        except (ValueError, KeyError, TypeError) as error:
            self.dropped += 1
            log.warning("client %d dropped: %s", number, error)
        finally:
            peer.drop()
            self.dropped += peer.too_slow
            del self._clients[number]
            peer.ended.set()

    async def _take(self, number: int, peer: _Peer, frame: Json) -> None:
        match frame["op"]:
            case "call":
                await peer.room.acquire()
                task = asyncio.create_task(self._answer(peer, int(frame["id"]), str(frame["method"]), frame["body"]))
                self._answers.add(task)  # goes on when the asker leaves: what was asked for is done whole
                task.add_done_callback(self._answers.discard)
                task.add_done_callback(lambda _task: peer.room.release())
            case "topics":
                peer.topics = frozenset(str(topic) for topic in frame["topics"][:TOPICS_MAX])
            case "publish":
                self._spread(str(frame["topic"]), _to_bytes(frame["message"]), sender=number)
            case other:
                raise ValueError(f"no such operation: {other!r:.40}")

    async def _answer(self, peer: _Peer, call: int, method: str, body: object) -> None:
        try:
            if not isinstance(body, dict) or self._handler is None:
                raise CallFailed("bad_request", "a question's body is an object")
            answer = {"op": "reply", "id": call, "body": await self._handler(method, body)}
        except CallFailed as failed:
            answer = {"op": "reply", "id": call, "code": failed.code, "say": failed.say}
        except Exception:
            log.exception("question %s failed", method)
            answer = {"op": "reply", "id": call, "code": "internal", "say": f"{method} failed; see the engine's log"}
        try:
            frame = _frame(answer)
        except (ValueError, TypeError) as error:
            log.error("answer to %s cannot be sent: %s", method, error)
            frame = _frame({"op": "reply", "id": call, "code": "too_large", "say": f"the answer to {method}: {error}"})
        peer.send(frame)

    def _spread(self, topic: str, message: bytes, *, sender: int) -> None:
        self._local.deliver(topic, message)
        frame = b""
        for number, peer in self._clients.items():
            if topic in peer.topics and number != sender:
                frame = frame or _frame({"op": "message", "topic": topic, "message": _to_text(message)})
                peer.send(frame)


class _Peer:
    """One client of the hub."""

    def __init__(self, writer: asyncio.StreamWriter, buffer: int) -> None:
        self._writer = writer
        self._buffer = buffer
        self.topics: frozenset[str] = frozenset()
        self.room = asyncio.Semaphore(CALLS_AT_ONCE)
        self.ended = asyncio.Event()
        self.too_slow = 0

    def send(self, frame: bytes) -> None:
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() + len(frame) > self._buffer:
            log.warning("a client that reads too slowly was dropped")
            self.too_slow = 1
            transport.abort()
            return
        self._writer.write(frame)

    def drop(self) -> None:
        self._writer.transport.abort()


class UnixClient:
    """The other processes' end. Connects by itself, again and again, from `start()` to `close()`."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._local = LocalBus()
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._numbers = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()
        self._told: list[str] = []
        self._runner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect; returns at once, whether or not the engine is there."""
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="bus-client")

    async def __aenter__(self) -> UnixClient:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """True while the engine's socket is open."""
        return self._connected.is_set()

    async def call(self, method: str, body: Json | None = None, timeout: float = 5.0) -> Json:  # noqa: ASYNC109
        """Ask the engine. `timeout` in seconds covers the wait for a connection too.

        Raises CallFailed with the engine's own error, EngineAway when no answer came.
        """
        number = next(self._numbers)
        frame = _frame({"op": "call", "id": number, "method": method, "body": body or {}})
        sent = False
        try:
            async with asyncio.timeout(timeout):
                await self._connected.wait()
                answer = self._waiting[number] = asyncio.get_running_loop().create_future()
                sent = self._write(frame)
                reply = await answer
        except TimeoutError as error:
            raise EngineAway(f"{timeout:g} s without an answer", maybe_done=sent) from error
        finally:
            self._waiting.pop(number, None)
        if "code" in reply:
            raise CallFailed(str(reply["code"]), str(reply["say"]))
        found: Json = reply["body"]
        return found

    async def publish(self, topic: str, message: bytes) -> None:
        """To the engine and every other process; lost when the engine is away. Own subscriptions get it too."""
        self._local.deliver(topic, message)
        self._write(_frame({"op": "publish", "topic": topic, "message": _to_text(message)}))

    def subscribe(self, topics: Sequence[str]) -> Subscription:
        """From now on, also over the engine's restarts; each return of the engine gives a RESUMED message."""
        subscription = self._local.subscribe(topics)
        self._tell_topics()
        return subscription

    async def close(self) -> None:
        """Disconnect for good; open questions fail, subscriptions end."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
            self._runner = None
        self._local.close()

    async def _run(self) -> None:
        back_off = BACK_OFF_FIRST
        returns = False
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:
                await asyncio.sleep(random.uniform(0, back_off))
                back_off = min(2 * back_off, BACK_OFF_MOST)
                continue
            back_off = BACK_OFF_FIRST
            try:
                self._open(writer)
                if returns:
                    self._local.deliver(RESUMED, b"")
                returns = True
                while True:
                    self._take(await _read_frame(reader))
            except (EOFError, ConnectionError):
                pass
            except (ValueError, KeyError, TypeError) as error:
                log.error("the engine sent what cannot be read: %s", error)
            finally:
                self._lose(writer)
            await asyncio.sleep(random.uniform(0, back_off))

    def _open(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._told = []
        self._tell_topics()
        self._connected.set()

    def _lose(self, writer: asyncio.StreamWriter) -> None:
        self._connected.clear()
        self._writer = None
        writer.transport.abort()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(EngineAway("it closed the connection", maybe_done=True))

    def _take(self, frame: Json) -> None:
        match frame["op"]:
            case "reply":
                answer = self._waiting.get(int(frame["id"]))
                if answer is not None and not answer.done():
                    answer.set_result(frame)
            case "message":
                self._local.deliver(str(frame["topic"]), _to_bytes(frame["message"]))
            case other:
                raise ValueError(f"no such operation: {other!r:.40}")

    def _tell_topics(self) -> None:
        topics = self._local.topics
        if topics != self._told and self._write(_frame({"op": "topics", "topics": topics})):
            self._told = topics

    def _write(self, frame: bytes) -> bool:
        if self._writer is None or self._writer.transport.is_closing():
            return False
        if self._writer.transport.get_write_buffer_size() > CLIENT_BUFFER:  # the engine stands still
            self._writer.transport.abort()
            return False
        self._writer.write(frame)
        return True


async def _remove_stale(path: Path) -> None:
    """Remove the socket of a dead engine. Raises BusBusy when somebody answers on it."""
    try:
        _reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        _unlink(path)
        return
    writer.transport.abort()
    raise BusBusy(f"another engine listens on {path}; stop it, or set another RINGSIDE_DATA_DIR")


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def _frame(content: Json) -> bytes:
    raw = json.dumps(content, separators=(",", ":")).encode()
    if len(raw) > FRAME_MAX:
        raise ValueError(f"{len(raw)} bytes are more than a frame's {FRAME_MAX}")
    return len(raw).to_bytes(LENGTH) + raw


async def _read_frame(reader: asyncio.StreamReader) -> Json:
    """One frame. Raises EOFError at the end, ValueError on rubbish."""
    length = int.from_bytes(await reader.readexactly(LENGTH))
    if not 0 < length <= FRAME_MAX:
        raise ValueError(f"a frame of {length} bytes")
    content = json.loads(await reader.readexactly(length))
    if not isinstance(content, dict):
        raise TypeError("a frame holds one object")
    return content


def _to_text(message: bytes) -> str:
    """Any bytes as a JSON string; UTF-8, which nearly all messages are, stays readable."""
    return message.decode("utf-8", "surrogateescape")


def _to_bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError("a message is a string")
    return text.encode("utf-8", "surrogateescape")
