"""The command line without an engine: tables, JSON, languages, exit codes; why, replay and calls on a real log."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile

from acd.core import inputs as i
from acd.core.model import SECOND, EntryPlan, MediumDef, Presence, QueueDef, SeatProfile, SeatQueue, StatusDef
from acd.runtime import Runtime
from api.bootstrap import CONSUMERS, open_database, open_log, seed
from api.cli import main
from api.commands.common import Exit
from storage.cursors import catch_up
from storage.migrations import migrate
from storage.settings import Settings
from tests.support.memory import HandClock

ROOT = Path(__file__).resolve().parents[2]
START = 1_795_000_000 * SECOND
DEFINITIONS: tuple[i.Input, ...] = (
    i.MediumDefined(MediumDef("voice", Presence.VOICE, 1, 1, ("*",), ("voice",), needs_phone=True)),
    i.StatusDefined(StatusDef("ready", Presence.VOICE, (), True, True, True, True, after_login=True)),
    i.QueueDefined(QueueDef("sales", "Sales")),
    i.SeatProfileSet(SeatProfile("amy", "8001", (SeatQueue("sales"),))),
    i.SeatProfileSet(SeatProfile("bob", "8002", (SeatQueue("sales"),))),
    i.SeatProfileSet(SeatProfile("eve", "8003")),
)


@pytest.fixture
def center(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A folder with both databases at the present schema."""
    monkeypatch.setenv("RINGSIDE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "C")
    settings = Settings()
    migrate(settings)
    seed(settings, demo=True)
    return settings


async def _two_calls(settings: Settings) -> list[str]:
    """One call that amy takes, one that gives up; their items."""
    clock = HandClock(START)
    log = open_log(settings)
    runtime = Runtime(log, clock=lambda _last: clock, epoch=lambda: "e")
    await runtime.start()
    for given in DEFINITIONS:
        await runtime.submit(given)
    for seat in ("amy", "bob"):
        clock.at += SECOND
        await runtime.submit(i.SeatSignedIn(seat, "desk"))
        await runtime.submit(i.PhoneChanged(seat, True))
    items = []
    for leg in ("one", "two"):
        clock.at += SECOND
        done = await runtime.submit(i.CallEntered(leg, EntryPlan("82", 1, "sales")))
        items.append(getattr(done, "item", ""))
        await runtime.submit(i.LegArrived(leg))
    offer = await runtime.query(lambda state: state.items[items[0]].offer)
    await runtime.submit(i.OfferAnswered(offer))
    await runtime.submit(i.MediaFlowed(items[0], "amy"))
    clock.at += 5 * SECOND
    await runtime.submit(i.PartyLeft("two"))
    await runtime.submit(i.PartyLeft("one"))
    await runtime.stop()
    log.close()
    return items


@pytest.fixture
def items(center: Settings) -> list[str]:
    """Two calls in the log and in records."""
    made = asyncio.run(_two_calls(center))
    database, log = open_database(center), open_log(center)
    catch_up(database, log, CONSUMERS[0])
    log.close()
    database.close()
    return made


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = Exit.OK) -> str:
    """What a command prints; it must end with that code."""
    assert main(words) == code
    return capsys.readouterr().out


def changed(center: Settings, statement: str) -> int:
    """How many rows of the fact log a forger's statement changed."""
    with contextlib.closing(sqlite3.connect(center.data_dir / "facts.db")) as connection, connection:
        return connection.execute(statement).rowcount


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(told(capsys, *words, "--json"))
    return found


def test_tokens_are_made_listed_and_revoked(center: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "token", "create", "board", "--may", "queues:read").strip()
    assert re.fullmatch(r"rs_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", text)
    (row,) = listed(capsys, "token", "list")
    assert (row["name"], row["permissions"], row["revoked_at"]) == ("board", ["queues:read"], 0)
    assert text.split("_", 2)[2] not in told(capsys, "token", "list")
    told(capsys, "token", "revoke", row["id"])
    assert listed(capsys, "token", "list")[0]["revoked_at"] > 0
    told(capsys, "token", "revoke", "nothing", code=Exit.UNKNOWN)
    told(capsys, "token", "create", "x", "--may", "everything", code=Exit.USAGE)


