"""Calls to numbers outside, on a real Asterisk: what is dialled and shown, what is heard when, what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acd.core import facts as f
from acd.core.effects import Connect, DialOutside, DropBridge, HangUpLeg, Join, RingBack, WithdrawOffer
from acd.core.inputs import (
    DirectCallStarted,
    OfferAnswered,
    OfferRefused,
    OutboundAsked,
    PartyLeft,
    RingSeen,
    TrunkDefined,
)
from acd.core.model import DirectKind, OfferResult, Outcome, Party, Route, TrunkDef
from acd.core.reply import Code, Done
from cti.ami import Ami
from cti.ari import AriError
from cti.asterisk import AsteriskProcess
from cti.config import Shown, Trunk
from cti.trunks import states
from softphone.process import PhoneProcess
from tests.support.asterisk import free_port, running_asterisk, soon
from tests.support.center import Center, Plans, center, engine
from tests.support.center import phones as center_phones
from tests.support.memory import MemoryLog
from tests.support.sipua import Call, SipUa
from tests.support.switch import CARRIER, PASSWORD, SEATS, SPARE, Switch, refused, switch

pytestmark = pytest.mark.asyncio

AGENT, FAR, RINGING = 660, 1980, 440
TONES = (AGENT, FAR, RINGING)
OURS, SALES = "+886277001000", "+886277001082"
THERE = "127.0.0.9"
"""The carrier's address: what comes from ours are phones."""


@pytest.fixture(scope="module")
def port() -> int:
    """Where the carrier listens."""
    return free_port()


@pytest.fixture(scope="module")
def box(asterisk_root: Path, port: int) -> Iterator[AsteriskProcess]:
    trunks = (
        Trunk(CARRIER, f"{THERE}:{port}", number=OURS, qualify_s=0),
        Trunk("listing", f"{THERE}:{port}", number=OURS, shown=Shown.LISTED, listed=(SALES,), qualify_s=0),
        # Asterisk goes on sending what nobody answered: on a port of its own it meets no other test.
        Trunk("silent", f"{THERE}:{free_port()}", qualify_s=0),
        Trunk("dead", f"{THERE}:{free_port()}", qualify_s=1),
    )
    with running_asterisk(asterisk_root, trunks=trunks) as made:
        yield made


class Carrier:
    """A carrier that does with each call what the test says."""

    def __init__(self, ua: SipUa, calls: list[Call]) -> None:
        self.ua, self.calls = ua, calls

    async def rings(self, count: int = 1) -> Call:
        await soon(lambda: len(self.calls) >= count, f"call no. {count} at the carrier")
        return self.calls[count - 1]


@asynccontextmanager
async def carrier(box: AsteriskProcess, port: int) -> AsyncIterator[Carrier]:
    calls: list[Call] = []
    ua = await SipUa.open(box.settings.sip_port, calls.append, THERE, port)
    try:
        yield Carrier(ua, calls)
    finally:
        ua.close()


@asynccontextmanager
async def phones(s: Switch) -> AsyncIterator[SipUa]:
    """A bank of phones, the seats' among them."""
    ua = await SipUa.open(s.box.settings.sip_port)
    try:
        for number in SEATS.values():
            assert await ua.register(number, PASSWORD) == 200
        yield ua
    finally:
        ua.close()


def someone(port: int) -> Awaitable[PhoneProcess]:
    """A telephone behind the carrier, with sound."""
    more: dict[str, Any] = {"address": THERE, "local_port": port}
    return PhoneProcess.start("far", register=False, tone=FAR, listen=True, tones=TONES, **more)


def outside(
    s: Switch, leg: str, *, address: str = "a-1", trunk: str = CARRIER, asked: str = OURS, **more: object
) -> DialOutside:
    route = Route(address, trunk, shown=asked)
    given: dict[str, object] = {"bridge": "", "heard_by": "", "expires_at": s.soon(), **more}
    return DialOutside("item-1", leg, route, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("asked", "shown"), [("", OURS), (SALES, SALES), ("+886900000000", OURS)])
