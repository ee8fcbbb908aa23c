"""The call benchmarks on a real Asterisk, small: every way serves every caller, and each of our phases is seen."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks import calls
from benchmarks.breakdown import PHASES, Trail, medians
from benchmarks.call_floor import floor
from benchmarks.sip_load import SipLoad

AGENTS = 3


@pytest.mark.timeout(90)
def test_bench_ways_serve_every_caller_and_the_phases_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "TRACED_S", 1.0)
    monkeypatch.setattr(calls, "LIGHT_RATE", 4.0)
    monkeypatch.setattr(calls, "LIGHT_S", 1.0)
    monkeypatch.setattr(calls, "LIGHT_TALK", (0.2, 0.3))
    figures, trails = asyncio.run(_small())
    assert {name: (one.calls, one.lost) for name, one in figures.items()} == dict.fromkeys(figures, (4, 0))
    assert all(len(one.delivered) == 4 and min(one.delivered) > 0 for one in figures.values())
    assert trails
    assert [name for name, _ in medians(trails)] == list(PHASES)


async def _small() -> tuple[dict[str, calls.Figures], list[Trail]]:
    with floor(AGENTS) as place:
        load = SipLoad(place.system.settings.sip_port)
        bench = calls.Bench(place, load)
        try:
            async with place.ringside():
                await place.register(load)
                await calls.until_reachable(place)
                place.add_the_others()
                await bench.light(calls.RINGSIDE)
            await bench.light(calls.APP_QUEUE)
            await bench.light(calls.DIAL)
            with place.peer():
                await bench.light(calls.THE_PEER)
            return bench.figures, await bench.traced()
        finally:
            await load.close()
