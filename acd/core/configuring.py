"""Definitions come in as inputs. Removing what is in use has a stated rule: drain, move or refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from acd.core import facts as f
from acd.core import inputs as i
from acd.core import leading, offering, sitting, speaking
from acd.core.model import Phase, QueueDef, SeatProfile
from acd.core.reply import Code, Done, Reply
from acd.core.seats import rank_in

if TYPE_CHECKING:
    from acd.core.decide import Core

SAME = Done(note="same")


def policy_set(core: Core, given: i.PolicySet) -> Reply:
    """The organisation's rules."""
    if given.policy == core.state.policy:
        return SAME
    core.record(f.PolicyChanged(given.policy))
    return Done()


def medium_defined(core: Core, given: i.MediumDefined) -> Reply:
    """A medium's costs and exclusions. What is held now stays, even above a lower limit."""
    if core.state.media.get(given.medium.id) == given.medium:
        return SAME
    core.record(f.MediumChanged(given.medium))
    return Done()


def status_defined(core: Core, given: i.StatusDefined) -> Reply:
    """A status and its flags; seats in it follow at once."""
    if core.state.statuses.get(given.status.id) == given.status:
        return SAME
    core.record(f.StatusChanged(given.status))
    return Done()


def queue_defined(core: Core, given: i.QueueDefined) -> Reply:
    """A queue's rules; those waiting keep the needs they came with."""
    if core.state.queues.get(given.queue.id) == given.queue:
        return SAME
    core.record(f.QueueChanged(given.queue))
    return Done()


def queue_retired(core: Core, given: i.QueueRetired) -> Reply:
    """Take a queue out of use: those waiting are served there (drain) or moved, keeping their places."""
    queue = core.state.queues.get(given.queue)
    target = core.state.queues.get(given.move_to)
    if queue is None:
        return core.refuse(Code.UNKNOWN_QUEUE, f"queue {given.queue} does not exist")
    if given.move_to and (target is None or target.retired or target.id == queue.id):
        return core.refuse(Code.UNKNOWN_QUEUE, f"queue {given.move_to} cannot take those who wait")
    retired = replace(queue, retired=True, moved_to=given.move_to)
    if queue != retired:  # who comes back to it later goes there as well
        core.record(f.QueueChanged(retired))
    if target is not None:
        _move_waiting(core, queue, target)
    return Done()


def _move_waiting(core: Core, queue: QueueDef, target: QueueDef) -> None:
    inside = [item for item in core.state.items.values() if item.queue == queue.id]
    waiting = [item for item in inside if item.phase in (Phase.WAITING, Phase.OFFERED)]
    for item in sorted(waiting, key=lambda item: (item.order, item.number)):
        if item.id in core.state.items:  # a callback ends when its caller, who waits as well, is moved
            leading.move(core, item, target)


def queue_open_changed(core: Core, given: i.QueueOpenChanged) -> Reply:
    """The queue's hours. When it closes, those who wait are led where it says, or else are served."""
    queue = core.state.queues.get(given.queue)
    if queue is None or speaking.is_open(core, queue.id) == given.open:
        return SAME
    core.record(f.QueueOpened(queue.id, given.open))
    if not given.open:
        leading.turn_out(core, queue)
    return Done()


def menu_defined(core: Core, given: i.MenuDefined) -> Reply:
    """A menu's words and ways; whoever is in it follows the new ones from his next key on."""
    if core.state.menus.get(given.menu.id) == given.menu:
        return SAME
    core.record(f.MenuChanged(given.menu))
    return Done()


def trunk_defined(core: Core, given: i.TrunkDefined) -> Reply:
    """A line and its cap; calls that are on it stay, even above a lower cap."""
    if core.state.trunks.get(given.trunk.id) == given.trunk:
        return SAME
    core.record(f.TrunkChanged(given.trunk))
    return Done()


def trunk_retired(core: Core, given: i.TrunkRetired) -> Reply:
    """A line is not used any more; calls that are on it go on."""
    if given.trunk not in core.state.trunks:
        return SAME
    core.record(f.TrunkGone(given.trunk))
    return Done()


def seat_profile_set(core: Core, given: i.SeatProfileSet) -> Reply:
    """What a seat may do. What it holds stays; those who wait for it as last agent are freed if it left their queue.

    The directory gives each extension once (V5); when one moved between two seats, the newer definition has it.
    """
    profile = given.profile
    known = core.state.seats.get(profile.id)
    if known is not None and known.profile == profile and not known.retiring:
        return SAME
    owner = core.state.extensions.get(profile.extension, profile.id)
    if profile.extension and owner != profile.id:
        _change_profile(core, replace(core.state.seats[owner].profile, extension=""))
    _change_profile(core, profile)
    for item_id in list(core.index.reserved.get(profile.id, {})):
        if rank_in(core.state.seats[profile.id], core.state.items[item_id].queue) is None:
            core.record(f.LastAgentReleased(item_id, profile.id))
    return Done()


def _change_profile(core: Core, profile: SeatProfile) -> None:
    """Another extension is another phone: the seat cannot be reached until that one is seen. What a queue let ring at
    the old one goes on to the next seat."""
    known = core.state.seats.get(profile.id)
    other_phone = known is not None and known.reachable and known.profile.extension != profile.extension
    core.record(f.SeatProfileChanged(profile))
    if other_phone:
        sitting.phone_replaced(core, profile.id)


def seat_retired(core: Core, given: i.SeatRetired) -> Reply:
    """Take a seat out of use. One that is in use gets nothing new, finishes what it holds, and goes at sign-out."""
    seat = core.state.seats.get(given.seat)
    if seat is None or seat.retiring:
        return Done(note="late")
    offering.release_held_for(core, given.seat)
    if sitting.in_use(seat):
        core.record(f.SeatProfileChanged(replace(seat.profile, queues=())))
        core.record(f.SeatRetiring(given.seat))
        return Done(note="retiring")
    core.record(f.SeatGone(given.seat))
    return Done()
