"""Makers of inputs about conversations, supervision, outbound calls and what queues say (tests.support.rules)."""

from __future__ import annotations

from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND
from acd.core.shapes import MOVES, Move, Shape
from tests.support.choose import Choose, pick, seldom
from tests.support.world import World

TRUNKS = ("city", "mobile")
MENU_IDS = ("main", "deep")
ROUTES = (
    m.Route("a-out", "city", "0223456789", wrap_up=m.WrapUpRule(m.WrapUpEnding.TIMER, 10 * SECOND)),
    m.Route("a-mob", "mobile", record=False),
    m.Route("a-110", "city", emergency=True),
    m.Route("a-no", "nowhere"),
)
QUEUES = ("service", "sales", "vip")
WAYS = (
    *(m.Destination(m.Way.QUEUE, name) for name in QUEUES),
    m.Destination(m.Way.QUEUE, ""),
    m.Destination(m.Way.MENU, "deep"),
    m.Destination(m.Way.VOICEMAIL, "", "leave-a-message"),
    m.Destination(m.Way.VOICEMAIL, "sales"),
    m.Destination(m.Way.CALLBACK, "", "we-call-you"),
    m.Destination(m.Way.CALLBACK, ""),
    m.Destination(m.Way.OUTSIDE, route=ROUTES[0]),
    m.Destination(m.Way.HANG_UP, "", "goodbye"),
    m.Destination(m.Way.HANG_UP, outcome=m.Outcome.EXIT_KEY),
)
SPEECH = m.Speech(5 * SECOND, 10 * SECOND, prompts=("one", "two"))


def destination(choose: Choose) -> m.Destination:
    """Anywhere."""
    return pick(choose, WAYS)


def menu(choose: Choose, name: str) -> m.Menu:
    """A menu of two keys that may lead on to another menu."""
    options = tuple(m.MenuOption(digit, destination(choose)) for digit in ("1", "2"))
    return m.Menu(name, f"{name}-prompt", options, m.Destination(m.Way.QUEUE, pick(choose, QUEUES)), 5 * SECOND, 2)


# --- about an item -------------------------------------------------------------------------------------------------


def _known(world: World, item: str) -> m.WorkItem | None:
    return world.state.items.get(item)


def _owner(world: World, choose: Choose, item: str) -> str:
    known = _known(world, item)
    return known.seat if known and known.seat and not seldom(choose, 5) else pick(choose, [*world.state.seats] or ["x"])


def move(world: World, choose: Choose, item: str) -> i.Input:
    known = _known(world, item)
    fitting = [step for shape, step in MOVES if known and shape is known.shape]
    step = pick(choose, fitting) if fitting and not seldom(choose, 10) else pick(choose, tuple(Move))
    return i.MoveMade(_owner(world, choose, item), item, step)


def target(world: World, choose: Choose) -> tuple[m.Target, m.Route | None]:
    kind = pick(choose, tuple(m.TargetKind))
    match kind:
        case m.TargetKind.SEAT:
            return m.Target(kind, pick(choose, (*world.state.seats, "ghost"))), None
        case m.TargetKind.EXTENSION:
            return m.Target(kind, pick(choose, ("101", "102", "999"))), None
        case m.TargetKind.QUEUE:
            return m.Target(kind, pick(choose, (*QUEUES, "nowhere"))), None
        case m.TargetKind.ENTRY:
            return m.Target(kind, "e1"), None
        case m.TargetKind.OUTSIDE:
            return m.Target(kind, "a-out"), pick(choose, (*ROUTES, None))


def consult(world: World, choose: Choose, item: str) -> i.Input:
    whom, route = target(world, choose)
    return i.ConsultAsked(_owner(world, choose, item), item, whom, route)


def transfer(world: World, choose: Choose, item: str) -> i.Input:
    whom, route = target(world, choose)
    plan = None
    if whom.kind is m.TargetKind.ENTRY and not seldom(choose, 10):
        greeting = "hello" if seldom(choose, 50) else ""
        plan = m.EntryPlan("e1", world.state.revision, pick(choose, QUEUES), greeting=greeting)
    return i.TransferAsked(_owner(world, choose, item), item, whom, route, plan)


