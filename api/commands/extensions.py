"""`ringside extension`: the pool of numbers. A running engine takes changes up within five seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.bootstrap import open_database
from api.commands.common import CommandFailed, Context, Exit, asterisk_tells
from directory import service
from directory.model import DirectoryError
from directory.pool import list_extensions
from storage.settings import load_secrets

UNKNOWN = frozenset({"unknown_seat", "unknown_extension"})


def _change(context: Context, work: Callable[[Session], object]) -> None:
    database = open_database(context.settings)
    try:
        with database.write() as session:
            work(session)
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
    _change(
        context,
        lambda session: service.create_extension(
            session,
            context.args.number,
            context.args.kind,
            licences=context.settings.phone_seats,
            short_code=context.args.short_code,
            emergency=context.settings.emergency_numbers,
        ),
    )
    return _show(context)


def password(context: Context) -> int:
    """A new password; the old one is not valid any more once the engine has taken it up."""
    _change(context, lambda session: service.renew_password(session, context.args.number))
    return _show(context)


def _show(context: Context) -> int:
    """The password of the extension that was just changed."""
    database = open_database(context.settings)
    try:
        with database.read() as session:
            pool = {one.number: one.generation for one in list_extensions(session)}
    finally:
        database.close()
    text = load_secrets(context.settings).phone_password(context.args.number, pool[context.args.number])
    if context.args.json:
        context.table((), (), [{"number": context.args.number, "password": text}])
    else:
        context.say(text)
    return Exit.OK


def assign(context: Context) -> int:
    """Give it to a seat; its password is shown, since who had it last has another one."""
    _change(context, lambda session: service.assign_extension(session, context.args.number, context.args.seat))
    return _show(context)


def move(context: Context) -> int:
    """Take it from whoever has it and give it to this seat. But for a desk phone its password is another one now."""
    _change(context, lambda session: service.move_extension(session, context.args.number, context.args.seat))
    return _show(context)


def release(context: Context) -> int:
    """Nobody has it any more."""
    _change(context, lambda session: service.release_extension(session, context.args.number))
    context.say(context.words("done"))
    return Exit.OK
