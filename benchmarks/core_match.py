"""What a match costs with the upkeep of its index, how that grows, and what a whole decision costs beside it.

The set-up is that of the prototypes: 64 skills, 60 profiles, 150 classes of requests, capacity 3, 10 priorities. A
match is measured as a cycle: a contact arrives, one finds its seat or a freed seat finds its contact, the seat and
the item change in the index. All sizes are measured in turn, five times over; the median counts.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from acd.core import inputs as i
from acd.core import model as m
from acd.core.decide import Core
from acd.core.match import Index
from acd.core.model import SECOND, Phase, State, WorkItem
from acd.core.seats import block_of, has_skills, rank_in
from tools.figures import Row
from tools.say import say

SKILLS = tuple(f"skill{n}" for n in range(64))
QUEUES = tuple(f"queue{n}" for n in range(10))
PROFILES = 60
SKILLS_EACH = 16
QUEUES_EACH = 3
CLASSES = 150
CAPACITY = 3
PRIORITIES = 10
RUNS = 5
CYCLES = 2_000
NAIVE_CYCLES = 2
START = 1_700_000_000 * SECOND

Request = tuple[str, tuple[m.SkillLevel, ...], int]
Kind = tuple[tuple[m.SeatQueue, ...], tuple[m.SkillLevel, ...]]


def kinds(chance: random.Random, count: int) -> list[Kind]:
    """Kinds of seats: some of the queues, some of the skills."""
    return [
        (
            tuple(m.SeatQueue(name) for name in chance.sample(QUEUES, QUEUES_EACH)),
            tuple(m.SkillLevel(name) for name in sorted(chance.sample(SKILLS, SKILLS_EACH))),
        )
        for _ in range(count)
    ]


def requests(chance: random.Random, profiles: list[Kind]) -> list[Request]:
    """150 classes of requests, each of which some profile can serve."""
    found: dict[tuple[str, tuple[m.SkillLevel, ...]], None] = {}
    while len(found) < CLASSES:
        queues, skills = chance.choice(profiles)
        needs = tuple(sorted(chance.sample(skills, chance.choice((1, 1, 2))), key=lambda need: need.skill))
        found[chance.choice(queues).queue, needs] = None
    return [(queue, needs, chance.randrange(PRIORITIES)) for queue, needs in found]


def centre(seats: int, *, unique: bool, chance: random.Random) -> tuple[State, list[Request]]:
    """A state of that many ready seats, and the classes of requests."""
    profiles = kinds(chance, PROFILES)
    asked = requests(chance, profiles)
    state = State(day=1, epoch="b")
    state.media["chat"] = m.MediumDef("chat", m.Presence.TEXT, CAPACITY, 15)
    state.statuses["ready"] = m.StatusDef("ready", m.Presence.TEXT, (), True, True, True, True, after_login=True)
    for number, name in enumerate(QUEUES):
        strategy = (m.Strategy.LONGEST_IDLE, m.Strategy.EQUAL_LOAD)[number % 2]
        state.queues[name] = m.QueueDef(name, name, strategy)
    chosen = kinds(chance, seats) if unique else [chance.choice(profiles) for _ in range(seats)]
    for number, (queues, skills) in enumerate(chosen):
        name = f"seat{number}"
        seat = m.Seat(m.SeatProfile(name, queues=queues, skills=skills), signed_in_at=START, on_shift=True)
        seat.idle_since = START + number
        seat.text.status = "ready"
        state.seats[name] = seat
    state.online = seats
    return state, asked


class Floor:
    """A dispatcher's floor that keeps going: as many contacts wait, or are held, after a cycle as before it."""

    def __init__(self, seats: int, waiting: int, *, unique: bool = False) -> None:
        """`waiting` 0: half of the places are taken. Otherwise every place is, and that many wait."""
        self.chance = random.Random(seats * 31 + waiting)
        self.state, self.asked = centre(seats, unique=unique, chance=self.chance)
        self.names = list(self.state.seats)
        self.waiting = waiting
        self.number = 0
        self.held: deque[tuple[str, str]] = deque()
        self.index = Index(self.state)
        self.fill(CAPACITY if waiting else CAPACITY / 2)
        for _ in range(waiting):
            self.index.item_changed(self.arrive().id)
        self.settle()

    def settle(self) -> None:
        """Nobody is left to look at."""
        self.index.dirty_classes.clear()
        self.index.dirty_seats.clear()

    def fill(self, each: float) -> None:
        """Take that many places of each seat on average."""
        for request in self.asked:  # every class is known before anything is measured
            item = self.arrive(request)
            self.index.item_changed(item.id)
            self.leave(item)
        order = [name for name in self.names for _ in range(CAPACITY)]
        self.chance.shuffle(order)
        for number, name in enumerate(order[: int(len(self.names) * each)]):
            self.state.seats[name].offers[f"filler{number}"] = "chat"
            self.held.append((name, f"filler{number}"))
        for name in self.names:
            self.index.seat_changed(name)

    def arrive(self, request: Request | None = None) -> WorkItem:
        """One more contact."""
        self.number += 1
        queue, needs, priority = request or self.asked[int(self.chance.random() * CLASSES)]
        at = START + self.number * 1000
        plan = m.EntryPlan("e", 1, queue, "chat")
        item = WorkItem(f"item{self.number}", self.number, m.Kind.CHAT, "chat", "r", plan, at, Phase.WAITING)
        item.queue, item.needs, item.order = queue, needs, at - priority * 10 * SECOND
        self.state.items[item.id] = item
        return item

    def leave(self, item: WorkItem) -> None:
        """The contact is over."""
        del self.state.items[item.id]
        self.index.item_changed(item.id)

    def match(self, item_id: str, seat_id: str) -> None:
        """The seat takes the contact: what the index must learn from an Offered fact."""
        self.state.items[item_id].phase = Phase.OFFERED
        self.state.seats[seat_id].offers[item_id] = "chat"
        self.index.item_changed(item_id)
        self.index.seat_changed(seat_id)
        self.held.append((seat_id, item_id))

    def free(self) -> str:
        """The oldest conversation is over; gives the seat."""
        seat_id, item_id = self.held.popleft()
        seat = self.state.seats[seat_id]
        del seat.offers[item_id]
        seat.idle_since = START + self.number * 1000
        self.state.items.pop(item_id, None)
        self.index.seat_changed(seat_id)
        return seat_id

    def cycle(self) -> None:
        """One contact arrives, one seat is freed, one match is made."""
        if self.waiting:
            pick = self.index.best_item(seat_id := self.free())
            if pick is not None:
                self.match(pick.id, seat_id)
            self.index.item_changed((item := self.arrive()).id)
            self.index.best_seat(item.id)
        else:
            self.index.item_changed((item := self.arrive()).id)
            found = self.index.best_seat(item.id)
            if found is not None:
                self.match(item.id, found.id)
                self.index.best_item(self.free())
            else:
                self.leave(item)
        self.settle()

    def naive_cycle(self) -> None:
        """The same choices by looking at every seat and at every waiting contact, by the same rules."""
        self.scan_items(self.held[0][0])
        item = self.arrive()
        self.scan_seats(item)
        del self.state.items[item.id]

    def scan_items(self, seat_id: str) -> str:
        """The freed seat's next contact."""
        seat = self.state.seats[seat_id]
        best: tuple[int, int, int, str] | None = None
        if block_of(self.state, seat, self.state.media["chat"]) is None or self.waiting:
            for item in self.state.items.values():
                rank = rank_in(seat, item.queue)
                if item.phase is not Phase.WAITING or rank is None or not has_skills(seat, item.needs):
                    continue
                key = (rank, item.order, item.number, item.id)
                best = key if best is None or key < best else best
        return best[3] if best else ""

    def scan_seats(self, item: WorkItem) -> str:
        """The arriving contact's seat."""
        medium = self.state.media["chat"]
        best: tuple[int, str] | None = None
        for seat_id, seat in self.state.seats.items():
            if rank_in(seat, item.queue) is None or block_of(self.state, seat, medium) is not None:
                continue
            if has_skills(seat, item.needs):
                key = (seat.idle_since, seat_id)
                best = key if best is None or key < best else best
        return best[1] if best else ""


