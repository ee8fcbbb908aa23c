"""A call through a whole Ringside: recorded by Asterisk, kept by the worker, found and heard over the API."""

from __future__ import annotations

import asyncio
import io
import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from acd.core import facts as f
from softphone import tones
from tests.support.floor import floor, tones_in
from tests.support.system import System, entry, queue, seat

CALLER, ANN = 880, 1540

pytestmark = [pytest.mark.softphone, pytest.mark.asyncio]


@pytest.mark.feature("V19")
async def test_a_call_is_recorded_kept_found_and_heard(tmp_path: Path, asterisk_root: Path) -> None:
    system = System(tmp_path / "system", asterisk_root=str(asterisk_root))
    system.configure([queue("work", wrap_up=None)], [seat("ann", "8001", "work")], [entry("82", "work")])
    with system.running():
        async with floor(system, tmp_path) as here:
            ann = await here.agent("ann", ANN)
            caller = await here.caller(CALLER, "0912345678")
            await caller.call("82")
            await ann.expect("incoming", within=10)
            await ann.answer()
            began = await here.fact(f.RecordingBegan)
            await asyncio.gather(caller.until_hears(ANN), ann.until_hears(CALLER))
            await asyncio.sleep(6)  # sound for the recording
            await caller.hang_up()
            await here.fact(f.Ended, item=began.item)

            def stored() -> dict[str, Any]:
                query = "/recordings?number=%2B886912345678&seat=ann&queue=work"
                found = system.api("GET", query)["recordings"]
                return found[0] if found and found[0]["state"] == "stored" else {}

            kept = await here.until(stored, "the recording is stored", 20)
            assert (kept["id"], kept["call"], kept["seats"]) == (began.recording, began.item, ["ann"])
            assert kept["problems"] == []
            assert list(system.settings.raw_dir.glob("*.raw")) == []
            link = system.api("POST", f"/recordings/{kept['id']}/link", {})["url"]

            def play() -> bytes:
                with urllib.request.urlopen(system.url(link), timeout=10) as answer:
                    return bytes(answer.read())

            sound, rate = soundfile.read(io.BytesIO(await asyncio.to_thread(play)), always_2d=True)
            assert rate == tones.RATE
            assert abs(len(sound) / rate - kept["seconds"]) < 0.01
            heard = [set(tones_in(np.ascontiguousarray(side))) for side in sound.T]
            assert heard == [{CALLER}, {ANN}]
            assert json.loads(system.command("recordings", "verify", "--json"))[0]["findings"] == []
            print(kept)
