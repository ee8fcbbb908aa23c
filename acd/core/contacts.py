"""Contacts: entry, greeting, menu, queue, end. What a caller or visitor does, and what becomes of his item."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core import facts as f
from acd.core import inputs as i
from acd.core import offering
from acd.core.model import (
    SECOND,
    EntryPlan,
    Kind,
    Micros,
    OfferResult,
    Outcome,
    Party,
    Phase,
    QueueDef,
    SkillLevel,
    WorkItem,
)
from acd.core.reply import Code, Done, Reply

if TYPE_CHECKING:
    from acd.core.decide import Core

LATE = Done(note="late")
"""The answer to what concerns something that is over: no-op, no error (design.md §4)."""

ARRIVAL_GUARD: Micros = 30 * SECOND
"""A call that passed the entry script but never reached us is given up after this; AGI to Stasis takes milliseconds."""

PROMPT_GUARD: Micros = 120 * SECOND
"""A prompt whose end nobody reports counts as over after this; no prompt is longer."""


def call_entered(core: Core, given: i.CallEntered) -> Reply:
    """Settle the plan of a caller; again for a leg that is known: the same item; for one that is over: refused."""
    known = core.state.legs.get(given.leg)
    if known is not None:
        return Done(item=known)
    if given.leg in core.state.over:
        return core.refuse(Code.CALL_OVER, "this call is over; hang it up")
    if given.plan.medium not in core.state.media:
        return core.refuse(Code.UNKNOWN_MEDIUM, f"medium {given.plan.medium} is not defined")
    return Done(item=_enter(core, Kind.CALL, given.plan, leg=given.leg, guard=core.now + ARRIVAL_GUARD))


def leg_arrived(core: Core, given: i.LegArrived) -> Reply:
    """The channel is ours: answer, then greeting, menu or queue."""
    item_id = core.state.legs.get(given.leg)
    if item_id is None:
        return core.refuse(Code.UNKNOWN_ITEM, "this call has no plan yet; send CallEntered first")
    item = core.state.items[item_id]
    if item.phase is not Phase.ENTERED or item.answered:
        return Done(item=item_id, note="late")
    core.record(f.Arrived(item_id))
    if item.plan.greeting:
        core.record(
            f.GreetingStarted(item_id, item.plan.greeting, core.new_id("p"), core.now + PROMPT_GUARD),
        )
    else:
        _after_greeting(core, item)
    return Done(item=item_id)


def item_arrived(core: Core, given: i.ItemArrived) -> Reply:
    """A text or virtual contact; an open key is the same item (pain P10)."""
    known = core.state.keys.get(given.key) if given.key else None
    if known is not None:
        return Done(item=known)
    if given.plan.medium not in core.state.media:
        return core.refuse(Code.UNKNOWN_MEDIUM, f"medium {given.plan.medium} is not defined")
    item_id = _enter(core, given.kind, given.plan, leg=given.leg, key=given.key)
    item = core.state.items[item_id]
    if item.plan.refuse is not None:
        end(core, item, item.plan.refuse, Party.SYSTEM)
    else:
        enqueue(core, item, item.plan.queue)
    return Done(item=item_id)


def prompt_ended(core: Core, given: i.PromptEnded) -> Reply:
    """The greeting or menu prompt is over (or could not be played: the caller goes on all the same)."""
    item = core.item(given.item)
    if item is None or item.token != given.token:
        return LATE
    if item.phase is Phase.GREETING:
        _after_greeting(core, item)
    elif item.phase is Phase.MENU and item.plan.menu is not None:
        core.record(f.MenuListened(item.id, core.now + item.plan.menu.timeout))
    return Done(item=item.id)


def digit_pressed(core: Core, given: i.DigitPressed) -> Reply:
    """A key in the menu picks its queue; a wrong one plays the menu again, up to its tries."""
    item = core.item(core.state.legs.get(given.leg, ""))
    if item is None or item.phase is not Phase.MENU or item.plan.menu is None:
        return LATE
    queue = next((option.queue for option in item.plan.menu.options if option.digit == given.digit), None)
    if queue is None:
        _try_menu_again(core, item, stops=item.token)
    else:
        _choose(core, item, given.digit, queue)
    return Done(item=item.id)


def party_left(core: Core, given: i.PartyLeft) -> Reply:
    """A leg is gone: the customer's, a talking seat's or a ringing one's."""
    item_id = core.state.legs.get(given.leg)
    if item_id is not None:
        return _customer_left(core, core.state.items[item_id], given)
    if given.leg in core.state.seat_legs:
        return _seat_left(core, given)
    if given.leg in core.state.offers:
        refused = i.OfferRefused(given.leg, OfferResult.UNREACHABLE, given.sip, given.q850)
        return offering.offer_refused(core, refused)
    return LATE


