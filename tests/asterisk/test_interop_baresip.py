"""Another maker's phone (baresip) as an agent's: what desks and colleagues see of it; Opus is recorded whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio

from acd.core import facts as f
from acd.core.model import SECOND, OfferResult, Outcome, Party, Target, TargetKind
from acd.core.shapes import Shape
from softphone import tones
from softphone.process import PhoneProcess
from tests.support.baresip import Baresip, baresip
from tests.support.floor import Floor, floor, loudness, sides
from tests.support.stretches import stretch, voices_in
from tests.support.system import System, entry, queue, seat

pytestmark = [pytest.mark.asyncio, pytest.mark.softphone]

VOICES = CALLER, ANN, BOB = 880, 1540, 1980
ENTRY, ANNS, BOBS = "3001", "8001", "8002"
LENGTH_SLACK_S = 1.0
"""Asterisk writes a recording in blocks of a second (reference/shapes.md §1)."""
MUSIC_LOUD = 0.004
"""RMS of music, at least; a silent line is under 0.001."""


@pytest.fixture(scope="module")
def center(asterisk_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Ann and bob serve one queue."""
    system = System(tmp_path_factory.mktemp("interop"), asterisk_root=str(asterisk_root))
    queues = [queue("q", ring_time=20 * SECOND, decline_back_off=SECOND, wrap_up=None)]
    system.configure(queues, [seat("ann", ANNS, "q"), seat("bob", BOBS, "q")], [entry(ENTRY, "q")])
    with system.running():
        yield system


@pytest_asyncio.fixture
async def here(center: System, tmp_path: Path) -> AsyncIterator[Floor]:
    """Afterwards nothing is open and nothing needed repair."""
    repairs = dict(center.state.repairs)
    async with floor(center, tmp_path) as made:
        yield made
        await made.leave()
        await made.empty()
    assert center.state.repairs == repairs


def phone_of_ann(here: Floor, password: str, *codecs: str) -> AbstractAsyncContextManager[Baresip]:
    folder = here.folder / "ann"
    return baresip(ANNS, server=here.server, password=password, tone=ANN, folder=folder, codecs=codecs or ("PCMU",))


@pytest_asyncio.fixture
async def ann(here: Floor) -> AsyncIterator[Baresip]:
    """Her phone is baresip with G.711; she is Ready."""
    password = await asyncio.to_thread(here.system.password, ANNS)
    async with phone_of_ann(here, password) as phone:
        await here.until(lambda: here.seat("ann").reachable, "ann's phone is known")
        await here.ready("ann")
        yield phone


async def colleague(here: Floor) -> PhoneProcess:
    """Bob with a phone of ours (G.711): signed in and not Ready, so that only transfers reach him."""
    bob = await here.agent("bob", BOB, ready=False)
    await here.api("POST", "/seats/bob/sign-in", {})
    return bob


async def connect(here: Floor, ann: Baresip) -> tuple[PhoneProcess, str]:
    """Somebody calls, ann's phone rings for the queue's offer, she takes it, both hear each other."""
    caller = await here.caller(CALLER)
    await caller.call(ENTRY)
    await ann.expect("CALL_INCOMING")
    await ann.answer()
    item = (await here.fact(f.Accepted, seat="ann")).item
    await asyncio.gather(caller.until_hears(ANN), ann.until_hears(CALLER))
    return caller, item


async def shape(here: Floor, item: str, shape: Shape, how: str) -> f.Recorded:
    """The change of shape, made at the phone."""
    told = await here.record(f.ShapeChanged, item=item, shape=shape, how=how)
    assert told.via == "phone"
    return told


async def hears_music(here: Floor, caller: PhoneProcess) -> None:
    """Something is played to him, and it is nobody's voice."""

    async def music() -> bool:
        heard = await caller.do("hears")
        return not heard["tones"] and float(heard["loudness"]) > MUSIC_LOUD

    await here.until_told(music, "the caller hears music")


async def test_a_wrong_password_is_refused(here: Floor) -> None:
    with pytest.raises(AssertionError, match="401 Unauthorized"):
        async with phone_of_ann(here, "not-the-password"):
            pytest.fail("registered with a wrong password")
    assert not here.seat("ann").reachable


async def test_it_is_rung_holds_with_music_resumes_and_the_caller_hangs_up(here: Floor, ann: Baresip) -> None:
    caller, item = await connect(here, ann)
    await ann.hold()
    await shape(here, item, Shape.HELD, "hold")
    await hears_music(here, caller)
    await ann.resume()
    await shape(here, item, Shape.TALK, "resume")
    await asyncio.gather(caller.until_hears(ANN), ann.until_hears(CALLER))
    await caller.hang_up()
    await ann.expect("CALL_CLOSED")
    ended = await here.fact(f.Ended, item=item)
    assert (ended.outcome, ended.who) == (Outcome.ANSWERED, Party.CUSTOMER)


