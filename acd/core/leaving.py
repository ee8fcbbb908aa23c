"""Parties leave and contacts end: what a hang-up means by who hung up and what the conversation's shape was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core import conference, dialling, leading, offering, watching
from acd.core import facts as f
from acd.core import inputs as i
from acd.core.model import (
    Handling,
    Kind,
    Micros,
    OfferResult,
    Outcome,
    Party,
    Phase,
    State,
    WorkItem,
    WrapUpRule,
)
from acd.core.reply import Done, Reply
from acd.core.shapes import LEAVES, Aftermath, Shape, Who

if TYPE_CHECKING:
    from acd.core.decide import Core

LATE = Done(note="late")

ABANDONED: dict[Phase, Outcome] = {
    Phase.ENTERED: Outcome.ABANDONED_IVR,
    Phase.GREETING: Outcome.ABANDONED_IVR,
    Phase.MENU: Outcome.ABANDONED_IVR,
    Phase.WAITING: Outcome.ABANDONED_QUEUE,
    Phase.OFFERED: Outcome.ABANDONED_RING,
    Phase.ACTIVE: Outcome.ANSWERED,
    Phase.DIALLING: Outcome.CANCELLED,
    Phase.SAYING: Outcome.CLOSED,  # what SAYING was started with holds instead
    Phase.VOICEMAIL: Outcome.VOICEMAIL,
    Phase.PARKED: Outcome.UNOBSERVED,  # in the plain queue's hands, and nobody could tell how that went
}
"""What it is called when the customer leaves in that phase."""


def party_left(core: Core, given: i.PartyLeft) -> Reply:
    """A leg is gone: the customer's, a talking seat's, a third party's, a supervisor's or a ringing one's."""
    state, leg = core.state, given.leg
    if leg in state.legs:
        return _customer_left(core, state.items[state.legs[leg]], given)
    if leg in state.seat_legs:
        return _seat_left(core, given)
    if leg in state.other_legs:
        return conference.other_left(core, state.items[state.other_legs[leg]], given)
    if leg in state.watch_legs:
        return watching.watcher_gone(core, leg)
    if leg in state.offers:
        refused = i.OfferRefused(leg, OfferResult.UNREACHABLE, given.sip, given.q850)
        return offering.offer_refused(core, refused)
    return LATE


def _customer_left(core: Core, item: WorkItem, given: i.PartyLeft) -> Reply:
    if item.phase is Phase.DIALLING:
        return dialling.customer_lost(core, item, given)
    if item.phase is Phase.VOICEMAIL:
        leading.message_over(core, item, gone=True)
        return Done(item=item.id)
    if LEAVES.get((item.shape, Who.CUSTOMER)) is Aftermath.PRIVATE:
        return conference.customer_left(core, item, given)
    outcome = outcome_of(item)
    if not given.observed and outcome is not Outcome.ANSWERED:
        outcome = Outcome.UNOBSERVED
    who = Party.CUSTOMER if given.hung_up or not given.observed else Party.SYSTEM
    if item.phase is Phase.OFFERED:
        offering.withdraw(core, item, Party.CUSTOMER)
    wind_up(core, item, who)
    since = 0 if given.observed else given.not_before
    end(core, item, outcome, Party.CUSTOMER, sip=given.sip, q850=given.q850, since=since, gone=True)
    return Done(item=item.id)


def outcome_of(item: WorkItem) -> Outcome:
    """What it is called when the contact ends as it is now, by the customer's or somebody else's hand."""
    if item.phase is Phase.SAYING and item.leaves_as is not None:
        return item.leaves_as
    if item.shape is Shape.BLIND and not item.served:
        return Outcome.ABANDONED_RING  # a number outside was being rung for him
    if item.phase is Phase.ACTIVE and not item.served:
        return Outcome.DIVERTED  # led outside by a menu or an overflow, no seat had it
    return ABANDONED[item.phase]


def _seat_left(core: Core, given: i.PartyLeft) -> Reply:
    seat = core.state.seats[core.state.seat_legs[given.leg]]
    handling = next(own for own in seat.handlings.values() if own.offer == given.leg)
    item = core.state.items[handling.item]
    if item.other is not None and item.other.leg == given.leg:
        return conference.other_left(core, item, given)
    lost = not (given.hung_up and given.observed)
    return conference.owner_left(core, item, gone=True, lost=lost, sip=given.sip, q850=given.q850)


def wind_up(core: Core, item: WorkItem, who: Party) -> None:
    """Whoever is still with the contact leaves it: supervisors and a third party first, then the owner."""
    watching.all_over(core, item)
    conference.drop_other(core, item, who)
    if item.seat:
        leave(core, item, who)


def leave(core: Core, item: WorkItem, who: Party, *, gone: bool = False, how: str = "") -> None:
    """The owner's part in the contact is over and its bridge goes. `gone`: his leg is no more."""
    part_over(core, item, item.seat, who, bridge=item.bridge, gone=gone, how=how)


def part_over(
    core: Core, item: WorkItem, seat_id: str, who: Party, *, bridge: str = "", gone: bool = False, how: str = ""
) -> None:
    """A seat's part in the contact is over: wrap-up begins where there was a conversation with the customer and the
    rule wants one (pain P2). `bridge` is named where the whole conversation is over."""
    handling = core.state.seats[seat_id].handlings[item.id]
    rule = _wrap_up_rule(core.state, item, handling, seat_id)
    core.record(
        f.HandlingEnded(item.id, seat_id, handling.medium, handling.queue, who, handling.offer, bridge, gone, how)
    )
    if rule is not None:
        offering.start_wrap_up(core, seat_id, item.id, handling, rule)


def _wrap_up_rule(state: State, item: WorkItem, handling: Handling, seat_id: str) -> WrapUpRule | None:
    """None for who never met the customer: a colleague who was only asked, a call nobody answered."""
    if not state.seats[seat_id].signed_in_at:  # a call inside, from a phone nobody is signed in at
        return None
    not_called_yet = item.kind is Kind.CALLBACK and not item.served
    if not handling.met or item.phase is Phase.DIALLING or not_called_yet:
        return None
    if handling.queue:
        return state.queues[handling.queue].wrap_up
    return item.route.wrap_up if item.route is not None else None


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
    """The item's one end (I1). `gone`: the customer's leg is no more. Supervisors and a third party are let go
    first."""
    watching.all_over(core, item)
    conference.drop_other(core, item, who)
    if Outcome.CALLBACK_TAKEN in (outcome, item.leaves_as):  # what was promised holds, also where nobody saw him go
        leading.keep_place(core, item)
    core.record(f.Ended(item.id, outcome, who, item.medium, item.leg, item.queue, seat, sip, q850, since, gone))
