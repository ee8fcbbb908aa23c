"""Effects from facts, and what the state wants of channels: the two ways out of the core.

`effects_of` is asked right after its fact changed the state. After a takeover nobody asks for old effects: the adapter
compares `wanted(state)` with the world instead (design.md §5.5).
"""

from __future__ import annotations

from acd.core import effects as e
from acd.core import facts as f
from acd.core.model import OfferResult, Outcome, Party, Phase, State, WorkItem

Q850_OF: dict[Outcome, int] = {
    Outcome.CLOSED: 21,
    Outcome.BLACKLISTED: 17,  # D24: the blacklisted one is told that everybody is busy
    Outcome.LINE_CAP: 34,
    Outcome.QUEUE_FULL: 34,
    Outcome.NO_AGENT: 17,
}
"""What the customer's network is told when we end the call; 16, normal clearing, otherwise."""

GONE_BY_ITSELF = (OfferResult.REJECTED, OfferResult.UNREACHABLE)


def effects_of(state: State, fact: f.Fact) -> tuple[e.Effect, ...]:
    """What this fact makes necessary, given the state it led to. Most facts need nothing."""
    match fact:
        case f.Arrived(item=item_id):
            return (e.AnswerLeg(item_id, state.items[item_id].leg),)
        case f.GreetingStarted():
            return (e.Play(fact.item, state.items[fact.item].leg, fact.prompt, fact.token),)
        case f.MenuStarted():
            leg = state.items[fact.item].leg
            stop = (e.StopPrompt(fact.item, leg, fact.stops),) if fact.stops else ()
            return (*stop, e.Gather(fact.item, leg, fact.prompt, fact.token))
        case f.MenuChose(item=item_id):
            item = state.items[item_id]
            return (e.StopPrompt(item_id, item.leg, item.token),)
        case f.Queued(item=item_id) | f.Requeued(item=item_id):
            return _waits(state.items[item_id])
        case f.Moved(item=item_id):
            item = state.items[item_id]
            return () if item.leg else (e.NotifyChannel(item_id, item.medium, "moved"),)
        case f.Offered():
            return (_offered(state, fact),)
        case f.OfferEnded():
            return _offer_ended(state, fact)
        case f.Accepted():
            return _accepted(state, fact)
        case f.HandlingEnded():
            return _handling_ended(state, fact)
        case f.Ended():
            return _ended(fact)
        case _:
            return ()


def _waits(item: WorkItem) -> tuple[e.Effect, ...]:
    if item.leg:
        return (e.HoldMusic(item.id, item.leg, item.queue),)
    return (e.NotifyChannel(item.id, item.medium, "queued"),)


def _offered(state: State, fact: f.Offered) -> e.Effect:
    if not state.media[fact.medium].needs_phone:
        return e.NotifyChannel(fact.item, fact.medium, "offered", fact.seat)
    item, profile = state.items[fact.item], state.seats[fact.seat].profile
    return e.RingSeat(fact.offer, fact.item, fact.seat, profile.extension, item.leg, fact.queue, fact.expires_at)


def _offer_ended(state: State, fact: f.OfferEnded) -> tuple[e.Effect, ...]:
    medium = state.items[fact.item].medium
    if not state.media[medium].needs_phone:
        return (e.NotifyChannel(fact.item, medium, "withdrawn", fact.seat),)
    if fact.result in GONE_BY_ITSELF and fact.who is Party.SEAT and fact.sip:
        return ()
    return (e.WithdrawOffer(fact.offer, fact.seat),)


def _accepted(state: State, fact: f.Accepted) -> tuple[e.Effect, ...]:
    item = state.items[fact.item]
    if not state.media[fact.medium].needs_phone:
        return (e.NotifyChannel(fact.item, fact.medium, "accepted", fact.seat),)
    join = e.Connect(fact.item, fact.seat, item.leg, fact.offer, fact.bridge)
    return (join, e.StartRecording(fact.item, item.leg, fact.recording)) if fact.recording else (join,)


def _handling_ended(state: State, fact: f.HandlingEnded) -> tuple[e.Effect, ...]:
    if not state.media[fact.medium].needs_phone:
        return ()
    leave = () if fact.gone else (e.HangUpLeg(fact.offer),)
    return (*leave, e.DropBridge(fact.bridge)) if fact.bridge else leave


def _ended(fact: f.Ended) -> tuple[e.Effect, ...]:
    if not fact.leg:
        return (e.NotifyChannel(fact.item, fact.medium, "closed", fact.seat),)
    return () if fact.gone else (e.HangUpLeg(fact.leg, Q850_OF.get(fact.outcome, 16)),)


DOING: dict[Phase, str] = {
    Phase.ENTERED: "arriving",
    Phase.GREETING: "prompt",
    Phase.MENU: "prompt",
    Phase.WAITING: "waiting",
    Phase.OFFERED: "waiting",
    Phase.ACTIVE: "talking",
    Phase.PARKED: "fallback",
}


def wanted(state: State) -> list[e.WantedLeg]:
    """Every channel the state wants and what it should be doing, customers first, in order of arrival."""
    customers = [_wanted_customer(item) for item in state.items.values() if item.leg]
    return customers + _wanted_offers(state) + _wanted_handlings(state) + _wanted_directs(state)


def _wanted_customer(item: WorkItem) -> e.WantedLeg:
    menu = item.plan.menu.prompt if item.plan.menu else ""
    return e.WantedLeg(
        leg=item.leg,
        role="customer",
        doing=DOING[item.phase],
        subject=item.id,
        item=item.id,
        seat=item.seat,
        queue=item.queue,
        bridge=item.bridge,
        prompt=item.plan.greeting if item.phase is Phase.GREETING else menu,
        token=item.token,
        recording=item.recording,
    )


def _wanted_offers(state: State) -> list[e.WantedLeg]:
    return [
        e.WantedLeg(
            leg=offer.id,
            role="seat",
            doing="ringing",
            subject=offer.id,
            item=offer.item,
            seat=offer.seat,
            extension=state.seats[offer.seat].profile.extension,
            queue=state.items[offer.item].queue,
            expires_at=offer.expires_at,
        )
        for offer in state.offers.values()
        if state.media[offer.medium].needs_phone
    ]


def _wanted_handlings(state: State) -> list[e.WantedLeg]:
    return [
        e.WantedLeg(
            leg=offer,
            role="seat",
            doing="talking",
            subject=offer,
            item=handling.item,
            seat=seat_id,
            extension=state.seats[seat_id].profile.extension,
            queue=handling.queue,
            bridge=state.items[handling.item].bridge,
        )
        for offer, seat_id in state.seat_legs.items()
        for handling in state.seats[seat_id].handlings.values()
        if handling.offer == offer and state.media[handling.medium].needs_phone
    ]


def _wanted_directs(state: State) -> list[e.WantedLeg]:
    return [
        e.WantedLeg(
            leg=direct.leg,
            role="direct",
            doing="direct",
            subject=direct.id,
            seat=seat_id,
            extension=state.seats[seat_id].profile.extension,
        )
        for call, seat_id in state.directs.items()
        for direct in (state.seats[seat_id].directs[call],)
    ]
