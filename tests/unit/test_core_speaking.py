"""Queues that speak: greeting, place and wait, prompts in turn, and an estimate that is told only while it is good."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

import pytest

from acd.core import effects as e
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.decide import Core
from acd.core.evolve import DEPARTURES, GUESSES
from acd.core.model import SECOND, Micros, Phase, State, Way
from tests.support.scene import MEDIA, STATUSES, Scene, queue, to

SPEECH = m.Speech(first=30 * SECOND, every=60 * SECOND, prompts=("ad1", "ad2"))


def centre(*queues: m.QueueDef) -> Scene:
    """A seat that is not ready, so that callers wait."""
    scene = Scene(*queues)
    scene.seat("a", *scene.state.queues)
    scene.choose("a", "meal")
    return scene


def told(scene: Scene, item: str) -> list[tuple[int, str]]:
    """(position, prompt) of what the caller was told."""
    return [(one.position, one.prompt) for one in scene.facts(f.Announced) if one.item == item]


# --- what is said ------------------------------------------------------------------------------------------------


def test_the_greeting_comes_at_once_then_place_and_prompts_by_turns() -> None:
    """Greeting at 0 s, then after `first` and every `every`: the place and the next prompt, round and round."""
    scene = centre(queue("service", greeting="hi", speech=SPEECH))
    item = scene.call("service")
    begun = scene.now
    scene.wait(0.001)
    assert told(scene, item) == [(0, "hi")]
    scene.wait(220)
    assert told(scene, item) == [(0, "hi"), (1, "ad1"), (1, "ad2"), (1, "ad1"), (1, "ad2")]
    seconds = [round((at - begun) / SECOND) for at in scene.times(f.Announced)]
    assert seconds == [0, 30, 90, 150, 210]


def test_an_announcement_is_an_effect_with_a_token_of_its_own() -> None:
    """Its end is a no-op, and the seat that answers stops it first."""
    scene = centre(queue("service", greeting="hi"))
    item = scene.call("service")
    due = scene.world.next_due()
    assert due is not None
    decision = scene.give(i.TimerDue(*due))
    token = scene.state.items[item].token
    leg = scene.state.items[item].leg
    assert decision.effects == (e.Announce(item, leg, 0, 0, "hi", token),)
    assert scene.give(i.PromptEnded(item, token)).facts == ()
    scene.choose("a", "ready")
    effects = scene.give(i.OfferAnswered(scene.state.items[item].offer)).effects
    assert [type(one) for one in effects][:2] == [e.StopPrompt, e.Connect]
    scene.wait(300)
    assert len(scene.facts(f.Announced)) == 1, "who talks is told nothing"


def test_places_count_those_before_him_by_order() -> None:
    """Priority goes first; who is held for his last agent counts; who is rung for has had his turn."""
    scene = centre(queue("service", speech=m.Speech(prompts=()), last_agent_first=True, last_agent_wait=900 * SECOND))
    items = [scene.call("service"), scene.call("service", last_seat="a"), scene.call("service")]
    urgent = scene.call("service", priority=1000)
    scene.wait(31)
    assert [told(scene, item) for item in (urgent, *items)] == [[(1, "")], [(2, "")], [(3, "")], [(4, "")]]
    scene.hang_up(urgent)
    scene.wait(60)
    assert [told(scene, item)[-1] for item in items] == [(1, ""), (2, ""), (3, "")]


def test_who_is_being_rung_for_is_told_no_numbers() -> None:
    """His turn has come; a prompt is said all the same, and where there is none, nothing."""
    scene = centre(
        queue("service", speech=m.Speech(prompts=("ad",)), ring_time=50 * SECOND),
        queue("sales", speech=m.Speech(), ring_time=50 * SECOND),
    )
    scene.seat("b", "sales")
    scene.choose("a", "ready")
    item, quiet = scene.call("service"), scene.call("sales")
    scene.wait(31)
    assert (scene.phase(item), told(scene, item)) == (Phase.OFFERED, [(0, "ad")])
    silent = [one for one in scene.facts(f.Announced) if one.item == quiet]
    assert [(one.position, one.token, one.again_at > scene.now) for one in silent] == [(0, "", True)]


def test_a_speech_without_a_place_or_a_repetition() -> None:
    """`position` False tells none; `every` 0 speaks once."""
    scene = centre(queue("service", speech=m.Speech(position=False, every=0, prompts=("ad",))))
    item = scene.call("service")
    scene.wait(600)
    assert told(scene, item) == [(0, "ad")]


def test_a_speech_that_is_defined_too_fast_does_not_spin() -> None:
    """At most once a second, whatever the definition says."""
    scene = centre(queue("service", speech=m.Speech(first=1, every=1)))
    begun = scene.now
    scene.call("service")
    scene.wait(10)
    assert scene.times(f.Announced)[0] >= begun + SECOND
    assert 8 <= len(scene.facts(f.Announced)) <= 10


def test_a_queue_that_falls_silent_by_definition_says_no_more() -> None:
    """The next time is due, and nothing is left to say: no further one is set."""
    scene = centre(queue("service", speech=SPEECH))
    item = scene.call("service")
    scene.done(i.QueueDefined(queue("service")))
    scene.wait(600)
    assert told(scene, item) == [(0, "")]


def test_a_new_queue_begins_anew_and_an_old_place_does_not() -> None:
    """Moved: the other queue's greeting and times. Back at his old place: no second greeting."""
    scene = centre(
        queue("service", greeting="hi", speech=SPEECH, max_wait=60 * SECOND, overflow=to(Way.QUEUE, "sales")),
        queue("sales", greeting="hello", speech=m.Speech(first=10 * SECOND)),
    )
    item = scene.call("service")
    scene.wait(61)
    assert told(scene, item) == [(0, "hi"), (1, "ad1"), (0, "hello")]
    scene.choose("a", "ready")
    scene.answer(item)
    scene.choose("a", "meal")
    scene.done(i.PartyLeft(scene.facts(f.Accepted)[0].offer, hung_up=False))
    scene.wait(11)
    assert told(scene, item)[-1] == (1, "")


