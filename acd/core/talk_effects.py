"""Effects of facts about conversations: whoever changed his place is moved, by the table of shapes."""

from __future__ import annotations

from acd.core import effects as e
from acd.core import facts as f
from acd.core.model import OfferResult, Other, Party, State, TargetKind, Watcher, WatchMode, WorkItem
from acd.core.shapes import PLACES, Place, Shape

GONE_BY_ITSELF = (OfferResult.REJECTED, OfferResult.UNREACHABLE)


def talk_effects(state: State, fact: f.Fact) -> tuple[e.Effect, ...]:
    """What a fact about a conversation makes necessary; () for every other fact."""
    match fact:
        case f.ShapeChanged():
            return _moved(state, fact)
        case f.Invited() if not fact.adopted:
            return (_rung(state, fact),)
        case f.RingStarted():
            return _ring_back(state, fact)
        case f.InviteEnded():
            quiet = fact.result in GONE_BY_ITSELF and fact.who is Party.SEAT and fact.sip
            stop = _no_ring_back(state, state.items[fact.item])
            return stop if quiet else (e.WithdrawOffer(fact.leg, fact.seat), *stop)
        case f.OtherAnswered():
            return _no_ring_back(state, state.items[fact.item])
        case f.OtherLeft() if not fact.gone:
            return (e.HangUpLeg(fact.leg),)
        case f.TookOver():
            return _took_over(state, fact)
        case f.SeatMuted():
            return (e.Mute(fact.leg, fact.on),)
        case f.CustomerMoved():
            return (e.StopRecording(fact.item, fact.leg),)
        case f.WatchStarted():
            extension = state.seats[fact.seat].profile.extension
            return (e.RingSeat(fact.leg, fact.item, fact.seat, extension, "", state.items[fact.item].queue, fact.due),)
        case f.WatchAnswered() | f.WatchChanged():
            item = state.items[fact.item]
            watcher = item.watchers[fact.leg]
            return _watcher_placed(state, item, watcher) if watcher.answered_at else ()
        case f.CustomerLeft() if not fact.gone:
            return (e.HangUpLeg(fact.leg),)
        case f.WatchEnded() if not fact.gone:
            return (e.HangUpLeg(fact.leg),)
        case f.RecordingPaused() | f.RecordingResumed():
            item = state.items[fact.item]
            return (e.PauseRecording(fact.item, item.leg, fact.recording, item.paused),)
        case f.OutboundStarted() if fact.rings:
            extension = state.seats[fact.seat].profile.extension
            return (e.RingSeat(fact.leg, fact.item, fact.seat, extension, "", "", fact.due),)
        case f.CustomerDialled():
            own = owner_leg(state, state.items[fact.item])
            join = e.Join(fact.item, own, fact.bridge)
            return (join, e.DialOutside(fact.item, fact.leg, fact.route, fact.bridge, own, fact.due))
        case f.CustomerAnswered() if fact.recording:
            return (e.StartRecording(fact.item, fact.leg, fact.recording),)
        case _:
            return ()


def owner_leg(state: State, item: WorkItem) -> str:
    """The channel of the seat that serves the contact, "" where none does."""
    seat = state.seats.get(item.seat)
    handling = seat.handlings.get(item.id) if seat is not None else None
    return handling.offer if handling is not None else ""


# --- the parties ---------------------------------------------------------------------------------------------------


def _moved(state: State, fact: f.ShapeChanged) -> tuple[e.Effect, ...]:
    """Customer and third party go where the new shape has them. Who is joined comes before who is put on hold, so that
    nobody is alone for a moment."""
    item = state.items[fact.item]
    before, after = PLACES[fact.before], PLACES[fact.shape]
    moves = [*_place(state, item, item.leg, before.customer, after.customer)]
    other = item.other
    if other is not None and other.answered_at:
        moves += _place(state, item, other.leg, before.other, after.other)
    stop = [e.StopPrompt(item.id, item.leg, item.token)] if fact.before is Shape.NONE and item.token else []
    follow = watchers_placed(state, item) if fact.shape is Shape.HANDED_OVER else ()
    return (*stop, *sorted(moves, key=lambda move: isinstance(move, e.Hold)), *follow)


def _place(state: State, item: WorkItem, leg: str, before: Place, after: Place) -> list[e.Effect]:
    if not leg or before is after:
        return []
    queue = state.queues.get(item.queue)
    match after:
        case Place.BRIDGE:
            return [e.Join(item.id, leg, item.bridge)]
        case Place.HOLD:
            return [e.Hold(item.id, leg, queue.music if queue is not None else "")]
        case Place.COACH:
            return [e.Coach(item.id, leg, owner_leg(state, item))]
        case Place.RINGING | Place.NOWHERE:
            return []


def _rung(state: State, fact: f.Invited) -> e.Effect:
    item = state.items[fact.item]
    if fact.route is not None:
        bridge = "" if fact.blind else item.bridge
        return e.DialOutside(fact.item, fact.leg, fact.route, bridge, owner_leg(state, item), fact.due)
    own = fact.target.id if fact.target.kind is TargetKind.EXTENSION else ""
    extension = state.seats[fact.seat].profile.extension if fact.seat else own
    return e.RingSeat(fact.leg, fact.item, fact.seat, extension, item.leg, item.queue, fact.due)


def _ring_back(state: State, fact: f.RingStarted) -> tuple[e.Effect, ...]:
    """The agent who consults hears it ring; who was rung by an offer of a queue is nobody's ring-back."""
    item = state.items[fact.item]
    own = owner_leg(state, item)
    mine = item.other is not None and item.other.leg == fact.offer and item.shape is Shape.RINGING
    return (e.RingBack(own, True),) if mine and own and not _outside(item.other) else ()


def _no_ring_back(state: State, item: WorkItem) -> tuple[e.Effect, ...]:
    own = owner_leg(state, item)
    rung = item.shape is Shape.RINGING and own and not _outside(item.other)
    return (e.RingBack(own, False),) if rung else ()


def _outside(other: Other | None) -> bool:
    """Whose ring-back the call to the outside takes care of itself (early sound)."""
    return other is not None and other.route is not None


def _took_over(state: State, fact: f.TookOver) -> tuple[e.Effect, ...]:
    item = state.items[fact.item]
    join = (e.Join(fact.item, fact.leg, item.bridge),) if fact.was is not Place.BRIDGE else ()
    return (*join, *watchers_placed(state, item))


# --- supervisors ---------------------------------------------------------------------------------------------------


def watchers_placed(state: State, item: WorkItem) -> tuple[e.Effect, ...]:
    """Supervision follows the call: to its new bridge, to its new agent's ear."""
    there = [watcher for watcher in item.watchers.values() if watcher.answered_at]
    return tuple(move for watcher in there for move in _watcher_placed(state, item, watcher))


def _watcher_placed(state: State, item: WorkItem, watcher: Watcher) -> tuple[e.Effect, ...]:
    own = owner_leg(state, item)
    match watcher.mode:
        case WatchMode.LISTEN | WatchMode.TAKE_OVER:
            return (e.Join(item.id, watcher.leg, item.bridge, muted=True),) if item.bridge else ()
        case WatchMode.WHISPER if own:
            return (e.Coach(item.id, watcher.leg, own),)
        case WatchMode.WHISPER:  # no agent is there to whisper to: he listens
            return (e.Join(item.id, watcher.leg, item.bridge, muted=True),) if item.bridge else ()
        case WatchMode.JOIN:
            return (e.Join(item.id, watcher.leg, item.bridge),) if item.bridge else ()
