"""The Asterisk process: written down, started, adopted, stopped. Blocking; from asyncio call it in a thread.

It is started in a session of its own and outlives us: calls go on when every process of ours is dead, and the next
engine adopts it (same process, same configuration, AMI lets us in) instead of starting another.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import wave
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cti.config import AsteriskSettings, write_private
from cti.configuration import RELOADS, Places, configuration, digest, lasting

OLDEST = (22, 10, 1)
BOOT_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0
LOOK_EVERY_S = 0.02
_RATE = 8000
# Prompts of our own, for menus without recorded words: (hertz, milliseconds) one after the other; 0 Hz is silence.
TONE_PROMPTS: dict[str, Sequence[tuple[int, int]]] = {
    "greeting": ((523, 200), (0, 50), (659, 200), (0, 50), (784, 300)),
    "menu": ((784, 150), (0, 100), (784, 150), (0, 100), (784, 150), (0, 250)),
}
_MUSIC = ((392, 400), (440, 400), (494, 400), (440, 400), (0, 400))


class AsteriskFailed(Exception):
    """Asterisk could not be found, started or stopped; the text says what to do."""


class AsteriskTooOld(AsteriskFailed):
    """The Asterisk found has a known hole."""


class AsteriskStale(AsteriskFailed):
    """Ours runs with an older configuration and has calls: restarting it would cut them."""


@dataclass(frozen=True, slots=True)
class Running:
    """The Asterisk a mark file tells of: its process id, when that process started (clock ticks) and its digests."""

    pid: int
    started: int
    digest: str
    lasting: str


def find_places(root: str) -> Places:
    """The program and its data under `root`, or of the installed Asterisk. Raises AsteriskFailed."""
    if root:
        base = Path(root)
        program = base / "run-bin/asterisk"
    else:
        base = Path("/")
        found = shutil.which("asterisk", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
        program = Path(found) if found else base / "usr/sbin/asterisk"
    if not os.access(program, os.X_OK):
        raise AsteriskFailed(f"no Asterisk at {program}: run tools/setup, or name one in the settings")
    modules = [*base.glob("usr/lib/*/asterisk/modules"), *base.glob("usr/lib/asterisk/modules")]
    if not modules:
        raise AsteriskFailed(f"Asterisk at {program} has no modules under {base / 'usr/lib'}")
    return Places(program, modules[0], base / "usr/share/asterisk")


def parse_version(text: str) -> tuple[int, ...]:
    """(22, 10, 1) of "Asterisk 22.10.1~dfsg…"; () for text without a version."""
    found = re.search(r"(\d+(?:\.\d+)+)", text)
    return tuple(map(int, found[1].split("."))) if found else ()


def require_new_enough(text: str) -> tuple[int, ...]:
    """The version in the text. Raises AsteriskTooOld below 22.10.1."""
    version = parse_version(text)
    if version < OLDEST:
        raise AsteriskTooOld(
            f"{text.strip() or 'this Asterisk'} is older than 22.10.1 and has CVE-2026-57191: "
            "run tools/setup for a private one, or upgrade the installed one"
        )
    return version


def write_tones(path: Path, tones: Sequence[tuple[int, int]]) -> None:
    """A mono 16-bit 8 kHz WAV of tones at a quarter of full scale."""
    samples = array("h")
    for hertz, milliseconds in tones:
        turn = 2 * math.pi * hertz / _RATE
        samples.extend(int(8192 * math.sin(turn * i)) for i in range(_RATE * milliseconds // 1000))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(samples.tobytes())


def process_started(pid: int) -> int:
    """When that process started, in clock ticks since boot; 0 when there is none or it is a zombie."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return 0
    return 0 if told[0] in "ZX" else int(told[19])


