"""The rows that records keeps of one contact, as plain data. Field names are column names (storage.tables).

All times are integer microseconds UTC; 0 means that it has not happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from acd.core.model import Micros


class Direction(StrEnum):
    """R2's direction."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class Stretch(StrEnum):
    """What a segment is: one party's stretch (terms.md, Segment)."""

    IVR = "ivr"
    QUEUE = "queue"
    OFFER = "offer"
    TALK = "talk"
    WRAP_UP = "wrap_up"


class LegRole(StrEnum):
    CUSTOMER = "customer"
    SEAT = "seat"


@dataclass(slots=True)
class Interaction:
    """A whole contact. `record` is the service record's id for good, whether or not the record came to be;
    `reason` says why there is none, empty when there is one (records.explain)."""

    item: str
    number: int
    kind: str
    medium: str
    record: str
    direction: str
    account: str
    queue: str
    address: str
    contact: str
    leg: str
    entered_at: Micros
    phase: str = "entered"
    seat: str = ""
    arrived_at: Micros = 0
    queued_at: Micros = 0
    offered_at: Micros = 0
    accepted_at: Micros = 0
    media_up_at: Micros = 0
    ended_at: Micros = 0
    not_before: Micros = 0
    outcome: str = ""
    ended_by: str = ""
    sip: int = 0
    q850: int = 0
    offers: int = 0
    requeues: int = 0
    fallback: bool = False
    exact: bool = True
    recorded_outbound: bool = True
    messages_customer: int = 0
    messages_seat: int = 0
    recording: str = ""
    reason: str = "live"
    last_seq: int = 0


@dataclass(slots=True)
class Segment:
    """One party's stretch of a contact. `result` is how an offer ended, or who ended a talk. `subject` is the offer's
    id. `rung_at` is when the device rang (180)."""

    item: str
    ordinal: int
    kind: str
    started_at: Micros
    queue: str = ""
    seat: str = ""
    subject: str = ""
    rung_at: Micros = 0
    ended_at: Micros = 0
    result: str = ""


@dataclass(slots=True)
class Leg:
    """A SIP channel (or a chat session) of a contact; the seat's has the offer's id."""

    item: str
    leg: str
    role: str
    started_at: Micros
    seat: str = ""
    answered_at: Micros = 0
    ended_at: Micros = 0
    sip: int = 0
    q850: int = 0


@dataclass(slots=True)
class Handling:
    """A seat's part in a contact, from accept to the end of its wrap-up."""

    item: str
    ordinal: int
    seat: str
    queue: str
    medium: str
    offer: str
    accepted_at: Micros
    media_up_at: Micros = 0
    ended_at: Micros = 0
    ended_by: str = ""
    wrap_up_at: Micros = 0
    finished_at: Micros = 0  # the agent pressed "service finished" (V3)
    disposed_at: Micros = 0
    wrap_up_ended_at: Micros = 0
    wrap_up_how: str = ""

    @property
    def started_at(self) -> Micros:
        """When the agent really started: sound could pass; where nobody saw that, when the seat accepted."""
        return self.media_up_at or self.accepted_at

    @property
    def over_at(self) -> Micros:
        """When the seat's part was over, wrap-up included; 0 while it is not."""
        if not self.wrap_up_at:
            return self.ended_at
        return self.wrap_up_ended_at


@dataclass(slots=True)
class ServiceRecord:
    """R2. `contact_at` asked for a human · `service_start_at` the agent really started · `conversation_end_at` hang-up
    or close · `service_end_at` the agent finished after notes · service time = end - start."""

    id: str
    item: str
    seat: str
    queue: str
    direction: str
    channel_class: str
    channel: str
    account: str
    address: str
    contact: str
    contact_at: Micros
    service_start_at: Micros
    conversation_end_at: Micros = 0
    service_end_at: Micros = 0
    disposed_at: Micros = 0

    @property
    def service_seconds(self) -> int | None:
        """R2's service time in whole seconds; None while the service goes on."""
        if not self.service_end_at:
            return None
        return (self.service_end_at - self.service_start_at) // 1_000_000


@dataclass(slots=True)
class Case:
    """All rows of one contact: what a fact about it may change."""

    interaction: Interaction
    segments: list[Segment] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)
    handlings: list[Handling] = field(default_factory=list)
    record: ServiceRecord | None = None
