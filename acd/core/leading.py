"""Where a caller is led: queues and what keeps him out of them, menus, last words, voicemail, callback, outside.

Hours, limits and speech hold for callers on a line; a contact without one (a text, a callback, a message) just waits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from acd.core import conference, dialling, leaving, offering, speaking
from acd.core import facts as f
from acd.core.match import line_out
from acd.core.model import (
    SECOND,
    Destination,
    EntryPlan,
    Kind,
    Micros,
    Outcome,
    Party,
    Phase,
    QueueDef,
    Route,
    SkillLevel,
    Way,
    WorkItem,
)
from acd.core.reply import Done, Reply

if TYPE_CHECKING:
    from acd.core.decide import Core

LATE = Done(note="late")

PROMPT_GUARD: Micros = 120 * SECOND
"""A prompt whose end nobody reports counts as over after this; no prompt is longer."""

LONGEST_MESSAGE: Micros = 180 * SECOND
"""A message is complete after this at the latest."""

MESSAGE_KEY = "#"
"""Ends a message."""

MESSAGE_MEDIUM = "voicemail"
"""The medium a message is brought to a seat by, where the centre has defined it."""

HOPS = 8
"""Queues that lead to one another (full, closed, empty, retired): a chain longer than this leads nowhere."""

LINE_RETRY: Micros = 30 * SECOND
"""Whose longest wait is over while the line out is full is looked at again after this: where the line is no more by
then, his wait ends. That it has room is seen at once."""

IN_QUEUE = (Phase.WAITING, Phase.OFFERED)


# --- destinations ------------------------------------------------------------------------------------------------


def possible(
    core: Core, item: WorkItem, to: Destination, *, hops: int = 0, outside: bool = True, wished: bool = False
) -> bool:
    """Whether he can be led there now. Where he waits already, a way that ends where he is is none. Nor is a number
    outside where nobody was, which would ring for ever; but by his own key (`wished`) he may try it again."""
    waits = item.phase in IN_QUEUE
    match to.way:
        case Way.QUEUE:
            queue = core.state.queues.get(to.to or item.plan.queue)
            other = queue if queue is not None and queue.id != item.queue else None
            return not waits or (other is not None and lands(core, item, other, hops=hops, outside=outside))
        case Way.MENU:
            return bool(item.leg) and (not waits or to.to in core.state.menus)
        case Way.VOICEMAIL:
            return bool(item.leg) and MESSAGE_MEDIUM in core.state.media and _queue_of_task(core, item, to) is not None
        case Way.CALLBACK:
            known = item.plan.callback is not None and bool(item.plan.address)
            fresh = item.kind is not Kind.CALLBACK  # who was called back is on the line now
            return bool(item.leg) and known and fresh and _queue_of_task(core, item, to) is not None
        case Way.OUTSIDE:
            if to.route is None or not outside or not item.leg:
                return False
            fresh = wished or to.route.address not in item.tried_outside
            return fresh and (not waits or dialling.has_room(core, to.route))
        case Way.HANG_UP:
            return True


def lead(core: Core, item: WorkItem, to: Destination, *, hops: int = 0, outside: bool = True) -> bool:
    """Lead him there; False, and nothing is done, where that is not possible. `hops`: how often he was sent on in this
    step. `outside` False: in this step the line to a number outside had no room."""
    if not possible(core, item, to, outside=outside):
        return False
    match to.way:
        case Way.QUEUE:
            enqueue(core, item, to.to or item.plan.queue, hops=hops, outside=outside)
        case Way.MENU if to.to in core.state.menus:
            _start_menu(core, item, to.to, 1, _playing(item))
        case Way.MENU:  # it was taken out of use
            enqueue(core, item, item.plan.queue, hops=hops, outside=outside)
        case Way.VOICEMAIL:
            _ask_for_message(core, item, to)
        case Way.CALLBACK:
            _take_callback(core, item, to)
        case Way.OUTSIDE:
            if to.route is not None:
                conference.hand_outside(core, item, to.route)
        case Way.HANG_UP:
            _last_words(core, item, to.prompt, to.outcome)
    return True


def _playing(item: WorkItem) -> str:
    """The announcement that may still play to one who waits."""
    return item.token if item.phase in IN_QUEUE and item.announced else ""


def _last_words(core: Core, item: WorkItem, prompt: str, outcome: Outcome) -> None:
    if not prompt or not item.leg:
        leaving.end(core, item, outcome, Party.SYSTEM)
        return
    due = core.now + PROMPT_GUARD
    core.record(f.SayingStarted(item.id, prompt, core.new_id("p"), due, outcome, _playing(item)))


def words_over(core: Core, item: WorkItem) -> None:
    """The last words are said: the contact ends as was decided before them."""
    leaving.end(core, item, item.leaves_as or Outcome.CLOSED, Party.SYSTEM)


# --- queues ------------------------------------------------------------------------------------------------------


def enqueue(core: Core, item: WorkItem, queue_id: str, *, hops: int = 0, outside: bool = True) -> None:
    """Put the contact into a queue, or where that queue sends those it cannot take. A queue that is not there, or a
    chain of queues that leads nowhere, ends it with CLOSED."""
    queue = core.state.queues.get(queue_id)
    if queue is None or queue.retired or hops > HOPS:
        leaving.end(core, item, Outcome.CLOSED, Party.SYSTEM)
        return
    away, outcome = _kept_out(core, item, queue)
    if away is not None and lead(core, item, _seen_from(queue, away), hops=hops + 1, outside=outside):
        return
    if outcome is not None:
        leaving.end(core, item, outcome, Party.SYSTEM)
    else:
        _put(core, item, queue, _place_of(core, item))


def _kept_out(core: Core, item: WorkItem, queue: QueueDef) -> tuple[Destination | None, Outcome | None]:
    """Where a caller goes instead, and what he ends as where he cannot; (None, None): the queue takes him."""
    if not item.leg:
        return None, None
    if not speaking.is_open(core, queue.id):
        return queue.closed, Outcome.CLOSED
    if queue.max_length and _length(core, queue.id) >= queue.max_length:
        return queue.overflow, Outcome.QUEUE_FULL
    if queue.empty is not None and not _served_by_anybody(core, queue.id):
        return queue.empty, None
    return None, None


def lands(core: Core, item: WorkItem, queue: QueueDef, *, hops: int = 0, outside: bool = True) -> bool:
    """Whether `enqueue` would keep a contact that goes there: the queue takes it, or sends it where somebody is for it.
    Nobody who waits or talks is to be hung up for a wish."""
    if queue.retired or hops > HOPS:
        return False
    away, outcome = _kept_out(core, item, queue)
    if away is None or not possible(core, item, _seen_from(queue, away), hops=hops + 1, outside=outside):
        return outcome is None
    if away.way is not Way.QUEUE:
        return away.way is not Way.HANG_UP
    following = core.state.queues.get(away.to or item.plan.queue)
    sure = item.phase in IN_QUEUE  # then it is possible only where he lands
    return sure or (following is not None and lands(core, item, following, hops=hops + 1, outside=outside))


def _seen_from(queue: QueueDef, to: Destination) -> Destination:
    """A message or a callback that names no queue is for the one he was to come into."""
    return replace(to, to=queue.id) if not to.to and to.way in (Way.VOICEMAIL, Way.CALLBACK) else to


def _length(core: Core, queue_id: str) -> int:
    """Counted anew: within a step the index is behind, and few queues have a limit."""
    return sum(1 for item in core.state.items.values() if item.queue == queue_id and item.phase in IN_QUEUE)


def _served_by_anybody(core: Core, queue_id: str) -> bool:
    return any(core.state.seats[seat].signed_in_at for seat in core.index.members.get(queue_id, {}))


def _place_of(core: Core, item: WorkItem) -> Micros:
    """His order. Who has waited before keeps it, wherever he went in between (pain P7): nobody who is transferred to a
    queue waits as if he had just come."""
    fresh = core.now - core.state.policy.priority_weight * item.plan.priority
    return min(fresh, item.order) if item.queued_at else fresh


def _put(core: Core, item: WorkItem, queue: QueueDef, order: Micros) -> None:
    order = min(order, _place_of_callback(core, item, order))
    needs = needs_of(queue, item.plan.needs)
    relax_at, leave_at, speak_at = speaking.times_at_entry(core, queue, item)
    guess = speaking.guess(core, item, queue, order, needs)
    if item.phase is Phase.WAITING:
        core.record(
            f.Moved(item.id, item.queue, queue.id, order, needs, relax_at, guess, leave_at, speak_at),
        )
        return
    core.record(f.Queued(item.id, queue.id, order, needs, relax_at, guess, leave_at, speak_at))
    offering.try_last_agent(core, item, queue)


def move(core: Core, item: WorkItem, queue: QueueDef) -> None:
    """From one queue straight into another, whatever keeps others out of it, at the same place."""
    if item.phase is Phase.OFFERED:  # what rings comes from a queue that is no more
        offering.withdraw(core, item, Party.SYSTEM)
    _put(core, item, queue, item.order)


def needs_of(queue: QueueDef, own: tuple[SkillLevel, ...]) -> tuple[SkillLevel, ...]:
    """The queue's needs and the contact's own, the higher level of each, by skill, so that equal needs are equal."""
    levels = {need.skill: need.level for need in queue.needs}
    for need in own:
        levels[need.skill] = max(need.level, levels.get(need.skill, need.level))
    return tuple(SkillLevel(skill, level) for skill, level in sorted(levels.items()))


def turn_out(core: Core, queue: QueueDef) -> None:
    """The queue has closed: those who wait are led where it says. Who is being rung for stays as long as it rings."""
    if queue.closed is None:
        return
    inside = [item for item in core.state.items.values() if item.queue == queue.id and item.phase is Phase.WAITING]
    for item in sorted(inside, key=lambda item: (item.order, item.number)):
        if item.leg:
            lead(core, item, queue.closed)


def offer_over(core: Core, item_id: str) -> None:
    """An offer came to nothing: if he waits again, the queue may have closed or his longest wait be over meanwhile."""
    item = core.item(item_id)
    if item is None or item.phase is not Phase.WAITING:
        return
    if not item.leg:
        drop_if_he_called(core, item)
        return
    queue = core.state.queues[item.queue]
    if not speaking.is_open(core, queue.id) and queue.closed is not None:
        lead(core, item, queue.closed)
    elif queue.max_wait and core.now >= item.queued_at + queue.max_wait and f"leave:{item_id}" not in core.state.timers:
        _waited_enough(core, item, queue)


def leave_due(core: Core, item_id: str) -> None:
    """The queue's longest wait is over. Who is being rung for is not torn away; it counts when that came to nothing."""
    item = core.state.items[item_id]
    if item.phase is Phase.OFFERED:
        core.record(f.LongestWaitOver(item_id, item.queue))
    else:
        _waited_enough(core, item, core.state.queues[item.queue])


