"""`ringside up`: an Asterisk, then engine, worker, web and rescue, kept running until Ctrl-C or SIGTERM.

Asterisk outlives us when we are killed (the next `up` adopts it); the children do not. Any one of them may be killed
without harm to the others: it is started again, and the engine finds its calls where it left them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

from sqlalchemy.exc import SQLAlchemyError

from acd.core.facts import Accepted, Recorded
from acd.core.model import Phase, SeatState, State
from api.bootstrap import (
    asterisk_of,
    open_log,
    seed,
)
from api.children import Child, note_failed_starts, part
from api.live import Live
from api.words import Words
from cti.asterisk import AsteriskFailed, AsteriskProcess
from cti.config import BadSettings
from storage.migrations import migrate
from storage.settings import Settings

ENGINE, WORKER, WEB, RESCUE = "engine", "worker", "web", "rescue"
READY_S = {ENGINE: 60.0, WORKER: 30.0, WEB: 30.0, RESCUE: 30.0}
"""In the order of the start. A log of a million facts without a snapshot takes the engine 10 s to read."""
ASTERISK_EVERY_S = 1.0
STOP_ORDER = (RESCUE, WEB, ENGINE, WORKER)  # rescue first, or it would rescue from a wanted stop

Job = Callable[["Center"], Awaitable[int]]


class UpFailed(Exception):
    """A step of the start failed; the text says which, why and what to do."""


class AlreadyUp(UpFailed):
    """Another `ringside up` has this data folder."""


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the data folder. Raises AlreadyUp with the other's process id. The kernel frees it however we end."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyUp(file.read().strip()) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


@dataclass(slots=True)
class Tally:
    """What `up` says about calls since it began; from committed facts alone."""

    answered: int = 0

    def take(self, facts: Sequence[Recorded]) -> None:
        """Count these."""
        self.answered += sum(isinstance(recorded.fact, Accepted) for recorded in facts)


def status_line(state: State, tally: Tally, words: Words, away: Sequence[str]) -> str:
    """One line of what is going on."""
    phases = [item.phase for item in state.items.values()]
    seats = list(state.seats.values())
    line = words(
        "up.status",
        waiting=phases.count(Phase.WAITING),
        ringing=phases.count(Phase.OFFERED),
        talking=phases.count(Phase.ACTIVE),
        wrap_up=sum(len(seat.wrap_ups) for seat in seats),
        ready=sum(seat.voice.seen is SeatState.READY for seat in seats),
        seats=len(seats),
        answered=tally.answered,
        repairs=sum(state.repairs.values()),
    )
    return line + (words("up.away", names=", ".join(away)) if away else "")


@dataclass(slots=True)
class Center:
    """What a job beside the supervisor (the demo) may use."""

    settings: Settings
    words: Words
    live: Live
    tally: Tally
    say: Callable[[str], None]
    stopping: asyncio.Event
    children: dict[str, Child] = field(default_factory=dict)


class Supervisor:
    """One run of `ringside up`."""

    def __init__(self, settings: Settings, words: Words, out: TextIO, *, demo: bool, keep_asterisk: bool) -> None:
        self.settings, self.words, self._out = settings, words, out
        self._demo, self._keep_asterisk = demo, keep_asterisk
        self._asterisk: AsteriskProcess | None = None
        self._ensuring: asyncio.Future[bool] | None = None
        self._total = 6
        self._step = 0
        tally = Tally()
        live = Live(open_log(settings), tally.take)
        self.center = Center(settings, words, live, tally, self.say, asyncio.Event())

    def say(self, line: str) -> None:
        """One line to the person at the terminal; a terminal that is gone stops nothing."""
        with contextlib.suppress(OSError):
            print(line, file=self._out, flush=True)

    async def run(self, seconds: float | None, job: Job | None) -> int:
        """Start all, go on until told to stop (or `seconds` after the start), stop all. The exit code."""
        loop = asyncio.get_running_loop()
        told_by = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # a terminal that closes; nohup means to go on
            told_by.append(signal.SIGHUP)
        for number in told_by:
            loop.add_signal_handler(number, self.center.stopping.set)
        try:
            await self._until_stopped(self._start())
            if self.center.stopping.is_set():
                return 0
            self.say(self.words("up.ready", url=f"http://{self.settings.api_host}:{self.settings.api_port}"))
            return await self._serve(seconds, job)
        finally:
            await self._stop()
            for number in told_by:
                loop.remove_signal_handler(number)

    async def _until_stopped(self, work: Awaitable[None]) -> None:
        """Do this, unless a person wants us to stop meanwhile."""
        doing = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self.center.stopping.wait())
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not doing.done():
            doing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await doing
            return
        doing.result()

    # --- start -----------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        await self._do("up.database", self._database)
        await self._do("up.asterisk", self._start_asterisk)
        for name, limit in READY_S.items():
            await self._do(f"up.{name}", partial(self._start_child, name, limit))

    async def _do(self, key: str, step: Callable[[], Awaitable[str]]) -> None:
        self._step += 1
        print(f"[{self._step}/{self._total}] {self.words(key)} … ", end="", file=self._out, flush=True)
        try:
            told = await step()
        except BaseException:
            print(self.words("up.failed"), file=self._out, flush=True)
            raise
        print(f"{self.words('up.ok')}{f' ({told})' if told else ''}", file=self._out, flush=True)

    async def _database(self) -> str:
        await asyncio.to_thread(migrate, self.settings)
        await asyncio.to_thread(seed, self.settings, self._demo)
        return ""

    async def _start_asterisk(self) -> str:
        self._asterisk = await asyncio.to_thread(asterisk_of, self.settings)
        started = await self._ensure_asterisk(self._asterisk)
        key = "up.asterisk_started" if started else "up.asterisk_adopted"
        return self.words(key, pid=self._asterisk.pid)

    async def _ensure_asterisk(self, asterisk: AsteriskProcess) -> bool:
        """A thread cannot be cancelled: `_stop` waits for it, or an Asterisk would be started after the stop."""
        self._ensuring = asyncio.ensure_future(asyncio.to_thread(asterisk.ensure))
        return await asyncio.shield(self._ensuring)

    async def _start_child(self, name: str, limit_s: float) -> str:
        folder = self.settings.run_dir
        listeners = [partial(note_failed_starts, folder)] if name == ENGINE else []
        child = Child(part(name, self.settings.data_dir), listeners)
        self.center.children[name] = child
        child.start()
        if not await child.until_ready(limit_s):
            raise UpFailed(self.words("up.child_failed", name=name, log=child.part.log, why=child.last_words()))
        return self.words("up.pid", pid=child.pid)

    # --- going on --------------------------------------------------------------------------------------------------

    async def _serve(self, seconds: float | None, job: Job | None) -> int:
        """Until told to stop or `seconds` are over. The job's result counts when it ended by itself or in time."""
        stopping = self.center.stopping
        await self.center.live.catch_up()
        following = [
            asyncio.create_task(self.center.live.follow()),
            asyncio.create_task(self._tell()),
            asyncio.create_task(self._watch_asterisk()),
        ]
        told = asyncio.create_task(stopping.wait())
        working = asyncio.create_task(_run_job(job, self.center)) if job else None
        try:
            awaited = {told, working} if working else {told}
            done, _ = await asyncio.wait(awaited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            by_hand = told in done
            stopping.set()
            result = await working if working is not None else 0
            return 0 if by_hand else result
        finally:
            for task in (*following, told):
                task.cancel()
            await asyncio.gather(*following, told, return_exceptions=True)

    async def _watch_asterisk(self) -> None:
        """Start Asterisk again when it died; let it take up entry numbers that were added or went."""
        while True:
            await asyncio.sleep(ASTERISK_EVERY_S)
            try:
                wanted = await asyncio.to_thread(asterisk_of, self.settings)
                running = await asyncio.to_thread(wanted.running)
                if running is not None and running.digest == wanted.digest:
                    continue
                self._asterisk = wanted
                if await self._ensure_asterisk(wanted):
                    self.say(self.words("up.asterisk_again", pid=wanted.pid))
            except (AsteriskFailed, BadSettings, SQLAlchemyError, OSError, ValueError) as error:
                # A full disk or damaged secrets, too: this goes on, or a dead Asterisk would stay dead.
                self.say(self.words("up.asterisk_trouble", why=error))

    async def _tell(self) -> None:
        """A line a second."""
        while True:
            await asyncio.sleep(1)
            center = self.center
            away = [name for name, child in center.children.items() if not child.up]
            self.say(status_line(center.live.state, center.tally, self.words, away))

    # --- stop ------------------------------------------------------------------------------------------------------

    async def _stop(self) -> None:
        children = self.center.children
        self.say(self.words("up.stopping"))
        for name in STOP_ORDER:
            if (child := children.get(name)) is not None:
                await child.stop()
        if self._ensuring is not None:
            await asyncio.gather(self._ensuring, return_exceptions=True)
        if self._asterisk is not None and not self._keep_asterisk:
            await asyncio.to_thread(self._asterisk.stop)
        self.say(self.words("up.stopped"))


async def _run_job(job: Job, center: Center) -> int:
    return await job(center)
