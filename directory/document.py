"""The whole directory as one document: written out, and applied as a whole or not at all.

A section that a document has is the whole of it: what it leaves out goes out of use. Sections it does not have stay as
they are. Times are seconds; what has its default is left out. Passwords are never written out; one that is given is
sealed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.orm import Session

from acd.core.codec import dump, plain, read, storable
from acd.core.model import SECOND, MediumDef, Menu, Policy, QueueDef, SeatProfile, StatusDef, Way
from directory import changes, pool, service
from directory.callers import number_of
from directory.definitions import Definition, read_snapshot
from directory.dialling import outside
from directory.model import (
    DialClass,
    DirectoryError,
    EntryPoint,
    Hours,
    OutboundCode,
    Snapshot,
    Trunk,
)
from storage import tables

T = TypeVar("T")
Json = dict[str, Any]
TIMES = frozenset(
    "ring_time after first every timeout max_wait sl_threshold no_answer_back_off decline_back_off last_agent_wait"
    " priority_weight".split()
)
"""Fields that are microseconds inside and seconds in a document; a status's `limit` too, which is a count elsewhere."""
KINDS: Mapping[str, tuple[Table, type[Any]]] = {
    "media": (tables.media, MediumDef),
    "statuses": (tables.statuses, StatusDef),
    "hours": (tables.hours, Hours),
    "trunks": (tables.trunks, Trunk),
    "codes": (tables.outbound_codes, OutboundCode),
    "dial_classes": (tables.dial_classes, DialClass),
    "queues": (tables.queues, QueueDef),
    "menus": (tables.menus, Menu),
    "entries": (tables.entry_points, EntryPoint),
}
"""The sections that are definitions, in the order in which they are put: numbers outside need lines and classes."""
SECTIONS = ("policy", "outbound_record", "skills", *KINDS, "extensions", "seats")
MOST = 20_000
DEEPEST = 20
LARGEST = 2_000_000_000
"""What an integer of every database holds."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `what` is added, changed, removed or password; `fields` are those that changed."""

    section: str
    id: str
    what: str
    fields: tuple[str, ...] = ()


# --- writing out -----------------------------------------------------------------------------------------------------


def export(session: Session) -> Json:
    """The directory as a document."""
    given = read_snapshot(session)
    extensions = pool.list_extensions(session)
    names = service.seat_names(session)
    skills = session.execute(select(tables.skills.c.id, tables.skills.c.name).order_by(tables.skills.c.id))
    hours = {one.queue: one.hours for one in given.queue_hours}
    shown = _Shown(session)
    told: Json = {
        "policy": shown.of(given.policy),
        "outbound_record": given.outbound_record,
        "skills": {row.id: row.name for row in skills},
    }
    for section in KINDS:
        told[section] = [shown.of(one, status=section == "statuses") for one in getattr(given, section)]
    for queue in told["queues"]:
        if hours.get(queue["id"]):
            queue["hours"] = hours[queue["id"]]
    told["extensions"] = [
        {"number": one.number, "kind": one.kind} | ({"short_code": one.short_code} if one.short_code else {})
        for one in extensions
    ]
    told["seats"] = [_seat_out(shown, seat, names, given) for seat in given.seats]
    return told


def _seat_out(shown: _Shown, seat: SeatProfile, names: Mapping[str, str], given: Snapshot) -> Json:
    told = shown.of(seat) | {"name": names.get(seat.id, "")}
    allowed = given.class_of(seat.id)
    return told | {"dial_class": allowed} if allowed else told


