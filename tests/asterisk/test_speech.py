"""What callers hear while they wait, on a real Asterisk with real sound: music, words, music again; and messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from acd.core import facts as f
from acd.core.effects import Announce, AnswerLeg, HangUpLeg, HoldMusic, Join, Play, StartRecording, StopPrompt
from acd.core.inputs import (
    CallEntered,
    LegArrived,
    MediumDefined,
    PartyLeft,
    PromptEnded,
    QueueDefined,
    RecordingStarted,
    SeatSignedIn,
)
from acd.core.model import SECOND, Destination, QueueDef, Speech, Way
from acd.core.reply import Done
from cti.asterisk import AsteriskProcess
from cti.prompts import BEEP, Prompts
from cti.speech import position_words, wait_words
from softphone import tones
from softphone.process import PhoneProcess
from tests.support.asterisk import running_asterisk, soon
from tests.support.center import center, until
from tests.support.led import MESSAGES
from tests.support.switch import PASSWORD, Switch, switch

pytestmark = [pytest.mark.asyncio, pytest.mark.softphone]

CALLER, AGENT, SAID, MUSIC = 440, 660, 880, 1540
TONES = (CALLER, SAID, MUSIC)
ITEM = "item-1"
Samples = NDArray[np.float64]


@pytest.fixture(scope="module")
def box(asterisk_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsteriskProcess]:
    """With music of one tone, and a prompt of another."""
    music = tmp_path_factory.mktemp("music")
    tones.write_tone(music / "music.wav", MUSIC, 60)
    with running_asterisk(asterisk_root, music_dir=str(music)) as made:
        tones.write_tone(made.settings.work / "data/sounds/ringside/said.wav", SAID, 1)
        tones.write_tone(made.settings.work / "data/sounds/ringside/greeting.wav", SAID, 3)
        tones.write_tone(made.settings.work / "data/sounds/ringside/long.wav", SAID, 20)
        yield made


@asynccontextmanager
async def caller(s: Switch, record: Path | None = None) -> AsyncIterator[tuple[PhoneProcess, int, str]]:
    """Somebody whose channel is ours and answered: his phone, the phone's call, the channel."""
    s.core.answers[CallEntered] = s.core.answers[LegArrived] = lambda _: Done(ITEM)
    async with await s.caller(CALLER, TONES, record=record) as phone:
        call = await phone.call("81")
        leg = (await s.input(LegArrived)).leg
        s.perform(AnswerLeg(ITEM, leg))
        await phone.expect("answered", call=call)
        yield phone, call, leg


async def test_everything_a_queue_says_is_there(box: AsteriskProcess) -> None:
    prompts = Prompts(box.settings.work / "data/sounds")
    spoken = [*position_words(1), *position_words(7), *wait_words(1), *wait_words(90 * SECOND), BEEP]
    digits = [f"digits/{name}" for name in (*range(21), 30, 40, 50, 60, 70, 80, 90, "hundred")]
    assert prompts.missing([*spoken, *digits, "ringside/said"]) == ()


async def test_words_come_over_the_music_and_the_music_goes_on(box: AsteriskProcess, tmp_path: Path) -> None:
    file = tmp_path / "heard.wav"
    async with switch(box) as s:
        async with caller(s, file) as (phone, call, leg):
            s.perform(HoldMusic(ITEM, leg, "q"))
            await phone.until_hears(MUSIC, absent=(SAID,), call=call)
            s.perform(Announce(ITEM, leg, 2, 0, "ringside/said", "t-1"))
            s.perform(Announce(ITEM, leg, 2, 0, "ringside/said", "t-1"))  # again: it plays already
            await phone.until_hears(SAID, absent=(MUSIC,), call=call, within=12)
            ended = await s.input(PromptEnded)
            assert (ended.item, ended.token, ended.played) == (ITEM, "t-1", True)
            await phone.until_hears(MUSIC, absent=(SAID,), call=call)
            s.perform(Announce(ITEM, leg, 0, 0, "ringside/said", "t-2"))  # and a second time
            await phone.until_hears(SAID, absent=(MUSIC,), call=call)
            await phone.until_hears(MUSIC, absent=(SAID,), call=call)
            assert (await s.input(PromptEnded, 2)).token == "t-2"
            await phone.hang_up(call)
            await phone.expect("recorded", call=call)
        await s.empty()
    assert len(s.given(PromptEnded)) == 2
    assert await asyncio.to_thread(spoken_seconds, file) > 2.0


