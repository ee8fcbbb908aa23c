"""Calls to the outside: click-to-dial, handsets, callbacks; the caps of lines (V2, V14, V15, V17)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from acd.core import facts as f
from acd.core import inputs as i
from acd.core import leaving, offering
from acd.core.match import line_is_full, line_of
from acd.core.model import SECOND, EntryPlan, Micros, OfferResult, Outcome, Party, Phase, Route, Seat, WorkItem
from acd.core.reply import Code, Done, Refused, Reply
from acd.core.seats import DIRECT_MEDIUM, Block, block_by_hand

if TYPE_CHECKING:
    from acd.core.decide import Core

LATE = Done(note="late")

OWN_RING_TIME: Micros = 20 * SECOND
"""How long a click-to-dial call rings at the agent's own phone."""

LINE_CAP_SAY = "call attempt had over the max concurrent calls"
"""V15's words."""

MAY_DIAL = frozenset({Block.WRAP_UP, Block.ONE_CASE})
"""What keeps the dispatcher away, but not the agent's own hand from dialling: calling back is part of wrap-up."""

FAILED: dict[OfferResult, Outcome] = {
    OfferResult.REJECTED: Outcome.REJECTED,
    OfferResult.TIMEOUT: Outcome.RNA,
    OfferResult.UNREACHABLE: Outcome.UNREACHABLE,
    OfferResult.WITHDRAWN: Outcome.CANCELLED,
    OfferResult.ACCEPTED: Outcome.ANSWERED,
}
"""What a call that nobody answered is booked as where the telephone side names no outcome."""


def outbound_asked(core: Core, given: i.OutboundAsked) -> Reply:
    """A seat calls outside; its own phone is rung first unless it dialled by itself."""
    seat = core.state.seats.get(given.seat)
    if seat is None:
        return core.refuse(Code.UNKNOWN_SEAT, f"seat {given.seat} does not exist; see `ringside seat list`")
    if given.leg and (given.leg in core.state.seat_legs or given.leg in core.state.over):
        return LATE
    same = _same_dialling(core, seat, given)
    if same is not None:
        return Done(item=same, note="late")
    refusal = _may_not(core, seat, given) or no_way(core, given.route, given.seat)
    if refusal is not None:
        return refusal
    for leg, medium in list(seat.offers.items()):
        if core.state.media[medium].needs_phone:
            offering.take_back(core, leg, OfferResult.WITHDRAWN, Party.SEAT)
    item_id = core.new_id("i")
    core.record(
        f.OutboundStarted(
            item=item_id,
            number=core.state.next_number,
            record=core.new_id("s"),
            seat=given.seat,
            leg=given.leg or core.new_id("o"),
            medium=DIRECT_MEDIUM,
            route=given.route,
            plan=EntryPlan("", core.state.revision, "", DIRECT_MEDIUM, address=given.route.address),
            rings=not given.leg,
            due=core.now + OWN_RING_TIME,
        )
    )
    if given.leg:
        dial_customer(core, core.state.items[item_id], given.route)
    return Done(item=item_id)


def _same_dialling(core: Core, seat: Seat, given: i.OutboundAsked) -> str | None:
    """The call that this seat is making by that very route already: a second click makes no second call."""
    if given.leg:
        return None
    held = (core.state.items[item] for item in seat.handlings)
    return next((one.id for one in held if one.phase is Phase.DIALLING and one.route == given.route), None)


def _may_not(core: Core, seat: Seat, given: i.OutboundAsked) -> Refused | None:
    """Emergency calls ask nothing; a handset that dials is on a second line of its own."""
    if DIRECT_MEDIUM not in core.state.media:
        return core.refuse(Code.UNKNOWN_MEDIUM, f"medium {DIRECT_MEDIUM} is not defined")
    if given.route.emergency:
        return None
    status = core.state.statuses.get(seat.voice.status)
    if not seat.signed_in_at:
        return core.refuse(Code.SIGNED_OUT, "sign in first")
    if status is None or not status.outbound_allowed:
        return core.refuse(Code.OUTBOUND_NOT_ALLOWED, "this status allows no outbound calls")
    block = block_by_hand(core.state, _without_ringing(core, seat), core.state.media[DIRECT_MEDIUM], MAY_DIAL)
    if block is Block.UNREACHABLE:
        return core.refuse(Code.PHONE_UNREACHABLE, "the seat's phone is not registered")
    if block is not None and not (given.leg and _has_one_call(core, seat)):
        return core.refuse(Code.SEAT_BUSY, f"the seat cannot call now ({block})")
    return None


def _without_ringing(core: Core, seat: Seat) -> Seat:
    """The seat as it is once what rings there has gone to somebody else: it dials."""
    kept = {leg: medium for leg, medium in seat.offers.items() if not core.state.media[medium].needs_phone}
    return replace(seat, offers=kept)


def _has_one_call(core: Core, seat: Seat) -> bool:
    """A handset's second line: its first call is the only thing it does by phone."""
    phone = [one for one in seat.handlings.values() if core.state.media[one.medium].needs_phone]
    return len(phone) == 1 and not seat.directs and not seat.watching


def no_way(core: Core, route: Route | None, seat: str) -> Refused | None:
    """Why a number cannot be called by this route now. One call more than the line's cap is counted, and refused."""
    if route is None:
        return core.refuse(Code.NO_ROUTE, "there is no way to this number; see the dial rules")
    if route.emergency:
        return None
    trunk = core.state.trunks.get(route.trunk)
    if trunk is None:
        return core.refuse(Code.UNKNOWN_TRUNK, f"line {route.trunk} does not exist")
    if 0 < trunk.cap <= core.state.lines.get(route.trunk, 0):
        core.record(f.LineOverflowed(route.trunk, seat))
        return core.refuse(Code.LINE_CAP, LINE_CAP_SAY)
    return None


