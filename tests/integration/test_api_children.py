"""Children of the supervisor: started again when they die, counted when they never serve, gone when it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from api.children import Child, Part, failed_starts, note_failed_starts
from api.supervisor import AlreadyUp, only_one

SERVES = "import time; print('ready', flush=True); time.sleep(60)"
DIES = "raise SystemExit(3)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
BOUND = "from api.children import *; import time; bind_to_parent(); say_ready(); time.sleep(60)"
ROOT = Path(__file__).resolve().parents[2]


def program(folder: Path, text: str) -> Part:
    return Part("test", (sys.executable, "-c", text), folder / "test.log")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


async def until(look: Callable[[], bool], limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while not look():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    child = Child(program(tmp_path, SERVES))
    child.start()
    try:
        assert await child.until_ready(10)
        first = child.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.up and child.pid not in (0, first))
        assert child.restarts == 1
        assert child.failed_starts == 0
    finally:
        await child.stop()
    assert not alive(first)
    assert child.pid == 0


@pytest.mark.asyncio
async def test_starts_that_never_serve_are_counted_and_told(tmp_path: Path) -> None:
    child = Child(program(tmp_path, DIES), [partial(note_failed_starts, tmp_path)])
    assert failed_starts(tmp_path) == 0
    child.start()
    try:
        await until(lambda: failed_starts(tmp_path) >= 3)
        assert not child.up
    finally:
        await child.stop()


@pytest.mark.asyncio
async def test_a_part_that_cannot_be_started_at_first_is_started_later(tmp_path: Path) -> None:
    late = tmp_path / "program"
    child = Child(Part("test", (str(late),), tmp_path / "test.log"), [partial(note_failed_starts, tmp_path)])
    child.start()
    try:
        await until(lambda: failed_starts(tmp_path) >= 2)  # the kernel has no such program
        new = tmp_path / "new"
        new.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{SERVES.replace(chr(39), chr(34))}'\n")
        new.chmod(0o700)
        new.rename(late)
        assert await child.until_ready(10)
    finally:
        await child.stop()


@pytest.mark.asyncio
async def test_waiting_for_one_that_cannot_start_ends_early_with_its_last_words(tmp_path: Path) -> None:
    child = Child(program(tmp_path, "raise SystemExit('port 1 is taken')"))
    child.start()
    try:
        assert not await child.until_ready(60)
        assert child.failed_starts >= 3
        assert child.last_words() == "port 1 is taken"
    finally:
        await child.stop()


@pytest.mark.asyncio
async def test_a_start_that_serves_clears_the_count(tmp_path: Path) -> None:
    note_failed_starts(tmp_path, 7)
    child = Child(program(tmp_path, SERVES), [partial(note_failed_starts, tmp_path)])
    child.start()
    try:
        assert await child.until_ready(10)
        assert failed_starts(tmp_path) == 0
    finally:
        await child.stop()


@pytest.mark.asyncio
async def test_a_child_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.children.STOP_LIMIT_S", 0.3)
    child = Child(program(tmp_path, STUBBORN))
    child.start()
    assert await child.until_ready(10)
    pid = child.pid
    await child.stop()
    assert not alive(pid)


def test_no_child_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    text = f"""
import asyncio, sys
from pathlib import Path
from api.children import Child, Part
async def main():
    child = Child(Part("test", (sys.executable, "-c", {BOUND!r}), Path({str(tmp_path / "c.log")!r})))
    child.start()
    assert await child.until_ready(20)
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    supervisor = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    try:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        assert alive(pid)
        supervisor.kill()
        asyncio.run(until(lambda: not alive(pid), 5))
    finally:
        supervisor.kill()
        supervisor.wait()
        assert supervisor.stdout is not None
        supervisor.stdout.close()


def test_only_one_has_the_data_folder(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "up.lock"
    with only_one(lock), pytest.raises(AlreadyUp, match=str(os.getpid())), only_one(lock):
        pytest.fail("two have it")
    with only_one(lock):
        assert lock.read_text() == f"{os.getpid()}\n"
