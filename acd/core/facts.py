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
    Menu,
    Micros,
    OfferResult,
    OfferRule,
    Outcome,
    Party,
    Policy,
    Presence,
    QueueDef,
    Route,
    SeatProfile,
    SeatState,
    SkillLevel,
    StatusDef,
    Strategy,
    Target,
    TrunkDef,
    WatchMode,
    WrapUpRule,
)
from acd.core.shapes import Place, Shape


class _Versioned:
    V: ClassVar[int] = 1


# --- contacts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entered(_Versioned):
    """A contact came in. `record` is its service record's id, for good. v2: menus are definitions of their own."""

    V: ClassVar[int] = 2

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
    menu: str = ""


@dataclass(frozen=True, slots=True)
class MenuListened(_Versioned):
    """The menu's prompt is over; at `due` the silence counts as one try."""

    item: str
    due: Micros


@dataclass(frozen=True, slots=True)
class MenuChose(_Versioned):
    """`digit` is empty when the default was taken after silence. `queue` is empty where it leads elsewhere."""

    item: str
    digit: str
    queue: str
    menu: str = ""


@dataclass(frozen=True, slots=True)
class SayingStarted(_Versioned):
    """The last words are played; then the item ends as `outcome`. `due` as in GreetingStarted; `stops` names what still
    plays. It has left its queue (a flow-out)."""

    item: str
    prompt: str
    token: str
    due: Micros
    outcome: Outcome
    stops: str = ""


@dataclass(frozen=True, slots=True)
class VoicemailStarted(_Versioned):
    """The caller is asked for a message, which becomes a work item of `queue`. `stops` names what still plays. He has
    left his queue (a flow-out)."""

    item: str
    queue: str
    prompt: str
    token: str
    due: Micros
    stops: str = ""


@dataclass(frozen=True, slots=True)
class VoicemailListened(_Versioned):
    """The tone has sounded: what he says is written until `due`."""

    item: str
    recording: str
    due: Micros


@dataclass(frozen=True, slots=True)
class VoicemailLeft(_Versioned):
    """The message is complete; `task` is the work item that brings it to a seat ("" where no medium is for it)."""

    item: str
    recording: str
    task: str


@dataclass(frozen=True, slots=True)
class CallbackTaken(_Versioned):
    """The caller's place is kept by `task`, a callback, and he may hang up."""

    item: str
    task: str


@dataclass(frozen=True, slots=True)
class PlaceKept(_Versioned):
    """A callback will stand at this place of the queue once its caller has hung up; or a caller who waits stands at it
    from now on, the place of a callback of his that is dropped."""

    item: str
    queue: str
    order: Micros


@dataclass(frozen=True, slots=True)
class Announced(_Versioned):
    """The queue speaks to one who waits: `position` (1 = next) and `wait` (microseconds), 0 = not told, and a prompt.
    `again_at` is the next time, 0 = never. An empty token: there was nothing to say."""

    item: str
    queue: str
    position: int
    wait: Micros
    prompt: str
    token: str
    again_at: Micros


@dataclass(frozen=True, slots=True)
class LongestWaitOver(_Versioned):
    """The queue's longest wait is over while a seat is rung for him: he leaves the queue when that comes to nothing. Or
    the line he is to leave by is full: he leaves when it has room, and is looked at anyway at `again_at`, 0 = never."""

    item: str
    queue: str
    again_at: Micros = 0


@dataclass(frozen=True, slots=True)
class PlanReplaced(_Versioned):
    """The item goes through an entry point again (transferred there): this plan holds from now on."""

    item: str
    plan: EntryPlan


@dataclass(frozen=True, slots=True)
class Queued(_Versioned):
    """The item waits in a queue: a queue visit begins (O of terms.md). `order` is its constant place."""

    item: str
    queue: str
    order: Micros
    needs: tuple[SkillLevel, ...]
    relax_at: Micros = 0  # when the first ring of timed relaxation opens; 0 = none
    guess: Micros = 0  # the wait as estimated now, 0 = not to be told
    leave_at: Micros = 0  # when the queue's longest wait is over, 0 = none
    speak_at: Micros = 0  # when the queue first speaks to him, 0 = never


