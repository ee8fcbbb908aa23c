"""Changes of the directory. Each works in the session it is given and never commits; each checks the whole directory
and raises its revision in the same transaction, so that the engine takes up all of it or nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.orm import Session

from acd.core.codec import dump
from acd.core.model import MediumDef, MediumLimit, Policy, QueueDef, SeatProfile, SeatQueue, SkillLevel, StatusDef
from directory.definitions import Definition, problems, read_snapshot, to_row
from directory.model import DirectoryError, EntryPoint
from directory.pool import (
    DESK,
    Extension,
    check_kind,
    clashes,
    ensure_state,
    extension,
    extensions_of,
    free,
    list_extensions,
    meaning,
    next_generation,
    refuse_clash,
    wait_turn,
)
from storage import tables

__all__ = ["Extension", "list_extensions"]
"""Of directory.pool; whoever changes the directory looks for them here."""

ID_LENGTH = 64
NAME_LENGTH = 200
SAFE_ID = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+")
"""What an id may be made of: it travels into dialplans, file names and URLs."""


SHORT_CODE = frozenset("0123456789*#")


# --- people ----------------------------------------------------------------------------------------------------


def list_seats(session: Session) -> tuple[SeatProfile, ...]:
    """Every seat in use, by id."""
    return read_snapshot(session).seats


def seat_names(session: Session) -> dict[str, str]:
    """Seat id -> the person's name, those who left included: names are kept here alone, never in facts."""
    return {row.id: row.name for row in session.execute(select(tables.people.c.id, tables.people.c.name))}


def create_seat(session: Session, profile: SeatProfile, name: str) -> None:
    """A new person and seat, with queues, skills, limits and, if named, an extension of the pool.

    Raises DirectoryError seat_exists: ids are never used again, not even of those who left.
    """
    check_id(profile.id)
    wait_turn(session)
    if session.execute(select(tables.people.c.id).where(tables.people.c.id == profile.id)).scalar() is not None:
        raise DirectoryError("seat_exists", f"seat id {profile.id} was given before; ids are never used again")
    session.execute(insert(tables.people).values(**_person(profile), name=_name(name), archived=False))
    _keep_parts(session, profile)
    changed(session)


def set_seat(session: Session, profile: SeatProfile, name: str = "") -> None:
    """Replace what a seat may do, its extension included, and the name if one is given. Raises DirectoryError
    unknown_seat."""
    _known_person(session, profile.id)
    session.execute(update(tables.people).where(tables.people.c.id == profile.id).values(**_person(profile)))
    if name:
        session.execute(update(tables.people).where(tables.people.c.id == profile.id).values(name=_name(name)))
    _keep_parts(session, profile)
    changed(session)


def keep_seat(session: Session, profile: SeatProfile, name: str, dial_class: str) -> None:
    """A new or changed seat with its parts; the directory is not checked yet. Raises DirectoryError seat_exists for one
    that left before, unknown_extension, extension_taken."""
    people = tables.people.c
    gone = session.execute(select(people.archived).where(people.id == profile.id)).scalar()
    if gone:
        raise DirectoryError("seat_exists", f"seat id {profile.id} was given before; ids are never used again")
    row = {**_person(profile), "dial_class": dial_class}
    if gone is None:
        check_id(profile.id)
        session.execute(insert(tables.people).values(**row, name=_name(name), archived=False))
    else:
        session.execute(update(tables.people).where(people.id == profile.id).values(**row))
        if name:
            session.execute(update(tables.people).where(people.id == profile.id).values(name=_name(name)))
    _keep_parts(session, profile)


def archive_seat(session: Session, seat: str) -> None:
    """The person leaves: the seat goes out of use, its extension returns to the pool, its records stay (R8)."""
    _known_person(session, seat)
    _release_of(session, seat)
    session.execute(update(tables.people).where(tables.people.c.id == seat).values(archived=True))
    changed(session)


