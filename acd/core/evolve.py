"""Facts change the state, and nothing else does. Total: every fact has its case.

Replaying a log is calling `evolve` for each fact in order; it makes no decision and reads no clock.
"""

from __future__ import annotations

from typing import assert_never

from acd.core import facts as f
from acd.core.evolve_talks import TalkFact, customer_gone, evolve_talk
from acd.core.model import (
    DirectCall,
    Flow,
    Handling,
    Micros,
    Offer,
    OfferResult,
    OfferRule,
    Outcome,
    Phase,
    Presence,
    PresenceState,
    Seat,
    State,
    WorkItem,
    WrapUp,
)
from acd.core.shapes import Shape

REMEMBERED = 2000
"""How many inbox rows and legs that are over are remembered against taking one twice. Rows go within a second of their
commit, and what happened in an outage is read at once after it, so the last minute's would do."""

DEPARTURES = 20
"""Gaps between accepts that a queue's pace is measured by."""

GUESSES = 200
"""Estimates of the wait that are held against what came true (issue 3: the last 200)."""

_TIMED = ("guard", "menu", "relax", "sticky", "say", "leave", "invite", "dial", "pause")


def evolve(state: State, recorded: f.Recorded) -> None:
    """Change `state` by one recorded fact. Facts of one log in order never fail here."""
    fact, at = recorded.fact, recorded.at
    if recorded.inbox:
        _remember(state.handled, str(recorded.inbox), at)
    match fact:
        case f.Entered():
            _entered(state, fact, at)
        case f.Arrived():
            state.items[fact.item].answered = True
            _stop(state, "guard", fact.item)
        case f.GreetingStarted():
            _prompt(state, fact.item, Phase.GREETING, fact.token, fact.due)
        case f.MenuStarted():
            _out_of_queue(state, fact.item)
            _prompt(state, fact.item, Phase.MENU, fact.token, fact.due)
            item = state.items[fact.item]
            item.tries, item.menu = fact.attempt, fact.menu
        case f.MenuListened():
            _set(state, "menu", fact.item, fact.due)
        case f.MenuChose():
            _stop(state, "menu", fact.item)
            item = state.items[fact.item]
            item.tried_outside = () if fact.digit else item.tried_outside
        case f.SayingStarted():
            _out_of_queue(state, fact.item)
            _prompt(state, fact.item, Phase.SAYING, fact.token, fact.due)
            state.items[fact.item].leaves_as = fact.outcome
        case f.VoicemailStarted():
            _out_of_queue(state, fact.item)
            _prompt(state, fact.item, Phase.VOICEMAIL, fact.token, fact.due)
            state.items[fact.item].queue = fact.queue
        case f.VoicemailListened():
            item = state.items[fact.item]
            item.recording, item.token, item.recorded = fact.recording, "", False
            _set(state, "menu", fact.item, fact.due)
        case f.VoicemailLeft():
            if fact.task:
                state.items[fact.task].recording = fact.recording
        case f.CallbackTaken():
            pass
        case f.LongestWaitOver():
            item = state.items[fact.item]
            item.overdue = item.overdue or bool(fact.again_at)
            _set(state, "leave", fact.item, fact.again_at)
        case f.PlaceKept():
            item = state.items[fact.item]
            item.queue, item.order = fact.queue, fact.order
        case f.Announced():
            _announced(state, fact)
        case f.PlanReplaced():
            item = state.items[fact.item]
            item.plan, item.phase, item.shape = fact.plan, Phase.GREETING, Shape.NONE
        case f.Queued():
            _queued(state, fact, at)
        case f.Moved():
            _moved(state, fact, at)
        case f.LastAgentWaited():
            item = state.items[fact.item]
            item.sticky_seat, item.sticky_until = fact.seat, fact.until
            _set(state, "sticky", fact.item, fact.until)
        case f.LastAgentReleased():
            _unstick(state, state.items[fact.item])
        case f.Relaxed():
            item = state.items[fact.item]
            item.ring, item.needs = fact.ring, fact.needs
            _set(state, "relax", fact.item, fact.relax_at)
        case f.MessagePassed():
            _message(state, fact)
        case f.Requeued():
            item = state.items[fact.item]
            item.phase, item.seat, item.offer, item.bridge = Phase.WAITING, "", "", ""
            item.shape, item.menu, item.overdue = Shape.NONE, "", False
            _stop(state, "menu", fact.item)
            _stop(state, "dial", fact.item)
            _set(state, "relax", fact.item, fact.relax_at)
            _set(state, "leave", fact.item, fact.leave_at)
            _set(state, "say", fact.item, fact.speak_at)
        case f.Ended():
            seen = not fact.not_before and fact.outcome is not Outcome.UNOBSERVED
            _ended(state, fact.item, at if seen else 0)
        case f.Diverted():
            _diverted(state, state.items[fact.item])
        case f.FallbackCallServed():
            _served(state, fact)
        case f.Offered():
            _offered(state, fact, at)
        case f.RingStarted():
            _rung(state, fact, at)
        case f.OfferEnded():
            _offer_ended(state, fact, at)
        case f.Accepted():
            _accepted(state, fact, at)
        case f.MediaUp():
            state.seats[fact.seat].handlings[fact.item].media_up_at = at
        case f.RecordingBegan():
            item = state.items[fact.item]
            item.recording, item.recorded, item.gap = fact.recording, True, False
        case f.HandlingEnded():
            _handling_ended(state, fact, at)
        case f.WrapUpStarted():
            _wrap_up_started(state, fact, at)
        case f.WrapUpTimed():
            done = state.seats[fact.seat].wrap_ups[fact.item]
            done.service_ended, done.ends_at = True, fact.ends_at
            _set(state, "wrap", f"{fact.seat}:{fact.item}", fact.ends_at)
        case f.WrapUpDisposed():
            _disposed(state.seats[fact.seat], fact.item)
        case f.WrapUpLeft():
            seat = state.seats[fact.seat]
            del seat.wrap_ups[fact.item]
            seat.idle_since = at
            _stop(state, "wrap", f"{fact.seat}:{fact.item}")
        case (
            f.ShapeChanged()
            | f.Invited()
            | f.InviteEnded()
            | f.OtherAnswered()
            | f.OtherLeft()
            | f.TookOver()
            | f.CustomerLeft()
            | f.CustomerMoved()
            | f.SeatMuted()
            | f.WatchStarted()
            | f.WatchAnswered()
            | f.WatchChanged()
            | f.WatchEnded()
            | f.RecordingPaused()
            | f.RecordingResumed()
            | f.RecordingFailed()
            | f.OutboundStarted()
            | f.SeatReached()
            | f.CustomerDialled()
            | f.CustomerRang()
            | f.CustomerAnswered()
        ):
            _evolve_talk(state, fact, at)
        case _:
            _evolve_seats(state, fact, at)


