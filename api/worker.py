"""The worker process: consumers read the log and keep their rows, woken by the bus, else every 200 ms; recordings are
taken up each second, and once a day those whose time is over are erased."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import datetime

import structlog

from acd.ports import FactLog
from api.bootstrap import CONSUMERS, open_database, open_log
from api.children import say_ready
from api.live import COMMITTED, POLL_S
from api.signals import until_told_to_stop
from recordings import retention
from recordings.keeper import Keeper
from storage.bus import UnixClient
from storage.cursors import Consumer, catch_up
from storage.session import Database
from storage.settings import Settings, load_secrets

log = structlog.get_logger(__name__)

TROUBLE_S = 1.0
PAUSE_S = 0.2
"""After each look: what came meanwhile shares one transaction. With one for every commit of the engine, 20 calls a
second took 0.45 of a core and kept the tables' only writer's place from those who had to keep a new caller's number
(95th percentile 0.7 s at 60 calls a second). The same call comes in fewer batches, each of which reads and writes it
whole."""
KEEP_EVERY_S = 1.0
RETAIN_LOOK_S = 600.0


async def main(settings: Settings) -> None:
    """The process."""
    database, facts = open_database(settings), open_log(settings)
    wake = asyncio.Event()
    try:
        async with UnixClient(settings.socket_path) as bus:
            work = [
                asyncio.create_task(_listen(bus, wake)),
                *(asyncio.create_task(_consume(database, facts, consumer, wake)) for consumer in CONSUMERS),
                asyncio.create_task(_keep(settings, database)),
                asyncio.create_task(_retain(settings, database)),
            ]
            say_ready()
            try:
                await until_told_to_stop()
            finally:
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
        for consumer in CONSUMERS:  # the engine stops before us: take up what it wrote last
            await asyncio.to_thread(catch_up, database, facts, consumer)
    finally:
        facts.close()
        database.close()


async def _listen(bus: UnixClient, wake: asyncio.Event) -> None:
    async for _topic, _message in bus.subscribe([COMMITTED]):
        wake.set()


async def _consume(database: Database, facts: FactLog, consumer: Consumer, wake: asyncio.Event) -> None:
    """Follow the log for ever. What a consumer cannot take is logged and tried again: its lag is a gauge."""
    while True:
        try:
            await asyncio.to_thread(catch_up, database, facts, consumer)
        except Exception:
            log.exception("consumer_failed", consumer=consumer.name)
            await asyncio.sleep(TROUBLE_S)
            continue
        await asyncio.sleep(PAUSE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await wake.wait()
        wake.clear()


async def _keep(settings: Settings, database: Database) -> None:
    """Take up finished recordings for ever. A storage that hangs holds this loop alone."""
    keeper = Keeper(settings, load_secrets(settings), database, _now)
    while True:
        try:
            done = await asyncio.to_thread(keeper.run_once)
            if done.stored:
                log.info("recordings_stored", count=done.stored)
        except asyncio.CancelledError:
            keeper.stopping = True
            raise
        except Exception:
            log.exception("recordings_failed")
            await asyncio.sleep(TROUBLE_S)
        await asyncio.sleep(KEEP_EVERY_S)


async def _retain(settings: Settings, database: Database) -> None:
    """Erase what is over its time, at the start and on each new day of the organisation."""
    link_key, done = load_secrets(settings).link_key, None
    while True:
        today = datetime.now(settings.timezone).date()
        if today != done:
            try:
                count = await asyncio.to_thread(retention.run, database, settings, link_key, _now())
                log.info("recordings_retained", erased=count)
                done = today
            except Exception:
                log.exception("retention_failed")
        await asyncio.sleep(RETAIN_LOOK_S)


def _now() -> int:
    return time.time_ns() // 1000