def set_membership(session: Session, seat: str, queues: Sequence[SeatQueue]) -> None:
    """The queues a seat serves from now on."""
    _known_person(session, seat)
    _replace(session, tables.person_queues, seat, _queue_rows(queues))
    changed(session)


def set_skills(session: Session, seat: str, skills: Sequence[SkillLevel]) -> None:
    """The skills a seat has from now on; new names join the list of skills."""
    _known_person(session, seat)
    keep_skills(session, skills)
    _replace(session, tables.person_skills, seat, _skill_rows(skills))
    changed(session)


def set_dial_class(session: Session, seat: str, dial_class: str) -> None:
    """Which numbers outside a seat may call; "" = none. Raises DirectoryError unknown_seat, unknown_dial_class."""
    _known_person(session, seat)
    session.execute(update(tables.people).where(tables.people.c.id == seat).values(dial_class=dial_class))
    changed(session)


def _person(profile: SeatProfile) -> dict[str, object]:
    return {
        "id": profile.id,
        "total_limit": profile.total_limit,
        "one_open_case": profile.one_open_case,
    }


def _keep_parts(session: Session, profile: SeatProfile) -> None:
    keep_skills(session, profile.skills)
    _replace(session, tables.person_queues, profile.id, _queue_rows(profile.queues))
    _replace(session, tables.person_skills, profile.id, _skill_rows(profile.skills))
    _replace(session, tables.person_limits, profile.id, _limit_rows(profile.limits))
    _give(session, profile.extension, profile.id)


def _queue_rows(queues: Sequence[SeatQueue]) -> list[dict[str, object]]:
    return [{"queue_id": joined.queue, "rank": joined.rank} for joined in queues]


def _skill_rows(skills: Sequence[SkillLevel]) -> list[dict[str, object]]:
    return [{"skill_id": has.skill, "level": has.level} for has in skills]


def _limit_rows(limits: Sequence[MediumLimit]) -> list[dict[str, object]]:
    return [{"medium_id": limit.medium, "limit": limit.limit} for limit in limits]


def _replace(session: Session, table: Table, person: str, rows: list[dict[str, object]]) -> None:
    session.execute(delete(table).where(table.c.person_id == person))
    if rows:
        session.execute(insert(table), [{"person_id": person, **row} for row in rows])


def _known_person(session: Session, seat: str) -> None:
    """Raises DirectoryError unknown_seat. Whoever is there stays until our end."""
    wait_turn(session)
    people = tables.people.c
    found = select(people.id).where(people.id == seat, people.archived.is_(False))
    if session.execute(found).scalar() is None:
        raise DirectoryError("unknown_seat", f"there is no seat {seat}; `ringside seat list` shows them")


# --- skills ----------------------------------------------------------------------------------------------------


def create_skill(session: Session, skill: str, name: str = "") -> None:
    """A skill that seats may have and queues may need. Again: its name is replaced."""
    check_id(skill)
    keep_skills(session, (SkillLevel(skill),))
    if name:
        session.execute(update(tables.skills).where(tables.skills.c.id == skill).values(name=_name(name)))
    changed(session)


def keep_skills(session: Session, skills: Sequence[SkillLevel]) -> None:
    """Skills that are not known yet join the list."""
    wait_turn(session)
    known = frozenset(session.scalars(select(tables.skills.c.id)))
    for has in skills:
        if has.skill not in known:
            check_id(has.skill)
            session.execute(insert(tables.skills).values(id=has.skill, name=has.skill))


# --- extensions ------------------------------------------------------------------------------------------------


def create_extension(
    session: Session,
    number: str,
    kind: str = "softphone",
    *,
    licences: int = 0,
    short_code: str = "",
    emergency: Collection[str] = (),
) -> None:
    """A new number in the pool, given to nobody. `licences`: the pool has at most so many (V5), 0 = no limit;
    `emergency`: numbers that nothing else may have.

    Raises DirectoryError bad_extension, extension_exists, no_licence, short_code_taken, number_taken.
    """
    add_extension(session, number, kind, licences=licences)
    keep_short_code(session, number, short_code)
    _own(session, {number, short_code}, emergency)
    changed(session)


