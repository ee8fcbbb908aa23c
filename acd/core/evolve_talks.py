"""Facts of conversations change the state: third parties, supervisors, outbound calls, recording."""

from __future__ import annotations

from typing import assert_never

from acd.core import facts as f
from acd.core.model import (
    Handling,
    Kind,
    Micros,
    Other,
    Phase,
    Route,
    State,
    Watcher,
    WorkItem,
)
from acd.core.shapes import PLACES, Place, Shape

TalkFact = (
    f.ShapeChanged
    | f.Invited
    | f.InviteEnded
    | f.OtherAnswered
    | f.OtherLeft
    | f.TookOver
    | f.CustomerLeft
    | f.CustomerMoved
    | f.SeatMuted
    | f.WatchStarted
    | f.WatchAnswered
    | f.WatchChanged
    | f.WatchEnded
    | f.RecordingPaused
    | f.RecordingResumed
    | f.RecordingFailed
    | f.OutboundStarted
    | f.SeatReached
    | f.CustomerDialled
    | f.CustomerRang
    | f.CustomerAnswered
)


def evolve_talk(state: State, fact: TalkFact, at: Micros) -> None:
    """Change `state` by one fact about a conversation."""
    if isinstance(fact, f.OutboundStarted):
        _outbound_started(state, fact, at)
        return
    item = state.items[fact.item]
    match fact:
        case f.ShapeChanged():
            _reshape(state, item, fact.shape)
        case f.Invited():
            _invited(state, item, fact, at)
        case f.InviteEnded():
            if fact.seat:
                del state.seats[fact.seat].offers[fact.leg]
            if not fact.seat and item.other is not None and not item.other.by:
                item.tried_outside = (*item.tried_outside, item.other.target.id)
            _drop_other(state, item)
        case f.OtherAnswered():
            _other_answered(state, item, fact, at)
        case f.OtherLeft():
            _drop_other(state, item)
        case f.TookOver():
            _took_over(state, item, fact, at)
        case f.CustomerLeft() | f.CustomerMoved():
            customer_gone(state, item)
        case f.SeatMuted():
            state.seats[fact.seat].handlings[fact.item].muted = fact.on
        case f.WatchStarted():
            state.next_id += 1
            item.watchers[fact.leg] = Watcher(fact.leg, fact.seat, fact.mode, at, fact.due)
            state.watch_legs[fact.leg] = fact.item
            state.seats[fact.seat].watching[fact.leg] = fact.item
            state.timers[f"watch:{fact.leg}"] = fact.due
        case f.WatchAnswered():
            item.watchers[fact.leg].answered_at = at
            del state.timers[f"watch:{fact.leg}"]
        case f.WatchChanged():
            item.watchers[fact.leg].mode = fact.mode
        case f.WatchEnded():
            _drop_watcher(state, item, fact.leg)
        case f.RecordingPaused():
            item.paused = True
            state.timers[f"pause:{fact.item}"] = fact.resume_at
        case f.RecordingResumed():
            item.paused = False
            state.timers.pop(f"pause:{fact.item}", None)
        case f.SeatReached():
            item.seat_rings = False
            state.timers.pop(f"dial:{fact.item}", None)
        case f.CustomerDialled():
            _customer_dialled(state, item, fact)
        case f.CustomerAnswered():
            item.phase, item.answered, item.recording = Phase.ACTIVE, True, fact.recording
            item.shape, item.served = Shape.TALK, True
            state.seats[fact.seat].handlings[fact.item].media_up_at = at
            state.timers.pop(f"dial:{fact.item}", None)
        case f.CustomerRang():
            item.far_rang = True
        case f.RecordingFailed():
            item.recorded, item.gap = False, True
        case _:
            assert_never(fact)


def _reshape(state: State, item: WorkItem, shape: Shape) -> None:
    if item.phase is not Phase.ACTIVE:  # led outside from a menu or a queue: he waits for nobody else any more
        item.phase = Phase.ACTIVE
        for kind in ("menu", "relax", "say", "leave", "sticky"):
            state.timers.pop(f"{kind}:{item.id}", None)
        item.sticky_seat, item.sticky_until = "", 0
    item.shape = shape
    places = PLACES[shape]
    other = item.other
    if other is not None and other.seat and other.answered_at and places.customer is places.other is Place.BRIDGE:
        state.seats[other.seat].handlings[item.id].met = True


