"""Judges a run by what Asterisk (CEL), the log and the phones saw, never by our own counters.

A call is lost when its caller was cut off although neither he nor his agent hung up. An assignment is wrong when a
customer was ever joined with somebody the log did not give him, or with two at once. A fact is lost when Asterisk saw
a call that the log does not have, or the log leaves one without its one end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from acd import why
from acd.core.facts import (
    Accepted,
    Diverted,
    Ended,
    EngineTookOver,
    Entered,
    FallbackCallServed,
    HandlingEnded,
    Recorded,
)
from acd.core.model import Outcome, Party
from cti.cel import CelEvent

SETTLING = 1_000_000
"""Microseconds of one engine's unbroken life in which an accepted call must be joined."""
OUTSIDE = "from-outside"
JOINED = 300_000
"""Two in one bridge for less than this are a hand-over of the bridge, not a talk."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A customer and a seat's channel in the same bridge, microseconds UTC."""

    customer: str
    other: str
    extension: str
    bridge: str
    start: int
    end: int


@dataclass(slots=True)
class Verdict:
    """What was found wrong, as sentences; empty lists are a clean run."""

    calls: int = 0
    talks: int = 0
    fallback: int = 0
    decisions: int = 0
    lost_calls: list[str] = field(default_factory=list)
    lost_facts: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost_calls or self.lost_facts or self.wrong)


def extension_of(channel: str) -> str:
    """`8001` of `PJSIP/8001-0000001a`."""
    return channel.partition("/")[2].rpartition("-")[0]


def customers_of(events: Iterable[CelEvent]) -> dict[str, str]:
    """Leg -> channel name of every caller from outside that reached an entry."""
    started = {event.leg: event for event in events if event.kind == "CHAN_START" and event.context == OUTSIDE}
    reached = {event.leg for event in events if event.kind in ("APP_START", "ANSWER", "USER_DEFINED", "BRIDGE_ENTER")}
    return {leg: event.channel for leg, event in started.items() if leg in reached}


def talks_of(events: Sequence[CelEvent], customers: Mapping[str, str]) -> list[Talk]:
    """Who was with whom, from BRIDGE_ENTER and BRIDGE_EXIT."""
    inside: dict[str, dict[str, tuple[int, str]]] = {}
    talks: list[Talk] = []
    for event in events:
        if event.kind not in ("BRIDGE_ENTER", "BRIDGE_EXIT"):
            continue
        bridge = str(json.loads(event.extra or "{}").get("bridge_id", ""))
        members = inside.setdefault(bridge, {})
        if event.kind == "BRIDGE_ENTER":
            members[event.leg] = (event.at, event.channel)
        elif event.leg in members:
            talks += _ended(bridge, members, event, customers)
            del members[event.leg]
    return talks


def _ended(
    bridge: str, members: Mapping[str, tuple[int, str]], event: CelEvent, customers: Mapping[str, str]
) -> list[Talk]:
    talks = []
    for leg, (since, channel) in members.items():
        if leg == event.leg or (leg in customers) == (event.leg in customers):
            continue
        customer, other = (leg, event.leg) if leg in customers else (event.leg, leg)
        name = event.channel if other == event.leg else channel
        start = max(since, members[event.leg][0])
        talks.append(Talk(customer, other, extension_of(name), bridge, start, event.at))
    return talks


def judge(facts: Sequence[Recorded], events: Sequence[CelEvent], seats: Mapping[str, str]) -> Verdict:
    """The verdict on a run that is over. `seats`: extension -> seat id."""
    customers = customers_of(events)
    talks = talks_of(events, customers)
    verdict = Verdict(calls=len(customers), talks=len(talks))
    _judge_log(facts, customers, verdict)
    _judge_talks(facts, talks, seats, verdict)
    _judge_ends(facts, events, customers, talks, verdict)
    report = why.recompute(facts)
    verdict.decisions = report.decisions
    verdict.wrong += [f"decision of fact {wrong.seq}: {wrong.problem}" for wrong in report.differences]
    return verdict


def _judge_log(facts: Sequence[Recorded], customers: Mapping[str, str], verdict: Verdict) -> None:
    for place, recorded in enumerate(facts, 1):
        if recorded.seq != place:
            verdict.lost_facts.append(f"seq {place} is missing, {recorded.seq} stands there")
            break
    ends: dict[str, int] = {}
    legs: dict[str, str] = {}
    for recorded in facts:
        fact = recorded.fact
        if isinstance(fact, Entered):
            ends.setdefault(fact.item, 0)
            if fact.leg in legs:
                verdict.wrong.append(f"leg {fact.leg} entered twice")
            legs[fact.leg] = fact.item
        elif isinstance(fact, Ended | FallbackCallServed):
            ends[fact.item] = ends.get(fact.item, 0) + 1
            if isinstance(fact, FallbackCallServed):
                legs.setdefault(fact.leg, fact.item)
                verdict.fallback += 1
    verdict.lost_facts += [f"item {item} has {count} ends" for item, count in ends.items() if count != 1]
    verdict.lost_facts += [f"leg {leg} is in CEL and not in the log" for leg in customers if leg not in legs]