def add_extension(session: Session, number: str, kind: str, *, licences: int) -> None:
    """The row of a new number; the directory is not checked yet. Raises as `create_extension`."""
    if not (number.isascii() and number.isdigit() and 2 <= len(number) <= 10):
        raise DirectoryError("bad_extension", f"{number[:20]!r} is not a number of 2 to 10 digits")
    check_kind(kind)
    generation = next_generation(session)  # takes the lock, so that two who add at once are counted one by one
    holder = meaning(session, number)
    if holder is not None and holder.number == number:
        raise DirectoryError("extension_exists", f"extension {number} is in the pool already")
    if holder is not None:
        raise DirectoryError("short_code_taken", f"{number} is the short code of extension {holder.number}")
    pool = session.execute(select(func.count()).select_from(tables.extensions)).scalar_one()
    if licences and pool >= licences:
        raise DirectoryError(
            "no_licence", f"all {licences} phone seats are used: take an extension out of the pool or buy another seat"
        )
    session.execute(insert(tables.extensions).values(number=number, kind=kind, generation=generation, person_id=None))


def keep_kind(session: Session, number: str, kind: str) -> None:
    """Another kind of phone on a number; its password is another one then. The directory is not checked yet."""
    check_kind(kind)
    found = _extension(session, number)
    if found is not None and found.kind != kind:
        of_number = update(tables.extensions).where(tables.extensions.c.number == number)
        session.execute(of_number.values(kind=kind, generation=next_generation(session)))


def _own(session: Session, numbers: Collection[str], emergency: Collection[str] = ()) -> None:
    """Raises DirectoryError number_taken where one of these is an extension or short code and something else too. What
    older installations have of that stays until it is changed."""
    refuse_clash([clash for clash in clashes(session, emergency) if clash[0] in numbers])


def set_short_code(session: Session, number: str, short_code: str, emergency: Collection[str] = ()) -> None:
    """What may be dialled instead of the extension (V16), "" for nothing. Raises DirectoryError bad_extension,
    unknown_extension, short_code_taken, number_taken."""
    keep_short_code(session, number, short_code)
    _own(session, {short_code}, emergency)
    changed(session)


def keep_short_code(session: Session, number: str, short_code: str) -> None:
    """As `set_short_code`; the directory is not checked yet."""
    wait_turn(session)
    if len(short_code) > 8 or not SHORT_CODE.issuperset(short_code):
        raise DirectoryError("bad_extension", f"short code {short_code[:20]!r}: 1 to 8 digits, * and #")
    if extension(session, number) is None:
        raise _no_extension(number)
    if short_code and meaning(session, short_code, besides=number) is not None:
        raise DirectoryError("short_code_taken", f"{short_code} is another extension's number or short code")
    extensions = tables.extensions
    session.execute(update(extensions).where(extensions.c.number == number).values(short_code=short_code))


def assign_extension(session: Session, number: str, seat: str) -> None:
    """Give a free extension to a seat; what the seat had returns to the pool, with another password.

    Raises DirectoryError unknown_seat, unknown_extension, extension_taken: one in use is never given twice, and
    softphone_bound: a desk phone goes to nobody who has a softphone (V5).
    """
    _known_person(session, seat)
    _no_softphone(session, number, seat)
    _give(session, number, seat)
    changed(session)


def move_extension(session: Session, number: str, seat: str) -> int:
    """Take an extension from whoever has it and give it to this seat. The generation of the other password it has then,
    0 where it keeps its own: nobody had it, the seat has it already, or it is a desk phone's.

    Raises DirectoryError unknown_seat, unknown_extension, softphone_bound.
    """
    _known_person(session, seat)
    found = _extension(session, number)
    if found is None:
        raise _no_extension(number)
    _no_softphone(session, number, seat)
    generation = free(session, found) if found.person != seat else 0
    _give(session, number, seat)
    changed(session)
    return generation


