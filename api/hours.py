"""The queues' opening hours, told to the core at the very second they change."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy.exc import SQLAlchemyError

from acd.core.inputs import QueueOpenChanged
from acd.core.model import SECOND, Micros, State
from acd.runtime import Runtime
from directory.calendar import is_open, next_change
from directory.definitions import read_revision, read_snapshot
from directory.model import Snapshot
from storage.session import Database

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
"""A changed directory is seen within that time."""


def wanted(given: Snapshot, at: Micros) -> dict[str, bool]:
    """Queue -> open at this moment, for every queue in use; one without hours is always open."""
    hours = {one.queue: given.hours_named(one.hours) for one in given.queue_hours}
    named = {queue.id: hours.get(queue.id) for queue in given.queues}
    return {queue: found is None or is_open(found, at) for queue, found in named.items()}


def following(given: Snapshot, at: Micros) -> Micros:
    """The next moment after `at` when any queue's hours change, 0 for never."""
    found = [given.hours_named(one.hours) for one in given.queue_hours]
    return min((change for one in found if one is not None and (change := next_change(one, at))), default=0)


def believed(state: State) -> dict[str, bool]:
    """Queue -> open, as the core has it."""
    return {queue: state.flows[queue].open if queue in state.flows else True for queue in state.queues}


class HoursKeeper:
    """Submits QueueOpenChanged where belief and hours differ: after a start at once, then at every change."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._database, self._runtime = database, runtime
        self._given = Snapshot()
        self._due: Micros = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            now = self._runtime.now()
            await asyncio.sleep(await self.step(now))

    async def step(self, now: Micros) -> float:
        """Bring the core into line with this moment; how many seconds until the next look."""
        try:
            await asyncio.to_thread(self._read)
        except SQLAlchemyError as error:  # the hours known so far go on
            log.warning("hours_not_read", error=str(error).splitlines()[0])
        have = await self._runtime.query(believed)
        for queue, opened in wanted(self._given, now).items():
            if have.get(queue, opened) is not opened:
                await self._runtime.submit(QueueOpenChanged(queue, opened), by="system", via="timer")
        if not now < self._due:
            self._due = await asyncio.to_thread(following, self._given, now) or now + 86_400 * SECOND
        left = max(0, self._due - self._runtime.now()) / SECOND
        return min(LOOK_EVERY_S, left)

    def _read(self) -> None:
        with self._database.read() as session:
            if read_revision(session) != self._given.revision:
                self._given, self._due = read_snapshot(session), 0
