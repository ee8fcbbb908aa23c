"""Ringside dead, Asterisk alive: the dialplan's own queue answers, and the log has it after the next start."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from acd.core import facts as f
from acd.core.model import Outcome, SeatState
from softphone import tones
from tests.support.floor import die, floor, longest_gap, micros
from tests.support.system import System, entry, queue, seat

pytestmark = pytest.mark.asyncio

CALLER, SECOND_CALLER, TALKER, WAITER = 880, 1100, 660, 440
ANN, BOB, CARL, DORA = 1540, 1760, 1980, 2200
GAP_S = 0.1


async def test_the_fall_back_serves_and_both_calls_are_in_the_log_afterwards(
    tmp_path: Path, asterisk_root: Path
) -> None:
    """Ann is Ready, Bob is not, Carl talks, one caller waits for Dora, who is not there. While Ringside is dead
    Ann gets a call that is over before the start, and one that is under way across it."""
    system = System(tmp_path / "system", asterisk_root=str(asterisk_root))
    seats = [
        seat("ann", "8001", "work"),
        seat("bob", "8002", "work"),
        seat("carl", "8003", "talk"),
        seat("dora", "8004", "wait"),
    ]
    queues = [queue(name, wrap_up=None) for name in ("work", "talk", "wait")]
    system.configure(queues, seats, [entry("82", "work"), entry("83", "talk"), entry("84", "wait")])
    with system.running():
        async with floor(system, tmp_path) as here:
            ann, bob = await here.agent("ann", ANN), await here.agent("bob", BOB, ready=False)
            first, second = await here.caller(CALLER), await here.caller(SECOND_CALLER, "0922333444")
            carl, talker, waiter = await here.agent("carl", CARL), await here.caller(TALKER), await here.caller(WAITER)
            await talker.call("83")
            await carl.expect("incoming")
            await carl.answer()
            await waiter.call("84")
            await waiter.expect("answered")
            await asyncio.gather(carl.until_hears(TALKER), talker.until_hears(CARL))
            await first.call("82")
            await ann.expect("incoming")  # one call the usual way, so that members are known to Asterisk
            await ann.answer()
            await asyncio.gather(first.until_hears(ANN), ann.until_hears(CALLER))
            await first.hang_up()
            await here.seen("ann", SeatState.READY)

            die(system)
            await first.call("82")
            answered = await first.expect("answered", call=2, within=here.asterisk.app_away_s + 5)
            incoming = await ann.expect("incoming", call=2)
            await ann.answer()
            await asyncio.gather(first.until_hears(ANN), ann.until_hears(CALLER))
            await first.hang_up()
            over = await first.expect("ended", call=2)
            await ann.expect("ended", call=2)
            await second.call("82")
            await ann.expect("incoming", call=3, within=here.asterisk.app_away_s + 5)
            await ann.answer()
            await asyncio.gather(second.until_hears(ANN), ann.until_hears(SECOND_CALLER))

            await asyncio.to_thread(system.start)
            served = await here.fact(f.FallbackCallServed)
            assert (served.seat, served.outcome, served.exact) == ("ann", Outcome.FALLBACK, True)
            assert abs(served.entered_at - micros(answered)) < 500_000
            assert micros(incoming) <= served.answered_at <= served.ended_at
            assert abs(served.ended_at - micros(over)) < 500_000
            await asyncio.gather(second.until_hears(ANN), ann.until_hears(SECOND_CALLER))
            assert here.facts(f.Offered, seat="ann")[1:] == []
            await here.sounds(second, 2.0)
            await second.hang_up()
            other = await here.fact(f.FallbackCallServed, count=2)
            assert (other.seat, other.outcome, other.exact) == ("ann", Outcome.FALLBACK, True)
            assert bob.said("incoming") == []

            for fact in (served, other):
                await here.call(fact.item)
            listed = {row["call"]: row for row in json.loads(await here.command("calls", "--json"))}
            assert {listed[fact.item]["outcome"] for fact in (served, other)} == {"fallback"}
            assert all(listed[fact.item]["record"] == fact.record for fact in (served, other))
            assert [listed[fact.item]["number"] for fact in (served, other)] == ["+886912345678", "+886922333444"]

            dora = await here.agent("dora", DORA)
            await dora.expect("incoming")
            await dora.answer()
            await asyncio.gather(dora.until_hears(WAITER), waiter.until_hears(DORA))
            assert len(here.facts(f.Queued, queue="wait")) == 1
            await waiter.hang_up()
            await asyncio.gather(carl.until_hears(TALKER), talker.until_hears(CARL))
            assert len(carl.said("incoming")) == 1
            await talker.hang_up()
            await asyncio.gather(carl.expect("recorded"), talker.expect("recorded"))

            third = await here.caller(CALLER)  # and the usual way goes on
            await third.call("82")
            await ann.expect("incoming", call=4, within=10)
            await ann.answer()
            await asyncio.gather(third.until_hears(ANN), ann.until_hears(CALLER))
            await third.hang_up()
            await here.empty()
            assert {fact.outcome for fact in here.facts(f.Ended)} == {Outcome.ANSWERED}
            assert len(here.facts(f.Ended)) == len(here.facts(f.Entered)) == 4
            assert here.verdict().clean, here.verdict()
    assert tones.measure(tmp_path / "ann-3.wav").heard == {SECOND_CALLER}
    gaps = {
        "carl": longest_gap(tones.read_wav(tmp_path / "carl.wav")[0], TALKER),
        "talker": longest_gap(tones.read_wav(tmp_path / "caller-5.wav")[0], CARL),
    }
    assert all(gap <= GAP_S for gap in gaps.values()), gaps
