"""The runtime: inputs in, decisions made durable, then replies and effects out (design.md §5).

Decisions are taken at once, in the order inputs come; their facts are committed in groups by one log thread while
further inputs are decided. Nothing leaves before its facts are durable. If the log cannot be written, for whatever
reason, the memory is dropped and the engine steps down: the process ends, and the next one reads the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from acd.core import facts as f
from acd.core import inputs as i
from acd.core.codec import CORE_VERSION, UnknownKind, dump, kind_of, load_input, load_state, state_bytes, storable
from acd.core.decide import Core
from acd.core.effects import Effect, WantedLeg
from acd.core.effects_of import wanted
from acd.core.evolve import evolve
from acd.core.model import Micros, State
from acd.core.reply import Code, Done, Refused, Reply
from acd.ports import (
    Clock,
    Committed,
    Configuration,
    FactLog,
    Fenced,
    Inbox,
    InboxRow,
    Leadership,
    Snapshot,
    StoredFact,
)
from acd.replica import Replica

T = TypeVar("T")
log = structlog.get_logger()

SNAPSHOT_EVERY = 5000
"""Facts between snapshots: replay takes about 10 µs a fact, so a takeover reads at most some 50 ms of tail."""
CONFIGURATION_EVERY = 5.0  # seconds; design.md §4
INBOX_EVERY = 0.2  # seconds, when nobody pokes
LEADER_EVERY = 1.0  # seconds


class Performer(Protocol):
    """Whoever carries out effects: telephony, text channels. Takes them in order, never blocks."""

    def perform(self, effects: Sequence[Effect]) -> None: ...


class EngineClock:
    """Engine time: max(last fact, wall clock at boot) + monotonic, so a jump of the wall clock moves no timer."""

    def __init__(self, last: Micros = 0) -> None:
        self._base = max(last, time.time_ns() // 1000)
        self._started = time.monotonic_ns()

    def now(self) -> Micros:
        """Microseconds UTC, never going back."""
        return self._base + (time.monotonic_ns() - self._started) // 1000


@dataclass(slots=True)
class _Taken:
    """One decided input on its way to the disk."""

    facts: tuple[f.Recorded, ...]
    reply: Reply
    effects: tuple[Effect, ...]
    done: asyncio.Future[Reply]


@dataclass(slots=True)
class Counters:
    """What /metrics shows of the runtime."""

    inputs: int = 0
    commits: int = 0
    facts: int = 0
    rejected: int = 0
    timer_lag: Micros = 0  # of the last timer that fired
    batch: int = 0  # facts in the last commit


@dataclass(slots=True)
class _Memory:
    """The last snapshot and what came after it: enough to undo a decision that failed half-way, without the disk."""

    state: bytes
    seq: int
    step: int
    since: list[f.Recorded] = field(default_factory=list)


class Runtime:
    """Implements acd.ports.Engine.

    `start` becomes leader and loads the log; then adapters bring themselves into line (cti.resync) through `submit`
    and `wanted`; then `run` lets timers, configuration and inbox go on, until `stop` or until it must step down.
    """

    def __init__(
        self,
        fact_log: FactLog,
        *,
        leadership: Leadership | None = None,
        inbox: Inbox | None = None,
        configuration: Configuration | None = None,
        clock: Callable[[Micros], Clock] = EngineClock,
        epoch: Callable[[], str] = lambda: base36(int(time.time())),
        day_of: Callable[[Micros], int] | None = None,
        version: str = CORE_VERSION,
    ) -> None:
        self._log = fact_log
        self._leadership = leadership
        self._inbox = inbox
        self._configuration = configuration
        self._make_clock = clock
        self._epoch = epoch
        self._day_of = day_of
        self._version = version
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._side = ThreadPoolExecutor(2, thread_name_prefix="side")
        self._performers: list[Performer] = []
        self._listeners: list[Committed] = []
        self._pending: list[_Taken] = []
        self._committing: asyncio.Task[None] | None = None
        self._timer_set = asyncio.Event()
        self._poked = asyncio.Event()
        self._fallen: asyncio.Future[None] | None = None
        self._snapshot: Snapshot | None = None
        self.counters = Counters()
        self.took_over_from: Micros = 0
        """The time of the last fact before this engine's own; 0 for a new log."""

    # --- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Become the leader (waiting for it), load the log, take over, bring the configuration up to date.

        Raises UnknownKind where a newer version wrote the log.
        """
        self._fallen = asyncio.get_running_loop().create_future()
        await self._lead()
        replica = await self._in_thread(partial(Replica, self._log))
        await self._in_thread(replica.catch_up)
        self.took_over_from = replica.at
        self._clock = self._make_clock(replica.at)
        self._last_at = replica.at
        self._core = Core(replica.state, replica.seq, replica.step)
        self._memory = _Memory(state_bytes(replica.state), replica.seq, replica.step)
        await self.submit(i.EngineStarted(self._epoch(), self._version))
        await self._start_day()
        await self.sync_configuration()

    async def _lead(self) -> None:
        """Wait until nobody else leads: the other end of a lock gives no sign to wait for."""
        held = self._leadership is None
        while not held and self._leadership is not None:
            held = await self._in_thread(self._leadership.acquire)
            await asyncio.sleep(0 if held else LEADER_EVERY / 5)

    async def run(self) -> None:
        """Timers, configuration, inbox, leadership, until cancelled. Raises Fenced when stepping down."""
        assert self._fallen is not None, "start() first"
        loops = [self._run_timers(), self._watch_configuration(), self._drain_inbox(), self._watch_leadership()]
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            done, _ = await asyncio.wait([self._fallen, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for finished in done:
                finished.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Commit what was decided, keep a snapshot, give up leadership."""
        with contextlib.suppress(Fenced):
            await self._barrier()
            self._take_snapshot()
            await self._save_snapshot()
        if self._leadership is not None:
            await self._in_thread(self._leadership.release)
        self._thread.shutdown(wait=True)
        self._side.shutdown(wait=False, cancel_futures=True)

    def attach(self, performer: Performer) -> None:
        """Effects go to every performer, in order, after their commit; each takes those that are its business."""
        self._performers.append(performer)

    def on_commit(self, listener: Committed) -> None:
        """Call `listener` with the facts of every commit."""
        self._listeners.append(listener)

    # --- ports.Engine ----------------------------------------------------------------------------------------

    def now(self) -> Micros:
        """Engine time, never before the last fact."""
        self._last_at = max(self._last_at, self._clock.now())
        return self._last_at

    async def submit(self, given: i.Input, *, by: str = "system", via: str = "engine", inbox: int = 0) -> Reply:
        """Decide now; the reply comes when its facts are durable. Raises Fenced when the engine steps down."""
        return await asyncio.shield(self.take(given, by=by, via=via, inbox=inbox))

    def take(self, given: i.Input, *, by: str = "system", via: str = "engine", inbox: int = 0) -> asyncio.Future[Reply]:
        """Decide at once, without waiting for the commit; the future has the reply afterwards."""
        assert self._fallen is not None, "start() first"
        if self._fallen.done():
            raise Fenced("this engine stepped down")
        self.counters.inputs += 1
        stamp = i.Stamp(self.now(), by, via, inbox)
        taken = self._decide(given, stamp)
        self._pending.append(taken)
        self._memory.since.extend(taken.facts)
        if taken.facts:
            self._timer_set.set()
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        return taken.done

    async def wanted(self) -> Sequence[WantedLeg]:
        """What the committed state wants of channels."""
        return await self.query(wanted)

    async def query(self, ask: Callable[[State], T]) -> T:
        """Ask the state; the answer comes once everything it shows is durable."""
        answer = ask(self._core.state)
        await self._barrier()
        return answer

    def poke_inbox(self) -> None:
        """A row was written: look at once."""
        self._poked.set()

    # --- deciding --------------------------------------------------------------------------------------------

    def _decide(self, given: i.Input, stamp: i.Stamp) -> _Taken:
        done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if not (storable(given) and storable([stamp.by, stamp.via])):
            clean = replace(stamp, by="system", via="engine")
            return self._reject(given, clean, ValueError("text that cannot be stored"), done)
        try:
            decision = self._core.decide(given, stamp)
        except Exception as error:  # a poison input must not stop the loop (design.md §5.6)
            return self._reject(given, stamp, error, done)
        return _Taken(decision.facts, decision.reply, decision.effects, done)

    def _reject(self, given: i.Input, stamp: i.Stamp, error: Exception, done: asyncio.Future[Reply]) -> _Taken:
        log.error("input rejected", kind=kind_of(given), trace="".join(traceback.format_exception(error)))
        self.counters.rejected += 1
        self._core = self._remember()
        self._core.stamp = stamp
        self._core.step += 1
        timer = given.key if isinstance(given, i.TimerDue) else ""
        facts = self._core.reject(kind_of(given), type(error).__name__, timer)
        return _Taken(facts, Refused(Code.BAD_INPUT, "this could not be taken; the log says why"), (), done)

    def _remember(self) -> Core:
        """The core as it was before the failed decision, from memory."""
        state, memory = load_state(self._memory.state), self._memory
        for fact in memory.since:
            evolve(state, fact)
        last = memory.since[-1] if memory.since else None
        return Core(state, last.seq if last else memory.seq, last.step if last else memory.step)

    # --- committing ------------------------------------------------------------------------------------------

    async def _commit(self) -> None:
        batch: list[_Taken] = []
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                facts = [fact for taken in batch for fact in taken.facts]
                if facts:
                    await self._in_thread(partial(self._log.append, [stored(fact) for fact in facts]))
                self._release(batch, facts)
                await self._tell(facts)
                await self._after_commit()
        except Exception as error:  # whatever the reason, an engine that cannot append is no leader (design.md §5.1)
            self._step_down(batch + self._pending, error)
        finally:
            self._committing = None

    def _release(self, batch: Sequence[_Taken], facts: Sequence[f.Recorded]) -> None:
        self.counters.commits += 1 if facts else 0
        self.counters.facts += len(facts)
        self.counters.batch = len(facts)
        effects = [effect for taken in batch for effect in taken.effects]
        if effects:
            for performer in self._performers:
                self._perform(performer, effects)
        for taken in batch:
            if not taken.done.done():
                taken.done.set_result(taken.reply)

    def _perform(self, performer: Performer, effects: Sequence[Effect]) -> None:
        try:
            performer.perform(effects)
        except Exception as error:  # the facts are durable: what was not done is derived from them again (cti.resync)
            log.error("effects not taken", error=repr(error))

    async def _tell(self, facts: Sequence[f.Recorded]) -> None:
        if not facts:
            return
        for listener in self._listeners:
            try:
                await listener(facts)
            except Exception as error:  # a reader's trouble is not the writer's: readers follow the log
                log.warning("commit listener failed", error=repr(error))

    async def _after_commit(self) -> None:
        if self._snapshot is None and len(self._memory.since) >= SNAPSHOT_EVERY:
            self._take_snapshot()
        if self._snapshot is not None and self._snapshot.seq <= self._core.seq - self._undurable():
            await self._save_snapshot()

    def _undurable(self) -> int:
        return sum(len(taken.facts) for taken in self._pending)

    def _take_snapshot(self) -> None:
        core = self._core
        self._memory = _Memory(state_bytes(core.state), core.seq, core.step)
        self._snapshot = Snapshot(core.seq, CORE_VERSION, self._memory.state)

    async def _save_snapshot(self) -> None:
        """Only called when everything up to the snapshot's seq is committed."""
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is not None and snapshot.seq:
            await self._in_thread(partial(self._log.save_snapshot, snapshot))

    def _step_down(self, batch: Sequence[_Taken], error: Exception) -> None:
        log.error("stepping down", error=repr(error))
        reason = error if isinstance(error, Fenced) else Fenced(f"the log cannot be written: {error!r}")
        self._pending = []
        assert self._fallen is not None
        if not self._fallen.done():
            self._fallen.set_exception(reason)
        for taken in batch:
            if not taken.done.done():
                taken.done.set_exception(reason)
                taken.done.exception()  # it may be that nobody waits for it

    async def _barrier(self) -> None:
        while self._committing is not None:
            await asyncio.shield(self._committing)
        assert self._fallen is not None
        if self._fallen.done():
            raise Fenced("this engine stepped down")

    # --- what goes on beside inputs --------------------------------------------------------------------------

    async def _run_timers(self) -> None:
        while True:
            self._timer_set.clear()
            following = self._core.timers.next()
            wait = None if following is None else max(0, following[0] - self.now()) / 1e6
            if following is not None and wait == 0:
                self.counters.timer_lag = self.now() - following[0]
                self.take(i.TimerDue(following[1], following[0]), via="timer")
                await asyncio.sleep(0)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._timer_set.wait(), wait)

    async def _watch_configuration(self) -> None:
        while True:
            await asyncio.sleep(CONFIGURATION_EVERY)
            await self._start_day()
            try:
                await self.sync_configuration()
            except Fenced:
                raise
            except Exception as error:  # the directory may be away; calls go on by what is known
                log.warning("configuration not read", error=repr(error))

    async def _start_day(self) -> None:
        if self._day_of is not None and (day := self._day_of(self.now())) != self._core.state.day:
            await self.submit(i.DayStarted(day))

    async def sync_configuration(self) -> None:
        """Compare the directory's revision with the state's; send every definition where they differ."""
        if self._configuration is None:
            return
        revision = await self._aside(self._configuration.revision)
        if revision == self._core.state.revision:
            return
        for definition in await self._aside(self._configuration.definitions):
            reply = await self.submit(definition, by="system", via="configuration")
            if isinstance(reply, Refused):
                log.warning("definition refused", kind=kind_of(definition), code=reply.code, say=reply.say)

    async def _drain_inbox(self) -> None:
        while self._inbox is not None:
            self._poked.clear()
            try:
                found = await self._take_rows(self._inbox)
            except Fenced:
                raise
            except Exception as error:  # the tables may be away; calls go on without their requests
                log.warning("inbox not read", error=repr(error))
                await asyncio.sleep(LEADER_EVERY)
                continue
            if not found:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._poked.wait(), INBOX_EVERY)
        await asyncio.Event().wait()

    async def _take_rows(self, inbox: Inbox) -> bool:
        rows = await self._aside(inbox.pending)
        for row in rows:
            await self._take_row(row)
        if rows:
            await self._aside(partial(inbox.done, [row.id for row in rows]))
        return bool(rows)

    async def _take_row(self, row: InboxRow) -> None:
        if str(row.id) in self._core.state.handled:
            return
        try:
            given = load_input(row.kind, row.body)
        except (UnknownKind, KeyError, TypeError, ValueError, RecursionError) as error:
            log.error("inbox row is rubbish", row=row.id, kind=row.kind, error=repr(error))
            given = i.RepairMade("inbox_rubbish", str(row.id))
        await self.submit(given, by=row.by, via=row.via, inbox=row.id)

    async def _watch_leadership(self) -> None:
        while self._leadership is not None:
            await asyncio.sleep(LEADER_EVERY)
            if not await self._aside(self._leadership.still_held):
                raise Fenced("leadership was lost")
        await asyncio.Event().wait()

    def _in_thread(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _aside(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._side, work)


def base36(number: int) -> str:
    """A whole number in digits and small letters: the second a log began, six characters that name it in every id."""
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"


def stored(fact: f.Recorded) -> StoredFact:
    """A fact as a row of the log."""
    body: Any = fact.fact
    return StoredFact(fact.seq, fact.at, fact.step, fact.by, fact.via, fact.inbox, kind_of(body), body.V, dump(body))


__all__ = ["Counters", "Done", "EngineClock", "Performer", "Runtime", "stored"]
