"""Call information (V12): what is known of one call, while it lasts and afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from acd.core.model import Phase, State, WorkItem
from acd.core.shapes import PLACES, Place
from api.errors import ApiError
from api.routes.common import Use
from api.schemas import Id, moment
from api.services import Services
from directory import callers
from records import queries
from records.model import Interaction, MarkKind

router = APIRouter(prefix="/calls", tags=["calls"])


class KeyPressed(BaseModel):
    """A menu the caller went through, and the key he pressed; "" for none."""

    menu: str
    digit: str
    at: datetime | None


class PartyOut(BaseModel):
    """Somebody of the conversation. `place` is bridge, hold, ringing or coach; `mode` is a supervisor's."""

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
def information(item: Id, use: Use) -> InformationOut:
    """One call's facts and flags, live ones from the committed state, others from the records."""
    with use.database.read() as session:
        found = queries.get_call(session, item, behind=0)
        kept = found.view.interaction if found else None
        live = use.state.items.get(item)
        address = live.plan.address if live else kept.address if kept else ""
        number = callers.number_of(session, address) if address else ""
    if live is None and kept is None:
        raise ApiError(404, "unknown_call", say=f"There is no call {item}; GET /api/v1/calls lists them.")
    marks = found.case.marks if found else []
    keys = [mark for mark in marks if mark.kind == MarkKind.KEY]
    menus = [KeyPressed(menu=mark.subject, digit=mark.detail, at=moment(mark.at)) for mark in keys]
    if live is not None:
        return _live(use, live, kept, number, menus)
    assert kept is not None
    return _over(kept, number, menus)


def _live(
    use: Services, item: WorkItem, kept: Interaction | None, number: str, menus: list[KeyPressed]
) -> InformationOut:
    waiting = item.phase in {Phase.WAITING, Phase.OFFERED}
    accepted = kept.accepted_at if kept else 0
    until = use.now() if waiting else accepted or item.queued_at
    route = item.route
    return InformationOut(
        call=item.id,
        live=True,
        direction="outbound" if item.outbound else "inbound",
        entry=item.plan.entry,
        trunk=item.trunk or item.plan.trunk or (route.trunk if route else ""),
        prefix=route.prefix if route else "",
        number=number,
        queue=item.queue,
        menus=menus,
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
            place="bridge" if watcher.answered_at else "ringing",
            since=moment(watcher.since),
            mode=watcher.mode.value,
        )
