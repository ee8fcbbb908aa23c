"""Lines: whether the carriers can be reached."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel

from api.routes.common import Use

router = APIRouter(prefix="/lines", tags=["lines"])


class LineOut(BaseModel):
    """`usable`, `calls` and what Asterisk tells are null while nobody can tell: the engine or Asterisk does not answer.
    `registered` is null for a line that does not register, `answers` for one that is not asked. `cap` 0: no limit."""

    id: str
    name: str
    usable: bool | None
    registered: bool | None
    answers: bool | None
    round_trip_ms: float | None
    say: str
    calls: int | None
    cap: int


@router.get("")
async def list_lines(use: Use) -> list[LineOut]:
    """Every carrier's line: whether calls can go by it, as Asterisk has it now, and how many do."""
    return [LineOut(**asdict(line)) for line in await use.lines()]
