"""Transfers made on the phones themselves, with real phones and real sound: what the core is asked, what the phone is
told, who hears whom afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from acd.core import facts as f
from acd.core.effects import AnswerLeg, Connect, DialOutside, Effect, HangUpLeg, Join, RingSeat
from acd.core.inputs import (
    CallEntered,
    DirectCallAnswered,
    DirectCallEnded,
    LegArrived,
    MediaFlowed,
    OfferAnswered,
    OutboundAsked,
    PartyLeft,
    PhonesJoined,
    SeatSignedIn,
    TransferAsked,
)
from acd.core.model import EntryPlan, Party, Route, Target, TargetKind
from acd.core.reply import Code, Done, Reply
from cti.asterisk import AsteriskProcess
from cti.config import Trunk
from softphone.process import PhoneProcess
from tests.support.asterisk import free_port, running_asterisk
from tests.support.center import Center, center, until
from tests.support.switch import CARRIER, PASSWORD, SEATS, SPARE, Switch, refused, switch

pytestmark = [pytest.mark.asyncio, pytest.mark.softphone]

CALLER, AMY, BOB, FAR = 440, 660, 880, 1980
TONES = (CALLER, AMY, BOB, FAR)
OURS, THERE = "+886277001000", "127.0.0.9"
DECLINED, TAKEN = 603, 200


@pytest.fixture(scope="module")
def port() -> int:
    """Where the carrier listens."""
    return free_port()


@pytest.fixture(scope="module")
def box(asterisk_root: Path, port: int) -> Iterator[AsteriskProcess]:
    trunks = (Trunk(CARRIER, f"{THERE}:{port}", number=OURS, qualify_s=0),)
    with running_asterisk(asterisk_root, trunks=trunks, short_codes=(("*1", SEATS["bob"]),)) as made:
        yield made


@dataclass
class Talk:
    """Amy serves a customer: item-1 in the bridge b-1, her leg is o-1."""

    s: Switch
    amy: PhoneProcess
    caller: PhoneProcess
    call: int
    callers_call: int
    leg: str

    def on(self, kind: type[Any], *effects: Effect) -> None:
        """The core takes this input, and wants this done."""

        def take(_: object) -> Reply:
            self.s.perform(*effects)
            return Done("item-1")

        self.s.core.answers[kind] = take

    async def told(self, count: int = 1) -> int:
        """The last word of the phone's `count`-th transfer."""
        told = await self.amy.expect("transfer", call=self.call, final=True, within=6)
        assert count >= 1
        return int(told["code"])

    async def hear_each_other(self) -> None:
        await self.amy.until_hears(CALLER, call=self.call)
        await self.caller.until_hears(AMY, call=self.callers_call)


@asynccontextmanager
async def talk(s: Switch) -> AsyncIterator[Talk]:
    s.core.answers[CallEntered] = s.core.answers[LegArrived] = lambda _: Done("item-1")
    async with await s.phone("amy", AMY, TONES) as amy, await s.caller(CALLER, TONES) as caller:
        callers_call = await caller.call("81")
        leg = (await s.input(LegArrived)).leg
        s.perform(AnswerLeg("item-1", leg))
        s.perform(RingSeat("o-1", "item-1", "amy", SEATS["amy"], leg, "q", s.soon()))
        ring = await amy.expect("incoming")
        await amy.answer(ring.call)
        await s.input(OfferAnswered)
        s.perform(Connect("item-1", "amy", leg, "o-1", "b-1"))
        await s.input(MediaFlowed)
        made = Talk(s, amy, caller, ring.call, callers_call, leg)
        await made.hear_each_other()
        yield made