def _no_softphone(session: Session, number: str, seat: str) -> None:
    """V5: an employee with a hardphone is not bound to a softphone seat."""
    given = extension(session, number)
    soft = next((one.number for one in extensions_of(session, seat) if one.kind != DESK), "")
    if given is not None and given.kind == DESK and soft:
        raise DirectoryError(
            "softphone_bound", f"seat {seat} has softphone {soft}: release it before a desk phone is given"
        )


def release_extension(session: Session, number: str) -> None:
    """The extension returns to the pool; nobody has it, and but for a desk phone nobody knows its password. Raises
    DirectoryError unknown_extension."""
    found = _extension(session, number)
    if found is None:
        raise _no_extension(number)
    free(session, found)
    changed(session)


def delete_extension(session: Session, number: str) -> None:
    """Take a free extension out of the pool. Raises DirectoryError unknown_extension, extension_taken."""
    found = _extension(session, number)
    if found is None:
        raise _no_extension(number)
    if found.person:
        raise DirectoryError("extension_taken", f"extension {number} belongs to {found.person}: release it first")
    session.execute(delete(tables.extensions).where(tables.extensions.c.number == number))
    changed(session)


def renew_password(session: Session, number: str) -> int:
    """Another SIP password from now on; the new generation. Raises DirectoryError unknown_extension.

    The password itself is derived from the installation's secret and the generation; no table holds it.
    """
    found = _extension(session, number)
    if found is None:
        raise _no_extension(number)
    generation = next_generation(session)
    of_number = update(tables.extensions).where(tables.extensions.c.number == number)
    session.execute(of_number.values(generation=generation))
    changed(session)
    return generation


def _extension(session: Session, number: str) -> Extension | None:
    """As it is and stays until our end."""
    wait_turn(session)
    return extension(session, number)


def _give(session: Session, number: str, seat: str) -> None:
    """`seat` has this number, "" for none, and no other."""
    found = _extension(session, number)
    if found is not None and found.person == seat:
        return
    _release_of(session, seat)
    if not number:
        return
    if found is None:
        raise _no_extension(number)
    extensions = tables.extensions
    nobody = update(extensions).where(extensions.c.number == number, extensions.c.person_id.is_(None))
    given = session.execute(nobody.values(person_id=seat).returning(extensions.c.number)).scalar()
    if given is None:  # asked in the same statement, so that two who give it at once cannot both succeed
        raise DirectoryError("extension_taken", f"extension {number} belongs to {found.person}: release it first")


def _release_of(session: Session, seat: str) -> None:
    for one in extensions_of(session, seat):
        free(session, one)


def _no_extension(number: str) -> DirectoryError:
    return DirectoryError("unknown_extension", f"there is no extension {number} in the pool: create it first")


# --- queues, entry points, media, statuses, policy ---------------------------------------------------------------


def list_queues(session: Session) -> tuple[QueueDef, ...]:
    """Every queue in use, in the order of the directory."""
    return read_snapshot(session).queues


def put_queue(session: Session, queue: QueueDef) -> None:
    """A new queue, or a new definition of one. Raises DirectoryError queue_archived: ids are never used again."""
    check_id(queue.id)
    gone = select(tables.queues.c.id).where(tables.queues.c.id == queue.id, tables.queues.c.archived.is_(True))
    if session.execute(gone).scalar() is not None:
        raise DirectoryError("queue_archived", f"queue id {queue.id} was given before; ids are never used again")
    keep_skills(session, (*queue.needs, *(need for ring in queue.rings for need in ring.needs)))
    keep(session, tables.queues, queue)
    changed(session)


