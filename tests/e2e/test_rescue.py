"""An engine that does not come back: rescue hands who waits to the fall-back, longest first, and leaves who talks."""

from __future__ import annotations

import asyncio
import fcntl
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from acd.core import facts as f
from acd.core.model import SECOND, Outcome
from softphone import tones
from softphone.process import PhoneProcess
from tests.support.floor import Floor, floor, longest_gap
from tests.support.system import System, entry, queue, seat

pytestmark = pytest.mark.asyncio

TALKER, ANN, EVE = 880, 1540, 1980
WAITERS = (1100, 1320, 2200)
SILENT_S = 5.0
A_LITTLE_S = 3.0
"""Rescue looks once a second, a phone needs a moment to ring, and the machine may be busy."""
GAP_S = 0.1


@contextmanager
def lock_taken(system: System) -> Iterator[None]:
    """Another process leads: a new engine waits for the lock and never serves."""
    with ExitStack() as stack:
        file = stack.enter_context(system.settings.lock_path.open("a"))
        system.kill("engine")

        def held() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        system.until(held, "the lock is ours before the next engine's")
        yield


@contextmanager
def port_taken(system: System) -> Iterator[None]:
    """Another program has the engine's AGI port: each start fails."""
    with socket.socket() as taken:
        system.kill("engine")

        def bound() -> bool:
            try:
                taken.bind(("127.0.0.1", system.settings.agi_port))
            except OSError:
                return False
            return True

        system.until(bound, "the port is ours before the next engine's")
        yield


async def waiting_and_talking(here: Floor) -> tuple[PhoneProcess, PhoneProcess, PhoneProcess, list[PhoneProcess]]:
    """Ann talks. Eve is Ready for another queue, so nobody takes the three who wait: talker, Ann, Eve, who waits."""
    ann, eve = await here.agent("ann", ANN), await here.agent("eve", EVE)
    talker = await here.caller(TALKER)
    await talker.call("82")
    await ann.expect("incoming")
    await ann.answer()
    await asyncio.gather(talker.until_hears(ANN), ann.until_hears(TALKER))
    waiters = [await here.caller(tone, f"09{tone:08}") for tone in WAITERS]
    for place, waiter in enumerate(waiters, 2):
        await waiter.call("82")
        await here.fact(f.Queued, queue="work", count=place)
    await here.sounds(waiters[-1], 1.5)  # Eve's being Ready reaches Asterisk within a second
    return talker, ann, eve, waiters


async def talk_ends_unbroken(here: Floor, talker: PhoneProcess, ann: PhoneProcess) -> None:
    """They hear each other to the end, and no gap is in either recording."""
    await asyncio.gather(talker.until_hears(ANN), ann.until_hears(TALKER))
    await talker.hang_up()
    await asyncio.gather(talker.expect("recorded"), ann.expect("recorded"))
    gaps = {
        "caller": longest_gap(tones.read_wav(here.folder / "caller-2.wav")[0], ANN),
        "agent": longest_gap(tones.read_wav(here.folder / "ann.wav")[0], TALKER),
    }
    assert all(gap <= GAP_S for gap in gaps.values()), gaps


def small_center(folder: Path, asterisk_root: Path) -> System:
    system = System(folder / "system", asterisk_root=str(asterisk_root))
    system.configure(
        [queue("work", ring_time=30 * SECOND, wrap_up=None), queue("other")],
        [seat("ann", "8001", "work"), seat("eve", "8002", "other")],
        [entry("82", "work")],
    )
    return system


@pytest.mark.parametrize("keep_down", [lock_taken, pytest.param(port_taken, marks=pytest.mark.proof)])
async def test_waiting_callers_are_handed_to_the_fall_back_longest_first(
    tmp_path: Path, asterisk_root: Path, keep_down: Callable[[System], AbstractContextManager[None]]
) -> None:
    system = small_center(tmp_path, asterisk_root)
    with system.running():
        async with floor(system, tmp_path) as here:
            talker, ann, eve, waiters = await waiting_and_talking(here)
            legs = [fact.leg for fact in here.facts(f.Entered)][1:]
            with keep_down(system):
                died = time.monotonic()
                for number, (waiter, tone) in enumerate(zip(waiters, WAITERS, strict=True), 1):
                    rings = await eve.expect("incoming", call=number, within=SILENT_S + A_LITTLE_S)
                    assert number > 1 or rings.at - died < SILENT_S + A_LITTLE_S
                    await eve.answer()
                    await asyncio.gather(eve.until_hears(tone), waiter.until_hears(EVE))
                    await waiter.hang_up()
                    await eve.expect("ended", call=number)
                await asyncio.gather(talker.until_hears(ANN), ann.until_hears(TALKER))
                assert len(ann.said("incoming")) == 1

            served = [await here.fact(f.FallbackCallServed, count=count, limit_s=30) for count in (1, 2, 3)]
            assert sorted(fact.leg for fact in served) == sorted(legs)
            assert {(fact.seat, fact.outcome, fact.exact) for fact in served} == {("eve", Outcome.FALLBACK, True)}
            by_leg = {fact.leg: fact for fact in served}
            answers = [by_leg[leg].answered_at for leg in legs]
            assert answers == sorted(answers)
            await talk_ends_unbroken(here, talker, ann)
            await here.empty()
            assert [fact.outcome for fact in here.facts(f.Ended)] == [Outcome.ANSWERED]
            assert here.verdict().clean, here.verdict()


@pytest.mark.proof
async def test_a_frozen_engine_is_ended_and_the_next_one_takes_its_callers_back_in_their_places(
    tmp_path: Path, asterisk_root: Path
) -> None:
    system = small_center(tmp_path, asterisk_root)
    with system.running():
        async with floor(system, tmp_path) as here:
            talker, ann, eve, waiters = await waiting_and_talking(here)
            items = [fact.item for fact in here.facts(f.Entered)][1:]
            frozen = system.kill("engine", signal.SIGSTOP)
            await eve.expect("incoming", within=SILENT_S + A_LITTLE_S)
            await eve.answer()
            await asyncio.gather(eve.until_hears(WAITERS[0]), waiters[0].until_hears(EVE))
            await here.fact(f.EngineTookOver, limit_s=15)
            assert system.pids()["engine"] != frozen
            await here.until(lambda: [i for i in items if i in system.state.items] == items[1:], "two wait with us")

            await talk_ends_unbroken(here, talker, ann)
            for number, (waiter, item, tone) in enumerate(zip(waiters[1:], items[1:], WAITERS[1:], strict=True), 2):
                await ann.expect("incoming", call=number)
                assert (await here.fact(f.Offered, seat="ann", count=number)).item == item
                await ann.answer()
                await asyncio.gather(waiter.until_hears(ANN), ann.until_hears(tone))
                await waiter.hang_up()
            await waiters[0].hang_up()
            assert (await here.fact(f.FallbackCallServed)).item == items[0]
            await here.empty()
            assert [fact.outcome for fact in here.facts(f.Ended)] == [Outcome.ANSWERED] * 3
            assert here.verdict().clean, here.verdict()