@pytest.mark.parametrize(
    ("dialled", "target"),
    [
        (SEATS["bob"], Target(TargetKind.SEAT, "bob")),
        ("*1", Target(TargetKind.SEAT, "bob")),  # a short code
        (SPARE, Target(TargetKind.EXTENSION, SPARE)),
        ("81", Target(TargetKind.ENTRY, "81")),
        ("90223456789", Target(TargetKind.OUTSIDE)),
    ],
)
async def test_a_blind_transfer_is_asked_of_the_core_and_the_phone_hangs_up(
    box: AsteriskProcess, dialled: str, target: Target
) -> None:
    async with switch(box) as s, talk(s) as t:
        t.on(TransferAsked, HangUpLeg("o-1"))
        await t.amy.transfer(dialled, t.call)
        asked = await s.input(TransferAsked)
        assert (asked.seat, asked.item, asked.target) == ("amy", "item-1", target)
        assert s.authors(TransferAsked) == [("amy", "phone")]
        assert asked.route == (Route("a-1", CARRIER, OURS, "9") if target.kind is TargetKind.OUTSIDE else None)
        assert asked.plan == (EntryPlan("81", 1, "q") if target.kind is TargetKind.ENTRY else None)
        if target.kind is TargetKind.ENTRY:
            assert s.entries.asked[-1].caller.e164 == "+886912345678"
        assert await t.told() == TAKEN
        ended = await t.amy.expect("ended", call=t.call)
        assert ended["by"] == "us"  # its answer came before our own hang-up
        assert (await s.input(PartyLeft)).leg == "o-1"
        assert t.leg in await s.channels()
        s.perform(HangUpLeg(t.leg))


async def test_what_is_refused_leaves_the_call_as_it_is(box: AsteriskProcess) -> None:
    """Also what is no number, what the directory refuses, and what the core refuses; one after the other."""
    async with switch(box) as s, talk(s) as t:
        for dialled in ("!!!", "0612345678", "x" * 200, "8001;8002", "%0d%0a8002", "${CHANNEL}"):
            await t.amy.transfer(dialled, t.call)
            assert await t.told() == DECLINED
        assert s.given(TransferAsked) == []
        s.core.answers[TransferAsked] = refused(Code.TRANSFER_NOT_ACCEPTED)
        await t.amy.transfer(SEATS["bob"], t.call)
        assert await t.told() == DECLINED
        assert len(s.given(TransferAsked)) == 1
        await t.hear_each_other()
        await t.caller.hang_up(t.callers_call)
        await s.input(PartyLeft)


async def test_a_second_wish_while_one_is_open_is_declined(box: AsteriskProcess) -> None:
    async with switch(box) as s, talk(s) as t:
        s.numbers.slow_s = 0.5
        t.on(TransferAsked, HangUpLeg("o-1"))
        await t.amy.transfer("90223456789", t.call)
        await asyncio.sleep(0.1)
        await t.amy.transfer(SEATS["bob"], t.call)
        await t.amy.expect("ended", call=t.call)
        await s.input(PartyLeft)
        assert [asked.target.kind for asked in s.given(TransferAsked)] == [TargetKind.OUTSIDE]
        s.perform(HangUpLeg(t.leg))


