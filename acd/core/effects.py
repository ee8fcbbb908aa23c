"""What must be done in the world, imperative. Effects are derived from facts, never stored (design.md §5.5).

Every effect may be done twice without harm: channels and bridges are named by ids that are used once, prompts by
tokens. Commands on one channel are carried out strictly in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from acd.core.model import Micros, Route


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
    """Let the customer wait in a queue with music: a holding bridge of his own (reference/shapes.md §0, second trap).
    `music` names the class, "" = the default one."""

    item: str
    leg: str
    queue: str
    music: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Put a party of a conversation on hold: music in a holding bridge of its own, used once. Not waiting in a
    queue."""

    item: str
    leg: str
    music: str = ""


@dataclass(frozen=True, slots=True)
class Join:
    """Put a channel that is up into the conversation's bridge, from wherever it is (hold, coaching, listening), made
    where it is not there yet. `muted`: nobody hears it (a supervisor who listens); else it is heard."""

    item: str
    leg: str
    bridge: str
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Coach:
    """Let `leg` hear the whole conversation of `ear`, and be heard by `ear` alone (whisper): never by the customer."""

    item: str
    leg: str
    ear: str


@dataclass(frozen=True, slots=True)
class Mute:
    """Let nobody hear this seat's channel, or let it be heard again; it goes on hearing."""

    leg: str
    on: bool


@dataclass(frozen=True, slots=True)
class RingBack:
    """Let a channel that is up hear that somebody is being rung, or stop it."""

    leg: str
    on: bool


@dataclass(frozen=True, slots=True)
class DialOutside:
    """Call a number outside: a channel with id `leg` on the route's trunk to the number of its address. Ringing, answer
    and failure come as RingSeen, OfferAnswered and OfferRefused with that leg. `bridge`: join it at once, so that early
    sound is heard; "" = only when told. `heard_by` hears ring-back as long as there is no early sound."""

    item: str
    leg: str
    route: Route
    bridge: str
    heard_by: str
    expires_at: Micros


@dataclass(frozen=True, slots=True)
class Announce:
    """Speak to one who waits, over his music, then send PromptEnded(item, token): position (1 = next), estimated
    wait in microseconds (0 = not told each), and a prompt."""

    item: str
    leg: str
    position: int
    wait: Micros
    prompt: str
    token: str


@dataclass(frozen=True, slots=True)
class PauseRecording:
    """Write silence for this customer's channel, or sound again; no digit he presses meanwhile is told to anybody."""

    item: str
    leg: str
    recording: str
    paused: bool


@dataclass(frozen=True, slots=True)
class RingSeat:
    """Ring the seat's phone for an offer: its channel's id is the offer's id. Also a third party's, a supervisor's, and
    the caller's own of a click-to-dial call; `seat` is empty for an extension that belongs to nobody."""

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
class StopRecording:
    """Write no more for this channel: its contact has no part in it any more."""

    item: str
    leg: str


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
    | Hold
    | Join
    | Coach
    | Mute
    | RingBack
    | DialOutside
    | Announce
    | PauseRecording
    | RingSeat
    | WithdrawOffer
    | Connect
    | StartRecording
    | StopRecording
    | HangUpLeg
    | DropBridge
    | NotifyChannel
)


@dataclass(frozen=True, slots=True)
class WantedLeg:
    """What the state wants of one channel; cti.resync compares it with what Asterisk has.

    `doing`: arriving, prompt, waiting, ringing, talking, held, coaching, listening, voicemail, direct, or fallback (in
    the dialplan's own queue: leave it). `bridge` is set when talking or listening, `ear` when coaching,
    `token`/`prompt` while a prompt plays. `subject` is the item's id for a customer, the offer's for a seat, the
    call's for a direct call. A third party is a seat or an "other" (no seat), a supervisor a "watcher". `route` is
    set for numbers outside."""

    leg: str
    role: str  # customer, seat, other, watcher, direct
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
    recorded: bool = False
    expires_at: Micros = 0
    ear: str = ""
    music: str = ""
    paused: bool = False
    muted: bool = False  # by the seat's own wish
    route: Route | None = None
