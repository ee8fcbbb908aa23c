"""What agents and supervisors do with a conversation: hold, consult, transfer, hang up, dial, watch, pause."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from acd.core.inputs import (
    CallHungUp,
    ConsultAsked,
    Input,
    MoveMade,
    MuteAsked,
    OutboundAsked,
    PauseAsked,
    ResumeAsked,
    SeatSignedOut,
    StatusChosen,
    TransferAsked,
    WatchAsked,
    WatchLeft,
)
from acd.core.model import SECOND, EntryPlan, Route, Target, TargetKind, WatchMode
from acd.core.recording import LONGEST_PAUSE
from acd.core.shapes import Move
from acd.ports import DialRefused
from api.asking import in_pool
from api.auth.permissions import Permission
from api.auth.tokens import Token
from api.errors import ApiError
from api.gateway import KEYS
from api.routes.common import Use, Who
from api.routes.records import RecordOut, record_out
from api.schemas import Asked, Id, Reply, StatusChoice, moment, seat_with_holdings
from api.services import Services
from records.consumer import NotOpened, open_record_by
from records.model import ServiceRecord

router = APIRouter(tags=["handling"])

Item = Id
Dialled = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[+0-9*# ()./-]+$")]
Code = Annotated[str, StringConstraints(max_length=8, pattern=r"^[0-9*#]*$")]
MOST_PAUSE_S = LONGEST_PAUSE // SECOND


class MoveAsked(Asked):
    """hold, resume, swap, merge (three-way), split, coach, complete or cancel."""

    move: Move


class TargetAsked(Asked):
    """Whom: `id` of a seat, extension, queue or entry point; for outside a `number`, its outbound code in `prefix`."""

    kind: TargetKind
    id: Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_.+-]*$")] = ""
    number: Annotated[str, StringConstraints(max_length=40, pattern=r"^[+0-9*# ()./-]*$")] = ""
    prefix: Code = ""


class DialAsked(Asked):
    """`prefix` is the outbound code 外撥碼 (V14); without one the directory's default holds."""

    number: Dialled
    prefix: Code = ""


class Mute(Asked):
    on: bool


class Keys(Asked):
    """In the order they are sent."""

    digits: Annotated[str, StringConstraints(pattern=f"^{KEYS.pattern}$")]


class WatchAskedFor(Asked):
    """`seat` is the supervisor's own; asked again with another mode, it changes."""

    seat: Id
    mode: WatchMode


class Unwatch(Asked):
    seat: Id


class Pause(Asked):
    """Recording goes on by itself after so many seconds."""

    seconds: Annotated[int, Field(ge=1, le=MOST_PAUSE_S)] = 300


class Taken(BaseModel):
    """What a command came to. `offer` is the leg that is rung, where one is."""

    item: str
    offer: str
    note: str


class PauseTaken(Taken):
    """`resume_at`: then sound is written again by itself."""

    resume_at: datetime | None


async def settled_target(
    use: Services, who: Token, seat: str, item: str, asked: TargetAsked
) -> tuple[Target, Route | None, EntryPlan | None]:
    """The target with its route or plan. Raises ApiError; 403 for outside without the permission to dial."""
    match asked.kind:
        case TargetKind.OUTSIDE:
            if Permission.CALLS_DIAL not in who.permissions:
                raise ApiError(403, "forbidden", details={"permission": Permission.CALLS_DIAL.value})
            route = await asyncio.to_thread(route_of, use, seat, asked.number, asked.prefix)
            return Target(asked.kind), route, None
        case TargetKind.ENTRY:
            known = use.state.items.get(item)
            address = known.plan.address if known else ""
            plan = await asyncio.to_thread(use.plans.plan_of, asked.id, address)
            if plan is None:
                raise ApiError(404, "unknown_entry", say=f"There is no entry point {asked.id}.")
            return Target(asked.kind, asked.id), None, plan
        case TargetKind.EXTENSION if asked.id in use.state.extensions:
            return Target(TargetKind.SEAT, use.state.extensions[asked.id]), None, None
        case TargetKind.EXTENSION:
            if not await asyncio.to_thread(in_pool, use.database, asked.id):
                raise ApiError(404, "unknown_extension", say=f"There is no extension {asked.id}.")
            return Target(asked.kind, asked.id), None, None
        case TargetKind.SEAT | TargetKind.QUEUE:
            return Target(asked.kind, asked.id), None, None


def route_of(use: Services, seat: str, number: str, prefix: str) -> Route:
    """The way to a number outside, by the seat's dial class. Blocking. Raises ApiError with the refusal's code."""
    found = use.dial.route(seat, prefix + number)
    if isinstance(found, DialRefused):
        status = {"unknown_seat": 404, "bad_number": 422, "unknown_code": 422, "no_line": 409}.get(found.code, 403)
        raise ApiError(status, found.code, say=found.say)
    return found


async def _do(use: Services, token: Token, given: Input) -> Taken:
    done = await use.command(given, token)
    return Taken(item=done.item, offer=done.offer, note=done.note)


# --- the agent's own -------------------------------------------------------------------------------------------------


@router.post("/seats/{seat}/calls/{item}/move")
async def move(seat: Id, item: Item, asked: MoveAsked, use: Use, who: Who) -> Taken:
    """Hold and resume; what becomes of a consultation (V7, V8, V9). Refused where the conversation's shape has no such
    move."""
    return await _do(use, who, MoveMade(seat, item, asked.move))


