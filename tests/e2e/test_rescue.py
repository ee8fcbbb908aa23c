"""An engine that does not come back: rescue hands who waits to the fall-back, longest first, and leaves who talks."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from acd.core import facts as f
from acd.core.model import SECOND, Outcome
from softphone import tones
from tests.support.floor import floor, longest_gap
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


@pytest.mark.parametrize("keep_down", [lock_taken, pytest.param(port_taken, marks=pytest.mark.proof)])
async def test_waiting_callers_are_handed_to_the_fall_back_longest_first(
    tmp_path: Path, asterisk_root: Path, keep_down: Callable[[System], AbstractContextManager[None]]
) -> None:
    """Ann talks. Eve is Ready for another queue, so nobody takes the three who wait until rescue comes."""
    system = System(tmp_path / "system", asterisk_root=str(asterisk_root))
    system.configure(
        [queue("work", ring_time=30 * SECOND), queue("other")],
        [seat("ann", "8001", "work"), seat("eve", "8002", "other")],
        [entry("82", "work")],
    )
    with system.running():
        async with floor(system, tmp_path) as here:
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
            legs = [fact.leg for fact in here.facts(f.Entered)][1:]
            await here.sounds(waiters[-1], 1.5)  # Eve's being Ready reaches Asterisk within a second

            with keep_down(system):
                died = time.monotonic()
                rings = await eve.expect("incoming", within=SILENT_S + A_LITTLE_S)
                assert rings.at - died < SILENT_S + A_LITTLE_S
                order = []
                for number, (waiter, tone) in enumerate(zip(waiters, WAITERS, strict=True), 1):
                    if number > 1:
                        await eve.expect("incoming", call=number, within=8)
                    await eve.answer()
                    await eve.until_hears(tone)
                    await waiter.until_hears(EVE)
                    order.append(tone)
                    await waiter.hang_up()
                    await eve.expect("ended", call=number)
                await asyncio.gather(talker.until_hears(ANN), ann.until_hears(TALKER))
                assert len(ann.said("incoming")) == 1
            assert order == list(WAITERS)

            served = [await here.fact(f.FallbackCallServed, count=count, limit_s=30) for count in (1, 2, 3)]
            assert sorted(fact.leg for fact in served) == sorted(legs)
            assert {(fact.seat, fact.outcome, fact.exact) for fact in served} == {("eve", Outcome.FALLBACK, True)}
            by_leg = {fact.leg: fact for fact in served}
            answers = [by_leg[leg].answered_at for leg in legs]
            assert answers == sorted(answers)
            await asyncio.gather(talker.until_hears(ANN), ann.until_hears(TALKER))
            await talker.hang_up()
            await asyncio.gather(talker.expect("recorded"), ann.expect("recorded"))
            await here.empty()
            assert [fact.outcome for fact in here.facts(f.Ended)] == [Outcome.ANSWERED]
        heard = {
            "caller": longest_gap(tones.read_wav(tmp_path / "caller-2.wav")[0], ANN),
            "agent": longest_gap(tones.read_wav(tmp_path / "ann.wav")[0], TALKER),
        }
        assert all(gap <= GAP_S for gap in heard.values()), heard
