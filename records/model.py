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
    DIAL = "dial"  # the seat hears the customer's phone ring
    TALK = "talk"  # the seat and the customer hear each other
    HOLD = "hold"  # the customer hears music, the seat talks with nobody
    CONSULT = "consult"  # the seat talks with a colleague or another one, without the customer
    ASIDE = "aside"  # the colleague waits while the owner is back with the customer
    COACH = "coach"  # the colleague hears both, the owner alone hears him (V9)
    WRAP_UP = "wrap_up"
    VOICEMAIL = "voicemail"


class LegRole(StrEnum):
    CUSTOMER = "customer"
    SEAT = "seat"
    OTHER = "other"  # a third party without a seat
    SUPERVISOR = "supervisor"


class Role(StrEnum):
    """As what a seat came to the contact. A colleague who took it over has `owned_at`."""

    OWNER = "owner"
    COLLEAGUE = "colleague"
    SUPERVISOR = "supervisor"


class TransferKind(StrEnum):
    """How a contact was to be handed on."""

    CONSULT = "consult"
    BLIND = "blind"
    QUEUE = "queue"
    ENTRY = "entry"
    OVERFLOW = "overflow"  # led outside by a menu or a queue, no seat asked for it
    RECALL = "recall"  # back to the seat that gave it away


class MarkKind(StrEnum):
    """Moments of a contact that are no stretch."""

    KEY = "key"  # subject: the menu, detail: the digit, "" = the default after silence
    ENTRY = "entry"  # went through another entry point (subject); the account stays the first one
    ANNOUNCED = "announced"  # subject: the queue, detail: the position, amount: the wait told
    LONGEST_WAIT = "longest_wait"
    CALLBACK = "callback"  # subject: the task that keeps the place
    VOICEMAIL = "voicemail"  # subject: the task, detail: the recording
    RECORDING = "recording"  # subject: the recording, detail: began, paused, resumed or failed, and why
    SEAT_REACHED = "seat_reached"  # the agent's own phone of a click-to-dial call answered
    MUTED = "muted"  # the seat (subject) closed its microphone, or opened it; detail: on or off
    MOVED = "moved"  # the called customer became the third party of another contact (subject)
    LEFT = "left"  # the customer is gone while the others still talk; detail: who hung up


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
    origin: str = ""  # the contact that a callback or a message comes from
    trunk: str = ""
    prefix: str = ""  # the outbound code dialled (V14)
    priority: int = 0
    last_seat: str = ""  # who served the customer last before this contact (D2)
    shape: str = "none"
    owner: str = ""  # the leg of the seat that has the conversation now
    dialled_at: Micros = 0
    left_at: Micros = 0  # the customer went while two others still talked
    paused: bool = False  # silence is being written


@dataclass(slots=True)
class Segment:
    """One party's stretch of a contact. `result` is how an offer ended, or who ended a talk. `subject` is the offer's
    id, of a menu's stretch the entry point that was transferred to. `rung_at` is when the device rang (180)."""

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
    """A seat's part in a contact, from accept to the end of its wrap-up. `met_at` is when it was first with the
    customer, `owned_at` when the contact became its own. `talk`, `hold` and `consult` are the times of its closed
    stretches, `how` it ended: "" (the conversation was over), transferred, taken_over, lost, cancelled, joined."""

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
    role: str = Role.OWNER
    owned_at: Micros = 0
    met_at: Micros = 0
    talk: Micros = 0
    hold: Micros = 0
    consult: Micros = 0
    how: str = ""

    @property
    def started_at(self) -> Micros:
        """When the agent really started with the customer: sound could pass; where nobody saw that, when the seat
        accepted."""
        return max(self.media_up_at or self.accepted_at, self.met_at)

    @property
    def over_at(self) -> Micros:
        """When the seat's part was over, wrap-up included; 0 while it is not."""
        if not self.wrap_up_at:
            return self.ended_at
        return self.wrap_up_ended_at


@dataclass(slots=True)
class Transfer:
    """A try to hand the contact on, or to ask somebody. `from_seat` asked ("" = a menu or a queue did), `to_kind` and
    `to_id` are the target's. `result`: "" while open, completed, left, cancelled, or how the ringing ended (rejected,
    timeout, unreachable, withdrawn)."""

    item: str
    ordinal: int
    kind: str
    from_seat: str
    asked_at: Micros
    to_kind: str = ""
    to_id: str = ""
    leg: str = ""
    trunk: str = ""
    rung_at: Micros = 0
    answered_at: Micros = 0
    ended_at: Micros = 0
    result: str = ""
    sip: int = 0
    q850: int = 0


@dataclass(slots=True)
class Supervision:
    """One stretch of supervising in one mode (V10). `agent` is the seat watched when it began; `by` and `via` say who
    had it begun and by what means, `ended_by` and `ended_via` who had it ended."""

    item: str
    ordinal: int
    leg: str
    seat: str
    agent: str
    mode: str
    started_at: Micros
    by: str
    via: str
    answered_at: Micros = 0
    ended_at: Micros = 0
    reason: str = ""
    ended_by: str = ""
    ended_via: str = ""


@dataclass(slots=True)
class Mark:
    """A moment of a contact (MarkKind says what the parts are)."""

    item: str
    ordinal: int
    kind: str
    at: Micros
    subject: str = ""
    detail: str = ""
    amount: int = 0


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
    transfers: list[Transfer] = field(default_factory=list)
    supervisions: list[Supervision] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    record: ServiceRecord | None = None
