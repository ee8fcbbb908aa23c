"""Call information (V12): what is known of one call, while it lasts and afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from acd.core.model import Phase, State, WatchMode, WorkItem
from acd.core.shapes import PLACES, Place
from api.errors import ApiError
from api.routes.common import Use
from api.schemas import Id, moment
from api.services import Services
from directory import callers
from records import queries
from records.model import Interaction, MarkKind

router = APIRouter(prefix="/calls", tags=["calls"])


WATCHER_PLACES: Mapping[WatchMode, str] = {
    WatchMode.LISTEN: "listen",
    WatchMode.WHISPER: Place.COACH.value,
    WatchMode.JOIN: Place.BRIDGE.value,
    WatchMode.TAKE_OVER: Place.BRIDGE.value,
}
"""Where a supervisor is by who hears him, once his phone has answered."""


class KeyPressed(BaseModel):
    """A menu the caller went through, and the key he pressed; "" for none."""

    menu: str
    digit: str
    at: datetime | None


class PartyOut(BaseModel):
    """Somebody of the conversation. `place` is bridge, hold, ringing or coach, for a supervisor bridge (all hear him),
    listen (nobody), coach (the agent alone) or ringing; `mode` is a supervisor's."""

    who: str
    seat: str
    place: str
    since: datetime | None
    mode: str = ""


class InformationOut(BaseModel):
    """The facts and flags of one call. `wait_seconds` is in the queue, so far while it still waits. `hung_up_by`, `sip`
    and `q850` tell how it ended: who acted, and the codes that were seen (GET /api/v1/sip-codes explains them)."""

    call: str
    live: bool
    direction: str
    entry: str
    trunk: str
    prefix: str
    number: str
    queue: str
    menus: list[KeyPressed]
    phase: str
    shape: str
    parties: list[PartyOut]
    wait_seconds: float
    priority: int
    last_agent: str
    offers: int
    recording: str
    recording_paused: bool
    recorded: bool
    entered_at: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None
    outcome: str
    hung_up_by: str
    sip: int
    q850: int


@router.get("/{item}/information")
async def information(item: Id, use: Use) -> InformationOut:
    """One call's facts and flags, live ones from the committed state, others from the records."""
    before = use.state.items.get(item)
    kept = await asyncio.to_thread(_kept, use, item, before.plan.address if before else "")
    live = use.state.items.get(item)  # as it is by now, and read in the loop: in no other thread it stands still
    if live is not None:
        return _live(use, live, kept)
    if kept.contact is None and before is not None:
        raise ApiError(503, "behind", say="The call has just ended and its records are not there yet; ask again.")
    if kept.contact is None:
        raise ApiError(404, "unknown_call", say=f"There is no call {item}; GET /api/v1/calls lists them.")
    return _over(kept.contact, kept.number, kept.menus)


@dataclass(frozen=True, slots=True)
class _Kept:
    contact: Interaction | None
    number: str
    menus: list[KeyPressed]


def _kept(use: Services, item: str, address: str) -> _Kept:
    """What the tables know of a call. Blocking."""
    with use.database.read() as session:
        found = queries.get_call(session, item, behind=0)
        contact = found.view.interaction if found else None
        whose = address or (contact.address if contact else "")
        number = callers.number_of(session, whose) if whose else ""
    keys = [mark for mark in found.case.marks if mark.kind == MarkKind.KEY] if found else []
    return _Kept(
        contact, number, [KeyPressed(menu=mark.subject, digit=mark.detail, at=moment(mark.at)) for mark in keys]
    )


def _live(use: Services, item: WorkItem, kept: _Kept) -> InformationOut:
    waiting = item.phase in {Phase.WAITING, Phase.OFFERED}
    accepted = kept.contact.accepted_at if kept.contact else 0
    until = use.now() if waiting else accepted or item.queued_at
    route = item.route
    return InformationOut(
        call=item.id,
        live=True,
        direction="outbound" if item.outbound else "inbound",
        entry=item.plan.entry,
        trunk=item.trunk or item.plan.trunk or (route.trunk if route else ""),
        prefix=route.prefix if route else "",
        number=kept.number,
        queue=item.queue,
        menus=kept.menus,
        phase=item.phase.value,
        shape=item.shape.value,
        parties=list(parties(use.state, item)),
        wait_seconds=max(0, until - item.queued_at) / 1_000_000 if item.queued_at else 0.0,
        priority=item.plan.priority,
        last_agent=item.plan.last_seat,
        offers=item.offers,
        recording=item.recording,
        recording_paused=item.paused,
        recorded=bool(item.recording) and not item.paused,
        entered_at=moment(item.arrived_at),
        accepted_at=moment(accepted),
        ended_at=None,
        outcome="",
        hung_up_by="",
        sip=0,
        q850=0,
    )


def _over(kept: Interaction, number: str, menus: list[KeyPressed]) -> InformationOut:
    until = kept.accepted_at or kept.ended_at
    return InformationOut(
        call=kept.item,
        live=not kept.ended_at,
        direction=kept.direction,
        entry=kept.account,
        trunk=kept.trunk,
        prefix=kept.prefix,
        number=number,
        queue=kept.queue,
        menus=menus,
        phase=kept.phase,
        shape="none",
        parties=[],
        wait_seconds=max(0, until - kept.queued_at) / 1_000_000 if kept.queued_at else 0.0,
        priority=kept.priority,
        last_agent=kept.last_seat,
        offers=kept.offers,
        recording=kept.recording,
        recording_paused=False,
        recorded=bool(kept.recording),
        entered_at=moment(kept.entered_at),
        accepted_at=moment(kept.accepted_at),
        ended_at=moment(kept.ended_at),
        outcome=kept.outcome,
        hung_up_by=kept.ended_by,
        sip=kept.sip,
        q850=kept.q850,
    )


def parties(state: State, item: WorkItem) -> Iterator[PartyOut]:
    """Who is in the conversation now, and where, by the table of shapes."""
    places = PLACES[item.shape]
    if places.customer is not Place.NOWHERE:
        yield PartyOut(who="customer", seat="", place=places.customer.value, since=moment(item.arrived_at))
    if item.seat and places.seat is not Place.NOWHERE:
        seat = state.seats.get(item.seat)
        handling = seat.handlings.get(item.id) if seat else None
        yield PartyOut(
            who="seat", seat=item.seat, place=places.seat.value, since=moment(handling.since if handling else 0)
        )
    if item.other is not None:
        other = item.other
        yield PartyOut(who="other", seat=other.seat, place=places.other.value, since=moment(other.since))
    for watcher in item.watchers.values():
        yield PartyOut(
            who="supervisor",
            seat=watcher.seat,
            place=WATCHER_PLACES[watcher.mode] if watcher.answered_at else Place.RINGING.value,
            since=moment(watcher.since),
            mode=watcher.mode.value,
        )
