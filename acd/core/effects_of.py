"""Effects from facts, and what the state wants of channels: the two ways out of the core.

`effects_of` is asked right after its fact changed the state. After a takeover nobody asks for old effects: the adapter
compares `wanted(state)` with the world instead (design.md §5.5).
"""

from __future__ import annotations

from acd.core import effects as e
from acd.core import facts as f
from acd.core.model import (
    Offer,
    OfferResult,
    Other,
    Outcome,
    Party,
    Phase,
    State,
    TargetKind,
    Watcher,
    WatchMode,
    WorkItem,
)
from acd.core.shapes import PLACES, Place, Shape
from acd.core.talk_effects import owner_leg, talk_effects, watchers_placed

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
        case f.SayingStarted() | f.VoicemailStarted():
            leg = state.items[fact.item].leg
            play = (e.Play(fact.item, leg, fact.prompt, fact.token),) if fact.prompt else ()
            return (*_stop(fact.item, leg, fact.stops), *play)
        case f.VoicemailListened():
            leg = state.items[fact.item].leg
            return (e.StopRecording(fact.item, leg), e.StartRecording(fact.item, leg, fact.recording))
        case f.MenuStarted():
            leg = state.items[fact.item].leg
            return (*_stop(fact.item, leg, fact.stops), e.Gather(fact.item, leg, fact.prompt, fact.token))
        case f.MenuChose(item=item_id):
            item = state.items[item_id]
            return _stop(item_id, item.leg, item.token)
        case f.Announced() if fact.token:
            leg = state.items[fact.item].leg
            return (e.Announce(fact.item, leg, fact.position, fact.wait, fact.prompt, fact.token),)
        case f.Queued(item=item_id) | f.Requeued(item=item_id):
            return _waits(state, state.items[item_id])
        case f.Moved(item=item_id):
            return _moved(state, state.items[item_id], fact.from_queue)
        case f.Offered():
            return (_offered(state, fact),)
        case f.OfferEnded():
            return _offer_ended(state, fact)
        case f.Accepted():
            return _accepted(state, fact)
        case f.HandlingEnded():
            return _handling_ended(state, fact)
        case f.Ended():
            return _ended(state, fact)
        case _:
            return talk_effects(state, fact)


def _moved(state: State, item: WorkItem, from_queue: str) -> tuple[e.Effect, ...]:
    """A caller goes on hearing the music he hears, unless the other queue has music of its own."""
    if not item.leg:
        return (e.NotifyChannel(item.id, item.medium, "moved"),)
    if state.queues[from_queue].music == state.queues[item.queue].music:
        return ()
    return (*_stop(item.id, item.leg, item.token if item.announced else ""), *_waits(state, item))


def _stop(item: str, leg: str, token: str) -> tuple[e.Effect, ...]:
    return (e.StopPrompt(item, leg, token),) if token else ()


def _waits(state: State, item: WorkItem) -> tuple[e.Effect, ...]:
    if item.leg:
        return (e.HoldMusic(item.id, item.leg, item.queue, state.queues[item.queue].music),)
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
    if not item.leg:  # a callback: the customer is called next
        return (e.Join(fact.item, fact.offer, fact.bridge),)
    # A channel that still plays an announcement cannot be moved, and would hold up everybody's requests.
    stop = _stop(fact.item, item.leg, item.token if item.announced else "")
    join = e.Connect(fact.item, fact.seat, item.leg, fact.offer, fact.bridge)
    write = (e.StartRecording(fact.item, item.leg, fact.recording),) if fact.recording else ()
    return (*stop, join, *write, *watchers_placed(state, item))


def _handling_ended(state: State, fact: f.HandlingEnded) -> tuple[e.Effect, ...]:
    if not state.media[fact.medium].needs_phone:
        return ()
    leave = () if fact.gone else (e.HangUpLeg(fact.offer),)
    if fact.bridge:
        return (*leave, e.DropBridge(fact.bridge))
    item = state.items[fact.item]
    alone = item.shape is Shape.HANDED_OVER  # the agent who was whispered to is gone
    return (*leave, *watchers_placed(state, item)) if alone else leave


def _ended(state: State, fact: f.Ended) -> tuple[e.Effect, ...]:
    if fact.leg:
        return () if fact.gone else (e.HangUpLeg(fact.leg, Q850_OF.get(fact.outcome, 16)),)
    medium = state.media.get(fact.medium)
    if medium is not None and medium.needs_phone:
        return ()
    return (e.NotifyChannel(fact.item, fact.medium, "closed", fact.seat),)


DOING: dict[Phase, str] = {
    Phase.ENTERED: "arriving",
    Phase.GREETING: "prompt",
    Phase.MENU: "prompt",
    Phase.SAYING: "prompt",
    Phase.WAITING: "waiting",
    Phase.OFFERED: "waiting",
    Phase.ACTIVE: "talking",
    Phase.DIALLING: "ringing",
    Phase.VOICEMAIL: "voicemail",
    Phase.PARKED: "fallback",
}