# --- the estimate ------------------------------------------------------------------------------------------------


def one_caller_a_minute(scene: Scene, count: int) -> None:
    """Callers who each wait one minute behind the one before, so that an estimate is exact."""
    for _ in range(count):
        waiting = next(item for item in scene.state.items.values() if item.phase is Phase.WAITING)
        scene.call("service")
        scene.wait(59)
        scene.choose("a", "ready")
        scene.answer(waiting.id)
        scene.choose("a", "meal")
        scene.finish(waiting.id)
        scene.wait(1)


def test_a_guess_is_place_times_pace_and_needs_twenty_accepts() -> None:
    """None before; then the mean of the last 20 gaps for each place; none where no wait is to be told."""
    scene = centre(queue("service", speech=m.Speech(first=900 * SECOND)))
    scene.call("service")
    one_caller_a_minute(scene, DEPARTURES + 3)
    guesses = [one.guess for one in scene.facts(f.Queued)]
    assert guesses[: DEPARTURES + 2] == [0] * (DEPARTURES + 2)
    assert [round(one / SECOND) for one in guesses[DEPARTURES + 2 :]] == [120, 120]
    scene.done(i.QueueDefined(queue("service", speech=m.Speech(wait=False))))
    scene.call("service")
    assert scene.facts(f.Queued)[-1].guess == 0


def test_who_finds_a_seat_free_has_no_guess() -> None:
    """He will not wait, so his wait says nothing of the estimate."""
    scene = centre(queue("service", speech=m.Speech(first=900 * SECOND)))
    scene.call("service")
    one_caller_a_minute(scene, DEPARTURES + 1)
    last = next(iter(scene.state.items))
    scene.choose("a", "ready")
    scene.answer(last)
    scene.finish(last)
    item = scene.call("service")
    assert scene.offered_to(item) == "a"
    assert scene.facts(f.Queued)[-1].guess == 0


AGENTS = 20
TALK_S = 180.0
PATIENCE_S = 3000.0