@dataclass(slots=True)
class Timed:
    """Something measured in turns; µs of processor time a cycle, which other programs on the machine disturb less."""

    name: str
    once: Callable[[], None]
    cycles: int
    taken: list[float]

    @property
    def median(self) -> float:
        """The median of the runs."""
        return statistics.median(self.taken)

    def run(self) -> None:
        """One run."""
        once, cycles = self.once, self.cycles
        gc.collect()
        gc.disable()
        began = time.process_time()
        for _ in range(cycles):
            once()
        self.taken.append((time.process_time() - began) / cycles * 1e6)
        gc.enable()


def interleaved(timed: list[Timed]) -> None:
    """A, B, C, A, B, C, ... five times, after a run that does not count."""
    for one in timed:
        one.run()
        one.taken.clear()
    for number in range(RUNS):
        for one in timed:
            one.run()
        say(f"  run {number + 1} of {RUNS}")


class Whole:
    """Decide + evolve + effects through the real core, at 10,000 seats with contacts waiting."""

    def __init__(self, seats: int, waiting: int) -> None:
        """Every seat is full when the waiting ones arrive."""
        floor = Floor(seats, 0)
        self.core = Core(floor.state)
        self.asked = floor.asked
        self.chance = floor.chance
        self.at = START * 2
        self.inputs = 0
        self.open: deque[str] = deque()
        while len(self.core.state.items) - len(self.core.state.offers) < waiting:
            self.arrive()

    def give(self, given: i.Input) -> str:
        """One input; gives the item it was about."""
        self.at += 1
        self.inputs += 1
        return getattr(self.core.decide(given, i.Stamp(self.at)).reply, "item", "")

    def arrive(self) -> None:
        """A chat arrives."""
        queue, needs, priority = self.asked[int(self.chance.random() * CLASSES)]
        plan = m.EntryPlan("e", 1, queue, "chat", priority=priority, needs=needs)
        self.open.append(self.give(i.ItemArrived(m.Kind.CHAT, "", plan)))

    def cycle(self) -> None:
        """One arrives, one that is offered is answered and closed, which frees a seat for the next."""
        self.arrive()
        offer = next(iter(self.core.state.offers), "")
        item = self.give(i.OfferAnswered(offer))
        if item:
            self.give(i.ItemClosed(item, m.Party.SEAT))