def _waited_enough(core: Core, item: WorkItem, queue: QueueDef) -> None:
    to = queue.overflow
    if to is not None and lead(core, item, to):
        return
    if to is not None and to.route is not None and line_out(core.state, item) in core.state.trunks:
        _wait_for_line(core, item, to.route)
    else:
        leaving.end(core, item, Outcome.TIMEOUT_QUEUE, Party.SYSTEM)


def _wait_for_line(core: Core, item: WorkItem, route: Route) -> None:
    """The line out is full: he keeps his place and is led out as soon as it has room (`lead_out`). He is one call over
    its cap, however often he is looked at."""
    if not item.overdue:
        dialling.no_way(core, route, "")
    core.record(f.LongestWaitOver(item.id, item.queue, core.now + LINE_RETRY))


def lead_out(core: Core) -> bool:
    """Lead out those who wait for a line that has room by now, in their order, before a callback has it. Whether
    anybody went."""
    went = False
    for line in core.index.lines_with_room():
        for item in core.index.in_turn(line):
            to = core.state.queues[item.queue].overflow
            if to is None or not lead(core, item, to):
                break  # the line is full again
            went = True
    return went


def queue_key(core: Core, item: WorkItem, digit: str) -> Reply:
    """A key pressed while waiting, at any time, also while the queue speaks or a seat is rung (pain P8)."""
    to = next((option.to for option in core.state.queues[item.queue].keys if option.digit == digit), None)
    if to is None or not possible(core, item, to, wished=True):
        return LATE
    if item.phase is Phase.OFFERED:
        offering.withdraw(core, item, Party.CUSTOMER)
    core.record(f.MenuChose(item.id, digit, _queue_named(item, to)))
    lead(core, item, to)
    return Done(item=item.id)