def _evolve_talk(state: State, fact: TalkFact, at: Micros) -> None:
    leg = fact.leg if isinstance(fact, f.CustomerLeft) and not fact.not_before else ""
    evolve_talk(state, fact, at)
    if leg:
        _remember(state.over, leg, at)


def _evolve_seats(
    state: State,
    fact: f.SignedIn
    | f.SignedOut
    | f.PhoneReached
    | f.StatusSet
    | f.StatusPended
    | f.BackOffEnded
    | f.SeatChanged
    | f.ShiftSet
    | f.DirectStarted
    | f.DirectAnswered
    | f.DirectEnded
    | f.PolicyChanged
    | f.MediumChanged
    | f.StatusChanged
    | f.QueueChanged
    | f.QueueOpened
    | f.MenuChanged
    | f.TrunkChanged
    | f.TrunkGone
    | f.LineOverflowed
    | f.SignOutPended
    | f.SeatProfileChanged
    | f.SeatRetiring
    | f.SeatGone
    | f.ConfigurationTaken
    | f.DayBegan
    | f.EngineTookOver
    | f.InputRejected
    | f.InputNoted
    | f.Repaired,
    at: Micros,
) -> None:
    match fact:
        case f.SignedIn():
            _signed_in(state, fact, at)
        case f.SignedOut():
            _signed_out(state, state.seats[fact.seat], at)
        case f.PhoneReached():
            seat = state.seats[fact.seat]
            seat.reachable = fact.reachable
            seat.was_reachable = seat.was_reachable or (fact.reachable and bool(seat.signed_in_at))
        case f.StatusSet():
            own = state.seats[fact.seat].presence(fact.presence)
            own.status, own.since, own.pending = fact.status, at, ""
            _forgive(state, fact.seat, fact.presence, own)
        case f.StatusPended():
            state.seats[fact.seat].presence(fact.presence).pending = fact.status
        case f.BackOffEnded():
            _forgive(state, fact.seat, fact.presence, state.seats[fact.seat].presence(fact.presence))
        case f.SeatChanged():
            own = state.seats[fact.seat].presence(fact.presence)
            own.seen, own.seen_since = fact.state, at
        case f.ShiftSet():
            state.seats[fact.seat].on_shift = fact.on_shift
        case f.DirectStarted():
            state.directs[fact.call] = fact.seat
            state.seats[fact.seat].directs[fact.call] = DirectCall(fact.call, fact.kind, fact.leg, at, fact.peer)
        case f.DirectAnswered():
            state.seats[fact.seat].directs[fact.call].answered_at = at
        case f.DirectEnded():
            seat = state.seats[fact.seat]
            del seat.directs[fact.call], state.directs[fact.call]
            if fact.reset_idle:
                seat.idle_since = at
        case f.PolicyChanged():
            state.policy = fact.policy
        case f.MediumChanged():
            state.media[fact.medium.id] = fact.medium
        case f.StatusChanged():
            state.statuses[fact.status.id] = fact.status
        case f.QueueChanged():
            state.queues[fact.queue.id] = fact.queue
        case f.QueueOpened():
            flow_of(state, fact.queue).open = fact.open
        case f.MenuChanged():
            state.menus[fact.menu.id] = fact.menu
        case f.TrunkChanged():
            state.trunks[fact.trunk.id] = fact.trunk
        case f.TrunkGone():
            state.trunks.pop(fact.trunk, None)
        case f.SignOutPended():
            state.seats[fact.seat].leaving = True
        case f.SeatProfileChanged():
            _profile_changed(state, fact)
        case f.SeatRetiring():
            state.seats[fact.seat].retiring = True
        case f.SeatGone():
            state.extensions.pop(state.seats.pop(fact.seat).profile.extension, None)
        case f.ConfigurationTaken():
            state.revision = fact.revision
        case f.DayBegan():
            _day_began(state, fact.day)
        case f.EngineTookOver():
            state.epoch = fact.epoch
        case f.InputRejected():
            state.timers.pop(fact.timer, None)
        case f.InputNoted() | f.LineOverflowed():
            pass
        case f.Repaired():
            state.repairs[fact.kind] = state.repairs.get(fact.kind, 0) + 1
        case _:
            assert_never(fact)


