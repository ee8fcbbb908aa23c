"""What can happen to the core, as one table of makers, shared by the Hypothesis machine and the seeded driver.

A maker gives an input of its kind about a subject (a seat or an item), or None where it makes no sense. Most inputs
are about what lives; some name what is over or never was, since late and unknown ids must be no-ops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND
from tests.support import rules_talks as talks
from tests.support.choose import Choose, pick, seldom
from tests.support.world import World

SEATS = ("s1", "s2", "s3", "s4", "s:5")  # an id may hold the colon that timers are split by
QUEUES = ("service", "sales", "vip")
SKILLS = ("en", "zh", "loan")
DIGITS = ("1", "2", "9")
VOICE, TEXT = m.Presence.VOICE, m.Presence.TEXT

MEDIA = (
    m.MediumDef("voice", VOICE, 1, 1, excludes=("*",), wrap_up_blocks=("*",), needs_phone=True),
    m.MediumDef("chat", TEXT, 2, 15),
    m.MediumDef("mail", TEXT, 2, 5, excludes=("task",), wrap_up_blocks=("mail",)),
    m.MediumDef("task", TEXT, 1, 3),
    m.MediumDef("voicemail", TEXT, 2, 5),
)
MEDIUM_VARIANTS = (
    *MEDIA,
    m.MediumDef("chat", TEXT, 15, 15, excludes=("voice",)),
    m.MediumDef("chat", TEXT, 1, 1, wrap_up_blocks=("chat",)),
    m.MediumDef("voice", VOICE, 1, 1, excludes=("voice",), wrap_up_blocks=("voice",), needs_phone=True),
    m.MediumDef("task", TEXT, 1, 3, excludes=("*",)),
)


def _status(
    name: str, presence: m.Presence, offer: bool, transfer: bool, direct: bool, out: bool, first: bool = False
) -> m.StatusDef:
    return m.StatusDef(name, presence, (("en", name),), offer, transfer, direct, out, after_login=first)


STATUSES = (
    _status("ready", VOICE, True, True, True, True),
    _status("not_ready", VOICE, False, False, True, True, first=True),
    _status("meal", VOICE, False, False, False, False),
    _status("t_ready", TEXT, True, True, True, True, first=True),
    _status("t_away", TEXT, False, True, True, True),
)
STATUS_VARIANTS = (
    *STATUSES,
    _status("meal", VOICE, True, False, False, False),
    replace(_status("meal", VOICE, True, True, True, True), retired=True),
)
STATUS_IDS = {VOICE: ("ready", "not_ready", "meal"), TEXT: ("t_ready", "t_away")}
WRAP_UPS = (
    None,
    m.WrapUpRule(m.WrapUpEnding.BY_HAND),
    m.WrapUpRule(m.WrapUpEnding.TIMER, 10 * SECOND),
    m.WrapUpRule(m.WrapUpEnding.SERVICE_TIMER, 5 * SECOND),
    m.WrapUpRule(m.WrapUpEnding.DISPOSITION, forced=True),
    m.WrapUpRule(m.WrapUpEnding.DISPOSITION),
    m.WrapUpRule(m.WrapUpEnding.TIMER, 10 * SECOND, forced=True),
)
RINGS = (
    (),
    (m.Ring(15 * SECOND, (m.SkillLevel("en", 1),)), m.Ring(30 * SECOND, ())),
)
POLICIES = (
    m.Policy(),
    m.Policy(priority_weight=30 * SECOND, idle_reset_direct=True),
    m.Policy(idle_reset_no_answer=True, idle_reset_outbound=True),
)
KINDS = (
    (m.Kind.CHAT, "chat"),
    (m.Kind.MAIL, "mail"),
    (m.Kind.TASK, "task"),
    (m.Kind.CALLBACK, "voice"),
    (m.Kind.VOICEMAIL, "voicemail"),
)


# --- definitions made by choice --------------------------------------------------------------------------------


def levels(choose: Choose, most: int) -> tuple[m.SkillLevel, ...]:
    """Up to `most` skills, each once."""
    known = SKILLS[: choose.below(most + 1)]
    return tuple(m.SkillLevel(skill, 1 + choose.below(2)) for skill in known)


def queue_def(choose: Choose, name: str) -> m.QueueDef:
    """A queue of any strategy and rule."""
    return m.QueueDef(
        name,
        name,
        strategy=pick(choose, tuple(m.Strategy)),
        needs=levels(choose, 1),
        skill_relaxed=seldom(choose, 40),
        rings=pick(choose, RINGS),
        last_agent_first=seldom(choose, 60),
        last_agent_wait=pick(choose, (0, 10 * SECOND, 10 * SECOND)),
        no_answer_back_off=pick(choose, (0, 8 * SECOND)),
        decline_back_off=pick(choose, (5 * SECOND, 0)),
        wrap_up=pick(choose, WRAP_UPS),
        record_calls=not seldom(choose, 30),
        greeting="welcome" if seldom(choose, 20) else "",
        speech=talks.SPEECH if seldom(choose, 30) else None,
        max_wait=pick(choose, (0, 0, 30 * SECOND)),
        max_length=pick(choose, (0, 0, 2)),
        overflow=talks.destination(choose) if seldom(choose, 50) else None,
        closed=talks.destination(choose) if seldom(choose, 50) else None,
        empty=talks.destination(choose) if seldom(choose, 20) else None,
        keys=(m.MenuOption("9", talks.destination(choose)),) if seldom(choose, 40) else (),
    )


def profile(choose: Choose, seat: str) -> m.SeatProfile:
    """A seat in some queues with some skills and limits; sometimes with somebody else's extension."""
    member = QUEUES if not seldom(choose, 40) else QUEUES[: 1 + choose.below(len(QUEUES))]
    number = "10" + (seat if not seldom(choose, 5) else pick(choose, SEATS))[-1]
    return m.SeatProfile(
        seat,
        number,
        tuple(m.SeatQueue(queue, choose.below(2)) for queue in member),
        levels(choose, len(SKILLS)),
        pick(choose, ((), (m.MediumLimit("chat", 20),), (m.MediumLimit("chat", 1), m.MediumLimit("mail", 1)))),
        total_limit=pick(choose, (0, 0, 3)),
        one_open_case=seldom(choose, 20),
    )


