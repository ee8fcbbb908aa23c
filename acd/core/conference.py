"""Conversations of two and three: hold, consultation, transfer, three-way, coaching, by the tables of acd.core.shapes.

Whatever the third party does, the customer is never stranded: he is back with his agent, or waits at his old place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core import contacts, dialling, leading, leaving, speaking, watching
from acd.core import facts as f
from acd.core import inputs as i
from acd.core.model import (
    SECOND,
    Kind,
    Micros,
    OfferResult,
    Outcome,
    Party,
    Phase,
    Route,
    Target,
    TargetKind,
    Watcher,
    WatchMode,
    WorkItem,
)
from acd.core.reply import Code, Done, Refused, Reply
from acd.core.seats import Block, block_by_hand
from acd.core.shapes import INVITES, LEAVES, MOVES, PLACES, Aftermath, Move, Place, Shape, Who

if TYPE_CHECKING:
    from acd.core.decide import Core

LATE = Done(note="late")

LONGEST_EXTENSION = 10

RING_TIME: Micros = 20 * SECOND
"""How long a third party is rung where no queue says otherwise (D5's default)."""

OWN_EXEMPT = frozenset({Block.WRAP_UP, Block.ONE_CASE})
"""What does not keep an agent from his own customer, whom a transfer that failed brings back."""

BLOCK_CODES: dict[Block, Code] = {Block.SIGNED_OUT: Code.SIGNED_OUT, Block.UNREACHABLE: Code.PHONE_UNREACHABLE}
"""Why a colleague cannot be rung; every other block means busy."""


# --- what the owner does -----------------------------------------------------------------------------------------


def move_made(core: Core, given: i.MoveMade) -> Reply:
    """Hold, resume, swap, merge, split, coach, complete, cancel: by the table, refused where it has no row."""
    item = core.item(given.item)
    refusal = not_owner(core, item, given.seat)
    if item is None or refusal is not None:
        return refusal or LATE
    after = MOVES.get((item.shape, given.move))
    if after is None:
        say = f"{given.move} cannot be done now: the conversation is {item.shape}"
        return core.refuse(Code.WRONG_SHAPE, say)
    match given.move:
        case Move.COMPLETE if item.shape is Shape.RINGING:
            _leave_ringing(core, item, gone=False, how="transferred")
        case Move.COMPLETE:
            promote(core, item, "complete", gone=False, how="transferred")
        case Move.CANCEL:
            drop_other(core, item, Party.SEAT)
            _reshape(core, item, after, given.move)
        case _:
            _reshape(core, item, after, given.move)
    return Done(item=item.id)


def not_owner(core: Core, item: WorkItem | None, seat: str) -> Refused | None:
    """A conversation is changed by the seat that serves it, or in its name."""
    if item is None:
        return core.refuse(Code.UNKNOWN_ITEM, "this contact is over")
    if not seat or item.phase is not Phase.ACTIVE or item.seat != seat or item.shape is Shape.NONE:
        return core.refuse(Code.NOT_SERVING, f"seat {seat} is not in a conversation with this customer")
    return None


def consult_asked(core: Core, given: i.ConsultAsked) -> Reply:
    """V7: the customer is put on hold and another one is rung."""
    item = core.item(given.item)
    refusal = not_owner(core, item, given.seat)
    if item is None or refusal is not None:
        return refusal or LATE
    target = _resolved(core, given.target)
    refusal = _not_invitable(core, item, target, given.route)
    if refusal is not None:
        return refusal
    _reshape(core, item, Shape.RINGING, "consult")
    return Done(item=item.id, offer=_invite(core, item, target, given.route, by=given.seat, blind=False))


def transfer_asked(core: Core, given: i.TransferAsked) -> Reply:
    """The customer is handed over at once, and the owner is free (or in wrap-up)."""
    item = core.item(given.item)
    refusal = not_owner(core, item, given.seat)
    if item is None or refusal is not None:
        return refusal or LATE
    match given.target.kind:
        case TargetKind.QUEUE:
            return _to_queue(core, item, given.target.id)
        case TargetKind.ENTRY:
            return _to_entry(core, item, given)
        case TargetKind.SEAT | TargetKind.EXTENSION | TargetKind.OUTSIDE:
            return _to_party(core, item, given)


def _to_party(core: Core, item: WorkItem, given: i.TransferAsked) -> Reply:
    target = _resolved(core, given.target)
    refusal = _not_invitable(core, item, target, given.route)
    if refusal is not None:
        return refusal
    _reshape(core, item, Shape.BLIND, "transfer")
    leaving.leave(core, item, Party.SEAT, how="transferred")
    return Done(item=item.id, offer=_invite(core, item, target, given.route, by=given.seat, blind=True))


def _to_queue(core: Core, item: WorkItem, queue_id: str) -> Reply:
    queue = core.state.queues.get(queue_id)
    if queue is None or queue.retired:
        return core.refuse(Code.UNKNOWN_QUEUE, f"queue {queue_id} takes nobody; choose another")
    if not leading.lands(core, item, queue):
        return core.refuse(Code.QUEUE_CLOSED, f"queue {queue_id} is closed or full; choose another")
    refusal = _in_two(core, item)
    if refusal is not None:
        return refusal
    watching.all_over(core, item, "waiting")
    leaving.leave(core, item, Party.SEAT, how="transferred")
    leading.enqueue(core, item, queue_id)
    return Done(item=item.id)


def _to_entry(core: Core, item: WorkItem, given: i.TransferAsked) -> Reply:
    if given.plan is None:
        return core.refuse(Code.NO_ROUTE, f"entry point {given.target.id} does not exist")
    refusal = _in_two(core, item)
    if refusal is not None:
        return refusal
    watching.all_over(core, item, "waiting")
    leaving.leave(core, item, Party.SEAT, how="transferred")
    core.record(f.PlanReplaced(item.id, given.plan))
    contacts.welcome(core, item)
    return Done(item=item.id)


def _in_two(core: Core, item: WorkItem) -> Refused | None:
    """Only a conversation of two may be given away whole."""
    if item.shape in INVITES:
        return None
    return core.refuse(Code.WRONG_SHAPE, f"end the consultation first: the conversation is {item.shape}")


def _resolved(core: Core, target: Target) -> Target:
    """An extension that belongs to a seat means the seat."""
    owner = core.state.extensions.get(target.id, "") if target.kind is TargetKind.EXTENSION else ""
    return Target(TargetKind.SEAT, owner) if owner else target


def _not_invitable(core: Core, item: WorkItem, target: Target, route: Route | None) -> Refused | None:
    if (refusal := _in_two(core, item)) is not None:
        return refusal
    match target.kind:
        case TargetKind.SEAT:
            return colleague_refuses(core, item, target.id)
        case TargetKind.EXTENSION:
            return _no_extension(core, target.id)
        case TargetKind.OUTSIDE:
            return dialling.not_outside(core, item.seat, route)
        case TargetKind.QUEUE | TargetKind.ENTRY:
            return core.refuse(Code.BAD_INPUT, "consult a seat, an extension or a number; a queue is transferred to")


def _no_extension(core: Core, number: str) -> Refused | None:
    """The directory says which exist; what is no number at all never reaches a line."""
    if number.isascii() and number.isdigit() and len(number) <= LONGEST_EXTENSION:
        return None
    return core.refuse(Code.BAD_INPUT, f"{number[:20]!r} is no extension")


def colleague_refuses(core: Core, item: WorkItem, seat_id: str, *, own: bool = False) -> Refused | None:
    """A transfer passes over the status that keeps the dispatcher away (decided 2: accept_transfer), nothing else. What
    comes back to the seat that gave it away (`own`) asks for no status."""
    seat = core.state.seats.get(seat_id)
    if seat is None:
        return core.refuse(Code.UNKNOWN_SEAT, f"seat {seat_id} does not exist; see `ringside seat list`")
    if seat_id == item.seat or item.id in seat.handlings:
        return core.refuse(Code.BAD_INPUT, "this seat is in the conversation already")
    block = block_by_hand(core.state, seat, core.state.media[item.medium], OWN_EXEMPT if own else frozenset())
    if block is not None:
        return core.refuse(BLOCK_CODES.get(block, Code.SEAT_BUSY), f"seat {seat_id} cannot take it now ({block})")
    if own:
        return None
    status = core.state.statuses.get(seat.voice.status)
    if status is None or not status.accept_transfer:
        return core.refuse(Code.TRANSFER_NOT_ACCEPTED, f"seat {seat_id} takes no transfers in its present status")
    return None


# --- the third party ---------------------------------------------------------------------------------------------


def _invite(core: Core, item: WorkItem, target: Target, route: Route | None, *, by: str, blind: bool) -> str:
    leg = core.new_id("x")
    colleague = target.id if target.kind is TargetKind.SEAT else ""
    queue = core.state.queues.get(item.queue)
    ring_time = route.ring_time if route is not None else queue.ring_time if queue is not None else RING_TIME
    core.record(
        f.Invited(item.id, colleague, by, leg, target, item.medium, blind, core.now + ring_time, route),
    )
    return leg


def hand_outside(core: Core, item: WorkItem, route: Route) -> None:
    """A menu or an overflow leads outside: the caller waits while the number is rung, then he talks with whoever is
    there. Where it fails he goes into his plan's queue."""
    if dialling.no_way(core, route, "") is not None:
        _strand(core, item, outside=False)
        return
    _reshape(core, item, Shape.BLIND, "overflow")
    _invite(core, item, Target(TargetKind.OUTSIDE, route.address), route, by="", blind=True)


def other_rang(core: Core, leg: str) -> Reply:
    """The third party's phone rings."""
    item = core.state.items[core.state.other_legs[leg]]
    if item.other is None or item.other.rung_at or item.other.answered_at:
        return LATE
    core.record(f.RingStarted(leg, item.id, item.other.seat))
    return Done(item=item.id, offer=leg)


def other_answered(core: Core, leg: str) -> Reply:
    """The third party answered: the consultation begins, or the customer is handed over."""
    item = core.state.items[core.state.other_legs[leg]]
    other = item.other
    if other is None or other.answered_at:
        return LATE
    if other.seat and item.id in core.state.seats[other.seat].wrap_ups:  # his own customer comes back
        core.record(f.WrapUpLeft(item.id, other.seat, "taken_again"))
    core.record(f.OtherAnswered(item.id, other.seat, leg, item.medium, item.queue, item.bridge or f"{leg}-b"))
    if item.shape is Shape.RINGING:
        _reshape(core, item, Shape.CONSULT, "answered")
    else:
        _hand_over(core, item, "answered")
    return Done(item=item.id, offer=leg)


def _hand_over(core: Core, item: WorkItem, how: str) -> None:
    """The third party has the customer: as the owner, or as somebody without a seat."""
    other = item.other
    if other is None:
        return
    if other.seat:
        handling = core.state.seats[other.seat].handlings[item.id]
        was = PLACES[item.shape].other
        core.record(f.TookOver(item.id, other.seat, other.leg, handling.medium, handling.queue, how, was))
    _reshape(core, item, Shape.TALK if other.seat else Shape.HANDED_OVER, how)


def promote(core: Core, item: WorkItem, event: str, *, gone: bool, how: str) -> None:
    """The owner leaves and the third party takes his part. The customer is joined before the old owner goes."""
    owner = item.seat
    _hand_over(core, item, event)
    leaving.part_over(core, item, owner, Party.SEAT, gone=gone, how=how)


def _leave_ringing(core: Core, item: WorkItem, *, gone: bool, how: str) -> None:
    """The owner leaves while the third party rings: from now on it rings for the customer."""
    _reshape(core, item, Shape.BLIND, "complete")
    leaving.leave(core, item, Party.SEAT, gone=gone, how=how)


def invite_failed(core: Core, leg: str, result: OfferResult, who: Party, *, sip: int = 0, q850: int = 0) -> Reply:
    """Declined, rang out, busy, unreachable: back to his agent, or to his old place."""
    item = core.state.items[core.state.other_legs[leg]]
    other = item.other
    if other is None or other.answered_at:
        return LATE
    aftermath = LEAVES[item.shape, Who.OTHER]
    by = other.by
    recalled = other.seat == by
    core.record(f.InviteEnded(item.id, other.seat, leg, result, who, sip, q850))
    if aftermath is Aftermath.TALK:
        _reshape(core, item, Shape.TALK, str(result))
    elif recalled or not _recall(core, item, by):
        _strand(core, item)
    return Done(item=item.id, offer=leg)


def _recall(core: Core, item: WorkItem, by: str) -> bool:
    """A contact without a queue goes back to the agent who gave it away, if his phone can be rung."""
    if item.queue or not by or colleague_refuses(core, item, by, own=True) is not None:
        return False
    _invite(core, item, Target(TargetKind.SEAT, by), None, by=by, blind=True)
    return True


def _strand(core: Core, item: WorkItem, *, outside: bool = True) -> None:
    """Nobody has the customer: he waits at his old place; where he never had one, in his plan's queue. `outside` False:
    a rule led him outside by a line without room, so no rule leads him there again in the same step."""
    if item.queue:
        requeue(core, item, "", "transfer_failed", outside=outside)
    elif item.plan.queue:
        leading.enqueue(core, item, item.plan.queue, outside=outside)
    else:
        leaving.end(core, item, Outcome.ANSWERED if item.served else Outcome.DIVERTED, Party.SYSTEM)


def requeue(core: Core, item: WorkItem, seat: str, reason: str, *, outside: bool = True) -> None:
    """The customer waits again in the queue he came from, at his old place; where that has closed or is no more, he
    goes where it sends those who wait. A supervisor has nobody to listen to any more. `outside` False: the line to a
    number outside had no room in this step."""
    queue = core.state.queues[item.queue]
    watching.all_over(core, item, "waiting")
    times = speaking.waiting_times(core, queue, item)
    core.record(f.Requeued(item.id, item.queue, seat, reason, *times))
    moved_to = leading.standing(core, queue.id) if queue.retired else None
    if moved_to is not None:
        leading.move(core, item, moved_to)
    elif not speaking.is_open(core, queue.id) and queue.closed is not None and item.leg:
        leading.lead(core, item, queue.closed, outside=outside)
    if not item.leg:
        leading.drop_if_he_called(core, item)


def invite_due(core: Core, item_id: str) -> None:
    """The third party did not answer in time: our own timer says so, not a code (terms.md, rule 1)."""
    other = core.state.items[item_id].other
    if other is not None:
        invite_failed(core, other.leg, OfferResult.TIMEOUT, Party.SYSTEM)


def drop_other(core: Core, item: WorkItem, who: Party, *, how: str = "cancelled") -> None:
    """The third party, if there is one, is let go: rung no longer, or hung up."""
    other = item.other
    if other is None:
        return
    if not other.answered_at:
        core.record(f.InviteEnded(item.id, other.seat, other.leg, OfferResult.WITHDRAWN, who))
    elif other.seat:
        leaving.part_over(core, item, other.seat, who, how=how)
    else:
        core.record(f.OtherLeft(item.id, other.leg, who))


# --- somebody leaves ---------------------------------------------------------------------------------------------


def other_left(core: Core, item: WorkItem, given: i.PartyLeft) -> Reply:
    """The third party's leg is gone."""
    other = item.other
    if other is None:
        return LATE
    if not other.answered_at:
        return invite_failed(core, other.leg, OfferResult.UNREACHABLE, Party.SEAT, sip=given.sip, q850=given.q850)
    _other_out(core, item, gone=True, sip=given.sip, q850=given.q850)
    return Done(item=item.id)


def _other_out(core: Core, item: WorkItem, *, gone: bool, sip: int = 0, q850: int = 0) -> None:
    other = item.other
    if other is None:
        return
    if other.seat:
        leaving.part_over(core, item, other.seat, Party.SEAT, gone=gone)
    else:
        core.record(f.OtherLeft(item.id, other.leg, Party.OTHER, gone, sip, q850))
    if LEAVES[item.shape, Who.OTHER] is Aftermath.TALK:
        _reshape(core, item, Shape.TALK, "left")
    else:
        finish(core, item, Party.OTHER)


def owner_left(core: Core, item: WorkItem, *, gone: bool, lost: bool, sip: int = 0, q850: int = 0) -> Reply:
    """The owner's leg is gone, or is hung up at the desk. `lost`: nobody hung it up, so the customer is kept."""
    how = "lost" if lost else ""
    match LEAVES.get((item.shape, Who.SEAT), Aftermath.END):
        case Aftermath.PROMOTE:
            promote(core, item, "left", gone=gone, how=how or "transferred")
        case Aftermath.BLIND:
            _leave_ringing(core, item, gone=gone, how=how or "transferred")
        case _:
            _owner_ends(core, item, gone=gone, lost=lost, sip=sip, q850=q850)
    return Done(item=item.id)


def _owner_ends(core: Core, item: WorkItem, *, gone: bool, lost: bool, sip: int, q850: int) -> None:
    seat, private, dialling_ = item.seat, item.shape is Shape.PRIVATE, item.phase is Phase.DIALLING
    joined = next((one for one in item.watchers.values() if one.mode is WatchMode.JOIN and one.answered_at), None)
    if joined is not None and item.shape in INVITES:
        _supervisor_goes_on(core, item, joined, gone=gone, lost=lost)
        return
    if dialling_ and lost and item.kind is Kind.CALLBACK and item.queue:
        _call_back_later(core, item, gone=gone)
        return
    drop_other(core, item, Party.SEAT)
    leaving.leave(core, item, Party.SEAT, gone=gone, how="lost" if lost and item.leg else "")
    if lost and item.leg and item.queue and not dialling_:
        requeue(core, item, seat, "seat_lost")
    elif dialling_:
        leaving.end(core, item, Outcome.CANCELLED, Party.SEAT, seat=seat)
    else:
        who = Party.CUSTOMER if private else Party.SEAT
        leaving.end(core, item, Outcome.ANSWERED, who, seat=seat, sip=sip, q850=q850)


def _supervisor_goes_on(core: Core, item: WorkItem, watcher: Watcher, *, gone: bool, lost: bool) -> None:
    """A supervisor who joined is a party like any other: he goes on with the customer."""
    owner, seat = item.seat, watcher.seat
    core.record(f.TookOver(item.id, seat, watcher.leg, item.medium, item.queue, "left", Place.BRIDGE))
    if item.shape is not Shape.TALK:
        core.record(f.ShapeChanged(item.id, seat, item.shape, Shape.TALK, "left"))
    leaving.part_over(core, item, owner, Party.SEAT, gone=gone, how="lost" if lost else "transferred")


def _call_back_later(core: Core, item: WorkItem, *, gone: bool) -> None:
    """The agent's phone died before the customer picked up: nobody was reached, so the callback waits again."""
    seat, leg = item.seat, item.leg
    leaving.leave(core, item, Party.SYSTEM, gone=gone, how="lost")
    if leg:
        core.record(f.CustomerLeft(item.id, leg, Party.SYSTEM, gone=False))
    requeue(core, item, seat, "seat_lost")


def customer_left(core: Core, item: WorkItem, given: i.PartyLeft) -> Reply:
    """The customer is gone from a conversation of three: the two others go on."""
    who = Party.CUSTOMER if given.hung_up or not given.observed else Party.SYSTEM
    since = 0 if given.observed else given.not_before
    core.record(f.CustomerLeft(item.id, item.leg, who, given.sip, given.q850, since))
    _reshape(core, item, Shape.PRIVATE, "customer_left")
    return Done(item=item.id)


def finish(core: Core, item: WorkItem, who: Party) -> None:
    """The whole conversation is over, whoever is still there."""
    seat, gone = item.seat, not item.leg
    leaving.wind_up(core, item, Party.SYSTEM if who is Party.OTHER and seat else who)
    outcome = Outcome.ANSWERED if item.served else Outcome.DIVERTED
    leaving.end(core, item, outcome, Party.CUSTOMER if gone else who, seat=seat)


def call_hung_up(core: Core, given: i.CallHungUp) -> Reply:
    """The desk's hang-up: the seat's own leg, or (by a supervisor) the whole conversation."""
    item = core.item(given.item)
    if item is None:
        return LATE
    if given.whole:
        if item.phase not in (Phase.ACTIVE, Phase.DIALLING) or item.shape is Shape.NONE:
            return core.refuse(Code.NOT_SERVING, "nobody is in a conversation with this customer")
        finish(core, item, Party.SYSTEM)
        return Done(item=item.id)
    if not given.seat:
        return core.refuse(Code.NOT_SERVING, "name the seat that hangs up")
    if item.other is not None and item.other.seat == given.seat and item.other.answered_at:
        _other_out(core, item, gone=False)
        return Done(item=item.id)
    if item.seat != given.seat or item.shape is Shape.NONE:
        return core.refuse(Code.NOT_SERVING, f"seat {given.seat} is not in a conversation with this customer")
    return owner_left(core, item, gone=False, lost=False)


def mute_asked(core: Core, given: i.MuteAsked) -> Reply:
    """The seat's microphone, closed or open, whatever shape the conversation has."""
    item = core.item(given.item)
    seat = core.state.seats.get(given.seat)
    handling = seat.handlings.get(given.item) if seat is not None else None
    if item is None or handling is None or item.shape is Shape.NONE:
        return core.refuse(Code.NOT_SERVING, f"seat {given.seat} is not in a conversation with this customer")
    if handling.muted == given.on:
        return LATE
    core.record(f.SeatMuted(item.id, given.seat, handling.offer, given.on))
    return Done(item=item.id)


# --- a phone's own attended transfer -----------------------------------------------------------------------------


def phones_joined(core: Core, given: i.PhonesJoined) -> Reply:
    """REFER with Replaces: the other end of the phone's second call becomes the third party, and the owner leaves."""
    seat_id = core.state.seat_legs.get(given.leg, "")
    seat = core.state.seats.get(seat_id)
    handling = next((one for one in seat.handlings.values() if one.offer == given.leg), None) if seat else None
    item = core.item(handling.item) if handling else None
    if seat is None or item is None or item.seat != seat_id:
        return core.refuse(Code.NOT_SERVING, "the phone's first call is not with a customer")
    refusal = _in_two(core, item)
    if refusal is not None:
        return refusal
    if given.call in seat.directs:
        return _adopt_colleague(core, item, given)
    second = core.item(given.call)
    if second is not None and _is_second(second, seat_id, given.other):
        return _adopt_outside(core, item, second)
    return core.refuse(Code.UNKNOWN_ITEM, "the phone's second call is over, or nobody has answered it")


def _is_second(second: WorkItem, seat: str, far: str) -> bool:
    """Whether it is the seat's own talk of two with that far end."""
    talks = second.phase is Phase.ACTIVE and second.shape in INVITES and second.seat == seat
    return talks and bool(far) and second.leg == far


def _adopt_colleague(core: Core, item: WorkItem, given: i.PhonesJoined) -> Reply:
    colleague = core.state.directs.get(given.other, "")
    call = core.state.seats[item.seat].directs[given.call]
    far = core.state.seats[colleague].directs[given.other] if colleague else None
    paired = far is not None and far.peer == item.seat and call.peer == colleague and colleague != item.seat
    there = far is not None and bool(far.answered_at and call.answered_at)
    if not paired or not there or not core.state.seats[colleague].signed_in_at:
        return core.refuse(Code.UNKNOWN_ITEM, "nobody has answered the phone's second call")
    for number, seat_id in ((given.call, item.seat), (given.other, colleague)):
        kind = core.state.seats[seat_id].directs[number].kind
        core.record(f.DirectEnded(number, seat_id, kind, Outcome.ANSWERED, Party.SEAT, reset_idle=False))
    _adopt(core, item, Target(TargetKind.SEAT, colleague), given.other, None)
    return Done(item=item.id)


def _adopt_outside(core: Core, item: WorkItem, second: WorkItem) -> Reply:
    route, leg = second.route, second.leg
    address = second.plan.address
    leaving.leave(core, second, Party.SEAT, how="joined")
    core.record(f.CustomerMoved(second.id, leg, item.id))
    leaving.end(core, second, Outcome.ANSWERED, Party.SEAT, seat=item.seat)
    _adopt(core, item, Target(TargetKind.OUTSIDE, address), leg, route)
    return Done(item=item.id)


def _adopt(core: Core, item: WorkItem, target: Target, leg: str, route: Route | None) -> None:
    owner = item.seat
    colleague = target.id if target.kind is TargetKind.SEAT else ""
    core.record(
        f.Invited(item.id, colleague, owner, leg, target, item.medium, False, core.now + RING_TIME, route, adopted=True)
    )
    core.record(f.OtherAnswered(item.id, colleague, leg, item.medium, item.queue, item.bridge))
    _reshape(core, item, Shape.THREE_WAY, "joined")  # at once: the customer hears no music in between
    promote(core, item, "joined", gone=False, how="transferred")


def _reshape(core: Core, item: WorkItem, shape: Shape, how: str) -> None:
    core.record(f.ShapeChanged(item.id, item.seat, item.shape, shape, str(how)))
