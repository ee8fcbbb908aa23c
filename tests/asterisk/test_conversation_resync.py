"""Conversations that are not as the engine wants them: healed while it runs, and after it died in every shape."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from acd.core import effects as e
from acd.core import inputs as i
from acd.core.model import OfferResult, Route
from cti.asterisk import AsteriskProcess
from cti.resync import Kind
from softphone import tones
from tests.support.asterisk import running_asterisk
from tests.support.rtpua import RtpUa
from tests.support.stage import (
    AMY,
    BOB,
    CUSTOMER,
    EVE,
    MUSIC,
    Script,
    Stage,
    heard_in,
    seconds_of,
    stage,
    telephone_side,
    with_phones,
)

pytestmark = pytest.mark.softphone

RING_BACK = CUSTOMER
"""Asterisk's ringing sound is 440 + 480 Hz, and 440 is the customer's tone."""

HEALED_WITHIN_S = 5.0
DEAF_AT_MOST_S = 3.0


@pytest.fixture(scope="module")
def box(asterisk_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsteriskProcess]:
    """An Asterisk whose music on hold is a tone."""
    music = tmp_path_factory.mktemp("music")
    tones.write_tone(music / "music.wav", MUSIC, 60)
    with running_asterisk(asterisk_root, music_dir=str(music)) as running:
        yield running


async def healed(s: Stage, kind: Kind, began: float, record: Callable[[str, object], None]) -> None:
    """That kind was counted within the limit, once, and nothing else was."""
    await s.until(lambda: s.repairs().get(kind.value), f"{kind} counted; {s.repairs()}", HEALED_WITHIN_S)
    record(f"healed_{kind.value}", round(time.monotonic() - began, 2))
    await s.telephony._commands.idle()
    await s.telephony.compare()
    await s.telephony.compare()
    assert s.repairs() == {kind.value: 1}


@pytest.mark.asyncio
async def test_a_held_party_who_fell_out_of_his_music(
    box: AsteriskProcess, record_property: Callable[[str, object], None]
) -> None:
    async with stage(box, "amy") as s:
        await s.talk()
        s.do(e.Hold("i1", s.customer))
        await s.hear(customer=[MUSIC])
        (hold,) = [name for name, members in (await s.bridges()).items() if s.customer in members]
        began = time.monotonic()
        await s.ari("POST", f"bridges/{hold}/removeChannel", channel=s.customer)
        await healed(s, Kind.NOT_ON_HOLD, began, record_property)
        await s.hear(customer=[MUSIC], amy=[])
        await s.over()


@pytest.mark.asyncio
async def test_a_caller_whose_answer_was_lost(
    box: AsteriskProcess, record_property: Callable[[str, object], None]
) -> None:
    async with stage(box, "amy") as s:
        began = time.monotonic()
        call = s.calls["customer"] = await s["customer"].call("81")
        answered = s["customer"].expect("answered", within=HEALED_WITHIN_S + 1, call=call)
        await asyncio.gather(answered, healed(s, Kind.NOT_ANSWERED, began, record_property))
        await s.over()


@pytest.mark.asyncio
async def test_a_coach_whose_snoop_is_gone(
    box: AsteriskProcess, record_property: Callable[[str, object], None]
) -> None:
    async with stage(box, "amy", "eve") as s:
        await s.talk()
        await s.fetch("eve", "w1")
        s.do(e.Coach("i1", "w1", "o1"))
        await s.hear(amy=[CUSTOMER, EVE], eve=[CUSTOMER, AMY])
        began = time.monotonic()
        leg = s.telephony.legs.get("w1")
        assert leg is not None
        await s.ari("DELETE", f"channels/{leg.snoop}")
        await healed(s, Kind.NOT_COACHING, began, record_property)
        await s.hear(customer=[AMY], amy=[CUSTOMER, EVE], eve=[CUSTOMER, AMY])
        await s.over()


@pytest.mark.asyncio
async def test_a_snoop_that_nobody_hears_by_goes(box: AsteriskProcess) -> None:
    async with stage(box, "amy") as s:
        await s.talk()
        how = {"app": "ringside", "appArgs": "snoop,w9,o1", "spy": "both", "whisper": "out"}
        await s.ari("POST", "channels/o1/snoop/w9-s1", **how)

        async def gone() -> bool:
            return "w9-s1" not in {row["id"] for row in await s.ari("GET", "channels")}

        await s.until(gone, "the ghost is gone", HEALED_WITHIN_S)
        await s.until(lambda: s.repairs() == {Kind.GHOST_CHANNEL.value: 1}, "counted")
        await s.over()


# --- one-way sound ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def raw_caller(s: Stage) -> AsyncIterator[RtpUa]:
    """The customer as a caller whose packets we make, talking with amy."""
    ua = await RtpUa.calling(s.box.settings.sip_port, CUSTOMER)
    call = ua.call("81", "0912345678")
    try:
        (arrived,) = await s.until(lambda: s.script.of(i.LegArrived), "the customer arrives")
        s.customer = arrived.leg
        s.do(e.AnswerLeg("i1", s.customer))
        await s.fetch("amy", "o1")
        s.do(e.Connect("i1", "amy", s.customer, "o1", "o1-b"))
        await s.hear(amy=[CUSTOMER])
        yield ua
    finally:
        call.hang_up()
        ua.close()
        await ua.stream.close()


async def seen_source(s: Stage, leg: str) -> None:
    """The watch has looked at that leg."""
    await s.until(lambda: leg in s.telephony._sound._seen, "the watch knows the source")


@pytest.mark.parametrize("shift", [-73, -500, -20_000])
@pytest.mark.asyncio
async def test_a_party_whose_source_restarted_is_heard_again_within_three_seconds(
    box: AsteriskProcess, record_property: Callable[[str, object], None], shift: int
) -> None:
    async with stage(box, "amy") as s, raw_caller(s) as ua:
        await seen_source(s, s.customer)
        began = time.monotonic()
        ua.stream.restart(shift)
        await s["amy"].until_silent(s.calls["amy"], within=1.0)  # deaf: without the watch for 1.5 s, 10 s, 7 minutes
        await s["amy"].until_hears(CUSTOMER, call=s.calls["amy"], within=DEAF_AT_MOST_S)
        took = time.monotonic() - began
        assert took <= DEAF_AT_MOST_S
        await s.until(lambda: s.repairs() == {Kind.DEAF_LEG.value: 1}, "counted once")
        record_property(f"healed_{Kind.DEAF_LEG.value}", round(took, 2))
        assert [one.subject for one in s.script.of(i.RepairMade)] == [s.customer]
        await s.telephony._sound.look()
        await s.telephony._sound.look()
        assert s.repairs() == {Kind.DEAF_LEG.value: 1}


@pytest.mark.asyncio
async def test_without_the_watch_he_stays_unheard(box: AsteriskProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above would see if nobody watched: the control."""
    monkeypatch.setattr("cti.sound_watch.SoundWatch.look", lambda _: asyncio.sleep(0))
    async with stage(box, "amy") as s, raw_caller(s) as ua:
        ua.stream.restart(-500)
        await s["amy"].until_silent(s.calls["amy"], within=1.0)
        end = time.monotonic() + DEAF_AT_MOST_S + 1
        while time.monotonic() < end:
            assert CUSTOMER not in await s["amy"].hears(s.calls["amy"])
            await asyncio.sleep(0.1)


