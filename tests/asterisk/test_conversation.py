"""Conversations on a real Asterisk with real sound: who hears whom in each shape, and that nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from acd.core import effects as e
from acd.core import inputs as i
from acd.core.model import OfferResult
from acd.core.reply import Code, Done, Refused
from acd.core.shapes import Move
from cti.asterisk import AsteriskProcess
from softphone import tones
from tests.support.asterisk import running_asterisk
from tests.support.stage import (
    AMY,
    BOB,
    CUSTOMER,
    EVE,
    MUSIC,
    Stage,
    heard_in,
    seconds_of,
    stage,
)

pytestmark = pytest.mark.softphone


@pytest.fixture(scope="module")
def box(asterisk_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsteriskProcess]:
    """An Asterisk whose music on hold is a tone."""
    music = tmp_path_factory.mktemp("music")
    tones.write_tone(music / "music.wav", MUSIC, 60)
    with running_asterisk(asterisk_root, music_dir=str(music)) as running:
        yield running


async def consult(s: Stage) -> None:
    """The customer on hold, amy with bob."""
    s.do(e.Hold("i1", s.customer))
    await s.fetch("bob", "x1")
    s.do(e.Join("i1", "x1", "o1-b"))
    await s.hear(customer=[MUSIC], amy=[BOB], bob=[AMY])


@pytest.mark.asyncio
async def test_hold_and_resume_twice_each_with_music(box: AsteriskProcess) -> None:
    async with stage(box, "amy") as s:
        await s.talk(recorded=True)
        for music in ("default", "no-such-class"):
            s.do(e.Hold("i1", s.customer, music), e.StartRecording("i1", s.customer, "i1-r"))
            await s.telephony._commands.idle()
            await s.hear(customer=[MUSIC], amy=[])
            s.do(e.Join("i1", s.customer, "o1-b"))
            await s.hear(customer=[AMY], amy=[CUSTOMER])
        assert [name for name in await s.bridges() if name.startswith("hold")] == []
        await s.leave("customer")
        await s.told(i.PartyLeft(s.customer, True, 0, 16))
        await s.over()
        assert s.repairs() == {}
        assert heard_in(s.recording(), 0) == {CUSTOMER}
        assert heard_in(s.recording(), 1) == {AMY, MUSIC}


@pytest.mark.asyncio
async def test_who_waits_or_is_held_keeps_his_place_with_the_rescue_process(box: AsteriskProcess) -> None:
    async with stage(box, "amy") as s:

        async def order() -> str:
            told = await s.ari("GET", f"channels/{s.customer}/variable", variable="RINGSIDE_WAITING")
            return str(told["value"])

        await s.talk()
        assert await order() == ""
        s.do(e.Hold("i1", s.customer))
        await s.hear(customer=[MUSIC])
        assert await order() == ""  # a conversation waits for its agent, not for the rescue
        s.do(e.HoldMusic("i1", s.customer, "q"))
        assert await s.until(order, "he waits in the queue, where he stood")
        await s.hear(customer=[MUSIC])
        s.do(e.Join("i1", s.customer, "o1-b"))
        await s.hear(customer=[AMY], amy=[CUSTOMER])
        assert await order() == ""
        await s.over()


@pytest.mark.asyncio
async def test_consult_swap_merge_split_and_complete(box: AsteriskProcess) -> None:
    async with stage(box, "amy", "bob") as s:
        await s.talk(recorded=True)
        await consult(s)
        await s.told(i.MediaFlowed("i1", "bob"))
        s.do(e.Join("i1", s.customer, "o1-b"), e.Hold("i1", "x1"))  # swap
        await s.hear(customer=[AMY], amy=[CUSTOMER], bob=[MUSIC])
        s.do(e.Join("i1", "x1", "o1-b"))  # merge
        await s.hear(customer=[AMY, BOB], amy=[CUSTOMER, BOB], bob=[CUSTOMER, AMY])
        s.do(e.Hold("i1", s.customer))  # split
        await s.hear(customer=[MUSIC], amy=[BOB], bob=[AMY])
        s.do(e.Join("i1", s.customer, "o1-b"), e.HangUpLeg("o1"))  # complete
        await s.hear(customer=[BOB], bob=[CUSTOMER])
        await asyncio.sleep(1.2)  # sound for the recording
        assert s.repairs() == {}
        await s.over()
        length = seconds_of(s.recording())
        assert heard_in(s.recording(), 1, length - 1.1, length - 0.1) == {BOB}
        assert heard_in(s.recording(), 0, length - 1.1, length - 0.1) == {CUSTOMER}


@pytest.mark.asyncio
async def test_who_is_asked_may_decline_ring_out_and_be_withdrawn(box: AsteriskProcess) -> None:
    async with stage(box, "amy", "bob") as s:
        await s.talk()
        s.do(e.Hold("i1", s.customer))
        await s.hear(amy=[])
        await s.ring("bob", "x1")
        s.do(e.RingBack("o1", True))
        await s["amy"].until_hears(CUSTOMER, call=s.calls["amy"])  # ring-back is 440 + 480 Hz
        await s["bob"].decline(486, s.calls["bob"])
        await s.told(i.OfferRefused("x1", OfferResult.REJECTED, 486, 17))
        s.do(e.RingBack("o1", False))
        await s.hear(amy=[])
        await s.ring("bob", "x2")
        s.do(e.RingBack("o1", True))
        await s["amy"].until_hears(CUSTOMER, call=s.calls["amy"])
        s.do(e.RingBack("o1", False))
        await s.hear(amy=[])
        s.do(e.WithdrawOffer("x2", "bob"))
        await s["bob"].expect("ended", call=s.calls["bob"])
        s.do(e.Join("i1", s.customer, "o1-b"))
        await s.hear(customer=[AMY], amy=[CUSTOMER])
        await s.leave("amy")
        await s.told(i.PartyLeft("o1", True, 0, 16))
        await s.over()
        assert [given for given in s.script.of(i.OfferRefused) if given.offer == "x2"] == []
        assert s.repairs() == {}


@pytest.mark.asyncio
async def test_a_coach_is_heard_by_the_agent_alone(box: AsteriskProcess) -> None:
    async with stage(box, "amy", "bob") as s:
        await s.talk(recorded=True)
        await consult(s)
        s.do(e.Join("i1", s.customer, "o1-b"), e.Coach("i1", "x1", "o1"))
        await s.hear(customer=[AMY], amy=[CUSTOMER, BOB], bob=[CUSTOMER, AMY])
        s.do(e.Coach("i1", "x1", "o1"))  # told twice
        s.do(e.Join("i1", "x1", "o1-b"))  # from coaching to three
        await s.hear(customer=[AMY, BOB], amy=[CUSTOMER, BOB], bob=[CUSTOMER, AMY])
        assert len(await s.bridges()) == 1
        assert len(await s.ari("GET", "channels")) == 3
        s.do(e.Coach("i1", "x1", "o1"))
        await s.hear(customer=[AMY], amy=[CUSTOMER, BOB])
        s.do(e.Hold("i1", "x1"))
        await s.hear(customer=[AMY], amy=[CUSTOMER], bob=[MUSIC])
        s.do(e.Coach("i1", "x1", "o1"))
        await s.hear(customer=[AMY], amy=[CUSTOMER, BOB], bob=[CUSTOMER, AMY])
        await s.leave("bob")
        await s.told(i.PartyLeft("x1", True, 0, 16))

        async def two() -> bool:
            return len(await s.ari("GET", "channels")) == 2 and len(await s.bridges()) == 1

        await s.until(two, "snoop and coaching bridge are gone")
        await s.hear(customer=[AMY], amy=[CUSTOMER])
        await s.over()
        assert s.repairs() == {}
        assert BOB not in heard_in(s.recording(), 0)


@pytest.mark.asyncio
async def test_a_supervisor_listens_whispers_joins_and_leaves(box: AsteriskProcess) -> None:
    async with stage(box, "amy", "eve") as s:
        await s.talk()
        await s.fetch("eve", "w1")
        s.do(e.Join("i1", "w1", "o1-b", muted=True))
        await s.hear(customer=[AMY], amy=[CUSTOMER], eve=[CUSTOMER, AMY])
        s.do(e.Coach("i1", "w1", "o1"))
        await s.hear(customer=[AMY], amy=[CUSTOMER, EVE], eve=[CUSTOMER, AMY])
        s.do(e.Join("i1", "w1", "o1-b"))
        await s.hear(customer=[AMY, EVE], amy=[CUSTOMER, EVE], eve=[CUSTOMER, AMY])
        s.do(e.Join("i1", "w1", "o1-b", muted=True))
        await s.hear(customer=[AMY], amy=[CUSTOMER], eve=[CUSTOMER, AMY])
        s.do(e.HangUpLeg("w1"))
        await s["eve"].expect("ended", call=s.calls["eve"])
        await s.hear(customer=[AMY], amy=[CUSTOMER])
        await s.over()
        assert s.repairs() == {}


@pytest.mark.asyncio
async def test_a_whisper_follows_hold_consult_and_another_ear(box: AsteriskProcess) -> None:
    async with stage(box, "amy", "bob", "eve") as s:
        await s.talk()
        await s.fetch("eve", "w1")
        s.do(e.Coach("i1", "w1", "o1"))
        await s.hear(customer=[AMY], amy=[CUSTOMER, EVE], eve=[CUSTOMER, AMY])
        await s.fetch("bob", "x1")
        s.do(e.Hold("i1", s.customer), e.Join("i1", "x1", "o1-b"))
        await s.hear(customer=[MUSIC], amy=[BOB, EVE], bob=[AMY], eve=[AMY, BOB])
        s.do(e.Join("i1", s.customer, "o1-b"), e.HangUpLeg("o1"), e.Coach("i1", "w1", "x1"))  # complete: bob's ear now
        await s.hear(customer=[BOB], bob=[CUSTOMER, EVE], eve=[CUSTOMER, BOB])
        await s.over()
        assert s.repairs() == {}


@pytest.mark.asyncio
async def test_a_closed_microphone_stays_closed_through_hold_and_three_way(box: AsteriskProcess) -> None:
    async with stage(box, "amy", "bob") as s:
        await s.talk()
        s.do(e.Mute("o1", True))
        await s.hear(customer=[], amy=[CUSTOMER])
        s.do(e.Hold("i1", s.customer))
        await s.hear(customer=[MUSIC], amy=[])
        await s.fetch("bob", "x1")
        s.do(e.Join("i1", "x1", "o1-b"), e.Join("i1", s.customer, "o1-b"), e.Join("i1", "o1", "o1-b"))
        await s.hear(customer=[BOB], amy=[CUSTOMER, BOB], bob=[CUSTOMER])
        s.do(e.Mute("o1", False))
        await s.hear(customer=[AMY, BOB], amy=[CUSTOMER, BOB], bob=[CUSTOMER, AMY])
        await s.over()
        assert s.repairs() == {}


@pytest.mark.asyncio
async def test_a_paused_recording_holds_silence_and_no_digit_reaches_anybody(box: AsteriskProcess) -> None:
    async with stage(box, "amy") as s:
        await s.talk(recorded=True)
        await s["customer"].dtmf("1", s.calls["customer"])
        await s.told(i.DigitPressed(s.customer, "1"))
        await s["amy"].expect("dtmf", digit="1")
        await asyncio.sleep(1.0)  # sound for the recording
        s.do(e.PauseRecording("i1", s.customer, "i1-r", True))
        await s.telephony._commands.idle()
        paused = seconds_of(s.recording())
        await s.hear(customer=[AMY], amy=[CUSTOMER])
        amy = s["amy"].mark()
        await s["customer"].dtmf("4539", s.calls["customer"])
        await asyncio.sleep(2.5)  # the digits' own length, and sound for the recording
        assert s["amy"].said("dtmf", amy) == []
        s.do(e.PauseRecording("i1", s.customer, "i1-r", False))
        await s.telephony._commands.idle()
        await s["customer"].dtmf("2", s.calls["customer"])
        await s.told(i.DigitPressed(s.customer, "2"))
        await s.hear(customer=[AMY], amy=[CUSTOMER])
        await asyncio.sleep(1.0)  # sound for the recording
        await s.over()
        assert [given.digit for given in s.script.of(i.DigitPressed)] == ["1", "2"]
        length = seconds_of(s.recording())
        flush = 1.1  # what is not written yet when the length is read
        middle = (paused + flush + 0.3, paused + flush + 1.0)
        assert length > paused + 3.0  # the time line is kept
        assert heard_in(s.recording(), 0, *middle) == heard_in(s.recording(), 1, *middle) == frozenset()
        assert heard_in(s.recording(), 0, length - 0.9) == {CUSTOMER}
        assert heard_in(s.recording(), 1, length - 0.9) == {AMY}
        assert s.repairs() == {}


@pytest.mark.asyncio
async def test_a_phones_own_hold_button_is_the_desks(box: AsteriskProcess) -> None:
    async with stage(box, "amy") as s:

        def answer(given: i.Input) -> Done | Refused:
            match given:
                case i.MoveMade(move=Move.HOLD):
                    s.do(e.Hold("i1", s.customer))
                case i.MoveMade(move=Move.RESUME):
                    s.do(e.Join("i1", s.customer, "o1-b"))
            return Done()

        s.script.answer = answer
        await s.talk()
        await s["amy"].hold(s.calls["amy"])
        await s.told(i.MoveMade("amy", "i1", Move.HOLD))
        await s.hear(customer=[MUSIC])
        await s["amy"].resume(s.calls["amy"])
        await s.told(i.MoveMade("amy", "i1", Move.RESUME))
        await s.hear(customer=[AMY], amy=[CUSTOMER])
        s.script.answer = lambda given: Refused(Code.BAD_INPUT, "not now") if isinstance(given, i.MoveMade) else Done()
        await s["amy"].hold(s.calls["amy"])
        await s.hear(customer=[MUSIC])  # the core did not take it: the other end has music all the same
        await s["amy"].resume(s.calls["amy"])
        await s.hear(customer=[AMY], amy=[CUSTOMER])
        await s.over()
        assert s.repairs() == {}


@pytest.mark.proof
@pytest.mark.asyncio
async def test_the_recording_holds_both_sides_through_twelve_moves(box: AsteriskProcess) -> None:
    """With two-party bridges of Asterisk's other kinds 9 of 12 moves lost a side (reference/shapes.md)."""
    async with stage(box, "amy", "bob") as s:
        await s.talk(recorded=True)
        await s.fetch("bob", "x1")
        s.do(e.Hold("i1", "x1"))
        ends: list[tuple[float, int]] = []
        for move in range(12):
            away, back, tone, leg = ("o1", "x1", BOB, "bob") if move % 2 == 0 else ("x1", "o1", AMY, "amy")
            s.do(e.Join("i1", back, "o1-b"), e.Hold("i1", away))
            await s.hear(customer=[tone], **{leg: [CUSTOMER]})
            await asyncio.sleep(1.2)  # sound for the recording, and for its buffer of a second
            ends.append((seconds_of(s.recording()), tone))
        await s.over()
        assert s.repairs() == {}
        for end, _ in ends:
            assert heard_in(s.recording(), 0, end - 0.5, end) == {CUSTOMER}, end
        # What is flushed at the n-th look may be up to a second old: the tones must follow one another, none left out.
        order = [
            one for at in range(int(ends[-1][0] * 10)) for one in heard_in(s.recording(), 1, at / 10, at / 10 + 0.25)
        ]
        turns = [one for at, one in enumerate(order) if at == 0 or order[at - 1] != one]
        assert turns[-12:] == [tone for _, tone in ends]
