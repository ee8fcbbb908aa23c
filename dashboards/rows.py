"""The rows that figures are computed from: visits, offers, seats' parts, calls out, callbacks, messages, states."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from acd.core import facts as f
from acd.core.model import DirectKind, Kind, Micros, OfferResult, Outcome, Party, Presence, SeatState
from acd.core.shapes import Shape


class VisitEnd(StrEnum):
    """How a visit ended: A, B and F of terms.md; OPEN has not."""

    OPEN = "open"
    ANSWERED = "answered"
    ABANDONED = "abandoned"
    FLOWED_OUT = "flowed_out"


class Given(StrEnum):
    """How a seat gave a contact away."""

    CONSULT = "consult"  # it asked first (warm)
    BLIND = "blind"
    QUEUE = "queue"  # to a queue or an entry point


@dataclass(slots=True)
class Ring:
    """One offer of a visit. `rung_at` 0: the device never rang."""

    offer: str
    item: str
    seat: str
    queue: str
    offered_at: Micros
    rung_at: Micros = 0
    ended_at: Micros = 0
    result: OfferResult | None = None
    caller_left: bool = False

    @property
    def ring_time(self) -> Micros:
        """How long it rang at the agent; 0 while it rings or where it never did."""
        return self.ended_at - self.rung_at if self.rung_at and self.ended_at else 0


@dataclass(slots=True)
class Visit:
    """One stay in one queue. `transferred`: a seat gave the contact to this queue."""

    item: str
    queue: str
    queued_at: Micros
    entry: str = ""
    medium: str = ""
    left_at: Micros = 0
    end: VisitEnd = VisitEnd.OPEN
    outcome: Outcome | None = None
    transferred: bool = False
    rings: list[Ring] = field(default_factory=list)

    @property
    def wait(self) -> Micros:
        """How long it waited until it left the queue; 0 while it waits."""
        return self.left_at - self.queued_at if self.left_at else 0


@dataclass(slots=True)
class Handled:
    """A seat's part in a contact, wrap-up included. `met_at`: when it was first with the customer, 0 = it was only
    asked. `talk`, `hold` and `consult` are the times of closed stretches; `doing` and `since` the open one. `given`
    and `received`: transferred out and in."""

    item: str
    seat: str
    queue: str
    entry: str
    medium: str
    accepted_at: Micros
    offer: str = ""
    outbound: bool = False
    ended_at: Micros = 0
    wrap_up_at: Micros = 0
    wrap_up_ended_at: Micros = 0
    messages: int = 0
    owned: bool = True
    met_at: Micros = 0
    talk: Micros = 0
    hold: Micros = 0
    consult: Micros = 0
    doing: str = ""
    since: Micros = 0
    given: Given | None = None
    received: bool = False
    left_on_hold: bool = False

    @property
    def wrap_up(self) -> Micros:
        """Wrap-up; 0 where there was none or it goes on."""
        return self.wrap_up_ended_at - self.wrap_up_at if self.wrap_up_ended_at else 0

    @property
    def finished(self) -> bool:
        """Conversation and wrap-up are over."""
        return bool(self.ended_at) and bool(self.wrap_up_ended_at or not self.wrap_up_at)


@dataclass(slots=True)
class Talk:
    """A conversation that goes on: its shape, and whose it is."""

    shape: Shape = Shape.NONE
    owner: Handled | None = None


@dataclass(slots=True)
class Direct:
    """A call that no queue gave."""

    call: str
    seat: str
    kind: DirectKind
    started_at: Micros
    answered_at: Micros = 0
    ended_at: Micros = 0


@dataclass(slots=True)
class Dialled:
    """A call of a seat to the outside. `prefix` is the outbound code, `trunk` the line."""

    item: str
    seat: str
    prefix: str
    trunk: str
    started_at: Micros
    dialled_at: Micros = 0
    answered_at: Micros = 0
    ended_at: Micros = 0
    outcome: Outcome | None = None


@dataclass(slots=True)
class Watched:
    """A supervisor in a conversation, from his answer on."""

    item: str
    seat: str
    leg: str
    started_at: Micros
    ended_at: Micros = 0


@dataclass(frozen=True, slots=True)
class Overflow:
    """A call more than the line's cap was tried and refused (V15)."""

    trunk: str
    seat: str
    at: Micros


@dataclass(frozen=True, slots=True)
class Message:
    """A caller has left a message."""

    item: str
    queue: str
    entry: str
    at: Micros


@dataclass(slots=True)
class Said:
    """A message of a contact; the system's are not people's."""

    side: Party
    at: Micros


@dataclass(slots=True)
class Contact:
    """A whole contact. `leg` is its channel when it came, `dialled_at` and `rang_at` tell of a callback; `queue` is the
    first it waited in."""

    item: str
    entry: str
    medium: str
    address: str
    entered_at: Micros
    kind: Kind = Kind.CALL
    leg: str = ""
    queue: str = ""
    dialled_at: Micros = 0
    rang_at: Micros = 0
    answered_at: Micros = 0
    ended_at: Micros = 0
    outcome: Outcome | None = None
    said: list[Said] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch in which a seat was seen in one state."""

    seat: str
    presence: Presence
    state: SeatState
    status: str
    start: Micros
    end: Micros


@dataclass(slots=True)
class History:
    """Everything, up to `until`."""

    until: Micros
    contacts: dict[str, Contact] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)
    handled: list[Handled] = field(default_factory=list)
    directs: dict[str, Direct] = field(default_factory=dict)
    dialled: dict[str, Dialled] = field(default_factory=dict)
    watched: list[Watched] = field(default_factory=list)
    overflows: list[Overflow] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    closed: dict[str, list[tuple[Micros, Micros]]] = field(default_factory=dict)  # queue -> stretches, 0 = goes on
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)  # seat -> its queues
    entry_queues: dict[str, tuple[str, ...]] = field(default_factory=dict)  # entry point -> queues it led to
    productive: dict[str, bool] = field(default_factory=dict)  # status -> flag
    last_item: dict[str, Visit] = field(default_factory=dict)  # item -> its visit, the last one
    by_item: dict[str, list[Handled]] = field(default_factory=dict)
    talks: dict[str, Talk] = field(default_factory=dict)  # item -> its conversation
    moving: dict[str, str] = field(default_factory=dict)  # item -> the queue whose message is being left
    given: set[str] = field(default_factory=set)  # items that a seat gave away and that wait for nobody yet
    last_seen: dict[tuple[str, Presence], f.Recorded] = field(default_factory=dict)

    @property
    def rings(self) -> list[Ring]:
        """Every offer."""
        return [ring for visit in self.visits for ring in visit.rings]