# --- menus -------------------------------------------------------------------------------------------------------


def _start_menu(core: Core, item: WorkItem, menu_id: str, attempt: int, stops: str = "") -> None:
    prompt, due = core.state.menus[menu_id].prompt, core.now + PROMPT_GUARD
    core.record(f.MenuStarted(item.id, prompt, core.new_id("p"), attempt, due, stops, menu_id))


def menu_listens(core: Core, item: WorkItem) -> None:
    """The menu's prompt is over: silence counts from now on."""
    menu = core.state.menus.get(item.menu)
    core.record(f.MenuListened(item.id, core.now + (menu.timeout if menu is not None else 0)))


def menu_key(core: Core, item: WorkItem, digit: str) -> None:
    """A key in a menu leads on; one that leads nowhere plays the menu again, up to its tries."""
    menu = core.state.menus.get(item.menu)
    options = menu.options if menu is not None else ()
    to = next((option.to for option in options if option.digit == digit), None)
    if to is None or not possible(core, item, to, wished=True):
        menu_again(core, item, stops=item.token)
    else:
        _choose(core, item, digit, to)


def menu_again(core: Core, item: WorkItem, stops: str = "") -> None:
    """A silence or a wrong key: once more, or the default. A menu taken out of use leads into the plan's queue."""
    menu = core.state.menus.get(item.menu)
    if menu is None:
        enqueue(core, item, item.plan.queue)
    elif item.tries < menu.tries:
        _start_menu(core, item, menu.id, item.tries + 1, stops)
    else:
        _choose(core, item, "", menu.default)


