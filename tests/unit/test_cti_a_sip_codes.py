"""GET /api/v1/sip-codes: the SIP code page, in the language asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.auth.permissions import PREFIX, Permission
from tests.support.api import serving

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("query", "accept", "means"),
    [
        ("?lang=zh-TW", "", "對方忙線,或按忙線拒接。"),
        ("?lang=zh-CN", "en", "对方忙线,或按忙线拒接。"),
        ("", "zh-Hant-TW,en;q=0.5", "對方忙線,或按忙線拒接。"),
        ("?lang=xx", "", "The other side is busy, or declined as busy."),
        ("", "", "The other side is busy, or declined as busy."),
    ],
)
async def test_the_page_is_served_in_the_language_asked_for(
    tmp_path: Path, query: str, accept: str, means: str
) -> None:
    async with serving(tmp_path) as api:
        known = api.token(Permission.CALLS_READ)
        assert (await api.http.get(f"{PREFIX}/sip-codes", headers=api.token(Permission.QUEUES_READ))).status_code == 403
        answer = await api.http.get(f"{PREFIX}/sip-codes{query}", headers=known | {"Accept-Language": accept})
        assert answer.status_code == 200
        rows = {(row["kind"], row["code"]): row for row in answer.json()}
        assert rows["sip", 486]["means"] == means
        assert rows["sip", 486]["q850"] == [17]
        assert {one["outcome"] for one in rows["sip", 486]["readings"]} == {"busy"}
        assert ("q850", 17) in rows
        assert (await api.http.get(f"{PREFIX}/sip-codes?lang={'x' * 41}", headers=known)).status_code == 422