def _judge_talks(facts: Sequence[Recorded], talks: Sequence[Talk], seats: Mapping[str, str], verdict: Verdict) -> None:
    items = {fact.leg: fact.item for r in facts if isinstance(fact := r.fact, Entered)}
    accepted = {fact.offer: fact for r in facts if isinstance(fact := r.fact, Accepted)}
    served = {fact.leg for r in facts if isinstance(fact := r.fact, FallbackCallServed)}
    for talk in talks:
        given = accepted.get(talk.other)
        if given is None and talk.customer in served:
            continue  # the plain queue's doing, and booked as such
        if given is None or given.item != items.get(talk.customer) or seats.get(talk.extension) != given.seat:
            verdict.wrong.append(f"{talk.customer} was joined with {talk.extension}, the log says {given}")
    joined = {(talk.customer, talk.other) for talk in talks}
    _judge_overlaps(talks, verdict)
    _judge_joins(facts, items, joined, verdict)


def _judge_overlaps(talks: Sequence[Talk], verdict: Verdict) -> None:
    for key in ("customer", "extension"):
        groups: dict[str, list[Talk]] = {}
        for talk in talks:
            groups.setdefault(getattr(talk, key), []).append(talk)
        for who, own in groups.items():
            own.sort(key=lambda talk: talk.start)
            for one, other in pairwise(own):
                if other.start < one.end - JOINED:
                    verdict.wrong.append(f"{key} {who} was in two talks at once")


def _judge_joins(
    facts: Sequence[Recorded], items: Mapping[str, str], joined: set[tuple[str, str]], verdict: Verdict
) -> None:
    legs = {item: leg for leg, item in items.items()}
    over = {fact.item: r.at for r in facts if isinstance(fact := r.fact, HandlingEnded | Ended | Diverted)}
    lives = _lives(facts)
    for recorded in facts:
        fact = recorded.fact
        if not isinstance(fact, Accepted) or (legs.get(fact.item, ""), fact.offer) in joined:
            continue
        if any(min(over.get(fact.item, 0), end) - max(recorded.at, start) > SETTLING for start, end in lives):
            verdict.lost_calls.append(f"item {fact.item} was accepted by {fact.seat} and never joined")


def _lives(facts: Sequence[Recorded]) -> list[tuple[int, int]]:
    """When an engine was there: from its first fact to its last."""
    lives: list[tuple[int, int]] = []
    for recorded in facts:
        start = recorded.at if isinstance(recorded.fact, EngineTookOver) or not lives else lives.pop()[0]
        lives.append((start, recorded.at))
    return lives


def hung_up(leg: str, sources: Mapping[str, str], channels: Mapping[str, str]) -> bool:
    """Whether that channel itself ended its call."""
    return bool(sources.get(leg)) and sources[leg] == channels.get(leg)


BY_RULE = (Outcome.CLOSED, Outcome.BLACKLISTED, Outcome.LINE_CAP, Outcome.QUEUE_FULL, Outcome.TIMEOUT_QUEUE)


def _judge_ends(
    facts: Sequence[Recorded],
    events: Sequence[CelEvent],
    customers: Mapping[str, str],
    talks: Sequence[Talk],
    verdict: Verdict,
) -> None:
    """Who cut whom off: Asterisk notes the channel that hung up first as the hang-up's source."""
    sources = {
        event.leg: str(json.loads(event.extra or "{}").get("hangupsource", ""))
        for event in events
        if event.kind == "HANGUP"
    }
    by_rule = {
        fact.leg
        for r in facts
        if isinstance(fact := r.fact, Ended) and fact.who is Party.SYSTEM and fact.outcome in BY_RULE
    }
    channels = {event.leg: event.channel for event in events if event.kind == "CHAN_START"}
    legs = {fact.item: fact.leg for r in facts if isinstance(fact := r.fact, Entered)}
    partners: dict[str, set[str]] = {}
    for talk in talks:
        partners.setdefault(talk.customer, set()).add(talk.other)
    for recorded in facts:
        if isinstance(recorded.fact, Accepted):
            partners.setdefault(legs.get(recorded.fact.item, ""), set()).add(recorded.fact.offer)
    for leg, channel in customers.items():
        if leg not in sources:
            verdict.lost_facts.append(f"CEL has no end of {leg}")
        elif sources[leg] == channel or leg in by_rule:
            continue
        elif not any(hung_up(offer, sources, channels) for offer in partners.get(leg, ())):
            verdict.lost_calls.append(f"{leg} was cut off by {sources[leg] or 'us'}, and no agent of his hung up")