class AsteriskProcess:
    """One Asterisk of ours, in `settings.work_dir`. `process` is set when this very object started it."""

    def __init__(self, given: AsteriskSettings, *, die_with_parent: bool = False) -> None:
        """`die_with_parent`: it ends with the thread that started it (tests). Raises AsteriskFailed if not found."""
        if not (given.ami_password and given.ari_password):
            raise AsteriskFailed("the settings hold no passwords: use cti.config.with_secrets")
        self.settings = given
        self.places = find_places(given.root)
        self.files = configuration(given, self.places)
        self.digest = digest(self.files, self.places)
        self._lasting = lasting(self.files, self.places)
        self.process: subprocess.Popen[bytes] | None = None
        self._die_with_parent = die_with_parent

    # --- what lies in the folder -----------------------------------------------------------------------------------

    @property
    def _mark(self) -> Path:
        return self.settings.work / "run/ringside.json"

    def write(self) -> None:
        """Write the folder: configuration (only its owner reads it), links to sounds, tones. Repeating is harmless."""
        work = self.settings.work
        for name in (
            "etc",
            "var/keys",
            "run",
            "log/cel-custom",
            "spool/recording",
            "spool/tmp",
            "cache",
            "data/sounds",
        ):
            (work / name).mkdir(parents=True, exist_ok=True)
        work.chmod(0o700)
        self.settings.recordings.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, text in self.files.items():
            path = work / "etc" / name
            if not path.exists() or path.read_text() != text:
                write_private(path, text)
        self._link_data()

    def _link_data(self) -> None:
        """data/: links to Asterisk's own data, sounds/ringside with our tones, moh with the music."""
        data, share = self.settings.work / "data", self.places.share
        links = {data / path.name: path for path in share.glob("*") if path.name not in {"sounds", "moh"}}
        links |= {data / "sounds" / path.name: path for path in (share / "sounds").glob("*") if path.is_dir()}
        english = sorted((share / "sounds").glob("en_US*"))
        if english:  # Debian makes this link when the package is installed; an unpacked one may lack it
            links.setdefault(data / "sounds/en", english[0])
        if any((share / "moh").glob("*.*")):
            links[data / "moh"] = share / "moh"
        for link, target in links.items():
            if not link.is_symlink() or link.readlink() != target:
                _replace(link)
                link.symlink_to(target)
        own = data / "sounds/ringside"
        own.mkdir(exist_ok=True)
        for name, tones in TONE_PROMPTS.items():
            if not (own / f"{name}.wav").exists():
                write_tones(own / f"{name}.wav", tones)
        if data / "moh" not in links:
            _replace(data / "moh")
            (data / "moh").mkdir()
            write_tones(data / "moh/ringside.wav", _MUSIC)

    # --- is one running? -------------------------------------------------------------------------------------------

    def running(self) -> Running | None:
        """The Asterisk that the mark file tells of, if that very process lives; ours or an older configuration's."""
        try:
            told = json.loads(self._mark.read_text())
            found = Running(int(told["pid"]), int(told["started"]), str(told["digest"]), str(told["lasting"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        self._reap()
        return found if process_started(found.pid) == found.started else None

    def _reap(self) -> None:
        """Take note when our own child has ended."""
        if self.process is not None:
            self.process.poll()

    @property
    def pid(self) -> int:
        """Its process id, 0 when it does not run."""
        found = self.running()
        return found.pid if found else 0

    @property
    def current(self) -> bool:
        """Ours, alive, booted, with this very configuration, and its manager interface lets us in."""
        found = self.running()
        if found is None or found.digest != self.digest:
            return False
        try:
            return self._booted()
        except (OSError, AsteriskFailed):
            return False

    # --- life ------------------------------------------------------------------------------------------------------

    def version(self) -> tuple[int, ...]:
        """What `asterisk -V` says. Raises AsteriskTooOld below 22.10.1."""
        try:
            done = subprocess.run(
                [str(self.places.program), "-V"], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AsteriskFailed(f"{self.places.program} -V: {error}") from None
        return require_new_enough(done.stdout or done.stderr)

    def ensure(self, *, cut_calls: bool = False) -> bool:
        """Have one running: adopt it (False) or start it (True).

        One of ours with an older dialplan, queue or music takes up the new one while its calls go on. With another
        older file it is restarted when it carries no call, or when `cut_calls`; else AsteriskStale is raised. One with
        this configuration is never ended: AsteriskFailed if it does not answer.
        """
        found = self.running()
        if found is not None and found.digest == self.digest:
            self.wait_booted()  # at once, unless it is booting
            return False
        if found is not None and found.lasting == self._lasting:
            self.wait_booted()
            self._reload(found)
            return False
        if found is not None:
            calls = self.channel_count()
            if calls and not cut_calls:
                raise AsteriskStale(
                    f"Asterisk (process {self.pid}) runs with an older configuration and carries {calls} channels: "
                    "wait until they end, or start with the setting that cuts calls"
                )
            self.stop()
        self.start()
        return True

    def refresh(self) -> bool:
        """Let the one that runs take up these settings while its calls go on: trunks, entry numbers, dialplan, music.

        True when there was anything to take up. Raises AsteriskStale when that needs a restart, AsteriskFailed when
        none runs.
        """
        found = self.running()
        if found is None:
            raise AsteriskFailed(f"no Asterisk of {self.settings.work} runs")
        if found.digest == self.digest:
            return False
        if found.lasting != self._lasting:
            raise AsteriskStale("these settings need a restart of Asterisk: ports, users, TLS and modules do")
        self._reload(found)
        return True

    def start(self, limit_s: float = BOOT_LIMIT_S) -> None:
        """Write the folder, start, wait until fully booted. Raises AsteriskFailed with the log's end when it is not."""
        if self.running() is not None:
            raise AsteriskFailed(f"an Asterisk of this folder runs already (process {self.pid})")
        self.version()
        self.write()
        if busy := self._busy_port():
            raise AsteriskFailed(f"port {busy} is in use by another program: end it or choose another port")
        with (self.settings.work / "log/stdout").open("ab") as out:
            self.process = subprocess.Popen(
                [*self._parent_bound(), *self._command("-f")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=self.settings.work,
            )
        pid = self.process.pid
        self._write_mark(Running(pid, process_started(pid), self.digest, self._lasting))
        try:
            self.wait_booted(limit_s)
        except AsteriskFailed:
            self.kill()
            raise

    def _write_mark(self, running: Running) -> None:
        write_private(self._mark, json.dumps(asdict(running)) + "\n")

    def _reload(self, found: Running) -> None:
        """Write the folder and let the one that runs take up what it can."""
        self.write()
        for command in RELOADS.values():
            self.cli(command)
        self._write_mark(replace(found, digest=self.digest))

    def wait_booted(self, limit_s: float = BOOT_LIMIT_S) -> None:
        """Return once the manager interface has said FullyBooted. Raises AsteriskFailed when it ends or is too slow."""
        until = time.monotonic() + limit_s
        while True:
            if self.running() is None:
                raise AsteriskFailed(f"Asterisk ended while it was booting:\n{self.log_tail()}")
            with contextlib.suppress(OSError):
                if self._booted():
                    return
            if time.monotonic() > until:
                raise AsteriskFailed(f"Asterisk did not boot within {limit_s:g} s:\n{self.log_tail()}")
            time.sleep(LOOK_EVERY_S)

    def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """End it (SIGTERM, then SIGKILL). Calls are cut. Nothing happens when none runs."""
        self._end(signal.SIGTERM, limit_s)
        self._end(signal.SIGKILL, limit_s)
        if self.running() is not None:
            raise AsteriskFailed(f"Asterisk (process {self.pid}) does not end")

    def kill(self) -> None:
        """kill -9, as a crash would."""
        self._end(signal.SIGKILL, STOP_LIMIT_S)

    def _end(self, how: signal.Signals, limit_s: float) -> None:
        if (found := self.running()) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.pid, how)
            until = time.monotonic() + limit_s
            while self.running() is not None and time.monotonic() < until:
                time.sleep(LOOK_EVERY_S)
        if self.process is not None and self.running() is None:
            # Takes the zombie away, also of one that somebody else ended; its other threads may still be leaving.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(limit_s)

    def _parent_bound(self) -> list[str]:
        """setpriv (util-linux) asks the kernel to end the process with its parent."""
        return ["setpriv", "--pdeathsig", "TERM", "--"] if self._die_with_parent else []

    def _command(self, *arguments: str) -> list[str]:
        return [str(self.places.program), "-C", str(self.settings.work / "etc/asterisk.conf"), *arguments]

    def _busy_port(self) -> str:
        """The first of our ports that somebody holds, or ""."""
        given = self.settings
        wanted = (
            (given.http_host, given.http_port, socket.SOCK_STREAM),
            (given.ami_host, given.ami_port, socket.SOCK_STREAM),
            (given.sip_host, given.sip_port, socket.SOCK_DGRAM),
            (given.sip_host, given.sip_port, socket.SOCK_STREAM),
        )
        for host, port, kind in wanted:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family, kind) as probe:
                if kind == socket.SOCK_STREAM:  # left-over TIME_WAIT connections are no hindrance
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError:
                    return f"{host}:{port}"
        return ""

    # --- talking to it ---------------------------------------------------------------------------------------------

    def _booted(self) -> bool:
        """True once a log-in is told FullyBooted. Raises OSError while nobody listens, AsteriskFailed if refused."""
        given = self.settings
        with socket.create_connection((given.ami_host, given.ami_port), 1) as link:
            link.settimeout(BOOT_LIMIT_S)
            link.sendall(
                f"Action: Login\r\nUsername: {given.ami_user}\r\nSecret: {given.ami_password}\r\n"
                "Events: system\r\n\r\n".encode()
            )
            for block in _blocks(link):
                if b"Event: FullyBooted" in block:
                    return True
                if b"Response: Error" in block:
                    raise AsteriskFailed("the manager interface refuses our password: another Asterisk has our port")
        return False

    def cli(self, line: str, limit_s: float = 10.0) -> str:
        """A console command's output. Raises AsteriskFailed when it cannot be asked."""
        try:
            done = subprocess.run(
                self._command("-rx", line), capture_output=True, text=True, timeout=limit_s, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AsteriskFailed(f"asterisk -rx {line!r}: {error}") from None
        if done.returncode != 0:
            raise AsteriskFailed(f"asterisk -rx {line!r}: {(done.stderr or done.stdout).strip()[-400:]}")
        return done.stdout

    def channel_count(self) -> int:
        """How many channels are up."""
        found = re.search(r"(\d+) active channel", self.cli("core show channels count"))
        return int(found[1]) if found else 0

    def log_tail(self, characters: int = 2000) -> str:
        """The end of what Asterisk said."""
        parts = [self.settings.work / "log" / name for name in ("stdout", "messages.log")]
        return "\n".join(path.read_text(errors="replace")[-characters:] for path in parts if path.exists()).strip()

    def __enter__(self) -> AsteriskProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _replace(path: Path) -> None:
    """Make room at a place inside our own data folder."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


def _blocks(link: socket.socket) -> Iterator[bytes]:
    """The AMI blocks that come in."""
    buffer = b""
    while data := link.recv(4096):
        buffer += data
        *blocks, buffer = buffer.split(b"\r\n\r\n")
        yield from blocks
