"""Service records: one for every connected contact."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.errors import ApiError
from api.routes.common import Use
from api.schemas import Filter, Id, micros, moment
from records import queries
from records.model import ServiceRecord
from records.queries import BadCursor

router = APIRouter(prefix="/records", tags=["records"])


class RecordOut(BaseModel):
    """A service record. `service_seconds` is null while the service goes on."""

    id: str
    call: str
    seat: str
    queue: str
    direction: str
    channel_class: str
    channel: str
    account: str
    contact: str
    contact_at: datetime | None
    service_start_at: datetime | None
    conversation_end_at: datetime | None
    service_end_at: datetime | None
    service_seconds: int | None


class RecordList(BaseModel):
    """`next` is the cursor of the page after this one; empty at the end."""

    records: list[RecordOut]
    next: str


def record_out(given: ServiceRecord) -> RecordOut:
    """A record of the tables."""
    return RecordOut(
        id=given.id,
        call=given.item,
        seat=given.seat,
        queue=given.queue,
        direction=given.direction,
        channel_class=given.channel_class,
        channel=given.channel,
        account=given.account,
        contact=given.contact,
        contact_at=moment(given.contact_at),
        service_start_at=moment(given.service_start_at),
        conversation_end_at=moment(given.conversation_end_at),
        service_end_at=moment(given.service_end_at),
        service_seconds=given.service_seconds,
    )


@router.get("")
def list_records(
    use: Use,
    queue: Filter = "",
    seat: Filter = "",
    since: datetime | None = None,
    until: datetime | None = None,
    after: Annotated[str, Query(max_length=120)] = "",
    limit: Annotated[int, Query(ge=1, le=queries.MOST)] = queries.PAGE,
) -> RecordList:
    """Service records by contact time, newest first."""
    try:
        with use.database.read() as session:
            page = queries.list_records(
                session, seat=seat, queue=queue, since=micros(since), until=micros(until), after=after, limit=limit
            )
    except BadCursor as error:
        raise ApiError(422, "bad_cursor", say=str(error)) from None
    return RecordList(records=[record_out(record) for record in page.records], next=page.next)


@router.get("/{record}")
def get_record(record: Id, use: Use) -> RecordOut:
    """One service record."""
    with use.database.read() as session:
        found = queries.get_record(session, record)
    if found is None:
        raise ApiError(404, "unknown_record", say=f"There is no record {record}; GET /api/v1/records lists them.")
    return record_out(found)