def plan(world: World, choose: Choose, medium: str) -> m.EntryPlan:
    """What an entry point does with a contact, with a last agent and a refusal now and then."""
    refused = seldom(choose, 4)
    return m.EntryPlan(
        entry="e1",
        revision=world.state.revision,
        queue=pick(choose, QUEUES) if not seldom(choose, 1) else "nowhere",
        medium=medium,
        greeting="hello" if seldom(choose, 30) else "",
        start=_start(choose) if medium == "voice" else None,
        priority=pick(choose, (0, 0, 10, 1000)),
        needs=levels(choose, 2) if seldom(choose, 40) else (),
        last_seat=pick(choose, SEATS) if seldom(choose, 60) else "",
        refuse=m.Outcome.CLOSED if refused else None,
        address=pick(choose, ("", "a1", "a2", "a3")),
        trunk=pick(choose, ("", *talks.TRUNKS)) if medium == "voice" else "",
        callback=talks.ROUTES[0] if seldom(choose, 60) else None,
    )


def _start(choose: Choose) -> m.Destination | None:
    """Straight into the queue, a menu, or anywhere."""
    if seldom(choose, 35):
        return None
    return m.Destination(m.Way.MENU, pick(choose, (*talks.MENU_IDS, "none"))) if seldom(choose, 50) else _any(choose)


def _any(choose: Choose) -> m.Destination:
    return talks.destination(choose)


# --- inputs about a seat ---------------------------------------------------------------------------------------


def _some(world: World, choose: Choose, live: Sequence[str], gone: Sequence[str]) -> str:
    """Mostly something alive, sometimes something over, sometimes a ghost."""
    if live and not seldom(choose, 8):
        return pick(choose, live)
    return pick(choose, gone) if gone and not seldom(choose, 20) else "ghost"


