"""Extensions: the pool of numbers, and whose they are. The engine makes the telephone side follow by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.changing import directory_refused
from api.routes.common import Use
from api.schemas import (
    Assignment,
    ExtensionOut,
    MovedExtensionOut,
    NewExtension,
    NewExtensionOut,
    Number,
    PhoneOut,
    ShortCode,
)
from api.services import Services
from directory import service
from directory.model import DirectoryError
from directory.service import Extension

router = APIRouter(prefix="/extensions", tags=["extensions"])
PHONE = ("address", "agent", "answers", "round_trip_us", "expires_at")


def _out(given: Extension, phone: Mapping[str, Any] | None = None) -> ExtensionOut:
    state = PhoneOut(registered=True, **{name: phone[name] for name in PHONE}) if phone else None
    return ExtensionOut(
        number=given.number, kind=given.kind, seat=given.person, short_code=given.short_code, phone=state
    )


def _one(session: Session, number: str) -> Extension:
    found = next((one for one in service.list_extensions(session) if one.number == number), None)
    if found is None:
        raise DirectoryError("unknown_extension", f"there is no extension {number} in the pool: create it first")
    return found


@router.get("")
async def list_extensions(use: Use) -> list[ExtensionOut]:
    """The whole pool, by number, without passwords, with each phone as Asterisk has it now."""

    def read() -> list[Extension]:
        with use.database.read() as session:
            return service.list_extensions(session)

    phones = await use.phones()
    return [_out(one, phones.get(one.number)) for one in await asyncio.to_thread(read)]


@router.post("", status_code=201)
def create_extension(asked: NewExtension, use: Use) -> NewExtensionOut:
    """A new number. Its SIP password is in this answer and never shown again."""
    try:
        with use.database.write() as session:
            service.create_extension(
                session,
                asked.number,
                asked.kind,
                licences=use.settings.phone_seats,
                short_code=asked.short_code,
                emergency=use.settings.emergency_numbers,
            )
            made = _one(session, asked.number)
    except DirectoryError as error:
        raise directory_refused(error) from None
    return _with_password(use, made)


def _with_password(use: Services, made: Extension) -> NewExtensionOut:
    password = use.secrets.phone_password(made.number, made.generation)
    return NewExtensionOut(**_out(made).model_dump(), password=password)


@router.post("/{number}/password")
def renew_password(number: Number, use: Use) -> NewExtensionOut:
    """Another SIP password, in this answer and never shown again; the one before ends."""
    try:
        with use.database.write() as session:
            service.renew_password(session, number)
            return _with_password(use, _one(session, number))
    except DirectoryError as error:
        raise directory_refused(error) from None


@router.post("/{number}/assign")
def assign_extension(number: Number, asked: Assignment, use: Use) -> ExtensionOut:
    """Give it to a seat; what the seat had returns to the pool. One in use is never given twice. It keeps its password,
    which who had it last does not know."""
    return _changed(use, number, lambda session: service.assign_extension(session, number, asked.seat))


@router.post("/{number}/release")
def release_extension(number: Number, use: Use) -> ExtensionOut:
    """Nobody has it any more."""
    try:
        with use.database.write() as session:
            service.release_extension(session, number)
            return _out(_one(session, number))
    except DirectoryError as error:
        raise directory_refused(error) from None


@router.post("/{number}/move")
def move_extension(number: Number, asked: Assignment, use: Use) -> MovedExtensionOut:
    """Take it from whoever has it and give it to this seat. Where somebody else had it, it has another password then,
    which is in this answer; but a desk phone keeps its own."""
    try:
        with use.database.write() as session:
            generation = service.move_extension(session, number, asked.seat)
            moved = _out(_one(session, number))
    except DirectoryError as error:
        raise directory_refused(error) from None
    password = use.secrets.phone_password(number, generation) if generation else None
    return MovedExtensionOut(**moved.model_dump(), password=password)


@router.post("/{number}/short-code")
def set_short_code(number: Number, asked: ShortCode, use: Use) -> ExtensionOut:
    """What may be dialled instead of it (V16)."""
    emergency = use.settings.emergency_numbers
    return _changed(use, number, lambda session: service.set_short_code(session, number, asked.short_code, emergency))


@router.delete("/{number}", status_code=204)
def delete_extension(number: Number, use: Use) -> None:
    """Take a free one out of the pool."""
    try:
        with use.database.write() as session:
            service.delete_extension(session, number)
    except DirectoryError as error:
        raise directory_refused(error) from None


def _changed(use: Services, number: str, work: Callable[[Session], None]) -> ExtensionOut:
    try:
        with use.database.write() as session:
            work(session)
            return _out(_one(session, number))
    except DirectoryError as error:
        raise directory_refused(error) from None