# --- after kill -9 of the engine -------------------------------------------------------------------------------------


async def held(s: Stage) -> None:
    s.do(e.Hold("i1", s.customer))
    await s.hear(customer=[MUSIC], amy=[])


async def ringing(s: Stage) -> None:
    await held(s)
    await s.ring("bob", "x1")
    s.do(e.RingBack("o1", True))
    await s.hear(amy=[RING_BACK])


async def consulting(s: Stage) -> None:
    await held(s)
    await s.fetch("bob", "x1")
    s.do(e.Join("i1", "x1", "o1-b"))
    await s.hear(amy=[BOB], bob=[AMY])


async def swapped(s: Stage) -> None:
    await consulting(s)
    s.do(e.Join("i1", s.customer, "o1-b"), e.Hold("i1", "x1"))
    await s.hear(customer=[AMY], bob=[MUSIC])


async def merged(s: Stage) -> None:
    await consulting(s)
    s.do(e.Join("i1", s.customer, "o1-b"))
    await s.hear(customer=[AMY, BOB])


async def coached(s: Stage) -> None:
    await consulting(s)
    s.do(e.Join("i1", s.customer, "o1-b"), e.Coach("i1", "x1", "o1"))
    await s.hear(customer=[AMY], amy=[CUSTOMER, BOB])


async def listened(s: Stage) -> None:
    await s.fetch("eve", "w1")
    s.do(e.Join("i1", "w1", "o1-b", muted=True))
    await s.hear(customer=[AMY], eve=[CUSTOMER, AMY])


async def whispered(s: Stage) -> None:
    await s.fetch("eve", "w1")
    s.do(e.Coach("i1", "w1", "o1"))
    await s.hear(customer=[AMY], amy=[CUSTOMER, EVE], eve=[CUSTOMER, AMY])


async def listening_not_closed(s: Stage) -> None:
    """Heard by all, and asked to listen only: the engine dies before the microphone is closed."""
    await s.fetch("eve", "w1")
    s.do(e.Join("i1", "w1", "o1-b"))
    await s.hear(customer=[AMY, EVE], eve=[CUSTOMER, AMY])
    s.script.wants["w1"] = replace(s.script.wants["w1"], doing="listening")


