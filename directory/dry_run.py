"""Who would serve this caller? The whole path of an entry point at a moment, and which seats would be eligible now,
without anybody being called. Pure: a snapshot of the directory and a state in, a tree out. The way asks the directory
alone; the seats are asked queue by queue, so that whoever has a live state can go on with calls in between."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from acd import why
from acd.core.leading import needs_of
from acd.core.model import (
    Destination,
    EntryPlan,
    Kind,
    Micros,
    Phase,
    QueueDef,
    State,
    Way,
    WorkItem,
)
from directory.calendar import Opening, next_change
from directory.model import Snapshot
from directory.plans import CallerKnown, opening_of, plan_for
from directory.routes import of_queue

DEEPEST = 50
"""Menus below one another; a menu that leads back to one above is not followed again."""
MOST_STEPS = 2000
"""Menus that lead to one another have more ways through them than can be told: from here on each is told once."""
ITEM = "dry-run"


@dataclass(frozen=True, slots=True)
class SeatAnswer:
    """A seat for a caller in a queue: `refused` is "" when it would be eligible, else a rule of acd.why. `place` 1 is
    who would be asked first."""

    seat: str
    place: int
    refused: str


@dataclass(frozen=True, slots=True)
class Branch:
    """How one gets to a step: a key, "no key", overflow, closed, empty, start."""

    by: str
    step: Step


@dataclass(frozen=True, slots=True)
class Step:
    """Where a caller is. `kind` is a way (queue, menu, voicemail, callback, outside, hang_up) or "again" for a menu or
    queue that stands above, or elsewhere once MOST_STEPS are told. `opening` is that of a queue."""

    kind: str
    id: str = ""
    prompt: str = ""
    opening: str = ""
    seats: tuple[SeatAnswer, ...] = ()
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What would happen to the caller. `changes_at` is when the entry point's hours say something else, 0 = never."""

    entry: str
    at: Micros
    opening: str
    changes_at: Micros
    blacklisted: bool
    vip: int
    plan: EntryPlan
    step: Step | None


@dataclass(frozen=True, slots=True)
class Path:
    """The way of a caller, which asks no state: the answer still without seats, and the queues on it that are open."""

    answer: Answer
    queues: tuple[QueueDef, ...]


Seats = Mapping[str, tuple[SeatAnswer, ...]]
"""Queue -> who would serve it."""


def who_serves(
    given: Snapshot, state: State, entry_id: str, caller: CallerKnown, at: Micros, region: str, keys: str | None = None
) -> Answer:
    """The path of this caller with its seats, in one go. `keys` follows these keys alone; None shows every branch.
    Raises KeyError for an entry point that does not exist."""
    path = path_of(given, entry_id, caller, at, region, keys)
    return with_seats(path.answer, {queue.id: seats_of(state, path.answer, queue) for queue in path.queues})


def path_of(
    given: Snapshot, entry_id: str, caller: CallerKnown, at: Micros, region: str, keys: str | None = None
) -> Path:
    """As `who_serves`, but for the seats."""
    entry = given.entry(entry_id)
    if entry is None:
        raise KeyError(entry_id)
    plan = plan_for(given, entry, caller, at, region)
    hours = given.hours_named(entry.hours)
    walk = _Walk(given, at)
    begin = plan.start or Destination(Way.QUEUE, plan.queue)
    answer = Answer(
        entry=entry_id,
        at=at,
        opening=opening_of(given, entry.hours, at).value,
        changes_at=next_change(hours, at) if hours else 0,
        blacklisted=caller.blacklisted,
        vip=caller.vip,
        plan=plan,
        step=None if plan.refuse else walk.step(begin, "", (), keys),
    )
    return Path(answer, tuple(walk.open.values()))


