"""What can happen and what can be asked: the only way into the core.

Names are past tense for what happened and for what a person did. Each input is a small frozen dataclass of plain
values, so it can travel over the bus and lie in an inbox row (acd.core.codec). Who and by what means come in the
`Stamp` beside it. Late or unknown ids are no-ops, never errors.
"""

from __future__ import annotations

from dataclasses import dataclass

from acd.core.model import (
    DirectKind,
    EntryPlan,
    Kind,
    MediumDef,
    Micros,
    OfferResult,
    Outcome,
    Party,
    Policy,
    Presence,
    QueueDef,
    SeatProfile,
    StatusDef,
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """When an input was taken up (engine time), who caused it and by what means; `inbox` names its inbox row."""

    at: Micros
    by: str = "system"  # a person's id, "customer" or "system"
    via: str = "engine"  # desk, phone, cli, api, asterisk, timer, reconcile, ...
    inbox: int = 0


# --- contacts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallEntered:
    """A caller reached an entry point (AGI): the plan is settled. Again for a known leg: no-op, same item."""

    leg: str
    plan: EntryPlan


@dataclass(frozen=True, slots=True)
class LegArrived:
    """The caller's channel is in our hands (StasisStart): greeting, menu or queue may begin."""

    leg: str


@dataclass(frozen=True, slots=True)
class ItemArrived:
    """A text or virtual contact arrived. An open `key` makes it the same item."""

    kind: Kind
    key: str
    plan: EntryPlan
    leg: str = ""


@dataclass(frozen=True, slots=True)
class PromptEnded:
    """A prompt came to its end or could not be played; `token` is the effect's."""

    item: str
    token: str
    played: bool = True


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """The customer pressed a key."""

    leg: str
    digit: str


@dataclass(frozen=True, slots=True)
class PartyLeft:
    """A leg is gone: the customer's, or the seat's (then `leg` is the offer's id).

    `hung_up`: that party itself hung up (the first ChannelHangupRequest without `soft`, reference/shapes.md §5);
    otherwise it was us or the network. `observed` is False where nobody saw it; then it fell in
    [not_before, stamp.at].
    """

    leg: str
    hung_up: bool = True
    sip: int = 0
    q850: int = 0
    observed: bool = True
    not_before: Micros = 0


@dataclass(frozen=True, slots=True)
class ItemClosed:
    """The agent or a timer of the channel closed a text or virtual item."""

    item: str
    who: Party = Party.SEAT


@dataclass(frozen=True, slots=True)
class MessageNoted:
    """A message went by on a text item; its words are records' business."""

    item: str
    side: Party


@dataclass(frozen=True, slots=True)
class FallbackTook:
    """Seen at takeover: this caller of ours is now in the dialplan's plain queue, out of our hands."""

    leg: str


@dataclass(frozen=True, slots=True)
class FallbackServed:
    """Seen at takeover: the dialplan's plain queue served this call while no engine was there.

    `seat` is empty when nobody answered. `exact` is False where an end fell into the blind time.
    """

    leg: str
    plan: EntryPlan
    entered_at: Micros
    answered_at: Micros
    ended_at: Micros
    seat: str
    exact: bool = True


# --- offers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RingSeen:
    """The seat's device rings (180)."""

    offer: str


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """The seat took the offer: its phone answered, or the agent clicked accept."""

    offer: str


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """The offer came back: `result` REJECTED (the person declined) or UNREACHABLE (the device failed)."""

    offer: str
    result: OfferResult
    sip: int = 0
    q850: int = 0


@dataclass(frozen=True, slots=True)
class MediaFlowed:
    """Customer and seat are joined: sound (or text) can pass."""

    item: str
    seat: str


@dataclass(frozen=True, slots=True)
class ItemPicked:
    """An agent takes a waiting item by hand (D13)."""

    seat: str
    item: str = ""  # empty: the next one in the order this seat would get


# --- seats -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SeatSignedIn:
    seat: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class SeatSignedOut:
    seat: str


@dataclass(frozen=True, slots=True)
class PhoneChanged:
    """The seat's phone became reachable or not (contact state, ping)."""

    seat: str
    reachable: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StatusChosen:
    seat: str
    presence: Presence
    status: str


@dataclass(frozen=True, slots=True)
class WrapUpEnded:
    """The agent ends wrap-up by hand (V4). `item` empty: every wrap-up of the seat."""

    seat: str
    item: str = ""


@dataclass(frozen=True, slots=True)
class ServiceEnded:
    """The agent finished the service and left the workspace (V3)."""

    seat: str
    item: str


@dataclass(frozen=True, slots=True)
class DispositionSaved:
    seat: str
    item: str


@dataclass(frozen=True, slots=True)
class DirectCallStarted:
    """A call no queue gave. OUTBOUND: this seat dialled outside; INTERNAL: seat to seat; DIRECT: its own number was
    dialled from outside. `called`: this seat is the one that is called, and its status may refuse.

    `found`: the call is there already (reconcile saw it on the phone), so no rule can refuse it.
    """

    call: str
    seat: str
    kind: DirectKind
    leg: str
    peer: str = ""  # seat id or address id of the other end
    found: bool = False
    called: bool = False


@dataclass(frozen=True, slots=True)
class DirectCallAnswered:
    call: str


@dataclass(frozen=True, slots=True)
class DirectCallEnded:
    call: str
    outcome: Outcome = Outcome.ANSWERED
    who: Party = Party.SEAT
    sip: int = 0
    q850: int = 0


@dataclass(frozen=True, slots=True)
class ShiftChanged:
    """S9: an off-shift seat gets nothing."""

    seat: str
    on_shift: bool


# --- configuration as input ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PolicySet:
    policy: Policy


@dataclass(frozen=True, slots=True)
class MediumDefined:
    medium: MediumDef


@dataclass(frozen=True, slots=True)
class StatusDefined:
    status: StatusDef


@dataclass(frozen=True, slots=True)
class QueueDefined:
    queue: QueueDef


@dataclass(frozen=True, slots=True)
class QueueRetired:
    """Take a queue out of use. `move_to` moves those waiting there; else it drains: those inside are served."""

    queue: str
    move_to: str = ""


@dataclass(frozen=True, slots=True)
class SeatProfileSet:
    profile: SeatProfile


@dataclass(frozen=True, slots=True)
class SeatRetired:
    """Refused while the seat is signed in or holds anything."""

    seat: str


@dataclass(frozen=True, slots=True)
class ConfigurationApplied:
    """Every definition of this directory revision has been sent."""

    revision: int


@dataclass(frozen=True, slots=True)
class DayStarted:
    """The organisation's day number `day` began: totals start again (decided: totals count per day)."""

    day: int


# --- the engine itself -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TimerDue:
    """Timer `key` of the state reached `due`. A key that is gone or was moved makes it a no-op."""

    key: str
    due: Micros


@dataclass(frozen=True, slots=True)
class EngineStarted:
    """An engine took over the log. `epoch` names the log at its very first start."""

    epoch: str
    version: str


@dataclass(frozen=True, slots=True)
class RepairMade:
    """The reconcile loop healed a difference between belief and Asterisk; 0 in a healthy run."""

    kind: str
    subject: str


@dataclass(frozen=True, slots=True)
class RecordingStarted:
    """Sound is being written for this item into the named file."""

    item: str
    recording: str


Input = (
    CallEntered
    | LegArrived
    | ItemArrived
    | PromptEnded
    | DigitPressed
    | PartyLeft
    | ItemClosed
    | MessageNoted
    | FallbackTook
    | FallbackServed
    | RingSeen
    | OfferAnswered
    | OfferRefused
    | MediaFlowed
    | ItemPicked
    | SeatSignedIn
    | SeatSignedOut
    | PhoneChanged
    | StatusChosen
    | WrapUpEnded
    | ServiceEnded
    | DispositionSaved
    | DirectCallStarted
    | DirectCallAnswered
    | DirectCallEnded
    | ShiftChanged
    | PolicySet
    | MediumDefined
    | StatusDefined
    | QueueDefined
    | QueueRetired
    | SeatProfileSet
    | SeatRetired
    | ConfigurationApplied
    | DayStarted
    | TimerDue
    | EngineStarted
    | RepairMade
    | RecordingStarted
)
