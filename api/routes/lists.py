"""Callers' lists (blacklist, VIPs), and who would serve a caller."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StringConstraints, model_validator
from sqlalchemy.orm import Session

from api.asking import Asking, NotAMoment, asking, moment_asked, number_asked
from api.auth.permissions import Permission
from api.auth.tokens import Token
from api.changing import directory_refused
from api.errors import ApiError
from api.routes.common import Use, Who
from api.schemas import Asked, Filter, Id, moment
from api.services import Services
from directory import callers
from directory.callers import Blacklisted, Vip
from directory.dry_run import Answer, SeatAnswer, Seats, Step, with_seats
from directory.model import DirectoryError

router = APIRouter(tags=["callers"])
Number = Annotated[str, StringConstraints(max_length=40, pattern=r"^[+0-9*# ()./-]*$")]


class Somebody(Asked):
    """One of: a `number`, an `address` id, or the `call` he is in or was in."""

    number: Number = ""
    address: Filter = ""
    call: Filter = ""

    @model_validator(mode="after")
    def _one(self) -> Somebody:
        if sum(map(bool, (self.number, self.address, self.call))) != 1:
            raise ValueError("give one of number, address and call")
        return self


class Block(Somebody):
    """For 24 hours, or for good with the permission for it (C8)."""

    for_good: bool = False
    reason: Annotated[str, StringConstraints(max_length=callers.REASON_LENGTH)] = ""


class VipAsked(Somebody):
    """How many points higher his calls stand (D19); 0 takes him off."""

    priority: Annotated[int, Field(ge=0, le=callers.HIGHEST_PRIORITY)]


class BlacklistedOut(BaseModel):
    """`until` null: for good."""

    address: str
    number: str
    at: datetime | None
    until: datetime | None
    by: str
    via: str
    reason: str


class VipOut(BaseModel):
    address: str
    number: str
    priority: int
    at: datetime | None
    by: str


def _blocked(given: Blacklisted) -> BlacklistedOut:
    return BlacklistedOut(
        address=given.address,
        number=given.number,
        at=moment(given.at),
        until=moment(given.until),
        by=given.by,
        via=given.via,
        reason=given.reason,
    )


def _vip(given: Vip) -> VipOut:
    return VipOut(address=given.address, number=given.number, priority=given.priority, at=moment(given.at), by=given.by)


def live_address(use: Services, asked: Somebody) -> str:
    """The address of the live call that is meant, "" for none. In the event loop only: there the state stands still."""
    item = use.state.items.get(asked.call)
    return item.plan.address if item else ""


def address_of(use: Services, session: Session, asked: Somebody, live: str) -> str:
    """The address id of whoever is meant; a number is kept. Raises DirectoryError no_number, bad_number."""
    if asked.number:
        return number_asked(session, asked.number, use.settings.default_region)
    return asked.address or live or callers.address_of_call(session, asked.call)


@router.get("/blacklist")
def list_blacklist(use: Use) -> list[BlacklistedOut]:
    """Every entry that holds now, newest first."""
    with use.database.read() as session:
        return [_blocked(one) for one in callers.blacklisted(session, use.now())]


@router.post("/blacklist", status_code=201)
async def block(asked: Block, use: Use, who: Who) -> BlacklistedOut:
    """His next call is refused (D24)."""
    if asked.for_good and Permission.BLACKLIST_MANAGE not in who.permissions:
        raise ApiError(403, "forbidden", details={"permission": Permission.BLACKLIST_MANAGE.value})
    return _blocked(await asyncio.to_thread(_block, use, asked, who, live_address(use, asked)))


def _block(use: Services, asked: Block, who: Token, live: str) -> Blacklisted:
    try:
        with use.database.write() as session:
            return callers.block(
                session,
                address_of(use, session, asked, live),
                at=use.now(),
                by=f"token:{who.id}",
                via="api",
                reason=asked.reason,
                for_good=asked.for_good,
            )
    except DirectoryError as error:
        raise directory_refused(error) from None


@router.delete("/blacklist/{address}", status_code=204)
def unblock(address: Id, use: Use) -> None:
    """His next call is taken again."""
    try:
        with use.database.write() as session:
            callers.unblock(session, address)
    except DirectoryError as error:
        raise directory_refused(error) from None


@router.get("/vips")
def list_vips(use: Use) -> list[VipOut]:
    """Every one."""
    with use.database.read() as session:
        return [_vip(one) for one in callers.vips(session)]


@router.post("/vips")
async def set_vip(asked: VipAsked, use: Use, who: Who) -> list[VipOut]:
    """Put somebody on or off; the list after it."""
    return [_vip(one) for one in await asyncio.to_thread(_set_vip, use, asked, who, live_address(use, asked))]


def _set_vip(use: Services, asked: VipAsked, who: Token, live: str) -> list[Vip]:
    try:
        with use.database.write() as session:
            address = address_of(use, session, asked, live)
            callers.set_vip(session, address, asked.priority, at=use.now(), by=f"token:{who.id}")
            return list(callers.vips(session))
    except DirectoryError as error:
        raise directory_refused(error) from None


# --- who would serve? -----------------------------------------------------------------------------------------------


class StepOut(BaseModel):
    """Where the caller is, and where each way on leads. Its seats are taken as they come: a model for each of a hundred
    thousand would hold everybody up."""

    kind: str
    id: str
    prompt: str
    opening: str
    seats: tuple[SeatAnswer, ...]
    branches: list[BranchOut]


class BranchOut(BaseModel):
    """`by` is a key, "no key", overflow, closed or empty."""

    by: str
    step: StepOut


class WhoServesOut(BaseModel):
    """What would happen to the caller at that moment, with the seats as they are now. `refused` is the outcome of one
    who is refused; then there is no `step`."""

    entry: str
    at: datetime | None
    opening: str
    changes_at: datetime | None
    blacklisted: bool
    vip: int
    priority: int
    greeting: str
    refused: str
    step: StepOut | None


def step_out(given: Step) -> StepOut:
    """A step with everything below it."""
    return StepOut(
        kind=given.kind,
        id=given.id,
        prompt=given.prompt,
        opening=given.opening,
        seats=given.seats,
        branches=[BranchOut(by=one.by, step=step_out(one.step)) for one in given.branches],
    )


def answer_out(given: Answer) -> WhoServesOut:
    """The whole answer."""
    return WhoServesOut(
        entry=given.entry,
        at=moment(given.at),
        opening=given.opening,
        changes_at=moment(given.changes_at),
        blacklisted=given.blacklisted,
        vip=given.vip,
        priority=given.plan.priority,
        greeting=given.plan.greeting,
        refused=given.plan.refuse.value if given.plan.refuse else "",
        step=step_out(given.step) if given.step else None,
    )


@router.get("/who-serves", response_model=WhoServesOut)
async def who_serves(
    use: Use,
    entry: Annotated[str, Query(max_length=64)],
    caller: Number = "",
    at: Annotated[str, Query(max_length=40)] = "",
    keys: Annotated[str | None, Query(max_length=50, pattern=r"^[0-9*#,]*$")] = None,
) -> Response:
    """A dry run: hours, blacklist, VIP, greeting, menus to any depth, queue, and the seats that would be eligible.

    `at` is a time like "Sun 20:05" or 2026-12-25T20:05 in the organisation's zone; `keys` like 1,2 follows them alone.
    """
    settings = use.settings
    try:
        when = moment_asked(at, use.now(), settings.timezone)
        asked = await asyncio.to_thread(asking, use.database, entry, caller, when, settings.default_region, keys)
    except NotAMoment as error:
        raise ApiError(422, "bad_time", say=str(error)) from None
    except KeyError:
        raise ApiError(404, "unknown_entry", say=f"There is no entry point {entry}.") from None
    seats = await asked.seats(use.state)
    return Response(await asyncio.to_thread(_told, asked, seats), media_type="application/json")


def _told(asked: Asking, seats: Seats) -> str:
    """The answer's text: of a large centre it is some megabytes, which the event loop is spared."""
    return answer_out(with_seats(asked.path.answer, seats)).model_dump_json()
