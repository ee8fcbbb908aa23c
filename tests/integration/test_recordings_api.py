"""Recordings over HTTP and at the command line: found, heard through links, held, erased, verified."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import pytest_asyncio
import soundfile
from sqlalchemy import select, update

from acd.core import facts as f
from acd.core.model import SECOND, EntryPlan, Kind, Outcome, Party
from api.auth.permissions import Permission
from api.auth.tokens import check
from api.cli import main
from api.routes import recordings as recordings_routes
from recordings import retention, store
from recordings.model import RATE
from storage import tables
from storage.session import Database
from storage.settings import Settings, load_secrets
from tests.support.api import Api, serving
from tests.support.memory import HandClock
from tests.support.recordings import Tape, conversation, noise, silence, stereo, tone

pytestmark = pytest.mark.asyncio
V1 = "/api/v1/recordings"
SOUND = np.concatenate([conversation(6), stereo(noise(30), noise(30, seed=2))])


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture
def tape(api: Api) -> Tape:
    clock = getattr(api.services.now, "__self__", None)
    assert isinstance(clock, HandClock)
    return Tape.at(api.services.settings, api.services.database, clock)


@pytest.fixture
def kept(tape: Tape) -> str:
    recording = tape.call("i1", SOUND)
    tape.call("i2", stereo(tone(440, 8), silence(8)), queue="other", seat="bob")
    assert tape.keeper.run_once().stored == 2
    return recording


async def get(api: Api, path: str = "", **params: Any) -> Any:
    answer = await api.http.get(V1 + path, params=params, headers=api.token(Permission.RECORDINGS_READ))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def link(api: Api, recording: str, headers: dict[str, str] | None = None, **asked: Any) -> str:
    answer = await api.http.post(
        f"{V1}/{recording}/link", json=asked, headers=headers or api.token(Permission.RECORDINGS_PLAY)
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def code(answer: Any) -> tuple[int, str]:
    body = answer.json()["error"]
    assert body["say"]
    return answer.status_code, body["code"]


async def test_a_recording_is_found_and_shown_with_its_checks(api: Api, kept: str) -> None:
    listed = (await get(api))["recordings"]
    assert [one["id"] for one in listed] == ["i2-r", "i1-r"]
    assert (listed[1]["queue"], listed[1]["seats"], listed[1]["seconds"]) == ("sales", ["amy"], 36.0)
    assert [one["id"] for one in (await get(api, seat="bob"))["recordings"]] == ["i2-r"]
    assert [one["id"] for one in (await get(api, shortest=10))["recordings"]] == ["i1-r"]
    assert [one["id"] for one in (await get(api, problem="one_sided"))["recordings"]] == ["i2-r"]
    page = await get(api, limit=1)
    assert [one["id"] for one in (await get(api, after=page["next"]))["recordings"]] == ["i1-r"]
    shown = await get(api, f"/{kept}")
    assert shown["checks"]["length"] == 36 * SECOND
    assert [len(side) for side in shown["peaks"]] == [800, 800]
    assert shown["log"] == []
    answer = await api.http.get(f"{V1}?after=rubbish", headers=api.token(Permission.RECORDINGS_READ))
    assert code(answer) == (422, "bad_cursor")
    chinese = {**api.token(), "Accept-Language": "zh-TW"}
    problems = (await api.http.get(f"{V1}/i2-r", headers=chinese)).json()["problems"]
    assert problems == [{"code": "one_sided", "say": "只有一方有聲"}]


async def test_a_link_plays_and_every_hearing_is_written_down(api: Api, kept: str) -> None:
    headers = api.token(Permission.RECORDINGS_PLAY)
    url = await link(api, kept, headers)
    answer = await api.http.get(url)  # no token
    assert answer.status_code == 200
    assert (answer.headers["content-type"], answer.headers["accept-ranges"]) == ("audio/flac", "bytes")
    assert answer.headers["cache-control"] == "private, no-store"
    sound, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16", always_2d=True)
    assert rate == RATE
    assert (sound == SOUND).all()
    shown = await get(api, f"/{kept}")
    assert hashlib.sha256(answer.content).hexdigest() == shown["sha256"]
    use = api.services
    token = check(use.tokens, use.secrets.token_hash, headers["Authorization"].removeprefix("Bearer "))
    assert token is not None
    assert [(note["what"], note["by"], note["via"]) for note in shown["log"]] == [
        ("link", f"token:{token.id}", "api"),
        ("played", f"token:{token.id}", "link"),
    ]


async def test_whoever_leaves_out_the_first_byte_is_written_down_too(api: Api, kept: str) -> None:
    """Once for a link and a client, however many parts a player asks for; a second link or client is another."""

    async def heard() -> list[str]:
        return [note["detail"] for note in (await get(api, f"/{kept}"))["log"] if note["what"] == "played"]

    url = await link(api, kept)
    assert (await api.http.head(url, headers={"Range": "bytes=1-"})).status_code == 206
    assert await heard() == []
    for first in (1, 1, 700, 44):
        assert (await api.http.get(url, headers={"Range": f"bytes={first}-"})).status_code == 206
    (once,) = await heard()
    assert once.split()[0] == "flac"
    assert url.partition("sign=")[2][:6] not in once
    second = await link(api, kept, seconds=60)
    assert (await api.http.get(second, headers={"Range": "bytes=9-"})).status_code == 206
    assert len(set(await heard())) == 2
    elsewhere = httpx2.ASGITransport(app=api.app, client=("203.0.113.9", 4000))
    async with httpx2.AsyncClient(transport=elsewhere, base_url="http://ringside") as other:
        assert (await other.get(url, headers={"Range": "bytes=9-"})).status_code == 206
    assert [line.split()[-1] for line in await heard()][-1] == "203.0.113.9"
    assert (await api.http.get(url)).status_code == 200
    assert len(await heard()) == 4, "from the beginning is a hearing each time"


@pytest.mark.parametrize("form", ["flac", "wav"])
async def test_any_range_is_the_same_bytes_as_in_the_whole(api: Api, kept: str, form: str) -> None:
    url = await link(api, kept, form=form)
    whole = (await api.http.get(url)).content
    size = len(whole)
    if form == "wav":
        sound, _ = soundfile.read(io.BytesIO(whole), dtype="int16", always_2d=True)
        assert (sound == SOUND).all()
        assert size == 44 + SOUND.size * 2
    chance = random.Random(4)
    asked = [(0, 0), (0, 43), (40, 50), (size - 1, size - 1), (0, size + 100)]
    drawn = [sorted((chance.randrange(size), chance.randrange(size))) for _ in range(25)]
    asked += [(first, last) for first, last in drawn]
    for first, last in asked:
        part = await api.http.get(url, headers={"Range": f"bytes={first}-{last}"})
        assert part.status_code == 206
        end = min(last, size - 1)
        assert part.headers["content-range"] == f"bytes {first}-{end}/{size}"
        assert part.content == whole[first : end + 1]
    for header, content in (
        (f"bytes={size - 100}-", whole[-100:]),
        ("bytes=-77", whole[-77:]),
        ("bytes=5-1", whole),
        ("bytes=0-1,5-9", whole),
        ("lines=1-2", whole),
        ("bytes=-", whole),
    ):
        assert (await api.http.get(url, headers={"Range": header})).content == content
    for header in (f"bytes={size}-", "bytes=-0"):
        assert code(await api.http.get(url, headers={"Range": header})) == (416, "out_of_range")
    head = await api.http.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))


async def test_a_wrong_or_expired_link_is_refused_with_words(api: Api, tape: Tape, kept: str) -> None:
    url = await link(api, kept)
    last = url[-1]
    wrong = [
        url[:-1] + ("0" if last != "0" else "1"),
        url.replace("as=flac", "as=wav"),
        re.sub(r"until=\d+", "until=99999999999", url),
        re.sub(r"who=[^&]+", "who=cli", url),
        url.replace("/play/i1-r", "/play/i2-r"),
        url.replace("/play/i1-r", "/play/nothing-r"),
        f"/play/{kept}",
    ]
    for one in wrong:
        assert code(await api.http.get(one)) == (403, "link_wrong"), one
    for path in ("/play/..%2f..%2fsecrets.json", "/play/%2e%2e", "/play/a%00b", "/play/" + "x" * 200):
        assert (await api.http.get(path + "?" + url.split("?")[1])).status_code in {404, 422}
    tape.clock.at += 299 * SECOND
    assert (await api.http.get(url)).status_code == 200
    tape.clock.at += SECOND
    answer = await api.http.get(url, headers={"Accept-Language": "zh-TW"})
    assert code(answer) == (403, "link_expired")
    assert "連結已失效" in answer.json()["error"]["say"]


async def test_a_link_ends_with_the_token_that_made_it(api: Api, kept: str) -> None:
    headers = api.token(Permission.RECORDINGS_PLAY)
    url = await link(api, kept, headers)
    use = api.services
    token = check(use.tokens, use.secrets.token_hash, headers["Authorization"].removeprefix("Bearer "))
    assert token is not None
    use.tokens.revoke(token.id, 1)
    assert code(await api.http.get(url)) == (403, "link_expired")


async def test_what_cannot_be_heard_says_why(api: Api, tape: Tape, kept: str) -> None:
    waiting = tape.call("i3", None, seconds=5)
    token = api.token()
    assert code(await api.http.post(f"{V1}/none-r/link", json={}, headers=token)) == (404, "unknown_recording")
    answer = await api.http.post(f"{V1}/{waiting}/link", json={}, headers=token)
    assert code(answer) == (409, "recording_not_stored")
    url = await link(api, kept)
    path = next(tape.settings.store_dir.glob("*/*/i1-r.*.rsr"))
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert code(await api.http.get(url)) == (500, "recording_damaged")
    path.unlink()
    assert code(await api.http.get(url)) == (500, "recording_damaged")
    tape.settings.store_dir.rename(tape.settings.data_dir / "not mounted")
    assert code(await api.http.get(url)) == (503, "storage_away")
    assert [one["code"] for one in (await get(api, f"/{kept}"))["problems"]] == ["damaged"]


async def test_a_file_changed_further_on_breaks_the_answer_off(api: Api, tape: Tape, kept: str) -> None:
    url = await link(api, kept)
    right = (await api.http.get(url)).content
    path = next(tape.settings.store_dir.glob("*/*/i1-r.*.rsr"))
    whole = bytearray(path.read_bytes())
    whole[5 * 65_552] ^= 1
    path.write_bytes(whole)
    answer = await api.http.get(url)
    assert answer.content == right[: len(answer.content)]
    assert len(answer.content) < len(right)
    assert [one["code"] for one in (await get(api, f"/{kept}"))["problems"]] == ["damaged"]


async def test_a_storage_that_hangs_holds_up_players_and_nobody_else(
    api: Api, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60 players, more than the server has threads for everything else."""
    url, back = await link(api, kept), threading.Event()
    opened = recordings_routes._open

    def hang(*given: Any) -> Any:
        assert back.wait(60)
        return opened(*given)

    monkeypatch.setattr(recordings_routes, "_open", hang)
    players = [asyncio.create_task(api.http.get(url)) for _ in range(60)]
    try:
        for _ in range(5):
            async with asyncio.timeout(5):
                assert len((await get(api))["recordings"]) == 2
    finally:
        back.set()
    answers = await asyncio.gather(*players)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


