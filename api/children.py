"""One process of ours as a child: started, seen ready, started again when it dies, stopped in order.

A child says it is ready by one line on its standard output; its standard error goes to a file. It runs in a session
of its own, so that Ctrl-C reaches only the supervisor, and asks the kernel to be ended when the supervisor dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

READY = "ready"
PARENT = "RINGSIDE_PARENT"
FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S = 0.05, 5.0
STEADY_S = 2.0
"""What dies sooner is not in good health: it is started again less and less often."""
READY_BACK_OFF_S = 0.5
"""But what became ready never waits longer: callers hear it ring for 5 s, then the fall-back has them."""
FAILED_STARTS = 3
STOP_LIMIT_S = 10.0
LOOKED_AT = 50  # lines of a log
LONGEST_WORDS = 300
FAILED_STARTS_FILE = "engine-failed-starts"
_PR_SET_PDEATHSIG = 1  # prctl(2)


class ParentGone(Exception):
    """The supervisor died before we could ask to be told."""


def bind_to_parent() -> None:
    """In a child: end when the supervisor ends, however it ends. Raises ParentGone when it is gone already."""
    parent = os.environ.get(PARENT, "")
    if not parent:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent):  # it died between our start and the line above
        raise ParentGone(f"the supervisor {parent} is gone")


def say_ready() -> None:
    """In a child: tell the supervisor that we serve."""
    with contextlib.suppress(OSError):  # nobody listens: started by hand, or the supervisor is gone
        print(READY, flush=True)


def note_failed_starts(run_dir: Path, count: int) -> None:
    """Tell rescue how often in a row the engine failed to start. A full disk must not stop us here."""
    with contextlib.suppress(OSError):
        (run_dir / FAILED_STARTS_FILE).write_text(f"{count}\n")


def failed_starts(run_dir: Path) -> int:
    """What the supervisor noted last; 0 when it noted nothing."""
    try:
        return int((run_dir / FAILED_STARTS_FILE).read_text())
    except (OSError, ValueError):
        return 0


@dataclass(frozen=True, slots=True)
class Part:
    """A process to keep: its name, the program's arguments, where its standard error goes, what its environment has
    besides ours."""

    name: str
    argv: tuple[str, ...]
    log: Path
    environment: tuple[tuple[str, str], ...] = ()


def part(name: str, data_dir: Path) -> Part:
    """`ringside process NAME` in this very Python, on that data folder."""
    argv = (sys.executable, "-m", "api", "process", name)
    return Part(name, argv, data_dir / "log" / f"{name}.log", (("RINGSIDE_DATA_DIR", str(data_dir)),))


def _error_in(line: str) -> str:
    """What a JSON log line says, when it tells of an error (api.logs); else empty."""
    try:
        told = json.loads(line)
    except ValueError:
        return ""
    is_error = isinstance(told, dict) and told.get("level") in ("error", "critical")
    return str(told.get("event", "")) if is_error else ""


class Child:
    """Keeps one part running. `restarts` counts starts after the first; `failed_starts` those in a row that never
    became ready; each of `on_start` is told that number after each start."""

    def __init__(self, part: Part, on_start: Sequence[Callable[[int], None]] = ()) -> None:
        self.part = part
        self.restarts = 0
        self.failed_starts = 0
        self._listeners = tuple(on_start)
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._changed = asyncio.Condition()
        self._stop_asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """It runs and has said that it is ready."""
        return self._ready.is_set()

    @property
    def pid(self) -> int:
        """Its process id, 0 when it does not run."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    def start(self) -> None:
        """Begin to keep it running."""
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.part.name}")

    async def until_ready(self, limit_s: float) -> bool:
        """True once it is ready; False when it is not within that time, or failed to start three times."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s), self._changed:
                await self._changed.wait_for(lambda: self.up or self.failed_starts >= FAILED_STARTS)
        return self.up

    def last_words(self) -> str:
        """The last error in its log, else the log's last line."""
        try:
            lines = self.part.log.read_text(errors="replace").splitlines()[-LOOKED_AT:]
        except OSError:
            return ""
        errors = [said for line in lines if (said := _error_in(line))]
        return (errors or lines or [""])[-1][-LONGEST_WORDS:]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL. It is not started again."""
        self._stop_asked.set()
        self.signal(signal.SIGTERM)
        if self._process is not None:
            try:
                async with asyncio.timeout(STOP_LIMIT_S):
                    await self._process.wait()
            except TimeoutError:
                self.signal(signal.SIGKILL)
                await self._process.wait()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep(self) -> None:
        back_off = FIRST_BACK_OFF_S
        while True:
            began = time.monotonic()
            try:
                was_ready = await self._run_once()
            except OSError as error:  # no memory for a process, no file to be had, a full disk: it may be over soon
                log.error("child_not_started", name=self.part.name, error=str(error))
                was_ready = False
            if self._stop_asked.is_set():
                return
            self.failed_starts = 0 if was_ready else self.failed_starts + 1
            if not was_ready:
                await self._tell()
            # Killed in good health it comes back at once: every second it is away, callers hear it ring.
            if was_ready and time.monotonic() - began > STEADY_S:
                back_off = FIRST_BACK_OFF_S
            back_off = min(back_off, READY_BACK_OFF_S) if was_ready else back_off
            await asyncio.sleep(back_off)
            back_off = min(2 * back_off, LONGEST_BACK_OFF_S)
            self.restarts += 1

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
        for listener in self._listeners:
            listener(self.failed_starts)

    async def _run_once(self) -> bool:
        """Start it and wait for its end; whether it became ready."""
        self.part.log.parent.mkdir(parents=True, exist_ok=True)
        with self.part.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.part.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **dict(self.part.environment), PARENT: str(os.getpid())},
                start_new_session=True,
            )
        try:
            return await self._watch(self._process)
        finally:
            self._ready.clear()

    async def _watch(self, process: asyncio.subprocess.Process) -> bool:
        assert process.stdout is not None
        was_ready = False
        while line := await process.stdout.readline():
            if line.decode(errors="replace").strip() == READY:
                was_ready = True
                self.failed_starts = 0
                self._ready.set()
                await self._tell()
        await process.wait()
        return was_ready
