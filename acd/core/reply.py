"""What the core answers to an input: Done, or Refused with a stable code and words that say what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Why an input was refused. The codes are part of the API."""

    UNKNOWN_SEAT = "unknown_seat"
    UNKNOWN_QUEUE = "unknown_queue"
    UNKNOWN_ITEM = "unknown_item"
    UNKNOWN_STATUS = "unknown_status"
    UNKNOWN_MEDIUM = "unknown_medium"
    SIGNED_OUT = "signed_out"
    SEAT_BUSY = "seat_busy"
    SEAT_FULL = "seat_full"
    QUEUE_IN_USE = "queue_in_use"
    QUEUE_RETIRED = "queue_retired"
    QUEUE_CLOSED = "queue_closed"
    CALL_OVER = "call_over"
    NOT_WAITING = "not_waiting"
    NOT_MEMBER = "not_member"
    NOT_IN_WRAP_UP = "not_in_wrap_up"
    DISPOSITION_REQUIRED = "disposition_required"
    OUTBOUND_NOT_ALLOWED = "outbound_not_allowed"
    DIRECT_NOT_ACCEPTED = "direct_not_accepted"
    TRANSFER_NOT_ACCEPTED = "transfer_not_accepted"
    NOT_SERVING = "not_serving"
    WRONG_SHAPE = "wrong_shape"
    NO_ROUTE = "no_route"
    LINE_CAP = "line_cap"
    UNKNOWN_TRUNK = "unknown_trunk"
    NOT_RECORDED = "not_recorded"
    NOT_WATCHING = "not_watching"
    PHONE_UNREACHABLE = "phone_unreachable"
    BAD_INPUT = "bad_input"


@dataclass(frozen=True, slots=True)
class Done:
    """Taken. `item`/`offer` name what it was about; both empty for a no-op."""

    item: str = ""
    offer: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Not taken, nothing changed. `say` is for a person: what is wrong and what to do."""

    code: Code
    say: str


Reply = Done | Refused
