"""What the core knows: definitions (configuration that came in as input) and the state they govern.

Times are integer microseconds UTC (`Micros`), durations integer microseconds. The state classes are mutable, but only
`acd.core.evolve` changes them, and only by recording a fact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from acd.core.shapes import Shape

Micros = int
"""Integer microseconds: a point in time UTC, or a duration."""

SECOND: Micros = 1_000_000


class Kind(StrEnum):
    """What a work item is; how it waits and is offered does not depend on it."""

    CALL = "call"
    CALLBACK = "callback"
    VOICEMAIL = "voicemail"
    CHAT = "chat"
    MAIL = "mail"
    TASK = "task"


class Presence(StrEnum):
    """Which of an agent's two status switchers governs a medium (S1 the phone's, S2 the text one)."""

    VOICE = "voice"
    TEXT = "text"


class Strategy(StrEnum):
    """How a queue picks among eligible seats. Every strategy ends in the same tie-break: (idle since, seat id)."""

    LONGEST_IDLE = "longest_idle"
    EQUAL_TOTALS = "equal_totals"  # 銷售型 D7: the day's totals converge
    EQUAL_LOAD = "equal_load"  # 客服型 D7: the concurrent loads converge


class WrapUpEnding(StrEnum):
    """What ends wrap-up besides the agent's own hand, which always may unless the rule is forced (decided 6)."""

    BY_HAND = "by_hand"
    TIMER = "timer"  # counted from the end of the conversation
    SERVICE_TIMER = "service_timer"  # counted from the end of the service (V3)
    DISPOSITION = "disposition"  # when the disposition is saved


class SeatState(StrEnum):
    """What a seat is seen to do, derived from its parts (acd.core.seats); S1's list, statuses apart."""

    LOGGED_OUT = "logged_out"
    LOGGING_IN = "logging_in"  # signed in, its phone not yet seen
    NOT_READY = "not_ready"  # a chosen status without auto_offer: meal, break, ...
    READY = "ready"
    UNREACHABLE = "unreachable"  # chose to be ready, but the phone is gone
    ASSIGNED = "assigned"  # an offer is open
    BUSY = "busy"
    WRAP_UP = "wrap_up"
    NO_ANSWER = "no_answer"


class Phase(StrEnum):
    """Where a work item is. ENDED items leave the state; their facts stay."""

    ENTERED = "entered"  # the plan is known, the leg is not yet ours
    GREETING = "greeting"
    MENU = "menu"
    WAITING = "waiting"
    OFFERED = "offered"
    ACTIVE = "active"  # its shape says who is with whom
    DIALLING = "dialling"  # a seat is on it, the customer is being called
    SAYING = "saying"  # the last words before it ends
    VOICEMAIL = "voicemail"  # the customer leaves a message
    PARKED = "parked"