async def test_an_answer_that_takes_too_long_is_a_no(box: AsteriskProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cti.referring.LIMIT_S", 0.5)
    async with switch(box) as s, talk(s) as t:
        s.numbers.slow_s = 1.5
        began = time.monotonic()
        await t.amy.transfer("90223456789", t.call)
        assert await t.told() == DECLINED
        assert 0.5 <= time.monotonic() - began < 1.4
        await t.hear_each_other()
        assert s.given(TransferAsked) == []
        await t.caller.hang_up(t.callers_call)
        await s.input(PartyLeft)


async def test_a_call_of_no_item_cannot_be_transferred(box: AsteriskProcess) -> None:
    async with switch(box) as s, await s.phone("amy", AMY, TONES) as amy, await s.phone("bob", BOB, TONES) as bob:
        call = await amy.call(SEATS["bob"])
        ring = await bob.expect("incoming")
        await bob.answer(ring.call)
        await s.input(DirectCallAnswered, 2)
        await amy.until_hears(BOB, call=call)
        await amy.transfer(SPARE, call)
        assert (await amy.expect("transfer", call=call, final=True))["code"] == DECLINED
        await amy.until_hears(BOB, call=call)
        await bob.until_hears(AMY, call=ring.call)
        assert s.given(TransferAsked) == []
        await amy.hang_up(call)
        await s.input(DirectCallEnded, 2)
        await s.empty()


async def test_with_replaces_the_colleague_called_by_phone_gets_the_customer(box: AsteriskProcess) -> None:
    async with switch(box) as s, talk(s) as t, await s.phone("bob", BOB, TONES) as bob:
        await t.amy.hold(t.call)
        second = await t.amy.call(SEATS["bob"])
        ring = await bob.expect("incoming")
        await bob.answer(ring.call)
        await s.input(DirectCallAnswered, 2)
        await bob.until_hears(AMY, call=ring.call)
        s.core.answers[PhonesJoined] = lambda given: _joined(s, given)
        await t.amy.do("join", call=t.call, other=second)
        joined = await s.input(PhonesJoined)
        assert joined.leg == "o-1"
        assert joined.other == f"{joined.call}-to"
        assert s.authors(PhonesJoined) == [("amy", "phone")]
        assert await t.told() == TAKEN
        await t.amy.expect("ended", call=t.call)
        await t.amy.expect("ended", call=second)
        await bob.until_hears(CALLER, absent=(AMY,), call=ring.call)
        await t.caller.until_hears(BOB, absent=(AMY,), call=t.callers_call)
        assert set(await s.channels()) == {t.leg, joined.other}
        assert bob.said("ended") == []
        await bob.hang_up(ring.call)
        await s.input(PartyLeft, 2)
        assert {left.leg for left in s.given(PartyLeft)} == {"o-1", joined.other}
        s.perform(HangUpLeg(t.leg))


def _joined(s: Switch, given: PhonesJoined) -> Reply:
    """What the core wants: the far end with the customer, the agent out."""
    s.perform(Join("item-1", given.other, "b-1"), HangUpLeg(given.leg))
    return Done("item-1")


async def test_with_replaces_the_number_called_outside_gets_the_customer(box: AsteriskProcess, port: int) -> None:
    async with switch(box) as s, talk(s) as t:
        more: dict[str, Any] = {"address": THERE, "local_port": port}
        async with await PhoneProcess.start("far", register=False, tone=FAR, listen=True, tones=TONES, **more) as far:
            s.core.answers[OutboundAsked] = lambda _: Done("item-2")
            await t.amy.hold(t.call)
            second = await t.amy.call("90223456789")
            own = (await s.input(OutboundAsked)).leg
            route = Route("a-1", CARRIER, OURS)
            s.perform(Join("item-2", own, "b-2"), DialOutside("item-2", "x-2", route, "b-2", own, s.soon()))
            ring = await far.expect("incoming")
            await far.answer(ring.call)
            await s.input(OfferAnswered, 2)
            s.perform(Connect("item-2", "amy", "x-2", own, "b-2"))
            await t.amy.until_hears(FAR, call=second)
            s.core.answers[PhonesJoined] = lambda given: _joined(s, given)
            await t.amy.do("join", call=t.call, other=second)
            joined = await s.input(PhonesJoined)
            assert (joined.leg, joined.call, joined.other) == ("o-1", "item-2", "x-2")
            assert await t.told() == TAKEN
            await t.amy.expect("ended", call=second)
            await far.until_hears(CALLER, absent=(AMY,), call=ring.call)
            await t.caller.until_hears(FAR, absent=(AMY,), call=t.callers_call)
            assert set(await s.channels()) == {t.leg, "x-2"}
            s.perform(HangUpLeg(t.leg), HangUpLeg("x-2"))
            await far.expect("ended", call=ring.call)


# --- with the core -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def served(c: Center) -> AsyncIterator[tuple[PhoneProcess, int, PhoneProcess, int]]:
    """A customer served by amy: (her phone, its call, his phone, its call)."""
    server = f"127.0.0.1:{c.box.settings.sip_port}"
    more: dict[str, Any] = {"server": server, "listen": True, "tones": TONES}
    async with (
        await PhoneProcess.start(SEATS["amy"], password=PASSWORD, tone=AMY, **more) as amy,
        await PhoneProcess.start("0912345678", register=False, tone=CALLER, **more) as caller,
    ):
        await until(lambda: c.seats.reachable("amy"), "amy's phone")
        assert isinstance(await c.runtime.submit(SeatSignedIn("amy")), Done)
        callers_call = await caller.call("81")
        ring = await amy.expect("incoming")
        await amy.answer(ring.call)
        await c.fact(f.MediaUp)
        await caller.until_hears(AMY, call=callers_call)
        yield amy, ring.call, caller, callers_call


async def test_a_phones_blind_transfer_gives_the_facts_of_the_desks(box: AsteriskProcess) -> None:
    async with center(box) as c, served(c) as (amy, call, caller, callers_call):
        await c.ready("bob")
        await amy.transfer(SEATS["bob"], call)
        assert (await amy.expect("transfer", call=call, final=True))["code"] == TAKEN
        assert (await amy.expect("ended", call=call))["by"] == "us"
        ring = await c.rings(SEATS["bob"])
        ring.answer()
        await until(lambda: [fact.seat for fact in c.facts(f.OtherAnswered)] == ["bob"], "bob has the customer")
        assert [(fact.seat, fact.how) for fact in c.facts(f.HandlingEnded)] == [("amy", "transferred")]
        await caller.hang_up(callers_call)
        await c.fact(f.Ended)
        await ring.ended.wait()
        await c.empty()
        assert c.repairs() == {}


async def test_a_phones_attended_transfer_joins_customer_and_colleague(box: AsteriskProcess) -> None:
    server = f"127.0.0.1:{box.settings.sip_port}"
    more: dict[str, Any] = {"server": server, "password": PASSWORD, "listen": True, "tones": TONES}
    async with (
        center(box) as c,
        served(c) as (amy, call, caller, callers_call),
        await PhoneProcess.start(SEATS["bob"], tone=BOB, **more) as bob,
    ):
        await until(lambda: c.seats.reachable("bob"), "bob's phone")
        assert isinstance(await c.runtime.submit(SeatSignedIn("bob")), Done)
        await amy.hold(call)
        second = await amy.call(SEATS["bob"])
        ring = await bob.expect("incoming")
        await bob.answer(ring.call)
        await c.fact(f.DirectAnswered, 2)
        await amy.do("join", call=call, other=second)
        assert (await amy.expect("transfer", call=call, final=True))["code"] == TAKEN
        await amy.expect("ended", call=call)
        await amy.expect("ended", call=second)
        await caller.until_hears(BOB, absent=(AMY,), call=callers_call)
        await bob.until_hears(CALLER, absent=(AMY,), call=ring.call)
        assert {fact.seat for fact in c.facts(f.DirectEnded)} == {"amy", "bob"}
        assert len(await c.channels()) == 2
        await caller.hang_up(callers_call)
        assert (await c.fact(f.Ended)).who is Party.CUSTOMER
        await bob.expect("ended", call=ring.call)
        await c.empty()
        assert c.repairs() == {}


async def test_a_phones_attended_transfer_joins_two_customers(box: AsteriskProcess, port: int) -> None:
    more: dict[str, Any] = {"address": THERE, "local_port": port, "tone": FAR, "listen": True, "tones": TONES}
    async with (
        center(box) as c,
        served(c) as (amy, call, caller, callers_call),
        await PhoneProcess.start("far", register=False, **more) as far,
    ):
        await amy.hold(call)
        second = await amy.call("90223456789")
        ring = await far.expect("incoming")
        await far.answer(ring.call)
        await c.fact(f.CustomerAnswered)
        await amy.until_hears(FAR, call=second)
        await amy.do("join", call=call, other=second)
        assert (await amy.expect("transfer", call=call, final=True))["code"] == TAKEN
        await amy.expect("ended", call=call)
        await amy.expect("ended", call=second)
        await caller.until_hears(FAR, absent=(AMY,), call=callers_call)
        await far.until_hears(CALLER, absent=(AMY,), call=ring.call)
        await far.hang_up(ring.call)
        await c.fact(f.Ended, 2)
        await caller.expect("ended", call=callers_call)
        await c.empty()
        assert c.repairs() == {}