def seats_of(state: State, answer: Answer, queue: QueueDef) -> tuple[SeatAnswer, ...]:
    """Every seat as the reference matcher sees it now; a queue the engine does not know yet has none. Milliseconds
    where there are a thousand seats."""
    plan = answer.plan
    if queue.id not in state.queues or plan.medium not in state.media:
        return ()
    item = WorkItem(
        id=ITEM,
        number=state.next_number,
        kind=Kind.CALL,
        medium=plan.medium,
        record="",
        plan=plan,
        arrived_at=answer.at,
        phase=Phase.WAITING,
        queue=queue.id,
        queued_at=answer.at,
        needs=needs_of(queue, plan.needs),
    )
    verdict = why.seats_for(dataclasses.replace(state, items={ITEM: item}), ITEM)
    first = [SeatAnswer(seat.seat, place, "") for place, seat in enumerate(verdict.eligible, 1)]
    others = [SeatAnswer(seat.seat, 0, seat.refused.value) for seat in verdict.seats if seat.refused is not None]
    return (*first, *others)


def with_seats(answer: Answer, seats: Seats) -> Answer:
    """The answer of a path with the seats of its queues."""
    return dataclasses.replace(answer, step=_seated(answer.step, seats)) if answer.step else answer


def _seated(step: Step, seats: Seats) -> Step:
    here = step.kind == Way.QUEUE.value and step.opening == Opening.OPEN.value
    return dataclasses.replace(
        step,
        seats=seats.get(step.id, ()) if here else (),
        branches=tuple(Branch(branch.by, _seated(branch.step, seats)) for branch in step.branches),
    )


@dataclass(slots=True)
class _Walk:
    given: Snapshot
    at: Micros
    told: int = 0
    seen: set[tuple[Way, str, str]] = field(default_factory=set)
    open: dict[str, QueueDef] = field(default_factory=dict)
    """The queues on the way that take callers then."""

    def step(self, to: Destination, waits_in: str, above: tuple[tuple[Way, str], ...], keys: str | None) -> Step:
        """The step that a destination leads to. `waits_in` is the queue the caller is in, "" for none."""
        name = to.to or (waits_in if to.way in {Way.VOICEMAIL, Way.CALLBACK} else "")
        if (to.way, name) in above or len(above) >= DEEPEST:
            return Step("again", name)
        place = (to.way, name, waits_in)
        if self.told >= MOST_STEPS and place in self.seen:
            return Step("again", name)
        self.told += 1
        self.seen.add(place)
        path = (*above, (to.way, name))
        queue, menu = self.given.queue(name), self.given.menu(name)
        if to.way is Way.QUEUE and queue is not None:
            return self._queue(queue, path, keys)
        if to.way is Way.MENU and menu is not None:
            ways = [(option.digit, option.to) for option in menu.options] + [("no key", menu.default)]
            return Step(to.way.value, name, menu.prompt, branches=self._branches(ways, waits_in, path, keys))
        where = to.route.prefix if to.route else to.outcome.value if to.way is Way.HANG_UP else name
        return Step(to.way.value, where, to.prompt)

    def _branches(
        self, ways: list[tuple[str, Destination]], waits_in: str, path: tuple[tuple[Way, str], ...], keys: str | None
    ) -> tuple[Branch, ...]:
        """Every way on, or that of the next key alone: a wrong key and none at all lead the same way."""
        if keys is None:
            return tuple(Branch(by, self.step(to, waits_in, path, None)) for by, to in ways)
        pressed = [(by, to) for by, to in ways if keys and by == keys[0]] or ways[-1:]
        return tuple(Branch(by, self.step(to, waits_in, path, keys[1:])) for by, to in pressed)

    def _queue(self, queue: QueueDef, path: tuple[tuple[Way, str], ...], keys: str | None) -> Step:
        hours = next((one.hours for one in self.given.queue_hours if one.queue == queue.id), "")
        opening = opening_of(self.given, hours, self.at)
        shown = [(by, to) for by, to in of_queue(queue) if keys is None or (by == "closed") is (opening != "open")]
        followed = shown if keys is None else [(by, to) for by, to in shown if by == "closed"]
        if opening is not Opening.OPEN and queue.closed is None:  # who comes now is not taken
            followed = [*followed, ("closed", Destination(Way.HANG_UP))]
        if opening is Opening.OPEN:
            self.open[queue.id] = queue
        branches = tuple(Branch(by, self.step(to, queue.id, path, keys)) for by, to in followed)
        return Step(Way.QUEUE.value, queue.id, queue.greeting, opening.value, branches=branches)
