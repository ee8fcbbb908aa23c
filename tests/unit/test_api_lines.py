"""Carriers' lines, seen by the API, by `ringside lines` and by `ringside doctor`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from acd.core.model import State, TrunkDef
from api import cli
from api.auth.permissions import PREFIX, Permission
from api.bootstrap import open_database, seed
from api.engine import lines_in_use
from directory import changes
from directory.model import Trunk
from storage.bus import CallFailed, UnixHub
from storage.migrations import migrate
from storage.settings import Settings
from tests.support.api import Api, serving

KEY = bytes(32)
LINES = (
    Trunk("carrier", "First carrier", "192.0.2.1", "acc-22", registers=True, cap=30),
    Trunk("pbx", "Exchange", "192.0.2.2"),
)
GOOD = {"registered": True, "answers": True, "round_trip_us": 12_345, "say": "Reachable", "usable": True}
REFUSED = {"registered": False, "answers": True, "round_trip_us": 0, "say": "Rejected", "usable": False}
UP = {"carrier": {**GOOD, "calls": 3, "cap": 30}, "pbx": {**GOOD, "registered": None, "calls": 0, "cap": 0}}


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as running:
        with running.services.database.write() as session:
            for line in LINES:
                changes.put_trunk(session, line, KEY, "not-a-real-one")
        yield running


async def _lines(api: Api) -> list[dict[str, Any]]:
    answer = await api.http.get(f"{PREFIX}/lines", headers=api.token(Permission.EXTENSIONS_READ))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


@pytest.mark.asyncio
async def test_each_line_is_told_with_its_state_its_calls_and_its_cap(api: Api) -> None:
    api.engine.tells["lines"] = UP
    told = {"usable": True, "answers": True, "round_trip_ms": 12.3, "say": "Reachable"}
    assert await _lines(api) == [
        {"id": "carrier", "name": "First carrier", **told, "registered": True, "calls": 3, "cap": 30},
        {"id": "pbx", "name": "Exchange", **told, "registered": None, "calls": 0, "cap": 0},
    ]


@pytest.mark.asyncio
async def test_while_nobody_can_tell_nothing_is_claimed(api: Api) -> None:
    unknown = dict.fromkeys(("usable", "registered", "answers", "round_trip_ms", "calls"))
    nothing = [
        {"id": "carrier", "name": "First carrier", **unknown, "say": "", "cap": 30},
        {"id": "pbx", "name": "Exchange", **unknown, "say": "", "cap": 0},
    ]
    assert await _lines(api) == nothing
    api.engine.away = True
    assert await _lines(api) == nothing
    refused = await api.http.get(f"{PREFIX}/lines", headers=api.token(Permission.CALLS_READ))
    assert refused.status_code == 403


@pytest.mark.feature("V15")
def test_calls_and_cap_are_those_the_core_decides_by() -> None:
    state = State(trunks={"a": TrunkDef("a", 2), "b": TrunkDef("b")}, lines={"a": 2})
    assert lines_in_use(state) == {"a": {"calls": 2, "cap": 2}, "b": {"calls": 0, "cap": 0}}


# --- the commands ----------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    made = Settings(data_dir=tmp_path)
    migrate(made)
    seed(made, demo=False)
    database = open_database(made)
    with database.write() as session:
        for line in LINES:
            changes.put_trunk(session, line, KEY, "not-a-real-one")
    yield made
    database.close()


@asynccontextmanager
async def engine(settings: Settings, lines: Mapping[str, Any] | None) -> AsyncIterator[None]:
    """A socket that answers in the engine's place; None: Asterisk is away."""

    async def answer(method: str, _body: Mapping[str, Any]) -> dict[str, Any]:
        if method == "lines" and lines is None:
            raise CallFailed("asterisk_away", "Asterisk does not answer")
        return {"lines": dict(lines or {})} if method == "lines" else {}

    hub = UnixHub(settings.socket_path)
    await hub.serve(answer)
    try:
        yield
    finally:
        await hub.close()


async def run(settings: Settings, *words: str) -> int:
    return await asyncio.to_thread(cli.main, [*words, "--data-dir", str(settings.data_dir), "--lang", "en"])


@pytest.mark.asyncio
async def test_the_command_shows_the_same_as_the_api(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    async with engine(settings, {**UP, "carrier": {**REFUSED, "calls": 0, "cap": 30}}):
        assert await run(settings, "lines") == 0
        assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
            "line name usable registered answers round trip ms calls cap Asterisk says".split(),
            "carrier First carrier no no yes - 0 30 Rejected".split(),
            "pbx Exchange yes - yes 12.3 0 - Reachable".split(),
        ]
        assert await run(settings, "lines", "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert [(one["id"], one["usable"], one["cap"]) for one in told] == [("carrier", False, 30), ("pbx", True, 0)]


@pytest.mark.asyncio
async def test_the_command_claims_nothing_while_asterisk_is_away(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with engine(settings, None):
        assert await run(settings, "lines") == 0
    assert capsys.readouterr().out.splitlines()[1].split() == "carrier First carrier - - - - - 30 -".split()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("lines", "findings"),
    [
        (UP, [("lines", "ok", "2 lines can be used")]),
        ({**UP, "pbx": REFUSED}, [("line", "warning", "line pbx cannot be used: Rejected")]),
        (None, []),
    ],
)
async def test_the_doctor_warns_of_a_line_that_cannot_be_used(
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    lines: Mapping[str, Any] | None,
    findings: list[tuple[str, str, str]],
) -> None:
    async with engine(settings, lines):
        await run(settings, "doctor", "--no-call", "--json")
    told = [(row["check"], row["mark"], row["say"]) for row in json.loads(capsys.readouterr().out)]
    assert [row for row in told if row[0].startswith("line")] == findings
