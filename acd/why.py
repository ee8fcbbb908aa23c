"""The reference matcher: plain, scans everything, written from the rules and sharing no code with acd.core.match.

It answers "why this seat?" for a person (`seats_for`, `items_for`) and recomputes every decision of a log
(`recompute`): an Offered fact that these rules would not have made is a difference.

A seat is eligible for a waiting item when all of these hold, asked in this order; the first that does not names the
refusal: signed in · not being logged out · on shift · member of the item's queue · the skills the item needs (unless
D3 is in force) · a chosen status with auto_offer · a phone where the medium needs one · not in NO_ANSWER · no
back-off · no wrap-up that blocks the medium · no held medium that excludes it · below its limits (D4, D8, D14) · no
open case (D17) · no window reserved for another seat (D2) · room on the line that a callback is made by. A
back-off and a window last until the fact that ends them, so no clock is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from acd.core.evolve import evolve
from acd.core.facts import Offered, Recorded
from acd.core.model import (
    Kind,
    MediumDef,
    Micros,
    OfferRule,
    Phase,
    Presence,
    Seat,
    SkillLevel,
    State,
    Strategy,
    WorkItem,
)

MILLION = 1_000_000
VOICE = "voice"
"""The medium that a direct call holds."""


class Rule(StrEnum):
    """Why a seat is refused. The words for a person are in `WORDS`."""

    SIGNED_OUT = "signed_out"
    LEAVING = "leaving"
    OFF_SHIFT = "off_shift"
    NOT_MEMBER = "not_member"
    SKILL = "skill"
    STATUS = "status"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    BACK_OFF = "back_off"
    WRAP_UP = "wrap_up"
    EXCLUDED = "excluded"
    CAPACITY = "capacity"
    ONE_CASE = "one_case"
    LAST_AGENT = "last_agent"
    LINE_FULL = "line_full"


WORDS: Mapping[Rule, str] = {
    Rule.SIGNED_OUT: "the agent is not signed in",
    Rule.LEAVING: "a supervisor is logging the agent out",
    Rule.OFF_SHIFT: "the agent is off shift",
    Rule.NOT_MEMBER: "the seat is not a member of the queue",
    Rule.SKILL: "the seat lacks a skill or its level, and somebody signed in has it (or the queue is strict)",
    Rule.STATUS: "the chosen status takes no automatic offers",
    Rule.UNREACHABLE: "the phone is not reachable",
    Rule.NO_ANSWER: "the seat did not answer and nobody has said that the agent is back",
    Rule.BACK_OFF: "the seat declined or did not answer a moment ago",
    Rule.WRAP_UP: "wrap-up keeps this medium away",
    Rule.EXCLUDED: "something the seat holds excludes this medium",
    Rule.CAPACITY: "the seat holds as much as it may",
    Rule.ONE_CASE: "the agent has replied to a case that is not finished (one case at a time)",
    Rule.LAST_AGENT: "the item is kept for the agent who served this customer last",
    Rule.LINE_FULL: "the line that this customer is to be called back on has no room",
}


@dataclass(frozen=True, slots=True)
class SeatVerdict:
    """One seat for one item: `refused` is None when it is eligible; `score` (lower first) is what it is ranked by."""

    seat: str
    refused: Rule | None
    score: tuple[int, ...]

    @property
    def eligible(self) -> bool:
        """Whether the item may be offered to the seat."""
        return self.refused is None

    @property
    def say(self) -> str:
        """The verdict for a person."""
        return "eligible" if self.refused is None else WORDS[self.refused]


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """An item and every seat. `relaxed`: D3 is in force. `best` is the seat by the strategy, empty when none."""

    item: str
    queue: str
    strategy: Strategy
    relaxed: bool
    seats: tuple[SeatVerdict, ...]
    best: str

    @property
    def eligible(self) -> tuple[SeatVerdict, ...]:
        """The seats it may be offered to, best first: (score, seat id)."""
        return tuple(sorted((seat for seat in self.seats if seat.eligible), key=_rank))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A waiting item this seat may get; `score` is (rank of its queue for the seat, order, arrival number)."""

    item: str
    score: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SeatView:
    """A seat and the waiting items it may get, best first; `refused` names the rule for each other waiting item."""

    seat: str
    items: tuple[Candidate, ...]
    refused: tuple[tuple[str, Rule], ...]

    @property
    def best(self) -> str:
        """The item this seat gets next, empty when none."""
        return self.items[0].item if self.items else ""