def item_closed(core: Core, given: i.ItemClosed) -> Reply:
    """A text or virtual item is closed by its agent, the customer or the system."""
    item = core.item(given.item)
    if item is None:
        return LATE
    phase = item.phase
    if phase is not Phase.ACTIVE and given.who is Party.SEAT:
        return core.refuse(Code.NOT_WAITING, "only the seat that serves this contact may close it")
    if phase is Phase.OFFERED:
        offering.withdraw(core, item, given.who)
    elif phase is Phase.ACTIVE:
        leave(core, item, given.who)
    end(core, item, ABANDONED[phase], given.who)
    return Done(item=item.id)


def message_noted(core: Core, given: i.MessageNoted) -> Reply:
    """A message passed; it drives D17 and the idle timers."""
    item = core.item(given.item)
    if item is None:
        return LATE
    core.record(f.MessagePassed(item.id, given.side))
    if item.seat:
        core.touch_seat(item.seat)
    return Done(item=item.id)


def fallback_took(core: Core, given: i.FallbackTook) -> Reply:
    """The caller is in the plain queue of the dialplan: he waits there, not here, until that says how it ended."""
    item = core.item(core.state.legs.get(given.leg, ""))
    if item is None or item.phase is Phase.PARKED:
        return LATE
    _let_go(core, item)
    core.record(f.Diverted(item.id))
    return Done(item=item.id)


def _let_go(core: Core, item: WorkItem) -> None:
    if item.phase is Phase.OFFERED:
        offering.withdraw(core, item, Party.SYSTEM)
    elif item.phase is Phase.ACTIVE:
        leave(core, item, Party.SYSTEM)


def fallback_served(core: Core, given: i.FallbackServed) -> Reply:
    """Book what the dialplan's plain queue did while no engine was there; twice is once."""
    if given.leg in core.state.over:
        return LATE
    known = core.item(core.state.legs.get(given.leg, ""))
    if known is not None:
        _let_go(core, known)
    outcome = Outcome.FALLBACK if given.answered_at else Outcome.ABANDONED_QUEUE
    item_id = known.id if known is not None else core.new_id("i")
    core.record(
        f.FallbackCallServed(
            item=item_id,
            number=known.number if known is not None else core.state.next_number,
            record=known.record if known is not None else core.new_id("s"),
            plan=known.plan if known is not None else given.plan,
            leg=given.leg,
            entered_at=given.entered_at,
            answered_at=given.answered_at,
            ended_at=given.ended_at,
            seat=given.seat,
            outcome=outcome if given.exact else Outcome.UNOBSERVED,
            exact=given.exact,
        )
    )
    return Done(item=item_id)


def recording_started(core: Core, given: i.RecordingStarted) -> Reply:
    """Sound is being written."""
    if core.item(given.item) is None:
        return LATE
    core.record(f.RecordingBegan(given.item, given.recording))
    return Done(item=given.item)


# --- timers ------------------------------------------------------------------------------------------------------


def guard_due(core: Core, item_id: str) -> None:
    """The caller passed the entry script and never came: he hung up on the way."""
    end(core, core.state.items[item_id], Outcome.ABANDONED_IVR, Party.CUSTOMER)


def menu_due(core: Core, item_id: str) -> None:
    """A prompt nobody ended, or the menu's silence."""
    item = core.state.items[item_id]
    if item.phase is Phase.GREETING:
        _after_greeting(core, item)
    else:
        _try_menu_again(core, item)


def relax_due(core: Core, item_id: str) -> None:
    """Timed relaxation: the next ring opens, named and recorded (its own rule beside D3)."""
    item = core.state.items[item_id]
    rings = core.state.queues[item.queue].rings
    if item.ring >= len(rings):
        core.record(f.Relaxed(item_id, item.ring, item.needs, 0))
        return
    opened = item.ring + 1
    following = item.queued_at + rings[opened].after if opened < len(rings) else 0
    core.record(f.Relaxed(item_id, opened, rings[item.ring].needs, following))


# --- the steps ---------------------------------------------------------------------------------------------------


def _enter(core: Core, kind: Kind, plan: EntryPlan, *, leg: str = "", key: str = "", guard: Micros = 0) -> str:
    item_id = core.new_id("i")
    number = core.state.next_number
    core.record(f.Entered(item_id, number, kind, plan.medium, core.new_id("s"), plan, leg, key, guard))
    return item_id


def _after_greeting(core: Core, item: WorkItem) -> None:
    if item.plan.refuse is not None:
        end(core, item, item.plan.refuse, Party.SYSTEM)
    elif item.plan.menu is not None:
        _start_menu(core, item, item.plan.menu.prompt, 1)
    else:
        enqueue(core, item, item.plan.queue)


def _start_menu(core: Core, item: WorkItem, prompt: str, attempt: int, stops: str = "") -> None:
    core.record(f.MenuStarted(item.id, prompt, core.new_id("p"), attempt, core.now + PROMPT_GUARD, stops))