def _set(state: State, kind: str, subject: str, due: Micros) -> None:
    if due:
        state.timers[f"{kind}:{subject}"] = due
    else:
        state.timers.pop(f"{kind}:{subject}", None)


def _stop(state: State, kind: str, subject: str) -> None:
    state.timers.pop(f"{kind}:{subject}", None)


def _entered(state: State, fact: f.Entered, at: Micros) -> None:
    state.next_number = fact.number + 1
    state.next_id += 1
    state.items[fact.item] = WorkItem(
        id=fact.item,
        number=fact.number,
        kind=fact.kind,
        medium=fact.medium,
        record=fact.record,
        plan=fact.plan,
        arrived_at=at,
        key=fact.key,
        leg=fact.leg,
    )
    if fact.leg:
        state.legs[fact.leg] = fact.item
    if fact.leg and fact.plan.trunk:
        state.items[fact.item].trunk = fact.plan.trunk
        state.lines[fact.plan.trunk] = state.lines.get(fact.plan.trunk, 0) + 1
    if fact.key:
        state.keys[fact.key] = fact.item
    _set(state, "guard", fact.item, fact.guard_at)


def _prompt(state: State, item_id: str, phase: Phase, token: str, due: Micros) -> None:
    item = state.items[item_id]
    item.phase, item.token, item.shape = phase, token, Shape.NONE
    state.next_id += 1
    _set(state, "menu", item_id, due)


def _queued(state: State, fact: f.Queued, at: Micros) -> None:
    item = state.items[fact.item]
    item.phase, item.queue, item.queued_at = Phase.WAITING, fact.queue, at
    item.shape, item.menu = Shape.NONE, ""
    _stop(state, "menu", fact.item)
    _wait_in(state, item, fact)


def _moved(state: State, fact: f.Moved, at: Micros) -> None:
    item = state.items[fact.item]
    item.queue, item.queued_at = fact.queue, at
    _unstick(state, item)
    _wait_in(state, item, fact)


