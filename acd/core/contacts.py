"""Contacts: entry, prompts, keys, end. What a caller or visitor does; where it leads him is acd.core.leading."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from acd.core import facts as f
from acd.core import inputs as i
from acd.core import leading, leaving, offering, watching
from acd.core.model import SECOND, EntryPlan, Kind, Micros, Outcome, Party, Phase, WorkItem
from acd.core.reply import Code, Done, Reply

if TYPE_CHECKING:
    from acd.core.decide import Core

LATE = Done(note="late")
"""The answer to what concerns something that is over: no-op, no error (design.md §4)."""

ARRIVAL_GUARD: Micros = 30 * SECOND
"""A call that passed the entry script but never reached us is given up after this; AGI to Stasis takes milliseconds."""


def call_entered(core: Core, given: i.CallEntered) -> Reply:
    """Settle the plan of a caller; again for a leg that is known: the same item; for one that is over: refused."""
    known = core.state.legs.get(given.leg)
    if known is not None:
        return Done(item=known)
    if given.leg in core.state.over:
        return core.refuse(Code.CALL_OVER, "this call is over; hang it up")
    if given.plan.medium not in core.state.media:
        return core.refuse(Code.UNKNOWN_MEDIUM, f"medium {given.plan.medium} is not defined")
    plan = _within_cap(core, given.plan)
    return Done(item=leading.enter(core, Kind.CALL, plan, leg=given.leg, guard=core.now + ARRIVAL_GUARD))


def _within_cap(core: Core, plan: EntryPlan) -> EntryPlan:
    """A call more than its line's cap is counted and refused without a greeting (V15); another refusal stands."""
    trunk = core.state.trunks.get(plan.trunk)
    if trunk is None or not 0 < trunk.cap <= core.state.lines.get(plan.trunk, 0):
        return plan
    core.record(f.LineOverflowed(plan.trunk, ""))
    return plan if plan.refuse is not None else replace(plan, refuse=Outcome.LINE_CAP, greeting="")


def leg_arrived(core: Core, given: i.LegArrived) -> Reply:
    """The channel is ours: answer, then greeting, menu or queue. Who is refused and is to hear nothing is not answered:
    the cause of the refusal is worth something to his line only before an answer."""
    item_id = core.state.legs.get(given.leg)
    if item_id is None:
        return core.refuse(Code.UNKNOWN_ITEM, "this call has no plan yet; send CallEntered first")
    item = core.state.items[item_id]
    if item.phase is not Phase.ENTERED or item.answered:
        return Done(item=item_id, note="late")
    if item.plan.refuse is not None and not item.plan.greeting:
        leaving.end(core, item, item.plan.refuse, Party.SYSTEM)
        return Done(item=item_id)
    core.record(f.Arrived(item_id))
    welcome(core, item)
    return Done(item=item_id)


def welcome(core: Core, item: WorkItem) -> None:
    """The plan begins: its greeting, or at once what comes after it."""
    if item.plan.greeting:
        due = core.now + leading.PROMPT_GUARD
        core.record(f.GreetingStarted(item.id, item.plan.greeting, core.new_id("p"), due))
    else:
        _after_greeting(core, item)


def _after_greeting(core: Core, item: WorkItem) -> None:
    start = item.plan.start
    if item.plan.refuse is not None:
        leaving.end(core, item, item.plan.refuse, Party.SYSTEM)
    elif start is None or not leading.lead(core, item, start):
        leading.enqueue(core, item, item.plan.queue)


def item_arrived(core: Core, given: i.ItemArrived) -> Reply:
    """A text or virtual contact; an open key is the same item (pain P10)."""
    key = given.key
    if given.kind is Kind.CALLBACK and given.plan.address:  # one at a time per customer, whoever asks for it (V17)
        key = leading.key_of_callback(given.plan.address)
    known = core.state.keys.get(key) if key else None
    if known is not None:
        return Done(item=known)
    if given.plan.medium not in core.state.media:
        return core.refuse(Code.UNKNOWN_MEDIUM, f"medium {given.plan.medium} is not defined")
    item_id = leading.enter(core, given.kind, given.plan, leg=given.leg, key=key)
    item = core.state.items[item_id]
    if item.plan.refuse is not None:
        leaving.end(core, item, item.plan.refuse, Party.SYSTEM)
    else:
        leading.enqueue(core, item, item.plan.queue)
    return Done(item=item_id)


