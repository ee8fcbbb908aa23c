"""The directory's own definitions: what an administrator writes down that the core knows otherwise or not at all.

Each is kept as JSON of its fields (acd.core.codec), so a field may be added with a default and never be renamed
without a migration. Times of day are text ("09:00", up to "24:00"), dates are text ("2026-12-25").
"""

from __future__ import annotations

from dataclasses import dataclass, field

from acd.core.model import (
    Destination,
    MediumDef,
    Menu,
    Policy,
    QueueDef,
    SeatProfile,
    SkillLevel,
    StatusDef,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the directory that cannot be applied. `code` is stable, `say` tells what to do."""

    code: str
    say: str


class DirectoryError(ValueError):
    """A change that the directory refuses. `code` is stable and part of the API, `say` tells what to do."""

    def __init__(self, code: str, say: str) -> None:
        super().__init__(say)
        self.code = code
        self.say = say


# --- opening hours -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stretch:
    """From a time of day to a later one of the same day; "24:00" is its end."""

    begins: str
    ends: str


@dataclass(frozen=True, slots=True)
class WeekDay:
    """The times of a day of the week, 0 = Monday. A day that is not named is closed."""

    day: int
    open: tuple[Stretch, ...] = ()
    breaks: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """The times of one date, whatever day it is; without any it is closed."""

    date: str
    open: tuple[Stretch, ...] = ()
    breaks: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours in a time zone. For one date the first that knows it holds: `special`, then a make-up working day
    of the country, then its public holidays (closed), then the week.

    `holidays` is a country of python-holidays ("TW", "CN"; "" = none). A working day moved to a weekend has the times
    of weekday `make_up_day`, -1 = it stays a weekend.
    """

    id: str
    name: str
    zone: str = "Asia/Taipei"
    week: tuple[WeekDay, ...] = ()
    holidays: str = ""
    make_up_day: int = 0
    special: tuple[SpecialDay, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueHours:
    """The hours a queue is open in."""

    queue: str
    hours: str


# --- what is dialled in --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """What is dialled or written to, and what happens then. Its id is R2's channel account: the number, the page, the
    mailbox. Prompts are names of sound files.

    After `greeting` the caller is led to `start`, or into `queue` where that is None. Outside `hours` ("" = always
    open) he hears `closed_prompt`, in a break `break_prompt` where there is one, and is led to `closed`, or ended as
    CLOSED where that is None (D6). `refused_prompt` is what a blacklisted caller hears (D24).
    `callback` is the outbound code by which its callers may be called back; "" = they may not.
    """

    id: str
    name: str
    queue: str
    medium: str = "voice"
    greeting: str = ""
    start: Destination | None = None
    priority: int = 0
    needs: tuple[SkillLevel, ...] = ()
    hours: str = ""
    closed: Destination | None = None
    closed_prompt: str = ""
    break_prompt: str = ""
    refused_prompt: str = ""
    callback: str = ""


# --- lines and what may be dialled out -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NumberRules:
    """How a carrier writes numbers. `country_code` "" reads them by the installation's region alone;
    `bare_international`: without + and prefix they begin with a country code. `sent` is plus, international, national
    or as_is, of the number called and the number shown. as_is is as we keep it: a number called with + and country code
    however it was dialled, a short number and the number shown as they were given; carriers that want another form
    refuse it, so one that is not known to take +886... is given its own."""

    country_code: str = ""
    national_prefix: str = "0"
    international_prefixes: tuple[str, ...] = ("00",)
    bare_international: bool = False
    sent: str = "as_is"


@dataclass(frozen=True, slots=True)
class Did:
    """A number the carrier sends calls for, and the entry point it opens."""

    number: str
    entry: str


@dataclass(frozen=True, slots=True)
class Trunk:
    """A carrier's line. Its password lies sealed beside it, never in here.

    `registers`: we log in at the carrier, and it calls where we are; else it knows our address. `direction` is in, out
    or both; `shown` is fixed (the line's own `number`), agent or listed (what an outbound code asks for, when it is in
    `listed`). `dids` are the carrier's numbers, `entry` the entry point of calls that name our account. `cap`: calls at
    once, 0 = no limit (V15). `qualify_s` and `expiry_s` in seconds.
    """

    id: str
    name: str
    address: str
    username: str = ""
    registers: bool = False
    direction: str = "both"
    transport: str = "udp"
    codecs: tuple[str, ...] = ("alaw", "ulaw")
    number: str = ""
    shown: str = "fixed"
    listed: tuple[str, ...] = ()
    dids: tuple[Did, ...] = ()
    entry: str = ""
    match: tuple[str, ...] = ()
    rules: NumberRules = NumberRules()
    from_user: str = ""
    from_domain: str = ""
    srtp: bool = False
    cap: int = 0
    qualify_s: int = 15
    expiry_s: int = 300


@dataclass(frozen=True, slots=True)
class OutboundCode:
    """An outbound code 外撥碼 (V14): dialled before a number it chooses the line and the number shown. Its id is the
    digits. A call by it is recorded and wrapped up as one of `queue`'s; "" = recorded, without wrap-up. `default` is
    the one that holds where none is dialled."""

    id: str
    name: str
    trunk: str
    shown: str = ""
    queue: str = ""
    default: bool = False


@dataclass(frozen=True, slots=True)
class DialClass:
    """Who has it may call what `allow` names, and nothing else (toll fraud): "+886" is every number that begins so,
    "TW" every number of that country, "1922" that short number. What `deny` names is denied all the same. Numbers that
    cost the caller extra are denied unless `premium`."""

    id: str
    name: str
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    premium: bool = False


@dataclass(frozen=True, slots=True)
class SeatClass:
    """The dial class of a seat; a seat without one calls no number outside."""

    seat: str
    dial_class: str


# --- the whole -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RetiredQueue:
    """A queue taken out of use; `move_to` takes those who wait there, empty means it drains."""

    queue: str
    move_to: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole directory at one revision. `classes` are the seats' dial classes."""

    revision: int = 0
    policy: Policy = field(default_factory=Policy)
    outbound_record: bool = True  # V2
    media: tuple[MediumDef, ...] = ()
    statuses: tuple[StatusDef, ...] = ()
    retired_statuses: tuple[StatusDef, ...] = ()
    skills: tuple[str, ...] = ()
    hours: tuple[Hours, ...] = ()
    queues: tuple[QueueDef, ...] = ()
    queue_hours: tuple[QueueHours, ...] = ()
    retired_queues: tuple[RetiredQueue, ...] = ()
    menus: tuple[Menu, ...] = ()
    trunks: tuple[Trunk, ...] = ()
    retired_trunks: tuple[str, ...] = ()
    codes: tuple[OutboundCode, ...] = ()
    dial_classes: tuple[DialClass, ...] = ()
    seats: tuple[SeatProfile, ...] = ()
    classes: tuple[SeatClass, ...] = ()
    retired_seats: tuple[str, ...] = ()
    entries: tuple[EntryPoint, ...] = ()

    def hours_named(self, hours: str) -> Hours | None:
        """The hours of that id."""
        return next((one for one in self.hours if one.id == hours), None)

    def code(self, prefix: str) -> OutboundCode | None:
        """The outbound code of those digits."""
        return next((one for one in self.codes if one.id == prefix), None)

    def queue(self, queue: str) -> QueueDef | None:
        """The queue of that id, in use."""
        return next((one for one in self.queues if one.id == queue), None)

    def menu(self, menu: str) -> Menu | None:
        """The menu of that id."""
        return next((one for one in self.menus if one.id == menu), None)

    def entry(self, entry: str) -> EntryPoint | None:
        """The entry point of that id."""
        return next((one for one in self.entries if one.id == entry), None)

    def dial_class(self, name: str) -> DialClass | None:
        """The dial class of that id."""
        return next((one for one in self.dial_classes if one.id == name), None)

    def class_of(self, seat: str) -> str:
        """The id of the seat's dial class, "" for none."""
        return next((one.dial_class for one in self.classes if one.seat == seat), "")
