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
    Menu,
    Micros,
    OfferResult,
    Outcome,
    Party,
    Policy,
    Presence,
    QueueDef,
    Route,
    SeatProfile,
    StatusDef,
    Target,
    TrunkDef,
    WatchMode,
)
from acd.core.shapes import Move


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
    """A leg that was rung came back: `result` REJECTED (the person declined) or UNREACHABLE (the device failed).

    `offer` is the leg: an offer's, a third party's, a supervisor's, or a customer's whom we called; for a number
    outside `outcome` says what became of it (cti.causes)."""

    offer: str
    result: OfferResult
    sip: int = 0
    q850: int = 0
    outcome: Outcome | None = None


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


# --- conversations ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MoveMade:
    """The owner of a conversation did this with it: hold, resume, swap, merge, split, coach, complete, cancel."""

    seat: str
    item: str
    move: Move


@dataclass(frozen=True, slots=True)
class ConsultAsked:
    """The owner rings another one while the customer waits (V7): a seat, an extension, or OUTSIDE by `route`."""

    seat: str
    item: str
    target: Target
    route: Route | None = None


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """The owner hands the customer over at once (blind): to a seat, an extension, a queue, an entry point (`plan`) or
    OUTSIDE (`route`)."""

    seat: str
    item: str
    target: Target
    route: Route | None = None
    plan: EntryPlan | None = None


@dataclass(frozen=True, slots=True)
class PhonesJoined:
    """A phone's own attended transfer (REFER with Replaces): the seat whose leg `leg` is joins its customer with the
    other end of its second call. `call` is that call (a direct call, or an outbound item), `other` the far channel."""

    leg: str
    call: str
    other: str


@dataclass(frozen=True, slots=True)
class CallHungUp:
    """The desk's hang-up: the seat's own leg ends, with what follows from it. By a supervisor's hand: the whole
    conversation ends (`whole`)."""

    seat: str
    item: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class MuteAsked:
    """The seat closes its microphone to the conversation, or opens it again; it goes on hearing."""

    seat: str
    item: str
    on: bool


@dataclass(frozen=True, slots=True)
class WatchAsked:
    """A supervisor (`seat`) listens, whispers, joins or takes over (V10). Again with another mode: it changes."""

    seat: str
    item: str
    mode: WatchMode


@dataclass(frozen=True, slots=True)
class WatchLeft:
    """The supervisor stops; the call is untouched."""

    seat: str
    item: str


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """Recording is to be paused (card numbers); it goes on by itself after `limit`."""

    item: str
    limit: Micros = 300_000_000


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    item: str


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """Sound is not being written although it should be: storage is slow or full, or the recorder died."""

    item: str
    reason: str


# --- outbound --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutboundAsked:
    """A seat calls a number outside by a route the directory settled. `leg` is the channel of a handset that dialled;
    empty: click-to-dial, the seat's own phone is rung first."""

    seat: str
    route: Route
    leg: str = ""


# --- seats -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SeatSignedIn:
    seat: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class SeatSignedOut:
    """`forced`: a supervisor logs the seat out; what it serves is finished first, then it is out."""

    seat: str
    forced: bool = False


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
class QueueOpenChanged:
    """The queue's hours say so (directory's calendar, by timer): open or closed now."""

    queue: str
    open: bool


@dataclass(frozen=True, slots=True)
class MenuDefined:
    menu: Menu


@dataclass(frozen=True, slots=True)
class TrunkDefined:
    trunk: TrunkDef


@dataclass(frozen=True, slots=True)
class TrunkRetired:
    trunk: str


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
    | MoveMade
    | ConsultAsked
    | TransferAsked
    | PhonesJoined
    | CallHungUp
    | MuteAsked
    | WatchAsked
    | WatchLeft
    | PauseAsked
    | ResumeAsked
    | RecordingStopped
    | OutboundAsked
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
    | QueueOpenChanged
    | MenuDefined
    | TrunkDefined
    | TrunkRetired
    | SeatProfileSet
    | SeatRetired
    | ConfigurationApplied
    | DayStarted
    | TimerDue
    | EngineStarted
    | RepairMade
    | RecordingStarted
)
