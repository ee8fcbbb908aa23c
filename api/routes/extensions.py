"""Extensions: the pool of numbers, and whose they are. The engine makes the telephone side follow by itself."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.errors import ApiError
from api.routes.common import Use
from api.schemas import Assignment, ExtensionOut, NewExtension, NewExtensionOut, Number
from directory import service
from directory.definitions import DirectoryError
from directory.service import Extension

router = APIRouter(prefix="/extensions", tags=["extensions"])

STATUS_OF: dict[str, int] = {
    "unknown_seat": 404,
    "unknown_extension": 404,
    "extension_exists": 409,
    "extension_taken": 409,
}
"""What the directory refuses, as HTTP; anything else is 422."""


def directory_refused(error: DirectoryError) -> ApiError:
    """The directory's refusal as an answer."""
    return ApiError(STATUS_OF.get(error.code, 422), error.code, say=error.say)


def _out(given: Extension) -> ExtensionOut:
    return ExtensionOut(number=given.number, kind=given.kind, seat=given.person)


def _one(session: Session, number: str) -> Extension:
    found = next((one for one in service.list_extensions(session) if one.number == number), None)
    if found is None:
        raise DirectoryError("unknown_extension", f"there is no extension {number} in the pool: create it first")
    return found


@router.get("")
def list_extensions(use: Use) -> list[ExtensionOut]:
    """The whole pool, by number, without passwords."""
    with use.database.read() as session:
        return [_out(one) for one in service.list_extensions(session)]


@router.post("", status_code=201)
def create_extension(asked: NewExtension, use: Use) -> NewExtensionOut:
    """A new number. Its SIP password is in this answer and never shown again."""
    try:
        with use.database.write() as session:
            service.create_extension(session, asked.number)
            made = _one(session, asked.number)
    except DirectoryError as error:
        raise directory_refused(error) from None
    password = use.secrets.phone_password(made.number, made.generation)
    return NewExtensionOut(number=made.number, kind=made.kind, seat=made.person, password=password)


@router.post("/{number}/assign")
def assign_extension(number: Number, asked: Assignment, use: Use) -> ExtensionOut:
    """Give it to a seat; what the seat had returns to the pool. One in use is never given twice."""
    try:
        with use.database.write() as session:
            service.assign_extension(session, number, asked.seat)
            return _out(_one(session, number))
    except DirectoryError as error:
        raise directory_refused(error) from None


@router.post("/{number}/release")
def release_extension(number: Number, use: Use) -> ExtensionOut:
    """Nobody has it any more."""
    try:
        with use.database.write() as session:
            service.release_extension(session, number)
            return _out(_one(session, number))
    except DirectoryError as error:
        raise directory_refused(error) from None