PLACE_DOING: dict[Place, str] = {
    Place.NOWHERE: "idle",
    Place.BRIDGE: "talking",
    Place.HOLD: "held",
    Place.RINGING: "ringing",
    Place.COACH: "coaching",
}
"""What a party of a conversation does where it is."""


def wanted(state: State) -> list[e.WantedLeg]:
    """Every channel the state wants and what it should be doing, customers first, in order of arrival."""
    customers = [_wanted_customer(state, item) for item in state.items.values() if item.leg]
    return [
        *customers,
        *(_wanted_offer(state, offer) for offer in state.offers.values() if state.media[offer.medium].needs_phone),
        *_wanted_handlings(state),
        *_wanted_others(state),
        *_wanted_watchers(state),
        *_wanted_directs(state),
    ]


def _wanted_customer(state: State, item: WorkItem) -> e.WantedLeg:
    in_talk = item.phase is Phase.ACTIVE
    queue = state.queues.get(item.queue)
    return e.WantedLeg(
        leg=item.leg,
        role="customer",
        doing=PLACE_DOING[PLACES[item.shape].customer] if in_talk else DOING[item.phase],
        subject=item.id,
        item=item.id,
        seat=item.seat,
        queue=item.queue,
        bridge=item.bridge,
        prompt=_prompt(state, item),
        token=item.token,
        recording=item.recording,
        recorded=item.recorded,
        expires_at=state.timers.get(f"dial:{item.id}", 0),
        music=queue.music if queue is not None else "",
        paused=item.paused,
        route=item.route,
    )


def _prompt(state: State, item: WorkItem) -> str:
    """What plays to him now, where it can be told again; last words need no second time."""
    if item.phase is Phase.GREETING:
        return item.plan.greeting
    menu = state.menus.get(item.menu) if item.phase is Phase.MENU else None
    return menu.prompt if menu is not None else ""


def _wanted_offer(state: State, offer: Offer) -> e.WantedLeg:
    return e.WantedLeg(
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


def _wanted_handlings(state: State) -> list[e.WantedLeg]:
    return [
        e.WantedLeg(
            leg=offer,
            role="seat",
            doing=_doing(state.items[handling.item], offer),
            subject=offer,
            item=handling.item,
            seat=seat_id,
            extension=state.seats[seat_id].profile.extension,
            queue=handling.queue,
            bridge=state.items[handling.item].bridge,
            ear=owner_leg(state, state.items[handling.item]),
            muted=handling.muted,
            expires_at=state.timers.get(f"dial:{handling.item}", 0),
        )
        for offer, seat_id in state.seat_legs.items()
        for handling in state.seats[seat_id].handlings.values()
        if handling.offer == offer and state.media[handling.medium].needs_phone
    ]


def _doing(item: WorkItem, leg: str) -> str:
    """What a seat's leg does: the third party's where it is one, the agent's own while it is rung for an outbound
    call."""
    if item.seat_rings:
        return "ringing"
    if item.other is not None and item.other.leg == leg:
        return PLACE_DOING[PLACES[item.shape].other]
    return "talking"


def _wanted_others(state: State) -> list[e.WantedLeg]:
    """Third parties that ring, and those without a seat."""
    items = (state.items[item] for item in state.other_legs.values())
    return [_wanted_other(state, item, item.other) for item in items if item.other is not None]


def _wanted_other(state: State, item: WorkItem, other: Other) -> e.WantedLeg:
    extension = state.seats[other.seat].profile.extension if other.seat else ""
    return e.WantedLeg(
        leg=other.leg,
        role="seat" if other.seat else "other",
        doing=PLACE_DOING[PLACES[item.shape].other] if other.answered_at else "ringing",
        subject=other.leg,
        item=item.id,
        seat=other.seat,
        extension=other.target.id if other.target.kind is TargetKind.EXTENSION else extension,
        queue=item.queue,
        bridge=item.bridge,
        expires_at=other.due,
        ear=owner_leg(state, item),
        route=other.route,
    )


def _wanted_watchers(state: State) -> list[e.WantedLeg]:
    return [
        _wanted_watcher(state, state.items[item], state.items[item].watchers[leg])
        for leg, item in state.watch_legs.items()
    ]


WATCHING: dict[WatchMode, str] = {
    WatchMode.LISTEN: "listening",
    WatchMode.WHISPER: "coaching",
    WatchMode.JOIN: "talking",
    WatchMode.TAKE_OVER: "listening",
}


def _wanted_watcher(state: State, item: WorkItem, watcher: Watcher) -> e.WantedLeg:
    alone = watcher.mode is WatchMode.WHISPER and not owner_leg(state, item)  # nobody to whisper to
    placed = WATCHING[WatchMode.LISTEN if alone else watcher.mode] if item.bridge else "idle"
    return e.WantedLeg(
        leg=watcher.leg,
        role="watcher",
        doing=placed if watcher.answered_at else "ringing",
        subject=watcher.leg,
        item=item.id,
        seat=watcher.seat,
        extension=state.seats[watcher.seat].profile.extension,
        queue=item.queue,
        bridge=item.bridge,
        expires_at=watcher.due,
        ear=owner_leg(state, item),
    )


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