def _choose(core: Core, item: WorkItem, digit: str, to: Destination) -> None:
    core.record(f.MenuChose(item.id, digit, _queue_named(item, to), item.menu))
    if not lead(core, item, to):
        enqueue(core, item, item.plan.queue)


def _queue_named(item: WorkItem, to: Destination) -> str:
    return (to.to or item.plan.queue) if to.way is Way.QUEUE else ""


# --- voicemail ---------------------------------------------------------------------------------------------------


def _ask_for_message(core: Core, item: WorkItem, to: Destination) -> None:
    queue, due = to.to or _own_queue(item), core.now + PROMPT_GUARD
    core.record(f.VoicemailStarted(item.id, queue, to.prompt, core.new_id("p"), due, _playing(item)))
    if not to.prompt:
        listen(core, item)


def listen(core: Core, item: WorkItem) -> None:
    """The words are said and the tone sounds: what he says from now on is the message. A pause was of his talk with an
    agent and ends, or silence would be written."""
    if item.paused:
        core.record(f.RecordingResumed(item.id, item.recording, "message"))
    core.record(f.VoicemailListened(item.id, f"{item.id}-v", core.now + LONGEST_MESSAGE))


def message_due(core: Core, item: WorkItem) -> None:
    """A prompt nobody ended, or the longest message."""
    if item.token:
        listen(core, item)
    else:
        message_over(core, item, gone=False, who=Party.SYSTEM)


def message_over(core: Core, item: WorkItem, *, gone: bool, who: Party = Party.CUSTOMER) -> None:
    """The message is complete (its key, its longest time, or he hung up: `gone`) and becomes a work item. Who hung up
    before the tone has left none."""
    if item.token:
        outcome = Outcome.ABANDONED_QUEUE if item.queued_at else Outcome.ABANDONED_IVR
        leaving.end(core, item, outcome, who, gone=gone)
        return
    keep_message(core, item)
    leaving.end(core, item, Outcome.VOICEMAIL, who, gone=gone)


def keep_message(core: Core, item: WorkItem) -> None:
    """What he has said becomes a work item; before the tone he has said nothing."""
    if item.token:
        return
    queue = standing(core, item.queue) or standing(core, item.plan.queue)
    task = ""
    if queue is not None and MESSAGE_MEDIUM in core.state.media:
        task = enter(core, Kind.VOICEMAIL, _plan_of_task(item, queue, MESSAGE_MEDIUM))
    core.record(f.VoicemailLeft(item.id, item.recording, task))
    if queue is not None and task:
        message = core.state.items[task]
        _put(core, message, queue, _place_of(core, message))


# --- callback ----------------------------------------------------------------------------------------------------


def key_of_callback(address: str) -> str:
    """The key of a customer's callback: one at a time."""
    return f"callback:{address}"


def _take_callback(core: Core, item: WorkItem, to: Destination) -> None:
    """He may hang up, and his place is kept by a callback from then on: while he still hears the last words, his phone
    is busy. One that is open already goes on."""
    key = key_of_callback(item.plan.address)
    task, queue = core.state.keys.get(key, ""), _queue_of_task(core, item, to)
    if not task and queue is not None:
        place = _place_of(core, item)
        task = enter(core, Kind.CALLBACK, _plan_of_task(item, queue, item.medium), key=key)
        core.record(f.PlaceKept(task, queue.id, place))
    core.record(f.CallbackTaken(item.id, task))
    _last_words(core, item, to.prompt, Outcome.CALLBACK_TAKEN)


