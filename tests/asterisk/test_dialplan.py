"""The dialplan by real phones: emergency, echo, the fall-back, what the outside may and may not reach."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cti.ami import Ami
from cti.asterisk import AsteriskProcess, write_tones
from cti.cel import CelEvent, FallbackCall, fallback_calls, read_cel
from cti.config import Trunk
from cti.dialling import PHONE_LEG
from cti.provisioning import Extension, FallbackMembers, Provisioning, http_call
from softphone.process import NotSaid, PhoneProcess
from tests.support.asterisk import App, free_port, running_asterisk, soon

pytestmark = [pytest.mark.asyncio, pytest.mark.softphone]

OUTSIDE_LINE = """[emergency-test]
exten => _X.,1,Answer(0,i)
 same => n,Echo()
"""


@pytest.fixture(scope="module")
def asterisk(asterisk_root: Path) -> Iterator[AsteriskProcess]:
    """Emergency numbers go to a line that answers and echoes."""
    with running_asterisk(
        asterisk_root, emergency_dial="Local/{number}@emergency-test", extra_dialplan=OUTSIDE_LINE, app_away_s=0
    ) as box:
        yield box


@dataclass
class Phones:
    """Starts phones of this Asterisk."""

    box: AsteriskProcess
    stack: contextlib.AsyncExitStack

    @property
    def server(self) -> str:
        return f"{self.box.settings.sip_host}:{self.box.settings.sip_port}"

    async def agent(self, number: str, tone: int | None = None) -> PhoneProcess:
        """A registered extension."""
        password = await Provisioning(http_call(self.box.settings)).put(Extension(number, f"Agent {number}"))
        phone = await PhoneProcess.start(number, server=self.server, password=password, tone=tone)
        return await self.stack.enter_async_context(phone)

    async def outside(self, number: str = "0912345678", tone: int | None = None) -> PhoneProcess:
        """An anonymous caller."""
        phone = await PhoneProcess.start(number, server=self.server, register=False, tone=tone)
        return await self.stack.enter_async_context(phone)


@pytest_asyncio.fixture
async def phones(asterisk: AsteriskProcess) -> AsyncIterator[Phones]:
    async with contextlib.AsyncExitStack() as stack:
        yield Phones(asterisk, stack)


def cel(box: AsteriskProcess) -> list[CelEvent]:
    return read_cel(box.settings.cel_file)[0]


@pytest.mark.parametrize("with_app", [False, True])
async def test_emergency_numbers_go_out_with_and_without_an_engine(phones: Phones, with_app: bool) -> None:
    phone = await phones.agent("1001", tone=440)
    async with contextlib.AsyncExitStack() as stack:
        app = await stack.enter_async_context(App(phones.box)) if with_app else None
        for number in phones.box.settings.emergency_numbers:
            call = await phone.call(number)
            await phone.expect("answered", within=3.0)
            await phone.until_hears(440)  # the line echoes
            await phone.hang_up(call)
            await phone.expect("ended")
        assert app is None or app.of("StasisStart") == []
    marks = [event.extra for event in cel(phones.box) if event.mark == "RINGSIDE_EMERGENCY"]
    assert marks[-4:] == ["110", "119", "112", "120"]


async def test_echo_needs_no_engine(phones: Phones) -> None:
    phone = await phones.agent("1001", tone=660)
    await phone.call("*43")
    await phone.expect("answered")
    await phone.until_hears(660)


@pytest.mark.parametrize("to", ["110", "1001", "*43", "s", "h", "84", "fallback", "0912345678"])
async def test_the_outside_reaches_entry_numbers_only(phones: Phones, to: str) -> None:
    await phones.agent("1001")
    caller = await phones.outside()
    async with App(phones.box) as app:
        await caller.call(to)
        ended = await caller.expect("ended")
        assert (ended["code"], ended["answered"]) == (404, False)
        assert app.of("StasisStart") == []


async def test_an_outside_caller_cannot_pass_for_an_extension(phones: Phones) -> None:
    await phones.agent("1001")
    liar = await phones.outside("1001")
    await liar.call("*43")
    ended = await liar.expect("ended")
    assert (ended["code"], ended["answered"]) in {(401, False), (403, False)}


async def test_what_an_agent_dials_comes_to_the_app(phones: Phones) -> None:
    phone = await phones.agent("1001")
    async with App(phones.box) as app:
        await phone.call("0912345678")
        (start,) = await app.starts(1)
        assert start["args"] == ["dial", "0912345678"]
        assert start["channel"]["caller"]["number"] == "1001"


@pytest.mark.parametrize(
    ("to", "dialled"),
    [
        ("1,2", "12"),
        ("1%2C100%2Cz", "1100"),
        ("1$%7BSHELL(id)%7D", "1"),
        ("1%29%7D$%7BEPOCH%7D", "1"),
        ("1&PJSIP%2F1002", "11002"),
        ("9" * 60, "9" * 24),
        ("*1%5C", "*1"),
    ],
)
async def test_a_hostile_number_is_filtered(phones: Phones, to: str, dialled: str) -> None:
    phone = await phones.agent("1001")
    async with App(phones.box) as app:
        await phone.call(f"sip:{to}@{phones.server}")
        (start,) = await app.starts(1)
        assert start["args"] == ["dial", dialled]


async def test_without_the_app_extensions_ring_plainly_and_the_rest_is_refused_with_words(phones: Phones) -> None:
    ann, bob = await phones.agent("1001", tone=440), await phones.agent("1002", tone=660)
    await ann.call("1002")
    assert "1001" in (await bob.expect("incoming"))["remote"]
    await bob.answer()
    await asyncio.gather(ann.until_hears(660), bob.until_hears(440))
    await bob.hang_up()
    await ann.expect("ended")
    for number in ("0912345678", "1099", "*99"):
        mark = ann.mark()
        await ann.call(number)
        await ann.expect("media", since=mark)  # the words, as early media
        ended = await ann.expect("ended", within=8.0)
        assert (ended["code"], ended["answered"]) == (404, False)


async def test_an_agent_may_call_an_entry(phones: Phones) -> None:
    phone = await phones.agent("1001")
    async with App(phones.box) as app:
        await phone.call("83")
        (start,) = await app.starts(1)
        assert start["args"] == ["entry", "83"]


async def test_without_agi_and_app_the_fallback_serves_and_the_log_tells(phones: Phones) -> None:
    agent = await phones.agent("1001", tone=660)
    async with Ami(phones.box.settings) as ami:
        await FallbackMembers(ami).set({"seat-ann": "1001"})
    caller = await phones.outside(tone=440)
    began = time.time()
    await caller.call("82")
    await agent.expect("incoming", within=3.0)
    await agent.answer()
    await asyncio.gather(caller.until_hears(660), agent.until_hears(440))
    await caller.hang_up()
    await agent.expect("ended")

    def told() -> FallbackCall | None:
        calls = [call for call in fallback_calls(cel(phones.box)) if call.entered_at / 1e6 > began]
        return calls[0] if calls and calls[0].ended_at else None

    call = await soon(told, "the log tells")
    assert (call.entry, call.seat, call.number) == ("82", "seat-ann", "0912345678")
    assert began * 1e6 < call.entered_at < call.answered_at < call.ended_at < time.time() * 1e6
    assert call.answered_at % 1_000_000  # with fractions of a second


async def test_every_two_party_bridge_is_softmix(phones: Phones) -> None:
    ann, bob = await phones.agent("1001"), await phones.agent("1002")
    await ann.call("1002")
    await bob.expect("incoming")
    await bob.answer()
    await ann.expect("answered")
    async with Ami(phones.box.settings) as ami:
        bridges = await soon(ami.bridges, "a bridge")
    assert [row.get("BridgeTechnology") for row in bridges] == ["softmix"]


@dataclass
class Talk:
    """Two phones of ours in a call."""

    box: AsteriskProcess
    ann: PhoneProcess
    bob: PhoneProcess
    ann_call: int
    bob_call: int

    async def goes_on(self) -> None:
        """Both hear each other, and there is nobody else."""
        await asyncio.gather(
            self.ann.until_hears(660, call=self.ann_call), self.bob.until_hears(440, call=self.bob_call)
        )
        assert self.box.channel_count() == 2


async def talk(phones: Phones, to: str) -> Talk:
    """1001 dials, 1002 answers."""
    ann, bob = await phones.agent("1001", tone=440), await phones.agent("1002", tone=660)
    ann_call = await ann.call(to)
    ring = await bob.expect("incoming")
    await bob.answer(ring.call)
    await ann.expect("answered")
    here = Talk(phones.box, ann, bob, ann_call, ring.call)
    await here.goes_on()
    return here


async def transfers_in_vain(phone: PhoneProcess, to: str, call: int) -> None:
    """The phone is told 100 and nothing more: it keeps its call and waits for a word that nobody gives."""
    mark = phone.mark()
    await phone.transfer(to, call)
    await phone.expect("transfer", since=mark, code=100)
    with pytest.raises(NotSaid):
        await phone.expect("transfer", since=mark, within=1.0, where=lambda said: said["code"] >= 200)
    assert [said for said in phone.history[mark:] if said.event == "ended"] == []


async def test_a_phone_cannot_transfer_behind_our_back_while_the_app_is_away(phones: Phones) -> None:
    here = await talk(phones, "1002")
    for phone, call in ((here.bob, here.bob_call), (here.ann, here.ann_call)):
        await transfers_in_vain(phone, "*43", call)
        await here.goes_on()
    # With Replaces, to a second call of the same phone.
    cho = await phones.agent("1003", tone=880)
    second = await here.bob.call("1003")
    ring = await cho.expect("incoming")
    await cho.answer(ring.call)
    await here.bob.expect("answered", call=second)
    mark = here.bob.mark()
    await here.bob.do("join", other=second, call=here.bob_call)
    with pytest.raises(NotSaid):
        await here.bob.expect("transfer", since=mark, within=1.0, where=lambda said: said["code"] >= 200)
    assert here.box.channel_count() == 4
    await asyncio.gather(here.ann.until_hears(660), cho.until_hears(660))


async def test_a_member_of_the_fallback_cannot_transfer(phones: Phones) -> None:
    async with Ami(phones.box.settings) as ami:
        await FallbackMembers(ami).set({"seat-bob": "1002"})
    try:
        here = await talk(phones, "82")
        await transfers_in_vain(here.bob, "*43", here.bob_call)
        await here.goes_on()
    finally:
        async with Ami(phones.box.settings) as ami:
            await FallbackMembers(ami).set({})


async def leg_to(box: AsteriskProcess, app: App, number: str, variables: Mapping[str, str]) -> str:
    """A channel of ours to a phone, dialled."""
    call, leg = http_call(box.settings), f"leg-{secrets.token_hex(4)}"
    where = f"channels/create?endpoint=PJSIP/{number}&app=ringside&channelId={leg}"
    assert (await call("POST", where, {"variables": dict(variables)}))[0] == 200
    await soon(lambda: [e for e in app.of("StasisStart") if e["channel"]["id"] == leg], "the channel is the app's")
    assert (await call("POST", f"channels/{leg}/dial", None))[0] == 204
    return leg


async def test_a_phones_transfer_is_told_to_the_app_and_nothing_moves(phones: Phones) -> None:
    box = phones.box
    call = http_call(box.settings)
    ann, bob = await phones.agent("1001", tone=440), await phones.agent("1002", tone=660)
    async with App(box) as app:
        ann_call = await ann.call("0912345678")
        (start,) = await app.starts(1)
        first = start["channel"]["id"]
        await call("POST", f"channels/{first}/answer", None)
        leg = await leg_to(box, app, "1002", PHONE_LEG)
        ring = await bob.expect("incoming")
        await bob.answer(ring.call)
        await bob.expect("answered")
        await call("POST", "bridges?type=mixing&bridgeId=m", None)
        await call("POST", f"bridges/m/addChannel?channel={first},{leg}", None)
        here = Talk(box, ann, bob, ann_call, ring.call)
        await here.goes_on()
        asked = [(bob, ring.call, leg), (ann, ann_call, first)]
        for phone, number, channel in asked:
            before = len(app.events)
            await phone.transfer("*43", number)

            def told(channel: str = channel) -> list[dict[str, Any]]:
                events = app.of("ChannelTransfer")
                return [e for e in events if e["referred_by"]["source_channel"]["id"] == channel]

            (event, *_) = await soon(told, "the app is told")
            assert event["refer_to"]["requested_destination"]["destination"] == "*43"
            await here.goes_on()
            await call("POST", f"channels/{channel}/transfer_progress?states=channel_declined", None)
            await phone.expect("transfer", where=lambda said: said["code"] == 603)
            await here.goes_on()
            moved = {"StasisStart", "StasisEnd", "ChannelLeftBridge", "BridgeBlindTransfer", "ChannelDestroyed"}
            assert moved.isdisjoint(event["type"] for event in app.events[before:])


async def test_a_phones_channel_made_without_the_rule_finds_no_target(phones: Phones) -> None:
    """The guard: should one of ours be created without PHONE_LEG, Asterisk's own handling is refused."""
    box = phones.box
    call = http_call(box.settings)
    ann, bob = await phones.agent("1001", tone=440), await phones.agent("1002", tone=660)
    await phones.agent("1003")
    async with App(box) as app:
        ann_call = await ann.call("0912345678")
        (start,) = await app.starts(1)
        first = start["channel"]["id"]
        await call("POST", f"channels/{first}/answer", None)
        leg = await leg_to(box, app, "1002", {})
        ring = await bob.expect("incoming")
        await bob.answer(ring.call)
        await bob.expect("answered")
        await call("POST", "bridges?type=mixing&bridgeId=m2", None)
        await call("POST", f"bridges/m2/addChannel?channel={first},{leg}", None)
        here = Talk(box, ann, bob, ann_call, ring.call)
        await here.goes_on()
        for to in ("*43", "1003", "81", "110", "0912345678", "s", "external_replaces"):
            mark = bob.mark()
            await bob.transfer(to, ring.call)
            told = await bob.expect("transfer", since=mark, where=lambda said: said["code"] >= 300)
            assert told["code"] == 404
        await here.goes_on()
        assert app.of("ChannelTransfer") == []