@dataclass
class Floor:
    """A centre in virtual time: callers come, wait, lose patience, are served; every draw from one seed."""

    seed: int
    rate: float  # callers a second
    core: Core = field(default_factory=lambda: Core(State()))
    now: Micros = 1_700_000_000 * SECOND
    events: list[tuple[Micros, int, i.Input]] = field(default_factory=list)
    count: int = 0
    came: list[Micros] = field(default_factory=list)
    told: list[tuple[Micros, str, Micros]] = field(default_factory=list)
    accepted: dict[str, Micros] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.give(i.EngineStarted("t", "1"))
        self.give(i.PolicySet(m.Policy()))
        for medium in MEDIA:
            self.give(i.MediumDefined(medium))
        for status in STATUSES:
            self.give(i.StatusDefined(status))
        self.give(i.QueueDefined(queue("service", speech=m.Speech(first=SECOND, every=0))))
        for number in range(AGENTS):
            seat = f"s{number:02}"
            self.give(i.SeatProfileSet(m.SeatProfile(seat, str(100 + number), (m.SeatQueue("service"),))))
            self.give(i.SeatSignedIn(seat, "desk"))
            self.give(i.PhoneChanged(seat, True))
            self.give(i.StatusChosen(seat, m.Presence.VOICE, "ready"))

    def give(self, given: i.Input) -> None:
        """One input now; what it leads to is drawn and put into the future."""
        for recorded in self.core.decide(given, i.Stamp(self.now)).facts:
            fact = recorded.fact
            if isinstance(fact, f.Offered):
                self.later(self.draw.uniform(2, 5), i.OfferAnswered(fact.offer))
            elif isinstance(fact, f.Accepted):
                self.accepted[fact.item] = self.now
                self.later(self.draw.gammavariate(4, TALK_S / 4), i.PartyLeft(fact.offer))
            elif isinstance(fact, f.Announced) and fact.wait:
                self.told.append((self.now, fact.item, fact.wait))

    def later(self, seconds: float, given: i.Input) -> None:
        """This happens then."""
        self.count += 1
        heapq.heappush(self.events, (self.now + int(seconds * SECOND), self.count, given))

    def arrive(self) -> None:
        """A caller, and when he would give up."""
        self.came.append(self.now)
        leg = f"leg{len(self.came)}"
        self.give(i.CallEntered(leg, m.EntryPlan("e", 1, "service")))
        self.give(i.LegArrived(leg))
        patience = self.draw.expovariate(1 / PATIENCE_S)
        if leg in self.core.state.legs:
            self.later(patience, i.DigitPressed(leg, "gives up"))

    def run(self, hours: float) -> None:
        """Let that much time pass."""
        end = self.now + int(hours * 3600 * SECOND)
        arrival = self.now + int(self.draw.expovariate(self.rate) * SECOND)
        while True:
            timer = self.core.timers.next()
            own = self.events[0][0] if self.events else end
            due = min(arrival, own, timer[0] if timer else end)
            if due >= end:
                self.now = end
                return
            self.now = max(self.now, due)
            if timer and timer[0] == due:
                self.give(i.TimerDue(timer[1], timer[0]))
            elif own == due:
                self.happen(heapq.heappop(self.events)[2])
            else:
                self.arrive()
                arrival = self.now + int(self.draw.expovariate(self.rate) * SECOND)

    def happen(self, given: i.Input) -> None:
        """Who has lost patience hangs up only while he waits."""
        if isinstance(given, i.DigitPressed):
            item = self.core.item(self.core.state.legs.get(given.leg, ""))
            if item is not None and item.phase in (Phase.WAITING, Phase.OFFERED):
                self.give(i.PartyLeft(given.leg))
            return
        self.give(given)

    def coverage(self, since: Micros) -> float:
        """The share of those who came since then that were told a wait."""
        return sum(1 for at, _, _ in self.told if at >= since) / sum(1 for at in self.came if at >= since)

    def error(self, since: Micros) -> tuple[int, float, float]:
        """(how many, mean absolute error, mean wait) in seconds, of those told since then and served by now."""
        pairs = [
            (wait / SECOND, (self.accepted[item] - at) / SECOND)
            for at, item, wait in self.told
            if at >= since and item in self.accepted
        ]
        count = max(1, len(pairs))
        return len(pairs), sum(abs(told - real) for told, real in pairs) / count, sum(real for _, real in pairs) / count

    def ready(self, seats: int, status: str) -> None:
        """That many agents choose a status; who talks does so afterwards."""
        for number in range(seats):
            self.give(i.StatusChosen(f"s{number:02}", m.Presence.VOICE, status))


HOUR = 3600 * SECOND


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_estimate_is_told_while_it_is_good(seed: int) -> None:
    """A steady centre: told to nearly all, within 30 % of the mean wait. Half the agents go, the queue grows and people
    give up: it falls silent. They come back: it is told again, and as good as before."""
    floor = Floor(seed, 1.12 * AGENTS / (TALK_S + 3.5))
    floor.run(2)
    first = next(at for at, _, _ in floor.told)
    assert sum(1 for at in floor.accepted.values() if at <= first) > GUESSES + DEPARTURES
    begun = floor.now
    floor.run(6)
    coverage, steady = floor.coverage(begun), floor.error(begun)
    gone = floor.now
    floor.ready(AGENTS // 2, "meal")
    floor.run(5)
    changing, silent = floor.error(gone), floor.coverage(floor.now - HOUR)
    floor.ready(AGENTS // 2, "ready")
    floor.run(8)
    back = floor.now - 2 * HOUR
    covered, again = floor.coverage(back), floor.error(back)
    print(
        f"\nseed {seed}: told to {coverage:.0%} while steady, {silent:.0%} with half gone, {covered:.0%} after", end=""
    )
    for name, (count, error, wait) in (("steady", steady), ("half gone", changing), ("after", again)):
        print(f"; {name}: mean error {error:.0f} s of {wait:.0f} s over {count}", end="")
    assert coverage > 0.9
    assert covered > 0.9
    assert silent == 0
    for _, error, wait in (steady, again):
        assert error <= 0.30 * wait
    floor.give(i.QueueDefined(queue("service", speech=m.Speech(first=SECOND, every=0, wait=False))))
    muted = floor.now + 2 * SECOND
    floor.run(0.5)
    assert floor.coverage(muted) == 0, "good, but not wanted"