async def test_legal_hold_wins_over_everybody(api: Api, tape: Tape, kept: str) -> None:
    token = api.token(Permission.RECORDINGS_MANAGE)
    answer = await api.http.post(f"{V1}/{kept}/hold", json={"why": "court 7"}, headers=token)
    assert answer.json()["legal_hold"] is True
    assert code(await api.http.post(f"{V1}/{kept}/erase", headers=token)) == (409, "recording_held")
    secrets = load_secrets(tape.settings)
    far = tape.clock.at + 400 * retention.DAY
    assert retention.run(tape.database, tape.settings, secrets.link_key, far) == 1  # the other one
    assert (await get(api, f"/{kept}"))["state"] == "stored"
    assert (await api.http.post(f"{V1}/{kept}/hold", json={"on": False}, headers=token)).status_code == 200
    url = await link(api, kept)
    answer = await api.http.post(f"{V1}/{kept}/erase", headers=token)
    assert answer.json()["state"] == "erased"
    assert code(await api.http.get(url)) == (410, "recording_erased")
    assert code(await api.http.post(f"{V1}/{kept}/hold", json={}, headers=token)) == (410, "recording_erased")
    shown = await get(api, f"/{kept}")
    assert [note["what"] for note in shown["log"]] == ["held", "released", "link", "erased"]
    assert shown["peaks"] == []
    assert list(tape.settings.store_dir.rglob("*.rsr")) == []
    with tape.database.read() as session:
        keys = session.scalars(select(tables.recording_files.c.wrapped_key)).all()
    assert keys == ["", ""]
    assert tape.verified().findings == ()