def _wait_in(state: State, item: WorkItem, fact: f.Queued | f.Moved) -> None:
    item.order, item.needs, item.ring = fact.order, fact.needs, 0
    item.guess, item.spoken, item.overdue = fact.guess, 0, False
    for kind, due in (("relax", fact.relax_at), ("leave", fact.leave_at), ("say", fact.speak_at)):
        _set(state, kind, item.id, due)


def flow_of(state: State, queue: str) -> Flow:
    """How this queue moves, from nothing at first."""
    return state.flows.setdefault(queue, Flow())


def _out_of_queue(state: State, item_id: str) -> None:
    """It waits no longer, but is not over."""
    _unstick(state, state.items[item_id])
    for kind in ("relax", "say", "leave"):
        _stop(state, kind, item_id)


def _announced(state: State, fact: f.Announced) -> None:
    item = state.items[fact.item]
    if fact.token:
        item.token, item.announced = fact.token, True
        state.next_id += 1
    item.spoken += 1
    _set(state, "say", fact.item, fact.again_at)


def _unstick(state: State, item: WorkItem) -> None:
    item.sticky_seat, item.sticky_until = "", 0
    _stop(state, "sticky", item.id)


def _message(state: State, fact: f.MessagePassed) -> None:
    item = state.items[fact.item]
    if fact.side == "seat" and item.seat:
        state.seats[item.seat].handlings[fact.item].replied = True


def _ended(state: State, item_id: str, at: Micros) -> None:
    """`at` 0: nobody saw it end, so a leg that turns out to live is a call like any other."""
    item = state.items.pop(item_id)
    if item.leg and at:
        _remember(state.over, item.leg, at)
    customer_gone(state, item)
    state.keys.pop(item.key, None)
    for kind in _TIMED:
        _stop(state, kind, item_id)


def _diverted(state: State, item: WorkItem) -> None:
    item.phase, item.shape, item.paused = Phase.PARKED, Shape.NONE, False
    _unstick(state, item)
    for kind in _TIMED:
        _stop(state, kind, item.id)


def _served(state: State, fact: f.FallbackCallServed) -> None:
    state.next_number = max(state.next_number, fact.number + 1)
    state.next_id += 1
    if fact.item in state.items:
        _ended(state, fact.item, fact.ended_at)
    _remember(state.over, fact.leg, fact.ended_at)


def _remember(kept: dict[str, Micros], key: str, at: Micros) -> None:
    kept[key] = at
    while len(kept) > REMEMBERED:
        del kept[next(iter(kept))]


def _offered(state: State, fact: f.Offered, at: Micros) -> None:
    state.next_id += 1
    item, seat = state.items[fact.item], state.seats[fact.seat]
    item.phase, item.offer = Phase.OFFERED, fact.offer
    item.offers += 1
    _unstick(state, item)
    seat.offers[fact.offer] = fact.medium
    state.offers[fact.offer] = Offer(
        fact.offer, fact.item, fact.seat, fact.medium, at, fact.expires_at, OfferRule(fact.rule)
    )
    _set(state, "offer", fact.offer, fact.expires_at)


def _offer_ended(state: State, fact: f.OfferEnded, at: Micros) -> None:
    offer, seat, item = state.offers.pop(fact.offer), state.seats[fact.seat], state.items[fact.item]
    del seat.offers[fact.offer]
    _stop(state, "offer", fact.offer)
    item.phase, item.offer = Phase.WAITING, ""
    presence = state.media[offer.medium].presence
    own = seat.presence(presence)
    if fact.result is OfferResult.TIMEOUT:
        own.no_answer_count += 1
    own.no_answer = own.no_answer or fact.no_answer
    own.back_off_until = max(own.back_off_until, fact.back_off_until)
    _set(state, "back", f"{fact.seat}:{presence}", own.back_off_until)
    if fact.reset_idle:
        seat.idle_since = at


