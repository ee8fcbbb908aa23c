"""Ringside dead, Asterisk alive: the dialplan's own queue answers, and the log has it after the next start."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from acd.core import facts as f
from acd.core.model import Outcome, SeatState
from softphone import tones
from tests.support.floor import die, floor, micros
from tests.support.system import System, entry, queue, seat

pytestmark = pytest.mark.asyncio

CALLER, SECOND_CALLER, ANN, BOB = 880, 1100, 1540, 1980


async def test_the_fall_back_serves_and_both_calls_are_in_the_log_afterwards(
    tmp_path: Path, asterisk_root: Path
) -> None:
    """Ann was Ready last, Bob was not. One call is over before the start, one is under way across it."""
    system = System(tmp_path / "system", asterisk_root=str(asterisk_root))
    seats = [seat("ann", "8001", "work"), seat("bob", "8002", "work")]
    system.configure([queue("work")], seats, [entry("82", "work")])
    with system.running():
        async with floor(system, tmp_path) as here:
            ann, bob = await here.agent("ann", ANN), await here.agent("bob", BOB, ready=False)
            first, second = await here.caller(CALLER), await here.caller(SECOND_CALLER, "0922333444")
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

            third = await here.caller(CALLER)  # and the usual way goes on
            await third.call("82")
            await ann.expect("incoming", call=4, within=10)
            await ann.answer()
            await asyncio.gather(third.until_hears(ANN), ann.until_hears(CALLER))
            await third.hang_up()
            await here.empty()
        heard = tones.measure(tmp_path / "ann-3.wav")
        assert heard.heard == {SECOND_CALLER}