async def whisper_not_begun(s: Stage) -> None:
    """Listening, and asked to whisper: the engine dies before the move."""
    await s.fetch("eve", "w1")
    s.do(e.Join("i1", "w1", "o1-b", muted=True))
    await s.hear(customer=[AMY], eve=[CUSTOMER, AMY])
    s.script.wants["w1"] = replace(s.script.wants["w1"], doing="coaching", ear="o1")


async def closed_by_wish(s: Stage) -> None:
    """The agent closes the microphone: the engine dies before that."""
    s.script.wants["o1"] = replace(s.script.wants["o1"], muted=True)


async def opened_by_wish(s: Stage) -> None:
    """The agent had closed the microphone and opens it: the engine dies before that."""
    s.do(e.Mute("o1", True))
    await s.hear(customer=[], amy=[CUSTOMER])
    s.script.wants["o1"] = replace(s.script.wants["o1"], muted=False)


async def handed_over(s: Stage) -> None:
    await consulting(s)
    s.do(e.Join("i1", s.customer, "o1-b"), e.HangUpLeg("o1"))
    await s.hear(customer=[BOB], bob=[CUSTOMER])


Shape = Callable[[Stage], Awaitable[None]]
Heard = Mapping[str, Sequence[int]]

SHAPES: list[tuple[str, Sequence[str], Shape, Heard]] = [
    ("held", ("amy",), held, {"customer": [MUSIC], "amy": []}),
    ("ringing", ("amy", "bob"), ringing, {"customer": [MUSIC], "amy": [RING_BACK]}),
    ("consult", ("amy", "bob"), consulting, {"customer": [MUSIC], "amy": [BOB], "bob": [AMY]}),
    ("swapped", ("amy", "bob"), swapped, {"customer": [AMY], "amy": [CUSTOMER], "bob": [MUSIC]}),
    (
        "three_way",
        ("amy", "bob"),
        merged,
        {"customer": [AMY, BOB], "amy": [CUSTOMER, BOB], "bob": [CUSTOMER, AMY]},
    ),
    ("coached", ("amy", "bob"), coached, {"customer": [AMY], "amy": [CUSTOMER, BOB], "bob": [CUSTOMER, AMY]}),
    ("listen", ("amy", "eve"), listened, {"customer": [AMY], "amy": [CUSTOMER], "eve": [CUSTOMER, AMY]}),
    ("whisper", ("amy", "eve"), whispered, {"customer": [AMY], "amy": [CUSTOMER, EVE], "eve": [CUSTOMER, AMY]}),
    ("handed_over", ("amy", "bob"), handed_over, {"customer": [BOB], "bob": [CUSTOMER]}),
]


@asynccontextmanager
async def begun(
    box: AsteriskProcess, names: Sequence[str], shape: Shape
) -> AsyncIterator[tuple[Stage, tuple[set[str], set[frozenset[str]]]]]:
    """That shape, brought about by an engine that has stopped without a word, and where everybody is. What the engine
    knew is in the script."""
    script = Script()
    async with with_phones(box, "customer", *names) as phones:
        async with telephone_side(box, script) as first:
            s = Stage(box, script, first, phones)
            await s.talk()
            await shape(s)
            before = await _places(s)
        try:
            yield s, before
        finally:
            async with telephone_side(box, script) as last:
                last.perform([e.HangUpLeg(leg) for leg in list(script.wants)])
                await last._commands.idle()


@pytest.mark.proof
@pytest.mark.parametrize(("name", "names", "shape", "heard"), SHAPES, ids=[row[0] for row in SHAPES])
@pytest.mark.asyncio
async def test_the_next_engine_finds_every_shape_as_it_is(
    box: AsteriskProcess, name: str, names: Sequence[str], shape: Shape, heard: Heard
) -> None:
    async with begun(box, names, shape) as (s, before), telephone_side(box, s.script) as s.telephony:
        await s.telephony._commands.idle()
        await s.telephony.compare()
        await s.telephony.compare()
        await s.hear(**heard)
        assert await _places(s) == before
        assert s.repairs() == {}
        await s.over()  # it knows all there is to be cleared away


@pytest.mark.parametrize(("name", "names", "shape", "heard"), SHAPES, ids=[row[0] for row in SHAPES])
@pytest.mark.asyncio
async def test_the_next_engine_carries_out_what_the_last_one_had_decided(
    box: AsteriskProcess, name: str, names: Sequence[str], shape: Shape, heard: Heard
) -> None:
    """It died between its decision and Asterisk: everybody is still where he was before."""
    async with begun(box, names, shape) as (s, _):
        async with telephone_side(box, s.script) as s.telephony:
            for row in await s.ari("GET", "bridges"):
                for channel in row["channels"]:
                    await s.ari("POST", f"bridges/{row['id']}/removeChannel", channel=channel)
        async with telephone_side(box, s.script) as s.telephony:
            await s.telephony._commands.idle()
            await s.hear(**heard)
            await s.telephony.compare()
            await s.telephony.compare()
            assert s.repairs() == {}
            await s.over()


