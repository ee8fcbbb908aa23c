"""Queues that speak: what is told to those who wait, and how long the wait is thought to be.

The estimate is position × mean gap between the last accepts. It is told only while it was good lately: the mean error
of the last contacts at most 30 % of their mean wait (issue 3, pain P8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core import facts as f
from acd.core.evolve import DEPARTURES, GUESSES
from acd.core.model import SECOND, Flow, Micros, Phase, QueueDef, SkillLevel, Speech, WorkItem

if TYPE_CHECKING:
    from acd.core.decide import Core

GOOD_PERCENT = 30
"""The mean error an estimate may have, in percent of the mean wait."""

LEAST_PAUSE: Micros = SECOND
"""A queue never speaks more often, whatever its definition says: its timer must not spin the dispatcher."""


def is_open(core: Core, queue_id: str) -> bool:
    """Whether the queue's hours say so; a queue nobody said anything about is open."""
    flow = core.state.flows.get(queue_id)
    return flow is None or flow.open


# --- times -------------------------------------------------------------------------------------------------------


def times_at_entry(core: Core, queue: QueueDef, item: WorkItem) -> tuple[Micros, Micros, Micros]:
    """(relax_at, leave_at, speak_at) of one who comes into the queue now; 0 = never."""
    relax_at = core.now + queue.rings[0].after if queue.rings else 0
    if not item.leg:
        return relax_at, 0, 0
    return relax_at, _leave_at(core, queue), core.now if queue.greeting else _first_at(core, queue)


def waiting_times(core: Core, queue: QueueDef, item: WorkItem) -> tuple[Micros, Micros, Micros]:
    """(relax_at, leave_at, speak_at) of one who comes back to his old place: the rings go on as if he had not left, the
    longest wait begins anew, and he has heard the greeting."""
    relax_at = item.queued_at + queue.rings[item.ring].after if item.ring < len(queue.rings) else 0
    if not item.leg:
        return relax_at, 0, 0
    return relax_at, _leave_at(core, queue), _first_at(core, queue)


def _leave_at(core: Core, queue: QueueDef) -> Micros:
    return core.now + queue.max_wait if queue.max_wait else 0


def _first_at(core: Core, queue: QueueDef) -> Micros:
    return core.now + max(queue.speech.first, LEAST_PAUSE) if queue.speech is not None else 0


# --- what is said ------------------------------------------------------------------------------------------------


def say_due(core: Core, item_id: str) -> None:
    """The queue speaks: first its greeting, then in turn the place, the wait and the next prompt. Who is being rung for
    is told no numbers: his turn has come."""
    item = core.state.items[item_id]
    queue = core.state.queues[item.queue]
    if queue.greeting and not item.spoken:
        _announce(core, item, prompt=queue.greeting, again_at=_first_at(core, queue))
    elif queue.speech is None:
        _announce(core, item)
    else:
        _speak(core, item, queue, queue.speech)


def _speak(core: Core, item: WorkItem, queue: QueueDef, speech: Speech) -> None:
    waits = item.phase is Phase.WAITING
    position = _position(core, queue.id, item.order, item.number) if waits else 0
    wait = position * _gap(core.state.flows.get(queue.id)) if speech.wait and _is_good(core, queue.id) else 0
    turn = item.spoken - 1 if queue.greeting else item.spoken
    prompt = speech.prompts[turn % len(speech.prompts)] if speech.prompts else ""
    again_at = core.now + max(speech.every, LEAST_PAUSE) if speech.every else 0
    _announce(core, item, position if speech.position else 0, wait, prompt, again_at)


def _announce(
    core: Core, item: WorkItem, position: int = 0, wait: Micros = 0, prompt: str = "", again_at: Micros = 0
) -> None:
    token = core.new_id("p") if position or wait or prompt else ""
    core.record(f.Announced(item.id, item.queue, position, wait, prompt, token, again_at))


# --- the estimate ------------------------------------------------------------------------------------------------


def guess(core: Core, item: WorkItem, queue: QueueDef, order: Micros, needs: tuple[SkillLevel, ...]) -> Micros:
    """The wait of one who comes into the queue now; 0 where none is wanted or known, or a seat is free for him."""
    if not item.leg or queue.speech is None or not queue.speech.wait:
        return 0
    gap = _gap(core.state.flows.get(queue.id))
    kind = core.index.classes.get((queue.id, item.medium, needs, ""))
    if not gap or (kind is not None and kind.live):
        return 0
    return _position(core, queue.id, order, item.number) * gap


def _gap(flow: Flow | None) -> Micros:
    """The mean time between accepts while somebody waited, 0 where there were not enough: idle hours tell nothing of
    how fast a queue moves."""
    if flow is None or len(flow.gaps) < DEPARTURES:
        return 0
    return sum(flow.gaps) // len(flow.gaps)


def _is_good(core: Core, queue_id: str) -> bool:
    flow = core.state.flows.get(queue_id)
    if flow is None or len(flow.guesses) < GUESSES:
        return False
    error = sum(abs(told - real) for told, real in flow.guesses)
    return 100 * error <= GOOD_PERCENT * sum(real for _, real in flow.guesses)


def _position(core: Core, queue_id: str, order: Micros, number: int) -> int:
    """1 = next: how many wait in the queue before that place, and one."""
    groups = (group for group in core.index.by_queue.get(queue_id, ()) if not group.shut)
    before = sum(1 for group in groups for one in group.waiting.values() if one[:2] < (order, number))
    held = (core.item(item) for item in core.index.held_for)  # they wait for their last agent
    earlier = (one for one in held if one is not None and one.queue == queue_id)
    return 1 + before + sum(1 for one in earlier if (one.order, one.number) < (order, number))