def _seat(world: World, name: str) -> m.Seat | None:
    return world.state.seats.get(name)


def _signed_in(world: World, choose: Choose, seat: str) -> i.Input:
    return i.SeatSignedIn(seat, pick(choose, ("desk", "phone")))


def _signed_out(world: World, choose: Choose, seat: str) -> i.Input:
    return i.SeatSignedOut(seat, forced=seldom(choose, 30))


def _phone(world: World, choose: Choose, seat: str) -> i.Input:
    return i.PhoneChanged(seat, not seldom(choose, 25), "contact")


def _status_chosen(world: World, choose: Choose, seat: str) -> i.Input:
    presence = pick(choose, (VOICE, TEXT))
    known = STATUS_IDS[presence]
    name = known[0] if seldom(choose, 55) else pick(choose, (*known, "nonsense"))
    return i.StatusChosen(seat, presence, name)


def _wrap_items(world: World, choose: Choose, seat: str) -> str:
    held = _seat(world, seat)
    live = [*held.wrap_ups, *held.handlings] if held else []
    return _some(world, choose, live, world.gone_items)


def _wrap_up_ended(world: World, choose: Choose, seat: str) -> i.Input:
    return i.WrapUpEnded(seat, "" if seldom(choose, 50) else _wrap_items(world, choose, seat))


def _service_ended(world: World, choose: Choose, seat: str) -> i.Input:
    return i.ServiceEnded(seat, _wrap_items(world, choose, seat))


def _disposition_saved(world: World, choose: Choose, seat: str) -> i.Input:
    return i.DispositionSaved(seat, _wrap_items(world, choose, seat))


def _direct_started(world: World, choose: Choose, seat: str) -> i.Input:
    call = world.new_id("call") if not seldom(choose, 10) else _some(world, choose, [*world.state.directs], ())
    kind = pick(choose, tuple(m.DirectKind))
    return i.DirectCallStarted(call, seat, kind, f"leg-{call}", pick(choose, SEATS), seldom(choose, 20))


def _direct_of(world: World, choose: Choose, seat: str) -> str:
    held = _seat(world, seat)
    return _some(world, choose, [*held.directs] if held else [], world.last_calls.get(seat, ()))


def _direct_answered(world: World, choose: Choose, seat: str) -> i.Input:
    return i.DirectCallAnswered(_direct_of(world, choose, seat))


def _direct_ended(world: World, choose: Choose, seat: str) -> i.Input:
    return i.DirectCallEnded(_direct_of(world, choose, seat), pick(choose, (m.Outcome.ANSWERED, m.Outcome.BUSY)))


def _shift(world: World, choose: Choose, seat: str) -> i.Input:
    return i.ShiftChanged(seat, not seldom(choose, 12))


def _picked_by(world: World, choose: Choose, seat: str) -> i.Input:
    waiting = [item.id for item in world.state.items.values() if item.phase is m.Phase.WAITING]
    chosen = _some(world, choose, waiting or [*world.state.items], world.gone_items)
    return i.ItemPicked(seat, "" if seldom(choose, 40) else chosen)


def _profile_set(world: World, choose: Choose, seat: str) -> i.Input:
    return i.SeatProfileSet(profile(choose, seat))


def _seat_retired(world: World, choose: Choose, seat: str) -> i.Input | None:
    return i.SeatRetired(seat) if not seldom(choose, 50) else i.SeatRetired("ghost")


def _offer_of(world: World, choose: Choose, seat: str) -> str:
    held = _seat(world, seat)
    return _some(world, choose, [*held.offers] if held else [], world.last_offers.get(seat, ()))


def _ring_at(world: World, choose: Choose, seat: str) -> i.Input:
    return i.RingSeen(_offer_of(world, choose, seat))


def _answer_at(world: World, choose: Choose, seat: str) -> i.Input:
    return i.OfferAnswered(_offer_of(world, choose, seat))


