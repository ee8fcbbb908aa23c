"""One Asterisk for every way of distributing calls: ours, the peer's, app_queue and bare Dial().

Ringside's own Asterisk with the generated configuration is kept while Ringside comes and goes (`up
--keep-asterisk`), so each way has the machine to itself in its turn and none pays for another's idle processes. What
the others need is added to the dialplan and the queues by file and reload: 700 app_queue, 701 the peer, 9 and an
extension bare Dial(), 8 and an extension the same with MixMonitor as Ringside starts it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from api.bootstrap import asterisk_of, open_database
from benchmarks.sip_load import SipLoad
from cti.asterisk import AsteriskProcess
from directory import service
from storage.settings import load_secrets
from tests.support.system import System, entry, queue, seat
from tools.say import ROOT

AGENTS = 80
ENTRY, RECORDED = "81", "82"
QUEUE, PEER = "700", "701"
PEER_APP = "benchpeer"
LONGEST_FOLDER = 60  # bytes: Asterisk's control socket must fit into 107
LONGEST_END_S = 40.0  # SIP gives a transaction up after 32 s (RFC 3261, timers B, F and H)
STEADY_S = 3.0  # what a start brings (every phone is looked at, records catch up) is over
_TICKS = os.sysconf("SC_CLK_TCK")

DIALPLAN = """
[from-outside]
exten => 700,1,Answer(0,i)
 same => n,Queue(bench)
 same => n,Hangup()
exten => 701,1,Stasis({app})
 same => n,Hangup()
exten => _9XXXX,1,Dial(PJSIP/${{EXTEN:1}})
exten => _8XXXX,1,MixMonitor({recordings}/bench-${{UNIQUEID}}.raw,D)
 same => n,Dial(PJSIP/${{EXTEN:1}})
"""
QUEUES = """
[bench]
strategy = leastrecent
autofill = yes
ringinuse = no
timeout = 15
retry = 1
wrapuptime = 0
joinempty = yes
"""


def ours(number: int) -> str:
    """An extension of a seat of Ringside."""
    return f"{4000 + number}"


def plain(number: int) -> str:
    """The same kind of extension without a seat, for everybody else."""
    return f"{5000 + number}"


@dataclass(slots=True)
class Floor:
    """The system, its Asterisk, and which of the ways is up."""

    system: System
    agents: int
    asterisk: AsteriskProcess | None = None
    signed_in: bool = False
    recordings: Path = field(default_factory=Path)

    @asynccontextmanager
    async def ringside(self) -> AsyncIterator[System]:
        """All of `ringside up`; afterwards Asterisk alone is left. Phones can answer meanwhile."""
        await asyncio.to_thread(self.system.start, "--keep-asterisk")
        try:
            if not self.signed_in:
                seats = [f"seat{number}" for number in range(self.agents)]
                await asyncio.to_thread(self.system.make_ready, *seats)
                self.signed_in = True
            await asyncio.sleep(STEADY_S)
            yield self.system
        finally:
            await asyncio.to_thread(self.quit)

    def processes(self) -> list[int]:
        """The process ids of Ringside while it is up."""
        assert self.system.process is not None
        return [self.system.process.pid, *self.system.pids().values()]

    def quit(self) -> None:
        """Stop Ringside, and only it."""
        assert self.system.process is not None
        self.system.process.terminate()
        self.system.process.wait(30)
        self.system.process = None

    @contextmanager
    def peer(self) -> Iterator[int]:
        """The minimal dispatcher, serving; gives its process id."""
        given = self.asterisk_process.settings
        agents = [plain(number) for number in range(self.agents)]
        program = (sys.executable, "-m", "benchmarks.peer_dispatcher", str(given.http_port), given.ari_user, PEER_APP)
        with (self.system.folder / "peer.log").open("ab") as log:
            process = subprocess.Popen(
                [*program, *agents], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{given.ari_password}\n")
            process.stdin.flush()
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"the peer did not start: {(self.system.folder / 'peer.log').read_text()[-500:]}")
            yield process.pid
        finally:
            process.terminate()
            process.wait(10)
            process.stdin.close()
            process.stdout.close()

    @property
    def asterisk_process(self) -> AsteriskProcess:
        """Our Asterisk."""
        if self.asterisk is None:
            self.asterisk = asterisk_of(self.system.settings)
        return self.asterisk

    def add_the_others(self) -> None:
        """Dialplan and queue for everybody but Ringside."""
        asterisk = self.asterisk_process
        self.recordings = asterisk.settings.recordings
        members = "".join(f"member => PJSIP/{plain(number)}\n" for number in range(self.agents))
        added = {
            "extensions.conf": DIALPLAN.format(app=PEER_APP, recordings=self.recordings),
            "queues.conf": QUEUES + members,
        }
        for name, text in added.items():
            with (asterisk.settings.work / "etc" / name).open("a") as file:
                file.write(text)
        asterisk.cli("dialplan reload")
        asterisk.cli("queue reload all")

    async def register(self, load: SipLoad) -> None:
        """Every phone, ours and theirs."""
        secrets, database = load_secrets(self.system.settings), open_database(self.system.settings)
        with database.read() as session:
            pool = service.list_extensions(session)
        database.close()
        for one in pool:
            await load.register(one.number, secrets.phone_password(one.number, one.generation))


def lay_out(system: System, agents: int) -> None:
    """A queue that records nothing and one that does, the same seats in both, as many phones without a seat."""
    system.configure(
        [queue("plain", record_calls=False, wrap_up=None), queue("recorded", record_calls=True, wrap_up=None)],
        [seat(f"seat{number}", ours(number), "plain", "recorded") for number in range(agents)],
        [entry(ENTRY, "plain"), entry(RECORDED, "recorded")],
    )
    database = open_database(system.settings)
    with database.write() as session:
        for number in range(agents):
            service.create_extension(session, plain(number))
    database.close()


@contextmanager
def floor(agents: int = AGENTS, **settings: object) -> Iterator[Floor]:
    """A laid out floor on the project's own disk (the log is synchronised there); nothing is left of it."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    near = build if len(os.fsencode(build)) <= LONGEST_FOLDER else None
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=near))
    system = System(folder, log_level="warning", **settings)
    try:
        lay_out(system, agents)
        yield Floor(system, agents)
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)


def cpu_of(pids: Sequence[int]) -> float:
    """Seconds of processor time these processes have used, all their threads."""
    return sum(_cpu(pid) for pid in pids)


def _cpu(pid: int) -> float:
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(told[11]) + int(told[12])) / _TICKS


def phones_busy(asterisk: AsteriskProcess) -> list[str]:
    """The SIP channels there are; the peer's music has two channels of its own."""
    return [line for line in asterisk.cli("core show channels concise").splitlines() if line.startswith("PJSIP/")]


async def until_quiet(asterisk: AsteriskProcess, limit_s: float = LONGEST_END_S) -> None:
    """Return when no call is left. Raises TimeoutError with what is left."""
    end = time.monotonic() + limit_s
    while left := await asyncio.to_thread(phones_busy, asterisk):
        if time.monotonic() > end:
            raise TimeoutError(f"channels are left over: {left}")
        await asyncio.sleep(0.1)
