"""The commands a person uses on a running system, after calls of each kind."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from acd.core import facts as f
from tests.e2e.scenes import TOOLS
from tests.support.floor import Floor
from tests.support.system import ROOT

pytestmark = pytest.mark.asyncio

CALLER, ANN = 880, 1540


async def two_calls(here: Floor) -> tuple[str, str]:
    """One that is served and one that gives up; their items."""
    lost = await here.caller(CALLER)
    await lost.call(TOOLS.number)
    await here.fact(f.Queued, queue=TOOLS.name)
    await lost.hang_up()
    await here.fact(f.Ended)
    agent, caller = await here.agent(TOOLS.ann, ANN), await here.caller(CALLER)
    await caller.call(TOOLS.number)
    await agent.expect("incoming")
    await agent.answer()
    await asyncio.gather(caller.until_hears(ANN), agent.until_hears(CALLER))
    await caller.hang_up()
    await here.fact(f.Ended, count=2)
    gone, served = [fact.item for fact in here.facts(f.Ended)]
    return gone, served


@pytest.mark.feature("V13")
async def test_every_call_is_listed_with_its_record_or_the_reason(open_floor: Floor) -> None:
    here = open_floor
    gone, served = await two_calls(here)
    await here.call(served)
    listed = {row["call"]: row for row in json.loads(await here.command("calls", "--json", "--limit", "500"))}
    facts = [one.fact for one in here.system.read()]
    entered = {fact.item for fact in facts if isinstance(fact, f.Entered)}
    assert set(listed) == entered | {fact.call for fact in facts if isinstance(fact, f.DirectStarted)}
    for row in listed.values():
        assert bool(row["record"]) != bool(row["no_record"]), row
    assert (listed[served]["outcome"], listed[served]["no_record"]) == ("answered", "")
    assert (listed[gone]["outcome"], listed[gone]["record"]) == ("abandoned_queue", "")


async def test_the_log_agrees_with_asterisk_the_reference_matcher_and_its_own_replay(open_floor: Floor) -> None:
    here = open_floor
    await two_calls(here)
    (report,) = json.loads(await here.command("why", "--all", "--json"))
    offers = sum(isinstance(one.fact, f.Offered) for one in here.system.read())
    assert (report["decisions"], report["equal"], report["differences"]) == (offers, offers, [])

    def replay(seed: str) -> list[dict[str, object]]:
        done = subprocess.run(
            [sys.executable, "-m", "api", "replay", "--check", "--json"],
            cwd=ROOT,
            env=here.system.environment | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        found: list[dict[str, object]] = json.loads(done.stdout)
        return found

    await here.leave()
    await here.empty()
    verdict = here.verdict()
    assert verdict.clean, verdict
    one, other = await asyncio.gather(asyncio.to_thread(replay, "1"), asyncio.to_thread(replay, "4242"))
    assert one == other
    assert {row["from"] for row in one} >= {"log"}
    assert len({row["sha256"] for row in one}) == 1


async def test_the_doctor_hears_its_own_tone(open_floor: Floor) -> None:
    found = {one["check"]: one for one in json.loads(await open_floor.command("doctor", "--json"))}
    marks = {name: one["mark"] for name, one in found.items()}
    assert marks.pop("emergency") == "warning"  # this floor has no line out, and the doctor says so
    assert marks == dict.fromkeys(marks, "ok")
    assert "1100" in found["call"]["say"]
