"""Differences injected into a real Asterisk, connections cut, engines restarted: healed, and counted once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from acd.core import facts as f
from acd.core import inputs as i
from acd.core.model import EntryPlan, Outcome
from cti.ami import Ami
from cti.asterisk import AsteriskProcess
from cti.resync import Kind
from tests.asterisk.conftest import MakeAsterisk
from tests.support.asterisk import originate
from tests.support.center import Center, Plans, center, engine, phones, until, until_told
from tests.support.memory import MemoryLog

HEALED_WITHIN = 5.0


_record: list[Callable[[str, object], None]] = []


@pytest.fixture(autouse=True)
def _told_to_the_proof(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """tools.proof_differences reads how long each healing took."""
    _record[:] = [record_property]
    yield
    _record.clear()


async def healed(c: Center, kind: Kind, began: float = 0.0) -> None:
    """That kind was counted within the limit, nothing else was, and it is not counted again.

    `began`: when the difference was injected; now where that is left out.
    """
    began = began or time.monotonic()
    await until(lambda: c.repairs().get(kind.value, 0), lambda: f"{kind} counted; {c.repairs()}", HEALED_WITHIN)
    took = time.monotonic() - began
    await c.telephony.compare()
    await c.telephony.compare()
    assert c.repairs() == {kind.value: 1}
    _record[0](f"healed_{kind.value}", round(took, 2))


async def names(c: Center) -> set[str]:
    return {str(row["id"]) for row in await c.channels()}


@pytest.mark.asyncio
async def test_a_channel_that_is_gone(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        began = time.monotonic()
        await c.runtime.submit(i.CallEntered("nowhere.1", EntryPlan("81", 1, "q")))
        await c.runtime.submit(i.LegArrived("nowhere.1"))
        ended = await c.fact(f.Ended)
        assert (ended.outcome, ended.leg) == (Outcome.UNOBSERVED, "nowhere.1")
        await healed(c, Kind.CHANNEL_GONE, began)


@pytest.mark.asyncio
async def test_a_ghost_channel(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.register("8001")
        await c.ari("POST", "channels/create", endpoint="PJSIP/8001", app="ringside", appArgs="offer,x", channelId="x")
        assert await names(c) == {"x"}
        await healed(c, Kind.GHOST_CHANNEL)
        await c.empty()


@pytest.mark.asyncio
async def test_a_bridge_without_a_member(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        caller, _ = await c.talk()
        accepted = c.facts(f.Accepted)[0]
        await c.ari("POST", f"bridges/{accepted.bridge}/removeChannel", channel=accepted.offer)
        await healed(c, Kind.BRIDGE_WITHOUT_MEMBER)
        assert accepted.offer in (await c.ari("GET", f"bridges/{accepted.bridge}"))["channels"]
        caller.hang_up()
        await c.empty()


@pytest.mark.asyncio
async def test_a_conversation_whose_bridge_is_lost_gets_another(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        caller, _ = await c.talk()
        accepted = c.facts(f.Accepted)[0]
        await c.ari("DELETE", f"bridges/{accepted.bridge}")

        async def together() -> bool:
            return any(len(bridge["channels"]) == 2 for bridge in await c.ari("GET", "bridges"))

        await until_told(together, "both are in one bridge again", HEALED_WITHIN)
        await c.telephony.compare()
        await c.telephony.compare()
        assert c.repairs() == {Kind.BRIDGE_WITHOUT_MEMBER.value: 2}  # each of the two was apart
        caller.hang_up()
        await c.empty()


@pytest.mark.asyncio
async def test_an_unknown_call_on_an_agents_phone(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        began = time.monotonic()
        await originate(asterisk, "PJSIP/8001", "Wait", "30")
        ring = await c.rings("8001")
        started = await c.fact(f.DirectStarted)
        assert started.seat == "amy"
        await healed(c, Kind.UNKNOWN_CALL_ON_AGENT, began)
        ring.hang_up()
        await c.fact(f.DirectEnded)
        await c.empty()


@pytest.mark.asyncio
async def test_a_call_our_dialplan_serves_alone_makes_the_seat_busy_and_is_no_fault(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        echo = c.ua.call("*43", "8001")
        await echo.answered.wait()
        assert (await c.fact(f.DirectStarted)).seat == "amy"
        await c.telephony.compare()
        await c.telephony.compare()
        assert c.repairs() == {}
        echo.hang_up()
        await c.fact(f.DirectEnded)
        await c.empty()


@pytest.mark.asyncio
async def test_a_contact_the_core_is_wrong_about(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        # The phone's first OPTIONS answer may correct the belief before the comparison does: then once more.
        began = 0.0
        for _ in range(3):
            began = time.monotonic()
            await c.runtime.submit(i.PhoneChanged("amy", False))
            await until(lambda: c.seats.reachable("amy"), "amy reachable again", HEALED_WITHIN)
            if c.repairs():
                break
        await healed(c, Kind.CONTACT_GONE, began)
        assert c.seats.reachable("amy")


@pytest.mark.asyncio
async def test_two_channels_for_one_offer(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        caller = c.ua.call("81")
        await c.rings("8001")
        offer = c.facts(f.Offered)[0].offer
        twin = {"endpoint": "PJSIP/8001", "app": "ringside", "appArgs": f"offer,{offer}", "channelId": "twin"}
        await c.ari("POST", "channels/create", {"variables": {"RINGSIDE_OFFER": offer}}, **twin)
        await healed(c, Kind.TWO_CHANNELS_FOR_ONE_OFFER)
        assert await names(c) == {offer, c.facts(f.Entered)[0].leg}
        caller.hang_up()
        await c.empty()


@pytest.mark.asyncio
async def test_an_unknown_waiting_caller(asterisk: AsteriskProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    async with center(asterisk, agi=False) as c:
        take: Any = c.telephony._take
        lost: list[str] = []

        def lossy(event: Any) -> None:
            if event["type"] == "StasisStart" and not lost:
                lost.append(event["channel"]["id"])
            else:
                take(event)

        monkeypatch.setattr(c.telephony, "_take", lossy)
        began = time.monotonic()
        caller = c.ua.call("81")
        assert (await c.fact(f.Entered)).leg in lost
        await c.fact(f.Queued)
        await healed(c, Kind.UNKNOWN_WAITING_CALLER, began)
        caller.hang_up()
        await c.empty()


@pytest.mark.asyncio
async def test_a_recording_that_is_missing(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c, Ami(asterisk.settings) as ami:
        await c.ready("amy")
        caller, _ = await c.talk()
        await c.fact(f.RecordingBegan)
        leg = c.facts(f.Entered)[0].leg
        await ami.stop_recording(leg)
        await healed(c, Kind.MISSING_RECORDING)
        assert any(line.startswith("0x") for line in await ami.command(f"mixmonitor list {leg}"))
        caller.hang_up()
        await c.empty()


@pytest.mark.asyncio
async def test_a_healthy_hour_in_small_has_no_repair(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy", "bob")
        for _ in range(3):
            waiting = [c.ua.call("81") for _ in range(3)]
            await until(lambda: [call for call in c.incoming if not call.ended.is_set()][1:], "both phones ring")
            for ring in [call for call in c.incoming if not call.ended.is_set()]:
                ring.answer()
            await c.telephony.compare()
            for call in waiting:
                call.hang_up()
            await c.telephony.compare()
            await c.empty()
        assert c.repairs() == {}


@pytest.mark.asyncio
async def test_a_cut_connection_loses_nothing(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        talking, ring = await c.talk()
        waiting = c.ua.call("81")
        await c.fact(f.Queued, 2)
        leaving = c.ua.call("81")
        await c.fact(f.Queued, 3)
        await leaving.answered.wait()
        await c.telephony.ari.cut()
        leaving.hang_up()
        await until(lambda: not c.telephony.ready, "the cut is noticed")
        await until(lambda: c.telephony.ready, "connected again")
        assert not ring.ended.is_set()
        gone = await c.fact(f.Ended)
        assert gone.leg == c.facts(f.Entered)[2].leg
        talking.hang_up()
        await c.fact(f.Ended, 2)
        again = await c.rings("8001", 2)  # the one who waited kept his place
        again.answer()
        await c.fact(f.MediaUp, 2)
        waiting.hang_up()
        await c.fact(f.Ended, 3)
        await c.empty()


@pytest.mark.asyncio
async def test_a_new_engine_goes_on_with_every_call(asterisk: AsteriskProcess) -> None:
    log, plans = MemoryLog(), Plans()
    async with phones(asterisk) as (ua, incoming):
        async with engine(asterisk, log, plans) as (runtime, telephony, seats):
            c = Center(asterisk, runtime, telephony, ua, seats, plans, log, incoming)
            await c.ready("amy", "bob")
            talking, talks = await c.talk()
            ringing = ua.call("81")
            rings = await c.rings("8002")
            waiting = ua.call("81")
            await c.fact(f.Queued, 3)
            leaving = ua.call("81")
            await c.fact(f.Queued, 4)
            await leaving.answered.wait()
        leaving.hang_up()
        async with engine(asterisk, log, plans, fresh=False) as (runtime, telephony, seats):
            c = Center(asterisk, runtime, telephony, ua, seats, plans, log, incoming)
            assert not talks.ended.is_set()
            assert (await c.fact(f.Ended)).outcome is Outcome.UNOBSERVED
            rings.answer()
            await c.fact(f.MediaUp, 2)
            assert len(incoming) == 2  # nobody was rung twice
            talking.hang_up()
            (await c.rings("8001", 2)).answer()
            await c.fact(f.MediaUp, 3)
            assert [fact.item for fact in c.facts(f.MediaUp)] == [fact.item for fact in c.facts(f.Entered)[:3]]
            ringing.hang_up()
            waiting.hang_up()
            await c.fact(f.Ended, 4)
            await c.empty()
            assert c.repairs() == {Kind.CHANNEL_GONE.value: 1}  # the one who left unseen


@pytest.mark.asyncio
async def test_a_new_engine_goes_on_with_handset_dialled_calls(asterisk: AsteriskProcess) -> None:
    log, plans = MemoryLog(), Plans()
    async with phones(asterisk) as (ua, incoming):
        async with engine(asterisk, log, plans) as (runtime, telephony, seats):
            c = Center(asterisk, runtime, telephony, ua, seats, plans, log, incoming)
            await c.ready("amy", "bob")
            out = ua.call("8002", "8001")
            ring = await c.rings("8002")
        ring.answer()
        async with engine(asterisk, log, plans, fresh=False) as (runtime, telephony, seats):
            c = Center(asterisk, runtime, telephony, ua, seats, plans, log, incoming)
            await out.answered.wait()
            await c.fact(f.DirectAnswered, 2)
        async with engine(asterisk, log, plans, fresh=False) as (runtime, telephony, seats):
            c = Center(asterisk, runtime, telephony, ua, seats, plans, log, incoming)
            await c.telephony.compare()
            await c.telephony.compare()
            assert not out.ended.is_set()
            out.hang_up()
            await ring.ended.wait()
            await c.fact(f.DirectEnded, 2)
            await c.empty()
            assert c.repairs() == {}


@pytest.mark.asyncio
async def test_a_seat_whose_phone_dies_gives_the_caller_back_to_the_queue(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c, Ami(asterisk.settings) as ami:
        await c.ready("amy")
        caller, _ = await c.talk()
        leg, offer = c.facts(f.Entered)[0].leg, c.facts(f.Offered)[0].offer
        (seat_channel,) = [row["name"] for row in await c.channels() if row["id"] == offer]
        await ami.action("Hangup", Channel=seat_channel)
        assert (await c.fact(f.Requeued)).item == c.facts(f.Entered)[0].item

        async def marked() -> bool:
            told = await c.ari("GET", f"channels/{leg}/variable", variable="RINGSIDE_WAITING")
            return bool(told["value"])

        await until_told(marked, "the rescue process would take him again")
        caller.hang_up()
        await c.fact(f.Ended)
        await c.empty()


@pytest.mark.asyncio
async def test_what_the_fall_back_served_becomes_a_fact(asterisk: AsteriskProcess) -> None:
    log, plans = MemoryLog(), Plans()
    async with phones(asterisk) as (ua, incoming):
        async with engine(asterisk, log, plans):
            pass
        alone = ua.call("81")
        await alone.answered.wait()
        alone.hang_up()
        async with engine(asterisk, log, plans, fresh=False) as (runtime, telephony, seats):
            c = Center(asterisk, runtime, telephony, ua, seats, plans, log, incoming)
            told = await c.fact(f.FallbackCallServed)
            assert (told.exact, told.answered_at, told.seat) == (True, 0, "")
            assert told.entered_at < told.ended_at


@pytest.mark.asyncio
async def test_a_caller_rescued_too_early_is_fetched_back_and_keeps_his_place(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c, Ami(asterisk.settings) as ami:
        caller = c.ua.call("81")
        await c.fact(f.Queued)
        await caller.answered.wait()
        (channel,) = await c.channels()
        await ami.redirect(channel["name"], "rescue", "s")

        async def holding() -> bool:
            rows = await c.ari("GET", "bridges")
            return any(row["bridge_type"] == "holding" and channel["id"] in row["channels"] for row in rows)

        async def outside() -> bool:
            return bool((await c.channels())[0]["dialplan"]["app_name"] != "Stasis")

        await until_told(outside, "he is in the fall-back")
        await until_told(holding, "he is back in his holding bridge")
        assert len(c.facts(f.Entered)) == 1
        await c.ready("amy")
        (await c.rings("8001")).answer()
        await c.fact(f.MediaUp)
        caller.hang_up()
        await c.fact(f.Ended)
        await c.empty()


@pytest.mark.asyncio
async def test_a_dead_asterisk_ends_every_call(make_asterisk: MakeAsterisk) -> None:
    box = make_asterisk()
    log, plans = MemoryLog(), Plans()
    async with engine(box, log, plans) as (runtime, telephony, seats):
        async with phones(box) as (ua, incoming):
            c = Center(box, runtime, telephony, ua, seats, plans, log, incoming)
            await c.ready("amy")
            await c.talk()
        await until(lambda: not telephony.legs.by_id, "the phones hung up")
        await runtime.submit(i.PhoneChanged("amy", True))
        await runtime.submit(i.CallEntered("x.1", EntryPlan("81", 1, "q")))
        box.kill()
        last = await c.fact(f.Ended, 2)
        assert (last.leg, last.outcome) == ("x.1", Outcome.UNOBSERVED)
        await until(lambda: not seats.reachable("amy"), "no phone can be reached")
        assert not telephony.ready


@pytest.mark.asyncio
async def test_a_second_engine_on_the_application_makes_the_first_stand_down(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        told = asyncio.Event()
        c.telephony._on_replaced = told.set
        async with engine(asterisk, MemoryLog(), Plans(), agi=False) as (_, second, _seats):
            await asyncio.wait_for(told.wait(), 5)
            assert second.ready
        assert not c.telephony.ari.connected