@router.post("/seats/{seat}/calls/{item}/consult")
async def consult(seat: Id, item: Item, asked: TargetAsked, use: Use, who: Who) -> Taken:
    """Ring somebody while the customer waits (V7). Outside needs calls:dial too."""
    target, route, _ = await settled_target(use, who, seat, item, asked)
    return await _do(use, who, ConsultAsked(seat, item, target, route))


@router.post("/seats/{seat}/calls/{item}/transfer")
async def transfer(seat: Id, item: Item, asked: TargetAsked, use: Use, who: Who) -> Taken:
    """Hand the customer over at once (blind). Outside needs calls:dial too."""
    target, route, plan = await settled_target(use, who, seat, item, asked)
    return await _do(use, who, TransferAsked(seat, item, target, route, plan))


@router.post("/seats/{seat}/calls/{item}/hang-up")
async def hang_up(seat: Id, item: Item, use: Use, who: Who) -> Taken:
    """The agent leaves the conversation, with what follows from it."""
    return await _do(use, who, CallHungUp(seat, item))


@router.post("/seats/{seat}/calls/{item}/mute")
async def mute(seat: Id, item: Item, asked: Mute, use: Use, who: Who) -> Taken:
    """Close the agent's microphone or open it; nobody hears him, he hears all."""
    return await _do(use, who, MuteAsked(seat, item, asked.on))


@router.post("/seats/{seat}/calls/{item}/keys")
async def press_keys(seat: Id, item: Item, asked: Keys, use: Use, who: Who) -> Taken:
    """Keys for the other end's menus, sent as tones. They are written down nowhere."""
    done = await use.press(seat, item, asked.digits, who)
    return Taken(item=done.item, offer="", note="")


@router.post("/seats/{seat}/dial")
async def dial(seat: Id, asked: DialAsked, use: Use, who: Who) -> Taken:
    """Click-to-dial: the seat's phone rings, then the customer's. Destinations are denied by default (V14, V15)."""
    route = await asyncio.to_thread(route_of, use, seat, asked.number, asked.prefix)
    return await _do(use, who, OutboundAsked(seat, route))


@router.post("/calls/{item}/pause-recording")
async def pause_recording(item: Item, use: Use, who: Who, asked: Pause | None = None) -> PauseTaken:
    """Silence is written, and no digit the customer presses is told to anybody, until resumed or the time is over."""
    done = await _do(use, who, PauseAsked(item, (asked or Pause()).seconds * SECOND))
    return PauseTaken(**done.model_dump(), resume_at=moment(use.state.timers.get(f"pause:{item}", 0)))


@router.post("/calls/{item}/resume-recording")
async def resume_recording(item: Item, use: Use, who: Who) -> Taken:
    """Sound is written again."""
    return await _do(use, who, ResumeAsked(item))


@router.post("/seats/{seat}/calls/{item}/record", status_code=201)
async def make_record(seat: Id, item: Item, use: Use) -> RecordOut:
    """Make a service record of the seat's connected call out, where the directory's switch makes none by itself
    (V2)."""
    live = item in use.state.items
    return record_out(await asyncio.to_thread(_make_record, use, seat, item, live))


def _make_record(use: Services, seat: str, item: str, live: bool) -> ServiceRecord:
    try:
        with use.database.write() as session:
            return open_record_by(session, item, seat)
    except NotOpened as error:
        if live and error.code == "unknown_call":  # the worker may not have taken up yet what the state shows
            raise ApiError(503, "records_behind", say="The records are some seconds behind; ask again.") from None
        raise ApiError(404 if error.code == "unknown_call" else 409, error.code, say=str(error)) from None


# --- the supervisor's -------------------------------------------------------------------------------------------------


@router.post("/calls/{item}/watch")
async def watch(item: Item, asked: WatchAskedFor, use: Use, who: Who) -> Taken:
    """Listen, whisper to the agent, join, or take over (V10): the supervisor's phone rings."""
    return await _do(use, who, WatchAsked(asked.seat, item, asked.mode))


@router.post("/calls/{item}/unwatch")
async def unwatch(item: Item, asked: Unwatch, use: Use, who: Who) -> Taken:
    """Stop; the call is untouched."""
    return await _do(use, who, WatchLeft(asked.seat, item))


@router.delete("/calls/{item}")
async def end_call(item: Item, use: Use, who: Who) -> Taken:
    """End the whole conversation, whoever is in it."""
    found = use.state.items.get(item)
    return await _do(use, who, CallHungUp(found.seat if found else "", item, whole=True))


@router.post("/seats/{seat}/force-sign-out")
async def force_sign_out(seat: Id, use: Use, who: Who) -> Reply:
    """Log an agent out; what it serves is finished first."""
    return await _seat(use, who, seat, SeatSignedOut(seat, forced=True))


@router.post("/seats/{seat}/force-status")
async def force_status(seat: Id, asked: StatusChoice, use: Use, who: Who) -> Reply:
    """Choose a status for an agent; during a call it holds afterwards."""
    return await _seat(use, who, seat, StatusChosen(seat, asked.presence, asked.status))


async def _seat(use: Services, token: Token, seat: str, given: Input) -> Reply:
    done = await use.command(given, token)
    names = await use.seat_names()
    shown = seat_with_holdings(use.state, use.seat(seat), names.get(seat, ""))
    return Reply(item=done.item, offer=done.offer, note=done.note, seat=shown)