async def test_the_number_is_dialled_and_ours_is_shown(box: AsteriskProcess, port: int, asked: str, shown: str) -> None:
    async with switch(box) as s, carrier(box, port) as far:
        s.perform(outside(s, "out-1", trunk="listing", asked=asked))
        call = await far.rings()
        assert call.user == "0223456789"
        assert f"sip:{shown}@" in call.headers["from"]
        assert (await s.input(RingSeen)).offer == "out-1"
        call.answer()
        assert (await s.input(OfferAnswered)).offer == "out-1"
        call.hang_up()
        left = await s.input(PartyLeft)
        assert (left.leg, left.hung_up) == ("out-1", True)
        assert s.given(OfferRefused) == []
        await s.empty()


@pytest.mark.parametrize(
    ("code", "result", "outcome"),
    [
        (486, OfferResult.REJECTED, Outcome.BUSY),
        (600, OfferResult.REJECTED, Outcome.BUSY),
        (603, OfferResult.REJECTED, Outcome.REJECTED),
        (403, OfferResult.UNREACHABLE, Outcome.REJECTED),
        (480, OfferResult.TIMEOUT, Outcome.RNA),  # it rang
        (404, OfferResult.UNREACHABLE, Outcome.WRONG_NUMBER),
        (484, OfferResult.UNREACHABLE, Outcome.WRONG_NUMBER),
        (410, OfferResult.UNREACHABLE, Outcome.WRONG_NUMBER),
        (488, OfferResult.UNREACHABLE, Outcome.MEDIA),
        (500, OfferResult.UNREACHABLE, Outcome.CONGESTION),
        (503, OfferResult.UNREACHABLE, Outcome.CONGESTION),
    ],
)
async def test_what_the_carrier_says_becomes_an_outcome(
    box: AsteriskProcess, port: int, code: int, result: OfferResult, outcome: Outcome
) -> None:
    async with switch(box) as s, carrier(box, port) as far:
        s.perform(outside(s, "out-2"))
        (await far.rings()).decline(code)
        said = await s.input(OfferRefused)
        assert (said.offer, said.result, said.sip, said.outcome) == ("out-2", result, code, outcome)
        assert s.given(PartyLeft) == []
        await s.empty()