class OfferResult(StrEnum):
    """How an offer ended (terms.md, Offer)."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    WITHDRAWN = "withdrawn"
    UNREACHABLE = "unreachable"


class Outcome(StrEnum):
    """How a work item ended: the list of terms.md, plus what nobody saw."""

    ANSWERED = "answered"
    ABANDONED_IVR = "abandoned_ivr"
    ABANDONED_QUEUE = "abandoned_queue"
    ABANDONED_RING = "abandoned_ring"
    RNA = "rna"
    REJECTED = "rejected"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    WRONG_NUMBER = "wrong_number"
    CONGESTION = "congestion"
    MEDIA = "media"
    CANCELLED = "cancelled"
    TIMEOUT_QUEUE = "timeout_queue"
    QUEUE_FULL = "queue_full"
    CLOSED = "closed"
    NO_AGENT = "no_agent"
    DIVERTED = "diverted"
    EXIT_KEY = "exit_key"
    CALLBACK_TAKEN = "callback_taken"
    VOICEMAIL = "voicemail"
    BLACKLISTED = "blacklisted"
    LINE_CAP = "line_cap"
    FALLBACK = "fallback"  # the dialplan's plain queue served it while no engine was there
    UNOBSERVED = "unobserved"  # it ended while nobody watched; the time has bounds, not a value


class Party(StrEnum):
    """Who acted: the outcome comes from who did what, never from a code alone (terms.md)."""

    CUSTOMER = "customer"
    SEAT = "seat"
    OTHER = "other"  # a third party of the conversation
    SYSTEM = "system"


class DirectKind(StrEnum):
    """A call that no queue gave: it makes the seat busy and is counted apart (P17)."""

    DIRECT = "direct"  # somebody dialled the seat's own number
    INTERNAL = "internal"  # seat to seat
    OUTBOUND = "outbound"


class OfferRule(StrEnum):
    """Which rule made the offer; acd.why recomputes each."""

    SEAT_FOR_ITEM = "seat_for_item"  # an item looked for a seat: the queue's strategy decides
    ITEM_FOR_SEAT = "item_for_seat"  # a seat looked for an item: (rank, key, number) decides
    LAST_AGENT = "last_agent"  # D2
    PICKUP = "pickup"  # D13, a named exception to status and skills


class TargetKind(StrEnum):
    """To whom a conversation may be transferred."""

    SEAT = "seat"
    EXTENSION = "extension"  # one that belongs to no seat
    QUEUE = "queue"
    ENTRY = "entry"
    OUTSIDE = "outside"


class WatchMode(StrEnum):
    """What a supervisor does with a conversation (V10)."""

    LISTEN = "listen"  # his microphone is closed
    WHISPER = "whisper"  # the agent alone hears him
    JOIN = "join"
    TAKE_OVER = "take_over"  # the agent is forced out once the supervisor's phone has answered


class Way(StrEnum):
    """Where a caller may be led, from a menu, a full queue or a key pressed while waiting."""

    QUEUE = "queue"
    MENU = "menu"
    VOICEMAIL = "voicemail"
    CALLBACK = "callback"
    OUTSIDE = "outside"
    HANG_UP = "hang_up"


# --- definitions: configuration as input -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MediumDef:
    """One medium as a row of data: what it costs a seat and what it keeps away (D4, D8, D17).

    `excludes` and `wrap_up_blocks` name media that are not offered while one of this medium is held (or in wrap-up);
    "*" means every medium. `ceiling` caps `limit` and every seat's own limit (D8: 15).
    """

    id: str
    presence: Presence
    limit: int
    ceiling: int
    excludes: tuple[str, ...] = ()
    wrap_up_blocks: tuple[str, ...] = ()
    needs_phone: bool = False


@dataclass(frozen=True, slots=True)
class StatusDef:
    """A status an agent may choose, with its four flags (decided 2). `limit` is the time allowed in it, 0 = none.
    Nobody comes into a `retired` one any more; who is in it stays until he chooses another."""

    id: str
    presence: Presence
    names: tuple[tuple[str, str], ...]
    auto_offer: bool
    accept_transfer: bool
    accept_direct: bool
    outbound_allowed: bool
    limit: Micros = 0
    productive: bool = False
    after_login: bool = False
    retired: bool = False


@dataclass(frozen=True, slots=True)
class SkillLevel:
    """A skill with a level: of a seat, what it has; of an item or queue, the least it needs."""

    skill: str
    level: int = 1


@dataclass(frozen=True, slots=True)
class Ring:
    """Timed relaxation: `after` this long in the queue, `needs` replace the item's needs. Its own rule beside D3."""

    after: Micros
    needs: tuple[SkillLevel, ...]


