"""The agent's phone: gone while Ready, dialling out, dialling a colleague."""

from __future__ import annotations

import asyncio

import pytest

from acd.core import facts as f
from acd.core.model import DirectKind, Party, SeatState
from api.words import words
from tests.e2e.scenes import DIAL, LOST
from tests.support.floor import Floor

pytestmark = pytest.mark.asyncio

CALLER, ANN, BOB = 880, 1540, 1980


async def test_a_phone_that_left_is_not_offered_says_why_and_is_offered_when_back(open_floor: Floor) -> None:
    here = open_floor
    agent = await here.agent(LOST.ann, ANN)
    await here.seen(LOST.ann, SeatState.READY)
    await agent.do("unregister")
    await here.seen(LOST.ann, SeatState.UNREACHABLE)
    caller = await here.caller(CALLER)
    await caller.call(LOST.number)
    item = (await here.fact(f.Queued, queue=LOST.name)).item
    told = await here.command("why", item, "--seat", LOST.ann)
    assert LOST.ann in told
    assert words("en")("refused.unreachable") in told
    await here.sounds(caller, 2.0)
    assert here.facts(f.Offered) == []
    assert agent.said("incoming") == []
    await agent.do("register")
    assert (await here.fact(f.Offered)).seat == LOST.ann
    await agent.expect("incoming")
    await agent.answer()
    await asyncio.gather(caller.until_hears(ANN), agent.until_hears(CALLER))
    assert words("en")("why.equal") in await here.command("why", item)
    await caller.hang_up()


async def test_a_colleague_dialled_is_heard_and_neither_is_offered_meanwhile(open_floor: Floor) -> None:
    here = open_floor
    ann, bob = await here.agent(DIAL.ann, ANN), await here.agent(DIAL.bob, BOB)
    await ann.call(DIAL.bob_dials)
    await bob.expect("incoming")
    await ann.expect("ringing")
    await here.seen(DIAL.ann, SeatState.BUSY)
    await here.seen(DIAL.bob, SeatState.BUSY)
    await bob.answer()
    await asyncio.gather(ann.until_hears(BOB), bob.until_hears(ANN))
    kinds = {fact.seat: fact.kind for fact in here.facts(f.DirectStarted)}
    assert kinds == {DIAL.ann: DirectKind.INTERNAL, DIAL.bob: DirectKind.INTERNAL}
    caller = await here.caller(CALLER)
    await caller.call(DIAL.number)
    await here.fact(f.Queued, queue=DIAL.name)
    await here.sounds(caller, 1.5)
    assert here.facts(f.Offered) == []
    await bob.hang_up()
    await ann.expect("ended")
    who = {(await here.fact(f.DirectEnded, seat=seat)).who for seat in (DIAL.ann, DIAL.bob)}
    assert who == {Party.SEAT, Party.CUSTOMER}
    taken = await here.fact(f.Offered)
    await (ann if taken.seat == DIAL.ann else bob).expect("incoming")
    await caller.hang_up()


async def test_the_echo_makes_its_caller_busy_until_he_hangs_up(open_floor: Floor) -> None:
    here = open_floor
    ann = await here.agent(DIAL.ann, ANN)
    await ann.call("*43")
    await ann.until_hears(ANN)
    await here.seen(DIAL.ann, SeatState.BUSY)
    caller = await here.caller(CALLER)
    await caller.call(DIAL.number)
    await here.fact(f.Queued, queue=DIAL.name)
    await here.sounds(caller, 1.0)
    assert here.facts(f.Offered) == []
    await ann.hang_up()
    await here.fact(f.Offered, seat=DIAL.ann)
    await caller.hang_up()


@pytest.mark.parametrize("number", ["0223456789", "8999"])
async def test_without_a_line_a_dialled_number_is_refused_with_words(open_floor: Floor, number: str) -> None:
    here = open_floor
    ann = await here.agent(DIAL.ann, ANN)
    await ann.call(number)
    await ann.expect("media", status="active")  # the words, as early media
    ended = await ann.expect("ended", within=10)
    assert (ended["code"], ended["answered"], ended["by"]) == (403, False, "them")
    assert not here.facts(f.DirectStarted, seat=DIAL.ann)  # nobody was called: it is no call in any figure
    assert not here.facts(f.OutboundStarted)
    await here.seen(DIAL.ann, SeatState.READY)
