"""What Asterisk itself keeps of conversations that are over: nothing (docs/adr/0019-bridges-emptied-first.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from acd.core import effects as e
from cti.ami import Ami
from cti.asterisk import AsteriskProcess
from softphone import tones
from tests.support.asterisk import running_asterisk
from tests.support.stage import AMY, BOB, CUSTOMER, MUSIC, Stage, seconds_of, stage

pytestmark = [pytest.mark.asyncio, pytest.mark.softphone]

MOVES = 900
"""When Asterisk was left to throw people out of a bridge itself, 6 to 10 of so many left something behind."""
SHORT_S = 2.0
"""Within that any request is answered; the prompt that plays meanwhile is ten times as long."""
STEP_S, STEPS = 0.0003, 10
"""Between a bridge's end and the next join, so that they meet at every point of one another."""


@pytest.fixture(scope="module")
def box(asterisk_root: Path) -> Iterator[AsteriskProcess]:
    """With a prompt of 20 seconds."""
    with running_asterisk(asterisk_root) as running:
        tones.write_tone(running.settings.work / "data/sounds/ringside/long.wav", MUSIC, 20)
        yield running


def timers(box: AsteriskProcess) -> int:
    """Timers that Asterisk holds: each mixing bridge has one, also one that is not listed any more."""
    held = Path(f"/proc/{box.pid}/fd").iterdir()
    return sum("timerfd" in str(file.readlink()) for file in held)


async def move(s: Stage, legs: tuple[str, ...], old: str, new: str, pause_s: float) -> None:
    """All from one conversation into the next, while the first one ends. The next one's bridge is there before, so that
    the joins wait for nothing; a comparison may find it empty and mend it."""
    await s.ari("POST", "bridges", type="mixing", bridgeId=new, name=new)
    s.do(e.DropBridge(old))
    await asyncio.sleep(pause_s)
    s.do(*(e.Join("i1", leg, new) for leg in legs))
    await s.telephony._commands.idle()


async def test_a_bridge_that_ends_while_its_people_are_moved_leaves_nothing(box: AsteriskProcess) -> None:
    before = timers(box)
    async with stage(box, "amy", "bob") as s:
        await s.talk()
        await s.fetch("bob", "x1")
        s.do(e.Join("i1", "x1", "o1-b"))
        legs = (s.customer, "o1", "x1")
        for k in range(1, MOVES + 1):
            first = k % 3
            await move(s, legs[first:] + legs[:first], f"o{k}-b", f"o{k + 1}-b", k % STEPS * STEP_S)
        await s.hear(customer=[AMY, BOB], amy=[CUSTOMER, BOB], bob=[CUSTOMER, AMY])
        await s.over()
        await s.until(lambda: timers(box) <= before, f"{timers(box) - before} timers left")


@pytest.mark.parametrize("order", ["the bridge first", "the prompt first"])
async def test_a_prompt_after_the_conversation_holds_up_nobody(box: AsteriskProcess, order: str) -> None:
    """The agent transfers to an entry point that speaks. He stands first in the book, as after any hold and resume."""
    async with stage(box, "amy") as s:
        await s.talk()
        s.do(e.Hold("i1", s.customer), e.Join("i1", s.customer, "o1-b"))
        await s.telephony._commands.idle()
        play = e.Play("i1", s.customer, "ringside/long", "t-1")
        last = (e.DropBridge("o1-b"), play) if order == "the bridge first" else (play, e.DropBridge("o1-b"))
        s.do(e.HangUpLeg("o1"), *last)
        async with asyncio.timeout(SHORT_S):
            await s.telephony._commands.idle()
            assert s.customer in {row["id"] for row in await s.ari("GET", "channels")}
        await s.hear(customer=[MUSIC])
        await s.until(lambda: _none_left(s), "the bridge is gone")
        s.do(e.StopPrompt("i1", s.customer, "t-1"))
        await s.over()


async def _none_left(s: Stage) -> bool:
    return not await s.bridges()


async def test_who_plays_when_a_conversation_ended_is_brought_into_none_again(box: AsteriskProcess) -> None:
    """The pause of his recording ends while a prompt plays: no bridge is made for it."""
    async with stage(box, "amy") as s:
        await s.talk(recorded=True)
        s.do(e.PauseRecording("i1", s.customer, "i1-r", True))
        await s.telephony._commands.idle()
        s.do(e.HangUpLeg("o1"), e.DropBridge("o1-b"), e.Play("i1", s.customer, "ringside/long", "t-1"))
        await s.hear(customer=[MUSIC])
        s.do(e.PauseRecording("i1", s.customer, "i1-r", False))
        async with asyncio.timeout(SHORT_S):
            await s.telephony._commands.idle()
        assert await s.bridges() == {}
        s.do(e.StopPrompt("i1", s.customer, "t-1"))
        await s.over()


async def test_a_recorder_that_was_not_ended_does_not_take_the_next_recording(box: AsteriskProcess) -> None:
    async with stage(box, "amy") as s:
        await s.talk(recorded=True)
        s.do(e.StartRecording("i1", s.customer, "i1-next"))
        await s.until(lambda: seconds_of(s.recording("i1-next")) > 0.5, "the next file is written")
        length = seconds_of(s.recording())
        await asyncio.sleep(0.5)
        assert seconds_of(s.recording()) == length
        await s.over()


async def test_a_recorder_goes_on_when_it_is_asked_for_again(box: AsteriskProcess) -> None:
    """From seat to seat, and after a takeover: not a moment is missing, and a pause holds."""
    async with stage(box, "amy") as s, Ami(box.settings) as manager:
        await s.talk(recorded=True)
        await s.telephony._commands.idle()
        listed = await manager.command(f"mixmonitor list {s.customer}")
        assert [line.split("\t")[1] for line in listed if line.startswith("0x")] == [str(s.recording().with_suffix(""))]
        s.do(e.StartRecording("i1", s.customer, "i1-r"))
        await s.telephony._commands.idle()
        assert await manager.command(f"mixmonitor list {s.customer}") == listed
        await s.over()
