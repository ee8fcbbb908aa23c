"""Offers: made, rung, answered, refused, timed out, withdrawn; last agent first; pickup; the wrap-up that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core import conference, dialling, watching
from acd.core import facts as f
from acd.core import inputs as i
from acd.core.model import (
    SECOND,
    Handling,
    Kind,
    Micros,
    OfferResult,
    OfferRule,
    Party,
    Phase,
    QueueDef,
    WorkItem,
    WrapUpEnding,
    WrapUpRule,
)
from acd.core.reply import Code, Done, Reply
from acd.core.seats import Block, block_by_hand, has_skills, rank_in

if TYPE_CHECKING:
    from acd.core.decide import Core

LATE = Done(note="late")

LEAST_BACK_OFF: Micros = SECOND
"""A refused or failed offer never comes back to the same seat sooner: a dead phone must not spin the dispatcher."""


def offer(core: Core, item_id: str, seat_id: str, rule: OfferRule, score: tuple[int, ...], candidates: int) -> str:
    """Reserve the seat for the item and make it ring."""
    item = core.state.items[item_id]
    queue = core.state.queues[item.queue]
    offer_id = core.new_id("o")
    core.record(
        f.Offered(
            offer=offer_id,
            item=item_id,
            seat=seat_id,
            medium=item.medium,
            queue=item.queue,
            expires_at=core.now + queue.ring_time,
            rule=rule,
            strategy=queue.strategy,
            score=score,
            candidates=candidates,
            revision=core.state.revision,
            relaxed=core.index.is_relaxed(item),
        )
    )
    return offer_id


def try_last_agent(core: Core, item: WorkItem, queue: QueueDef) -> None:
    """D2: the seat that served this contact last goes first, only if it is online; skills and cap still apply."""
    seat_id = item.plan.last_seat
    seat = core.state.seats.get(seat_id)
    if not queue.last_agent_first or seat is None or not seat.signed_in_at or rank_in(seat, queue.id) is None:
        return
    if core.index.may_serve(seat_id, item):
        offer(core, item.id, seat_id, OfferRule.LAST_AGENT, core.index.score_of(seat_id, item), 1)
    elif queue.last_agent_wait and has_skills(seat, item.needs):
        core.record(f.LastAgentWaited(item.id, seat_id, core.now + queue.last_agent_wait))


def last_agent_due(core: Core, item_id: str) -> None:
    """The waiting budget is used up: anybody eligible may serve."""
    core.record(f.LastAgentReleased(item_id, core.state.items[item_id].sticky_seat))


def release_held_for(core: Core, seat_id: str) -> None:
    """The last agent is not to be had any more: whoever waits for him waits for anybody."""
    for item_id in list(core.index.reserved.get(seat_id, {})):
        core.record(f.LastAgentReleased(item_id, seat_id))


def ring_seen(core: Core, given: i.RingSeen) -> Reply:
    """The phone rings."""
    known = core.state.offers.get(given.offer)
    if given.offer in core.state.other_legs:
        return conference.other_rang(core, given.offer)
    if given.offer in core.state.legs:
        return dialling.customer_rang(core, given.offer)
    if known is None or known.rung_at:
        return LATE
    core.record(f.RingStarted(known.id, known.item, known.seat))
    return Done(offer=known.id)


def offer_answered(core: Core, given: i.OfferAnswered) -> Reply:
    """Whoever was rung answered: the seat of an offer, a third party, a supervisor, a called customer, or the agent
    himself whose own phone is rung first."""
    state, leg = core.state, given.offer
    if leg in state.offers:
        return _accept(core, leg)
    if leg in state.other_legs:
        return conference.other_answered(core, leg)
    if leg in state.watch_legs:
        return watching.answered(core, leg)
    if leg in state.legs:
        return dialling.customer_answered(core, leg)
    if leg in state.seat_legs:
        return dialling.seat_answered(core, leg)
    return LATE


def _accept(core: Core, offer_id: str) -> Reply:
    known = core.state.offers[offer_id]
    item = core.state.items[known.item]
    phone = core.state.media[known.medium].needs_phone
    records = phone and core.state.queues[item.queue].record_calls
    bridge = f"{offer_id}-b" if phone else ""
    recording = (item.recording or f"{item.id}-r") if records else ""
    virtual = item.kind is Kind.CALLBACK and not item.leg  # one whose seat was lost has its customer already
    if dialling.no_room(core, item, known.seat) is not None:
        # The promise is kept later, at its old place; the seat is left alone for a moment.
        _end_offer(core, offer_id, OfferResult.UNREACHABLE, Party.SYSTEM)
        return Done(item=item.id, offer=offer_id, note="line_cap")
    if item.id in core.state.seats[known.seat].wrap_ups:  # his own lost contact comes back before its wrap-up is over
        core.record(f.WrapUpLeft(item.id, known.seat, "taken_again"))
    core.record(
        f.Accepted(offer_id, item.id, known.seat, known.medium, item.queue, bridge, "" if virtual else recording)
    )
    if virtual and phone:
        dialling.call_back(core, item)
    return Done(item=item.id, offer=offer_id)


def offer_refused(core: Core, given: i.OfferRefused) -> Reply:
    """Declined by the person or failed by the device: the item waits at its old place, the seat backs off."""
    state, leg = core.state, given.offer
    if leg in state.other_legs:
        return conference.invite_failed(core, leg, given.result, Party.SEAT, sip=given.sip, q850=given.q850)
    if leg in state.watch_legs:
        return watching.refused(core, leg, str(given.result))
    known = state.offers.get(leg)
    if known is None:
        return dialling.refused(core, given)
    _end_offer(core, known.id, given.result, Party.SEAT, sip=given.sip, q850=given.q850)
    return Done(item=known.item, offer=known.id)


def offer_due(core: Core, offer_id: str) -> None:
    """D5: nobody answered in time. Our own ring timer says so, not a code (terms.md, rule 1)."""
    _end_offer(core, offer_id, OfferResult.TIMEOUT, Party.SYSTEM)


def withdraw(core: Core, item: WorkItem, who: Party) -> None:
    """The item no longer needs the seat that is being rung."""
    _end_offer(core, item.offer, OfferResult.WITHDRAWN, who)


def take_back(core: Core, offer_id: str, result: OfferResult, who: Party) -> None:
    """End an open offer, or a colleague's request, for the seat's sake: it signs out, its phone is gone, it dials."""
    if offer_id in core.state.other_legs:
        conference.invite_failed(core, offer_id, result, who)
    else:
        _end_offer(core, offer_id, result, who)


def _end_offer(core: Core, offer_id: str, result: OfferResult, who: Party, *, sip: int = 0, q850: int = 0) -> None:
    known = core.state.offers[offer_id]
    queue = core.state.queues[core.state.items[known.item].queue]
    back_off = _back_off(queue, result)
    timed_out = result is OfferResult.TIMEOUT
    core.record(
        f.OfferEnded(
            offer=offer_id,
            item=known.item,
            seat=known.seat,
            result=result,
            queue=queue.id,
            back_off_until=core.now + back_off if back_off else 0,
            no_answer=timed_out,
            reset_idle=timed_out and core.state.policy.idle_reset_no_answer,
            who=who,
            sip=sip,
            q850=q850,
        )
    )


def _back_off(queue: QueueDef, result: OfferResult) -> Micros:
    match result:
        case OfferResult.TIMEOUT:
            return queue.no_answer_back_off
        case OfferResult.REJECTED | OfferResult.UNREACHABLE:
            return max(queue.decline_back_off, LEAST_BACK_OFF)
        case OfferResult.WITHDRAWN | OfferResult.ACCEPTED:
            return 0


def media_flowed(core: Core, given: i.MediaFlowed) -> Reply:
    """Customer and seat can hear (or read) each other."""
    seat = core.state.seats.get(given.seat)
    handling = seat.handlings.get(given.item) if seat else None
    if handling is None or handling.media_up_at:
        return LATE
    core.record(f.MediaUp(given.item, given.seat))
    return Done(item=given.item)


def item_picked(core: Core, given: i.ItemPicked) -> Reply:
    """D13: the agent takes a waiting item himself; status and skills are passed over, capacity and the room on a
    callback's line are not."""
    seat = core.state.seats.get(given.seat)
    if seat is None:
        return core.refuse(Code.UNKNOWN_SEAT, f"seat {given.seat} does not exist")
    item = core.item(given.item or core.index.next_by_hand(given.seat) or "")
    if item is None or item.phase is not Phase.WAITING:
        return core.refuse(Code.NOT_WAITING, "nothing waits there any more; look at the queue again")
    if rank_in(seat, item.queue) is None:
        return core.refuse(Code.NOT_MEMBER, f"seat {given.seat} does not serve queue {item.queue}")
    block = block_by_hand(core.state, seat, core.state.media[item.medium])
    if block is not None:
        code = Code.SIGNED_OUT if block is Block.SIGNED_OUT else Code.SEAT_FULL
        return core.refuse(code, f"the seat cannot take it now ({block})")
    refusal = dialling.no_room(core, item, given.seat)
    if refusal is not None:
        return refusal
    offer_id = offer(core, item.id, given.seat, OfferRule.PICKUP, core.index.score_of(given.seat, item), 1)
    if not core.state.media[item.medium].needs_phone:
        return _accept(core, offer_id)
    return Done(item=item.id, offer=offer_id)


