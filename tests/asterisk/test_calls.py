"""Calls from end to end on a real Asterisk and a real core: who is rung, who is joined, and what becomes of it."""

from __future__ import annotations

import pytest

from acd.core import facts as f
from acd.core import inputs as i
from acd.core.model import OfferResult, Outcome, Party, Presence
from cti.asterisk import AsteriskProcess
from tests.support.asterisk import originate
from tests.support.center import center, until, until_told


@pytest.mark.asyncio
async def test_a_caller_waits_with_music_is_offered_answered_joined_and_recorded(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        caller = c.ua.call("81", "0912345678", "Lin")
        await c.fact(f.Queued)
        await caller.answered.wait()
        leg = c.facts(f.Entered)[0].leg

        async def holding() -> bool:
            bridges = await c.ari("GET", "bridges")
            return any(bridge["bridge_type"] == "holding" and leg in bridge["channels"] for bridge in bridges)

        await until_told(holding, "the caller is in a holding bridge")
        assert await c.ari("GET", f"channels/{leg}/variable", variable="RINGSIDE_WAITING") != {"value": ""}
        await c.ready("amy")
        ring = await c.rings("8001")
        offer = c.facts(f.Offered)[0].offer
        assert ring.headers["x-ringside-item"] == c.facts(f.Offered)[0].item
        await c.fact(f.RingStarted)
        ring.answer()
        await c.fact(f.MediaUp)
        await c.fact(f.RecordingBegan)
        bridge = c.facts(f.Accepted)[0].bridge
        members = (await c.ari("GET", f"bridges/{bridge}"))["channels"]
        assert sorted(members) == sorted([leg, offer])
        assert await c.ari("GET", f"channels/{leg}/variable", variable="RINGSIDE_WAITING") == {"value": ""}
        assert [found["id"] for found in await c.ari("GET", "bridges")] == [bridge]
        caller.hang_up()
        ended = await c.fact(f.Ended)
        assert (ended.outcome, ended.who) == (Outcome.ANSWERED, Party.CUSTOMER)
        await ring.ended.wait()
        assert ring.ended_by == "them"
        await c.empty()
        files = list(asterisk.settings.recordings.glob(f"{c.facts(f.RecordingBegan)[0].recording}.raw"))
        assert len(files) == 1
        assert c.repairs() == {}


@pytest.mark.asyncio
async def test_the_agent_hangs_up_first(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        caller, ring = await c.talk()
        ring.hang_up()
        ended = await c.fact(f.Ended)
        assert (ended.outcome, ended.who) == (Outcome.ANSWERED, Party.SEAT)
        await caller.ended.wait()
        assert caller.ended_by == "them"
        await c.empty()
        assert c.repairs() == {}


@pytest.mark.asyncio
async def test_a_caller_who_gives_up_while_it_rings_takes_the_ringing_with_him(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        caller = c.ua.call("81")
        ring = await c.rings("8001")
        await caller.answered.wait()
        caller.hang_up()
        ended = await c.fact(f.Ended)
        assert (ended.outcome, ended.who) == (Outcome.ABANDONED_RING, Party.CUSTOMER)
        await ring.ended.wait()
        assert (ring.ended_by, ring.code) == ("them", 487)
        assert [fact.result for fact in c.facts(f.OfferEnded)] == [OfferResult.WITHDRAWN]
        await c.empty()


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (486, OfferResult.REJECTED),
        (603, OfferResult.REJECTED),
        (600, OfferResult.REJECTED),
        (480, OfferResult.TIMEOUT),  # it rang, and the phone gave up by itself
        (404, OfferResult.UNREACHABLE),
        (488, OfferResult.UNREACHABLE),
        (500, OfferResult.UNREACHABLE),
        (503, OfferResult.UNREACHABLE),
    ],
)
@pytest.mark.asyncio
async def test_a_phone_that_refuses_sends_the_call_to_the_next_seat(
    asterisk: AsteriskProcess, code: int, result: OfferResult
) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        caller = c.ua.call("81")
        (await c.rings("8001")).decline(code)
        ended = await c.fact(f.OfferEnded)
        assert (ended.result, ended.sip) == (result, code)
        await c.ready("bob")
        (await c.rings("8002")).answer()
        await c.fact(f.MediaUp)
        assert len(c.facts(f.Entered)) == 1
        caller.hang_up()
        await c.empty()


@pytest.mark.asyncio
async def test_nobody_answers_in_time_and_the_next_seat_is_rung(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        caller = c.ua.call("83")
        ring = await c.rings("8001")
        await ring.ended.wait()
        assert (ring.ended_by, ring.code) == ("them", 487)
        ended = await c.fact(f.OfferEnded)
        assert (ended.result, ended.who) == (OfferResult.TIMEOUT, Party.SYSTEM)
        await c.ready("bob")
        (await c.rings("8002")).answer()
        assert (await c.fact(f.MediaUp)).item == ended.item
        caller.hang_up()
        await c.fact(f.Ended)
        await c.empty()
        assert [fact.result for fact in c.facts(f.OfferEnded)] == [OfferResult.TIMEOUT]
        assert c.repairs() == {}


@pytest.mark.asyncio
async def test_a_hostile_caller_id_reaches_nobody_as_more_than_text(asterisk: AsteriskProcess) -> None:
    async with center(asterisk, agi=False) as c:
        await c.ready("amy")
        caller = c.ua.call("81", "%24%7BSHELL(id)%7D", "${CHANNEL(name)},x&System(id)")
        ring = await c.rings("8001")
        assert c.plans.asked[0].caller.e164 == ""
        assert len(c.plans.asked[0].caller.raw) <= 64
        assert ring.headers["x-ringside-item"] == c.facts(f.Entered)[0].item
        caller.hang_up()
        await c.fact(f.Ended)
        await c.empty()


@pytest.mark.asyncio
async def test_an_event_that_breaks_us_takes_nothing_with_it(
    asterisk: AsteriskProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")

        def broken(*_: object, **__: object) -> None:
            raise ValueError("broken on purpose")

        monkeypatch.setattr(c.telephony._direct, "dialled", broken)
        await c.register("8002")
        out = c.ua.call("8001", "8002")
        caller, _ = await c.talk()
        out.hang_up()
        caller.hang_up()
        assert (await c.fact(f.Ended)).outcome is Outcome.ANSWERED
        await c.empty()


@pytest.mark.asyncio
async def test_a_phone_that_is_not_registered_is_not_rung(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        await c.unregister("8001")
        await until(lambda: not c.seats.reachable("amy"), "amy out of reach")
        caller = c.ua.call("81")
        await c.fact(f.Queued)
        await c.runtime.submit(i.PhoneChanged("amy", True))  # a belief that is wrong
        ended = await c.fact(f.OfferEnded)
        assert ended.result is OfferResult.UNREACHABLE
        assert c.incoming == []
        caller.hang_up()
        await c.empty()


@pytest.mark.asyncio
async def test_a_menu_plays_and_a_digit_chooses(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        caller = c.ua.call("82")
        await caller.answered.wait()
        await c.fact(f.GreetingStarted)
        await c.fact(f.MenuStarted)  # the greeting came to its end
        leg = c.facts(f.Entered)[0].leg
        await c.runtime.submit(i.DigitPressed(leg, "2"))
        assert (await c.fact(f.Queued)).queue == "quiet"
        caller.hang_up()
        await c.fact(f.Ended)
        await c.empty()


@pytest.mark.asyncio
async def test_without_the_entry_script_the_app_plans_the_call(asterisk: AsteriskProcess) -> None:
    async with center(asterisk, agi=False) as c:
        caller = c.ua.call("81", "0912345678", "Lin")
        await c.fact(f.Queued)
        assert c.plans.asked[0].caller.e164 == "+886912345678"
        caller.hang_up()
        assert (await c.fact(f.Ended)).outcome is Outcome.ABANDONED_QUEUE
        await c.empty()


@pytest.mark.asyncio
async def test_a_queue_that_records_nothing_is_not_recorded(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        caller = c.ua.call("83")
        (await c.rings("8001")).answer()
        await c.fact(f.MediaUp)
        caller.hang_up()
        assert (await c.fact(f.Ended)).outcome is Outcome.ANSWERED
        assert c.facts(f.RecordingBegan) == []
        await c.empty()


@pytest.mark.asyncio
async def test_a_handset_dialled_colleague_is_reached_and_both_are_busy(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy", "bob")
        out = c.ua.call("8002", "8001")
        ring = await c.rings("8002")
        await out.ringing.wait()
        assert {fact.seat for fact in c.facts(f.DirectStarted)} == {"amy", "bob"}
        ring.answer()
        await out.answered.wait()
        await c.fact(f.DirectAnswered, 2)
        caller = c.ua.call("81")
        await c.fact(f.Queued)
        assert c.facts(f.Offered) == []  # both are busy
        out.hang_up()
        ended = {fact.seat: fact for fact in [await c.fact(f.DirectEnded, 1), await c.fact(f.DirectEnded, 2)]}
        assert ended["amy"].who is Party.SEAT
        assert ended["bob"].who is Party.CUSTOMER
        await c.fact(f.Offered)
        caller.hang_up()
        await c.empty()
        assert c.repairs() == {}


@pytest.mark.asyncio
async def test_a_colleague_who_takes_no_direct_calls_is_busy(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy", "bob")
        await c.runtime.submit(i.StatusChosen("bob", Presence.VOICE, "break"))
        out = c.ua.call("8002", "8001")
        await out.ended.wait()
        assert out.code == 486
        await c.fact(f.DirectEnded)
        assert c.incoming == []
        await c.empty()


@pytest.mark.asyncio
async def test_a_number_nobody_may_call_is_refused_with_words_and_is_no_call(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        await c.ready("amy")
        out = c.ua.call("0223456789", "8001")
        await out.ended.wait()
        assert (out.answered.is_set(), out.ended_by, out.code) == (False, "them", 403)
        assert not c.facts(f.DirectStarted)
        assert not c.facts(f.OutboundStarted)
        await c.empty()
        assert c.repairs() == {}


@pytest.mark.asyncio
async def test_a_phone_in_a_call_that_is_not_ours_is_not_rung_too(asterisk: AsteriskProcess) -> None:
    """The plain queue may have rung it while no engine was there: one person does not get two calls."""
    async with center(asterisk) as c:
        await c.ready("amy")
        await originate(asterisk, "PJSIP/8001", "Wait", "30")
        ring = await c.rings("8001")
        caller = c.ua.call("81")
        refused = await c.fact(f.OfferEnded)
        assert refused.result in (OfferResult.UNREACHABLE, OfferResult.WITHDRAWN)
        assert len(c.incoming) == 1
        ring.hang_up()
        caller.hang_up()
        await c.fact(f.Ended)
        await c.empty()