def _try_menu_again(core: Core, item: WorkItem, stops: str = "") -> None:
    menu = item.plan.menu
    if menu is None:
        enqueue(core, item, item.plan.queue)
    elif item.tries < menu.tries:
        _start_menu(core, item, menu.prompt, item.tries + 1, stops)
    else:
        _choose(core, item, "", menu.default)


def _choose(core: Core, item: WorkItem, digit: str, queue: str) -> None:
    core.record(f.MenuChose(item.id, digit, queue))
    enqueue(core, item, queue)


def enqueue(core: Core, item: WorkItem, queue_id: str) -> None:
    """Put the item into a queue: a queue visit begins. A queue that takes nobody ends it with CLOSED."""
    queue = core.state.queues.get(queue_id)
    if queue is None or queue.retired:
        end(core, item, Outcome.CLOSED, Party.SYSTEM)
        return
    order = core.now - core.state.policy.priority_weight * item.plan.priority
    relax_at = core.now + queue.rings[0].after if queue.rings else 0
    core.record(f.Queued(item.id, queue_id, order, needs_of(queue, item.plan.needs), relax_at))
    offering.try_last_agent(core, item, queue)


def needs_of(queue: QueueDef, own: tuple[SkillLevel, ...]) -> tuple[SkillLevel, ...]:
    """The queue's needs and the contact's own, the higher level of each, by skill, so that equal needs are equal."""
    levels = {need.skill: need.level for need in queue.needs}
    for need in own:
        levels[need.skill] = max(need.level, levels.get(need.skill, need.level))
    return tuple(SkillLevel(skill, level) for skill, level in sorted(levels.items()))


ABANDONED: dict[Phase, Outcome] = {
    Phase.ENTERED: Outcome.ABANDONED_IVR,
    Phase.GREETING: Outcome.ABANDONED_IVR,
    Phase.MENU: Outcome.ABANDONED_IVR,
    Phase.WAITING: Outcome.ABANDONED_QUEUE,
    Phase.OFFERED: Outcome.ABANDONED_RING,
    Phase.ACTIVE: Outcome.ANSWERED,
    Phase.PARKED: Outcome.UNOBSERVED,  # in the plain queue's hands, and nobody could tell how that went
}
"""What it is called when the customer leaves in that phase."""


def _customer_left(core: Core, item: WorkItem, given: i.PartyLeft) -> Reply:
    phase = item.phase
    outcome = ABANDONED[phase]
    if not given.observed and outcome is not Outcome.ANSWERED:
        outcome = Outcome.UNOBSERVED
    who = Party.CUSTOMER if given.hung_up or not given.observed else Party.SYSTEM
    if phase is Phase.OFFERED:
        offering.withdraw(core, item, Party.CUSTOMER)
    elif phase is Phase.ACTIVE:
        leave(core, item, who)
    since = 0 if given.observed else given.not_before
    end(core, item, outcome, Party.CUSTOMER, sip=given.sip, q850=given.q850, since=since, gone=True)
    return Done(item=item.id)


def _seat_left(core: Core, given: i.PartyLeft) -> Reply:
    seat = core.state.seats[core.state.seat_legs[given.leg]]
    handling = next(own for own in seat.handlings.values() if own.offer == given.leg)
    item = core.state.items[handling.item]
    lost = not (given.hung_up and given.observed)
    leave(core, item, Party.SEAT, gone=True)
    if lost and item.leg:
        rings = core.state.queues[handling.queue].rings
        relax_at = item.queued_at + rings[item.ring].after if item.ring < len(rings) else 0
        core.record(f.Requeued(item.id, handling.queue, seat.profile.id, "seat_lost", relax_at))
    else:
        end(core, item, Outcome.ANSWERED, Party.SEAT, sip=given.sip, q850=given.q850, seat=seat.profile.id)
    return Done(item=item.id)


def leave(core: Core, item: WorkItem, who: Party, *, gone: bool = False) -> None:
    """The seat's part in the item is over: wrap-up begins where the queue wants one. `gone`: its leg is no more."""
    seat = core.state.seats[item.seat]
    handling = seat.handlings[item.id]
    queue = core.state.queues[handling.queue]
    seat_id = seat.profile.id
    core.record(
        f.HandlingEnded(item.id, seat_id, handling.medium, handling.queue, who, handling.offer, item.bridge, gone),
    )
    offering.start_wrap_up(core, seat_id, item.id, handling, queue)


def end(
    core: Core,
    item: WorkItem,
    outcome: Outcome,
    who: Party,
    *,
    seat: str = "",
    sip: int = 0,
    q850: int = 0,
    since: Micros = 0,
    gone: bool = False,
) -> None:
    """The item's one end (I1). `gone`: the customer's leg is no more."""
    core.record(f.Ended(item.id, outcome, who, item.medium, item.leg, item.queue, seat, sip, q850, since, gone))