@dataclass(frozen=True, slots=True)
class Moved(_Versioned):
    """The item left one queue (a flow-out there) for another, keeping its place by arrival."""

    item: str
    from_queue: str
    queue: str
    order: Micros
    needs: tuple[SkillLevel, ...]
    relax_at: Micros = 0
    guess: Micros = 0
    leave_at: Micros = 0
    speak_at: Micros = 0


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
    leave_at: Micros = 0
    speak_at: Micros = 0


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
    """A call that the dialplan's plain queue had while no engine was there: the item's end, if it was one of ours.
    v2: as Entered."""

    V: ClassVar[int] = 2

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
    """A seat's part in an item is over; `who` ended it. `offer` is the seat's leg, `gone` when that leg is no more.
    `bridge` is the conversation's bridge where that ends too, "" where others stay in it. `how`: "" (the conversation
    is over), transferred, cancelled, taken_over, lost."""

    item: str
    seat: str
    medium: str
    queue: str
    who: Party
    offer: str
    bridge: str = ""
    gone: bool = False
    how: str = ""


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


# --- conversations ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShapeChanged(_Versioned):
    """The conversation has another shape (acd.core.shapes). `seat` is its owner, "" where there is none; `how` the
    move or event: hold, resume, consulted, merge, invited, declined, left, ..."""

    item: str
    seat: str
    before: Shape
    shape: Shape
    how: str


@dataclass(frozen=True, slots=True)
class Invited(_Versioned):
    """A third party is rung for the customer's sake until `due`. `seat` is a colleague's ("" for others), `by_seat` the
    owner that asked, `blind` when he leaves at once. `leg` is the new channel's id; `adopted`: a phone has called him
    already (its own attended transfer), he is only to be joined."""

    item: str
    seat: str
    by_seat: str
    leg: str
    target: Target
    medium: str
    blind: bool
    due: Micros
    route: Route | None = None
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class InviteEnded(_Versioned):
    """The third party did not come: declined, rang out, could not be reached, or was not needed any more."""

    item: str
    seat: str
    leg: str
    result: OfferResult
    who: Party = Party.SEAT
    sip: int = 0
    q850: int = 0


@dataclass(frozen=True, slots=True)
class OtherAnswered(_Versioned):
    """The third party answered. `seat` is a colleague's: a handling of his begins, which meets the customer only
    when he is joined with him. `bridge` is where he goes, a new one where the owner had left already."""

    item: str
    seat: str
    leg: str
    medium: str
    queue: str
    bridge: str


@dataclass(frozen=True, slots=True)
class OtherLeft(_Versioned):
    """A third party without a seat has left; a colleague's leaving is HandlingEnded."""

    item: str
    leg: str
    who: Party
    gone: bool = False
    sip: int = 0
    q850: int = 0


@dataclass(frozen=True, slots=True)
class TookOver(_Versioned):
    """The colleague (or supervisor) is the owner now. `leg` is his channel, which he had already, and `was` where that
    was. `how`: complete, left, answered (blind), joined (by phones) or taken_over."""

    item: str
    seat: str
    leg: str
    medium: str
    queue: str
    how: str
    was: Place


@dataclass(frozen=True, slots=True)
class CustomerLeft(_Versioned):
    """The customer is gone while the two others still talk, and the item ends with them; or his phone stops ringing,
    since the agent who called him back is gone (`gone` False). `not_before` as in Ended."""

    item: str
    leg: str
    who: Party
    sip: int = 0
    q850: int = 0
    not_before: Micros = 0
    gone: bool = True


@dataclass(frozen=True, slots=True)
class SeatMuted(_Versioned):
    """The seat's microphone is closed (`on`) or open; `leg` is its channel."""

    item: str
    seat: str
    leg: str
    on: bool


@dataclass(frozen=True, slots=True)
class CustomerMoved(_Versioned):
    """The called customer of this item is now the third party of another (a phone's own attended transfer)."""

    item: str
    leg: str
    to: str