async def test_a_channel_we_create_never_runs_the_dialplan(phones: Phones) -> None:
    box = phones.box
    call = http_call(box.settings)
    bob = await phones.agent("1002", tone=660)
    async with App(box) as app:
        leg = await leg_to(box, app, "1002", PHONE_LEG)
        ring = await bob.expect("incoming")
        await bob.answer(ring.call)
        await bob.expect("answered")
        await call("POST", f"channels/{leg}/continue", None)
        await bob.expect("ended", call=ring.call)
        await soon(lambda: box.channel_count() == 0, "nothing is left")
    ran = [event for event in cel(box) if event.leg == leg and event.app not in ("", "Stasis", "AppDial2")]
    assert ran == []


async def test_a_short_code_rings_with_and_without_the_app(asterisk_root: Path) -> None:
    with running_asterisk(asterisk_root, short_codes=(("*7", "1002"), ("7", "1002"), ("1002", "1003"))) as box:
        async with contextlib.AsyncExitStack() as stack:
            phones = Phones(box, stack)
            ann, bob = await phones.agent("1001"), await phones.agent("1002")
            for code in ("*7", "7"):
                mark = bob.mark()
                call = await ann.call(code)
                await bob.expect("incoming", since=mark)
                await ann.hang_up(call)
                await bob.expect("ended", since=mark)
            async with App(box) as app:
                await ann.call("*7")
                (start,) = await app.starts(1)
                assert start["args"] == ["dial", "1002"]


