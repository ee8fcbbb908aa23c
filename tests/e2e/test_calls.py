"""A caller's way to an agent and back: sound by tones, everything else from the log."""

from __future__ import annotations

import asyncio
from urllib.error import HTTPError

import pytest

from acd.core import facts as f
from acd.core.model import SECOND, OfferResult, OfferRule, Outcome, Party, SeatState
from softphone import tones
from softphone.process import PhoneGone, PhoneProcess
from tests.e2e.scenes import DECLINE, GIVE_UP, HAND, HANG_UP, HEAR, MENU_NUMBER, NEXT, PICK, TIMER, Scene
from tests.support.floor import Floor, heard_between, micros, sides, tones_in

pytestmark = pytest.mark.asyncio

CALLER, OTHER_CALLER, ANN, BOB = 880, 1100, 1540, 1980
LOUD = 0.02
"""RMS of speech and music, at least; a silent line is under 0.001."""
SIDE_SHARE = 0.8
"""Of the stretch that is measured, the tone fills at least this."""


async def connect(here: Floor, caller: PhoneProcess, agent: PhoneProcess, scene: Scene) -> str:
    """Call the scene's number, be answered by that agent, hear each other; the item."""
    await caller.call(scene.number)
    await agent.expect("incoming", within=10)
    await agent.answer()
    item = (await here.fact(f.Accepted, queue=scene.name)).item
    await here.fact(f.MediaUp, item=item)
    await asyncio.gather(caller.until_hears(ANN), agent.until_hears(CALLER))
    return item