def phones_joined(world: World, choose: Choose, item: str) -> i.Input | None:
    known = _known(world, item)
    seat = world.state.seats.get(known.seat) if known else None
    if known is None or seat is None or item not in seat.handlings:
        return None
    calls = [*seat.directs, *(one for one in seat.handlings if one != item)]
    call = pick(choose, calls) if calls else "ghost"
    other = world.state.items[call].leg if call in world.state.items else pick(choose, [*world.state.directs, "ghost"])
    return i.PhonesJoined(seat.handlings[item].offer, call, other)


def hung_up(world: World, choose: Choose, item: str) -> i.Input:
    known = _known(world, item)
    seat = _owner(world, choose, item)
    if known and known.other is not None and known.other.seat and seldom(choose, 40):
        seat = known.other.seat
    return i.CallHungUp(seat, item, whole=seldom(choose, 15))


def mute(world: World, choose: Choose, item: str) -> i.Input:
    return i.MuteAsked(_owner(world, choose, item), item, seldom(choose, 60))


def watch(world: World, choose: Choose, item: str) -> i.Input:
    return i.WatchAsked(pick(choose, [*world.state.seats] or ["x"]), item, pick(choose, tuple(m.WatchMode)))


def unwatch(world: World, choose: Choose, item: str) -> i.Input:
    known = _known(world, item)
    live = [one.seat for one in known.watchers.values()] if known else []
    return i.WatchLeft(pick(choose, live) if live and not seldom(choose, 10) else "ghost", item)


def pause(world: World, choose: Choose, item: str) -> i.Input:
    return i.PauseAsked(item, pick(choose, (10 * SECOND, 0, 9000 * SECOND)))


def resume(world: World, choose: Choose, item: str) -> i.Input:
    return i.ResumeAsked(item)


def recording_stopped(world: World, choose: Choose, item: str) -> i.Input:
    return i.RecordingStopped(item, "disk_full")


def _far_legs(world: World, choose: Choose, item: str) -> str:
    """A leg we rang for this item: a third party's, a supervisor's, a called customer's, the agent's own."""
    known = _known(world, item)
    if known is None:
        return "ghost"
    legs = [*known.watchers]
    legs += [known.other.leg] if known.other is not None else []
    if known.phase is m.Phase.DIALLING:
        seat = world.state.seats[known.seat]
        legs += [seat.handlings[item].offer, *([known.leg] if known.leg else [])]
    return pick(choose, legs) if legs else "ghost"


def far_rang(world: World, choose: Choose, item: str) -> i.Input:
    return i.RingSeen(_far_legs(world, choose, item))


def far_answered(world: World, choose: Choose, item: str) -> i.Input:
    return i.OfferAnswered(_far_legs(world, choose, item))


def far_refused(world: World, choose: Choose, item: str) -> i.Input:
    result = pick(choose, (m.OfferResult.REJECTED, m.OfferResult.UNREACHABLE))
    outcome = pick(choose, (None, m.Outcome.BUSY, m.Outcome.WRONG_NUMBER))
    return i.OfferRefused(_far_legs(world, choose, item), result, 486, 17, outcome)


def far_left(world: World, choose: Choose, item: str) -> i.Input:
    return i.PartyLeft(_far_legs(world, choose, item), not seldom(choose, 30), 0, 16)


def timer(world: World, choose: Choose, item: str) -> i.Input:
    known = _known(world, item)
    keys = [f"{kind}:{item}" for kind in ("invite", "dial", "pause", "say", "leave")]
    keys += [f"watch:{leg}" for leg in known.watchers] if known else []
    live = [key for key in keys if key in world.state.timers]
    if not live:
        return i.TimerDue(pick(choose, keys), world.now - 1)
    key = pick(choose, live)
    due = world.state.timers[key]
    world.reach(due)
    return i.TimerDue(key, due)


