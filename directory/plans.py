"""What an entry point does with one caller (acd.ports.EntryPlans): a few small queries, the definitions cached."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from acd.core.model import Destination, EntryPlan, Micros, Outcome, Route
from acd.ports import AddressSeen, CallerNumber, DialRefused
from directory import callers
from directory.calendar import Opening, opening
from directory.callers import PHONE, RAW_LENGTH, KnownAddress, keep_address, printable
from directory.definitions import read_revision, read_snapshot
from directory.dial_rules import CALLBACK, callback_route
from directory.model import EntryPoint, Snapshot
from directory.routes import settled
from storage import tables
from storage.session import Database

__all__ = ["CALLBACK", "PHONE", "CallerKnown", "DirectoryPlans", "KnownAddress", "keep_address", "plan_for"]


@dataclass(frozen=True, slots=True)
class CallerKnown:
    """What is known of a caller when his plan is made. `number` is E.164 where it is one, "" when none is shown."""

    address: KnownAddress = field(default_factory=lambda: KnownAddress(""))
    number: str = ""
    last_seat: str = ""
    blacklisted: bool = False
    vip: int = 0
    trunk: str = ""


def plan_for(given: Snapshot, entry: EntryPoint, caller: CallerKnown, at: Micros, region: str) -> EntryPlan:
    """The plan of an entry point for one caller at one moment. Pure: blacklist, then hours, then the greeting."""
    greeting, start, refuse = _beginning(given, entry, caller, at)
    return EntryPlan(
        entry=entry.id,
        revision=given.revision,
        queue=entry.queue,
        medium=entry.medium,
        greeting=greeting,
        start=settled(given, start),
        priority=entry.priority + caller.vip,
        needs=entry.needs,
        address=caller.address.id,
        contact=caller.address.contact,
        last_seat=caller.last_seat,
        refuse=refuse,
        trunk=caller.trunk,
        callback=_callback(given, entry, caller, region),
    )


def _beginning(
    given: Snapshot, entry: EntryPoint, caller: CallerKnown, at: Micros
) -> tuple[str, Destination | None, Outcome | None]:
    if caller.blacklisted:
        return entry.refused_prompt, None, Outcome.BLACKLISTED
    now = opening_of(given, entry.hours, at)
    if now is Opening.OPEN:
        return entry.greeting, entry.start, None
    prompt = (entry.break_prompt if now is Opening.BREAK else "") or entry.closed_prompt
    return prompt, entry.closed, None if entry.closed else Outcome.CLOSED


def opening_of(given: Snapshot, hours: str, at: Micros) -> Opening:
    """What those hours say; open where none are named."""
    found = given.hours_named(hours)
    return Opening.OPEN if found is None else opening(found, at)


def _callback(given: Snapshot, entry: EntryPoint, caller: CallerKnown, region: str) -> Route | None:
    if not entry.callback or not caller.number or caller.blacklisted:
        return None
    found = callback_route(given, entry.callback, caller.number, caller.address.id, region)
    return None if isinstance(found, DialRefused) else found


def _wall() -> Micros:
    return time.time_ns() // 1000


@dataclass(slots=True, eq=False)
class _Ask:
    """A new caller, until his address is kept."""

    caller: CallerNumber
    kept: KnownAddress | None = None


class DirectoryPlans:
    """acd.ports.EntryPlans on the directory's tables. Safe to call from several threads."""

    def __init__(self, database: Database, *, now: Callable[[], Micros] = _wall, region: str = "TW") -> None:
        """`now` decides hours and the blacklist; `region` reads numbers without a country code."""
        self._database, self._now, self._region = database, now, region
        self._lock = threading.Lock()
        self._keeping = threading.Lock()
        self._asks: list[_Ask] = []
        self._cached = Snapshot()

    def plan(self, seen: AddressSeen) -> EntryPlan | None:
        """The plan, or None for an entry point that does not exist. Keeps the address and gives its id in it."""
        at = self._now()
        raw, e164 = printable(seen.caller.raw, RAW_LENGTH), printable(seen.caller.e164, RAW_LENGTH)
        with self._database.read() as session:
            found = callers.find_caller(session, PHONE, raw, e164, at)
            given = self._snapshot(session, found.revision)
            entry = given.entry(seen.entry)
            if entry is None:
                return None
        known = CallerKnown(
            address=found.address or KnownAddress(""),
            number=e164,
            last_seat=found.last_seat,
            blacklisted=found.blocked,
            vip=found.vip,
            trunk=seen.trunk,
        )
        if found.address is None and (raw or e164):  # new to us, so nothing hangs on the address itself
            known = replace(known, address=self._keep(seen.caller))
        return plan_for(given, entry, known, at, self._region)

    def _keep(self, caller: CallerNumber) -> KnownAddress:
        """Keep a new address. Those who come while one transaction is written share the next.

        Each for himself, SQLite lets them wait by looking again after up to 100 ms: 0.7 s at the 95th percentile with
        60 new callers a second.
        """
        ask = _Ask(caller)
        with self._lock:
            self._asks.append(ask)
        with self._keeping:
            if ask.kept is None:
                with self._lock:
                    asks, self._asks = self._asks, []
                try:
                    self._keep_all([*(one for one in asks if one is not ask), ask])
                except Exception:  # one of them cannot be kept, so from here each tries for himself
                    self._keep_all([ask])
        assert ask.kept is not None
        return ask.kept

    def _keep_all(self, asks: Sequence[_Ask]) -> None:
        with self._database.write() as session:
            found = [keep_address(session, one.caller) for one in asks]
        for one, kept in zip(asks, found, strict=True):
            one.kept = kept

    def plan_of(self, entry_id: str, address: str) -> EntryPlan | None:
        """The plan for somebody whose address is known already (a transfer); None without that entry point."""
        at = self._now()
        with self._database.read() as session:
            given = self._snapshot(session, read_revision(session))
            entry = given.entry(entry_id)
            if entry is None:
                return None
            e164 = select(tables.addresses.c.e164).where(tables.addresses.c.id == address)
            number = session.execute(e164).scalar() or ""
            known = self._known(session, callers.contact_of(session, address), number, at, "")
        return plan_for(given, entry, known, at, self._region)

    def known(self, session: Session, raw: str, e164: str, at: Micros) -> CallerKnown:
        """What is known of a number that has not called now (dry runs); nothing is kept."""
        return self._known(session, callers.find_address(session, PHONE, raw, e164), e164, at, "")

    def _known(self, session: Session, address: KnownAddress | None, e164: str, at: Micros, trunk: str) -> CallerKnown:
        one = address or KnownAddress("")
        return CallerKnown(
            address=one,
            number=e164,
            last_seat=callers.last_seat(session, one.id),
            blacklisted=callers.is_blocked(session, one.id, e164, at),
            vip=callers.vip_priority(session, one.id, e164),
            trunk=trunk,
        )

    def _snapshot(self, session: Session, revision: int) -> Snapshot:
        with self._lock:
            if self._cached.revision != revision:
                self._cached = read_snapshot(session)
            return self._cached