def has_room(core: Core, route: Route) -> bool:
    """Whether the line exists and has room for one call more; nothing is counted."""
    trunk = core.state.trunks.get(route.trunk)
    return trunk is not None and not 0 < trunk.cap <= core.state.lines.get(route.trunk, 0)


def no_room(core: Core, item: WorkItem, seat: str) -> Refused | None:
    """Why a callback cannot be made now: its line is at its cap, which passes; this call is counted. None for all other
    contacts, and where the line is missing: that stays."""
    return no_way(core, item.plan.callback, seat) if line_is_full(core.state, line_of(core.state, item)) else None


def not_outside(core: Core, seat_id: str, route: Route | None) -> Refused | None:
    """Why this seat may not bring a number outside into its conversation: its status allows no outbound calls, or there
    is no way."""
    status = core.state.statuses.get(core.state.seats[seat_id].voice.status)
    if route is not None and not route.emergency and not (status and status.outbound_allowed):
        return core.refuse(Code.OUTBOUND_NOT_ALLOWED, "this status allows no outbound calls")
    return no_way(core, route, seat_id)


def dial_customer(core: Core, item: WorkItem, route: Route) -> None:
    """The customer is called; his seat hears it ring."""
    leg = core.new_id("c")
    due = core.now + route.ring_time
    core.record(f.CustomerDialled(item.id, item.seat, leg, route, item.bridge or f"{leg}-b", due))


def call_back(core: Core, item: WorkItem) -> None:
    """A callback was accepted: the customer is called, once. Without a number, or a line to call by, it ends: nothing
    would come of it however often it rang."""
    route = item.plan.callback
    if route is None:
        give_up(core, item, Outcome.WRONG_NUMBER, Party.SYSTEM)
    elif no_way(core, route, item.seat) is not None:
        give_up(core, item, Outcome.UNREACHABLE, Party.SYSTEM)
    else:
        dial_customer(core, item, route)


def seat_answered(core: Core, leg: str) -> Reply:
    """The agent's own phone of a click-to-dial call answered."""
    item = _dialling_of(core, leg)
    if item is None or not item.seat_rings or item.route is None:
        return LATE
    core.record(f.SeatReached(item.id, item.seat))
    if no_way(core, item.route, item.seat) is not None:
        give_up(core, item, Outcome.LINE_CAP, Party.SYSTEM)
    else:
        dial_customer(core, item, item.route)
    return Done(item=item.id)


def _dialling_of(core: Core, leg: str) -> WorkItem | None:
    """The outbound item whose seat has this leg."""
    seat = core.state.seats.get(core.state.seat_legs.get(leg, ""))
    if seat is None:
        return None
    held = next((one.item for one in seat.handlings.values() if one.offer == leg), "")
    item = core.item(held)
    return item if item is not None and item.phase is Phase.DIALLING else None


def customer_rang(core: Core, leg: str) -> Reply:
    """The called customer's phone rings."""
    item = core.item(core.state.legs[leg])
    if item is None or item.phase is not Phase.DIALLING or item.far_rang:
        return LATE
    core.record(f.CustomerRang(item.id, leg))
    return Done(item=item.id)


def customer_answered(core: Core, leg: str) -> Reply:
    """The called customer answered (接通)."""
    item = core.item(core.state.legs[leg])
    if item is None or item.phase is not Phase.DIALLING:
        return LATE
    queue = core.state.queues.get(item.queue)
    wanted = queue.record_calls if queue is not None else item.route is not None and item.route.record
    core.record(f.CustomerAnswered(item.id, item.seat, leg, f"{item.id}-r" if wanted else ""))
    return Done(item=item.id)


def refused(core: Core, given: i.OfferRefused) -> Reply:
    """The called customer did not come to the phone, or the agent's own phone did not."""
    item_id = core.state.legs.get(given.offer)
    if item_id is None:
        item = _dialling_of(core, given.offer)
        if item is None or not item.seat_rings:
            return LATE
        give_up(core, item, Outcome.CANCELLED, Party.SEAT, seat_gone=True)
        return Done(item=item.id)
    item = core.state.items[item_id]
    if item.phase is not Phase.DIALLING:
        return LATE
    outcome = given.outcome or FAILED[given.result]
    who = Party.CUSTOMER if outcome in (Outcome.REJECTED, Outcome.BUSY) else Party.SYSTEM
    give_up(core, item, outcome, who, sip=given.sip, q850=given.q850, gone=True)
    return Done(item=item.id)


def customer_lost(core: Core, item: WorkItem, given: i.PartyLeft) -> Reply:
    """The leg of a customer who was being called is gone, and nobody saw why."""
    outcome = Outcome.UNREACHABLE if given.observed else Outcome.UNOBSERVED
    give_up(core, item, outcome, Party.SYSTEM, sip=given.sip, q850=given.q850, gone=True)
    return Done(item=item.id)


def dial_due(core: Core, item_id: str) -> None:
    """Nobody answered in time: the agent's own phone, or the customer's."""
    item = core.state.items[item_id]
    give_up(core, item, Outcome.CANCELLED if item.seat_rings else Outcome.RNA, Party.SYSTEM)


def give_up(
    core: Core,
    item: WorkItem,
    outcome: Outcome,
    who: Party,
    *,
    sip: int = 0,
    q850: int = 0,
    gone: bool = False,
    seat_gone: bool = False,
) -> None:
    """The call came to nothing: the seat is free at once, since there was no conversation to wrap up."""
    seat = item.seat
    leaving.leave(core, item, who, gone=seat_gone)
    leaving.end(core, item, outcome, who, seat=seat, sip=sip, q850=q850, gone=gone)