async def test_nobody_answers_within_asterisks_own_limit(
    box: AsteriskProcess, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.outside.DIAL_MARGIN", 0)
    async with switch(box) as s, carrier(box, port) as far:
        s.perform(outside(s, "out-3", expires_at=s.soon(1)))
        call = await far.rings()
        said = await s.input(OfferRefused)
        assert (said.result, said.outcome) == (OfferResult.TIMEOUT, Outcome.RNA)
        await call.ended.wait()
        assert (call.ended_by, call.code) == ("them", 487)
        await s.empty()


async def test_nobody_is_at_the_carriers_address(box: AsteriskProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never rang, so the number was not reached, whatever Asterisk calls the end of its wait."""
    monkeypatch.setattr("cti.outside.DIAL_MARGIN", 0)
    async with switch(box) as s:
        s.perform(outside(s, "out-4", trunk="silent", expires_at=s.soon(1)))
        said = await s.input(OfferRefused)
        assert (said.result, said.outcome) == (OfferResult.UNREACHABLE, Outcome.UNREACHABLE)
        await s.empty()


@pytest.mark.parametrize(
    ("address", "trunk", "outcome"),
    [
        ("a-1", "nowhere", Outcome.UNREACHABLE),
        ("a-1", "dead", Outcome.UNREACHABLE),
        ("a-bad", CARRIER, Outcome.WRONG_NUMBER),
        ("a-word", CARRIER, Outcome.WRONG_NUMBER),
        ("a-gone", CARRIER, Outcome.WRONG_NUMBER),
    ],
)
async def test_what_cannot_be_dialled_is_told_at_once(
    box: AsteriskProcess, port: int, address: str, trunk: str, outcome: Outcome
) -> None:
    async with switch(box) as s, carrier(box, port) as far:
        await soon(lambda: _offline(s), "the dead line is known to be", 10)
        s.perform(outside(s, "out-5", address=address, trunk=trunk))
        said = await s.input(OfferRefused, limit_s=1.5)
        assert (said.offer, said.result, said.outcome) == ("out-5", OfferResult.UNREACHABLE, outcome)
        assert far.calls == []
        await s.empty()


async def test_a_call_that_is_withdrawn_says_nothing_more(box: AsteriskProcess, port: int) -> None:
    async with switch(box) as s, carrier(box, port) as far:
        s.perform(outside(s, "out-6"))
        call = await far.rings()
        s.perform(WithdrawOffer("out-6", ""))
        await call.ended.wait()
        assert (call.ended_by, call.code) == ("them", 487)
        await s.empty()
        assert s.given(OfferRefused) == []
        assert s.given(PartyLeft) == []


@pytest.mark.softphone
async def test_ring_back_then_the_networks_words_then_the_far_end_are_heard(box: AsteriskProcess, port: int) -> None:
    """Sound both ways, by a tone each: the agent's handset dialled, and it is answered only when the far end is."""
    async with switch(box) as s:
        s.core.answers[OutboundAsked] = lambda _: Done("item-1")
        far = await PhoneProcess.start(
            "far", register=False, tone=FAR, listen=True, tones=TONES, address=THERE, local_port=port
        )
        async with far, await s.phone("amy", AGENT, TONES) as amy:
            call = await amy.call("90223456789")
            asked = await s.input(OutboundAsked)
            assert s.numbers.asked == [("amy", "90223456789")]
            assert (asked.seat, asked.route.trunk, s.authors(OutboundAsked)) == ("amy", CARRIER, [("amy", "phone")])
            s.perform(outside(s, "out-7", bridge="talk-7", heard_by=asked.leg))
            await s.input(RingSeen)
            came = await far.expect("incoming")
            assert (await amy.expect("ringing", call=call))["code"] == 180
            await far.do("answer", call=came.call, code=183)
            # The handset's side of the bridge: it is there before anybody answered.
            s.perform(Connect("item-1", "amy", "", asked.leg, "talk-7"))
            await amy.until_hears(FAR, absent=(RINGING,), call=call)
            assert amy.said("answered") == []
            await far.answer(came.call)
            await s.input(OfferAnswered)
            await amy.expect("answered", call=call)
            s.perform(Connect("item-1", "amy", "out-7", asked.leg, "talk-7"))
            await amy.until_hears(FAR, call=call)
            await far.until_hears(AGENT, call=came.call)
            await amy.hang_up(call)
            left = await s.input(PartyLeft)
            assert (left.leg, left.hung_up) == (asked.leg, True)
            s.perform(HangUpLeg("out-7"))
            await far.expect("ended", call=came.call)


@pytest.mark.softphone
async def test_an_agent_who_talks_already_hears_ring_back_until_the_network_speaks(
    box: AsteriskProcess, port: int
) -> None:
    async with switch(box) as s:
        far = await PhoneProcess.start(
            "far", register=False, tone=FAR, listen=True, tones=TONES, address=THERE, local_port=port
        )
        async with far, await s.phone("amy", AGENT, TONES) as amy:
            s.core.answers[OutboundAsked] = lambda _: Done("item-1")
            call = await amy.call("90223456789")
            leg = (await s.input(OutboundAsked)).leg
            await s.ari("POST", f"channels/{leg}/answer")
            s.perform(Join("item-1", leg, "talk-8"))
            await amy.expect("answered", call=call)
            s.perform(outside(s, "out-8", bridge="talk-8", heard_by=leg))
            came = await far.expect("incoming")
            await amy.until_hears(RINGING, call=call)
            await far.do("answer", call=came.call, code=183)
            await amy.until_hears(FAR, absent=(RINGING,), call=call)
            await far.answer(came.call)
            await s.input(OfferAnswered)
            await far.until_hears(AGENT, call=came.call)
            await far.hang_up(came.call)
            assert (await s.input(PartyLeft)).hung_up
            s.perform(HangUpLeg(leg))
            await amy.expect("ended", call=call)


async def _silent(s: Switch, leg: str) -> bool:
    """The tone has pauses of 2 s: silence alone proves nothing."""
    try:
        await s.ari("GET", f"playbacks/ring-{leg}")
    except AriError as error:
        return error.status == 404
    return False


@pytest.mark.softphone
async def test_ring_back_can_be_had_again_and_again(box: AsteriskProcess) -> None:
    async with switch(box) as s, await s.phone("amy", AGENT, TONES) as amy:
        s.core.answers[OutboundAsked] = lambda _: Done("item-1")
        call = await amy.call("90223456789")
        leg = (await s.input(OutboundAsked)).leg
        await s.ari("POST", f"channels/{leg}/answer")
        s.perform(Join("item-1", leg, "talk-10"))
        for _ in range(3):
            s.perform(RingBack(leg, True), RingBack(leg, True))
            await amy.until_hears(RINGING, call=call)
            s.perform(RingBack(leg, False))
            await amy.until_silent(call)
            await soon(lambda: _silent(s, leg), "nothing plays any more")
        s.perform(RingBack(leg, True))
        await amy.until_hears(RINGING, call=call)
        s.perform(HangUpLeg(leg), DropBridge("talk-10"))
        await amy.expect("ended", call=call)
        await s.empty()


async def test_a_number_that_may_not_be_called_is_refused_with_words(box: AsteriskProcess, port: int) -> None:
    async with switch(box) as s, carrier(box, port) as far, phones(s) as ua:
        out = ua.call("0612345678", SEATS["amy"])
        await out.ringing.wait()  # early sound: nothing is charged
        await out.ended.wait()
        assert (out.answered.is_set(), out.ended_by, out.code) == (False, "them", 403)
        assert s.given(OutboundAsked) == []
        assert far.calls == []
        await s.empty()


@pytest.mark.parametrize(("code", "sip"), [(Code.LINE_CAP, 503), (Code.OUTBOUND_NOT_ALLOWED, 403)])
async def test_what_the_core_refuses_is_told_by_its_cause(
    box: AsteriskProcess, port: int, code: Code, sip: int
) -> None:
    async with switch(box) as s, carrier(box, port) as far, phones(s) as ua:
        s.core.answers[OutboundAsked] = refused(code)
        out = ua.call("90223456789", SEATS["amy"])
        await out.ended.wait()
        assert (out.answered.is_set(), out.ended_by, out.code) == (False, "them", sip)
        assert far.calls == []
        await s.empty()
        assert s.given(PartyLeft) == []


async def test_an_agent_who_hangs_up_before_his_call_is_settled_calls_nobody(box: AsteriskProcess, port: int) -> None:
    async with switch(box) as s, carrier(box, port) as far, phones(s) as ua:
        s.numbers.slow_s = 0.4
        out = ua.call("90223456789", SEATS["amy"])
        await soon(lambda: s.numbers.asked, "the directory is asked")
        out.hang_up()
        await s.empty()
        assert s.given(OutboundAsked) == []
        assert far.calls == []


async def test_an_extension_without_a_seat_is_called_inside(box: AsteriskProcess, port: int) -> None:
    async with switch(box) as s, carrier(box, port) as far, phones(s) as ua:
        calls: list[Call] = []
        ua.on_call = calls.append
        assert await ua.register(SPARE, PASSWORD) == 200
        out = ua.call(SPARE, SEATS["amy"])
        await soon(lambda: calls, "the extension rings")
        calls[0].answer()
        await out.answered.wait()
        started = s.given(DirectCallStarted)
        assert [(given.seat, given.kind) for given in started] == [("amy", DirectKind.INTERNAL)]
        assert s.numbers.asked == []
        assert far.calls == []
        out.hang_up()
        await calls[0].ended.wait()
        await s.empty()


# --- with the core -------------------------------------------------------------------------------------------------


async def test_a_handset_calls_outside_and_every_step_is_a_fact(box: AsteriskProcess, port: int) -> None:
    async with center(box) as c, carrier(box, port) as far:
        await c.ready("amy")
        out = c.ua.call("90223456789", SEATS["amy"])
        call = await far.rings()
        await c.fact(f.CustomerRang)
        assert not out.answered.is_set()
        call.answer()
        await out.answered.wait()
        answered = await c.fact(f.CustomerAnswered)
        began = await c.fact(f.RecordingBegan)
        assert (answered.seat, began.item, began.recording) == ("amy", answered.item, answered.recording)
        call.hang_up()
        ended = await c.fact(f.Ended)
        assert (ended.outcome, ended.who) == (Outcome.ANSWERED, Party.CUSTOMER)
        await out.ended.wait()
        await c.empty()
        assert c.repairs() == {}
        assert c.facts(f.DirectStarted) == []


@pytest.mark.parametrize(("code", "outcome"), [(486, Outcome.BUSY), (404, Outcome.WRONG_NUMBER)])
async def test_a_call_that_fails_frees_the_agent_with_its_outcome(
    box: AsteriskProcess, port: int, code: int, outcome: Outcome
) -> None:
    async with center(box) as c, carrier(box, port) as far:
        await c.ready("amy")
        out = c.ua.call("90223456789", SEATS["amy"])
        (await far.rings()).decline(code)
        ended = await c.fact(f.Ended)
        assert (ended.outcome, ended.sip) == (outcome, code)
        await out.ended.wait()
        assert not out.answered.is_set()
        await c.empty()
        assert c.repairs() == {}


async def test_an_agent_who_gives_up_takes_the_ringing_with_him(box: AsteriskProcess, port: int) -> None:
    async with center(box) as c, carrier(box, port) as far:
        await c.ready("amy")
        out = c.ua.call("90223456789", SEATS["amy"])
        call = await far.rings()
        await c.fact(f.CustomerRang)
        out.hang_up()
        await call.ended.wait()
        assert (call.ended_by, call.code) == ("them", 487)
        assert (await c.fact(f.Ended)).who is Party.SEAT
        await c.empty()
        assert c.repairs() == {}


async def test_the_lines_cap_is_told_with_congestion(box: AsteriskProcess, port: int) -> None:
    async with center(box) as c, carrier(box, port) as far:
        await c.runtime.submit(TrunkDefined(TrunkDef(CARRIER, cap=1)))
        await c.ready("amy", "bob")
        first = c.ua.call("90223456789", SEATS["amy"])
        (await far.rings()).answer()
        await first.answered.wait()
        second = c.ua.call("90223456789", SEATS["bob"])
        await second.ended.wait()
        assert (second.answered.is_set(), second.code) == (False, 503)
        assert len(far.calls) == 1
        assert len(c.facts(f.LineOverflowed)) == 1
        first.hang_up()
        await c.fact(f.Ended)
        await c.empty()
        assert c.repairs() == {}


@pytest.mark.parametrize("answered_meanwhile", [False, True])
async def test_a_new_engine_goes_on_with_a_call_outside(
    box: AsteriskProcess, port: int, answered_meanwhile: bool
) -> None:
    log, plans = MemoryLog(), Plans()
    async with center_phones(box) as (ua, incoming), carrier(box, port) as far:
        async with engine(box, log, plans) as (runtime, telephony, seats):
            c = Center(box, runtime, telephony, ua, seats, plans, log, incoming)
            await c.ready("amy")
            out = c.ua.call("90223456789", SEATS["amy"])
            call = await far.rings()
            await c.fact(f.CustomerRang)
        if answered_meanwhile:
            call.answer()
        async with engine(box, log, plans, fresh=False) as (runtime, telephony, seats):
            c = Center(box, runtime, telephony, ua, seats, plans, log, incoming)
            if not answered_meanwhile:
                call.answer()
            await c.fact(f.CustomerAnswered)
            await out.answered.wait()
            await c.telephony.compare()
            await c.telephony.compare()
            assert len(far.calls) == 1
            out.hang_up()
            await call.ended.wait()
            assert (await c.fact(f.Ended)).who is Party.SEAT
            await c.empty()
            assert c.repairs() == {}


async def test_help_is_called_by_another_line_where_the_first_is_dead(box: AsteriskProcess, port: int) -> None:
    async with switch(box) as s, carrier(box, port) as far:
        await soon(lambda: _offline(s), "the dead line is known to be", 10)
        given = outside(s, "out-9", trunk="dead")
        s.perform(replace(given, route=replace(given.route, emergency=True)))
        call = await far.rings()
        call.answer()
        await s.input(OfferAnswered)
        call.hang_up()
        await s.input(PartyLeft)
        assert s.given(OfferRefused) == []
        await s.empty()


async def _offline(s: Switch) -> bool:
    async with Ami(s.box.settings) as ami:
        return (await states(ami, s.box.settings.trunks))["dead"].answers is False


async def test_a_line_that_is_new_is_taken_up_while_calls_go_on(box: AsteriskProcess, port: int) -> None:
    async with switch(box) as s, carrier(box, port) as far:
        known = s.telephony.settings
        s.telephony.take_up(replace(known, trunks=()))
        s.perform(outside(s, "out-11"))
        assert (await s.input(OfferRefused)).outcome is Outcome.UNREACHABLE
        s.telephony.take_up(known)
        s.perform(outside(s, "out-12"))
        (await far.rings()).decline(486)
        assert (await s.input(OfferRefused, 2)).outcome is Outcome.BUSY
        await s.empty()
