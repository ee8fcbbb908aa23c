"""What was decided: the only thing stored, past tense and versioned.

A fact says enough to rebuild the state and to compute every figure without asking anybody else; it holds ids, never
names, numbers or words (those live in tables that can be erased). Due times lie inside the fact that starts what is
timed (ADR 0010). `V` is the fact's version; older ones are lifted at read (acd.core.codec).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from acd.core.model import (
    DirectKind,
    EntryPlan,
    Kind,
    MediumDef,
    Micros,
    OfferResult,
    OfferRule,
    Outcome,
    Party,
    Policy,
    Presence,
    QueueDef,
    SeatProfile,
    SeatState,
    SkillLevel,
    StatusDef,
    Strategy,
    WrapUpRule,
)


class _Versioned:
    V: ClassVar[int] = 1


# --- contacts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entered(_Versioned):
    """A contact came in. `record` is its service record's id, for good."""

    item: str
    number: int
    kind: Kind
    medium: str
    record: str
    plan: EntryPlan
    leg: str = ""
    key: str = ""
    guard_at: Micros = 0  # when a call that never reaches us is given up


@dataclass(frozen=True, slots=True)
class Arrived(_Versioned):
    """The caller's channel is ours and answered."""

    item: str


@dataclass(frozen=True, slots=True)
class GreetingStarted(_Versioned):
    """`due` is when an end that nobody reported is taken as given."""

    item: str
    prompt: str
    token: str
    due: Micros


@dataclass(frozen=True, slots=True)
class MenuStarted(_Versioned):
    """The menu's prompt plays and listens. `due` is when a prompt whose end nobody reported is taken as over; `stops`
    names the prompt that a wrong key cut short."""

    item: str
    prompt: str
    token: str
    attempt: int
    due: Micros
    stops: str = ""


@dataclass(frozen=True, slots=True)
class MenuListened(_Versioned):
    """The menu's prompt is over; at `due` the silence counts as one try."""

    item: str
    due: Micros


@dataclass(frozen=True, slots=True)
class MenuChose(_Versioned):
    """`digit` is empty when the default was taken after silence."""

    item: str
    digit: str
    queue: str


@dataclass(frozen=True, slots=True)
class Queued(_Versioned):
    """The item waits in a queue: a queue visit begins (O of terms.md). `order` is its constant place."""

    item: str
    queue: str
    order: Micros
    needs: tuple[SkillLevel, ...]
    relax_at: Micros = 0  # when the first ring of timed relaxation opens; 0 = none


@dataclass(frozen=True, slots=True)
class Moved(_Versioned):
    """The item left one queue (a flow-out there) for another, keeping its place by arrival."""

    item: str
    from_queue: str
    queue: str
    order: Micros
    needs: tuple[SkillLevel, ...]
    relax_at: Micros = 0


@dataclass(frozen=True, slots=True)
class LastAgentWaited(_Versioned):
    """The item waits for the seat that served the customer last, until `until` (D2's waiting budget)."""

    item: str
    seat: str
    until: Micros


@dataclass(frozen=True, slots=True)
class LastAgentReleased(_Versioned):
    item: str
    seat: str


@dataclass(frozen=True, slots=True)
class Relaxed(_Versioned):
    """Timed relaxation opened ring number `ring`; `relax_at` is the next one's time, 0 = none."""

    item: str
    ring: int
    needs: tuple[SkillLevel, ...]
    relax_at: Micros


@dataclass(frozen=True, slots=True)
class MessagePassed(_Versioned):
    item: str
    side: Party


@dataclass(frozen=True, slots=True)
class Requeued(_Versioned):
    """An item that was with a seat waits again at its old place: the seat's leg was lost, the customer is there."""

    item: str
    queue: str
    seat: str
    reason: str
    relax_at: Micros = 0  # when the next ring of timed relaxation opens; 0 = none


@dataclass(frozen=True, slots=True)
class Ended(_Versioned):
    """The item is over. `gone`: the customer's leg is no more. `not_before` is set where nobody saw the end: it fell in
    [not_before, at]."""

    item: str
    outcome: Outcome
    who: Party
    medium: str
    leg: str = ""
    queue: str = ""
    seat: str = ""
    sip: int = 0
    q850: int = 0
    not_before: Micros = 0
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Diverted(_Versioned):
    """The item is in the hands of the dialplan's plain queue; FallbackCallServed will tell its end."""

    item: str


