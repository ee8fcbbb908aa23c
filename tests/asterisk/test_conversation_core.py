"""Conversations with a real core on a real Asterisk: what the desk asks is what Asterisk does, without a repair."""

from __future__ import annotations

import pytest

from acd.core import facts as f
from acd.core import inputs as i
from acd.core.model import Target, TargetKind, WatchMode
from acd.core.reply import Done
from acd.core.shapes import Move, Shape
from cti.asterisk import AsteriskProcess
from tests.support.center import Center, center, until_told
from tests.support.sipua import Call


async def ask(c: Center, given: i.Input) -> None:
    reply = await c.runtime.submit(given)
    assert isinstance(reply, Done), reply


async def together(c: Center, *wanted: set[str]) -> None:
    """Exactly these sets of channels share bridges of ours, and no bridge is empty."""

    async def look() -> bool:
        found = [frozenset(row["channels"]) for row in await c.ari("GET", "bridges")]
        return sorted(map(sorted, found)) == sorted(map(sorted, wanted))

    await until_told(look, f"{wanted} and nobody else")


async def shape(c: Center, wanted: Shape) -> None:
    async def look() -> bool:
        changes = c.facts(f.ShapeChanged)
        return bool(changes) and changes[-1].shape is wanted

    await until_told(look, f"{wanted}; {c.told()}")


async def begun(c: Center) -> tuple[Call, Call, str, str, str]:
    """Caller, amy's call, item, and the two channels."""
    await c.ready("amy")
    caller, ring = await c.talk()
    accepted = c.facts(f.Accepted)[0]
    return caller, ring, accepted.item, c.facts(f.Entered)[0].leg, accepted.offer


async def over(c: Center) -> None:
    await c.fact(f.Ended)
    await c.telephony.compare()
    await c.empty()
    assert c.repairs() == {}


BOB = Target(TargetKind.SEAT, "bob")


async def consulting(c: Center, item: str, customer: str, own: str) -> tuple[Call, str]:
    """Bob is asked and there; the customer waits."""
    await c.ready("bob")
    await ask(c, i.ConsultAsked("amy", item, BOB))
    ring = await c.rings("8002")
    await shape(c, Shape.RINGING)
    ring.answer()
    await shape(c, Shape.CONSULT)
    other = c.facts(f.OtherAnswered)[0].leg
    await together(c, {customer}, {own, other})
    return ring, other


@pytest.mark.asyncio
async def test_hold_resume_consult_swap_merge_split_complete(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        caller, own_call, item, customer, own = await begun(c)
        for move, places in ((Move.HOLD, ({customer}, {own})), (Move.RESUME, ({customer, own},))):
            await ask(c, i.MoveMade("amy", item, move))
            await together(c, *places)
        _, other = await consulting(c, item, customer, own)
        await c.fact(f.MediaUp, 2)  # bob's part, too, is known to have sound
        for move, places in (
            (Move.SWAP, ({other}, {own, customer})),
            (Move.SWAP, ({customer}, {own, other})),
            (Move.MERGE, ({customer, own, other},)),
            (Move.SPLIT, ({customer}, {own, other})),
            (Move.COMPLETE, ({customer, other},)),
        ):
            await ask(c, i.MoveMade("amy", item, move))
            await together(c, *places)
        await own_call.ended.wait()
        caller.hang_up()
        await over(c)


@pytest.mark.asyncio
async def test_who_is_asked_declines_and_the_customer_is_back(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        caller, _, item, customer, own = await begun(c)
        await c.ready("bob")
        await ask(c, i.ConsultAsked("amy", item, BOB))
        (await c.rings("8002")).decline(486)
        await shape(c, Shape.TALK)
        await together(c, {customer, own})
        await ask(c, i.ConsultAsked("amy", item, BOB))
        ring = await c.rings("8002", 2)
        await ask(c, i.MoveMade("amy", item, Move.CANCEL))
        await ring.ended.wait()
        await together(c, {customer, own})
        caller.hang_up()
        await over(c)


@pytest.mark.asyncio
async def test_a_blind_transfer_is_taken_or_comes_back(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        caller, own_call, item, customer, _ = await begun(c)
        await c.ready("bob")
        await ask(c, i.TransferAsked("amy", item, BOB))
        await own_call.ended.wait()
        (await c.rings("8002")).answer()
        await shape(c, Shape.TALK)
        await together(c, {customer, c.facts(f.OtherAnswered)[0].leg})
        caller.hang_up()
        await over(c)


@pytest.mark.asyncio
async def test_the_colleague_leaves_and_the_customer_leaves_the_three(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        caller, own_call, item, customer, own = await begun(c)
        ring, other = await consulting(c, item, customer, own)
        await ask(c, i.MoveMade("amy", item, Move.COACH))
        await shape(c, Shape.COACHED)

        async def coaching() -> bool:
            return {frozenset({customer, own})} < {frozenset(row["channels"]) for row in await c.ari("GET", "bridges")}

        await until_told(coaching, "customer and amy, and bob with his snoop")
        caller.hang_up()
        await shape(c, Shape.PRIVATE)
        await together(c, {own, other})
        ring.hang_up()
        await own_call.ended.wait()
        await over(c)


@pytest.mark.asyncio
async def test_a_supervisor_listens_whispers_joins_takes_over(asterisk: AsteriskProcess) -> None:
    async with center(asterisk) as c:
        caller, own_call, item, customer, own = await begun(c)
        await c.ready("bob")
        await ask(c, i.WatchAsked("bob", item, WatchMode.LISTEN))
        (await c.rings("8002")).answer()
        watching = (await c.fact(f.WatchAnswered)).leg
        await together(c, {customer, own, watching})
        await ask(c, i.WatchAsked("bob", item, WatchMode.WHISPER))

        async def whispers() -> bool:
            rows = [set(row["channels"]) for row in await c.ari("GET", "bridges")]
            return {customer, own} in rows and any(watching in row and len(row) == 2 for row in rows)

        await until_told(whispers, "bob has amy's ear")
        await ask(c, i.MoveMade("amy", item, Move.HOLD))
        await ask(c, i.MoveMade("amy", item, Move.RESUME))
        await until_told(whispers, "bob has amy's ear still")
        await ask(c, i.WatchAsked("bob", item, WatchMode.JOIN))
        await together(c, {customer, own, watching})
        await ask(c, i.WatchAsked("bob", item, WatchMode.TAKE_OVER))
        await own_call.ended.wait()
        await together(c, {customer, watching})
        caller.hang_up()
        await over(c)