def spoken_seconds(file: Path) -> float:
    """How long there was sound that is none of the tones: words."""
    samples, _ = tones.read_wav(file)
    window = 1600
    words = 0
    for at in range(0, len(samples) - window, window):
        piece = samples[at : at + window]
        if np.sqrt(np.mean(piece**2)) > 0.01 and not tones.amplitudes(piece, TONES):
            words += 1
    return words * window / 8000


async def test_who_is_spoken_to_can_be_moved_at_once(box: AsteriskProcess) -> None:
    """A channel that plays cannot be moved, and would hold up every request of the connection: 2.5 s in the lab."""
    async with switch(box) as s, caller(s) as (phone, call, leg):
        s.perform(HoldMusic(ITEM, leg, "q"))
        await phone.until_hears(MUSIC, call=call)
        s.perform(Announce(ITEM, leg, 0, 0, "ringside/long", "t-3"))
        await phone.until_hears(SAID, call=call)
        began = asyncio.get_running_loop().time()
        s.perform(StopPrompt(ITEM, leg, "t-3"), Join(ITEM, leg, "talk-1"))

        async def moved() -> bool:
            rows = await s.ari("GET", "bridges")
            return any(row["bridge_type"] == "mixing" and leg in row["channels"] for row in rows)

        await soon(moved, "he is in the conversation")
        assert asyncio.get_running_loop().time() - began < 0.5
        await phone.until_silent(call)
        s.perform(HangUpLeg(leg))
        await phone.expect("ended", call=call)
        assert s.given(PromptEnded) == []


async def test_what_cannot_be_said_is_told(box: AsteriskProcess) -> None:
    async with switch(box) as s, caller(s) as (phone, call, leg):
        s.perform(HoldMusic(ITEM, leg, "q"))
        s.perform(Announce(ITEM, leg, 0, 0, "", "t-4"))
        s.perform(Announce(ITEM, leg, 0, 0, "../../secret", "t-5"))
        s.perform(Announce(ITEM, leg, 0, 0, "ringside/nowhere", "t-6"))
        await s.input(PromptEnded, 3)
        assert [(ended.token, ended.played) for ended in s.given(PromptEnded)] == [
            ("t-4", False),
            ("t-5", False),
            ("t-6", False),
        ]
        await phone.until_hears(MUSIC, call=call)
        await phone.hang_up(call)
        await s.input(PartyLeft)


async def test_a_message_holds_the_caller_and_neither_prompt_nor_beep(box: AsteriskProcess, tmp_path: Path) -> None:
    file = tmp_path / "heard.wav"
    async with switch(box) as s:
        async with caller(s, file) as (phone, call, leg):
            s.perform(Play(ITEM, leg, "ringside/said", "t-7"))
            await phone.until_hears(SAID, call=call)
            assert (await s.input(PromptEnded)).played
            s.perform(StartRecording(ITEM, leg, f"{ITEM}-v"))
            assert (await s.input(RecordingStarted)).recording == f"{ITEM}-v"
            await asyncio.sleep(2)  # the message
            await phone.hang_up(call)
            await phone.expect("recorded", call=call)
        await s.empty()
        raw = box.settings.recordings / f"{ITEM}-v.raw"
        both = np.frombuffer(await asyncio.to_thread(raw.read_bytes), "<i2").astype(np.float64) / 32768
    said, heard = both[0::2], both[1::2]
    beep = await asyncio.to_thread(loudest_besides_tones, file)
    assert beep, "the caller heard a beep"
    assert 1.5 < len(said) / 8000 < 4
    assert heard_in(said, (*TONES, beep)) == {CALLER}
    assert heard_in(heard, (*TONES, beep)) == set()


def pieces(samples: Samples, length: int = 800) -> list[Samples]:
    """Windows of 0.1 s."""
    return [samples[at : at + length] for at in range(0, len(samples) - length + 1, length)]


