"""What must be done in the world, imperative. Effects are derived from facts, never stored (design.md §5.5).

Every effect may be done twice without harm: channels and bridges are named by ids that are used once, prompts by
tokens. Commands on one channel are carried out strictly in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from acd.core.model import Micros


@dataclass(frozen=True, slots=True)
class AnswerLeg:
    """Answer the customer's channel."""

    item: str
    leg: str


@dataclass(frozen=True, slots=True)
class Play:
    """Play a prompt to the customer, then send PromptEnded(item, token)."""

    item: str
    leg: str
    prompt: str
    token: str


@dataclass(frozen=True, slots=True)
class Gather:
    """Play a prompt while digits are listened for; then send PromptEnded(item, token). Digits come as DigitPressed."""

    item: str
    leg: str
    prompt: str
    token: str


@dataclass(frozen=True, slots=True)
class StopPrompt:
    """Stop the prompt named by `token` if it still plays."""

    item: str
    leg: str
    token: str


@dataclass(frozen=True, slots=True)
class HoldMusic:
    """Let the customer wait with music: a holding bridge of his own (reference/shapes.md §0, second trap)."""

    item: str
    leg: str
    queue: str


@dataclass(frozen=True, slots=True)
class RingSeat:
    """Ring the seat's phone for an offer: its channel's id is the offer's id."""

    offer: str
    item: str
    seat: str
    extension: str
    leg: str  # the customer's channel, whose number is shown; empty for virtual items
    queue: str
    expires_at: Micros


@dataclass(frozen=True, slots=True)
class WithdrawOffer:
    """Stop ringing: hang up the offer's channel. `answered_elsewhere` is shown to the phone where it can."""

    offer: str
    seat: str
    answered_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """Join the customer's and the seat's channel in a mixing bridge of that id, then send MediaFlowed."""

    item: str
    seat: str
    leg: str
    seat_leg: str
    bridge: str


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Write both sides apart into the named file, then send RecordingStarted."""

    item: str
    leg: str
    recording: str


@dataclass(frozen=True, slots=True)
class HangUpLeg:
    """End a channel. `q850` is told to the other end (16 normal, 17 busy, 21 refused, 34 congestion)."""

    leg: str
    q850: int = 16


@dataclass(frozen=True, slots=True)
class DropBridge:
    """The conversation is over; the bridge goes."""

    bridge: str


@dataclass(frozen=True, slots=True)
class NotifyChannel:
    """Tell a text channel's adapter what became of an item: queued, accepted, closed (T4)."""

    item: str
    medium: str
    what: str
    seat: str = ""


Effect = (
    AnswerLeg
    | Play
    | Gather
    | StopPrompt
    | HoldMusic
    | RingSeat
    | WithdrawOffer
    | Connect
    | StartRecording
    | HangUpLeg
    | DropBridge
    | NotifyChannel
)


@dataclass(frozen=True, slots=True)
class WantedLeg:
    """What the state wants of one channel; cti.resync compares it with what Asterisk has.

    `doing`: arriving, prompt, waiting, ringing, talking, direct, or fallback (in the dialplan's own queue: leave it).
    `bridge` is set when talking, `token`/`prompt` while a prompt plays. `subject` is the item's id for a customer,
    the offer's for a seat, the call's for a direct call.
    """

    leg: str
    role: str  # customer, seat, direct
    doing: str
    subject: str
    item: str = ""
    seat: str = ""
    extension: str = ""
    queue: str = ""
    bridge: str = ""
    prompt: str = ""
    token: str = ""
    recording: str = ""
    expires_at: Micros = 0
