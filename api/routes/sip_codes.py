"""The SIP code page (V11): what a code of a call's end means, on which leg, and what to do about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, Field

from acd.core.model import Outcome
from api.words import language_of
from cti.cause_texts import Case, CodeRow, Kind, page
from cti.causes import Detail

router = APIRouter(prefix="/sip-codes", tags=["sip-codes"])


class ReadingOut(BaseModel):
    """What the code is on one kind of leg. `case`: caller = a customer called us; seat, seat_rang = a phone of ours, it
    had not rung or it had; out, out_rang = a call to the outside."""

    case: Case
    detail: Detail
    outcome: Outcome
    says: str
    do: str


class CodeOut(BaseModel):
    """A code of SIP or Q.850. `q850` are the causes Asterisk gives a SIP code."""

    kind: Kind
    code: int
    name: str = Field(examples=["Busy Here"])
    means: str
    q850: list[int]
    readings: list[ReadingOut]


def _out(row: CodeRow) -> CodeOut:
    return CodeOut(
        kind=row.kind,
        code=row.code,
        name=row.name,
        means=row.means,
        q850=list(row.q850),
        readings=[
            ReadingOut(case=one.case, detail=one.detail, outcome=one.outcome, says=one.says, do=one.do)
            for one in row.readings
        ],
    )


@router.get("")
async def list_sip_codes(
    lang: Annotated[str, Query(max_length=40, description="en, zh-TW or zh-CN; else the Accept-Language header")] = "",
    accept_language: Annotated[str, Header(max_length=1000)] = "",
) -> list[CodeOut]:
    """Every code that can end a call: SIP first, then Q.850."""
    asked = lang or accept_language[:100].split(",", maxsplit=1)[0].split(";", maxsplit=1)[0].strip()
    return [_out(row) for row in page(language_of(asked or "en"))]