def _refuse_at(world: World, choose: Choose, seat: str) -> i.Input:
    return _refusal(choose, _offer_of(world, choose, seat))


def _refusal(choose: Choose, offer: str) -> i.Input:
    result = pick(choose, (m.OfferResult.REJECTED, m.OfferResult.UNREACHABLE))
    return i.OfferRefused(offer, result, 486 if result is m.OfferResult.REJECTED else 404, 17)


def _leg_lost_at(world: World, choose: Choose, seat: str) -> i.Input | None:
    held = _seat(world, seat)
    if held is None:
        return None
    live = [*(one.offer for one in held.handlings.values()), *held.offers]
    late = world.last_offers.get(seat, ())
    return i.PartyLeft(_some(world, choose, live, late), not seldom(choose, 30), 0, 16)


def _media_at(world: World, choose: Choose, seat: str) -> i.Input:
    held = _seat(world, seat)
    return i.MediaFlowed(_some(world, choose, [*held.handlings] if held else [], world.gone_items), seat)


def _timer_at(world: World, choose: Choose, seat: str) -> i.Input | None:
    """One of the seat's timers at its time, or a stale one."""
    held = _seat(world, seat)
    if held is None:
        return None
    keys = [f"wrap:{seat}:{item}" for item in held.wrap_ups]
    keys += [f"back:{seat}:{presence}" for presence in m.Presence]
    keys += [f"offer:{offer}" for offer in held.offers]
    return _due(world, choose, keys)


def _due(world: World, choose: Choose, keys: Sequence[str]) -> i.Input:
    live = [key for key in keys if key in world.state.timers]
    if live and not seldom(choose, 25):
        key = pick(choose, live)
        due = world.state.timers[key]
        world.reach(due)
        return i.TimerDue(key, due)
    key = pick(choose, keys) if keys else "offer:ghost"
    return i.TimerDue(key, world.state.timers.get(key, world.now) - 1)


# --- inputs about an item --------------------------------------------------------------------------------------


def _item(world: World, name: str) -> m.WorkItem | None:
    return world.state.items.get(name)


def _leg_of(world: World, choose: Choose, item: str) -> str:
    known = _item(world, item)
    return known.leg if known and known.leg else _some(world, choose, (), world.gone_legs)


def _entered_again(world: World, choose: Choose, item: str) -> i.Input:
    return i.CallEntered(_leg_of(world, choose, item) or "ghost", plan(world, choose, "voice"))


def _leg_arrived(world: World, choose: Choose, item: str) -> i.Input:
    return i.LegArrived(_leg_of(world, choose, item))


def _arrived_again(world: World, choose: Choose, item: str) -> i.Input | None:
    known = _item(world, item)
    if known is None or not known.key:
        return None
    return i.ItemArrived(known.kind, known.key, plan(world, choose, known.medium))


def _prompt_ended(world: World, choose: Choose, item: str) -> i.Input:
    known = _item(world, item)
    token = known.token if known and not seldom(choose, 20) else "stale"
    return i.PromptEnded(item, token, not seldom(choose, 15))


def _digit(world: World, choose: Choose, item: str) -> i.Input:
    return i.DigitPressed(_leg_of(world, choose, item), pick(choose, DIGITS))


def _customer_left(world: World, choose: Choose, item: str) -> i.Input | None:
    leg = _leg_of(world, choose, item)
    if seldom(choose, 10):
        return i.PartyLeft(leg, observed=False, not_before=world.now - SECOND)
    return i.PartyLeft(leg, not seldom(choose, 30), 0, 16)


def _closed(world: World, choose: Choose, item: str) -> i.Input:
    return i.ItemClosed(item, pick(choose, tuple(m.Party)))


def _message(world: World, choose: Choose, item: str) -> i.Input:
    return i.MessageNoted(item, pick(choose, (m.Party.SEAT, m.Party.CUSTOMER)))


def _offer_for(world: World, choose: Choose, item: str) -> str:
    known = _item(world, item)
    live = [known.offer] if known and known.offer else []
    return _some(world, choose, live, world.last_offers.get(item, ()))


