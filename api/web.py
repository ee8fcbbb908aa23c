"""The web process: the HTTP API on uvicorn. Reads the log and the tables by itself; commands go to the engine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from sqlalchemy import select

from acd.ports import FactLog
from api.app import make_app
from api.auth.store import SqlTokens
from api.bootstrap import CONSUMERS, open_database, open_log
from api.children import say_ready
from api.live import COMMITTED, Live
from api.metrics import Counted
from api.services import Check, Services
from recordings.figures import figures
from storage.bus import CallFailed, EngineAway, UnixClient
from storage.cursors import position
from storage.session import Database
from storage.settings import Settings, load_secrets

CHECK_ENGINE_S = 1.0
STOP_S = 3


def _lags(database: Database, facts: FactLog) -> Mapping[str, int]:
    last = facts.last_seq()
    return {consumer.name: max(0, last - position(database, consumer.name)) for consumer in CONSUMERS}


def _checks(bus: UnixClient, database: Database, live: Live) -> dict[str, Check]:
    async def engine() -> str:
        try:
            await bus.call("ping", {}, CHECK_ENGINE_S)
        except (EngineAway, CallFailed):
            return "does not answer"
        return ""

    async def asterisk() -> str:
        try:
            return "" if (await bus.call("stats", {}, CHECK_ENGINE_S))["asterisk"] else "not connected"
        except (EngineAway, CallFailed):
            return "unknown while the engine is away"

    def ask_database() -> None:
        with database.read() as session:
            session.execute(select(1))

    async def tables() -> str:
        await asyncio.to_thread(ask_database)
        return ""

    async def log() -> str:
        return live.failing or ("" if live.ready else "not read yet")

    return {"engine": engine, "asterisk": asterisk, "database": tables, "log": log}


class _Server(uvicorn.Server):
    """Says that it is ready once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            say_ready()


async def main(settings: Settings) -> None:
    """The process."""
    database, facts = open_database(settings), open_log(settings)
    bus = UnixClient(settings.socket_path)
    counted = Counted()
    live = Live(facts, counted.take)
    services = Services(
        live=live,
        engine=bus,
        tokens=SqlTokens(database),
        database=database,
        secrets=load_secrets(settings),
        now=lambda: time.time_ns() // 1000,
        counted=counted,
        lags=lambda: _lags(database, facts),
        checks=_checks(bus, database, live),
        settings=settings,
        recordings=lambda: figures(database, settings, time.time_ns() // 1000),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await bus.start()
        await live.catch_up()
        following = asyncio.create_task(live.follow(bus.subscribe([COMMITTED])))
        try:
            yield
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            await bus.close()

    config = uvicorn.Config(
        make_app(services, lifespan),
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        server_header=False,
        access_log=False,
        timeout_graceful_shutdown=STOP_S,
    )
    try:
        await _Server(config).serve()
    finally:
        facts.close()
        database.close()
