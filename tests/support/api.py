"""The HTTP API over a real runtime and a log in memory: only the socket between them is left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from sqlalchemy.orm import Session

from acd.core import inputs as i
from acd.core.model import SECOND, EntryPlan, MediumDef, Presence, QueueDef, SeatProfile, SeatQueue, StatusDef
from acd.runtime import Runtime
from api import gateway
from api.app import make_app
from api.auth import tokens
from api.auth.permissions import Permission
from api.auth.store import SqlTokens
from api.live import Live
from api.metrics import Counted
from api.services import Services
from directory import seed, service
from recordings.figures import figures
from storage.bus import EngineAway
from storage.settings import Settings, load_secrets
from tests.support.copies import migrated
from tests.support.memory import HandClock, MemoryLog

START = 1_795_000_000 * SECOND
DEFINITIONS: tuple[i.Input, ...] = (
    i.MediumDefined(MediumDef("voice", Presence.VOICE, 1, 1, ("*",), ("voice",), needs_phone=True)),
    i.StatusDefined(StatusDef("ready", Presence.VOICE, (), True, True, True, True)),
    i.StatusDefined(StatusDef("not_ready", Presence.VOICE, (), False, True, True, True, after_login=True)),
    i.QueueDefined(QueueDef("sales", "Sales")),
    i.QueueDefined(QueueDef("other", "Other")),
    i.SeatProfileSet(SeatProfile("amy", "8001", (SeatQueue("sales"),))),
    i.SeatProfileSet(SeatProfile("bob", "8002", (SeatQueue("sales"),))),
    i.ConfigurationApplied(1),
)


@dataclass
class DirectCaller:
    """api.gateway.Caller without a socket. `away` makes it an engine that does not answer."""

    runtime: Runtime
    log: MemoryLog
    away: bool = False
    stamps: list[tuple[str, str]] = field(default_factory=list)
    keys: list[tuple[str, str]] = field(default_factory=list)
    tells: dict[str, dict[str, Any]] = field(default_factory=dict)  # "phones" or "lines" -> what Asterisk has of each

    async def send(self, leg: str, digits: str) -> None:
        """In the place of Asterisk."""
        self.keys.append((leg, digits))

    async def call(self, method: str, body: dict[str, Any] | None = None, timeout: float = 5.0) -> dict[str, Any]:
        if self.away:
            raise EngineAway(f"{timeout:g} s without an answer")
        if method == "stats":
            return {"timer_lag_us": 250_000, "asterisk": True}
        if method == "keys":
            return gateway.reply_to(
                await gateway.pressed(body or {}, self.runtime.query, self.send), self.log.last_seq()
            )
        if method != "submit":
            return {method: self.tells.get(method, {})}
        given, by, via = gateway.input_from(body or {})
        self.stamps.append((by, via))
        return gateway.reply_to(await self.runtime.submit(given, by=by, via=via), self.log.last_seq())


@dataclass
class Api:
    """What a test uses."""

    app: FastAPI
    http: httpx2.AsyncClient
    runtime: Runtime
    services: Services
    engine: DirectCaller
    log: MemoryLog

    def token(self, *permissions: Permission) -> dict[str, str]:
        """A header with a token that may do these things; without any named, all."""
        use = self.services
        allowed = permissions or tuple(Permission)
        _, text = tokens.create(use.tokens, use.secrets.token_hash, "test", allowed, START)
        return {"Authorization": f"Bearer {text}"}

    async def caller(self, number: int, queue: str = "sales") -> str:
        """A call that waits in a queue; its item."""
        leg = f"leg-{number}"
        done = await self.runtime.submit(i.CallEntered(leg, EntryPlan("82", 1, queue)), by="customer", via="asterisk")
        await self.runtime.submit(i.LegArrived(leg), by="customer", via="asterisk")
        return getattr(done, "item", "")

    async def shown(self) -> None:
        """Wait until the web side has read everything."""
        assert await self.services.live.reached(self.log.last_seq())


def _fill(session: Session) -> None:
    seed.seed_basics(session)
    service.put_queue(session, QueueDef("sales", "Sales"))
    service.create_seat(session, SeatProfile("amy", "", (SeatQueue("sales"),)), "Amy")
    service.create_seat(session, SeatProfile("bob", "", (SeatQueue("sales"),)), "Bob")


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Api]:
    """An API with two queues and two seats, on tables of its own."""
    settings = Settings(data_dir=folder)
    database = migrated(settings, _fill)
    log, clock = MemoryLog(), HandClock(START)
    runtime = Runtime(log, clock=lambda _last: clock, epoch=lambda: "e")
    await runtime.start()
    for definition in DEFINITIONS:
        await runtime.submit(definition)
    counted = Counted()
    live = Live(log, counted.take)
    engine = DirectCaller(runtime, log)
    services = Services(
        live=live,
        engine=engine,
        tokens=SqlTokens(database),
        database=database,
        secrets=load_secrets(settings),
        now=clock.now,
        counted=counted,
        lags=lambda: {"records": 3},
        settings=settings,
        recordings=lambda: figures(database, settings, clock.now()),
    )
    app = make_app(services)
    await live.catch_up()
    following = asyncio.create_task(live.follow())
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    try:
        async with httpx2.AsyncClient(transport=transport, base_url="http://ringside") as http:
            yield Api(app, http, runtime, services, engine, log)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await runtime.stop()
        database.close()