@dataclass(frozen=True, slots=True)
class WrapUpRule:
    """How wrap-up ends. `after` counts for the two timers. `forced`: not by hand before the disposition is saved."""

    ending: WrapUpEnding
    after: Micros = 0
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """How a number outside is reached, settled by the directory. `address` is the number's address id, `trunk` the
    line, `shown` the organisation's own number to be shown. `prefix` is the outbound code that was dialled (V14).

    `record`: whether sound is recorded; `wrap_up`: the rule after a connected call, None for none. `emergency` calls
    pass every cap and permission.
    """

    address: str
    trunk: str
    shown: str = ""
    prefix: str = ""
    record: bool = True
    wrap_up: WrapUpRule | None = None
    ring_time: Micros = 60 * SECOND
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """To whom a conversation goes: the id of a seat, extension, queue or entry point; for OUTSIDE and ENTRY the route
    or the plan that the directory settled comes beside it."""

    kind: TargetKind
    id: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a caller is led. `to`: the queue of QUEUE, VOICEMAIL and CALLBACK ("" = the one he waits in), the menu of
    MENU. `prompt` is played first (HANG_UP, VOICEMAIL, CALLBACK). `route` is that of OUTSIDE, `outcome` what HANG_UP is
    booked as."""

    way: Way
    to: str = ""
    prompt: str = ""
    route: Route | None = None
    outcome: Outcome = Outcome.CLOSED


@dataclass(frozen=True, slots=True)
class MenuOption:
    """A key and where it leads."""

    digit: str
    to: Destination


@dataclass(frozen=True, slots=True)
class Menu:
    """One level of a menu: `prompt` is played, a digit leads on; after `tries` silences or wrong keys `default` holds.
    Options may lead to other menus, so a tree has any depth."""

    id: str
    prompt: str
    options: tuple[MenuOption, ...]
    default: Destination
    timeout: Micros = 5 * SECOND
    tries: int = 2


@dataclass(frozen=True, slots=True)
class Speech:
    """What a queue says to those who wait: after `first` and then every `every`, the position and the estimated wait
    where they are wanted, and the next of `prompts` in turn. The wait is told only while the estimate is good
    enough."""

    first: Micros = 30 * SECOND
    every: Micros = 60 * SECOND
    position: bool = True
    wait: bool = True
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrunkDef:
    """A line to a carrier as the core sees it: at most `cap` calls at once, 0 = no limit (V15)."""

    id: str
    cap: int = 0


@dataclass(frozen=True, slots=True)
class QueueDef:
    """A queue. `retired` means draining: those inside are served, nobody new enters.

    `max_wait` and `max_length` (0 = none) send a caller to `overflow`; `closed` is where those go who come while the
    queue is closed or wait when it closes (None: who comes is ended as CLOSED, who waits is served); `empty` is for
    those who come while nobody is signed in to serve it (None: they wait). `keys` lead out of the queue.
    `greeting` is played once to whoever enters, `music` names a music class of Asterisk's.
    """

    id: str
    name: str
    strategy: Strategy = Strategy.LONGEST_IDLE
    needs: tuple[SkillLevel, ...] = ()
    skill_relaxed: bool = False  # D3
    rings: tuple[Ring, ...] = ()
    last_agent_first: bool = False  # D2
    last_agent_wait: Micros = 0
    ring_time: Micros = 20 * SECOND  # D5
    no_answer_back_off: Micros = 0  # 0: the seat stays in NO_ANSWER until its agent says so
    decline_back_off: Micros = 5 * SECOND
    wrap_up: WrapUpRule | None = None
    sl_threshold: Micros = 20 * SECOND
    record_calls: bool = True
    retired: bool = False
    moved_to: str = ""  # where those go who come back to a retired one
    greeting: str = ""
    music: str = ""
    speech: Speech | None = None
    max_wait: Micros = 0
    max_length: int = 0
    overflow: Destination | None = None
    closed: Destination | None = None
    empty: Destination | None = None
    keys: tuple[MenuOption, ...] = ()


@dataclass(frozen=True, slots=True)
class SeatQueue:
    """Membership of a seat in a queue; a lower `rank` is served first by this seat."""

    queue: str
    rank: int = 0


@dataclass(frozen=True, slots=True)
class MediumLimit:
    """A seat's own limit for a medium, still capped by the medium's ceiling (D14)."""

    medium: str
    limit: int


@dataclass(frozen=True, slots=True)
class SeatProfile:
    """What a seat may do. Its id is the person's, so a re-login or another phone changes no history; his name lies in
    the directory, where it can be erased."""

    id: str
    extension: str = ""
    queues: tuple[SeatQueue, ...] = ()
    skills: tuple[SkillLevel, ...] = ()
    limits: tuple[MediumLimit, ...] = ()
    total_limit: int = 0  # 0 = none; D4 over all media
    one_open_case: bool = False  # D17


@dataclass(frozen=True, slots=True)
class Policy:
    """The organisation's rules that hold for every queue.

    `priority_weight`: how much waiting one point of priority is worth (D19: linear ageing,
    key = queued − weight × priority). `idle_reset_*`: what besides talk resets a seat's idle time.
    """

    priority_weight: Micros = SECOND
    idle_reset_no_answer: bool = False
    idle_reset_direct: bool = False
    idle_reset_outbound: bool = False


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """What an entry point does with one contact, worked out by the EntryPlans port when it came.

    After `greeting` it goes to `start`, or straight into `queue` where that is None. `refuse` ends it after the
    greeting with that outcome (closed, blacklisted, line cap). `trunk` is the line it came by, `callback` how the
    caller can be called back where that is allowed.
    """

    entry: str
    revision: int
    queue: str
    medium: str = "voice"
    greeting: str = ""
    start: Destination | None = None
    priority: int = 0
    needs: tuple[SkillLevel, ...] = ()
    address: str = ""  # address_id; the number itself lives in an erasable table
    contact: str = ""  # contact_id
    last_seat: str = ""  # who served this contact last (D2)
    refuse: Outcome | None = None
    trunk: str = ""
    callback: Route | None = None


# --- state ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Offer:
    """One reservation of one seat for one item. Voice: the seat's channel id is the offer's id (idempotent ring)."""

    id: str
    item: str
    seat: str
    medium: str
    at: Micros
    expires_at: Micros
    rule: OfferRule
    rung_at: Micros = 0
    answered_at: Micros = 0


@dataclass(slots=True)
class Handling:
    """A seat's part in an item, from accept to leave; `offer` is the seat's leg. `met`: it has been with the customer,
    not only with the colleague who asked; who has not, needs no wrap-up."""

    item: str
    medium: str
    queue: str
    offer: str
    since: Micros
    met: bool = True
    muted: bool = False
    media_up_at: Micros = 0
    replied: bool = False  # D17: the agent has written
    disposed: bool = False  # the disposition was saved while still talking


@dataclass(slots=True)
class WrapUp:
    item: str
    medium: str
    queue: str
    since: Micros
    rule: WrapUpRule
    ends_at: Micros = 0  # 0: no timer runs
    disposition_saved: bool = False
    service_ended: bool = False


@dataclass(slots=True)
class DirectCall:
    """A direct, internal or handset-dialled call. `leg` is the seat's own channel."""

    id: str
    kind: DirectKind
    leg: str
    since: Micros
    peer: str = ""
    answered_at: Micros = 0