def _ring_for(world: World, choose: Choose, item: str) -> i.Input:
    return i.RingSeen(_offer_for(world, choose, item))


def _answer_for(world: World, choose: Choose, item: str) -> i.Input:
    return i.OfferAnswered(_offer_for(world, choose, item))


def _refuse_for(world: World, choose: Choose, item: str) -> i.Input:
    return _refusal(choose, _offer_for(world, choose, item))


def _media_for(world: World, choose: Choose, item: str) -> i.Input:
    known = _item(world, item)
    return i.MediaFlowed(item, known.seat if known and known.seat else pick(choose, SEATS))


def _picked(world: World, choose: Choose, item: str) -> i.Input:
    return i.ItemPicked(pick(choose, SEATS), item)


def _recording(world: World, choose: Choose, item: str) -> i.Input:
    return i.RecordingStarted(item, f"rec-{item}")


def _served_again(world: World, choose: Choose, item: str) -> i.Input:
    leg = _leg_of(world, choose, item) or "ghost"
    return _fallback(world, choose, leg)


def _fallback_took(world: World, choose: Choose, item: str) -> i.Input:
    return i.FallbackTook(_leg_of(world, choose, item))


def _wrapped(world: World, choose: Choose, item: str) -> i.Input:
    return i.WrapUpEnded(_seat_of(world, choose, item), item)


def _served_item(world: World, choose: Choose, item: str) -> i.Input:
    return i.ServiceEnded(_seat_of(world, choose, item), item)


def _disposed(world: World, choose: Choose, item: str) -> i.Input:
    return i.DispositionSaved(_seat_of(world, choose, item), item)


def _seat_of(world: World, choose: Choose, item: str) -> str:
    known = _item(world, item)
    return known.seat if known and known.seat else pick(choose, SEATS)


def _timer_for(world: World, choose: Choose, item: str) -> i.Input:
    known = _item(world, item)
    keys = [f"{kind}:{item}" for kind in ("guard", "menu", "relax", "sticky")]
    if known and known.offer:
        keys.append(f"offer:{known.offer}")
    return _due(world, choose, keys)


# --- inputs about neither --------------------------------------------------------------------------------------


def _call_entered(world: World, choose: Choose) -> i.Input | None:
    if world.crowded:
        return None
    return i.CallEntered(world.new_id("leg"), plan(world, choose, "voice"))


def _item_arrived(world: World, choose: Choose) -> i.Input | None:
    if world.crowded:
        return None
    kind, medium = pick(choose, KINDS)
    key = "" if seldom(choose, 20) else f"k{choose.below(9)}" if seldom(choose, 20) else world.new_id("key")
    return i.ItemArrived(kind, key, plan(world, choose, medium))


def _fallback_served(world: World, choose: Choose) -> i.Input:
    return _fallback(world, choose, world.new_id("leg"))


def _fallback(world: World, choose: Choose, leg: str) -> i.Input:
    seat = pick(choose, ("", *SEATS))
    answered = world.now - 20 * SECOND if seat else 0
    entered, ended = world.now - 30 * SECOND, world.now - SECOND
    return i.FallbackServed(leg, plan(world, choose, "voice"), entered, answered, ended, seat, not seldom(choose, 30))


def _policy_set(world: World, choose: Choose) -> i.Input:
    return i.PolicySet(pick(choose, POLICIES))


def _medium_defined(world: World, choose: Choose) -> i.Input:
    return i.MediumDefined(pick(choose, MEDIUM_VARIANTS))


def _status_defined(world: World, choose: Choose) -> i.Input:
    return i.StatusDefined(pick(choose, STATUS_VARIANTS))


def _queue_defined(world: World, choose: Choose) -> i.Input:
    return i.QueueDefined(queue_def(choose, pick(choose, QUEUES)))


def _queue_retired(world: World, choose: Choose) -> i.Input:
    move_to = pick(choose, (*QUEUES, "nowhere")) if seldom(choose, 60) else ""
    return i.QueueRetired(pick(choose, QUEUES), move_to)