@dataclass(frozen=True, slots=True)
class Decision:
    """One Offered fact beside what the rules give. `problem` is empty when they agree."""

    seq: int
    at: Micros
    offered: Offered
    expected: str
    score: tuple[int, ...]
    candidates: int
    problem: str


@dataclass(slots=True)
class Report:
    """What `recompute` found over a log."""

    decisions: int = 0
    equal: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    differences: list[Decision] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Every decision is the one the rules give."""
        return self.decisions == self.equal


# --- the rules, one function each ------------------------------------------------------------------------------


def load_of(seat: Seat, medium: str) -> int:
    """What the seat holds of a medium: handled + being offered (D4), direct calls as voice."""
    return _held(seat)[medium]


def limit_of(state: State, seat: Seat, medium: str) -> int:
    """The most the seat may hold of a medium: its own limit or the medium's, never above the ceiling (D8, D14)."""
    row = state.media[medium]
    own = [one.limit for one in seat.profile.limits if one.medium == medium]
    return min(own[0] if own else row.limit, row.ceiling)


def has_skills(seat: Seat, needs: Sequence[SkillLevel]) -> bool:
    """Whether the seat has every needed skill at the needed level or above."""
    return all(
        any(own.skill == need.skill and own.level >= need.level for own in seat.profile.skills) for need in needs
    )


def is_member(seat: Seat, queue: str) -> bool:
    """Whether the seat serves the queue."""
    return any(one.queue == queue for one in seat.profile.queues)


def relaxed(state: State, item: WorkItem) -> bool:
    """D3: the queue allows it and no signed-in member has the skills. Signed in counts, free or ready does not."""
    if not state.queues[item.queue].skill_relaxed:
        return False
    members = (seat for seat in state.seats.values() if is_member(seat, item.queue))
    return not any(seat.signed_in_at and has_skills(seat, item.needs) for seat in members)


def over_capacity(state: State, seat: Seat, medium: str) -> Rule | None:
    """The rule that one more of this medium would break: limits and exclusions."""
    held = _held(seat)
    if any(_names(state.media[other].excludes, medium) for other in held):
        return Rule.EXCLUDED
    if held[medium] >= limit_of(state, seat, medium):
        return Rule.CAPACITY
    total = seat.profile.total_limit
    return Rule.CAPACITY if total and sum(held.values()) >= total else None


def refusal(state: State, item: WorkItem, seat: Seat, *, d3: bool | None = None) -> Rule | None:
    """The first rule that keeps this item from this seat, or None. `d3` spares recomputing `relaxed`."""
    medium = state.media[item.medium]
    skills_waived = relaxed(state, item) if d3 is None else d3
    if not seat.signed_in_at:
        return Rule.SIGNED_OUT
    if seat.leaving:
        return Rule.LEAVING
    if not seat.on_shift:
        return Rule.OFF_SHIFT
    if not is_member(seat, item.queue):
        return Rule.NOT_MEMBER
    if not skills_waived and not has_skills(seat, item.needs):
        return Rule.SKILL
    return (
        _away(state, seat, medium) or _full(state, seat, item.medium) or _reserved(item, seat) or _no_line(state, item)
    )


def score(state: State, item: WorkItem, seat: Seat) -> tuple[int, ...]:
    """What the item's queue ranks this seat by; lower is better, the seat's id breaks the last tie."""
    return STRATEGIES[state.queues[item.queue].strategy](state, item, seat)


def _longest_idle(_state: State, _item: WorkItem, seat: Seat) -> tuple[int, ...]:
    return (seat.idle_since,)


def _equal_totals(_state: State, _item: WorkItem, seat: Seat) -> tuple[int, ...]:
    return (seat.total, seat.idle_since)


