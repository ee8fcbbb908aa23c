"""The runtime's promises (design.md §5): append before effect, group commit, fencing, poison, timers, inbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from acd.core import decide
from acd.core import facts as f
from acd.core import inputs as i
from acd.core.codec import dump, state_bytes
from acd.core.effects import Effect, RingSeat
from acd.core.model import (
    SECOND,
    EntryPlan,
    MediumDef,
    Presence,
    QueueDef,
    SeatProfile,
    SeatQueue,
    SeatState,
    StatusDef,
)
from acd.core.reply import Code, Done, Refused
from acd.ports import Fenced, InboxRow
from acd.replica import Replica
from acd.runtime import EngineClock, Runtime
from tests.support.memory import HandClock, ListInbox, MemoryLog

START = 1_000 * SECOND


class Effects:
    """A performer that keeps what it is given."""

    def __init__(self) -> None:
        self.seen: list[Effect] = []

    def perform(self, effects: Sequence[Effect]) -> None:
        self.seen.extend(effects)


def make(log: MemoryLog, clock: HandClock, **more: object) -> Runtime:
    return Runtime(log, clock=lambda _last: clock, epoch=lambda: "e", **more)  # type: ignore[arg-type]


@asynccontextmanager
async def running(log: MemoryLog, clock: HandClock, **more: object) -> AsyncIterator[Runtime]:
    runtime = make(log, clock, **more)
    await runtime.start()
    loops = asyncio.create_task(runtime.run())
    yield runtime
    loops.cancel()
    await asyncio.gather(loops, return_exceptions=True)
    await runtime.stop()


VOICE = MediumDef("voice", Presence.VOICE, 1, 1, ("*",), ("voice",), needs_phone=True)
READY = StatusDef("ready", Presence.VOICE, (), True, True, True, True, after_login=True)


async def one_ready_seat(runtime: Runtime) -> None:
    for given in (
        i.MediumDefined(VOICE),
        i.StatusDefined(READY),
        i.QueueDefined(QueueDef("q", "Q")),
        i.SeatProfileSet(SeatProfile("amy", "8001", (SeatQueue("q"),))),
        i.SeatSignedIn("amy"),
        i.PhoneChanged("amy", True),
    ):
        assert isinstance(await runtime.submit(given), Done)


async def call_in(runtime: Runtime, leg: str) -> None:
    await runtime.submit(i.CallEntered(leg, EntryPlan("81", 1, "q")))
    await runtime.submit(i.LegArrived(leg))


def kinds(log: MemoryLog) -> list[str]:
    return [row.kind for row in log.rows]


@pytest.mark.asyncio
async def test_effects_and_replies_wait_for_the_commit() -> None:
    log, effects = MemoryLog(), Effects()
    async with running(log, HandClock(START)) as runtime:
        runtime.attach(effects)
        await one_ready_seat(runtime)
        await runtime.submit(i.CallEntered("c", EntryPlan("81", 1, "q")))
        log.gate.clear()
        arriving = asyncio.create_task(runtime.submit(i.LegArrived("c")))
        await asyncio.sleep(0.05)
        assert not arriving.done()
        assert not [effect for effect in effects.seen if isinstance(effect, RingSeat)]
        log.gate.set()
        assert isinstance(await arriving, Done)
        assert len([effect for effect in effects.seen if isinstance(effect, RingSeat)]) == 1


@pytest.mark.asyncio
async def test_inputs_during_a_commit_share_the_next_one() -> None:
    log = MemoryLog()
    async with running(log, HandClock(START)) as runtime:
        log.gate.clear()
        waiting = [runtime.take(i.RepairMade("x", str(n))) for n in range(50)]
        await asyncio.sleep(0.02)
        log.gate.set()
        await asyncio.gather(*waiting)
        assert log.batches[-1] >= 49  # one may have gone alone


@pytest.mark.asyncio
async def test_an_append_that_fails_ends_the_engine_and_no_effect_leaves() -> None:
    log, effects = MemoryLog(), Effects()
    runtime = make(log, HandClock(START))
    await runtime.start()
    runtime.attach(effects)
    await one_ready_seat(runtime)
    await runtime.submit(i.CallEntered("c", EntryPlan("81", 1, "q")))
    before = len(log.rows)
    log.fail_next = OSError("No space left on device")
    with pytest.raises(Fenced, match="No space left"):
        await runtime.submit(i.LegArrived("c"))
    assert len(log.rows) == before
    assert not [effect for effect in effects.seen if isinstance(effect, RingSeat)]
    with pytest.raises(Fenced):
        await runtime.submit(i.RepairMade("x", "1"))
    with pytest.raises(Fenced):
        await runtime.run()


@pytest.mark.asyncio
async def test_a_stale_leader_is_fenced_by_the_log() -> None:
    log = MemoryLog()
    old, new = make(log, HandClock(START)), make(log, HandClock(START))
    await old.start()
    await new.start()
    with pytest.raises(Fenced):
        await old.submit(i.RepairMade("x", "old"))
    assert isinstance(await new.submit(i.RepairMade("x", "new")), Done)
    assert [row.seq for row in log.rows] == list(range(1, len(log.rows) + 1))


@pytest.mark.asyncio
async def test_a_poison_input_is_stored_and_the_loop_goes_on() -> None:
    log = MemoryLog()
    async with running(log, HandClock(START)) as runtime:
        await one_ready_seat(runtime)
        before = await runtime.query(state_bytes)
        reply = await runtime.submit(i.CallEntered("c", None))  # type: ignore[arg-type]
        assert isinstance(reply, Refused)
        assert reply.code is Code.BAD_INPUT
        assert kinds(log)[-1] == "InputRejected"
        assert await runtime.query(state_bytes) == before
        await call_in(runtime, "c2")
        assert "Offered" in kinds(log)
        assert runtime.counters.rejected == 1


@pytest.mark.asyncio
async def test_a_decision_that_fails_half_way_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    async with running(log, HandClock(START)) as runtime:
        await one_ready_seat(runtime)
        before = await runtime.query(state_bytes)

        def broken(core: object, *_: object) -> None:
            raise RuntimeError("half-way")

        with monkeypatch.context() as patch:
            patch.setattr("acd.core.leading.enqueue", broken)
            await runtime.submit(i.CallEntered("c", EntryPlan("81", 1, "q")))
            entered = await runtime.query(state_bytes)
            assert entered != before
            reply = await runtime.submit(i.LegArrived("c"))  # records Arrived, then breaks
        assert isinstance(reply, Refused)
        assert await runtime.query(state_bytes) == entered
        replica = Replica(log)
        replica.catch_up()
        assert state_bytes(replica.state) == entered
        await runtime.submit(i.LegArrived("c"))
        assert "Offered" in kinds(log)


@pytest.mark.asyncio
async def test_timers_fire_when_the_clock_gets_there() -> None:
    log, clock = MemoryLog(), HandClock(START)
    async with running(log, clock) as runtime:
        await one_ready_seat(runtime)
        await call_in(runtime, "c")
        clock.at += 20 * SECOND - 1
        await runtime.submit(i.RepairMade("wake", "1"))
        await asyncio.sleep(0.02)
        assert "OfferEnded" not in kinds(log)
        clock.at += 1
        await runtime.submit(i.RepairMade("wake", "2"))
        await runtime.query(lambda state: state)
        await asyncio.sleep(0.02)
        assert "OfferEnded" in kinds(log)
        seen = await runtime.query(lambda state: state.seats["amy"].voice.seen)
        assert seen is SeatState.NO_ANSWER


@pytest.mark.asyncio
async def test_overdue_timers_fire_in_due_order_after_a_takeover() -> None:
    log, clock = MemoryLog(), HandClock(START)
    async with running(log, clock) as runtime:
        await one_ready_seat(runtime)
        await runtime.submit(i.StatusChosen("amy", Presence.VOICE, "ready"))
        for step, leg in enumerate(("c1", "c2", "c3")):
            clock.at = START + step * SECOND
            await runtime.submit(i.CallEntered(leg, EntryPlan("81", 1, "q")))
    clock.at += 3600 * SECOND
    async with running(log, clock) as runtime:
        for _ in range(50):
            await asyncio.sleep(0.01)
            if kinds(log).count("Ended") == 3:
                break
    ended = [row.body for row in log.rows if row.kind == "Ended"]
    assert [f'"item":"e-i{n}"' in body for n, body in zip((1, 2, 3), ended, strict=True)] == [True] * 3


@pytest.mark.asyncio
async def test_a_takeover_knows_all_and_an_inbox_row_is_taken_once() -> None:
    log, clock = MemoryLog(), HandClock(START)
    inbox = ListInbox([InboxRow(7, "RepairMade", dump(i.RepairMade("asked", "1")), "amy", "api")], forget=False)
    async with running(log, clock, inbox=inbox) as runtime:
        await one_ready_seat(runtime)
        await call_in(runtime, "c")
        for _ in range(100):
            await asyncio.sleep(0.01)
            if "Repaired" in kinds(log):
                break
    inbox.forget = True
    async with running(log, clock, inbox=inbox) as runtime:
        for _ in range(100):
            await asyncio.sleep(0.01)
            if inbox.finished:
                break
        await runtime.submit(i.RepairMade("other", "2"))
    assert inbox.finished == [7]
    repaired = [row for row in log.rows if row.kind == "Repaired" and "asked" in row.body]
    assert [(row.by, row.via, row.inbox) for row in repaired] == [("amy", "api", 7)]
    from_log = Replica(log, use_snapshot=False)
    from_log.catch_up()
    with_snapshot = Replica(log)
    with_snapshot.catch_up()
    assert state_bytes(from_log.state) == state_bytes(with_snapshot.state)
    assert log.snapshots


@pytest.mark.asyncio
async def test_rubbish_in_the_inbox_is_noted_and_goes() -> None:
    log = MemoryLog()
    rows = [InboxRow(1, "NoSuchInput", "{}", "x", "api"), InboxRow(2, "SeatSignedIn", "[", "x", "api")]
    inbox = ListInbox(rows)
    async with running(log, HandClock(START), inbox=inbox):
        for _ in range(100):
            await asyncio.sleep(0.01)
            if len(inbox.finished) == 2:
                break
    assert inbox.finished == [1, 2]
    assert sum("inbox_rubbish" in row.body for row in log.rows) == 2


@pytest.mark.asyncio
async def test_an_inbox_row_that_changes_nothing_leaves_a_fact() -> None:
    log = MemoryLog()
    inbox = ListInbox([InboxRow(3, "SeatSignedIn", dump(i.SeatSignedIn("nobody")), "x", "api")])
    async with running(log, HandClock(START), inbox=inbox):
        for _ in range(100):
            await asyncio.sleep(0.01)
            if inbox.finished:
                break
    assert [row.body for row in log.rows if row.kind == "InputNoted"] == [
        dump(f.InputNoted("SeatSignedIn", "unknown_seat"))
    ]


@pytest.mark.asyncio
async def test_lost_leadership_ends_the_engine() -> None:
    class Lock:
        held = True

        def acquire(self) -> bool:
            return True

        def still_held(self) -> bool:
            return self.held

        def release(self) -> None:
            pass

    lock = Lock()
    runtime = make(MemoryLog(), HandClock(START), leadership=lock)
    await runtime.start()
    lock.held = False
    with pytest.raises(Fenced, match="leadership"):
        await asyncio.wait_for(runtime.run(), 5)


def test_engine_time_never_goes_back_behind_the_log() -> None:
    ahead = EngineClock(last=10**18)
    assert ahead.now() >= 10**18
    first = ahead.now()
    assert ahead.now() >= first


@pytest.mark.asyncio
async def test_snapshots_are_kept_while_inputs_never_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acd.runtime.SNAPSHOT_EVERY", 20)
    log = MemoryLog()
    async with running(log, HandClock(START)) as runtime:
        for _ in range(20):  # a batch is always waiting when the one before is durable
            log.gate.clear()
            given = [runtime.take(i.RepairMade("x", "y")) for _ in range(30)]
            log.gate.set()
            await asyncio.wait(given, return_when=asyncio.FIRST_COMPLETED)
        assert log.snapshots
        for snapshot in log.snapshots:
            replica = Replica(MemoryLog(log.rows[: snapshot.seq]), use_snapshot=False)
            replica.catch_up()
            assert state_bytes(replica.state) == snapshot.state


@pytest.mark.asyncio
async def test_a_timer_that_fails_is_not_due_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    log, clock = MemoryLog(), HandClock(START)

    def broken(*_: object) -> None:
        raise KeyError("broken on purpose")

    monkeypatch.setitem(decide.TIMERS, "offer", broken)
    async with running(log, clock) as runtime:
        await one_ready_seat(runtime)
        await call_in(runtime, "c")
        clock.at += 3600 * SECOND
        await runtime.submit(i.RepairMade("wake", "1"))
        for _ in range(20):
            await asyncio.sleep(0.005)
        await runtime.submit(i.RepairMade("still", "there"))
        assert kinds(log).count("InputRejected") == 1


@pytest.mark.asyncio
async def test_an_inbox_that_cannot_be_read_for_a_while_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acd.runtime.LEADER_EVERY", 0.01)

    class Locked(ListInbox):
        left = 2

        def pending(self, limit: int = 100) -> list[InboxRow]:
            if self.left:
                self.left -= 1
                raise OSError("database is locked")
            return super().pending(limit)

    log = MemoryLog()
    inbox = Locked([InboxRow(5, "RepairMade", dump(i.RepairMade("asked", "1")), "amy", "api")])
    async with running(log, HandClock(START), inbox=inbox):
        for _ in range(100):
            await asyncio.sleep(0.01)
            if inbox.finished:
                break
    assert inbox.finished == [5]


@pytest.mark.asyncio
async def test_a_performer_that_fails_does_not_end_the_engine() -> None:
    class Broken:
        def perform(self, effects: Sequence[Effect]) -> None:
            raise RuntimeError(f"{len(effects)} effects not taken, on purpose")

    log = MemoryLog()
    async with running(log, HandClock(START)) as runtime:
        await one_ready_seat(runtime)
        runtime.attach(Broken())
        await call_in(runtime, "c")
        assert isinstance(await runtime.submit(i.RepairMade("still", "there")), Done)