async def test_an_app_that_comes_back_in_time_gets_the_caller(asterisk_root: Path) -> None:
    with running_asterisk(asterisk_root, app_away_s=3) as box:
        server = f"{box.settings.sip_host}:{box.settings.sip_port}"
        async with await PhoneProcess.start("0912345678", server=server, register=False) as caller:
            await caller.call("81")
            await caller.expect("ringing")  # he hears that something goes on
            async with App(box) as app:
                (start,) = await app.starts(1)
                assert start["args"] == ["entry", "81"]
        assert [event for event in cel(box) if event.mark == "RINGSIDE_FALLBACK"] == []


async def test_the_music_of_the_settings_is_heard_while_waiting(asterisk_root: Path, tmp_path: Path) -> None:
    write_tones(tmp_path / "music.wav", [(1540, 3000)])
    with running_asterisk(asterisk_root, music_dir=str(tmp_path), app_away_s=0) as box:
        server = f"{box.settings.sip_host}:{box.settings.sip_port}"
        async with await PhoneProcess.start("0912345678", server=server, register=False) as caller:
            await caller.call("81")  # nobody is a member of the fall-back
            await caller.expect("answered")
            await caller.until_hears(1540)


async def test_a_carriers_line_reaches_entries_and_takes_emergency_calls(asterisk_root: Path) -> None:
    """The carrier is another loopback address: it is known by it, whatever number its callers bear."""
    port = free_port()
    with running_asterisk(asterisk_root, trunks=(Trunk("carrier", f"127.0.0.9:{port}"),)) as box:
        async with contextlib.AsyncExitStack() as stack:
            phones = Phones(box, stack)
            agent = await phones.agent("1001", tone=440)
            carrier = await PhoneProcess.start(
                "1001", server=phones.server, register=False, address="127.0.0.9", local_port=port, tone=660
            )
            await stack.enter_async_context(carrier)
            async with App(box) as app:
                call = await carrier.call("81")
                (start,) = await app.starts(1)
                assert start["args"] == ["entry", "81"]
                assert start["channel"]["name"].startswith("PJSIP/carrier-")
                await carrier.hang_up(call)
                await carrier.expect("ended")
                call = await carrier.call("*43")
                assert (await carrier.expect("ended"))["code"] == 404
            await agent.call("119")
            assert "119@127.0.0.9" in (await carrier.expect("incoming"))["to"]
            await carrier.answer()
            await asyncio.gather(agent.until_hears(660), carrier.until_hears(440))
