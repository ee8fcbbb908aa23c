"""The ports: what the dispatcher needs from outside, as Protocols. Adapters implement them and import only `acd`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from acd.core.effects import Effect, WantedLeg
from acd.core.facts import Recorded
from acd.core.inputs import Input
from acd.core.model import EntryPlan, Micros, Route
from acd.core.reply import Done, Refused, Reply

__all__ = [
    "AddressSeen",
    "Bus",
    "CallerNumber",
    "Clock",
    "Configuration",
    "DialPlans",
    "DialRefused",
    "Done",
    "Engine",
    "EntryPlans",
    "FactLog",
    "Fenced",
    "Inbox",
    "InboxRow",
    "Leadership",
    "Refused",
    "Reply",
    "Snapshot",
    "StoredFact",
    "Telephony",
    "TextChannel",
]


class Fenced(Exception):
    """Somebody else appended to the log, or it cannot be written: this engine is not the leader any more."""


@dataclass(frozen=True, slots=True)
class StoredFact:
    """One row of the log. `body` is the fact's JSON without its envelope (acd.core.codec), `v` its version."""

    seq: int
    at: Micros
    step: int
    by: str
    via: str
    inbox: int
    kind: str
    v: int
    body: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after fact `seq`, as canonical bytes, made by core version `version`."""

    seq: int
    version: str
    state: bytes


class FactLog(Protocol):
    """The one truth. Methods block and are called from the runtime's log thread, never from the event loop."""

    def last_seq(self) -> int:
        """The highest seq stored, 0 for an empty log."""
        ...

    def append(self, facts: Sequence[StoredFact]) -> None:
        """Store the batch durably in one transaction; all or nothing.

        Raises Fenced when a seq is already there (another leader) or an inbox id was handled before, and whatever
        the database raises when it cannot write. After any error the caller must step down.
        """
        ...

    def read(self, after: int, limit: int = 1000) -> list[StoredFact]:
        """Facts with seq > after in order, at most `limit`."""
        ...

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep this snapshot; older ones may be dropped (the last two are kept)."""
        ...

    def load_snapshot(self, version: str) -> Snapshot | None:
        """The newest snapshot made by that very core version, or None: another version's is never used."""
        ...


class Leadership(Protocol):
    """Only one engine decides. Held by a session (an advisory lock or a file lock), never by time."""

    def acquire(self) -> bool:
        """Try to become leader; False when somebody else is."""
        ...

    def still_held(self) -> bool:
        """False once the lock's own connection is gone."""
        ...

    def release(self) -> None: ...


class Clock(Protocol):
    """Engine time: max(last fact, wall clock at boot) + monotonic; a jump of the wall clock moves nothing."""

    def now(self) -> Micros: ...


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A command written by a request in its own transaction. `body` is an input's JSON (acd.core.codec)."""

    id: int
    kind: str
    body: str
    by: str
    via: str


class Inbox(Protocol):
    """Inputs that came with a table write (design.md §5.4). Blocking; called from the log thread."""

    def pending(self, limit: int = 100) -> list[InboxRow]:
        """Rows not yet done, by id."""
        ...

    def done(self, ids: Sequence[int]) -> None:
        """Their facts are committed: the rows may go. Repeating is harmless."""
        ...


class Bus(Protocol):
    """Fan-out between processes; losing a message loses no decision, since readers follow the log."""

    async def publish(self, topic: str, message: bytes) -> None: ...

    def subscribe(self, topics: Sequence[str]) -> AsyncIterator[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class CallerNumber:
    """A number as the network gave it, bounded and printable, and in E.164 where it is a number at all."""

    raw: str
    e164: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class AddressSeen:
    """Who calls what: the question to EntryPlans."""

    entry: str
    caller: CallerNumber
    called: str = ""
    trunk: str = ""


class EntryPlans(Protocol):
    """Hours, blacklist, greeting, menu and queue of an entry point for one caller. Blocking, a few ms at most."""

    def plan(self, seen: AddressSeen) -> EntryPlan | None:
        """The plan, or None for an entry point that does not exist. Keeps the address and gives its id in it."""
        ...


@dataclass(frozen=True, slots=True)
class DialRefused:
    """A number may not be called. `code` is stable, `say` tells a person what is wrong and what to do."""

    code: str
    say: str


class DialPlans(Protocol):
    """Numbers outside: who may call what, by which line, shown as whom (V14, V15; toll fraud: denied by default)."""

    def route(self, seat: str, dialled: str) -> Route | DialRefused:
        """The route of what a seat dialled, outbound code and all. Keeps the number's address. Blocking."""
        ...

    def number_of(self, address: str) -> str:
        """What to dial for an address id; "" when it was erased. Blocking."""
        ...


class Configuration(Protocol):
    """The directory as the core's inputs. Blocking; called from a thread."""

    def revision(self) -> int:
        """Grows with every change of the directory."""
        ...

    def definitions(self) -> list[Input]:
        """Everything the core must know, in an order it can be applied, ending in ConfigurationApplied."""
        ...


class Engine(Protocol):
    """The runtime as adapters see it."""

    async def submit(self, given: Input, *, by: str = "system", via: str = "engine") -> Reply:
        """Decide and make durable; the reply comes after the commit. Raises Fenced when stepping down."""
        ...

    async def wanted(self) -> Sequence[WantedLeg]:
        """What the committed state wants of channels."""
        ...

    def now(self) -> Micros:
        """Engine time."""
        ...


class Telephony(Protocol):
    """The telephone side: takes effects, sends inputs. Never blocks the caller, keeps order per channel."""

    def perform(self, effects: Sequence[Effect]) -> None: ...


class TextChannel(Protocol):
    """A text channel's adapter as the runtime sees it."""

    def perform(self, effects: Sequence[Effect]) -> None: ...


Committed = Callable[[Sequence[Recorded]], Awaitable[None]]
"""Called after each commit with the facts of the batch, in order."""