@dataclass(slots=True)
class Other:
    """The third party of a conversation. `leg` is its channel, `seat` a colleague's, `by` the seat that asked for
    it."""

    leg: str
    target: Target
    seat: str
    by: str
    since: Micros
    due: Micros
    route: Route | None = None
    rung_at: Micros = 0
    answered_at: Micros = 0


@dataclass(slots=True)
class Watcher:
    """A supervisor at a conversation; `leg` is his channel."""

    leg: str
    seat: str
    mode: WatchMode
    since: Micros
    due: Micros
    answered_at: Micros = 0


@dataclass(slots=True)
class Flow:
    """How a queue moves. `gaps`: between the last accepts, of those during which somebody waited all the time;
    `guesses`: (told or would be told, real) waits of the last contacts that had an estimate."""

    open: bool = True
    departed_at: Micros = 0
    gaps: list[Micros] = field(default_factory=list)
    guesses: list[tuple[Micros, Micros]] = field(default_factory=list)


@dataclass(slots=True)
class PresenceState:
    """One status switcher of a seat: the chosen status, one for later, and what is seen."""

    status: str
    since: Micros
    pending: str = ""
    no_answer: bool = False
    no_answer_count: int = 0  # in a row
    back_off_until: Micros = 0
    seen: SeatState = SeatState.LOGGED_OUT
    seen_since: Micros = 0


@dataclass(slots=True)
class Seat:
    profile: SeatProfile
    signed_in_at: Micros = 0  # 0: signed out
    device: str = ""
    reachable: bool = False
    was_reachable: bool = False  # since sign-in: tells LOGGING_IN from UNREACHABLE
    on_shift: bool = True
    retiring: bool = False  # gone for good when it has signed out
    leaving: bool = False  # a supervisor logged it out: it goes when it holds nothing
    idle_since: Micros = 0
    total: int = 0  # accepted offers in the organisation's day, plus the mean it joined at
    total_day: int = -1  # the day `total` belongs to
    voice: PresenceState = field(default_factory=lambda: PresenceState("", 0))
    text: PresenceState = field(default_factory=lambda: PresenceState("", 0))
    offers: dict[str, str] = field(default_factory=dict)  # offer id -> medium
    handlings: dict[str, Handling] = field(default_factory=dict)  # by item id
    wrap_ups: dict[str, WrapUp] = field(default_factory=dict)  # by item id
    directs: dict[str, DirectCall] = field(default_factory=dict)  # by call id
    watching: dict[str, str] = field(default_factory=dict)  # own leg -> the item it supervises

    def presence(self, which: Presence) -> PresenceState:
        """The status switcher that governs media of that presence."""
        return self.voice if which is Presence.VOICE else self.text