@dataclass(frozen=True, slots=True)
class WatchStarted(_Versioned):
    """A supervisor's phone is rung for this conversation until `due`. `agent` is the seat he watches."""

    item: str
    seat: str
    leg: str
    mode: WatchMode
    agent: str
    due: Micros


@dataclass(frozen=True, slots=True)
class WatchAnswered(_Versioned):
    item: str
    seat: str
    leg: str


@dataclass(frozen=True, slots=True)
class WatchChanged(_Versioned):
    item: str
    seat: str
    leg: str
    mode: WatchMode
    before: WatchMode


@dataclass(frozen=True, slots=True)
class WatchEnded(_Versioned):
    """`reason`: left, no_answer, rejected, unreachable, over (the contact is), waiting (it went to a queue)."""

    item: str
    seat: str
    leg: str
    reason: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class RecordingPaused(_Versioned):
    """Silence is written from now on, until somebody resumes or `resume_at`."""

    item: str
    recording: str
    resume_at: Micros


@dataclass(frozen=True, slots=True)
class RecordingResumed(_Versioned):
    """`how`: by_hand, limit, or message (he leaves one, which is no part of the pause)."""

    item: str
    recording: str
    how: str


@dataclass(frozen=True, slots=True)
class RecordingFailed(_Versioned):
    """From here on sound is missing in the recording; the call goes on (RecordingBegan tells when it is written
    again)."""

    item: str
    recording: str
    reason: str


# --- outbound --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutboundStarted(_Versioned):
    """A seat calls outside. `leg` is the seat's own channel, `rings` when that must be rung first (click-to-dial)."""

    item: str
    number: int
    record: str
    seat: str
    leg: str
    medium: str
    route: Route
    plan: EntryPlan
    rings: bool
    due: Micros


@dataclass(frozen=True, slots=True)
class SeatReached(_Versioned):
    """The agent's own phone of a click-to-dial call has answered."""

    item: str
    seat: str


@dataclass(frozen=True, slots=True)
class CustomerDialled(_Versioned):
    """The customer is being called on `leg` until `due`; `seat` hears it ring in `bridge`."""

    item: str
    seat: str
    leg: str
    route: Route
    bridge: str
    due: Micros


@dataclass(frozen=True, slots=True)
class CustomerRang(_Versioned):
    item: str
    leg: str


@dataclass(frozen=True, slots=True)
class CustomerAnswered(_Versioned):
    """The called customer answered: the conversation begins (接通)."""

    item: str
    seat: str
    leg: str
    recording: str = ""


@dataclass(frozen=True, slots=True)
class LineOverflowed(_Versioned):
    """A call more than the line's cap was tried and refused (V15). `seat` is "" for a call that came in."""

    trunk: str
    seat: str


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
class QueueOpened(_Versioned):
    """The queue opened or closed by its hours."""

    queue: str
    open: bool


@dataclass(frozen=True, slots=True)
class MenuChanged(_Versioned):
    menu: Menu


@dataclass(frozen=True, slots=True)
class TrunkChanged(_Versioned):
    trunk: TrunkDef


@dataclass(frozen=True, slots=True)
class TrunkGone(_Versioned):
    trunk: str


@dataclass(frozen=True, slots=True)
class SignOutPended(_Versioned):
    """A supervisor logs the seat out: it goes when what it serves is finished."""

    seat: str


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
    | SayingStarted
    | VoicemailStarted
    | VoicemailListened
    | VoicemailLeft
    | CallbackTaken
    | PlaceKept
    | Announced
    | LongestWaitOver
    | PlanReplaced
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
    | ShapeChanged
    | Invited
    | InviteEnded
    | OtherAnswered
    | OtherLeft
    | TookOver
    | CustomerLeft
    | CustomerMoved
    | SeatMuted
    | WatchStarted
    | WatchAnswered
    | WatchChanged
    | WatchEnded
    | RecordingPaused
    | RecordingResumed
    | RecordingFailed
    | OutboundStarted
    | SeatReached
    | CustomerDialled
    | CustomerRang
    | CustomerAnswered
    | LineOverflowed
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
    | QueueOpened
    | MenuChanged
    | TrunkChanged
    | TrunkGone
    | SignOutPended
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
