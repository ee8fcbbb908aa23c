"""Asterisk's REST interface: events and calls over one WebSocket.

One `Ari` is one application on one Asterisk. `run` keeps it connected; `call` sends a request over the same socket
and waits for its answer (0.06 ms a call on loopback). No request is ever repeated by itself: every id is chosen by us,
so the caller may do so.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

log = structlog.get_logger(__name__)

Event = Mapping[str, Any]
"""One ARI event as decoded JSON. Everything in it that a phone can choose is hostile."""

CALL_LIMIT = 5.0
"""Seconds an answer may take: the slowest seen in the lab at 150 calls/s was 0.24 s."""

FRAME_LIMIT = 16 * 2**20
"""Bytes: a listing of 1,000 channels has about 1.5 MB."""

TWINS = 32
"""How many frames are remembered to drop twins: a subscription to endpoints brings most channel events twice, byte for
byte, because channel and endpoint each forward them. Two real events never agree in all bytes (milliseconds)."""

DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between tries to connect; the last one stays. Each is spread by ±25 %."""


class AriError(Exception):
    """Asterisk refused a request: `status` is the HTTP status, `message` Asterisk's own words (often empty at 500)."""

    def __init__(self, status: int, message: str, what: str) -> None:
        super().__init__(f"{status} {what}: {message}")
        self.status = status
        self.message = message


class AriLost(ConnectionError):
    """The socket is gone or gave no answer in time: whether the request was carried out is not known."""


