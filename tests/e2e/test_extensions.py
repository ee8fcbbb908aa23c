"""Extensions change hands while calls come in; codes and short codes are dialled. On a system with a carrier."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from acd.core import facts as f
from acd.core.model import DirectKind, SeatState
from softphone.process import PhoneProcess
from tests.support.asterisk import free_port
from tests.support.floor import Floor, floor
from tests.support.sipua import Call, SipUa
from tests.support.system import System, entry, queue, seat

pytestmark = pytest.mark.asyncio

CALLER, MEI, HAO = 880, 1540, 1980
THERE = "127.0.0.9"
"""The carrier's address."""
SHOWN = {"81": "+886277001081", "82": "+886277001082", "83": "+886277001083"}
NUMBER = "0223456789"
REFUSED = 4


@pytest.fixture(scope="module")
def carrier_port() -> int:
    return free_port()


def document(port: int) -> dict[str, Any]:
    """A line, the service line's, the sales' and the VIPs' codes for it, and who may call by it."""
    return {
        "trunks": [
            {
                "id": "city",
                "name": "City line",
                "address": f"{THERE}:{port}",
                "qualify_s": 0,
                "shown": "listed",
                "listed": list(SHOWN.values()),
                "rules": {"country_code": "886", "sent": "national"},
            }
        ],
        "codes": [
            {"id": code, "name": code, "trunk": "city", "shown": shown, "default": code == "81"}
            for code, shown in SHOWN.items()
        ],
        "extensions": [{"number": "8001", "short_code": "61"}, {"number": "8002"}],
        "dial_classes": [{"id": "national", "name": "Within Taiwan", "allow": ["TW"]}],
    }


@pytest.fixture(scope="module")
def center(asterisk_root: Path, tmp_path_factory: pytest.TempPathFactory, carrier_port: int) -> Iterator[System]:
    """Three licences, two of them used."""
    folder = tmp_path_factory.mktemp("extensions")
    system = System(folder / "system", asterisk_root=str(asterisk_root), phone_seats=3)
    rings = 10_000_000
    queues = [queue("work", wrap_up=None, ring_time=rings)]
    seats = [seat("mei", "8001", "work"), seat("hao", "", "work"), seat("lin", "8002")]
    system.configure(queues, seats, [entry("3100", "work")])
    asked = folder / "center.json"
    asked.write_text(json.dumps(document(carrier_port)))
    system.command("config", "apply", str(asked))
    with system.running():
        yield system


@pytest_asyncio.fixture
async def here(center: System, tmp_path: Path) -> AsyncIterator[Floor]:
    async with floor(center, tmp_path) as made:
        yield made
        await made.leave()
        await made.empty()
    assert center.state.repairs == {}


async def is_served(here: Floor, phone: PhoneProcess, tone: int) -> None:
    """A caller rings this phone and both hear each other."""
    caller = await here.caller(CALLER)
    await caller.call("3100")
    rings = await phone.expect("incoming")
    await phone.answer(rings.call)
    await asyncio.gather(caller.until_hears(tone), phone.until_hears(CALLER, call=rings.call))
    await caller.hang_up()
    await phone.expect("ended", call=rings.call)
    await here.fact(f.Ended, count=len(here.facts(f.Entered)))


@pytest.mark.feature("V5")
async def test_an_extension_is_given_once_capped_by_licences_and_holds_from_the_next_log_in(here: Floor) -> None:
    mei = await here.agent("mei", MEI)
    await is_served(here, mei, MEI)
    assert here.facts(f.Offered)[-1].seat == "mei"

    await here.command("extension", "assign", "8001", "hao", code=REFUSED)
    assert here.seat("hao").profile.extension == ""
    await here.command("extension", "add", "8003", "--kind", "desk")
    await here.command("extension", "add", "8004", code=REFUSED)
    await here.command("extension", "move", "8003", "lin", code=REFUSED)  # a softphone seat gets no desk phone
    listed = json.loads(await here.command("extension", "list", "--json"))
    assert [(one["number"], one["seat"]) for one in listed] == [("8001", "mei"), ("8002", "lin"), ("8003", "")]

    await here.command("extension", "move", "8001", "hao")
    await here.fact(f.PhoneReached, seat="mei", reachable=False)
    await here.until(lambda: here.seat("hao").profile.extension == "8001", "hao has 8001")
    await here.seen("mei", SeatState.UNREACHABLE)
    mark = mei.mark()

    async def signed_off() -> bool:
        listed = json.loads(await here.command("extension", "list", "--json"))
        return next(one["phone"] for one in listed if one["number"] == "8001") is None

    await here.until_told(signed_off, "8001 is signed off")
    assert here.facts(f.PhoneReached, seat="hao", reachable=True) == [], "the old phone is not the new holder's"
    hao = await here.agent("hao", HAO)
    await is_served(here, hao, HAO)
    assert here.facts(f.Offered)[-1].seat == "hao"
    assert mei.said("incoming", since=mark) == []

    await here.command("extension", "assign", "8003", "mei")
    await here.until(lambda: here.seat("mei").profile.extension == "8003", "mei has 8003")
    await here.api("POST", "/seats/hao/sign-out", {})
    desk = await here.agent("mei", MEI)
    await is_served(here, desk, MEI)
    assert here.facts(f.Offered)[-1].seat == "mei"
    assert mei.said("incoming", since=mark) == []


@pytest.mark.feature("V14", "V16")
async def test_a_code_chooses_line_and_number_shown_and_a_short_code_a_colleague(
    here: Floor, carrier_port: int
) -> None:
    calls: list[Call] = []

    def rang(count: int) -> bool:
        return len(calls) >= count

    carrier = await SipUa.open(here.system.settings.sip_port, calls.append, THERE, carrier_port)
    try:
        await here.command("seat", "dial-class", "lin", "national")
        lin = await here.agent("lin", MEI)
        for count, (code, shown) in enumerate(SHOWN.items(), start=1):
            dialled = await lin.call(f"{code}{NUMBER}")
            await here.until(partial(rang, count), f"call no. {count} at the carrier")
            assert calls[-1].user == NUMBER
            assert f"sip:{shown.replace('+886', '0')}@" in calls[-1].headers["from"]
            calls[-1].answer()
            await lin.expect("answered", call=dialled)
            await lin.hang_up(dialled)
            await here.fact(f.Ended, count=count)
    finally:
        carrier.close()

    holder = next(one.profile.id for one in here.system.state.seats.values() if one.profile.extension == "8001")
    other = await here.agent(holder, HAO)
    lin_dials = await lin.call("61")
    rings = await other.expect("incoming")
    await other.answer(rings.call)
    await asyncio.gather(lin.until_hears(HAO, call=lin_dials), other.until_hears(MEI, call=rings.call))
    kinds = {fact.seat: fact.kind for fact in here.facts(f.DirectStarted)}
    assert kinds == {"lin": DirectKind.INTERNAL, holder: DirectKind.INTERNAL}
    await lin.hang_up(lin_dials)