def _accepted(state: State, fact: f.Accepted, at: Micros) -> None:
    item, seat = state.items[fact.item], state.seats[fact.seat]
    offer = state.offers.pop(fact.offer)
    del seat.offers[fact.offer]
    _stop(state, "offer", fact.offer)
    _out_of_queue(state, fact.item)
    item.phase, item.offer, item.seat, item.bridge = Phase.ACTIVE, "", fact.seat, fact.bridge
    item.shape = Shape.TALK if fact.bridge else Shape.NONE
    item.recording = fact.recording or item.recording
    item.served = bool(item.leg) or not fact.bridge  # a callback's customer is called only now
    item.tried_outside = ()
    _departed(state, item, at)
    seat.handlings[fact.item] = Handling(fact.item, fact.medium, fact.queue, fact.offer, at)
    seat.presence(state.media[offer.medium].presence).no_answer_count = 0
    state.seat_legs[fact.offer] = fact.seat
    seat.total += 1
    state.online_total += 1 if seat.signed_in_at else 0


def _rung(state: State, fact: f.RingStarted, at: Micros) -> None:
    if fact.offer in state.offers:
        state.offers[fact.offer].rung_at = at
        return
    other = state.items[fact.item].other
    if other is not None and other.leg == fact.offer:
        other.rung_at = at


def _departed(state: State, item: WorkItem, at: Micros) -> None:
    flow = flow_of(state, item.queue)
    if 0 < item.queued_at <= flow.departed_at:  # somebody waited all the time: the gap is the queue's own pace
        flow.gaps = [*flow.gaps[1 - DEPARTURES :], at - flow.departed_at]
    flow.departed_at = at
    if item.guess:
        flow.guesses = [*flow.guesses[1 - GUESSES :], (item.guess, at - item.queued_at)]
        item.guess = 0


def _handling_ended(state: State, fact: f.HandlingEnded, at: Micros) -> None:
    seat = state.seats[fact.seat]
    del seat.handlings[fact.item], state.seat_legs[fact.offer]
    seat.idle_since = at
    item = state.items[fact.item]
    if item.outbound:  # a handset's channel that dialled: told again, it dials nobody
        _remember(state.over, fact.offer, at)
    if item.other is not None and item.other.leg == fact.offer:
        item.other = None
    elif item.seat == fact.seat:
        item.seat = ""
    if fact.bridge:
        item.bridge = ""


def _wrap_up_started(state: State, fact: f.WrapUpStarted, at: Micros) -> None:
    seat = state.seats[fact.seat]
    seat.wrap_ups[fact.item] = WrapUp(
        fact.item, fact.medium, fact.queue, at, fact.rule, fact.ends_at, disposition_saved=fact.disposed
    )
    _set(state, "wrap", f"{fact.seat}:{fact.item}", fact.ends_at)


def _disposed(seat: Seat, item: str) -> None:
    if item in seat.wrap_ups:
        seat.wrap_ups[item].disposition_saved = True
    else:
        seat.handlings[item].disposed = True


def _signed_in(state: State, fact: f.SignedIn, at: Micros) -> None:
    seat = state.seats[fact.seat]
    seat.signed_in_at, seat.device, seat.idle_since = at, fact.device, at
    seat.was_reachable = seat.reachable
    seat.total, seat.total_day = fact.total, fact.day
    state.online += 1
    state.online_total += fact.total
    for own, status in ((seat.voice, fact.voice), (seat.text, fact.text)):
        own.status, own.since, own.pending, own.no_answer_count = status, at, "", 0


def _signed_out(state: State, seat: Seat, at: Micros) -> None:
    state.online -= 1
    state.online_total -= seat.total
    seat.signed_in_at, seat.device, seat.was_reachable, seat.leaving = 0, "", False, False
    for presence in Presence:
        own = seat.presence(presence)
        own.status, own.since, own.pending = "", at, ""
        _forgive(state, seat.profile.id, presence, own)


def _forgive(state: State, seat: str, presence: Presence, own: PresenceState) -> None:
    own.no_answer, own.back_off_until = False, 0
    _stop(state, "back", f"{seat}:{presence}")


def _profile_changed(state: State, fact: f.SeatProfileChanged) -> None:
    profile = fact.profile
    known = state.seats.get(profile.id)
    if known is None:
        state.seats[profile.id] = Seat(profile)
    else:
        state.extensions.pop(known.profile.extension, None)
        known.profile, known.retiring = profile, False
    if profile.extension:
        state.extensions[profile.extension] = profile.id


def _day_began(state: State, day: int) -> None:
    state.day, state.online_total = day, 0
    for seat in state.seats.values():
        seat.total, seat.total_day = 0, day
