"""kill -9 of each process, one after the other, with calls in the menu, queued, ringing, talking and in wrap-up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from acd.core import facts as f
from acd.core.model import SECOND, Destination, Menu, MenuOption, Outcome, SeatState, Way, WrapUpEnding, WrapUpRule
from softphone import tones
from softphone.process import PhoneProcess
from tests.support.floor import Floor, floor, longest_gap, sides
from tests.support.system import System, entry, queue, seat

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]

LONG = 120 * SECOND
PROCESSES = ("web", "worker", "rescue", "engine")
SEATS = {"tom": "8001", "rita": "8002", "wendy": "8003", "quinn": "8004"}
AGENT_TONES = {"tom": 1540, "rita": 1760, "wendy": 1980, "quinn": 2200}
CALLER_TONES = {"talking": 880, "ringing": 1100, "wrapped": 1320, "queued": 660, "menu": 440}
GAP_S = 0.1
QUEUED = Destination(Way.QUEUE, "queued")
MENU = Menu("main", "hello-world", (MenuOption("1", QUEUED),), QUEUED, timeout=LONG, tries=1)


async def all_phases(here: Floor) -> tuple[dict[str, PhoneProcess], dict[str, PhoneProcess], dict[str, str]]:
    """One call in each phase: agents by seat, callers by phase, items by phase."""
    agents = {name: await here.agent(name, AGENT_TONES[name]) for name in ("tom", "rita", "wendy")}
    callers: dict[str, PhoneProcess] = {}
    items: dict[str, str] = {}
    for place, (phase, tone) in enumerate(CALLER_TONES.items()):
        callers[phase] = await here.caller(tone, f"09{tone:08}")
        await callers[phase].call(str(81 + place))
        items[phase] = (await here.fact(f.Entered, count=place + 1)).item
    for phase, name in (("talking", "tom"), ("wrapped", "wendy")):
        await agents[name].expect("incoming")
        await agents[name].answer()
        await asyncio.gather(
            callers[phase].until_hears(AGENT_TONES[name]), agents[name].until_hears(CALLER_TONES[phase])
        )
        await here.fact(f.RecordingBegan, item=items[phase])
    await callers["wrapped"].hang_up()
    await here.seen("wendy", SeatState.WRAP_UP)
    await agents["rita"].expect("incoming")
    await here.fact(f.RingStarted, seat="rita")
    await here.fact(f.Queued, queue="queued")
    await here.fact(f.MenuListened, item=items["menu"])
    return agents, callers, items


async def kill_each(here: Floor) -> None:
    """One after the other; each is back before the next goes."""
    for name in PROCESSES:
        killed = here.system.kill(name)
        epochs = len(here.facts(f.EngineTookOver))

        def back(name: str = name, killed: int = killed) -> bool:
            return here.system.pids().get(name, killed) != killed

        await here.until(back, f"{name} is started again", 15)
        if name == "engine":
            await here.fact(f.EngineTookOver, count=epochs + 1, limit_s=15)
        await here.until(here.system.is_ready, "the system is ready again", 20)


async def test_nothing_is_lost_or_doubled_and_who_talks_hears_no_gap(tmp_path: Path, asterisk_root: Path) -> None:
    system = System(tmp_path / "system", asterisk_root=str(asterisk_root))
    by_hand = WrapUpRule(WrapUpEnding.BY_HAND)
    names = ("talking", "ringing", "wrapped", "queued")
    system.configure(
        [queue(name, ring_time=LONG, wrap_up=by_hand if name == "wrapped" else None) for name in names],
        [seat(name, number, served) for (name, number), served in zip(SEATS.items(), names, strict=True)],
        [*(entry(str(81 + place), name) for place, name in enumerate(names)), entry("85", "queued", menu=MENU)],
        menus=(MENU,),
    )
    with system.running():
        async with floor(system, tmp_path) as here:
            agents, callers, items = await all_phases(here)
            (offer,) = [fact.offer for fact in here.facts(f.Offered, seat="rita")]
            await kill_each(here)
            await here.sounds(callers["talking"], 1.0)

            state = system.state
            phases = {phase: state.items[item].phase.value for phase, item in items.items() if item in state.items}
            assert phases == {"talking": "active", "ringing": "offered", "queued": "waiting", "menu": "menu"}
            assert here.seat("wendy").voice.seen is SeatState.WRAP_UP
            assert len(agents["rita"].said("incoming")) == 1
            assert agents["rita"].said("ended") == []

            await agents["rita"].answer()
            await asyncio.gather(callers["ringing"].until_hears(1760), agents["rita"].until_hears(1100))
            assert (await here.fact(f.Accepted, item=items["ringing"])).offer == offer
            await callers["menu"].dtmf("1")
            await here.fact(f.MenuChose, item=items["menu"], digit="1")
            await here.api("POST", "/seats/wendy/wrap-up/end", {"item": items["wrapped"]})
            assert (await here.fact(f.WrapUpLeft, seat="wendy")).how == "by_hand"
            quinn = await here.agent("quinn", AGENT_TONES["quinn"])
            for number, phase in enumerate(("queued", "menu"), 1):
                await quinn.expect("incoming", call=number)
                await quinn.answer()
                await asyncio.gather(callers[phase].until_hears(2200), quinn.until_hears(CALLER_TONES[phase]))
                await callers[phase].hang_up()
                await quinn.expect("ended", call=number)
            await callers["ringing"].hang_up()
            await asyncio.gather(callers["talking"].until_hears(1540), agents["tom"].until_hears(880))
            await callers["talking"].hang_up()
            await asyncio.gather(callers["talking"].expect("recorded"), agents["tom"].expect("recorded"))
            await here.empty()

            ended = {fact.item: fact.outcome for fact in here.facts(f.Ended)}
            assert ended == dict.fromkeys(items.values(), Outcome.ANSWERED)
            assert len(here.facts(f.Ended)) == len(here.facts(f.Entered)) == len(here.facts(f.Accepted)) == len(items)
            assert here.facts(f.OfferEnded) == []
            for item in items.values():
                assert (await here.call(item))["record"]
            records = [one["id"] for one in (await here.api("GET", "/records?limit=200"))["records"]]
            assert sorted(records) == sorted(fact.record for fact in here.facts(f.Entered))
            recording = here.facts(f.RecordingBegan, item=items["talking"])
            own = sides(system.settings.data_dir / "recordings" / f"{recording[0].recording}.raw")

            verdict = here.verdict()
            assert verdict.clean, verdict
            assert verdict.calls == len(items)
    gaps = {
        "caller": longest_gap(tones.read_wav(tmp_path / "caller-3.wav")[0], 1540),
        "agent": longest_gap(tones.read_wav(tmp_path / "tom.wav")[0], 880),
        "our customer side": longest_gap(own[0], 880),
        "our agent side": longest_gap(own[1], 1540),
    }
    assert all(gap <= GAP_S for gap in gaps.values()), gaps