def keep_place(core: Core, item: WorkItem) -> None:
    """The caller has gone, whoever saw it: his callback stands in the queue where he stood, also where that was taken
    out of use and no other took over from it, like those who waited in it then. Where he waits on another call by now,
    that call has its place and it is dropped."""
    task = _callback_of(core, item.plan.address)
    if task is None or task.phase is not Phase.ENTERED:
        return
    queue = standing(core, task.queue) or core.state.queues[task.queue]
    if not drop_if_he_called(core, task, but=item.id):
        _put(core, task, queue, task.order)


def settle_callback(core: Core, address: str, since: Micros) -> None:
    """A person answered this customer at `since`: what was promised to him before is kept. A callback on its way to a
    seat, or already on the line, stays."""
    task = _callback_of(core, address)
    if task is None or task.leg or task.arrived_at > since:
        return
    if task.phase in (Phase.ENTERED, Phase.WAITING):
        leaving.end(core, task, Outcome.CANCELLED, Party.CUSTOMER)


def _callback_of(core: Core, address: str) -> WorkItem | None:
    """The customer's open callback, also once he is on the line."""
    return core.item(core.state.keys.get(key_of_callback(address), "")) if address else None


def _place_of_callback(core: Core, item: WorkItem, order: Micros) -> Micros:
    """A caller whose callback still waits takes its place: he is not called too. One on its way to a seat stays, and so
    does one whose customer is on the line."""
    known = _callback_of(core, item.plan.address) if item.leg else None
    if known is None or known.leg or known.kind is not Kind.CALLBACK or known.phase is not Phase.WAITING:
        return order
    place = known.order
    leaving.end(core, known, Outcome.CANCELLED, Party.CUSTOMER)
    return place


def drop_if_he_called(core: Core, item: WorkItem, *, but: str = "") -> bool:
    """A callback that would wait while he waits on the line himself is dropped, so he is not called too, and his call
    has its place where that is the earlier one: when he came it was on its way to a seat, or was to begin only with the
    end of another call of his (`but`). Looked for among all contacts, since that is rare."""
    if item.kind is not Kind.CALLBACK or not item.plan.address:
        return False
    inside = [one for one in core.state.items.values() if one.leg and one.phase in IN_QUEUE and one.id != but]
    calls = [one for one in inside if one.plan.address == item.plan.address]
    if not calls:
        return False
    first = min(calls, key=lambda one: (one.order, one.number))
    if item.order < first.order:
        core.record(f.PlaceKept(first.id, first.queue, item.order))
    leaving.end(core, item, Outcome.CANCELLED, Party.CUSTOMER)
    return True


def _queue_of_task(core: Core, item: WorkItem, to: Destination) -> QueueDef | None:
    queue = core.state.queues.get(to.to or _own_queue(item))
    return None if queue is None or queue.retired else queue


def _own_queue(item: WorkItem) -> str:
    """The queue he waits in, else his plan's."""
    return item.queue if item.phase in IN_QUEUE else item.plan.queue


def standing(core: Core, queue_id: str) -> QueueDef | None:
    """For who was in it already: the queue of that id or, where it was taken out of use, the one those who waited were
    moved to, from one to the next; None where that leads to none."""
    queue = core.state.queues.get(queue_id)
    for _ in range(HOPS):
        if queue is None or not queue.retired:
            return queue
        queue = core.state.queues.get(queue.moved_to)
    return None if queue is None or queue.retired else queue


def _plan_of_task(item: WorkItem, queue: QueueDef, medium: str) -> EntryPlan:
    """The caller's plan without what was for his call alone."""
    return replace(item.plan, queue=queue.id, medium=medium, greeting="", start=None, refuse=None, trunk="")


def enter(core: Core, kind: Kind, plan: EntryPlan, *, leg: str = "", key: str = "", guard: Micros = 0) -> str:
    """A contact begins; gives its id."""
    item_id = core.new_id("i")
    number = core.state.next_number
    core.record(f.Entered(item_id, number, kind, plan.medium, core.new_id("s"), plan, leg, key, guard))
    return item_id