def prompt_ended(core: Core, given: i.PromptEnded) -> Reply:
    """A prompt is over (or could not be played: the caller goes on all the same)."""
    item = core.item(given.item)
    if item is None or not given.token or item.token != given.token:
        return LATE
    match item.phase:
        case Phase.GREETING:
            _after_greeting(core, item)
        case Phase.MENU:
            leading.menu_listens(core, item)
        case Phase.SAYING:
            leading.words_over(core, item)
        case Phase.VOICEMAIL:
            leading.listen(core, item)
        case _:
            return LATE
    return Done(item=item.id)


def digit_pressed(core: Core, given: i.DigitPressed) -> Reply:
    """A key: in a menu, while waiting, or the one that ends a message."""
    item = core.item(core.state.legs.get(given.leg, ""))
    if item is None:
        return LATE
    match item.phase:
        case Phase.MENU:
            leading.menu_key(core, item, given.digit)
        case Phase.WAITING | Phase.OFFERED:
            return leading.queue_key(core, item, given.digit)
        case Phase.VOICEMAIL if given.digit == leading.MESSAGE_KEY and not item.token:
            leading.message_over(core, item, gone=False)
        case _:
            return LATE
    return Done(item=item.id)


def item_closed(core: Core, given: i.ItemClosed) -> Reply:
    """A text or virtual item is closed by its agent, the customer or the system."""
    item = core.item(given.item)
    if item is None:
        return LATE
    if item.phase is not Phase.ACTIVE and given.who is Party.SEAT:
        return core.refuse(Code.NOT_WAITING, "only the seat that serves this contact may close it")
    if item.phase is Phase.VOICEMAIL:
        leading.message_over(core, item, gone=False, who=given.who)
        return Done(item=item.id)
    outcome = leaving.outcome_of(item)
    _let_go(core, item, given.who)
    leaving.end(core, item, outcome, given.who)
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
    """The caller is in the plain queue of the dialplan: he waits there, not here, until that says how it ended. A
    callback promised to him keeps its place but begins only when he has gone: his phone is busy, and it rings once."""
    item = core.item(core.state.legs.get(given.leg, ""))
    if item is None or item.phase is Phase.PARKED:
        return LATE
    _let_go(core, item, Party.SYSTEM)
    watching.all_over(core, item)
    core.record(f.Diverted(item.id))
    return Done(item=item.id)


def _let_go(core: Core, item: WorkItem, who: Party) -> None:
    """Whoever is with the contact, or is rung for it, is with it no more. A message begun is kept."""
    if item.phase is Phase.VOICEMAIL:
        leading.keep_message(core, item)
    if item.phase is Phase.OFFERED:
        offering.withdraw(core, item, who)
    else:
        leaving.wind_up(core, item, who)


def fallback_served(core: Core, given: i.FallbackServed) -> Reply:
    """Book what the dialplan's plain queue did while no engine was there; twice is once. Who was answered there needs
    no callback that was promised to him; who was not is called back."""
    if given.leg in core.state.over:
        return LATE
    known = core.item(core.state.legs.get(given.leg, ""))
    if known is not None:
        _let_go(core, known, Party.SYSTEM)
        watching.all_over(core, known)
        if known.leaves_as is Outcome.CALLBACK_TAKEN and not given.answered_at:
            leading.keep_place(core, known)
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
    if given.answered_at:
        leading.settle_callback(core, (known or given).plan.address, given.answered_at)
    return Done(item=item_id)


# --- timers ------------------------------------------------------------------------------------------------------


def guard_due(core: Core, item_id: str) -> None:
    """The caller passed the entry script and never came: he hung up on the way."""
    leaving.end(core, core.state.items[item_id], Outcome.ABANDONED_IVR, Party.CUSTOMER)


def menu_due(core: Core, item_id: str) -> None:
    """A prompt nobody ended, the menu's silence, or a message that is long enough."""
    item = core.state.items[item_id]
    match item.phase:
        case Phase.GREETING:
            _after_greeting(core, item)
        case Phase.SAYING:
            leading.words_over(core, item)
        case Phase.VOICEMAIL:
            leading.message_due(core, item)
        case _:
            leading.menu_again(core, item)


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
