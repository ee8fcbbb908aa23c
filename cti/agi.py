"""FastAGI: the one round trip that plans a new call.

pyst2's AGI command class is used, made safe: our own transport with a time limit, quoting of `"`, backslash, line ends
and NUL (pyst2 quotes nothing, so a caller's name could add a command), a bounded environment in which the first of
repeated names holds, hang-up and end of file as one exception, nothing on stderr, no signal handler.

However this ends, the dialplan goes on: without RINGSIDE_ITEM the app plans again, and without the app the caller ends
in the fall-back.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from asterisk.agi import AGI, AGIException, AGIHangup, AGIUnknownError

from acd.core.inputs import CallEntered, PartyLeft
from acd.core.reply import Done, Refused, Reply
from acd.ports import AddressSeen, Engine, EntryPlans
from cti.config import AsteriskSettings, Trunk
from cti.dialling import read_caller, trunk_named
from cti.dialplan import ITEM_VARIABLE, REFUSED_VARIABLE

log = structlog.get_logger()

LONGEST_LINE = 2048
MOST_LINES = 128
ENTRY_LIMIT_S = 3.0
THREADS = 16
# More calls than this at once between connect and answer: the next ones go straight on to the app.
MOST_AT_ONCE = 256
_KEY = re.compile(r"agi_[a-z0-9_]{1,40}")
_LEG = re.compile(r"[A-Za-z0-9_.:-]{1,150}")
_ENTRY = re.compile(r"[0-9]{1,20}")
_LINE_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_OUR_NUMBER = re.compile(r"[A-Za-z0-9_.+-]{1,40}")
_NOT_ONE_LINE = re.compile(r"[\x00-\x1f\x7f]")


class CallerGone(Exception):
    """The caller hung up, or Asterisk closed the connection."""


class AgiRefused(Exception):
    """The other end sent more than an Asterisk does, was too slow, or asks for what we do not serve."""


class Wire:
    """Lines over a socket, until a deadline. pyst2 takes it for both its stdin and its stdout."""

    def __init__(self, link: socket.socket, limit_s: float) -> None:
        """All reads and writes together may take `limit_s`."""
        self._link = link
        self._until = time.monotonic() + limit_s
        self._buffer = b""

    @property
    def left_s(self) -> float:
        """Seconds until the deadline. Raises AgiRefused when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise AgiRefused("the time for this call's entry is over")
        return left

    def readline(self) -> str:
        """The next line. Raises CallerGone at the end of file and at HANGUP, AgiRefused at the limits."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > LONGEST_LINE:
                raise AgiRefused(f"a line of more than {LONGEST_LINE} bytes")
            self._link.settimeout(self.left_s)
            try:
                data = self._link.recv(4096)
            except TimeoutError:
                raise AgiRefused("no line in time") from None
            except OSError as error:
                raise CallerGone(str(error)) from None
            if not data:
                raise CallerGone("end of file")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        if len(line) > LONGEST_LINE:
            raise AgiRefused(f"a line of more than {LONGEST_LINE} bytes")
        text = line.decode("utf-8", "replace").rstrip("\r")
        if text.strip() == "HANGUP":
            raise CallerGone("hung up")
        return text + "\n"

    def write(self, text: str) -> None:
        """Send text. Raises CallerGone when nobody takes it."""
        self._link.settimeout(self.left_s)
        try:
            self._link.sendall(text.encode())
        except OSError as error:
            raise CallerGone(str(error)) from None

    def flush(self) -> None:
        """Nothing is kept back."""


class _Silence:
    """pyst2 writes each line and the caller's data to stderr."""

    def write(self, text: str) -> None:
        """Say nothing."""


class SafeAgi(AGI):  # type: ignore[misc]  # pyst2 is shipped without types
    """pyst2's commands over a Wire. `env` holds the bounded environment."""

    def __init__(self, wire: Wire) -> None:
        """Read the environment. Raises CallerGone or AgiRefused."""
        self.stdin = self.stdout = wire
        self.stderr = _Silence()
        self._got_sighup = False
        self.env: dict[str, str] = {}
        self._get_agi_env()

    def _get_agi_env(self) -> None:
        for _ in range(MOST_LINES):
            line = self.stdin.readline().strip()
            if not line:
                return
            key, colon, value = line.partition(":")
            if colon and _KEY.fullmatch(key):
                self.env.setdefault(key, value.strip())
        raise AgiRefused(f"an environment of more than {MOST_LINES} lines")

    def _quote(self, value: object) -> str:
        """One quoted argument: no value can end it or begin another command."""
        plain = _NOT_ONE_LINE.sub(" ", str(value)).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{plain}"'

    def send_command(self, command: str, *args: object) -> None:
        """Send one command line. Raises ValueError when it would be more than one."""
        line = " ".join([command, *map(str, args)]).strip()
        if _NOT_ONE_LINE.search(line):
            raise ValueError("an AGI command is one line of printable text")
        self.stdout.write(line + "\n")

    def get_result(self, *_: object) -> dict[str, tuple[str, str]]:
        """The answer's fields. Raises CallerGone at a hang-up, AGIException for an error or nonsense."""
        try:
            result: dict[str, tuple[str, str]] = super().get_result()
        except AGIHangup as error:
            raise CallerGone(str(error)) from None
        except ValueError:
            raise AGIUnknownError(0, "not an AGI answer") from None
        return result