async def test_greeting_menu_music_then_both_hear_each_other_and_one_record_is_left(open_floor: Floor) -> None:
    here = open_floor
    agent = await here.agent(HEAR.ann, ANN, ready=False)
    caller = await here.caller(CALLER)
    await caller.call(MENU_NUMBER)
    answered = await caller.expect("answered", within=10)
    greeting = await here.record(f.GreetingStarted)
    menu = await here.record(f.MenuStarted)
    await here.sounds(caller, 1.5)
    await caller.dtmf("2")
    assert (await here.fact(f.MenuChose)).digit == "2"
    queued = await here.record(f.Queued)
    item = queued.fact.item if isinstance(queued.fact, f.Queued) else ""
    assert here.facts(f.Queued, queue=HEAR.name)[0].item == item
    await here.sounds(caller, 2.5)
    await here.ready(HEAR.ann)
    incoming = await agent.expect("incoming")
    assert incoming["headers"]["X-Ringside-Item"] == item
    await here.fact(f.RingStarted, item=item)
    await agent.answer()
    accepted = await here.record(f.Accepted, item=item)
    await here.fact(f.MediaUp, item=item)
    recording = (await here.fact(f.RecordingBegan, item=item)).recording
    await asyncio.gather(caller.until_hears(ANN), agent.until_hears(CALLER))
    await here.sounds(agent, 2.0)
    await caller.hang_up()
    ended = await here.fact(f.Ended, item=item)
    assert (ended.outcome, ended.who) == (Outcome.ANSWERED, Party.CUSTOMER)
    await asyncio.gather(caller.expect("recorded"), agent.expect("recorded"))

    heard = {name: tones.measure(here.folder / f"{name}.wav").tones for name in (HEAR.ann, "caller-1")}
    assert set(heard[HEAR.ann]) == {CALLER}
    assert heard[HEAR.ann][CALLER].share > SIDE_SHARE
    assert ANN in heard["caller-1"]
    assert CALLER not in heard["caller-1"]
    file = here.folder / "caller-1.wav"
    for name, start, end in (
        ("greeting", greeting.at, menu.at),
        ("menu", menu.at, menu.at + SECOND),
        ("music", queued.at + SECOND // 2, accepted.at),
    ):
        assert heard_between(file, answered, start, end) > LOUD, f"no {name} was heard"

    customer, other = sides(here.system.settings.data_dir / "recordings" / f"{recording}.raw")
    assert {name: set(tones_in(side)) for name, side in (("customer", customer), ("agent", other))} == {
        "customer": {CALLER},
        "agent": {ANN},
    }
    call = await here.call(item)
    assert (call["record"], call["outcome"], call["ended_by"]) == (
        here.facts(f.Entered)[0].record,
        "answered",
        "customer",
    )
    records = (await here.api("GET", "/records?limit=200"))["records"]
    assert [one["id"] for one in records].count(call["record"]) == 1
    assert len([one for one in records if item in one.values()]) == 1


@pytest.mark.feature("D5")
async def test_not_answered_goes_to_the_next_seat_and_keeps_its_place(open_floor: Floor) -> None:
    here = open_floor
    ann = await here.agent(NEXT.ann, ANN)
    first, second = await here.caller(CALLER), await here.caller(OTHER_CALLER, "0922333444")
    await first.call(NEXT.number)
    rings = await ann.expect("incoming")
    await second.call(NEXT.number)
    await here.fact(f.Queued, queue=NEXT.name, count=2)
    items = [fact.item for fact in here.facts(f.Queued)]
    ended = await here.fact(f.OfferEnded, seat=NEXT.ann)
    assert (ended.item, ended.result, ended.no_answer) == (items[0], OfferResult.TIMEOUT, True)
    assert 1.8 < (await ann.expect("ended")).at - rings.at < 3.0
    await here.seen(NEXT.ann, SeatState.NO_ANSWER)
    bob = await here.agent(NEXT.bob, BOB)
    assert (await here.fact(f.Offered, seat=NEXT.bob)).item == items[0]
    await bob.expect("incoming")
    await bob.answer()
    await asyncio.gather(first.until_hears(BOB), bob.until_hears(CALLER))
    assert here.facts(f.Offered, item=items[1]) == []
    assert len(here.facts(f.Entered)) == 2
    await second.hang_up()
    await first.hang_up()
    assert (await here.fact(f.Ended, item=items[0])).outcome is Outcome.ANSWERED
    assert (await here.call(items[0]))["seat"] == NEXT.bob


@pytest.mark.parametrize("code", [486, 603])
async def test_declined_goes_to_the_next_seat_and_the_decliner_backs_off(open_floor: Floor, code: int) -> None:
    here = open_floor
    ann = await here.agent(DECLINE.ann, ANN)
    caller = await here.caller(CALLER)
    await caller.call(DECLINE.number)
    await ann.expect("incoming")
    await ann.decline(code)
    refused = await here.record(f.OfferEnded, seat=DECLINE.ann)
    ended = here.facts(f.OfferEnded)[0]
    assert (ended.result, ended.sip, ended.no_answer) == (OfferResult.REJECTED, code, False)
    assert ended.back_off_until - refused.at == 2 * SECOND
    bob = await here.agent(DECLINE.bob, BOB)
    await bob.expect("incoming")
    await bob.answer()
    await asyncio.gather(caller.until_hears(BOB), bob.until_hears(CALLER))
    over = await here.record(f.BackOffEnded, seat=DECLINE.ann)
    assert over.at >= ended.back_off_until
    assert len(ann.said("incoming")) == 1
    await here.seen(DECLINE.ann, SeatState.READY)
    await caller.hang_up()
    assert (await here.fact(f.HandlingEnded)).seat == DECLINE.bob


async def test_giving_up_in_the_menu_in_the_queue_and_while_it_rings(open_floor: Floor) -> None:
    here = open_floor
    in_menu, queued, rings = [await here.caller(tone, f"09{tone}00000"[:10]) for tone in (880, 1100, 1320)]
    await in_menu.call(MENU_NUMBER)
    await here.fact(f.MenuStarted)
    await in_menu.hang_up()
    ended = await here.fact(f.Ended)
    assert (ended.outcome, ended.who) == (Outcome.ABANDONED_IVR, Party.CUSTOMER)

    await queued.call(GIVE_UP.number)
    await here.fact(f.Queued, queue=GIVE_UP.name)
    await queued.expect("answered")
    await queued.hang_up()
    ended = await here.fact(f.Ended, count=2)
    assert (ended.outcome, ended.who) == (Outcome.ABANDONED_QUEUE, Party.CUSTOMER)

    agent = await here.agent(GIVE_UP.ann, ANN)
    await rings.call(GIVE_UP.number)
    await agent.expect("incoming")
    await here.fact(f.RingStarted)
    await rings.hang_up()
    stopped = await agent.expect("ended")
    gone = await rings.expect("ended")
    assert stopped.at - gone.at < 1.0
    assert (stopped["answered"], stopped["by"]) == (False, "them")
    ended = await here.fact(f.Ended, count=3)
    assert (ended.outcome, ended.who) == (Outcome.ABANDONED_RING, Party.CUSTOMER)
    assert (await here.fact(f.OfferEnded)).result is OfferResult.WITHDRAWN
    await here.seen(GIVE_UP.ann, SeatState.READY)
    for fact in here.facts(f.Ended):
        call = await here.call(fact.item)
        assert call["record"] == ""
        assert call["no_record"]["code"]


@pytest.mark.parametrize("who", [Party.SEAT, Party.CUSTOMER])
async def test_who_hangs_up_is_told_and_both_are_free(open_floor: Floor, who: Party) -> None:
    here = open_floor
    agent, caller = await here.agent(HANG_UP.ann, ANN), await here.caller(CALLER)
    item = await connect(here, caller, agent, HANG_UP)
    first, last = (agent, caller) if who is Party.SEAT else (caller, agent)
    await first.hang_up()
    gone, followed = await first.expect("ended"), await last.expect("ended")
    assert (gone["by"], followed["by"]) == ("us", "them")
    assert followed.at - gone.at < 1.0
    ended = await here.fact(f.Ended, item=item)
    assert (ended.outcome, ended.who) == (Outcome.ANSWERED, who)
    assert here.facts(f.HandlingEnded, item=item)[0].who is who
    await here.empty(3)
    await here.seen(HANG_UP.ann, SeatState.READY)
    assert (await here.call(item))["ended_by"] == who.value


async def test_nothing_is_offered_in_wrap_up_until_its_timer_ends(open_floor: Floor) -> None:
    here = open_floor
    agent, caller = await here.agent(TIMER.ann, ANN), await here.caller(CALLER)
    item = await connect(here, caller, agent, TIMER)
    second = await here.caller(OTHER_CALLER)
    await second.call(TIMER.number)
    await here.fact(f.Queued, queue=TIMER.name, count=2)
    await caller.hang_up()
    started = await here.record(f.WrapUpStarted, item=item)
    await here.seen(TIMER.ann, SeatState.WRAP_UP)
    left = await here.record(f.WrapUpLeft, item=item)
    assert here.facts(f.WrapUpLeft)[0].how == "timer"
    assert 0 <= left.at - started.at - 2 * SECOND < SECOND // 2
    offered = await here.record(f.Offered, seat=TIMER.ann, count=2)
    assert offered.at >= left.at
    assert micros(await agent.expect("incoming", call=2)) >= left.at
    await second.hang_up()


@pytest.mark.feature("V4")
async def test_wrap_up_by_hand_stays_until_the_hand_ends_it(open_floor: Floor) -> None:
    here = open_floor
    agent, caller = await here.agent(HAND.ann, ANN), await here.caller(CALLER)
    item = await connect(here, caller, agent, HAND)
    second = await here.caller(OTHER_CALLER)
    await second.call(HAND.number)
    await second.expect("answered")
    await here.fact(f.Queued, queue=HAND.name, count=2)
    await caller.hang_up()
    await here.seen(HAND.ann, SeatState.WRAP_UP)
    await here.sounds(second, 3.0)  # longer than any timer in this directory
    assert (here.facts(f.WrapUpLeft), len(here.facts(f.Offered))) == ([], 1)
    assert here.seat(HAND.ann).voice.seen is SeatState.WRAP_UP
    await here.api("POST", f"/seats/{HAND.ann}/wrap-up/end", {"item": item})
    assert (await here.fact(f.WrapUpLeft, item=item)).how == "by_hand"
    await here.fact(f.Offered, seat=HAND.ann, count=2)
    await agent.expect("incoming", call=2)
    await second.hang_up()


@pytest.mark.feature("D13", "V20")
async def test_an_agent_takes_a_waiting_call_by_hand_and_one_at_a_time(open_floor: Floor) -> None:
    """He is not Ready: what he takes himself is the exception, what comes by itself would not reach him."""
    here = open_floor
    agent = await here.agent(PICK.ann, ANN, ready=False)
    await here.api("POST", f"/seats/{PICK.ann}/sign-in", {})
    first, second = await here.caller(CALLER), await here.caller(OTHER_CALLER)
    for count, caller in enumerate((first, second), 1):
        await caller.call(PICK.number)
        await here.fact(f.Queued, queue=PICK.name, count=count)
    items = [fact.item for fact in here.facts(f.Queued)]
    await here.sounds(second, 1.0)
    assert here.facts(f.Offered) == []
    await here.api("POST", f"/seats/{PICK.ann}/pickup", {})
    taken = await here.fact(f.Offered)
    assert (taken.item, taken.rule) == (items[0], OfferRule.PICKUP)
    await agent.expect("incoming")
    await agent.answer()
    await asyncio.gather(first.until_hears(ANN), agent.until_hears(CALLER))
    with pytest.raises(HTTPError) as refused:
        await here.api("POST", f"/seats/{PICK.ann}/pickup", {})
    refused.value.close()
    assert refused.value.code == 409
    await here.ready(PICK.ann)  # pending: it holds after this call
    await here.sounds(second, 1.5)
    assert len(here.facts(f.Offered)) == 1
    await first.hang_up()
    assert (await here.fact(f.Offered, count=2)).item == items[1]
    await agent.expect("incoming", call=2)
    await second.hang_up()


@pytest.mark.parametrize("number", ["3999", "0223456789", "*43", "119"])
async def test_a_number_that_is_not_ours_is_refused_and_nothing_enters(open_floor: Floor, number: str) -> None:
    here = open_floor
    caller = await here.caller(CALLER)
    await caller.call(number)
    ended = await caller.expect("ended")
    assert (ended["code"], ended["answered"], ended["by"]) == (404, False, "them")
    assert here.facts(f.Entered) == []


@pytest.mark.parametrize("user", ["8999", "nobody"])
async def test_an_unknown_user_cannot_register(open_floor: Floor, user: str) -> None:
    with pytest.raises(PhoneGone) as gone:
        await PhoneProcess.start(user, server=open_floor.server, password="not-the-password-0123")
    assert gone.value.code == 3
