"""Rescue on a real Asterisk: who waits is handed over longest first, who talks is not touched."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from cti.ami import Ami
from cti.asterisk import AsteriskProcess
from cti.cel import read_cel
from cti.provisioning import http_call
from cti.rescue import FAILED_STARTS, SILENT_LIMIT_S, Rescue, waiting_callers
from tests.asterisk.conftest import MakeAsterisk
from tests.support.asterisk import App, originate, soon

pytestmark = [pytest.mark.asyncio]


class Clock:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def callers(box: AsteriskProcess, app: App, number: int) -> list[str]:
    """That many callers in Stasis, the unique ids of their channels in order of entry."""
    have = len(app.of("StasisStart"))
    for nth in range(number):
        await originate(box, "Local/81@from-outside/n", "Wait", "60", CallerID=f"091234567{nth}")
        await app.starts(have + nth + 1)
    return [event["channel"]["id"] for event in app.of("StasisStart")[have:]]


async def ari(box: AsteriskProcess, method: str, path: str, body: dict[str, object] | None = None) -> object:
    status, told = await http_call(box.settings)(method, path, body)
    assert status < 300, (method, path, status, told)
    return told


async def applications(box: AsteriskProcess) -> dict[str, str]:
    """Unique id → what the channel runs."""
    async with Ami(box.settings) as ami:
        return {row.get("Uniqueid"): row.get("Application") for row in await ami.channels()}


def fallback_order(box: AsteriskProcess) -> list[str]:
    """The legs in the order they entered the fall-back, as the CEL has it."""
    return [event.leg for event in read_cel(box.settings.cel_file)[0] if event.mark == "RINGSIDE_FALLBACK"]


async def test_waiting_callers_are_handed_over_longest_first_and_talkers_stay(make_asterisk: MakeAsterisk) -> None:
    box = make_asterisk()
    async with App(box) as app:
        new, priority, first, held, talker, agent, left_alone = await callers(box, app, 7)
        async with Ami(box.settings) as ami:
            now = time.time_ns() // 1000
            # The queue's order is not that of entry: `priority` came before everybody by his priority.
            for leg, order in ((new, now + 9), (priority, now - 900_000_000), (first, now - 1), (held, now + 5)):
                await ami.set_variable(leg, "RINGSIDE_WAITING", str(order))
            for leg in (talker, agent):
                await ami.set_variable(leg, "RINGSIDE_WAITING", "")
        await ari(box, "POST", "bridges", {"type": "mixing", "bridgeId": "talk"})
        await ari(box, "POST", "bridges", {"type": "holding", "bridgeId": "hold"})
        await ari(box, "POST", "bridges", {"type": "mixing", "bridgeId": "half"})
        await ari(box, "POST", f"bridges/talk/addChannel?channel={talker},{agent}")
        await ari(box, "POST", f"bridges/hold/addChannel?channel={held}")
        await ari(box, "POST", f"bridges/half/addChannel?channel={left_alone}")
    # The app is gone; everybody is still there.
    clock, answers = Clock(), True
    ended: list[float] = []
    rescue = Rescue(box.settings, lambda: answers, end_engine=lambda: ended.append(clock.now), clock=clock)
    assert await rescue.look() == []
    answers = False
    clock.now += SILENT_LIMIT_S - 0.1
    assert await rescue.look() == []
    assert ended == []

    clock.now += 0.2
    done = await rescue.look()
    expected = [priority, left_alone, first, held, new]
    assert [waiting.leg for waiting in done] == expected
    assert len(ended) == 1
    await soon(lambda: fallback_order(box), "all are in the fall-back, in order", wanted=expected)
    running = await applications(box)
    assert {running[leg] for leg in expected} == {"Queue"}
    assert {running[leg] for leg in (talker, agent)} == {"Stasis"}
    bridge = await ari(box, "GET", "bridges/talk")
    assert isinstance(bridge, dict)
    assert set(bridge["channels"]) == {talker, agent}

    # Still silent: nobody is handed over twice. Back again: nothing more is done.
    clock.now += 1
    assert await rescue.look() == []
    answers = True
    assert await rescue.look() == []
    assert not rescue.acting
    assert rescue.rescued == 5
    assert len(ended) == 1
    assert fallback_order(box) == expected


async def test_three_failed_starts_hand_over_at_once(make_asterisk: MakeAsterisk) -> None:
    box = make_asterisk()
    async with App(box) as app:
        legs = await callers(box, app, 3)
    failed = FAILED_STARTS - 1
    rescue = Rescue(box.settings, lambda: False, lambda: failed)
    assert await rescue.look() == []
    failed = FAILED_STARTS
    assert [waiting.leg for waiting in await rescue.look()] == legs


async def test_a_new_caller_is_handed_over_too_while_the_engine_stays_silent(make_asterisk: MakeAsterisk) -> None:
    """A stopped engine keeps its socket open: Stasis takes callers in and nobody is there."""
    box = make_asterisk()
    async with App(box) as app:
        (first,) = await callers(box, app, 1)
        rescue = Rescue(box.settings, lambda: False, lambda: FAILED_STARTS)
        assert [waiting.leg for waiting in await rescue.look()] == [first]
        (second,) = await callers(box, app, 1)
        assert [waiting.leg for waiting in await rescue.look()] == [second]
        async with Ami(box.settings) as ami:
            await soon(lambda: waiting_callers(ami), "nobody waits", wanted=[])


async def test_a_dead_asterisk_or_a_ping_that_hangs_does_not_end_rescue(asterisk: AsteriskProcess) -> None:
    clock = Clock()

    def hangs() -> bool:
        time.sleep(1.2)
        return True

    rescue = Rescue(asterisk.settings, hangs, clock=clock)
    clock.now += SILENT_LIMIT_S + 1
    assert await rescue.look() == []
    assert rescue.acting

    def raises() -> bool:
        raise ConnectionRefusedError

    dead = Rescue(replace(asterisk.settings, ami_port=1), raises, lambda: FAILED_STARTS)
    assert await dead.look() == []
    assert dead.acting
