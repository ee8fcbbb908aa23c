"""`ringside up` on a real Asterisk: any one process may be killed, a second `up` is refused, nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.bootstrap import asterisk_of, open_database
from cti.asterisk import AsteriskFailed
from cti.provisioning import http_call
from directory import service
from tests.support.postgres import running_postgres
from tests.support.system import System, entry, queue, seat

pytestmark = [pytest.mark.asterisk, pytest.mark.slow]
NAMES = {"engine", "web", "worker", "rescue"}


@pytest.fixture
def system() -> Iterator[System]:
    """A small center in a short folder: Asterisk's control socket allows 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="rs-"))
    made = System(folder)
    made.configure([queue("sales")], [seat("amy", "8001", "sales")], [entry("81", "sales")])
    yield made
    made.stop()
    shutil.rmtree(folder)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_each_process_may_be_killed_without_the_others(system: System) -> None:
    with system.running():
        asterisk = asterisk_of(system.settings).pid
        for name in sorted(NAMES):
            before = system.pids()
            assert set(before) == NAMES
            killed = system.kill(name)
            system.until(lambda name=name, killed=killed: system.pids().get(name, killed) != killed, f"{name} is back")  # type: ignore[misc]
            system.until(system.is_ready, f"ready again after {name}", 30)
            after = system.pids()
            assert {other: after[other] for other in NAMES - {name}} == {o: before[o] for o in NAMES - {name}}
        assert asterisk_of(system.settings).pid == asterisk
        assert "AWAY" not in system.command("seat", "list")


def test_a_killed_asterisk_is_started_again_and_a_new_entry_number_is_taken_up(system: System) -> None:
    with system.running():
        first = asterisk_of(system.settings).pid
        os.kill(first, signal.SIGKILL)
        system.until(lambda: asterisk_of(system.settings).pid not in (0, first), "another Asterisk", 30)
        system.until(system.is_ready, "the engine has it", 30)
        second = asterisk_of(system.settings).pid
        database = open_database(system.settings)
        with database.write() as session:
            service.put_entry_point(session, entry("84", "sales"))
        database.close()
        asterisk = asterisk_of(system.settings)
        system.until(lambda: "84" in asterisk.cli("dialplan show entries"), "the new number", 30)
        assert asterisk_of(system.settings).pid == second


def test_what_asterisk_lost_when_it_died_is_put_again(system: System) -> None:
    with system.running():
        asterisk = asterisk_of(system.settings)
        auth = "asterisk/config/dynamic/res_pjsip/auth/8001"

        async def ask(method: str) -> int:
            return (await http_call(asterisk.settings)(method, auth, None))[0]

        def has_auth() -> bool:
            with contextlib.suppress(OSError):
                return asyncio.run(ask("GET")) == 200
            return False

        def members() -> str:
            with contextlib.suppress(AsteriskFailed):
                return asterisk.cli("queue show fallback")
            return ""

        system.make_ready("amy")
        system.until(lambda: has_auth() and "8001" in members(), "8001 is in Asterisk")
        # As if it had been put in the last second before the death: half an extension, no member.
        asyncio.run(ask("DELETE"))
        asterisk.cli("queue remove member PJSIP/8001 from fallback")
        assert not has_auth()
        assert "8001" not in members()
        first = asterisk.pid
        os.kill(first, signal.SIGKILL)
        system.until(lambda: asterisk_of(system.settings).pid not in (0, first), "another Asterisk", 30)
        system.until(has_auth, "its password again", 20)
        system.until(lambda: "8001" in members(), "the member again", 20)


def test_no_file_of_ours_is_for_others_even_in_a_folder_that_is(system: System) -> None:
    system.folder.chmod(0o755)
    for file in system.folder.rglob("*"):
        if file.is_file():  # made by the test itself
            file.chmod(0o600)
    with system.running():
        files = [file for file in system.folder.rglob("*") if file.is_file() and not file.is_symlink()]
        told = {str(file.relative_to(system.folder)): stat.S_IMODE(file.stat().st_mode) for file in files}
    told.pop("up.log")  # the shell's, or here the test's
    assert {"facts.db-wal", "log/engine.log", "secrets.json", "asterisk/log/messages.log"} <= set(told)
    assert {name: oct(mode) for name, mode in told.items() if mode & 0o077} == {}


def test_a_terminal_that_closes_stops_everything_cleanly(system: System) -> None:
    system.start()
    assert system.process is not None
    pids = [*system.pids().values(), asterisk_of(system.settings).pid]
    system.process.send_signal(signal.SIGHUP)
    assert system.process.wait(30) == 0
    assert not any(alive(pid) for pid in pids)


def test_the_data_folder_of_the_command_line_is_that_of_the_children(system: System) -> None:
    other = system.chosen.pop("data_dir")
    system.token = "unused"
    with system.running("--data-dir", other):
        assert system.command("seat", "list", "--data-dir", other)
        assert set(system.pids()) == NAMES
    system.chosen["data_dir"] = other


