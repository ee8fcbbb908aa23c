"""Emergency numbers go out from any phone: not signed in, in the middle of a call, and with Ringside dead."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from acd.core import facts as f
from cti.cel import read_cel
from cti.dialplan import EMERGENCY_MARK
from softphone.process import PhoneProcess
from tests.support.floor import Floor, die, floor
from tests.support.system import System, entry, queue, seat

pytestmark = pytest.mark.asyncio

CALLER, AMY, GUARD = 880, 1540, 1980
DESK = "8099"


async def help_comes(here: Floor, phone: PhoneProcess, guard: PhoneProcess, number: str) -> None:
    """Dial it, be answered at the guard's desk, hear each other, hang up."""
    call = await phone.call(number)
    rings = await guard.expect("incoming")
    await guard.answer(rings.call)
    await asyncio.gather(phone.until_hears(GUARD, call=call), guard.until_hears(AMY, call=rings.call))
    await phone.hang_up(call)
    await guard.expect("ended", call=rings.call)


async def test_help_comes_signed_out_in_a_call_and_without_ringside(tmp_path: Path, asterisk_root: Path) -> None:
    system = System(tmp_path / "system", asterisk_root=str(asterisk_root), emergency_dial=f"PJSIP/{DESK}")
    system.configure([queue("work", wrap_up=None)], [seat("amy", "8001", "work")], [entry("82", "work")])
    with system.running():
        async with floor(system, tmp_path) as here:
            await here.api("POST", "/extensions", {"number": DESK})

            async def made() -> bool:
                told = await here.command("extension", "list", "--json")
                return DESK in told and DESK in {row["resource"] for row in await here.ari("endpoints")}

            await here.until_told(made, "the desk's extension is in Asterisk")
            guard = await here.extension(DESK, GUARD)
            amy = await here.agent("amy", AMY, ready=False)
            await help_comes(here, amy, guard, "119")
            assert not here.seat("amy").signed_in_at

            await here.ready("amy")
            caller = await here.caller(CALLER)
            await caller.call("82")
            talk = (await amy.expect("incoming")).call
            await amy.answer(talk)
            await asyncio.gather(caller.until_hears(AMY), amy.until_hears(CALLER, call=talk))
            await help_comes(here, amy, guard, "110")
            await asyncio.gather(caller.until_hears(AMY), amy.until_hears(CALLER, call=talk))
            await caller.hang_up()
            await here.fact(f.Ended)

            die(system)
            await help_comes(here, amy, guard, "112")
            marks = [one.extra for one in read_cel(here.asterisk.cel_file)[0] if one.mark == EMERGENCY_MARK]
            assert marks == ["119", "110", "112"]
