"""A directory that changes while `ringside up` runs: lines, entry numbers, short codes, prompts and phones follow on
the Asterisk that is there, without a restart."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from acd.core import facts as f
from api.bootstrap import asterisk_of, sounds_folder
from tests.support.sipua import SipUa
from tests.support.system import System, entry, queue, seat

pytestmark = [pytest.mark.asterisk, pytest.mark.slow]


@pytest.fixture
def system() -> Iterator[System]:
    """A small center in a short folder: Asterisk's control socket allows 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="rs-"))
    made = System(folder)
    made.configure([queue("sales")], [seat("amy", "8001", "sales")], [entry("81", "sales")])
    yield made
    made.stop()
    shutil.rmtree(folder)


async def _register(system: System) -> None:
    phone = await SipUa.open(system.settings.sip_port, lambda _call: None)
    try:
        assert await phone.register("8001", system.password("8001")) == 200
    finally:
        phone.close()


def _phone(system: System) -> Any:
    return next(one["phone"] for one in system.api("GET", "/extensions") if one["number"] == "8001")


def _is_seen_to_be_dead(system: System) -> None:
    """Nobody answers at the carrier's address: the API, the command and the doctor say so."""

    def dead() -> Any:
        return next((line for line in system.api("GET", "/lines") if line["answers"] is False), None)

    seen = system.until(dead, "the line is seen to be dead", 15)
    assert (seen["id"], seen["usable"], seen["registered"], seen["calls"], seen["cap"]) == (
        "carrier",
        False,
        None,
        0,
        2,
    )
    assert json.loads(system.command("lines", "--json"))[0]["say"] == seen["say"] == "Unreachable"
    told = json.loads(system.command("doctor", "--no-call", "--json"))
    assert [row["mark"] for row in told if row["check"] == "line"] == ["warning"]


def test_what_is_applied_is_in_asterisk_within_seconds_and_calls_go_on(system: System, tmp_path: Path) -> None:
    with system.running():
        asterisk = asterisk_of(system.settings)
        pid = asterisk.pid
        given = json.loads(system.command("config", "export"))
        given["trunks"] = [
            {
                "id": "carrier",
                "name": "電信",
                "address": "127.0.0.9:5999",
                "username": "u",
                "password": "s3;cret",
                "cap": 2,
                "qualify_s": 1,
            }
        ]
        given["codes"] = [{"id": "9", "name": "外線", "trunk": "carrier", "default": True}]
        given["entries"].append({"id": "84", "name": "八四", "queue": "sales"})
        given["extensions"][0]["short_code"] = "71"
        file = tmp_path / "directory.json"
        file.write_text(json.dumps(given))
        system.command("config", "apply", str(file))
        system.until(lambda: "carrier" in asterisk.cli("pjsip show endpoints"), "the line", 30)
        system.until(lambda: "84" in asterisk.cli("dialplan show entries"), "the entry number", 30)
        assert system.wait(f.TrunkChanged, limit_s=10).trunk.cap == 2
        _is_seen_to_be_dead(system)
        soundfile.write(tmp_path / "welcome.wav", [0.3, -0.3] * 8000, 16_000)
        plays = system.command("prompt", "add", str(tmp_path / "welcome.wav")).strip()
        placed = sounds_folder(system.settings) / f"{plays}.wav"
        system.until(placed.exists, "the prompt", 30)
        assert _phone(system) is None
        asyncio.run(_register(system))
        shown = system.until(lambda: _phone(system), "the phone's state")
        assert (shown["registered"], shown["address"].split(":")[0]) == (True, "127.0.0.1")
        assert asterisk_of(system.settings).pid == pid