@dataclass(frozen=True, slots=True)
class _Shown:
    """How definitions look in a document."""

    session: Session

    def of(self, definition: Any, *, status: bool = False) -> Json:
        """One definition, defaults left out."""
        told: Json = {}
        for one in dataclasses.fields(definition):
            value = getattr(definition, one.name)
            if one.default is not dataclasses.MISSING and value == one.default:
                continue
            if one.default_factory is not dataclasses.MISSING and value == one.default_factory():
                continue
            timed = one.name in TIMES or (status and one.name == "limit")
            told[one.name] = _seconds(value) if timed else self._value(value)
        return self._outside(told)

    def _value(self, value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return self.of(value)
        return [self._value(part) for part in value] if isinstance(value, tuple) else plain(value)

    def _outside(self, told: Json) -> Json:
        """A number outside in place of the route, which names it by an address id."""
        if told.get("way") != Way.OUTSIDE.value or "route" not in told:
            return told
        route = told.pop("route")
        return told | {"number": number_of(self.session, route["address"]), "code": route.get("prefix", "")}


def _seconds(value: int) -> int | float:
    return value // SECOND if value % SECOND == 0 else value / SECOND


# --- taking in -----------------------------------------------------------------------------------------------------


def apply(
    session: Session,
    document: object,
    *,
    key: bytes,
    region: str,
    licences: int = 0,
    emergency: Collection[str] = (),
) -> list[Change]:
    """Make the directory what the document says, checked as a whole; what changed. Without a change the revision stays.

    Raises DirectoryError: bad_document, or what the check says; roll back then. `key` seals passwords, `region` reads
    numbers, `licences` caps the extensions (V5), `emergency` are numbers that no extension may have.
    """
    if not isinstance(document, dict):
        raise DirectoryError("bad_document", "a document is an object of sections")
    _refuse_unstorable(document)
    if unknown := sorted(set(map(str, document)) - set(SECTIONS)):
        raise DirectoryError("bad_document", f"no section is called {unknown[0][:40]}; there are {', '.join(SECTIONS)}")
    pool.wait_turn(session)
    before, clashed = export(session), pool.clashes(session, emergency)
    passwords = list(_Taken(session, document, key, region, licences).take())
    pool.refuse_clash(pool.clashes(session, emergency) - clashed)
    differences = [*compare(before, export(session)), *passwords]
    if differences:
        service.changed(session)
    return differences


def _refuse_unstorable(document: Json) -> None:
    """Raises DirectoryError bad_document for what no table could hold: before anything is read from it or echoed."""
    waiting: list[tuple[object, int]] = [(document, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise DirectoryError("bad_document", f"nothing lies deeper than {DEEPEST} levels")
        if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
            raise DirectoryError("bad_document", f"no number is larger than {LARGEST}")
        if isinstance(value, dict):
            value = [*value, *value.values()]
        if isinstance(value, list):
            waiting += ((part, depth + 1) for part in value)
    if not storable(document):
        raise DirectoryError("bad_document", "texts are valid Unicode without NUL")


@dataclass(frozen=True, slots=True)
class _Taken:
    """A document on its way into the tables."""

    session: Session
    document: Json
    key: bytes
    region: str
    licences: int

    def take(self) -> Iterator[Change]:
        """Write every section; the passwords that were given."""
        self._organisation()
        known = self._skills()
        for section, (table, kind) in KINDS.items():
            if section in self.document:
                yield from self._definitions(section, table, kind)
        if "extensions" in self.document:
            self._extensions()
        if "seats" in self.document:
            self._seats()
        for skill in sorted(known):  # when nobody of this document has it any more
            changes.remove_skill(self.session, skill)

    def _organisation(self) -> None:
        if "policy" in self.document:
            policy = self._read("policy", Policy, self.document["policy"])
            self.session.execute(update(tables.directory_state).values(policy=dump(policy)))
        if "outbound_record" in self.document:
            on = self.document["outbound_record"]
            if not isinstance(on, bool):
                raise DirectoryError("bad_document", "outbound_record is true or false")
            self.session.execute(update(tables.directory_state).values(outbound_record=on))

    def _skills(self) -> set[str]:
        """Put those of the document; gives those that it leaves out."""
        if "skills" not in self.document:
            return set()
        wanted = self.document["skills"]
        if not isinstance(wanted, dict) or not all(isinstance(name, str) for name in wanted.values()):
            raise DirectoryError("bad_document", "skills are an object of id and name")
        known = set(self.session.scalars(select(tables.skills.c.id)))
        for skill, name in wanted.items():
            service.check_id(skill)
            if skill in known:
                of_skill = update(tables.skills).where(tables.skills.c.id == skill)
                self.session.execute(of_skill.values(name=name[:200]))
            else:
                self.session.execute(insert(tables.skills).values(id=skill, name=name[:200]))
        return known - wanted.keys()

    def _definitions(self, section: str, table: Table, kind: type[Definition]) -> Iterator[Change]:
        rows = self._rows(section)
        for position, row in enumerate(rows):
            hours = str(row.pop("hours", "")) if section == "queues" else ""
            password = row.pop("password", None) if section == "trunks" else None
            made = self._read(f"{section}[{position}]", kind, row)
            if section != "codes":
                service.check_id(made.id)
            service.keep(self.session, table, made)
            self.session.execute(update(table).where(table.c.id == made.id).values(position=position))
            if section == "queues":
                self.session.execute(update(table).where(table.c.id == made.id).values(hours=hours))
            if password is not None:
                changes.keep_password(self.session, made.id, self.key, str(password))
                yield Change(section, made.id, "password")
        self._take_out(section, table, [str(row["id"]) for row in rows])

    def _take_out(self, section: str, table: Table, wanted: list[str]) -> None:
        kept = set(self.session.scalars(select(table.c.id).where(table.c.archived.is_(False))))
        for gone in sorted(kept - set(wanted)):
            if section == "queues":
                left = delete(tables.person_queues).where(tables.person_queues.c.queue_id == gone)
                self.session.execute(left)
            changes.take_out(self.session, table, section, gone)

    def _extensions(self) -> None:
        rows = self._rows("extensions", "number")
        wanted = {one.number: one for one in map(_extension_read, rows)}
        known = {one.number: one for one in pool.list_extensions(self.session)}
        for gone in sorted(known.keys() - wanted.keys()):
            self._given_up(known[gone])
            self.session.execute(delete(tables.extensions).where(tables.extensions.c.number == gone))
        # Those that change are free first, so that two extensions may swap theirs.
        changed = [number for number in wanted.keys() & known if wanted[number].short_code != known[number].short_code]
        of_changed = update(tables.extensions).where(tables.extensions.c.number.in_(changed))
        self.session.execute(of_changed.values(short_code=""))
        for one in wanted.values():
            if one.number not in known:
                service.add_extension(self.session, one.number, one.kind, licences=self.licences)
            else:
                service.keep_kind(self.session, one.number, one.kind)
            service.keep_short_code(self.session, one.number, one.short_code)

    def _given_up(self, extension: pool.Extension) -> None:
        """Raises DirectoryError extension_taken unless the seats of this document let it go."""
        if not extension.person:
            return
        named = {str(row.get("extension", "")) for row in self._rows("seats")} if "seats" in self.document else None
        if named is None or extension.number in named:
            say = f"extension {extension.number} belongs to {extension.person}: take it from the seat in this document"
            raise DirectoryError("extension_taken", say)

    def _seats(self) -> None:
        rows = self._rows("seats")
        wanted = {str(row["id"]): row for row in rows}
        people = tables.people
        known = set(self.session.scalars(select(people.c.id).where(people.c.archived.is_(False))))
        had = [one for one in pool.list_extensions(self.session) if one.person]
        self.session.execute(update(tables.extensions).values(person_id=None))
        for gone in sorted(known - wanted.keys()):
            self.session.execute(update(people).where(people.c.id == gone).values(archived=True))
        for seat, row in wanted.items():
            name, dial_class = str(row.pop("name", "")), str(row.pop("dial_class", ""))
            profile = self._read(f"seat {seat[:40]}", SeatProfile, row)
            service.keep_seat(self.session, profile, name, dial_class)
        has = {one.number: one for one in pool.list_extensions(self.session)}
        for old in had:
            if has[old.number].person != old.person:
                pool.end_password(self.session, old)

    def _rows(self, section: str, key: str = "id") -> list[Json]:
        rows = self.document[section]
        if not isinstance(rows, list) or len(rows) > MOST or not all(isinstance(row, dict) for row in rows):
            raise DirectoryError("bad_document", f"{section} is a list of at most {MOST} objects")
        names = [row.get(key) for row in rows]
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            raise DirectoryError("bad_document", f"{section}: each has its own {key}")
        return [json.loads(json.dumps(row)) for row in rows]

    def _read(self, where: str, kind: type[T], data: object) -> T:
        try:
            return read(kind, self._inward(data, status=kind is StatusDef))
        except DirectoryError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
            raise DirectoryError("bad_document", f"{where}: {str(error)[:200]}") from None

    def _inward(self, data: object, *, status: bool = False) -> object:
        """Seconds as microseconds, numbers outside as routes."""
        if isinstance(data, list):
            return [self._inward(part) for part in data]
        if not isinstance(data, dict):
            return data
        told = {
            name: _micros(value) if name in TIMES or (status and name == "limit") else self._inward(value)
            for name, value in data.items()
        }
        if told.get("way") == Way.OUTSIDE.value:
            number, code = str(told.pop("number", "")), str(told.pop("code", ""))
            given = read_snapshot(self.session)
            told["route"] = plain(outside(self.session, given, number, code, self.region))
        return told


def _extension_read(row: Json) -> pool.Extension:
    """A row of the extensions. Raises DirectoryError bad_document."""
    number = str(row["number"])
    if unknown := row.keys() - {"number", "kind", "short_code"}:
        raise DirectoryError("bad_document", f"extension {number[:20]} has no {sorted(unknown)[0][:40]}")
    return pool.Extension(number, str(row.get("kind", "softphone")), short_code=str(row.get("short_code", "")))


def _micros(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a time is a number of seconds, not {str(value)[:40]!r}")
    return int(Decimal(str(value)) * SECOND)


# --- what differs ----------------------------------------------------------------------------------------------------


def compare(before: Json, after: Json) -> list[Change]:
    """Every difference of two documents."""
    found: list[Change] = []
    for section in SECTIONS:
        old, new = _by_id(before[section]), _by_id(after[section])
        for one in (*new, *(gone for gone in old if gone not in new)):
            if one not in old:
                found.append(Change(section, one, "added"))
            elif one not in new:
                found.append(Change(section, one, "removed"))
            elif old[one] != new[one]:
                found.append(Change(section, one, "changed", _fields(old[one], new[one])))
    return found


def _by_id(section: object) -> dict[str, Any]:
    if isinstance(section, list):
        return {row.get("id") or row["number"]: row for row in section}
    return section if isinstance(section, dict) else {"": section}


def _fields(old: object, new: object) -> tuple[str, ...]:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return ()
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))