LISTENED: Heard = {"customer": [AMY], "amy": [CUSTOMER], "eve": [CUSTOMER, AMY]}
WHISPERED: Heard = {"customer": [AMY], "amy": [CUSTOMER, EVE], "eve": [CUSTOMER, AMY]}


@pytest.mark.parametrize(
    ("names", "shape", "heard"),
    [
        (("amy", "eve"), listening_not_closed, LISTENED),
        (("amy", "eve"), whisper_not_begun, WHISPERED),
        (("amy",), closed_by_wish, {"customer": [], "amy": [CUSTOMER]}),
        (("amy",), opened_by_wish, {"customer": [AMY], "amy": [CUSTOMER]}),
    ],
)
@pytest.mark.asyncio
async def test_the_next_engine_sets_the_microphones_as_decided(
    box: AsteriskProcess, names: Sequence[str], shape: Shape, heard: Heard
) -> None:
    """In the right bridge already, so no place shows that something is left to be done."""
    async with begun(box, names, shape) as (s, _), telephone_side(box, s.script) as s.telephony:
        await s.telephony._commands.idle()
        await s.hear(**heard)
        assert s.repairs() == {}
        await s.over()


async def pause_not_ended(s: Stage) -> None:
    """Recorded, paused, and the end of the pause decided: the engine dies before that."""
    s.do(e.StartRecording("i1", s.customer, "i1-r"))
    await s.told(i.RecordingStarted("i1", "i1-r"))
    s.do(e.PauseRecording("i1", s.customer, "i1-r", True))
    await s.telephony._commands.idle()
    s.script.wants[s.customer] = replace(s.script.wants[s.customer], paused=False, recorded=True)


@pytest.mark.asyncio
async def test_the_next_engine_ends_a_pause(box: AsteriskProcess) -> None:
    async with begun(box, ("amy",), pause_not_ended) as (s, _), telephone_side(box, s.script) as s.telephony:
        await s.telephony.compare()
        await s.telephony._commands.idle()
        amy = s["amy"].mark()
        await s["customer"].dtmf("2", s.calls["customer"])
        await s.told(i.DigitPressed(s.customer, "2"))
        await s.until(lambda: s["amy"].said("dtmf", amy), "the digit reaches the agent")
        await asyncio.sleep(2.5)  # sound for the recording
        await s.over()
        length = seconds_of(s.recording())
        assert heard_in(s.recording(), 0, length - 0.9) == {CUSTOMER}
        assert s.repairs() == {}


async def nothing_more(s: Stage) -> None:
    """As it is."""
    await s.hear(customer=[AMY], amy=[CUSTOMER])


@pytest.mark.asyncio
async def test_a_phone_that_wanted_to_transfer_while_no_engine_was_there_is_told_no(box: AsteriskProcess) -> None:
    async with begun(box, ("amy",), nothing_more) as (s, _):
        call = s.calls["amy"]
        await s["amy"].transfer("8002", call)
        await asyncio.sleep(0.3)  # the wish has reached Asterisk; nothing tells of it
        async with telephone_side(box, s.script) as s.telephony:
            told = await s["amy"].expect("transfer", call=call, final=True, within=6)
            assert told["code"] == 603
            await s.hear(customer=[AMY], amy=[CUSTOMER])
            assert s.repairs() == {}
            await s.over()


async def _places(s: Stage) -> tuple[set[str], set[frozenset[str]]]:
    """Asterisk's channels, and who is together."""
    told = await s.ari("GET", "channels")
    return {row["id"] for row in told}, {frozenset(members) for members in (await s.bridges()).values() if members}


@pytest.mark.asyncio
async def test_a_number_outside_that_is_gone_is_not_dialled_again(box: AsteriskProcess) -> None:
    script = Script()
    route = Route("a1", "main")
    script.wants["x1"] = e.WantedLeg("x1", "other", "ringing", "x1", "i1", bridge="o1-b", route=route)
    script.wants["c9"] = e.WantedLeg("c9", "customer", "talking", "i9", "i9", bridge="o9-b", route=route)
    async with telephone_side(box, script) as telephony:
        assert i.OfferRefused("x1", OfferResult.UNREACHABLE) in script.given
        (left,) = script.of(i.PartyLeft)
        assert (left.leg, left.observed) == ("c9", False)
        await telephony.compare()
        assert await telephony.ari.call("GET", "channels") == []
