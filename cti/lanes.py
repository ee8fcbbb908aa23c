"""Work in strict order per key, the keys beside one another: two commands racing on one channel gave 422 in the lab."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[object]]

LONGEST_LANE = 1000
"""Pieces of work one key may have waiting; a channel's whole life has about 20."""


class Lanes:
    """One worker task for each key that has work; it ends with the last piece."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: dict[str, deque[Work]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, key: str, work: Work) -> None:
        """Append work. Never blocks; what does not fit is dropped and logged (the reconcile loop heals it)."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            if len(waiting) < LONGEST_LANE:
                waiting.append(work)
            else:
                log.error("lane_full", lanes=self._name, key=key)
            return
        self._waiting[key] = deque([work])
        task = asyncio.create_task(self._run(key), name=f"{self._name}:{key}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def busy(self, key: str) -> bool:
        """Whether work for this key waits or runs."""
        return key in self._waiting

    async def _run(self, key: str) -> None:
        waiting = self._waiting[key]
        try:
            while waiting:
                await self._one(key, waiting[0])
                waiting.popleft()
        finally:
            del self._waiting[key]

    async def _one(self, key: str, work: Work) -> None:
        """A piece that fails must not take the rest of its lane with it."""
        try:
            await work()
        except Exception:
            log.exception("lane_work_failed", lanes=self._name, key=key)

    async def close(self) -> None:
        """Drop everything."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def idle(self) -> None:
        """Wait until nothing waits or runs."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