Submit = Callable[[CallEntered | PartyLeft, float], Reply]
"""Blocking: give the engine an input, wait at most so many seconds for its reply."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """How callers' numbers are read: the carriers' lines with their rules, and the region for everybody else."""

    region: str
    trunks: Sequence[Trunk] = ()


def address_seen(env: Mapping[str, str], numbering: Numbering) -> AddressSeen:
    """Who calls what, of the environment. `agi_arg_1` and `_2` are the line and the number of ours that was called."""
    entry = env["agi_extension"]
    line, called = env.get("agi_arg_1", ""), env.get("agi_arg_2", "")
    line = line if _LINE_NAME.fullmatch(line) else ""
    trunk = trunk_named(numbering.trunks, line)
    caller = read_caller(trunk, env.get("agi_callerid", ""), env.get("agi_calleridname", ""), numbering.region)
    return AddressSeen(entry, caller, called if _OUR_NUMBER.fullmatch(called) else entry, line)


def plan_call(
    agi: SafeAgi, plans: EntryPlans, submit: Submit, numbering: Numbering, left_s: Callable[[], float]
) -> None:
    """The whole conversation: who calls what, its plan, the engine's word, one variable back.

    Raises CallerGone, AgiRefused, TimeoutError, AGIException, or what the engine raises.
    """
    env = agi.env
    leg, entry = env.get("agi_uniqueid", ""), env.get("agi_extension", "")
    if env.get("agi_network_script") != "entry" or not _LEG.fullmatch(leg) or not _ENTRY.fullmatch(entry):
        raise AgiRefused("not a request of our dialplan")
    plan = plans.plan(address_seen(env, numbering))
    if plan is None:
        agi.set_variable(REFUSED_VARIABLE, "unknown_entry")
        return
    reply = submit(CallEntered(leg, plan), left_s())
    name, value = _answer(reply)
    try:
        agi.set_variable(name, value)
    except CallerGone:
        # He hung up between the dialplan's question and our answer: no StasisStart and no hang-up will be seen.
        submit(PartyLeft(leg), left_s())
        raise


def _answer(reply: Reply) -> tuple[str, str]:
    match reply:
        case Done(item=item):
            return ITEM_VARIABLE, item
        case Refused(code=code):
            return REFUSED_VARIABLE, code.value


class AgiServer:
    """Listens for the dialplan on `settings.agi_host:agi_port`; each call is served in one of a few threads."""

    def __init__(
        self,
        given: AsteriskSettings,
        engine: Engine,
        plans: EntryPlans,
        *,
        limit_s: float = ENTRY_LIMIT_S,
        trunks: Callable[[], Sequence[Trunk]] | None = None,
    ) -> None:
        """`limit_s`: a call's entry may take that long, then the dialplan goes on without us.

        `trunks`: the lines as they are now, for one added while we run; without it those of the settings.
        """
        self._trunks = trunks or (lambda: given.trunks)
        self._given, self._engine, self._plans, self._limit_s = given, engine, plans, limit_s
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._busy = 0
        self.served = 0
        self.failed = 0

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._listener = socket.create_server((self._given.agi_host, self._given.agi_port), backlog=512)
        self._listener.setblocking(False)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="agi")
        self._accepting = asyncio.create_task(self._accept(self._listener, self._pool), name="agi-accept")

    async def stop(self) -> None:
        """Stop listening and wait for the calls under way, each at most its time limit."""
        accepting, self._accepting = self._accepting, None
        if accepting is not None:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown)

    async def _accept(self, listener: socket.socket, pool: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                link, _ = await loop.sock_accept(listener)
            except OSError as error:  # too many open files, say: the kernel keeps the caller in its backlog
                log.warning("agi_accept_failed", error=str(error))
                await asyncio.sleep(0.1)
                continue
            if self._busy >= MOST_AT_ONCE:
                self.failed += 1
                link.close()
                continue
            self._busy += 1
            until = time.monotonic() + self._limit_s  # his time runs while he waits for a thread, too
            loop.run_in_executor(pool, self._serve, link, loop, until).add_done_callback(self._done)

    def _done(self, _: asyncio.Future[None]) -> None:
        self._busy -= 1

    def _serve(self, link: socket.socket, loop: asyncio.AbstractEventLoop, until: float) -> None:
        """One connection, in a thread; every failure ends in a closed connection and a counter."""

        def submit(given: CallEntered | PartyLeft, limit_s: float) -> Reply:
            asked = asyncio.run_coroutine_threadsafe(self._engine.submit(given, by="customer", via="asterisk"), loop)
            try:
                return asked.result(limit_s)
            except TimeoutError:
                asked.cancel()
                raise

        with link:
            link.setblocking(True)
            wire = Wire(link, until - time.monotonic())
            try:
                numbering = Numbering(self._given.default_region, self._trunks())
                plan_call(SafeAgi(wire), self._plans, submit, numbering, lambda: wire.left_s)
                self.served += 1
            except CallerGone:
                self.failed += 1
            except (AgiRefused, AGIException, TimeoutError) as error:
                self.failed += 1
                log.warning("agi_call_not_planned", error=str(error) or type(error).__name__)
            except Exception:
                # The engine steps down, the database is away, ...: the dialplan takes the call on.
                self.failed += 1
                log.exception("agi_call_failed")
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