def heard_in(samples: Samples, frequencies: Sequence[int]) -> set[int]:
    """Which of them are in any window."""
    return {hz for piece in pieces(samples) for hz in tones.amplitudes(piece, frequencies)}


def loudest_besides_tones(file: Path) -> int:
    """The frequency of the loudest window that holds none of the tones; 0 where all others are silent."""
    samples, _ = tones.read_wav(file)
    rest = [piece for piece in pieces(samples) if not tones.amplitudes(piece, TONES) and np.max(np.abs(piece)) > 0.05]
    if not rest:
        return 0
    loudest = max(rest, key=lambda piece: float(np.sum(piece**2)))
    return int(np.argmax(np.abs(np.fft.rfft(loudest * np.hanning(len(loudest)))))) * 10


# --- with the core -------------------------------------------------------------------------------------------------


async def test_who_waits_is_told_his_place_and_an_agent_may_answer_amid_the_words(box: AsteriskProcess) -> None:
    speech = Speech(first=SECOND, every=60 * SECOND, position=True, wait=False, prompts=("ringside/long",))
    server = f"127.0.0.1:{box.settings.sip_port}"
    more: dict[str, Any] = {"server": server, "listen": True, "tones": (*TONES, AGENT)}
    async with (
        center(box) as c,
        await PhoneProcess.start("8001", password=PASSWORD, tone=AGENT, **more) as amy,
        await PhoneProcess.start("0912345678", register=False, tone=CALLER, **more) as phone,
    ):
        await c.runtime.submit(QueueDefined(QueueDef("q", "Q", ring_time=15 * SECOND, speech=speech)))
        await until(lambda: c.seats.reachable("amy"), "amy's phone")
        call = await phone.call("81")
        await phone.until_hears(MUSIC, absent=(SAID,), call=call)
        told = await c.fact(f.Announced)
        assert told.position == 1
        await phone.until_hears(SAID, absent=(MUSIC,), call=call, within=10)
        await c.runtime.submit(SeatSignedIn("amy"))
        ring = await amy.expect("incoming")
        await phone.until_hears(SAID, call=call)  # the words go on while it rings
        began = asyncio.get_running_loop().time()
        await amy.answer(ring.call)
        await c.fact(f.MediaUp)
        assert asyncio.get_running_loop().time() - began < 2
        await phone.until_hears(AGENT, absent=(SAID, MUSIC), call=call)
        await amy.until_hears(CALLER, absent=(SAID, MUSIC), call=ring.call)
        await phone.hang_up(call)
        await c.fact(f.Ended)
        await c.empty()
        assert c.repairs() == {}


async def test_who_waited_too_long_leaves_a_message_without_music(box: AsteriskProcess) -> None:
    to = Destination(Way.VOICEMAIL, "q", "ringside/greeting")
    server = f"127.0.0.1:{box.settings.sip_port}"
    async with (
        center(box) as c,
        await PhoneProcess.start(
            "0912345678", server=server, register=False, tone=CALLER, listen=True, tones=TONES
        ) as phone,
    ):
        await c.runtime.submit(MediumDefined(MESSAGES))
        await c.runtime.submit(QueueDefined(QueueDef("q", "Q", max_wait=2 * SECOND, overflow=to)))
        call = await phone.call("81")
        await phone.until_hears(MUSIC, call=call)
        await phone.until_hears(SAID, absent=(MUSIC,), call=call)
        listened = await c.fact(f.VoicemailListened)
        await phone.until_silent(call)
        await asyncio.sleep(1.5)  # the message
        assert await phone.hears(call) == {}
        await phone.hang_up(call)
        left = await c.fact(f.VoicemailLeft)
        assert left.recording == listened.recording
        await c.empty()
        assert c.repairs() == {}
        raw = box.settings.recordings / f"{listened.recording}.raw"
        both = np.frombuffer(await asyncio.to_thread(raw.read_bytes), "<i2").astype(np.float64) / 32768
        assert heard_in(both[0::2], TONES) == {CALLER}
        assert heard_in(both[1::2], TONES) == set()
