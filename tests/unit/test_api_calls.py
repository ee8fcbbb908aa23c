"""What a contact's page shows of the tables' rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from acd.core.model import SECOND
from api.auth.permissions import PREFIX, Permission
from storage import tables
from tests.support.api import START, serving

pytestmark = pytest.mark.asyncio


def at(seconds: int) -> str:
    """So many seconds after START, as answers show it."""
    return datetime.fromtimestamp(START / SECOND + seconds, UTC).isoformat().replace("+00:00", "Z")


async def test_a_transferred_call_shows_each_seat_s_part_and_times(tmp_path: Path) -> None:
    contact = {
        "item": "i-9",
        "number": 9,
        "direction": "outbound",
        "trunk": "carrier",
        "prefix": "81",
        "priority": 4,
        "last_seat": "eve",
        "origin": "i-3",
        "entered_at": START,
        "left_at": START + 30 * SECOND,
        "ended_at": START + 40 * SECOND,
        "sip": 200,
        "q850": 16,
        "reason": "live",
    }
    part = {
        "item": "i-9",
        "ordinal": 1,
        "seat": "amy",
        "role": "owner",
        "accepted_at": START + SECOND,
        "owned_at": START + 2 * SECOND,
        "met_at": START + 3 * SECOND,
        "talk": 10 * SECOND,
        "hold": 5 * SECOND,
        "consult": SECOND * 3 // 2,
        "how": "transferred",
    }
    async with serving(tmp_path) as api:
        with api.services.database.write() as session:
            session.execute(insert(tables.interactions).values(**contact))
            session.execute(insert(tables.handlings).values(**part))
        answer = await api.http.get(f"{PREFIX}/calls/i-9", headers=api.token(Permission.CALLS_READ))
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    expected: dict[str, object] = {
        "origin": "i-3",
        "trunk": "carrier",
        "prefix": "81",
        "priority": 4,
        "last_agent": "eve",
    }
    expected |= {"left_at": at(30), "sip": 200, "q850": 16}
    assert {name: shown[name] for name in expected} == expected
    (handling,) = shown["handlings"]
    wanted: dict[str, object] = {"role": "owner", "met_at": at(3), "owned_at": at(2), "how": "transferred"}
    wanted |= {"talk_seconds": 10.0, "hold_seconds": 5.0, "consult_seconds": 1.5}
    assert {name: handling[name] for name in wanted} == wanted
