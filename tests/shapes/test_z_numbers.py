"""The bugs that contact centers really had, each by its number (reference/performance-reliability.md §4.2), on a real
Asterisk with real SIP dialogs. Z14 and Z13 have sound too; what must survive a broken engine is in test_z_faults.py."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from acd.core import facts as f
from acd.core.model import SECOND, SeatState, WrapUpEnding, WrapUpRule
from acd.core.shapes import Shape
from records.fold import Rules, case_id, fold
from records.model import Case
from softphone import tones
from softphone.process import PhoneProcess
from tests.shapes.bank import Bank, bank, later, now
from tests.support.floor import Floor, floor, sides
from tests.support.sipua import Call, SipUa
from tests.support.stretches import stretch, voices_in
from tests.support.system import System, entry, queue, seat
from tests.support.told import told

pytestmark = [pytest.mark.asterisk, pytest.mark.softphone]
module_loop = pytest.mark.asyncio(loop_scope="module")

RING = SECOND
BRIEF = WrapUpRule(WrapUpEnding.TIMER, SECOND)
CROWD: dict[str, int] = {"z01": 4, "z06": 6, "z07": 3, "z09": 2, "z11": 4, "z12": 3}
"""Queue -> how many seats serve it alone."""
SIX = tuple(f"z10-{name}" for name in "abcdef")
OWNER, COLLEAGUE = "z10-owner", "z10-colleague"
SEATS = [
    seat(f"{name}-{n}", f"{81 + place}{n:02}", name)
    for place, (name, count) in enumerate(CROWD.items())
    for n in range(count)
]
SEATS += [seat(OWNER, "8901", *SIX), seat(COLLEAGUE, "8902", *SIX)]
PHONES = {one.id: one.extension for one in SEATS}
SPOKEN = {"z13": ("9101", "9102"), "z14": ("9201", "9202")}
"""Scenes with sound: queue -> the extensions of its agent and his colleague."""
SEATS += [seat(f"{name}-{n}", number, name) for name, pair in SPOKEN.items() for n, number in enumerate(pair)]
NUMBERS = {name: str(7001 + place) for place, name in enumerate((*CROWD, *SIX, *SPOKEN))}
VOICES = CALLER, ANN, BOB = 880, 1540, 1980
IN_FLIGHT_S = 0.15
"""What was decided before the caller's BYE was known may still arrive: a commit, a request and a busy machine."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowd(asterisk_root: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bank]:
    """One system; each test has its own queue and seats."""
    folder = tmp_path_factory.mktemp("z")
    system = System(folder / "system", asterisk_root=str(asterisk_root))
    quick = {"ring_time": RING, "no_answer_back_off": SECOND // 2, "decline_back_off": SECOND // 2}
    queues = [queue(name, wrap_up=None, **quick) for name in CROWD]
    queues += [queue(name, wrap_up=BRIEF, ring_time=10 * SECOND) for name in (*SIX, *SPOKEN)]
    system.configure(queues, SEATS, [entry(number, name) for name, number in NUMBERS.items()])
    try:
        await asyncio.to_thread(system.start)
        async with floor(system, folder) as here, bank(here, PHONES) as made:
            yield made
            await here.empty()
    finally:
        await asyncio.to_thread(system.stop)


def seats_of(name: str) -> list[str]:
    return [f"{name}-{n}" for n in range(CROWD[name])]


async def rounds_of_late_answers(crowd: Bank, rounds: int) -> list[str]:
    """Everybody answers around the moment his ring time is over, when the next one is rung; who was given twice."""
    agents, faults = seats_of("z01"), []
    chance = random.Random(rounds)
    for agent in agents:
        crowd.habit(agent, lambda call: later(chance.uniform(0.9, 1.1) * RING / SECOND, call.answer))
    for _ in range(rounds):
        before = len(crowd.items("z01"))
        callers = [crowd.caller(NUMBERS["z01"]) for _ in range(2)]
        await crowd.here.fact(f.Queued, queue="z01", count=before + 2)
        items = set(crowd.items("z01")[before:])

        def joined(items: set[str] = items) -> bool:
            return items <= {fact.item for fact in crowd.here.facts(f.MediaUp)}

        await crowd.here.until(joined, "both callers are served", 20)
        await asyncio.sleep(0.2)  # for a second one who might still be joined
        faults += [f"{item}: {count} phones" for item, count in crowd.talking(agents).items() if count != 1]
        for caller in callers:
            caller.hang_up()
        await crowd.over(*agents)
        await crowd.told_truly(*agents)
    return faults


@module_loop
async def test_z01_two_agents_never_answer_one_call(crowd: Bank) -> None:
    await crowd.here.ready(*seats_of("z01"))
    assert await rounds_of_late_answers(crowd, 3) == []
    accepted = Counter(fact.item for fact in crowd.here.facts(f.Accepted, queue="z01"))
    assert set(accepted) == set(crowd.items("z01"))
    assert set(accepted.values()) == {1}


@pytest.mark.proof
@pytest.mark.timeout(400)
@module_loop
async def test_z01_long(crowd: Bank, record_property: Callable[[str, object], None]) -> None:
    record_property("tried", 50)
    await crowd.here.ready(*seats_of("z01"))
    assert await rounds_of_late_answers(crowd, 25) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_z01_z06_in_the_core_races_without_end(seed: int) -> None:
    """Every invariant is looked at after each input (tests.support.world): one seat for one item, no seat held by
    nothing, nobody waiting beside a free seat."""
    kinds = Counter(type(one.fact).__name__ for one in told(seed, 6000))
    assert kinds["Accepted"] > 20
    assert kinds["OfferEnded"] > 20


@module_loop
async def test_z06_no_agent_is_stuck(crowd: Bank) -> None:
    """Declines of three kinds, nobody there, both hang up at once, a phone that dies while it talks."""
    here, agents = crowd.here, seats_of("z06")
    for agent, code in zip(agents, (486, 603, 480), strict=False):
        crowd.habit(agent, partial(Call.decline, code=code))
    for agent in agents[:4]:  # the fourth lets it ring
        await here.ready(agent)
    caller = crowd.caller(NUMBERS["z06"])
    for agent in agents[:4]:
        await here.fact(f.OfferEnded, seat=agent)
    caller.hang_up()
    await crowd.told_truly(*agents)
    await crowd.over(*agents)
    for agent in agents[:4]:
        await here.api("POST", f"/seats/{agent}/status", {"presence": "voice", "status": "meal"})
    both, dead = agents[4:]
    crowd.answering(both, dead)
    await here.ready(both)
    caller = crowd.caller(NUMBERS["z06"])
    await here.fact(f.MediaUp, seat=both)
    caller.hang_up()
    crowd.live(both)[0].hang_up()
    await crowd.told_truly(*agents)
    await here.api("POST", f"/seats/{both}/status", {"presence": "voice", "status": "meal"})
    await dies_while_it_talks(crowd, dead)
    await crowd.told_truly(*agents)
    crowd.caller(NUMBERS["z06"]).hang_up()
    await crowd.over(*agents)


async def dies_while_it_talks(crowd: Bank, seat: str) -> None:
    """The seat's phone answers and is gone; the caller hangs up, the next one rings it in vain."""
    here, extension = crowd.here, PHONES[seat]
    phone = await SipUa.open(here.system.settings.sip_port, lambda call: call.answer())
    assert await phone.register(extension, await asyncio.to_thread(here.system.password, extension), 3600) == 200
    await here.ready(seat)
    caller = crowd.caller(NUMBERS["z06"])
    await here.fact(f.MediaUp, seat=seat)
    phone.transport.close()
    caller.hang_up()
    await crowd.told_truly(seat)
    caller = crowd.caller(NUMBERS["z06"])
    await here.until(lambda: here.facts(f.OfferEnded, seat=seat) or not here.seat(seat).reachable, "not answered")
    await crowd.told_truly(seat)
    caller.hang_up()


@module_loop
async def test_z07_no_stale_answered_member(crowd: Bank) -> None:
    """Ends by the agent, by the caller and by both at once; afterwards each seat is free and is offered the next."""
    here, agents = crowd.here, seats_of("z07")
    crowd.answering(*agents)
    await here.ready(*agents)
    for turn in range(2):
        callers = [crowd.caller(NUMBERS["z07"]) for _ in agents]
        await here.fact(f.MediaUp, seat=agents[0], count=turn + 1)
        await here.until(lambda: sum(crowd.talking(agents).values()) == len(agents), "all talk")
        calls = [crowd.live(agent)[0] for agent in agents]
        callers[0].hang_up()
        calls[1].hang_up()
        next(call for call in callers[1:] if not call.ended.is_set()).hang_up()
        calls[2].hang_up()
        for call in callers:
            call.hang_up()
        await crowd.told_truly(*agents)
        await crowd.over(*agents)
        assert [here.seat(agent).voice.seen for agent in agents] == [SeatState.READY] * len(agents)
    accepted = Counter(fact.item for fact in here.facts(f.Accepted, queue="z07"))
    assert accepted == Counter(fact.item for fact in here.facts(f.HandlingEnded, queue="z07"))
    assert len(accepted) == 2 * len(agents)


async def hang_ups_around_rings(crowd: Bank, rounds: int) -> list[float]:
    """The caller hangs up about when the first agent declines; how long after that anybody was rung for him."""
    first, second = seats_of("z09")
    late: list[float] = []
    chance = random.Random(rounds)
    crowd.habit(second, lambda call: later(0.3, lambda: call.decline(486)))
    for _ in range(rounds):
        crowd.habit(first, lambda call: later(0.1, lambda: call.decline(486)))
        await crowd.here.until(
            lambda: all(crowd.here.seat(agent).voice.seen is SeatState.READY for agent in (first, second)), "both Ready"
        )
        seen, entered = len(crowd.rings), len(crowd.items("z09"))
        caller = crowd.caller(NUMBERS["z09"])
        await crowd.here.until(lambda seen=seen: crowd.rings[seen:], "somebody is rung")  # type: ignore[misc]
        await asyncio.sleep(chance.uniform(0.08, 0.14))
        caller.hang_up()
        gone = now()
        await crowd.over(first, second)
        item = crowd.items("z09")[entered]
        late += [ring.at - gone for ring in crowd.rings[seen:] if ring.item == item]
        await crowd.here.until(lambda: not crowd.live(first) and not crowd.live(second), "both phones are silent", 1.0)
    return late


@module_loop
async def test_z09_no_ring_after_the_caller_hung_up(crowd: Bank) -> None:
    here, agents = crowd.here, seats_of("z09")
    gave_up = [crowd.caller(NUMBERS["z09"]) for _ in range(3)]
    stays = crowd.caller(NUMBERS["z09"])
    await here.fact(f.Queued, queue="z09", count=4)
    for caller in gave_up:
        await asyncio.wait_for(caller.answered.wait(), 5)
        caller.hang_up()
    crowd.answering(agents[0])
    await here.ready(agents[0])
    ring = await crowd.next_ring(agents[0])
    stayed = (await here.fact(f.MediaUp, seat=agents[0])).item
    assert ring.item == stayed
    stays.hang_up()
    await crowd.over(*agents)
    assert [one.item for one in crowd.of(agents[0])] == [stayed]
    await here.ready(*agents)
    late = await hang_ups_around_rings(crowd, 5)
    assert max(late) < IN_FLIGHT_S


@pytest.mark.proof
@pytest.mark.timeout(400)
@module_loop
async def test_z09_long(crowd: Bank, record_property: Callable[[str, object], None]) -> None:
    record_property("tried", 60)
    await crowd.here.ready(*seats_of("z09"))
    assert max(await hang_ups_around_rings(crowd, 60)) < IN_FLIGHT_S


@module_loop
async def test_z10_wrap_up_survives_an_attended_transfer(crowd: Bank) -> None:
    """A seat of six queues (asterisk#1006): wrap-up after each transfer, and nothing is offered until it is over."""
    here = crowd.here
    crowd.answering(OWNER, COLLEAGUE)
    await here.api("POST", f"/seats/{COLLEAGUE}/sign-in", {})
    callers = [crowd.caller(NUMBERS[name]) for name in SIX]
    for name in SIX:
        await here.fact(f.Queued, queue=name)
    await here.ready(OWNER)
    for count, _ in enumerate(SIX, 1):
        item = (await here.fact(f.MediaUp, seat=OWNER, count=count)).item
        await here.until(lambda: here.seat(COLLEAGUE).voice.seen is SeatState.NOT_READY, "the colleague is free")
        await here.api("POST", f"/seats/{OWNER}/calls/{item}/consult", {"kind": "seat", "id": COLLEAGUE})
        await here.fact(f.ShapeChanged, item=item, shape=Shape.CONSULT)
        await here.api("POST", f"/seats/{OWNER}/calls/{item}/move", {"move": "complete"})
        await here.fact(f.TookOver, item=item)
        await here.fact(f.WrapUpStarted, item=item, seat=OWNER)
        callers[SIX.index(here.facts(f.Queued, item=item)[0].queue)].hang_up()
        await here.fact(f.WrapUpStarted, item=item, seat=COLLEAGUE)
    await crowd.over(OWNER, COLLEAGUE)
    began = here.recorded(f.WrapUpStarted, seat=OWNER)
    ended = [await here.record(f.WrapUpLeft, seat=OWNER, count=count) for count in range(1, len(SIX) + 1)]
    offered = here.recorded(f.Offered, seat=OWNER)[1:]
    assert {one.fact.queue for one in began if isinstance(one.fact, f.WrapUpStarted)} == set(SIX)
    lengths = [(end.at - start.at) / SECOND for start, end in zip(began, ended, strict=True)]
    assert all(0.9 < length < 2.0 for length in lengths), lengths
    assert all(offer.at >= end.at for offer, end in zip(offered, ended, strict=False))


@module_loop
async def test_z11_counted_once_under_concurrency(crowd: Bank) -> None:
    """Twelve callers at once, four agents: each contact has one acceptance, one handling, one end, one record."""
    here, agents = crowd.here, seats_of("z11")

    def brief(call: Call) -> None:
        call.answer()
        later(0.25, call.hang_up)

    for agent in agents:
        crowd.habit(agent, brief)
    callers = [crowd.caller(NUMBERS["z11"]) for _ in range(12)]
    await here.fact(f.Queued, queue="z11", count=len(callers))
    await here.ready(*agents)
    await here.fact(f.Ended, queue="z11", count=len(callers), limit_s=20)
    await crowd.over(*agents)
    once = Counter(dict.fromkeys(crowd.items("z11"), 1))
    assert len(once) == len(callers)
    for kind in (f.Accepted, f.HandlingEnded, f.Ended):
        items = [getattr(fact, "item", "") for fact in here.facts(kind, queue="z11")]
        assert Counter(items) == once, kind

    async def listed() -> list[dict[str, object]]:
        calls = (await here.api("GET", "/calls?queue=z11&limit=200"))["calls"]
        return calls if len(calls) >= len(callers) and all(call["ended_at"] for call in calls) else []

    calls = await here.until_told(listed, "all are in the records")
    assert Counter(call["id"] for call in calls) == once
    assert len({call["record"] for call in calls}) == len(callers)


@module_loop
async def test_z12_first_freed_is_first_served(crowd: Bank) -> None:
    here, agents = crowd.here, seats_of("z12")
    crowd.answering(*agents)
    await here.ready(*agents)
    first = [crowd.caller(NUMBERS["z12"]) for _ in agents]
    await here.until(lambda: sum(crowd.talking(agents).values()) == len(agents), "all talk")
    freed = [agents[2], agents[0], agents[1]]
    for agent in freed:
        crowd.live(agent)[0].hang_up()
        await here.until(lambda agent=agent: here.seat(agent).voice.seen is SeatState.READY, f"{agent} is free")  # type: ignore[misc]
    before = len(here.facts(f.Offered, queue="z12"))
    second = [crowd.caller(NUMBERS["z12"]) for _ in agents]
    await here.until(lambda: sum(crowd.talking(agents).values()) == len(agents), "all talk again")
    offered = here.facts(f.Offered, queue="z12")[before:]
    assert [offer.seat for offer in offered] == freed
    assert [offer.item for offer in offered] == crowd.items("z12")[len(agents) :]
    waiting = [crowd.caller(NUMBERS["z12"]) for _ in range(2)]
    await here.fact(f.Queued, queue="z12", count=2 * len(agents) + 2)
    waited = crowd.items("z12")[2 * len(agents) :]
    for count, agent in enumerate(freed[:2], 1):
        crowd.live(agent)[0].hang_up()
        next_offer = await here.fact(f.Offered, queue="z12", count=before + len(agents) + count)
        assert (next_offer.seat, next_offer.item) == (agent, waited[count - 1])
        await here.until(lambda agent=agent: crowd.talking([agent]), f"{agent} talks")  # type: ignore[misc]
    for caller in (*first, *second, *waiting):
        caller.hang_up()
    await crowd.over(*agents)


# --- with sound ------------------------------------------------------------------------------------------------------


async def three_phones(here: Floor, name: str) -> tuple[PhoneProcess, PhoneProcess, PhoneProcess, str]:
    """A caller in a talk with the scene's agent, who is recorded; the colleague takes transfers only; the item."""
    ann = await here.agent(f"{name}-0", ANN)
    bob = await here.agent(f"{name}-1", BOB, ready=False)
    await here.api("POST", f"/seats/{name}-1/sign-in", {})
    caller = await here.caller(CALLER)
    await caller.call(NUMBERS[name])
    await ann.expect("incoming")
    await ann.answer()
    item = (await here.fact(f.RecordingBegan)).item
    await asyncio.gather(caller.until_hears(ANN), ann.until_hears(CALLER))
    return caller, ann, bob, item


@module_loop
async def test_z13_attended_transfer_is_logged_and_logs_nobody_out(crowd: Bank, tmp_path: Path) -> None:
    """Made on the phone itself: hold, call the colleague, REFER with Replaces."""
    async with floor(crowd.here.system, tmp_path) as here:
        caller, ann, bob, item = await three_phones(here, "z13")
        first = (await ann.do("calls"))["calls"][0]
        await ann.hold(first)
        second = await ann.call(SPOKEN["z13"][1])
        await bob.expect("incoming")
        await bob.answer()
        await ann.until_hears(BOB, call=second)
        await ann.do("join", call=first, other=second)
        await asyncio.gather(caller.until_hears(BOB), bob.until_hears(CALLER))
        await here.fact(f.WrapUpStarted, item=item, seat="z13-0")
        await caller.hang_up()
        await here.fact(f.Ended, item=item)
        await here.fact(f.WrapUpStarted, item=item, seat="z13-1")
        for name in ("z13-0", "z13-1"):
            await here.fact(f.WrapUpLeft, seat=name)
            assert here.seat(name).signed_in_at
            assert here.facts(f.SignedOut, seat=name) == []
        await here.seen("z13-0", SeatState.READY)
        await here.seen("z13-1", SeatState.NOT_READY)
        case: Case | None = None
        for one in here.system.read():
            case = fold(case, one, Rules()) if case_id(one.fact) == item else case
        assert case is not None
        assert case.record is not None
        assert [handling.seat for handling in case.handlings] == ["z13-0", "z13-1"]
        await here.call(item)


@module_loop
async def test_z14_recording_goes_on_after_a_failed_transfer(crowd: Bank, tmp_path: Path) -> None:
    """A consultation and a blind transfer, both declined: the customer's recording holds all of it."""
    async with floor(crowd.here.system, tmp_path) as here:
        caller, ann, bob, item = await three_phones(here, "z14")
        began = await here.record(f.RecordingBegan, item=item)
        await here.sounds(caller, 2.0)
        asked = {"kind": "seat", "id": "z14-1"}
        await here.api("POST", f"/seats/z14-0/calls/{item}/consult", asked)
        consulted = await here.record(f.Invited, item=item)
        await bob.expect("incoming")
        await bob.decline(486)
        back = await here.record(f.ShapeChanged, item=item, shape=Shape.TALK)
        await asyncio.gather(caller.until_hears(ANN), ann.until_hears(CALLER))
        await here.sounds(caller, 2.0)
        await ann.transfer(SPOKEN["z14"][1])
        given = await here.record(f.Invited, item=item, count=2)
        await bob.expect("incoming")
        await bob.decline(486)
        await ann.expect("incoming")
        await ann.answer()
        again = await here.record(f.MediaUp, item=item, count=2)
        await asyncio.gather(caller.until_hears(ANN), ann.until_hears(CALLER))
        await here.sounds(caller, 2.0)
        await caller.hang_up()
        ended = await here.record(f.Ended, item=item)
        assert isinstance(began.fact, f.RecordingBegan)
        assert here.facts(f.RecordingBegan, item=item) == [began.fact]
        file = here.system.settings.data_dir / "recordings" / f"{began.fact.recording}.raw"
        customer, other = await asyncio.to_thread(sides, file)
        assert abs(len(customer) / tones.RATE - (ended.at - began.at) / 1e6) < 1.0
        for start, end in ((began, consulted), (back, given), (again, ended)):
            assert voices_in(stretch(customer, began.at, start.at, end.at), VOICES) == {CALLER}
            assert voices_in(stretch(other, began.at, start.at, end.at), VOICES) == {ANN}
