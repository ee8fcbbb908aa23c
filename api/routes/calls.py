"""Contacts: each with its service record, or the one reason why there is none."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from acd.core.model import SECOND, Kind
from api.errors import ApiError
from api.routes.common import Use
from api.routes.records import RecordOut, record_out
from api.schemas import Filter, Id, micros, moment
from api.services import Services
from api.words import language_of
from records import queries
from records.consumer import NAME as RECORDS
from records.explain import explain_unknown
from records.model import Handling, Interaction, Segment
from records.queries import BadCursor, CallFilter, CallView

router = APIRouter(prefix="/calls", tags=["calls"])
Limit = Annotated[int, Query(ge=1, le=queries.MOST)]
Cursor = Annotated[str, Query(max_length=120)]


class NoRecordOut(BaseModel):
    """Why there is no service record: a stable code, and words in the language of the request."""

    code: str
    say: str


class CallOut(BaseModel):
    """One contact. Either `record` is the id of its service record, or `no_record` tells why there is none. `origin` is
    the contact that a callback or a message comes from, `prefix` the outbound code dialled, `last_agent` who served the
    customer before, `left_at` when he went while others still talked; `sip` and `q850` tell how it ended."""

    id: str
    kind: str
    medium: str
    direction: str
    account: str
    number: str
    queue: str
    seat: str
    phase: str
    entered_at: datetime | None
    queued_at: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None
    outcome: str
    ended_by: str
    exact: bool
    offers: int
    recording: str
    origin: str
    trunk: str
    prefix: str
    priority: int
    last_agent: str
    left_at: datetime | None
    sip: int
    q850: int
    record: str
    no_record: NoRecordOut | None


class CallList(BaseModel):
    """`next` is the cursor of the page after this one; empty at the end."""

    calls: list[CallOut]
    next: str


class SegmentOut(BaseModel):
    """One party's stretch of the contact, in order."""

    kind: str
    queue: str
    seat: str
    offer: str
    started_at: datetime | None
    rung_at: datetime | None
    ended_at: datetime | None
    result: str


class HandlingOut(BaseModel):
    """A seat's part, wrap-up included. `role` is how it came in; `met_at` is when it was first with the customer,
    `owned_at` when the contact became its own. The seconds are those of closed stretches; `how` it ended, "" with the
    conversation."""

    seat: str
    role: str
    queue: str
    accepted_at: datetime | None
    media_up_at: datetime | None
    ended_at: datetime | None
    ended_by: str
    wrap_up_at: datetime | None
    wrap_up_ended_at: datetime | None
    wrap_up_how: str
    met_at: datetime | None
    owned_at: datetime | None
    talk_seconds: float
    hold_seconds: float
    consult_seconds: float
    how: str


class CallDetailOut(CallOut):
    """A contact with its time line and its record."""

    timeline: list[SegmentOut]
    handlings: list[HandlingOut]
    service_record: RecordOut | None


def _language(request: Request) -> str:
    return language_of(request.headers.get("accept-language", "en")[:100].split(",")[0].split(";")[0].strip() or "en")


def _behind(use: Services) -> int:
    return use.lags().get(RECORDS, 0)


@router.get("")
def list_calls(
    use: Use,
    request: Request,
    queue: Filter = "",
    seat: Filter = "",
    direction: Filter = "",
    outcome: Filter = "",
    reason: Filter = "",
    number: Filter = "",
    recorded: bool | None = None,
    live: bool | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    kind: Annotated[list[Kind] | None, Query()] = None,
    after: Cursor = "",
    limit: Limit = queries.PAGE,
) -> CallList:
    """Contacts, newest first; calls unless `kind` says otherwise."""
    wanted = CallFilter(
        kinds=tuple(kind or (Kind.CALL,)),
        queue=queue,
        seat=seat,
        direction=direction,
        outcome=outcome,
        reason=reason,
        number=number,
        recorded=recorded,
        live=live,
        since=micros(since),
        until=micros(until),
    )
    try:
        with use.database.read() as session:
            page = queries.list_calls(session, wanted, after=after, limit=limit, behind=_behind(use))
    except BadCursor as error:
        raise ApiError(422, "bad_cursor", say=str(error)) from None
    language = _language(request)
    return CallList(calls=[_call(view, language) for view in page.calls], next=page.next)


@router.get("/{call}")
def get_call(call: Id, use: Use, request: Request) -> CallDetailOut:
    """One contact with its time line."""
    behind = _behind(use)
    with use.database.read() as session:
        found = queries.get_call(session, call, behind=behind)
    language = _language(request)
    if found is None:
        late = explain_unknown(behind) if call in use.state.items else None
        if late is not None and late.reason is not None:
            raise ApiError(503, late.reason.value, say=late.say(language))
        raise ApiError(404, "unknown_call", say=f"There is no call {call}; GET /api/v1/calls lists them.")
    shown = _call(found.view, language)
    record = found.view.record
    return CallDetailOut(
        **shown.model_dump(),
        timeline=[_segment(segment) for segment in found.case.segments],
        handlings=[_handling(handling) for handling in found.case.handlings],
        service_record=record_out(record) if record else None,
    )


def _call(view: CallView, language: str) -> CallOut:
    item: Interaction = view.interaction
    reason = view.explanation.reason
    return CallOut(
        id=item.item,
        kind=item.kind,
        medium=item.medium,
        direction=item.direction,
        account=item.account,
        number=view.number,
        queue=item.queue,
        seat=item.seat,
        phase=item.phase,
        entered_at=moment(item.entered_at),
        queued_at=moment(item.queued_at),
        accepted_at=moment(item.accepted_at),
        ended_at=moment(item.ended_at),
        outcome=item.outcome,
        ended_by=item.ended_by,
        exact=item.exact,
        offers=item.offers,
        recording=item.recording,
        origin=item.origin,
        trunk=item.trunk,
        prefix=item.prefix,
        priority=item.priority,
        last_agent=item.last_seat,
        left_at=moment(item.left_at),
        sip=item.sip,
        q850=item.q850,
        record=view.explanation.record,
        no_record=NoRecordOut(code=reason.value, say=view.explanation.say(language)) if reason else None,
    )


def _segment(given: Segment) -> SegmentOut:
    return SegmentOut(
        kind=given.kind,
        queue=given.queue,
        seat=given.seat,
        offer=given.subject,
        started_at=moment(given.started_at),
        rung_at=moment(given.rung_at),
        ended_at=moment(given.ended_at),
        result=given.result,
    )


def _handling(given: Handling) -> HandlingOut:
    return HandlingOut(
        seat=given.seat,
        queue=given.queue,
        accepted_at=moment(given.accepted_at),
        media_up_at=moment(given.media_up_at),
        ended_at=moment(given.ended_at),
        ended_by=given.ended_by,
        wrap_up_at=moment(given.wrap_up_at),
        wrap_up_ended_at=moment(given.wrap_up_ended_at),
        wrap_up_how=given.wrap_up_how,
        role=given.role,
        met_at=moment(given.met_at),
        owned_at=moment(given.owned_at),
        talk_seconds=given.talk / SECOND,
        hold_seconds=given.hold / SECOND,
        consult_seconds=given.consult / SECOND,
        how=given.how,
    )