@dataclass(frozen=True, slots=True)
class AriAddress:
    """Where Asterisk's HTTP server listens and who we are there. The password never appears in logs or URLs."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    app: str


@dataclass(frozen=True, slots=True)
class AriHooks:
    """What the owner of an `Ari` is told.

    `up` runs as a task once the filter and the subscriptions hold, `event` for each event in order (it must not block),
    `down` once a connection is lost or could not be made (`refused`: nobody listens there, so Asterisk is not
    running), `replaced` when another engine took our application over: stand down.
    """

    up: Callable[[], Awaitable[None]]
    event: Callable[[Event], None]
    down: Callable[[bool], None]
    replaced: Callable[[], None]


class Ari:
    """A connection that is made again whenever it breaks. Used from one event loop only."""

    def __init__(self, address: AriAddress, hooks: AriHooks, events: tuple[str, ...], sources: tuple[str, ...]) -> None:
        """`events`: the allow-list of event types; `sources`: what to subscribe to beside our own channels."""
        self._address = address
        self._hooks = hooks
        self._events = tuple(dict.fromkeys((*events, "RESTResponse", "ApplicationReplaced")))
        self._sources = sources
        self._ids = itertools.count(1)
        self._pending: dict[str, asyncio.Future[Event]] = {}
        self._socket: ClientConnection | None = None
        self._recent: deque[str | bytes] = deque(maxlen=TWINS)
        self._greeted = False  # whether the present connection came to be of use
        self._replaced = False

    @property
    def connected(self) -> bool:
        return self._socket is not None

    async def run(self) -> None:
        """Connect, read until the socket is lost, wait, connect again; ends when replaced or cancelled."""
        failures = 0
        while not self._replaced:
            refused, self._greeted = False, False
            try:
                await self._connection()
            except ConnectionRefusedError:
                refused = True
            except (OSError, WebSocketException, TimeoutError) as error:
                log.info("ari_not_connected", error=type(error).__name__)
            self._hooks.down(refused)
            failures = 0 if self._greeted else failures
            if not self._replaced:
                await asyncio.sleep(DELAYS[min(failures, len(DELAYS) - 1)] * random.uniform(0.75, 1.25))
                failures += 1

    async def _connection(self) -> None:
        address = self._address
        secret = base64.b64encode(f"{address.user}:{address.password}".encode()).decode()
        query = urlencode({"app": address.app, "subscribeAll": "false"})
        async with connect(
            f"ws://{address.host}:{address.port}/ari/events?{query}",
            additional_headers={"Authorization": f"Basic {secret}"},
            compression=None,
            proxy=None,
            max_size=FRAME_LIMIT,
            open_timeout=CALL_LIMIT,
            close_timeout=1,
            ping_interval=5,
            ping_timeout=10,
        ) as socket:
            self._socket = socket
            greeter = asyncio.create_task(self._greet())
            try:
                await self._read(socket)
            finally:
                self._socket = None
                greeter.cancel()
                self._fail_pending()
                await asyncio.gather(greeter, return_exceptions=True)

    async def _greet(self) -> None:
        """Narrow the events, subscribe, and tell the owner; on failure the connection is given up and made again."""
        try:
            allowed = [{"type": kind} for kind in self._events]
            await self.call("PUT", f"applications/{self._address.app}/eventFilter", {"allowed": allowed})
            for source in self._sources:
                await self.call("POST", f"applications/{self._address.app}/subscription", eventSource=source)
            await self._hooks.up()
            self._greeted = True
        except (AriError, AriLost) as error:
            log.warning("ari_set_up_failed", error=str(error))
            await self.cut()
        except Exception:
            log.exception("ari_set_up_failed")
            await self.cut()

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for frame in socket:
                self._take(frame)
                if self._replaced:
                    return
        except WebSocketException as error:
            log.info("ari_lost", error=type(error).__name__)

    def _take(self, frame: str | bytes) -> None:
        if frame in self._recent:
            return
        self._recent.append(frame)
        try:
            event = json.loads(frame)
        except ValueError:
            log.warning("ari_frame_not_json", length=len(frame))
            return
        kind = event.get("type") if isinstance(event, dict) else None
        if kind is None:
            log.warning("ari_frame_without_type", length=len(frame))
        elif kind == "RESTResponse":
            waiting = self._pending.pop(str(event.get("request_id")), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(event)
        elif kind == "ApplicationReplaced":
            self._replaced = True
            self._hooks.replaced()
        else:
            self._hooks.event(event)

    def _fail_pending(self) -> None:
        pending, self._pending = self._pending, {}
        for waiting in pending.values():
            if not waiting.done():
                waiting.set_exception(AriLost("the ARI socket was lost"))

    async def cut(self) -> None:
        """Close the present socket; `run` makes a new one."""
        if self._socket is not None:
            await self._socket.close()

    async def call(self, method: str, uri: str, body: Mapping[str, object] | None = None, **query: object) -> Any:
        """One request; returns the decoded answer, or None for an empty one.

        `uri` is relative to /ari and already quoted (see `path`). Raises AriError for an answer of 400 or more, AriLost
        when there is no connection or no answer within CALL_LIMIT.
        """
        socket = self._socket
        if socket is None:
            raise AriLost("not connected to Asterisk")
        request = str(next(self._ids))
        message: dict[str, object] = {
            "type": "RESTRequest",
            "request_id": request,
            "transaction_id": request,
            "method": method,
            "uri": uri,
        }
        if query:
            message["query_strings"] = [{"name": name, "value": str(value)} for name, value in query.items()]
        if body is not None:
            message["content_type"] = "application/json"
            message["message_body"] = json.dumps(body)
        waiting: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._pending[request] = waiting
        try:
            async with asyncio.timeout(CALL_LIMIT):
                await socket.send(json.dumps(message))
                answer = await waiting
        except TimeoutError:
            raise AriLost(f"no answer to {method} {uri}") from None
        except WebSocketException:
            raise AriLost("the ARI socket was lost") from None
        finally:
            self._pending.pop(request, None)
        return _body(answer, f"{method} {uri}")


def path(*parts: str) -> str:
    """A relative URI of these parts, each quoted: ids come from the network too."""
    return "/".join(quote(part, safe="") for part in parts)


def _body(answer: Event, what: str) -> Any:
    text = answer.get("message_body") or ""
    try:
        data = json.loads(text) if text else None
    except ValueError:
        data = None
    status = int(answer.get("status_code") or 500)
    if status >= 400:
        words = data.get("message", "") if isinstance(data, dict) else ""
        raise AriError(status, str(words), what)
    return data