@dataclass(slots=True)
class WorkItem:
    """One customer contact on its way to a seat. `number` is the arrival number: it breaks ties for ever."""

    id: str
    number: int
    kind: Kind
    medium: str
    record: str  # the service record's id, chosen at arrival and kept through re-offer and transfer
    plan: EntryPlan
    arrived_at: Micros
    phase: Phase = Phase.ENTERED
    key: str = ""  # account + contact of a text item: a second arrival on an open key is the same item
    leg: str = ""  # the customer's channel; empty for virtual items
    answered: bool = False  # the customer's leg is answered by us
    queue: str = ""
    queued_at: Micros = 0  # entry into the present queue
    order: Micros = 0  # queued at first − weight × priority: constant, lower is served first
    needs: tuple[SkillLevel, ...] = ()
    ring: int = 0  # how many rings of timed relaxation are open
    sticky_seat: str = ""
    sticky_until: Micros = 0
    offer: str = ""
    offers: int = 0  # made so far
    seat: str = ""
    token: str = ""  # names the prompt or menu now playing; late ends of an older one are no-ops
    tries: int = 0
    bridge: str = ""
    recording: str = ""
    recorded: bool = False  # sound is being written, as far as we were told
    gap: bool = False  # sound should be written and is not
    paused: bool = False  # its recording
    shape: Shape = Shape.NONE
    other: Other | None = None
    watchers: dict[str, Watcher] = field(default_factory=dict)  # by leg
    route: Route | None = None  # how the customer is or was called
    seat_rings: bool = False  # an outbound call whose own agent is still being rung
    outbound: bool = False
    served: bool = False  # a seat has been with the customer
    far_rang: bool = False  # the called customer's phone rings
    trunk: str = ""  # the line the customer's leg is on
    menu: str = ""  # the menu he is in
    leaves_as: Outcome | None = None  # what he ends as after the words of SAYING
    spoken: int = 0  # announcements heard in this queue
    announced: bool = False  # an announcement's words may still play
    guess: Micros = 0  # the wait that was estimated when he entered the queue, 0 = none
    overdue: bool = False  # his longest wait is over, and the line out was full
    tried_outside: tuple[str, ...] = ()  # addresses where nobody was since a seat had him or he pressed a key


@dataclass(slots=True)
class State:
    """Everything the core knows. Dicts keep insertion order, which facts decide; nothing iterates over a set."""

    epoch: str = ""
    next_number: int = 1
    next_id: int = 1
    day: int = -1
    policy: Policy = field(default_factory=Policy)
    revision: int = 0
    media: dict[str, MediumDef] = field(default_factory=dict)
    statuses: dict[str, StatusDef] = field(default_factory=dict)
    queues: dict[str, QueueDef] = field(default_factory=dict)
    seats: dict[str, Seat] = field(default_factory=dict)
    items: dict[str, WorkItem] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    legs: dict[str, str] = field(default_factory=dict)  # customer leg -> item
    seat_legs: dict[str, str] = field(default_factory=dict)  # accepted offer (the seat's leg) -> seat
    other_legs: dict[str, str] = field(
        default_factory=dict
    )  # leg of a third party without a seat, or that rings -> item
    watch_legs: dict[str, str] = field(default_factory=dict)  # supervisor's leg -> item
    menus: dict[str, Menu] = field(default_factory=dict)
    trunks: dict[str, TrunkDef] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # trunk -> calls on it now
    flows: dict[str, Flow] = field(default_factory=dict)  # by queue
    over: dict[str, Micros] = field(default_factory=dict)  # customer legs that are over, the last of them
    online: int = 0  # seats signed in
    online_total: int = 0  # and the sum of their day's totals
    keys: dict[str, str] = field(default_factory=dict)  # open text key -> item
    extensions: dict[str, str] = field(default_factory=dict)  # extension -> seat
    directs: dict[str, str] = field(default_factory=dict)  # direct call id -> seat
    timers: dict[str, Micros] = field(default_factory=dict)  # "offer:ID", "menu:ITEM", "wrap:SEAT:ITEM", ... -> due
    handled: dict[str, Micros] = field(default_factory=dict)  # inbox rows decided, the last of them
    repairs: dict[str, int] = field(default_factory=dict)