@dataclass(frozen=True, slots=True)
class FallbackCallServed(_Versioned):
    """A call that the dialplan's plain queue had while no engine was there: the item's end, if it was one of ours."""

    item: str
    number: int
    record: str
    plan: EntryPlan
    leg: str
    entered_at: Micros
    answered_at: Micros
    ended_at: Micros
    seat: str
    outcome: Outcome
    exact: bool


# --- offers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offered(_Versioned):
    """A seat was reserved for an item, with the decision's grounds (lead 1: recomputed by acd.why)."""

    offer: str
    item: str
    seat: str
    medium: str
    queue: str
    expires_at: Micros
    rule: OfferRule
    strategy: Strategy
    score: tuple[int, ...]  # the winning key, lower is better; its last parts are the tie-break
    candidates: int  # eligible seats (or waiting items) the decision chose from, as the index counted
    revision: int  # of the configuration in force
    relaxed: bool = False  # D3 was in force: nobody online had the skill


@dataclass(frozen=True, slots=True)
class RingStarted(_Versioned):
    offer: str
    item: str
    seat: str


@dataclass(frozen=True, slots=True)
class OfferEnded(_Versioned):
    """An offer that was not accepted. `back_off_until` keeps the seat from offers of that presence until then;
    `no_answer` puts it into NO_ANSWER. The item waits again at its old place unless its own end follows."""

    offer: str
    item: str
    seat: str
    result: OfferResult
    queue: str
    back_off_until: Micros = 0
    no_answer: bool = False
    reset_idle: bool = False
    who: Party = Party.SEAT
    sip: int = 0
    q850: int = 0


@dataclass(frozen=True, slots=True)
class Accepted(_Versioned):
    """The seat took the item: a handling begins. `bridge` is the conversation's bridge, never used twice."""

    offer: str
    item: str
    seat: str
    medium: str
    queue: str
    bridge: str = ""
    recording: str = ""


@dataclass(frozen=True, slots=True)
class MediaUp(_Versioned):
    item: str
    seat: str


@dataclass(frozen=True, slots=True)
class RecordingBegan(_Versioned):
    item: str
    recording: str


@dataclass(frozen=True, slots=True)
class HandlingEnded(_Versioned):
    """A seat's part in an item is over; `who` ended it. `offer` is the seat's leg, `gone` when that leg is no more."""

    item: str
    seat: str
    medium: str
    queue: str
    who: Party
    offer: str
    bridge: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class WrapUpStarted(_Versioned):
    """`ends_at` 0: no timer runs (yet). `disposed`: the disposition was saved while still talking."""

    item: str
    seat: str
    medium: str
    queue: str
    rule: WrapUpRule
    ends_at: Micros
    disposed: bool = False


@dataclass(frozen=True, slots=True)
class WrapUpTimed(_Versioned):
    """The service ended (V3): wrap-up ends at `ends_at`; 0 = no timer by its rule."""

    item: str
    seat: str
    ends_at: Micros


@dataclass(frozen=True, slots=True)
class WrapUpDisposed(_Versioned):
    """The disposition was saved while wrapping up (or while still talking)."""

    item: str
    seat: str


@dataclass(frozen=True, slots=True)
class WrapUpLeft(_Versioned):
    """Wrap-up is over. `how`: by_hand, timer, service_timer, disposition or signed_out."""

    item: str
    seat: str
    how: str


# --- seats -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignedIn(_Versioned):
    """`voice`/`text` are the statuses in force after log-in; `total` is what the seat's day count starts from."""

    seat: str
    device: str
    voice: str
    text: str
    total: int
    day: int


@dataclass(frozen=True, slots=True)
class SignedOut(_Versioned):
    seat: str


@dataclass(frozen=True, slots=True)
class PhoneReached(_Versioned):
    seat: str
    reachable: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StatusSet(_Versioned):
    """The chosen status is in force; a NO_ANSWER of that presence is over."""

    seat: str
    presence: Presence
    status: str


@dataclass(frozen=True, slots=True)
class StatusPended(_Versioned):
    """Chosen while the seat could not change: it holds after what is going on now."""

    seat: str
    presence: Presence
    status: str


