"""The committed state in a process that does not decide: it follows the log, woken by the bus, else every 200 ms."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterable, Callable, Sequence

from acd.core.facts import Recorded
from acd.core.model import State
from acd.ports import FactLog, Snapshot, StoredFact
from acd.replica import Replica

log = logging.getLogger("ringside.live")

COMMITTED = "committed"
"""The bus topic that the engine publishes on after each commit; the message is the highest seq."""
POLL_S = 0.2
BATCH = 1000
RETRY_S = 1.0
PAUSE_S = 0.02
"""After each look: the commits of a busy engine, 7 a call, are taken in together."""

Facts = Callable[[Sequence[Recorded]], None]


class _Fetched:
    """A FactLog whose rows were read ahead in a thread, so that evolving in the loop never waits for a database."""

    def __init__(self, origin: FactLog) -> None:
        self._origin = origin
        self._rows: list[StoredFact] = []

    def fetch(self, after: int) -> int:
        """Read ahead; how many rows came."""
        self._rows = self._origin.read(after, BATCH)
        return len(self._rows)

    def read(self, after: int, limit: int = BATCH) -> list[StoredFact]:
        return [row for row in self._rows if row.seq > after][:limit]

    def last_seq(self) -> int:
        return self._origin.last_seq()

    def append(self, facts: Sequence[StoredFact]) -> None:
        self._origin.append(facts)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        self._origin.save_snapshot(snapshot)

    def load_snapshot(self, version: str) -> Snapshot | None:
        return self._origin.load_snapshot(version)


class Live:
    """Follows the log. `state` and `seq` belong together as long as you do not await in between."""

    def __init__(self, origin: FactLog, on_facts: Facts = lambda _facts: None) -> None:
        """`on_facts` gets every fact that comes after the first look at the log, in the loop."""
        self._fetched = _Fetched(origin)
        self._on_facts = on_facts
        self._replica: Replica | None = None
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()
        self.failing = ""

    @property
    def state(self) -> State:
        """The committed state; an empty one before the first look at the log."""
        return self._replica.state if self._replica else State()

    @property
    def seq(self) -> int:
        """The fact the state is at."""
        return self._replica.seq if self._replica else 0

    @property
    def ready(self) -> bool:
        """The log was read, and the last look at it went well."""
        return self._replica is not None and not self.failing

    def wake(self) -> None:
        """There may be news."""
        self._wake.set()

    async def follow(self, notices: AsyncIterable[tuple[str, bytes]] | None = None) -> None:
        """Follow until cancelled; a database that is away is asked again each second."""
        listening = asyncio.create_task(self._listen(notices)) if notices is not None else None
        try:
            while True:
                try:
                    await self.catch_up()
                    self.failing = ""
                except Exception as error:
                    if not self.failing:
                        log.exception("the log cannot be read; trying again each second")
                    self.failing = type(error).__name__
                    await asyncio.sleep(RETRY_S)
                    continue
                await asyncio.sleep(PAUSE_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            if listening is not None:
                listening.cancel()

    async def catch_up(self) -> None:
        """Take in everything committed by now."""
        if self._replica is None:
            replica = await asyncio.to_thread(Replica, self._fetched)
            while await self._fetch(replica):
                await asyncio.to_thread(replica.catch_up)
            self._replica = replica
            await self._tell()
        while await self._fetch(self._replica):
            self._on_facts(self._replica.catch_up())
            await self._tell()

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _fetch(self, replica: Replica) -> int:
        return await asyncio.to_thread(self._fetched.fetch, replica.seq)

    async def reached(self, seq: int, limit_s: float = 2.0) -> bool:
        """Wait until the state holds fact `seq`; False when it does not within that time."""
        self.wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s), self._moved:
                await self._moved.wait_for(lambda: self.seq >= seq)
                return True
        return False

    async def _listen(self, notices: AsyncIterable[tuple[str, bytes]]) -> None:
        async for _topic, _message in notices:
            self.wake()