def test_extensions_are_added_given_and_taken_back(center: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    password = re.compile(r"[A-Za-z0-9]{20}")
    first = told(capsys, "extension", "add", "8100").strip()
    assert password.fullmatch(first)
    told(capsys, "extension", "add", "8100", code=Exit.REFUSED)
    told(capsys, "extension", "add", "110", code=Exit.REFUSED)
    assert password.search(told(capsys, "extension", "move", "8100", "agent-8001")) is None, "nobody had it before"
    second = told(capsys, "extension", "move", "8100", "agent-8002").strip()
    assert password.fullmatch(second)
    assert second != first
    assert password.search(told(capsys, "extension", "move", "8100", "agent-8002")) is None, "he has it already"
    told(capsys, "extension", "move", "8001", "agent-8001")
    told(capsys, "extension", "move", "8002", "agent-8002")
    told(capsys, "extension", "assign", "8001", "agent-8002", code=Exit.REFUSED)
    told(capsys, "extension", "release", "8001")
    assert password.search(told(capsys, "extension", "assign", "8001", "agent-8002")) is None
    told(capsys, "extension", "assign", "8001", "nobody", code=Exit.UNKNOWN)
    pool = {row["number"]: row["seat"] for row in listed(capsys, "extension", "list")}
    assert (pool["8001"], pool["8002"], pool["8100"]) == ("agent-8002", "", "")
    assert told(capsys, "extension", "password", "8100").strip() != first


# --- the directory, callers and prompts --------------------------------------------------------------------------


def test_a_document_is_exported_tried_and_applied(
    center: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = json.loads(told(capsys, "config", "export"))
    given["trunks"] = [{"id": "carrier", "name": "電信", "address": "192.0.2.1", "username": "u", "password": "s3cret"}]
    given["codes"] = [{"id": "9", "name": "外線", "trunk": "carrier", "default": True}]
    file = tmp_path / "directory.json"
    file.write_text(json.dumps(given))
    assert "nothing was changed" in told(capsys, "config", "apply", str(file), "--dry-run")
    assert json.loads(told(capsys, "config", "export"))["trunks"] == []
    rows = [(row["section"], row["id"], row["what"]) for row in listed(capsys, "config", "apply", str(file))]
    assert rows == [("trunks", "carrier", "added"), ("codes", "9", "added"), ("trunks", "carrier", "password")]
    assert "s3cret" not in told(capsys, "config", "export")
    assert "s3cret" not in (center.data_dir / "ringside.db").read_bytes().decode("latin-1")
    told(capsys, "config", "check")
    file.write_text("{")
    told(capsys, "config", "apply", str(file), code=Exit.USAGE)
    file.write_text(json.dumps({"queues": []}))
    told(capsys, "config", "apply", str(file), code=Exit.REFUSED)


def test_who_serves_shows_the_path_and_the_seats(items: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "who-serves", "--entry", "81", "--caller", "0912345678", "--at", "Sun 20:05")
    assert re.search(r"1 → queue service", text)
    assert "hears hello" in text
    text = told(capsys, "who-serves", "--entry", "81", "--keys", "2")
    assert "queue sales" in text
    assert "queue service" not in text
    assert re.search(r"bob: ", text)
    assert "佇列 sales" in told(capsys, "--lang", "zh-TW", "who-serves", "--entry", "82")
    told(capsys, "who-serves", "--entry", "99", code=Exit.UNKNOWN)
    told(capsys, "who-serves", "--entry", "81", "--at", "soon", code=Exit.USAGE)


def test_callers_are_blocked_and_vips_named(center: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "blacklist", "add", "0912345678", "--reason", "rude")
    (row,) = listed(capsys, "blacklist", "list")
    assert (row["number"], row["until"] - row["at"], row["via"]) == ("+886912345678", 24 * 3600 * SECOND, "cli")
    assert "blacklisted" in told(capsys, "who-serves", "--entry", "81", "--caller", "0912345678")
    told(capsys, "blacklist", "remove", "+886912345678")
    told(capsys, "blacklist", "remove", "+886912345678", code=Exit.UNKNOWN)
    told(capsys, "blacklist", "add", "12", code=Exit.REFUSED)
    told(capsys, "vip", "set", "0912345678", "60")
    assert [row["priority"] for row in listed(capsys, "vip", "list")] == [60]


def test_prompts_are_added_listed_and_removed(
    center: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "..;welcome.wav"
    soundfile.write(file, [0.3, -0.3] * 8000, 16_000)
    plays = told(capsys, "prompt", "add", str(file)).strip()
    (row,) = listed(capsys, "prompt", "list")
    assert (row["plays"], row["name"], row["length"]) == (plays, "..;welcome", SECOND)
    told(capsys, "prompt", "remove", plays)
    assert listed(capsys, "prompt", "list") == []
    told(capsys, "prompt", "add", str(tmp_path / "nothing.wav"), code=Exit.FAILED)
    file.write_bytes(b"#!/bin/sh")
    told(capsys, "prompt", "add", str(file), code=Exit.REFUSED)


def test_numbers_outside_are_denied_before_anybody_is_asked(
    center: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "seat", "dial-class", "agent-8002", "")
    told(capsys, "seat", "dial-class", "agent-8002", "everything", code=Exit.REFUSED)
    assert main(["seat", "dial", "agent-8002", "0912345678"]) == Exit.REFUSED
    assert "no_line" in capsys.readouterr().err, "the demo has no carrier"
    told(capsys, "call", "transfer", "agent-8001", "i1", "entry", "99", code=Exit.UNKNOWN)
    told(capsys, "call", "transfer", "agent-8001", "i1", "extension", "carrier", code=Exit.UNKNOWN)
    assert main(["extension", "move", "8001", "agent-8002"]) == Exit.OK


def test_a_record_is_made_by_hand_for_calls_out_alone(items: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "call", "record", "amy", "nothing", code=Exit.UNKNOWN)
    told(capsys, "call", "record", "amy", items[0], code=Exit.REFUSED)


def test_keys_are_looked_at_before_anybody_is_asked(
    center: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told(capsys, "call", "keys", "amy", "i1", "12x", code=Exit.USAGE)
    monkeypatch.setattr("sys.stdin", io.StringIO("1&2\n"))
    told(capsys, "call", "keys", "amy", "i1", "-", code=Exit.USAGE)
    monkeypatch.setattr("api.gateway.CALL_LIMIT_S", 0.2)
    monkeypatch.setattr("sys.stdin", io.StringIO("12#\n"))
    told(capsys, "call", "keys", "amy", "i1", "-", code=Exit.AWAY)
    told(capsys, "call", "mute", "amy", "i1", "off", code=Exit.AWAY)


@pytest.mark.parametrize("seconds", ["0", "1801"])
def test_a_pause_that_the_core_would_shorten_is_refused(
    center: Settings, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    told(capsys, "call", "pause", "i1", "--seconds", seconds, code=Exit.USAGE)


def test_a_command_to_an_engine_that_is_away_says_so(
    center: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.gateway.CALL_LIMIT_S", 0.2)
    assert main(["seat", "sign-in", "amy"]) == Exit.AWAY
    assert "ringside up" in capsys.readouterr().err


def test_calls_come_with_their_record_or_the_reason(items: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["call"]: row for row in listed(capsys, "calls")}
    assert set(rows) == set(items)
    assert rows[items[0]]["record"]
    assert rows[items[0]]["no_record"] == ""
    assert rows[items[1]]["record"] == ""
    assert rows[items[1]]["no_record"] == "left_ringing"
    assert "客戶在專員響鈴時離開" in told(capsys, "--lang", "zh-TW", "calls")
    assert [row["kind"] for row in listed(capsys, "calls", items[0])][:2] == ["ivr", "queue"]
    told(capsys, "calls", "nothing", code=Exit.UNKNOWN)
    told(capsys, "calls", "--after", "rubbish", code=Exit.USAGE)


def test_why_names_the_chosen_the_others_and_the_rule(items: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "why", items[0])
    assert "recomputed: equal" in text
    assert re.search(r"amy +1 +\d+ +eligible", text)
    assert re.search(r"bob +2 +\d+ +eligible", text)
    assert re.search(r"eve +- +- +refused: the agent is not signed in|eve +- +- +refused", text)
    only = told(capsys, "why", items[0], "--seat", "eve")
    assert "eve" in only
    assert "bob" not in only
    assert "閒置最久" in told(capsys, "--lang", "zh-TW", "why", items[0])
    told(capsys, "why", items[0], "--seat", "nobody", code=Exit.UNKNOWN)
    told(capsys, "why", "nothing", code=Exit.UNKNOWN)
    told(capsys, "why", code=Exit.USAGE)


def test_why_all_recomputes_every_decision(items: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "2 of 2 decisions recomputed equal (100 %)" in told(capsys, "why", "--all")


def test_why_all_fails_on_a_decision_the_rules_would_not_make(
    items: list[str], center: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    two, nine = '"candidates":2', '"candidates":9'
    change = f"UPDATE facts SET body = replace(body, '{two}', '{nine}') WHERE body LIKE '%{two}%'"
    assert changed(center, change) == 1
    assert "1 of 2" in told(capsys, "why", "--all", code=Exit.FAILED)


def test_replay_gives_the_same_bytes_in_another_process_with_another_hash_seed(
    items: list[str], center: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    (here,) = listed(capsys, "replay")
    for number in ("1", "77"):
        done = subprocess.run(
            [sys.executable, "-m", "api", "replay", "--json"],
            env={**os.environ, "PYTHONHASHSEED": number},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert json.loads(done.stdout) == [here]
    rows = listed(capsys, "replay", "--check")
    assert len(rows) == 2
    assert {row["sha256"] for row in rows} == {here["sha256"]}
    assert rows[0]["from"].startswith("snapshot")


def test_replay_tells_a_snapshot_that_is_not_the_log(
    items: list[str], center: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert changed(center, "UPDATE snapshots SET state = CAST(replace(CAST(state AS TEXT), '8001', '8009') AS BLOB)")
    told(capsys, "replay", "--check", code=Exit.FAILED)


def test_seats_are_listed_from_the_log(items: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys, "seat", "list")
    assert [row["id"] for row in rows] == ["amy", "bob", "eve"]
    assert [row["voice"]["state"] for row in rows] == ["ready", "ready", "logged_out"]
    assert "就緒" in told(capsys, "--lang", "zh-TW", "seat", "list")


def test_the_configuration_is_shown_without_secrets_and_faults_are_named(
    center: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (shown,) = listed(capsys, "config", "check")
    assert shown["api_port"] == 8080
    assert not any("password" in name or "url" in name for name in shown)
    monkeypatch.setenv("RINGSIDE_SIP_PORT", "8080")
    assert main(["config", "check"]) == Exit.USAGE
    assert "must all differ" in capsys.readouterr().err


def test_help_speaks_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--lang", "zh-CN", "--help"])
    assert "列出通话及其服务记录" in capsys.readouterr().out


def test_the_supervisors_own_command_is_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "process" not in capsys.readouterr().out