@dataclass(frozen=True, slots=True)
class BackOffEnded(_Versioned):
    """The seat may be offered to again; a NO_ANSWER with a back-off is over."""

    seat: str
    presence: Presence


@dataclass(frozen=True, slots=True)
class SeatChanged(_Versioned):
    """What the seat is seen to do changed; derived from its parts, stored for the time line (S11)."""

    seat: str
    presence: Presence
    state: SeatState
    status: str


@dataclass(frozen=True, slots=True)
class ShiftSet(_Versioned):
    seat: str
    on_shift: bool


@dataclass(frozen=True, slots=True)
class DirectStarted(_Versioned):
    call: str
    seat: str
    kind: DirectKind
    leg: str
    peer: str


@dataclass(frozen=True, slots=True)
class DirectAnswered(_Versioned):
    call: str
    seat: str


@dataclass(frozen=True, slots=True)
class DirectEnded(_Versioned):
    call: str
    seat: str
    kind: DirectKind
    outcome: Outcome
    who: Party
    reset_idle: bool
    sip: int = 0
    q850: int = 0


# --- configuration ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PolicyChanged(_Versioned):
    policy: Policy


@dataclass(frozen=True, slots=True)
class MediumChanged(_Versioned):
    medium: MediumDef


@dataclass(frozen=True, slots=True)
class StatusChanged(_Versioned):
    status: StatusDef


@dataclass(frozen=True, slots=True)
class QueueChanged(_Versioned):
    queue: QueueDef


@dataclass(frozen=True, slots=True)
class SeatProfileChanged(_Versioned):
    profile: SeatProfile


@dataclass(frozen=True, slots=True)
class SeatRetiring(_Versioned):
    """The seat was taken out of use while somebody sits there: it finishes what it holds and goes at sign-out."""

    seat: str


@dataclass(frozen=True, slots=True)
class SeatGone(_Versioned):
    seat: str


@dataclass(frozen=True, slots=True)
class ConfigurationTaken(_Versioned):
    revision: int


@dataclass(frozen=True, slots=True)
class DayBegan(_Versioned):
    day: int


# --- the engine itself -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EngineTookOver(_Versioned):
    epoch: str
    version: str


@dataclass(frozen=True, slots=True)
class InputRejected(_Versioned):
    """An input that the core could not take: stored, counted, alarmed; the loop goes on. No personal data.
    `timer`: the key of the timer that failed and is dropped, else it would be due again at once, for ever."""

    kind: str
    error: str
    timer: str = ""


@dataclass(frozen=True, slots=True)
class InputNoted(_Versioned):
    """An inbox row was handled and changed nothing, so that it is never handled again."""

    kind: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Repaired(_Versioned):
    kind: str
    subject: str


Fact = (
    Entered
    | Arrived
    | GreetingStarted
    | MenuStarted
    | MenuListened
    | MenuChose
    | Queued
    | Moved
    | LastAgentWaited
    | LastAgentReleased
    | Relaxed
    | MessagePassed
    | Requeued
    | Ended
    | Diverted
    | FallbackCallServed
    | Offered
    | RingStarted
    | OfferEnded
    | Accepted
    | MediaUp
    | RecordingBegan
    | HandlingEnded
    | WrapUpStarted
    | WrapUpTimed
    | WrapUpDisposed
    | WrapUpLeft
    | SignedIn
    | SignedOut
    | PhoneReached
    | StatusSet
    | StatusPended
    | BackOffEnded
    | SeatChanged
    | ShiftSet
    | DirectStarted
    | DirectAnswered
    | DirectEnded
    | PolicyChanged
    | MediumChanged
    | StatusChanged
    | QueueChanged
    | SeatProfileChanged
    | SeatRetiring
    | SeatGone
    | ConfigurationTaken
    | DayBegan
    | EngineTookOver
    | InputRejected
    | InputNoted
    | Repaired
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fact with its envelope. `seq` counts from 1 without gaps; `step` is the number of the input that caused it
    (facts of one input share it); `by`/`via` say who caused it and by what means; `inbox` the row it came from."""

    seq: int
    at: Micros
    step: int
    by: str
    via: str
    inbox: int
    fact: Fact