def rows() -> list[Row]:
    """The figures with their targets."""
    say("  laying out seats and contacts")
    floors = {
        "100 seats": Floor(100, 0),
        "10,000 seats": Floor(10_000, 0),
        "100 unique seats": Floor(100, 0, unique=True),
        "10,000 unique seats": Floor(10_000, 0, unique=True),
        "1,000 waiting": Floor(10_000, 1_000),
        "100,000 waiting": Floor(10_000, 100_000),
    }
    timed = {name: Timed(name, floor.cycle, CYCLES, []) for name, floor in floors.items()}
    timed["naive"] = Timed("naive", floors["100,000 waiting"].naive_cycle, NAIVE_CYCLES, [])
    whole = Whole(10_000, 1_000)
    timed["whole"] = Timed("whole", whole.cycle, CYCLES // 4, [])
    interleaved(list(timed.values()))
    per_input = timed["whole"].median / 3
    cost = {name: one.median for name, one in timed.items()}
    return [
        Row("match: 100 seats", cost["100 seats"], "µs"),
        _growth("match: 10,000 seats", cost["10,000 seats"], cost["100 seats"], 2),
        Row("match: 100 seats, all skills unique", cost["100 unique seats"], "µs"),
        _growth("match: 10,000 seats, all skills unique", cost["10,000 unique seats"], cost["100 unique seats"], 3),
        Row("match: 1,000 waiting (10,000 seats)", cost["1,000 waiting"], "µs"),
        _growth("match: 100,000 waiting (10,000 seats)", cost["100,000 waiting"], cost["1,000 waiting"], 4),
        _against(cost["100,000 waiting"], cost["naive"]),
        Row("decide + evolve + effects, an input (10,000 seats)", per_input, "µs", peer="arrival, answer, close"),
    ]


def _growth(name: str, value: float, small: float, most: float) -> Row:
    ratio = value / small
    return Row(name, value, "µs", f"<= {most} x the small one", ratio <= most, f"{ratio:.2f} x {small:.1f} µs")


def _against(value: float, naive: float) -> Row:
    ratio = naive / value
    target = ">= 500 x cheaper than a scan"
    return Row("scan / match at 10,000 seats, 100,000 waiting", ratio, "x", target, ratio >= 500, f"{naive:,.0f} µs")
