"""Supervision (V10): listen, whisper, join, take over. Stopping it never touches the call; it follows the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core import conference, leaving
from acd.core import facts as f
from acd.core import inputs as i
from acd.core.model import SECOND, Micros, Party, Phase, Seat, Watcher, WatchMode, WorkItem
from acd.core.reply import Code, Done, Refused, Reply
from acd.core.seats import DIRECT_MEDIUM, Block, block_by_hand
from acd.core.shapes import Place, Shape

if TYPE_CHECKING:
    from acd.core.decide import Core

LATE = Done(note="late")

RING_TIME: Micros = 20 * SECOND
"""How long a supervisor's phone is rung."""

EXEMPT = frozenset({Block.WRAP_UP, Block.ONE_CASE})


def watch_asked(core: Core, given: i.WatchAsked) -> Reply:
    """Ring the supervisor's phone, or change what he does where he is there already."""
    item = core.item(given.item)
    if item is None:
        return core.refuse(Code.UNKNOWN_ITEM, "this contact is over")
    if item.phase is not Phase.ACTIVE or not item.seat or not item.leg or item.shape is Shape.NONE:
        return core.refuse(Code.NOT_SERVING, "no agent is in a conversation with this customer now")
    known = next((one for one in item.watchers.values() if one.seat == given.seat), None)
    if known is not None:
        return _change(core, item, known, given.mode)
    seat = core.state.seats.get(given.seat)
    refusal = _may_not(core, item, seat, given.seat)
    if refusal is not None:
        return refusal
    leg = core.new_id("w")
    core.record(f.WatchStarted(item.id, given.seat, leg, given.mode, item.seat, core.now + RING_TIME))
    return Done(item=item.id, offer=leg)


def _may_not(core: Core, item: WorkItem, seat: Seat | None, name: str) -> Refused | None:
    if seat is None:
        return core.refuse(Code.UNKNOWN_SEAT, f"seat {name} does not exist; see `ringside seat list`")
    if item.id in seat.handlings or item.id in seat.offers.values():
        return core.refuse(Code.BAD_INPUT, "this seat is in the conversation itself")
    if item.other is not None and item.other.seat == name:
        return core.refuse(Code.BAD_INPUT, "this seat is being asked into the conversation")
    block = block_by_hand(core.state, seat, core.state.media[DIRECT_MEDIUM], EXEMPT)
    if block is None:
        return None
    codes = {Block.SIGNED_OUT: Code.SIGNED_OUT, Block.UNREACHABLE: Code.PHONE_UNREACHABLE}
    return core.refuse(codes.get(block, Code.SEAT_BUSY), f"seat {name} cannot supervise now ({block})")


def _change(core: Core, item: WorkItem, watcher: Watcher, mode: WatchMode) -> Reply:
    if watcher.mode is mode:
        return LATE
    core.record(f.WatchChanged(item.id, watcher.seat, watcher.leg, mode, watcher.mode))
    if mode is WatchMode.TAKE_OVER and watcher.answered_at:
        _take_over(core, item, watcher)
    return Done(item=item.id, offer=watcher.leg)


def answered(core: Core, leg: str) -> Reply:
    """The supervisor's phone answered."""
    item = core.state.items[core.state.watch_legs[leg]]
    watcher = item.watchers[leg]
    if watcher.answered_at:
        return LATE
    core.record(f.WatchAnswered(item.id, watcher.seat, leg))
    if watcher.mode is WatchMode.TAKE_OVER:
        _take_over(core, item, watcher)
    return Done(item=item.id, offer=leg)


def _take_over(core: Core, item: WorkItem, watcher: Watcher) -> None:
    """The agent is forced out, the supervisor has the customer; a consultation going on is ended."""
    agent = item.seat
    if not agent or not item.leg:  # the agent is gone by now, or the customer is: there is nothing to take over
        core.record(f.WatchEnded(item.id, watcher.seat, watcher.leg, "over"))
        return
    conference.drop_other(core, item, Party.SYSTEM)
    seat, leg = watcher.seat, watcher.leg
    core.record(f.TookOver(item.id, seat, leg, item.medium, item.queue, "taken_over", Place.COACH))
    if item.shape is not Shape.TALK:
        core.record(f.ShapeChanged(item.id, seat, item.shape, Shape.TALK, "taken_over"))
    leaving.part_over(core, item, agent, Party.SYSTEM, how="taken_over")


def refused(core: Core, leg: str, reason: str) -> Reply:
    """The supervisor's phone was not answered, or cannot be reached."""
    item = core.state.items[core.state.watch_legs[leg]]
    core.record(f.WatchEnded(item.id, item.watchers[leg].seat, leg, reason, gone=True))
    return Done(item=item.id)


def watch_due(core: Core, leg: str) -> None:
    """Nobody answered the supervisor's phone."""
    item = core.state.items[core.state.watch_legs[leg]]
    core.record(f.WatchEnded(item.id, item.watchers[leg].seat, leg, "no_answer"))


def watch_left(core: Core, given: i.WatchLeft) -> Reply:
    """The supervisor stops; the call goes on as it was."""
    item = core.item(given.item)
    known = next((one for one in item.watchers.values() if one.seat == given.seat), None) if item else None
    if item is None or known is None:
        return core.refuse(Code.NOT_WATCHING, f"seat {given.seat} does not supervise this call")
    core.record(f.WatchEnded(item.id, given.seat, known.leg, "left"))
    return Done(item=item.id)


def watcher_gone(core: Core, leg: str) -> Reply:
    """The supervisor hung up."""
    return refused(core, leg, "left")


def all_over(core: Core, item: WorkItem, reason: str = "over") -> None:
    """Whoever supervises the contact is let go: it ends, or waits for somebody."""
    for watcher in list(item.watchers.values()):
        core.record(f.WatchEnded(item.id, watcher.seat, watcher.leg, reason))