def _invited(state: State, item: WorkItem, fact: f.Invited, at: Micros) -> None:
    state.next_id += 1
    item.other = Other(fact.leg, fact.target, fact.seat, fact.by_seat, at, fact.due, fact.route)
    state.other_legs[fact.leg] = item.id
    if fact.seat:
        state.seats[fact.seat].offers[fact.leg] = fact.medium
    take_line(state, fact.route)
    state.timers[f"invite:{item.id}"] = fact.due


def _drop_other(state: State, item: WorkItem) -> None:
    other, item.other = item.other, None
    if other is not None:
        state.other_legs.pop(other.leg, None)
        free_line(state, other.route.trunk if other.route else "")
    state.timers.pop(f"invite:{item.id}", None)


def _other_answered(state: State, item: WorkItem, fact: f.OtherAnswered, at: Micros) -> None:
    state.timers.pop(f"invite:{item.id}", None)
    item.bridge = fact.bridge
    if item.other is not None:
        item.other.answered_at = at
    if fact.seat:
        seat = state.seats[fact.seat]
        del seat.offers[fact.leg], state.other_legs[fact.leg]
        seat.handlings[item.id] = Handling(item.id, fact.medium, fact.queue, fact.leg, at, met=False)
        state.seat_legs[fact.leg] = fact.seat
        seat.presence(state.media[fact.medium].presence).no_answer_count = 0


def _took_over(state: State, item: WorkItem, fact: f.TookOver, at: Micros) -> None:
    seat = state.seats[fact.seat]
    if fact.leg in item.watchers:
        _drop_watcher(state, item, fact.leg)
        seat.handlings[item.id] = Handling(item.id, fact.medium, fact.queue, fact.leg, at)
        state.seat_legs[fact.leg] = fact.seat
    else:
        item.other = None
        seat.handlings[item.id].met = True
    item.seat, item.served = fact.seat, True


def _drop_watcher(state: State, item: WorkItem, leg: str) -> None:
    watcher = item.watchers.pop(leg)
    del state.watch_legs[leg], state.seats[watcher.seat].watching[leg]
    state.timers.pop(f"watch:{leg}", None)


def customer_gone(state: State, item: WorkItem) -> None:
    """The item has no customer's leg any more; his line is free."""
    state.legs.pop(item.leg, None)
    free_line(state, item.trunk)
    item.leg, item.trunk = "", ""


def _outbound_started(state: State, fact: f.OutboundStarted, at: Micros) -> None:
    state.next_number = fact.number + 1
    state.next_id += 1
    item = state.items[fact.item] = WorkItem(
        id=fact.item,
        number=fact.number,
        kind=Kind.CALL,
        medium=fact.medium,
        record=fact.record,
        plan=fact.plan,
        arrived_at=at,
        phase=Phase.DIALLING,
        seat=fact.seat,
        shape=Shape.DIALLING,
        route=fact.route,
        seat_rings=fact.rings,
        outbound=True,
    )
    state.seats[fact.seat].handlings[fact.item] = Handling(fact.item, fact.medium, "", fact.leg, at)
    state.seat_legs[fact.leg] = fact.seat
    state.timers[f"dial:{item.id}"] = fact.due


def _customer_dialled(state: State, item: WorkItem, fact: f.CustomerDialled) -> None:
    state.next_id += 1
    item.phase, item.shape, item.route = Phase.DIALLING, Shape.DIALLING, fact.route
    item.leg, item.bridge, item.trunk = fact.leg, fact.bridge, fact.route.trunk
    state.legs[fact.leg] = item.id
    take_line(state, fact.route)
    state.timers[f"dial:{item.id}"] = fact.due


def take_line(state: State, route: Route | None) -> None:
    """One call more on the route's line."""
    if route is not None and route.trunk:
        state.lines[route.trunk] = state.lines.get(route.trunk, 0) + 1


def free_line(state: State, trunk: str) -> None:
    """One call less on a line."""
    if trunk:
        left = state.lines.get(trunk, 0) - 1
        if left > 0:
            state.lines[trunk] = left
        else:
            state.lines.pop(trunk, None)