# --- about a seat, and about neither -------------------------------------------------------------------------------


def outbound(world: World, choose: Choose, seat: str) -> i.Input:
    leg = world.new_id("set") if seldom(choose, 50) else ""
    return i.OutboundAsked(seat, pick(choose, ROUTES), leg)


def queue_open(world: World, choose: Choose) -> i.Input:
    return i.QueueOpenChanged(pick(choose, (*QUEUES, "nowhere")), not seldom(choose, 30))


def menu_defined(world: World, choose: Choose) -> i.Input:
    return i.MenuDefined(menu(choose, pick(choose, MENU_IDS)))


def trunk_defined(world: World, choose: Choose) -> i.Input:
    return i.TrunkDefined(m.TrunkDef(pick(choose, TRUNKS), pick(choose, (0, 1, 2))))


def trunk_retired(world: World, choose: Choose) -> i.Input:
    return i.TrunkRetired(pick(choose, (*TRUNKS, "nowhere")))


# --- what comes next by nature -------------------------------------------------------------------------------------


def natural(world: World, choose: Choose) -> i.Input | None:
    """What would happen next to somebody chosen: an agent comes back, a call goes on. Random inputs alone would leave
    most seats empty and most calls at the door."""
    if seldom(choose, 30) and world.state.seats:
        return _agent_goes_on(world, choose, pick(choose, [*world.state.seats]))
    if not world.state.items:
        return None
    return _call_goes_on(world, choose, world.state.items[pick(choose, [*world.state.items])])


def _agent_goes_on(world: World, choose: Choose, name: str) -> i.Input | None:
    seat = world.state.seats[name]
    if not seat.signed_in_at:
        return i.SeatSignedIn(name, "desk")
    if not seat.reachable:
        return i.PhoneChanged(name, True)
    if not seat.on_shift:
        return i.ShiftChanged(name, True)
    if seat.wrap_ups:
        return i.DispositionSaved(name, next(iter(seat.wrap_ups))) if seldom(choose, 50) else i.WrapUpEnded(name)
    if seat.directs:
        return i.DirectCallEnded(next(iter(seat.directs)))
    return i.StatusChosen(name, m.Presence.VOICE, "ready")


def _call_goes_on(world: World, choose: Choose, item: m.WorkItem) -> i.Input | None:
    match item.phase:
        case m.Phase.ENTERED:
            return i.LegArrived(item.leg)
        case m.Phase.GREETING | m.Phase.SAYING | m.Phase.VOICEMAIL:
            return i.PromptEnded(item.id, item.token)
        case m.Phase.MENU:
            return i.DigitPressed(item.leg, pick(choose, ("1", "2")))
        case m.Phase.WAITING:
            return i.DigitPressed(item.leg, "9") if item.leg and seldom(choose, 20) else None
        case m.Phase.OFFERED:
            return i.OfferAnswered(item.offer)
        case m.Phase.DIALLING:
            return i.OfferAnswered(item.leg or world.state.seats[item.seat].handlings[item.id].offer)
        case m.Phase.ACTIVE:
            return _talk_goes_on(world, choose, item)
        case m.Phase.PARKED:
            return None


def _talk_goes_on(world: World, choose: Choose, item: m.WorkItem) -> i.Input | None:
    if item.other is not None and not item.other.answered_at:
        return i.OfferAnswered(item.other.leg)
    ringing = [leg for leg, watcher in item.watchers.items() if not watcher.answered_at]
    if ringing:
        return i.OfferAnswered(ringing[0])
    fitting = [step for shape, step in MOVES if shape is item.shape]
    free = [name for name, seat in world.state.seats.items() if seat.signed_in_at and not seat.handlings]
    if free and item.shape in (Shape.TALK, Shape.HELD) and seldom(choose, 75):  # else most would hold and resume
        return i.ConsultAsked(item.seat, item.id, m.Target(m.TargetKind.SEAT, pick(choose, free)))
    if fitting:
        return i.MoveMade(item.seat, item.id, pick(choose, fitting))
    return None
