"""`ringside extension`: the pool of numbers. A running engine takes changes up within five seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from api.bootstrap import open_database
from api.commands.common import CommandFailed, Context, Exit, asterisk_tells
from directory import service
from directory.model import DirectoryError
from directory.pool import list_extensions
from storage.settings import load_secrets

UNKNOWN = frozenset({"unknown_seat", "unknown_extension"})


T = TypeVar("T")


def _change(context: Context, work: Callable[[Session], T]) -> T:
    database = open_database(context.settings)
    try:
        with database.write() as session:
            return work(session)
    except DirectoryError as error:
        raise CommandFailed(
            Exit.UNKNOWN if error.code in UNKNOWN else Exit.REFUSED, f"{error.say} ({error.code})"
        ) from None
    finally:
        database.close()


def list_all(context: Context) -> int:
    """The pool, without passwords, with each phone as Asterisk has it now."""
    database = open_database(context.settings)
    try:
        with database.read() as session:
            pool = list_extensions(session)
    finally:
        database.close()
    phones = asterisk_tells(context, "phones")
    rows = [
        (one.number, one.kind, one.person or "-", one.short_code or "-", *_phone(context, phones.get(one.number)))
        for one in pool
    ]
    plain = [
        {
            "number": one.number,
            "kind": one.kind,
            "seat": one.person,
            "short_code": one.short_code,
            "phone": phones.get(one.number),
        }
        for one in pool
    ]
    heads = ("extension", "kind", "seat", "short_code", "phone", "address", "agent")
    context.table([f"head.{head}" for head in heads], rows, plain)
    return Exit.OK


def _phone(context: Context, phone: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if phone is None:
        return "-", "-", "-"
    answers = phone["answers"]
    state = context.words("phone.registered" if answers is None else "phone.answers" if answers else "phone.silent")
    return state, str(phone["address"]), str(phone["agent"])


def add(context: Context) -> int:
    """A new number; its password is shown this once (`ringside extension password` gives another one)."""

    def work(session: Session) -> int:
        service.create_extension(
            session,
            context.args.number,
            context.args.kind,
            licences=context.settings.phone_seats,
            short_code=context.args.short_code,
            emergency=context.settings.emergency_numbers,
        )
        return next(one.generation for one in list_extensions(session) if one.number == context.args.number)

    return _show(context, _change(context, work))


def password(context: Context) -> int:
    """A new password; the old one is not valid any more once the engine has taken it up."""
    return _show(context, _change(context, lambda session: service.renew_password(session, context.args.number)))


def _show(context: Context, generation: int) -> int:
    """The password that was just made."""
    text = load_secrets(context.settings).phone_password(context.args.number, generation)
    if context.args.json:
        context.table((), (), [{"number": context.args.number, "password": text}])
    else:
        context.say(text)
    return Exit.OK


def assign(context: Context) -> int:
    """Give it to a seat. It keeps its password, which who had it last does not know."""
    _change(context, lambda session: service.assign_extension(session, context.args.number, context.args.seat))
    context.say(context.words("done"))
    return Exit.OK


def move(context: Context) -> int:
    """Take it from whoever has it and give it to this seat; its password is shown where it is another one now."""
    number, seat = context.args.number, context.args.seat
    generation = _change(context, lambda session: service.move_extension(session, number, seat))
    if generation:
        return _show(context, generation)
    context.say(context.words("done"))
    return Exit.OK


def release(context: Context) -> int:
    """Nobody has it any more."""
    _change(context, lambda session: service.release_extension(session, context.args.number))
    context.say(context.words("done"))
    return Exit.OK
