"""A whole Ringside for tests: `ringside up` on free ports in a folder of its own, with a small directory.

    system = System(tmp_path)
    system.configure(QUEUES, SEATS, ENTRIES)
    with system.running():
        system.make_ready("amy")
        ...

Facts are read from the log itself, so what a test sees is what is durable.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from acd.core.facts import Fact, Recorded
from acd.core.model import (
    SECOND,
    Destination,
    Menu,
    QueueDef,
    SeatProfile,
    SeatQueue,
    SkillLevel,
    State,
    Way,
    WrapUpEnding,
    WrapUpRule,
)
from acd.replica import Replica
from api.bootstrap import open_database, open_log, seed
from directory import changes, service
from directory.definitions import EntryPoint
from storage.migrations import migrate
from storage.settings import Settings, load_secrets
from tests.support.asterisk import free_port

ROOT = Path(__file__).resolve().parents[2]
UP_LIMIT_S = 60.0
T = TypeVar("T")
F = TypeVar("F", bound=Fact)


def queue(queue_id: str, **changes: Any) -> QueueDef:
    """A queue with times a test can wait for: ring 3 s, wrap-up 1 s, back-off by hand."""
    chosen: dict[str, Any] = {
        "name": queue_id,
        "ring_time": 3 * SECOND,
        "wrap_up": WrapUpRule(WrapUpEnding.TIMER, SECOND),
        **changes,
    }
    return QueueDef(queue_id, **chosen)


def seat(seat_id: str, extension: str, *queues: str, skills: Sequence[SkillLevel] = (), **changes: Any) -> SeatProfile:
    """A seat of those queues."""
    served = tuple(SeatQueue(one) for one in queues)
    return SeatProfile(seat_id, extension, served, tuple(skills), **changes)


def entry(number: str, to: str, *, greeting: str = "", menu: Menu | None = None, **changes: Any) -> EntryPoint:
    """A number callers dial; `menu` is where it starts, one of those given to `configure`."""
    if menu is not None:
        changes = {"start": Destination(Way.MENU, menu.id), **changes}
    return EntryPoint(number, f"entry {number}", to, greeting=greeting, **changes)


class System:
    """One installation, running or not."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        start = random.randrange(30_000, 60_000, 1000)
        ports: dict[str, int] = {}
        for name in ("api_port", "sip_port", "http_port", "ami_port", "agi_port"):
            # A port found free may be found again before anybody listens on it.
            ports[name] = next(port for port in iter(free_port, 0) if port not in ports.values())
        self.chosen: dict[str, Any] = {
            "data_dir": str(folder),
            "asterisk_root": os.environ.get("RINGSIDE_ASTERISK_ROOT", str(ROOT / ".asterisk")),
            "rtp_start": start,
            "rtp_end": start + 999,
            "log_level": "info",
            **ports,
            **settings,
        }
        self.settings = Settings(**self.chosen)
        self.process: subprocess.Popen[bytes] | None = None
        self.token = ""
        self._replica: Replica | None = None
        self.facts: list[Recorded] = []

    @property
    def environment(self) -> dict[str, str]:
        """What names this installation to every command."""
        given = {f"RINGSIDE_{name.upper()}": str(value) for name, value in self.chosen.items()}
        return {**os.environ, **given, "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}

    # --- before the start ------------------------------------------------------------------------------------

    def configure(
        self,
        queues: Sequence[QueueDef],
        seats: Sequence[SeatProfile],
        entries: Sequence[EntryPoint],
        menus: Sequence[Menu] = (),
    ) -> None:
        """Write the directory."""
        self.folder.mkdir(parents=True, exist_ok=True)
        migrate(self.settings)
        seed(self.settings, demo=False)
        database = open_database(self.settings)
        with database.write() as session:
            for one in queues:
                service.put_queue(session, one)
            for skill in sorted({own.skill for profile in seats for own in profile.skills}):
                service.create_skill(session, skill, skill)
            for profile in seats:
                if profile.extension:
                    service.create_extension(session, profile.extension)
                service.create_seat(session, profile, profile.id.title())
            for menu in menus:
                changes.put_menu(session, menu)
            for point in entries:
                service.put_entry_point(session, point)
        database.close()

    def password(self, extension: str) -> str:
        """The SIP password of an extension."""
        database = open_database(self.settings)
        try:
            with database.read() as session:
                found = next(one for one in service.list_extensions(session) if one.number == extension)
        finally:
            database.close()
        return load_secrets(self.settings).phone_password(extension, found.generation)

    # --- life ------------------------------------------------------------------------------------------------

    @contextmanager
    def running(self, *arguments: str) -> Iterator[System]:
        """Up and ready; stopped on leaving, Asterisk too."""
        try:
            self.start(*arguments)
            yield self
        finally:
            self.stop()

    def start(self, *arguments: str) -> None:
        """`ringside up`, until /readyz says yes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api", "up", *arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.until(self.is_ready, "the system is ready", UP_LIMIT_S)
        self.token = self.token or self.command("token", "create", "tests").strip()

    def is_ready(self) -> bool:
        """/readyz answers 200; fails at once when `up` has ended."""
        assert self.process is not None
        assert self.process.poll() is None, f"up ended with {self.process.returncode}: {self.tail()}"
        try:
            with urllib.request.urlopen(self.url("/readyz"), timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """SIGTERM, and nothing of it is left."""
        if self.process is not None:
            pids = self.pids()
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            for pid in pids.values():
                _end(pid)
            self.process = None
        self._end_asterisk()
        if not os.environ.get("RINGSIDE_KEEP"):
            shutil.rmtree(self.folder / "asterisk", ignore_errors=True)

    def _end_asterisk(self) -> None:
        for pid_file in (self.folder / "asterisk").rglob("asterisk.pid"):
            _end(int(pid_file.read_text().strip() or "0"))

    def pids(self) -> dict[str, int]:
        """The supervisor's children by name: engine, web, worker, rescue."""
        assert self.process is not None
        found: dict[str, int] = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and (name := _part_of(folder, self.process.pid)):
                found[name] = int(folder.name)
        return found

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Kill one process of ours; gives its pid."""
        pid = self.pids()[name]
        os.kill(pid, number)
        return pid

    # --- use -------------------------------------------------------------------------------------------------

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.settings.api_port}{path}"

    def api(self, method: str, path: str, body: object = None) -> Any:
        """One request with the token. Raises urllib's HTTPError for a refusal."""
        request = urllib.request.Request(self.url(f"/api/v1{path}"), method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def command(self, *words: str, code: int = 0) -> str:
        """A `ringside` command's standard output; its exit code must be `code`."""
        done = subprocess.run(
            [sys.executable, "-m", "api", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def make_ready(self, *seats: str) -> None:
        """Sign these seats in and choose Ready."""
        for one in seats:
            self.api("POST", f"/seats/{one}/sign-in", {})
            self.api("POST", f"/seats/{one}/status", {"presence": "voice", "status": "ready"})

    # --- what is durable -------------------------------------------------------------------------------------

    def read(self) -> list[Recorded]:
        """Every fact so far."""
        if self._replica is None:
            self._replica = Replica(open_log(self.settings), use_snapshot=False)
        self.facts += self._replica.catch_up()
        return self.facts

    @property
    def state(self) -> State:
        """The state of what is durable now."""
        self.read()
        assert self._replica is not None
        return self._replica.state

    def all(self, kind: type[F], **fields: object) -> list[F]:
        """The facts of a kind whose fields are these."""
        found = [recorded.fact for recorded in self.read() if isinstance(recorded.fact, kind)]
        return [cast(F, fact) for fact in found if all(getattr(fact, name) == value for name, value in fields.items())]

    def wait(self, kind: type[F], *, count: int = 1, limit_s: float = 10.0, **fields: object) -> F:
        """The `count`th fact of that kind with these fields, as soon as it is there."""

        def look() -> F | None:
            found = self.all(kind, **fields)
            return found[count - 1] if len(found) >= count else None

        found = self.until(look, f"{count} × {kind.__name__} {fields}", limit_s)
        assert found is not None
        return found

    def until(self, look: Callable[[], T], what: str, limit_s: float = 10.0) -> T:
        """What `look` gives as soon as it is true; fails with the log's tail after the limit."""
        end = time.monotonic() + limit_s
        while True:
            if found := look():
                return found
            assert time.monotonic() < end, f"not within {limit_s:g} s: {what}\n{self.tail()}"
            time.sleep(0.02)

    def tail(self) -> str:
        """The ends of the logs, for a failure's text."""
        parts = [self.folder / "up.log", *sorted((self.folder / "log").glob("*.log"))]
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in parts if path.exists()
        )


def _part_of(folder: Path, parent: int) -> str:
    """The name of our process if that /proc folder is one and a child of `parent`, else ""."""
    try:
        words = (folder / "cmdline").read_bytes().split(b"\0")
        ppid = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, ValueError, IndexError):
        return ""
    if ppid != parent or b"process" not in words:
        return ""
    return words[words.index(b"process") + 1].decode()


def _end(pid: int) -> None:
    if pid > 1:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
