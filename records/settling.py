"""The service record of a contact, or the reason why it has none, from the rest of its rows (R2, V2, V13). Pure."""

from __future__ import annotations

from directory.catalog import CHANNEL_CLASSES
from records.explain import reason_of
from records.model import Case, Direction, Handling, Interaction, ServiceRecord


def wants_record(item: Interaction) -> bool:
    """Whether a connected contact opens a service record by itself: all do, but calls between seats are no contact
    with a customer, and V2's switch holds for outbound calls."""
    if item.direction == Direction.OUTBOUND:
        return item.recorded_outbound
    return item.direction != Direction.INTERNAL


def settle(case: Case) -> None:
    """Bring the service record and the reason up to the rest of the case. Whatever was transferred, a contact has one
    record: it opens with the first seat that met the customer."""
    item = case.interaction
    if item.accepted_at and (case.record is not None or wants_record(item)):
        case.record = record_of(case)
    item.reason = "" if case.record is not None else reason_of(item)


def record_of(case: Case) -> ServiceRecord:
    """The service record of a connected contact, from the parts of the seats that met the customer (R2). It belongs to
    the seat that had him last; the conversation ends with his hang-up, also when two others talk on."""
    item = case.interaction
    met = [one for one in case.handlings if one.met_at]
    last = max(met, key=_when_owned)
    over = bool(item.ended_at) and all(handling.ended_at for handling in met)
    conversation_end = (item.left_at or max(handling.ended_at for handling in met)) if over else 0
    ends = [handling.finished_at or handling.over_at for handling in met]
    started = min(handling.started_at for handling in met)
    return ServiceRecord(
        id=item.record,
        item=item.item,
        seat=last.seat,
        queue=last.queue,
        direction=item.direction,
        channel_class=CHANNEL_CLASSES.get(item.medium, item.medium),
        channel=item.medium,
        account=item.account,
        address=item.address,
        contact=item.contact,
        contact_at=item.queued_at if 0 < item.queued_at <= started else item.entered_at,
        service_start_at=started,
        conversation_end_at=conversation_end,
        service_end_at=max(*ends, conversation_end) if over and all(ends) else 0,
        disposed_at=max(handling.disposed_at for handling in met),
    )


def _when_owned(handling: Handling) -> tuple[int, int]:
    return handling.owned_at, handling.ordinal