async def test_it_declines_and_takes_the_next_and_hangs_up_itself(here: Floor, ann: Baresip) -> None:
    caller = await here.caller(CALLER)
    await caller.call(ENTRY)
    await ann.expect("CALL_INCOMING")
    await ann.hang_up()
    declined = await here.fact(f.OfferEnded, seat="ann")
    assert declined.result is OfferResult.REJECTED
    await ann.expect("CALL_INCOMING")
    await ann.answer()
    await asyncio.gather(caller.until_hears(ANN), ann.until_hears(CALLER))
    await ann.hang_up()
    ended = await here.fact(f.Ended, item=declined.item)
    assert (ended.outcome, ended.who) == (Outcome.ANSWERED, Party.SEAT)
    await caller.expect("ended")


async def test_its_blind_transfer_leads_to_the_colleague(here: Floor, ann: Baresip) -> None:
    bob = await colleague(here)
    caller, item = await connect(here, ann)
    await ann.transfer(BOBS)
    asked = await here.record(f.Invited, item=item)
    assert asked.via == "phone"
    invited = asked.fact
    assert isinstance(invited, f.Invited)
    assert (invited.target, invited.blind, invited.by_seat) == (Target(TargetKind.SEAT, "bob"), True, "ann")
    await ann.expect("CALL_CLOSED")
    await bob.expect("incoming")
    await bob.answer()
    await asyncio.gather(caller.until_hears(BOB), bob.until_hears(CALLER))
    await bob.hang_up()
    assert (await here.fact(f.Ended, item=item)).who is Party.SEAT


# --- Opus ------------------------------------------------------------------------------------------------------------


async def test_an_opus_agent_and_a_ulaw_caller_are_recorded_whole(here: Floor) -> None:
    password = await asyncio.to_thread(here.system.password, ANNS)
    bob = await colleague(here)
    async with phone_of_ann(here, password, "opus") as ann:
        await here.until(lambda: here.seat("ann").reachable, "ann's phone is known")
        await here.ready("ann")
        caller, item = await connect(here, ann)
        began = await here.record(f.RecordingBegan, item=item)
        await here.sounds(caller, 2.5)
        await ann.hold()
        held = await shape(here, item, Shape.HELD, "hold")
        await hears_music(here, caller)
        await here.sounds(caller, 2.5)
        await ann.resume()
        resumed = await shape(here, item, Shape.TALK, "resume")
        await asyncio.gather(caller.until_hears(ANN), ann.until_hears(CALLER))
        await here.sounds(caller, 2.5)
        await ann.transfer(BOBS)
        gone = await here.record(f.Invited, item=item)
        await bob.expect("incoming")
        await bob.answer()
        taken = await here.record(f.TookOver, item=item)
        await asyncio.gather(caller.until_hears(BOB), bob.until_hears(CALLER))
        await here.sounds(caller, 2.5)
        await caller.hang_up()
        ended = await here.record(f.Ended, item=item)
        log = (ann.folder / "baresip.log").read_text()
    assert "Set audio decoder: opus 48000Hz 2ch" in log
    recording = began.fact
    assert isinstance(recording, f.RecordingBegan)
    customer, other = sides(here.system.settings.data_dir / "recordings" / f"{recording.recording}.raw")
    assert abs(len(customer) / tones.RATE - (ended.at - began.at) / 1e6) < LENGTH_SLACK_S
    parts = {
        "talk": (began.at, held.at, {ANN}),
        "hold": (held.at, resumed.at, set[int]()),
        "again": (resumed.at, gone.at, {ANN}),
        "the colleague": (taken.at, ended.at, {BOB}),
    }
    for name, (start, end, voices) in parts.items():
        assert voices_in(stretch(customer, began.at, start, end), VOICES) == {CALLER}, name
        assert voices_in(stretch(other, began.at, start, end), VOICES) == voices, name
    assert loudness(stretch(other, began.at, held.at, resumed.at)) > MUSIC_LOUD


async def test_digits_go_both_ways_with_opus(here: Floor) -> None:
    password = await asyncio.to_thread(here.system.password, ANNS)
    async with phone_of_ann(here, password, "opus") as ann:
        await here.until(lambda: here.seat("ann").reachable, "ann's phone is known")
        await here.ready("ann")
        caller, _ = await connect(here, ann)
        await ann.dtmf("5")
        await caller.expect("dtmf", digit="5")
        await caller.dtmf("7")
        told = await ann.expect("CALL_DTMF_START")
        assert told.data["param"] == "7"
        await caller.hang_up()
        await ann.expect("CALL_CLOSED")