async def test_the_metrics_page_tells_of_recordings_that_wait(api: Api, tape: Tape, kept: str) -> None:
    text = (await api.http.get("/metrics")).text
    assert 'ringside_recordings{state="stored"} 2.0' in text
    assert "ringside_recordings_oldest_seconds 0.0" in text
    tape.call("i3", conversation(2))
    tape.clock.at += 600 * SECOND
    text = (await api.http.get("/metrics")).text
    assert 'ringside_recordings{state="raw"} 1.0' in text
    assert "ringside_recordings_oldest_seconds 605.0" in text
    assert "ringside_recordings_alarm 1.0" in text


async def test_the_command_line_does_the_same(
    api: Api, tape: Tape, kept: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")

    def run(*args: str) -> tuple[int, str]:
        ended = main(["recordings", *args, "--data-dir", str(tmp_path)])
        return ended, capsys.readouterr().out

    ended, out = run("list", "--json")
    assert (ended, [one["recording"] for one in json.loads(out)]) == (0, ["i2-r", "i1-r"])
    assert "i2-r" in run("list", "--since", "2020-01-01", "--seat", "bob")[1]
    assert run("list", "--since", "yesterday")[0] == 2
    assert "only one side can be heard" in run("show", "i2-r")[1].lower()
    assert run("show", "none-r")[0] == 5
    ended, out = run("play", kept, "--json")
    url = json.loads(out)[0]["url"].partition("/play/")
    tape.clock.at = json.loads(out)[0]["expires_at"] - SECOND
    assert (await api.http.get(f"/play/{url[2]}")).status_code == 200
    target = tmp_path / "out.flac"
    assert run("export", kept, str(target))[0] == 0
    assert (target.stat().st_mode & 0o777, len(soundfile.read(target)[0])) == (0o600, len(SOUND))
    assert run("export", kept, str(target))[0] == 4
    assert run("export", kept, str(tmp_path / "out.wav"), "--wav")[0] == 0
    assert run("check", kept)[0] == 0
    assert run("check")[0] == 0
    assert run("verify")[1].strip().startswith("2 links and 2 files")
    ended, out = run("rekey")
    assert (ended, out[:26]) == (0, "2 keys wrapped anew by mas")
    tape.call("i3", conversation(2))
    tape.keeper.run_once()
    assert run("verify")[0] == 0
    assert run("hold", "i2-r", "--why", "court")[0] == 0
    assert run("erase", "i2-r")[0] == 4
    assert run("hold", "i2-r", "--release")[0] == 0
    assert run("erase", "i2-r")[0] == 0
    path = next(tape.settings.store_dir.glob("*/*/i1-r.*.rsr"))
    path.write_bytes(path.read_bytes()[:-1])
    ended, out = run("verify")
    assert (ended, out.split(":")[0]) == (1, "file_changed")
    assert run("export", kept, str(tmp_path / "no.flac"))[0] == 1
    assert not (tmp_path / "no.flac").exists()


async def test_old_secrets_are_completed_and_nothing_of_them_changes(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first = load_secrets(settings)
    path = tmp_path / "secrets.json"
    old = json.loads(path.read_text())
    for name in ("link_key", "recording_keys"):
        del old[name]
    path.write_text(json.dumps(old))
    second = load_secrets(settings)
    assert (second.token_pepper, second.phone_key) == (first.token_pepper, first.phone_key)
    assert second.link_key != first.link_key
    assert load_secrets(settings).recording_keys == second.recording_keys
    assert path.stat().st_mode & 0o777 == 0o600


async def test_settings_of_queues_are_read_and_their_recordings_end_in_time(tape: Tape) -> None:
    settings = Settings(data_dir=tape.settings.data_dir, recordings_days=30, recordings_queue_days="vip=0,junk=1")
    assert settings.recordings_queue_days == {"vip": 0, "junk": 1}
    for item, queue in (("i1", "sales"), ("i2", "vip"), ("i3", "junk")):
        tape.call(item, conversation(2), queue=queue)
    tape.keeper.run_once()
    secrets, began = load_secrets(settings), tape.clock.at

    def left(days: float) -> list[str]:
        retention.run(tape.database, settings, secrets.link_key, began + round(days * retention.DAY))
        with tape.database.read() as session:
            stored = tables.recordings.c.state == "stored"
            return list(session.scalars(select(tables.recordings.c.item).where(stored).order_by("item")))

    assert [left(0.9), left(1), left(29.9), left(30), left(9999)] == [
        ["i1", "i2", "i3"],
        ["i1", "i2"],
        ["i1", "i2"],
        ["i2"],
        ["i2"],
    ]


async def test_erasing_that_is_cut_short_is_finished_by_the_next_sweep(
    tape: Tape, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = load_secrets(tape.settings)

    def away(_folder: Path, _file: str) -> None:
        raise OSError("the storage is away")

    with monkeypatch.context() as patched:
        patched.setattr("recordings.store.discard", away)
        with pytest.raises(OSError, match="away"):
            retention.erase(tape.database, tape.settings, secrets.link_key, kept, now=1, by="t", via="t")
    tape.put(kept, SOUND)  # and a raw file that was never removed
    assert len(list(tape.settings.store_dir.glob("*/*/i1-r.*"))) == 1
    tape.keeper.sweep()
    tape.keeper.clear()
    assert list(tape.settings.store_dir.glob("*/*/i1-r.*")) == []
    assert not (tape.settings.raw_dir / f"{kept}.raw").exists()
    retention.erase(tape.database, tape.settings, secrets.link_key, kept, now=2, by="t", via="t")  # again: nothing
    assert tape.verified().findings == ()


async def test_one_that_cannot_be_erased_does_not_keep_the_others(
    tape: Tape, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key is gone first, so that the file is noise, and the next sweep removes it."""
    key, later, real = load_secrets(tape.settings).link_key, tape.clock.at + 400 * retention.DAY, store.discard

    def torn(folder: Path, file: str) -> None:
        if kept in file:
            raise OSError("a bad block")
        real(folder, file)

    with monkeypatch.context() as patched:
        patched.setattr("recordings.store.discard", torn)
        assert retention.run(tape.database, tape.settings, key, later) == 1
        assert tape.keeper.clear() == 0
    with tape.database.read() as session:
        chosen = select(tables.recordings.c.state, tables.recording_files.c.wrapped_key).join_from(
            tables.recordings,
            tables.recording_files,
            tables.recordings.c.recording == tables.recording_files.c.recording,
        )
        assert session.execute(chosen).all() == [("erased", ""), ("erased", "")]
    assert len(list(tape.settings.store_dir.rglob("*.rsr"))) == 1
    tape.keeper.clear()
    assert list(tape.settings.store_dir.rglob("*.rsr")) == []
    assert tape.verified().findings == ()


async def test_a_name_that_is_not_ours_does_not_keep_the_others(tape: Tape, kept: str) -> None:
    """A file name that somebody changed in the index, and a recording that no raw file can be named after."""
    named, files = "../../etc/passwd", tables.recording_files
    plan = EntryPlan("82", 1, "sales")
    tape.tell(f.Entered("i0", 1, Kind.CALL, "voice", "r", plan), f.RecordingBegan("i0", named))
    tape.tell(f.Ended("i0", Outcome.ANSWERED, Party.SEAT, "voice"))
    with tape.database.write() as session:
        session.execute(update(tables.recordings).where(tables.recordings.c.recording == named).values(started_at=1))
        session.execute(update(files).where(files.c.recording == kept).values(file="../../secrets.json"))
    key, later = load_secrets(tape.settings).link_key, tape.clock.at + 400 * retention.DAY
    assert retention.run(tape.database, tape.settings, key, later) == 1
    assert [tape.detail(one).view.kept.state.value for one in (named, kept, "i2-r")] == ["erased"] * 3
    assert list(tape.settings.store_dir.glob("*/*/i2-r.*")) == []
    assert (tape.settings.data_dir / "secrets.json").exists()


async def test_a_changed_name_does_not_keep_what_erasing_left(
    tape: Tape, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, later, files = (
        load_secrets(tape.settings).link_key,
        tape.clock.at + 400 * retention.DAY,
        tables.recording_files,
    )

    def away(_folder: Path, _file: str) -> None:
        raise OSError("the storage is away")

    with monkeypatch.context() as patched:
        patched.setattr("recordings.store.discard", away)
        assert retention.run(tape.database, tape.settings, key, later) == 0
    with tape.database.write() as session:
        session.execute(update(files).where(files.c.recording == kept).values(file="../../secrets.json"))
    assert tape.keeper.clear() == 1
    assert list(tape.settings.store_dir.glob("*/*/i2-r.*")) == []
    assert tape.keeper.clear() == 0


async def test_one_that_is_refused_again_and_again_ends_the_run_all_the_same(
    tape: Tape, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = retention.erase

    def refused(database: Database, settings: Settings, link_key: str, recording: str, **how: Any) -> None:
        if recording == kept:
            raise retention.Refused("held", "a moment ago")
        real(database, settings, link_key, recording, **how)

    monkeypatch.setattr(retention, "erase", refused)
    later = tape.clock.at + 400 * retention.DAY
    assert retention.run(tape.database, tape.settings, load_secrets(tape.settings).link_key, later) == 1
    assert tape.detail(kept).view.kept.state.value == "stored"


async def test_nothing_of_an_erased_key_is_left_in_the_database(tape: Tape, kept: str) -> None:
    with tape.database.read() as session:
        wrapped = session.scalars(
            select(tables.recording_files.c.wrapped_key).where(tables.recording_files.c.recording == kept)
        ).one()
    file = tape.settings.data_dir / "ringside.db"
    secrets = load_secrets(tape.settings)
    retention.erase(tape.database, tape.settings, secrets.link_key, kept, now=1, by="t", via="t")
    tape.database.close()
    opened = Database(tape.settings.main_url)
    with opened.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    opened.close()
    assert wrapped.encode() not in file.read_bytes()
