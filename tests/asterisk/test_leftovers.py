"""What Asterisk itself keeps of conversations that are over: nothing (docs/adr/0019-bridges-emptied-first.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from acd.core import effects as e
from cti.asterisk import AsteriskProcess
from tests.support.asterisk import running_asterisk
from tests.support.stage import AMY, BOB, CUSTOMER, Stage, stage

pytestmark = [pytest.mark.asyncio, pytest.mark.softphone]

MOVES = 900
"""When Asterisk was left to throw people out of a bridge itself, 6 to 10 of so many left something behind."""
STEP_S, STEPS = 0.0003, 10
"""Between a bridge's end and the next join, so that they meet at every point of one another."""


@pytest.fixture(scope="module")
def box(asterisk_root: Path) -> Iterator[AsteriskProcess]:
    with running_asterisk(asterisk_root) as running:
        yield running


def timers(box: AsteriskProcess) -> int:
    """Timers that Asterisk holds: each mixing bridge has one, also one that is not listed any more."""
    held = Path(f"/proc/{box.pid}/fd").iterdir()
    return sum("timerfd" in str(file.readlink()) for file in held)


async def move(s: Stage, legs: tuple[str, ...], old: str, new: str, pause_s: float) -> None:
    """All from one conversation into the next, while the first one ends."""
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
        assert s.repairs() == {}
        await s.until(lambda: timers(box) <= before, f"{timers(box) - before} timers left")