def _equal_load(state: State, item: WorkItem, seat: Seat) -> tuple[int, ...]:
    limit = limit_of(state, seat, item.medium)
    return (load_of(seat, item.medium) * MILLION // max(1, limit), seat.idle_since)


STRATEGIES: Mapping[Strategy, Callable[[State, WorkItem, Seat], tuple[int, ...]]] = {
    Strategy.LONGEST_IDLE: _longest_idle,
    Strategy.EQUAL_TOTALS: _equal_totals,
    Strategy.EQUAL_LOAD: _equal_load,
}


def _away(state: State, seat: Seat, medium: MediumDef) -> Rule | None:
    presence = seat.presence(Presence(medium.presence))
    status = state.statuses.get(presence.status)
    if status is None or not status.auto_offer:
        return Rule.STATUS
    if medium.needs_phone and not seat.reachable:
        return Rule.UNREACHABLE
    if presence.no_answer:
        return Rule.NO_ANSWER
    return Rule.BACK_OFF if presence.back_off_until else None


def _full(state: State, seat: Seat, medium: str) -> Rule | None:
    if any(_names(state.media[one.medium].wrap_up_blocks, medium) for one in seat.wrap_ups.values()):
        return Rule.WRAP_UP
    if (full := over_capacity(state, seat, medium)) is not None:
        return full
    open_case = seat.profile.one_open_case and any(one.replied for one in seat.handlings.values())
    return Rule.ONE_CASE if open_case else None


def _reserved(item: WorkItem, seat: Seat) -> Rule | None:
    return Rule.LAST_AGENT if item.sticky_seat not in ("", seat.profile.id) else None


def _no_line(state: State, item: WorkItem) -> Rule | None:
    route = item.plan.callback
    called = item.kind is Kind.CALLBACK and not item.leg and state.media[item.medium].needs_phone
    if not called or route is None or route.trunk not in state.trunks:
        return None
    cap = state.trunks[route.trunk].cap
    return Rule.LINE_FULL if cap and state.lines.get(route.trunk, 0) >= cap else None


def _held(seat: Seat) -> Counter[str]:
    held = Counter(one.medium for one in seat.handlings.values())
    held.update(seat.offers.values())
    if seat.directs or seat.watching:
        held[VOICE] += len(seat.directs) + len(seat.watching)
    return held


def _names(listed: Sequence[str], medium: str) -> bool:
    return medium in listed or "*" in listed


def _rank(verdict: SeatVerdict) -> tuple[tuple[int, ...], str]:
    return verdict.score, verdict.seat


# --- the two views --------------------------------------------------------------------------------------------


def seats_for(state: State, item_id: str) -> ItemVerdict:
    """Every seat with its verdict for an item, as if it looked for a seat now. Raises KeyError for an item that is
    not open or is in no queue."""
    item = state.items[item_id]
    queue = state.queues[item.queue]
    d3 = relaxed(state, item)
    seats = tuple(
        SeatVerdict(seat_id, refusal(state, item, seat, d3=d3), score(state, item, seat))
        for seat_id, seat in state.seats.items()
    )
    best = min((one for one in seats if one.eligible), key=_rank, default=None)
    return ItemVerdict(item_id, queue.id, queue.strategy, d3, seats, best.seat if best else "")


def items_for(state: State, seat_id: str) -> SeatView:
    """Every waiting item with its place for a seat, as if the seat became free now. Raises KeyError without it."""
    seat = state.seats[seat_id]
    ranks = {one.queue: one.rank for one in seat.profile.queues}
    offered: list[Candidate] = []
    refused: list[tuple[str, Rule]] = []
    for item in state.items.values():
        if item.phase is not Phase.WAITING:
            continue
        rule = refusal(state, item, seat)
        if rule is None:
            offered.append(Candidate(item.id, (ranks[item.queue], item.order, item.number)))
        else:
            refused.append((item.id, rule))
    return SeatView(seat_id, tuple(sorted(offered, key=lambda one: one.score)), tuple(refused))


def starving(state: State) -> list[tuple[str, str]]:
    """I4: (item, seat) for each item that waits while that seat is eligible; empty in a correct core."""
    return [
        (item.id, seat_id)
        for item in state.items.values()
        if item.phase is Phase.WAITING
        for d3 in (relaxed(state, item),)
        for seat_id, seat in state.seats.items()
        if refusal(state, item, seat, d3=d3) is None
    ]


# --- recomputing a log ----------------------------------------------------------------------------------------


def judge(state: State, recorded: Recorded) -> Decision:
    """An Offered fact against the rules, in the state just before it. The fact must be an Offered."""
    offered = recorded.fact
    if not isinstance(offered, Offered):
        raise TypeError(f"fact {recorded.seq} is no offer")
    expected, wanted_score, candidates, problem = JUDGES[offered.rule](state, offered)
    return Decision(recorded.seq, recorded.at, offered, expected, wanted_score, candidates, problem)


def decisions(log: Iterable[Recorded], item: str = "", state: State | None = None) -> Iterator[Decision]:
    """Each offer of the log (of one item, when named) with what the rules give, replaying from `state` or nothing."""
    state = State() if state is None else state
    for recorded in log:
        fact = recorded.fact
        if isinstance(fact, Offered) and item in ("", fact.item):
            yield judge(state, recorded)
        evolve(state, recorded)


def recompute(log: Iterable[Recorded]) -> Report:
    """Every offer of a whole log, from its first fact on, recomputed by these rules."""
    report = Report()
    for decision in decisions(log):
        report.decisions += 1
        report.by_rule[decision.offered.rule.value] += 1
        if decision.problem:
            report.differences.append(decision)
        else:
            report.equal += 1
    return report


_Judged = tuple[str, tuple[int, ...], int, str]


def _judge_seat_for_item(state: State, offered: Offered) -> _Judged:
    view = seats_for(state, offered.item)
    eligible = view.eligible
    best_score = eligible[0].score if eligible else ()
    problem = _first(
        (view.best != offered.seat, f"seat {view.best or 'none'} expected, {offered.seat} chosen"),
        (best_score != offered.score, f"score {best_score} expected, {offered.score} recorded"),
        (len(eligible) != offered.candidates, f"{len(eligible)} eligible seats, {offered.candidates} recorded"),
        (view.strategy is not offered.strategy, f"strategy {view.strategy} expected"),
        (view.relaxed is not offered.relaxed, f"D3 in force: {view.relaxed}, recorded {offered.relaxed}"),
        *_common(state, offered),
    )
    return view.best, best_score, len(eligible), problem


def _judge_item_for_seat(state: State, offered: Offered) -> _Judged:
    view = items_for(state, offered.seat)
    best_score = view.items[0].score if view.items else ()
    problem = _first(
        (view.best != offered.item, f"item {view.best or 'none'} expected, {offered.item} chosen"),
        (best_score != offered.score, f"score {best_score} expected, {offered.score} recorded"),
        (len(view.items) != offered.candidates, f"{len(view.items)} items, {offered.candidates} recorded"),
        (_d3(state, offered) is not offered.relaxed, f"D3 in force: {not offered.relaxed}"),
        *_common(state, offered),
    )
    return view.best, best_score, len(view.items), problem


def _judge_last_agent(state: State, offered: Offered) -> _Judged:
    """Within its window the item is the one that seat gets next; at arrival the seat is asked first of all."""
    item = state.items[offered.item]
    if item.sticky_seat == offered.seat:
        return _judge_item_for_seat(state, offered)
    seat = state.seats[offered.seat]
    refused = refusal(state, item, seat)
    best_score = score(state, item, seat)
    problem = _first(
        (not state.queues[item.queue].last_agent_first, f"queue {item.queue} has no last agent first"),
        (item.plan.last_seat != offered.seat, f"seat {item.plan.last_seat} served last, {offered.seat} chosen"),
        (refused is not None, f"the last agent's seat is refused: {refused}"),
        (best_score != offered.score, f"score {best_score} expected, {offered.score} recorded"),
        (_d3(state, offered) is not offered.relaxed, f"D3 in force: {not offered.relaxed}"),
        *_common(state, offered),
    )
    return item.plan.last_seat, best_score, 1, problem


def _judge_pickup(state: State, offered: Offered) -> _Judged:
    seat = state.seats[offered.seat]
    full = _full(state, seat, offered.medium)
    phone = state.media[offered.medium].needs_phone
    problem = _first(
        (not seat.signed_in_at, "picked up by a seat that is not signed in"),
        (not is_member(seat, offered.queue), "picked up from a queue the seat does not serve"),
        (phone and not seat.reachable, "picked up without a reachable phone"),
        (full is not None, f"picked up although {full}"),
        (_no_line(state, state.items[offered.item]) is not None, "picked up although its line is full"),
        *_common(state, offered),
    )
    return offered.item, offered.score, offered.candidates, problem


JUDGES: Mapping[OfferRule, Callable[[State, Offered], _Judged]] = {
    OfferRule.SEAT_FOR_ITEM: _judge_seat_for_item,
    OfferRule.ITEM_FOR_SEAT: _judge_item_for_seat,
    OfferRule.LAST_AGENT: _judge_last_agent,
    OfferRule.PICKUP: _judge_pickup,
}


def _common(state: State, offered: Offered) -> tuple[tuple[bool, str], ...]:
    item = state.items[offered.item]
    return (
        (item.phase is not Phase.WAITING, f"the item was {item.phase}, not waiting"),
        (item.queue != offered.queue, f"the item waited in {item.queue}, recorded {offered.queue}"),
        (item.medium != offered.medium, f"the item's medium is {item.medium}, recorded {offered.medium}"),
        (state.revision != offered.revision, f"revision {state.revision} in force, {offered.revision} recorded"),
    )


def _d3(state: State, offered: Offered) -> bool:
    return relaxed(state, state.items[offered.item])


def _first(*checks: tuple[bool, str]) -> str:
    return next((words for wrong, words in checks if wrong), "")
