"""The same calls with real phones and real sound: a tone each, so that who hears whom is measured, not believed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acd.core import facts as f
from acd.core.inputs import SeatSignedIn
from cti.asterisk import AsteriskProcess
from softphone import tones
from softphone.process import PhoneProcess
from tests.asterisk.conftest import MakeAsterisk
from tests.support.center import PASSWORD, center

pytestmark = pytest.mark.softphone

CALLER, AGENT, MUSIC = 440, 660, 1540


def heard_by(box: AsteriskProcess, number: str, tone: int, **more: Any) -> Awaitable[PhoneProcess]:
    server = f"127.0.0.1:{box.settings.sip_port}"
    return PhoneProcess.start(number, server=server, tone=tone, listen=True, tones=(CALLER, AGENT, MUSIC), **more)


async def tones_of(file: Path, side: int) -> frozenset[int]:
    """Which tones one side of a raw two-sided recording holds."""
    samples = np.frombuffer(await asyncio.to_thread(file.read_bytes), "<i2").astype(np.float64)[side::2] / 32768
    pieces = [samples[at : at + 2400] for at in range(0, len(samples) - 2400, 2400)]
    return frozenset(hz for piece in pieces for hz in tones.amplitudes(piece, (CALLER, AGENT, MUSIC)))


@pytest.mark.asyncio
async def test_menu_music_talk_and_hold_are_heard_and_recorded(make_asterisk: MakeAsterisk, tmp_path: Path) -> None:
    tones.write_tone(tmp_path / "music.wav", MUSIC, 60)
    box = make_asterisk(music_dir=str(tmp_path))
    async with (
        center(box) as c,
        await heard_by(box, "8001", AGENT, password=PASSWORD) as agent,
        await heard_by(box, "0912345678", CALLER, register=False) as caller,
    ):
        call = await caller.call("82")
        await c.fact(f.MenuStarted)
        await caller.dtmf("1", call)
        assert (await c.fact(f.MenuChose)).digit == "1"
        await caller.until_hears(MUSIC, call=call)
        await c.runtime.submit(SeatSignedIn("amy"))
        incoming = await agent.expect("incoming")
        assert incoming["headers"]["X-Ringside-Item"] == c.facts(f.Entered)[0].item
        await agent.answer(incoming.call)
        await c.fact(f.MediaUp)

        async def hear_each_other() -> None:
            await caller.until_hears(AGENT, absent=(MUSIC,), call=call)
            await agent.until_hears(CALLER, absent=(MUSIC,), call=incoming.call)

        await hear_each_other()
        await agent.hold(incoming.call)
        await caller.until_hears(MUSIC, absent=(AGENT,), call=call)
        await agent.resume(incoming.call)
        await hear_each_other()
        await agent.transfer("8002", incoming.call)  # refused: transfers go through the server
        await hear_each_other()
        began = await c.fact(f.RecordingBegan)
        await caller.hang_up(call)
        await c.fact(f.Ended)
        await c.empty()
        assert c.repairs() == {}
        file = box.settings.recordings / f"{began.recording}.raw"
        assert await tones_of(file, 0) == {CALLER}
        assert await tones_of(file, 1) >= {AGENT}
        assert CALLER not in await tones_of(file, 1)
