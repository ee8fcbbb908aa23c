"""Recorders on a manager interface that is away or slow: no call waits for them, and no pause is forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from acd.core.effects import HangUpLeg, PauseRecording, StartRecording, StopRecording, WantedLeg
from acd.core.inputs import RecordingStarted
from cti.conversation import PAUSED
from cti.legs import Role
from cti.recorders import LOOKED_AT
from tests.support.fakeari import Side, side


def want(leg: str = "c1", *, paused: bool = False, recorded: bool = True) -> WantedLeg:
    return WantedLeg(leg, "customer", "talking", "i1", "i1", recording="i1-r", recorded=recorded, paused=paused)


async def recorded(s: Side) -> None:
    s.means.legs.known("c1", Role.CUSTOMER, "i1")
    s.calls.perform([StartRecording("i1", "c1", "i1-r")])
    await s.means.lanes.idle()
    assert s.given == [RecordingStarted("i1", "i1-r")]


@pytest.mark.parametrize("paused", [True, False])
@pytest.mark.asyncio
async def test_a_pause_or_its_end_is_told_as_soon_as_the_manager_interface_is_back(
    tmp_path: Path, paused: bool
) -> None:
    s = side(tmp_path)
    await recorded(s)
    s.calls.perform([PauseRecording("i1", "c1", "i1-r", not paused)])
    await s.means.lanes.idle()
    s.manager.away = True
    s.calls.perform([PauseRecording("i1", "c1", "i1-r", paused)])
    for _ in range(2):
        s.calls.recorders.keep_silence([want(paused=paused)])
        await s.means.lanes.idle()
    assert s.manager.muted.get("c1", False) is not paused
    s.manager.away = False
    s.calls.recorders.keep_silence([want(paused=paused)])
    await s.means.lanes.idle()
    assert s.manager.muted["c1"] is paused
    asked = len(s.manager.asked)
    s.calls.recorders.keep_silence([want(paused=paused)])
    await s.means.lanes.idle()
    assert len(s.manager.asked) == asked  # told once is enough


@pytest.mark.parametrize("paused", [True, False])
@pytest.mark.asyncio
async def test_the_next_engine_tells_the_recorder_what_holds(tmp_path: Path, paused: bool) -> None:
    s = side(tmp_path)
    s.ari.variables["c1", PAUSED] = "1"
    s.means.legs.renew([want(paused=paused)])
    await s.calls.take_up([want(paused=paused)])
    s.calls.recorders.keep_silence([want(paused=paused)])
    await s.means.lanes.idle()
    assert s.manager.muted == {"c1": paused}
    assert bool(s.ari.variables["c1", PAUSED]) is paused


@pytest.mark.asyncio
async def test_a_recorder_that_is_begun_in_a_pause_is_silent(tmp_path: Path) -> None:
    s = side(tmp_path)
    s.means.legs.known("c1", Role.CUSTOMER, "i1")
    s.means.legs.change("c1", paused=True, silenced=True)  # the one before it was
    s.calls.recorders.again(want(paused=True))
    await s.means.lanes.idle()
    assert s.manager.muted == {"c1": True}


@pytest.mark.asyncio
async def test_no_call_waits_for_its_recorder(tmp_path: Path) -> None:
    s = side(tmp_path)
    s.means.legs.known("c1", Role.CUSTOMER, "i1")
    s.manager.gate = asyncio.Event()
    s.calls.perform(
        [StartRecording("i1", "c1", "i1-r"), StopRecording("i1", "c1"), HangUpLeg("c1")],
    )
    async with asyncio.timeout(1.0):
        while "DELETE channels/c1" not in s.ari.asked:
            await asyncio.sleep(0)
    assert [what for what, _ in s.manager.asked] == ["recorders"]
    s.manager.gate.set()
    await s.means.lanes.idle()
    assert [what for what, _ in s.manager.asked] == ["recorders", "record", "stop"]


@pytest.mark.asyncio
async def test_a_message_begins_with_a_tone_and_a_conversation_does_not(tmp_path: Path) -> None:
    s = side(tmp_path)
    await recorded(s)
    assert not [one for one in s.ari.asked if "/play/" in one]
    s.means.legs.known("c2", Role.CUSTOMER, "i2")
    s.calls.perform([StartRecording("i2", "c2", "i2-v")])
    await s.means.lanes.idle()
    assert [one for one in s.ari.asked if "/play/" in one] == ["POST channels/c2/play/i2-v-beep"]


@pytest.mark.asyncio
async def test_an_old_answer_is_no_second_sight_of_a_missing_recorder(tmp_path: Path) -> None:
    """Asked a moment before it began, and the manager interface is slow when it is asked again."""
    s = side(tmp_path)
    assert await s.calls.recorders.running([want()]) == frozenset()
    s.manager.running = {"c1": str(tmp_path / "i1-r")}
    s.manager.gate = asyncio.Event()
    assert await s.calls.recorders.running([want()]) == {"c1"}
    s.manager.gate.set()
    assert await s.calls.recorders.running([want()]) == {"c1"}


@pytest.mark.asyncio
async def test_a_comparison_asks_about_some_recorders_and_in_the_end_about_all(tmp_path: Path) -> None:
    s = side(tmp_path)
    wanted = [want(f"c{number}") for number in range(3 * LOOKED_AT)]
    s.manager.running = {one.leg: str(tmp_path / "i1-r") for one in wanted[1:]}
    for turn in range(1, 4):
        assert "c0" not in await s.calls.recorders.running(wanted)
        assert len(s.manager.asked) == turn * LOOKED_AT
    assert {leg for _, leg in s.manager.asked} >= {one.leg for one in wanted[:-3]}
    s.manager.running["c0"] = str(tmp_path / "i1-r")
    assert await s.calls.recorders.running(wanted) == {one.leg for one in wanted}


@pytest.mark.asyncio
async def test_a_comparison_does_not_wait_for_a_slow_manager_interface(tmp_path: Path) -> None:
    s = side(tmp_path)
    s.manager.gate = asyncio.Event()
    async with asyncio.timeout(2.0):
        assert await s.calls.recorders.running([want()]) == {"c1"}
        assert await s.calls.recorders.running([want()]) == {"c1"}
    assert len(s.manager.asked) == 1  # one question at a time
    s.calls.recorders.close()


@pytest.mark.asyncio
async def test_a_recorder_that_could_not_be_ended_is_none_of_the_next_recording(tmp_path: Path) -> None:
    """The manager interface was away as the message began: it is missing, and begins once it is back."""
    s = side(tmp_path)
    await recorded(s)
    s.manager.away = True
    s.calls.perform([StopRecording("i1", "c1"), StartRecording("i1", "c1", "i1-v")])
    await s.means.lanes.idle()
    s.manager.away = False
    message = replace(want(), doing="voicemail", recording="i1-v")
    assert await s.calls.recorders.running([message]) == frozenset()
    s.calls.recorders.again(message)
    await s.means.lanes.idle()
    assert s.manager.running == {"c1": str(tmp_path / "i1-v")}
    assert await s.calls.recorders.running([message]) == {"c1"}
    asked = len(s.manager.asked)
    s.calls.perform([StartRecording("i1", "c1", "i1-v")])  # again: it goes on
    await s.means.lanes.idle()
    assert {what for what, _ in s.manager.asked[asked:]} == {"recorders"}