def archive_queue(session: Session, queue: str, move_to: str = "") -> None:
    """Take a queue out of use: who waits there moves to `move_to`, or is served where he is. Seats leave it.

    Raises DirectoryError unknown_queue, also where an entry point or a menu still leads to it.
    """
    wait_turn(session)
    if queue not in {known.id for known in read_snapshot(session).queues}:
        raise DirectoryError("unknown_queue", f"there is no queue {queue}")
    session.execute(delete(tables.person_queues).where(tables.person_queues.c.queue_id == queue))
    session.execute(update(tables.queues).where(tables.queues.c.id == queue).values(archived=True, move_to=move_to))
    changed(session)


def put_entry_point(session: Session, entry: EntryPoint) -> None:
    """A new entry point, or a new definition of one. Raises DirectoryError number_taken for a new one that an extension
    has."""
    check_id(entry.id)
    keep_skills(session, entry.needs)
    keep_number(session, tables.entry_points, entry)
    changed(session)


def keep_number(session: Session, table: Table, definition: Definition) -> None:
    """As `keep`, for what is dialled by its id: a new one takes no extension's number."""
    before = clashes(session)
    keep(session, table, definition)
    refuse_clash(clashes(session) - before)


def put_medium(session: Session, medium: MediumDef) -> None:
    """A new medium, or a new definition of one (D4, D8)."""
    check_id(medium.id)
    keep(session, tables.media, medium)
    changed(session)


def put_status(session: Session, status: StatusDef) -> None:
    """A new status, or a new definition of one. With `after_login` it becomes the one that holds after log-in."""
    check_id(status.id)
    if status.after_login:
        for other in read_snapshot(session).statuses:
            if other.presence is status.presence and other.after_login and other.id != status.id:
                keep(session, tables.statuses, dataclasses.replace(other, after_login=False))
    keep(session, tables.statuses, status)
    changed(session)


def set_policy(session: Session, policy: Policy) -> None:
    """The organisation's rules."""
    ensure_state(session)
    session.execute(update(tables.directory_state).values(policy=dump(policy)))
    changed(session)


def set_outbound_record(session: Session, on: bool) -> None:
    """V2's switch: on, a connected outbound call opens a service record by itself."""
    ensure_state(session)
    session.execute(update(tables.directory_state).values(outbound_record=on))
    changed(session)


def keep(session: Session, table: Table, definition: Definition) -> None:
    """Put the row of a definition; the directory is not checked yet."""
    wait_turn(session)
    row = to_row(definition)
    found = session.execute(select(table.c.id).where(table.c.id == definition.id)).scalar()
    if found is None:
        position = session.execute(select(func.count()).select_from(table)).scalar_one()
        session.execute(insert(table).values(**row, position=position))
        return
    session.execute(update(table).where(table.c.id == definition.id).values(**row))


# --- the revision ------------------------------------------------------------------------------------------------


def changed(session: Session) -> int:
    """Check the whole directory and raise its revision; the new revision. Raises DirectoryError: roll back then."""
    ensure_state(session)
    session.execute(update(tables.directory_state).values(revision=tables.directory_state.c.revision + 1))
    given = read_snapshot(session)
    for problem in problems(given):
        raise DirectoryError(problem.code, problem.say)
    return given.revision


def check_id(given: str) -> None:
    """Raises DirectoryError bad_id for what can be no id."""
    if not given or len(given) > ID_LENGTH or not SAFE_ID.issuperset(given):
        raise DirectoryError("bad_id", f"{given[:ID_LENGTH]!r} is no id: 1 to {ID_LENGTH} letters, digits, _ - . +")


def _name(given: str) -> str:
    cleaned = "".join(letter for letter in given if letter.isprintable()).strip()
    if not cleaned or len(cleaned) > NAME_LENGTH:
        raise DirectoryError("bad_name", f"a name has 1 to {NAME_LENGTH} printable letters")
    return cleaned