def _applied(world: World, choose: Choose) -> i.Input:
    return i.ConfigurationApplied(world.state.revision + choose.below(2))


def _day(world: World, choose: Choose) -> i.Input:
    return i.DayStarted(world.state.day + choose.below(2))


def _next_timer(world: World, choose: Choose) -> i.Input | None:
    """The next timer at its time, sometimes late."""
    due = world.next_due()
    if due is None:
        return None
    key, when = due
    world.reach(when + (choose.below(5) * SECOND if seldom(choose, 20) else 0))
    return i.TimerDue(key, when)


def _old_timer(world: World, choose: Choose) -> i.Input | None:
    """A timer that was delivered once already, or a key that no core ever made."""
    if not world.fired or seldom(choose, 10):
        return i.TimerDue(pick(choose, ("nonsense", "nonsense:x", "wrap:s1", "back:s1:x", "offer:")), world.now)
    return pick(choose, world.fired)


def _engine_started(world: World, choose: Choose) -> i.Input:
    return i.EngineStarted("epoch", "1")


def _repaired(world: World, choose: Choose) -> i.Input:
    return i.RepairMade(pick(choose, ("ghost_channel", "channel_gone")), "x")


SeatMaker = Callable[[World, Choose, str], i.Input | None]
ItemMaker = Callable[[World, Choose, str], i.Input | None]
FreeMaker = Callable[[World, Choose], i.Input | None]

ABOUT_SEATS: Mapping[str, tuple[SeatMaker, int]] = {
    "SeatSignedIn": (_signed_in, 5),
    "SeatSignedOut": (_signed_out, 1),
    "PhoneChanged": (_phone, 6),
    "StatusChosen": (_status_chosen, 14),
    "WrapUpEnded": (_wrap_up_ended, 6),
    "ServiceEnded": (_service_ended, 4),
    "DispositionSaved": (_disposition_saved, 4),
    "DirectCallStarted": (_direct_started, 2),
    "DirectCallAnswered": (_direct_answered, 2),
    "DirectCallEnded": (_direct_ended, 4),
    "ShiftChanged": (_shift, 3),
    "OutboundAsked": (talks.outbound, 3),
    "ItemPicked": (_picked_by, 2),
    "SeatProfileSet": (_profile_set, 4),  # a seat that retired is wanted again, or soon nobody is left
    "SeatRetired": (_seat_retired, 1),
    "RingSeen": (_ring_at, 2),
    "OfferAnswered": (_answer_at, 12),
    "OfferRefused": (_refuse_at, 2),
    "PartyLeft": (_leg_lost_at, 4),
    "MediaFlowed": (_media_at, 2),
    "TimerDue": (_timer_at, 3),
}
"""Kind -> (maker, weight in the seeded driver). Every kind that can be about a seat."""

ABOUT_ITEMS: Mapping[str, tuple[ItemMaker, int]] = {
    "CallEntered": (_entered_again, 4),
    "LegArrived": (_leg_arrived, 10),
    "ItemArrived": (_arrived_again, 1),
    "PromptEnded": (_prompt_ended, 6),
    "DigitPressed": (_digit, 6),
    "PartyLeft": (_customer_left, 5),
    "ItemClosed": (_closed, 4),
    "MessageNoted": (_message, 4),
    "RingSeen": (_ring_for, 2),
    "OfferAnswered": (_answer_for, 4),
    "OfferRefused": (_refuse_for, 1),
    "MediaFlowed": (_media_for, 2),
    "ItemPicked": (_picked, 1),
    "RecordingStarted": (_recording, 1),
    "FallbackServed": (_served_again, 3),
    "FallbackTook": (_fallback_took, 3),
    "WrapUpEnded": (_wrapped, 1),
    "ServiceEnded": (_served_item, 1),
    "DispositionSaved": (_disposed, 1),
    "TimerDue": (_timer_for, 3),
    "MoveMade": (talks.move, 14),
    "ConsultAsked": (talks.consult, 9),
    "TransferAsked": (talks.transfer, 3),
    "PhonesJoined": (talks.phones_joined, 2),
    "CallHungUp": (talks.hung_up, 2),
    "MuteAsked": (talks.mute, 1),
    "WatchAsked": (talks.watch, 4),
    "WatchLeft": (talks.unwatch, 1),
    "PauseAsked": (talks.pause, 1),
    "ResumeAsked": (talks.resume, 1),
    "RecordingStopped": (talks.recording_stopped, 1),
    "FarRang": (talks.far_rang, 2),
    "FarAnswered": (talks.far_answered, 12),
    "FarRefused": (talks.far_refused, 2),
    "FarLeft": (talks.far_left, 3),
    "TalkTimerDue": (talks.timer, 2),
}
"""Kind -> (maker, weight). Every kind that can be about an item."""