def start_wrap_up(core: Core, seat_id: str, item_id: str, handling: Handling, rule: WrapUpRule) -> None:
    """Begin wrap-up by this rule."""
    ends_at = core.now + rule.after if rule.ending is WrapUpEnding.TIMER else 0
    core.record(
        f.WrapUpStarted(item_id, seat_id, handling.medium, handling.queue, rule, ends_at, handling.disposed),
    )
    if rule.ending is WrapUpEnding.DISPOSITION and handling.disposed:
        leave_wrap_up(core, seat_id, item_id, "disposition")


def leave_wrap_up(core: Core, seat_id: str, item_id: str, how: str) -> None:
    """Wrap-up is over, one of its four endings (or the seat signed out)."""
    core.record(f.WrapUpLeft(item_id, seat_id, how))
    apply_pending(core, seat_id)


def apply_pending(core: Core, seat_id: str) -> None:
    """A status chosen during the call holds now that nothing is held or wrapped up; one that was retired meanwhile does
    not, the seat stays in its own."""
    seat = core.state.seats[seat_id]
    held = seat.handlings or seat.wrap_ups or seat.offers or seat.directs or seat.watching
    if held or not seat.voice.pending:
        return
    status = core.state.statuses[seat.voice.pending]
    if status.retired:
        status = core.state.statuses.get(seat.voice.status, status)
    core.record(f.StatusSet(seat_id, status.presence, status.id))