def test_a_second_up_is_refused_and_says_who_has_the_folder(system: System) -> None:
    with system.running():
        assert system.process is not None
        system.command("up", code=1)
        assert system.is_ready()


def test_a_killed_supervisor_leaves_only_asterisk_and_the_next_one_adopts_it(system: System) -> None:
    system.start()
    assert system.process is not None
    children, asterisk = system.pids(), asterisk_of(system.settings).pid
    system.process.kill()
    system.process.wait()
    system.until(lambda: not any(alive(pid) for pid in children.values()), "the children are gone", 15)
    assert alive(asterisk)
    with system.running():
        assert asterisk_of(system.settings).pid == asterisk
        assert f"process {asterisk}" in (system.folder / "up.log").read_text()


def test_a_wanted_stop_ends_everything_cleanly(system: System) -> None:
    system.start()
    assert system.process is not None
    pids = [*system.pids().values(), asterisk_of(system.settings).pid]
    system.process.terminate()
    assert system.process.wait(30) == 0
    assert not any(alive(pid) for pid in pids)
    system.process = None
    rows = json.loads(system.command("replay", "--check", "--json"))
    assert rows[0]["from"].startswith("snapshot")
    assert len({row["sha256"] for row in rows}) == 1


@pytest.mark.parametrize("words", ["Asterisk", "engine"])
def test_a_stop_in_the_middle_of_the_start_leaves_nothing(system: System, words: str) -> None:
    command = [sys.executable, "-m", "api", "up"]
    with subprocess.Popen(command, env=system.environment, stdout=subprocess.PIPE) as up:
        assert up.stdout is not None
        told = b""
        while not told.endswith(f"{words} … ".encode()):
            told += up.stdout.read(1)
        up.terminate()
        rest, _ = up.communicate(timeout=60)
        assert rest.decode().endswith("stopped\n")
        assert up.returncode == 0
    assert asterisk_of(system.settings).running() is None
    assert not [path for path in Path("/proc").glob("[0-9]*") if str(system.folder).encode() in environment_of(path)]


def environment_of(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.softphone
def test_the_doctor_hears_its_own_call_with_and_without_a_running_center(system: System) -> None:
    def findings(*words: str) -> dict[str, dict[str, str]]:
        return {row["check"]: row for row in json.loads(system.command("doctor", "--json", *words))}

    alone = findings()
    # Nobody has said where emergency numbers go, and that is told.
    assert {row["check"] for row in alone.values() if row["mark"] != "ok"} == {"emergency"}
    assert alone["emergency"]["mark"] == "warning"
    assert "110" in alone["emergency"]["say"]
    assert "is free" in alone["port sip"]["say"]
    settings = system.settings
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((settings.sip_host, settings.rtp_start))
        told = re.search(r"(\d+) free", findings("--no-call")["ports rtp"]["say"])
        all_but_ours = settings.rtp_end - settings.rtp_start
        assert told is not None
        assert all_but_ours - 20 <= int(told[1]) <= all_but_ours  # somebody else's program may have one or another
    with system.running():
        found = findings()
        assert {row["check"] for row in found.values() if row["mark"] != "ok"} == {"emergency"}
        assert "is ours" in found["port sip"]["say"]
        heard = re.search(r"1100 Hz in (\d+) %", found["call"]["say"])
        assert heard is not None
        assert int(heard[1]) >= 30


@pytest.mark.softphone
def test_the_demo_answers_calls_with_sound_both_ways(system: System) -> None:
    folder = Path(tempfile.mkdtemp(prefix="rs-"))
    demo = System(folder)
    try:
        text = demo.command("up", "--demo", "--for", "35")
        counts = {words: int(count) for count, words in re.findall(r"^ +(\d+)  (.+)$", text, re.MULTILINE)}
        assert counts["answered, both heard each other"] >= 3
        assert counts["answered, heard on one side only"] == 0
        assert re.search(r"answered: 8[123] → agent-800\d", text)
        assert re.search(r"repairs 0$", text, re.MULTILINE)
        assert "100 %" in demo.command("why", "--all")
        assert any(row["record"] for row in json.loads(demo.command("calls", "--json")))
    finally:
        demo.stop()
        shutil.rmtree(folder)


@pytest.mark.postgres
def test_all_of_it_runs_on_postgresql(system: System) -> None:
    with running_postgres() as postgres:
        other = System(system.folder / "pg", database_url=postgres.url(postgres.new_database()))
        other.configure([queue("sales")], [seat("amy", "8001", "sales")], [entry("81", "sales")])
        with other.running():
            other.make_ready("amy")
            killed = other.kill("engine")
            other.until(lambda: other.pids().get("engine", killed) != killed, "the engine is back")
            other.until(other.is_ready, "ready again", 30)
            assert other.api("GET", "/seats/amy")["voice"]["status"] == "ready"
            assert other.api("GET", "/queues/sales")["signed_in"] == 1
        rows = json.loads(other.command("replay", "--check", "--json"))
        assert len({row["sha256"] for row in rows}) == 1