ABOUT_NEITHER: Mapping[str, tuple[FreeMaker, int]] = {
    "Natural": (talks.natural, 60),
    "CallEntered": (_call_entered, 36),
    "ItemArrived": (_item_arrived, 12),
    "FallbackServed": (_fallback_served, 1),
    "PolicySet": (_policy_set, 1),
    "MediumDefined": (_medium_defined, 1),
    "StatusDefined": (_status_defined, 1),
    "QueueDefined": (_queue_defined, 1),
    "QueueRetired": (_queue_retired, 1),
    "QueueOpenChanged": (talks.queue_open, 1),
    "MenuDefined": (talks.menu_defined, 1),
    "TrunkDefined": (talks.trunk_defined, 1),
    "TrunkRetired": (talks.trunk_retired, 1),
    "ConfigurationApplied": (_applied, 1),
    "DayStarted": (_day, 1),
    "TimerDue": (_next_timer, 8),
    "OldTimerDue": (_old_timer, 1),
    "EngineStarted": (_engine_started, 1),
    "RepairMade": (_repaired, 1),
}
"""Kind -> (maker, weight). Arrivals, configuration, timers and the engine itself."""

OTHER_MAKERS = frozenset({"OldTimerDue", "Natural", "FarRang", "FarAnswered", "FarRefused", "FarLeft", "TalkTimerDue"})
"""Names of makers that are no kinds of input: more of a kind that has one already."""


# --- beginning and end -----------------------------------------------------------------------------------------


def set_up(world: World, choose: Choose) -> None:
    """Configuration, and seats of which most are signed in, reachable and ready."""
    world.give(i.EngineStarted("epoch", "1"))
    world.give(i.PolicySet(pick(choose, POLICIES)))
    for medium in MEDIA:
        world.give(i.MediumDefined(medium))
    for status in STATUSES:
        world.give(i.StatusDefined(status))
    for name in QUEUES:
        world.give(i.QueueDefined(queue_def(choose, name)))
    for name in talks.MENU_IDS:
        world.give(i.MenuDefined(talks.menu(choose, name)))
    for name in talks.TRUNKS:
        world.give(i.TrunkDefined(m.TrunkDef(name, pick(choose, (0, 0, 2)))))
    for name in SEATS:
        world.give(i.SeatProfileSet(profile(choose, name)))
    world.give(i.ConfigurationApplied(1))
    world.give(i.DayStarted(1))
    for name in SEATS[: 1 + choose.below(len(SEATS))]:
        world.give(i.SeatSignedIn(name, "desk"))
        world.give(i.PhoneChanged(name, True))
        world.give(i.StatusChosen(name, VOICE, pick(choose, ("ready", "ready", "meal"))))
        world.wait(SECOND)
    world.set_up_steps = world.steps


def subject_seat(choose: Choose) -> str:
    """One of the seats, seldom one that never was."""
    return pick(choose, SEATS) if not seldom(choose, 2) else "ghost"


def subject_item(world: World, choose: Choose) -> str:
    """Mostly an open item."""
    return _some(world, choose, [*world.state.items], world.gone_items)
