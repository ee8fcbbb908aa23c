"""Drive a phone that runs as a process of its own, from asyncio.

See the package's docstring for how to use it. Nothing here needs pjsua2 or numpy.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ENVIRONMENT_VARIABLE = "RINGSIDE_PHONE_PASSWORD"
START_LIMIT_S = 20.0
REPLY_LIMIT_S = 12.0
CLOSE_LIMIT_S = 10.0
LOOK_EVERY_S = 0.05
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Said:
    """One line a phone said: its ``event`` name, the machine's monotonic time, and the whole object."""

    index: int
    event: str
    at: float
    data: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    @property
    def call(self) -> int:
        return int(self.data["call"])


class PhoneGone(Exception):
    """The phone's process ended; ``code`` is its exit code (see ``softphone.cli.Exit``)."""

    def __init__(self, code: int | None, say: str) -> None:
        super().__init__(say)
        self.code = code


class CommandRefused(Exception):
    """The phone answered a command with an error; the text is what it said."""


class NotSaid(AssertionError):
    """An expected event did not come in time; the text lists the last events."""


class PhoneProcess:
    """One phone. Make it with ``await PhoneProcess.start(...)``, best in ``async with``."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process, self.name = process, name
        self.history: list[Said] = []
        self.errors: list[str] = []
        self._given: dict[tuple[str, object], int] = {}
        self._ids = itertools.count(1)
        self._changed = asyncio.Condition()
        self._ended = False
        self._readers = [
            asyncio.create_task(self._read_events()),
            asyncio.create_task(self._read_errors()),
        ]
        self.uri = ""

    @classmethod
    async def start(
        cls,
        extension: str,
        *,
        server: str = "",
        password: str = "",
        register: bool = True,
        display_name: str = "",
        auto_answer: float | None = None,
        play: Path | None = None,
        tone: int | None = None,
        record: Path | None = None,
        listen: bool = False,
        tones: Iterable[int] = (),
        address: str = "",
        local_port: int = 0,
        rtp_port: int = 0,
        register_timeout: float | None = None,
        arguments: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> Self:
        """Start a phone and wait until it is ready, and registered if it is to be (``server`` and
        ``register``). Raises PhoneGone when it ends instead: wrong password, dead server. ``wait=False``
        returns at once. ``arguments`` are further options of the program (``ringside phone --help``), ``environment``
        is added to ours. ``extension`` and ``display_name`` may be any text without NUL."""
        options: dict[str, object | None] = {
            "extension": extension,
            "server": server or None,
            "display-name": display_name or None,
            "auto-answer": auto_answer,
            "play": play,
            "tone": tone,
            "record": record,
            "tones": ",".join(map(str, tones)) or None,
            "address": address or None,
            "local-port": local_port or None,
            "rtp-port": rtp_port or None,
            "register-timeout": register_timeout,
        }
        argv = [f"--{name}={value}" for name, value in options.items() if value is not None]
        argv += ["--listen"] * listen + ["--no-register"] * (not register)
        argv += arguments
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # what lies in the current folder is not for the phone to import
            "-m",
            "softphone",
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**_environment(password), **(environment or {})},
            start_new_session=True,
        )
        phone = cls(process, extension)
        if wait:
            try:
                await phone.ready("registered" if server and register else "ready")
            except BaseException:
                await phone.kill()
                raise
        return phone

    async def ready(self, event: str = "ready", within: float = START_LIMIT_S) -> None:
        """Wait until the phone has said ``ready`` (or ``registered``)."""
        self.uri = str((await self.expect("ready", within=within))["uri"])
        if event != "ready":
            await self.expect(event, within=within)

    # -- what it says -----------------------------------------------------------------------------------

    def mark(self) -> int:
        """A place in the history; ``expect(..., since=mark)`` looks only at what comes after it."""
        return len(self.history)

    async def expect(
        self,
        event: str,
        *,
        within: float = 5.0,
        since: int | None = None,
        where: Callable[[Said], bool] | None = None,
        **fields: Any,
    ) -> Said:
        """The next event of that name whose fields equal ``fields`` and for which ``where`` holds.

        "Next" means: after the one that the last ``expect`` of the same name gave for the same call, so each is
        given once and none is missed however late one asks. ``since`` looks from a mark instead. Raises NotSaid after
        ``within`` seconds, PhoneGone as soon as the process has ended without saying it.
        """
        if "timeout" in fields:
            raise TypeError("the time limit of expect is called within")

        def new(said: Said) -> bool:
            after = self._given.get((event, said.data.get("call")), -1)
            return said.index > after if since is None else said.index >= since

        def find() -> Said | None:
            return next(
                (
                    said
                    for said in self.history
                    if said.event == event
                    and new(said)
                    and all(said.data.get(name) == value for name, value in fields.items())
                    and (where is None or where(said))
                ),
                None,
            )

        said = await self._until(find, within, f"{event} {fields or ''}")
        kept = (event, said.data.get("call"))
        self._given[kept] = max(self._given.get(kept, -1), said.index)
        return said

    async def first_of(
        self, wanted: Mapping[str, Callable[[Said], bool]], *, since: int, within: float | None
    ) -> Said | None:
        """The first event after the mark ``since`` whose name is in ``wanted`` and whose test holds; None after
        ``within`` seconds (None: no limit). Leaves what ``expect`` gives alone. Raises PhoneGone."""

        def find() -> Said | None:
            fits = (said for said in self.history[since:] if said.event in wanted and wanted[said.event](said))
            return next(fits, None)

        return await self._seek(find, within, " or ".join(wanted))

    def said(self, event: str, since: int = 0) -> list[Said]:
        """All events of that name so far."""
        return [said for said in self.history[since:] if said.event == event]

    async def _until(self, find: Callable[[], Said | None], within: float, what: str) -> Said:
        said = await self._seek(find, within, what)
        if said is None:
            raise NotSaid(f"phone {self.name}: no {what} within {within:g} s; last: {self._last()}")
        return said

    async def _seek(self, find: Callable[[], Said | None], within: float | None, what: str) -> Said | None:
        if (said := find()) is not None or within == 0:
            return said
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within), self._changed:
                while (said := find()) is None:
                    if self._ended:
                        raise self._gone(what)
                    await self._changed.wait()
                return said
        return find()

    def _gone(self, what: str) -> PhoneGone:
        told = " / ".join(self.errors[-4:])
        code = self._process.returncode
        return PhoneGone(code, f"phone {self.name} ended with {code} while waiting for {what}: {told}")

    def _last(self) -> str:
        return "; ".join(json.dumps(dict(said.data), ensure_ascii=False) for said in self.history[-SHOWN:])

    # -- what it is told ----------------------------------------------------------------------------------

    async def do(self, command: str, *, within: float = REPLY_LIMIT_S, **fields: Any) -> Said:
        """Give a command and wait for its answer. Raises CommandRefused when the answer is an error."""
        number = next(self._ids)
        since = self.mark()
        await self.write(json.dumps({"do": command, "id": number, **fields}))

        def find() -> Said | None:
            return next((said for said in self.history[since:] if said.data.get("id") == number), None)

        answer = await self._until(find, within, f"answer to {command}")
        if answer.event == "error":
            raise CommandRefused(str(answer["say"]))
        return answer

    async def write(self, line: str) -> None:
        """Send a raw line, whatever it is."""
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(line.encode() + b"\n")
            await stream.drain()
        except (BrokenPipeError, ConnectionResetError):
            await self._finished()
            raise self._gone("a command to be taken") from None

    async def call(self, to: str, headers: Mapping[str, str] | None = None) -> int:
        """Call a number at the server or a ``sip:`` address; the number of the call."""
        return (await self.do("call", to=to, headers=dict(headers or {}))).call

    async def answer(self, call: int | None = None) -> int:
        """Answer the call that has waited longest, or the named one."""
        return (await self.do("answer", **_named(call))).call

    async def decline(self, code: int = 486, call: int | None = None) -> None:
        await self.do("decline", code=code, **_named(call))

    async def hold(self, call: int | None = None) -> None:
        await self.do("hold", **_named(call))

    async def resume(self, call: int | None = None) -> None:
        await self.do("resume", **_named(call))

    async def mute(self, call: int | None = None) -> None:
        await self.do("mute", **_named(call))

    async def unmute(self, call: int | None = None) -> None:
        await self.do("unmute", **_named(call))

    async def dtmf(self, digits: str, call: int | None = None) -> None:
        await self.do("dtmf", digits=digits, **_named(call))

    async def hang_up(self, call: int | None = None) -> None:
        await self.do("hangup", **_named(call))

    async def transfer(self, to: str, call: int | None = None) -> None:
        await self.do("transfer", to=to, **_named(call))

    async def hears(self, call: int | None = None) -> dict[int, float]:
        """Which known tones came in during the last 0.3 s: frequency in Hz -> amplitude."""
        heard = (await self.do("hears", **_named(call)))["tones"]
        return {int(hz): float(level) for hz, level in heard.items()}

    async def until_hears(
        self, *present: int, absent: Iterable[int] = (), call: int | None = None, within: float = 5.0
    ) -> dict[int, float]:
        """Wait until all of ``present`` and none of ``absent`` are heard. Raises NotSaid with what was."""
        wanted, unwanted = frozenset(present), frozenset(absent)

        def right(now: Mapping[int, float]) -> bool:
            return wanted <= now.keys() and not unwanted & now.keys()

        return await self._until_sound(right, call, within, f"{sorted(wanted)} without {sorted(unwanted)}")

    async def until_silent(self, call: int | None = None, within: float = 5.0) -> None:
        """Wait until no known tone is heard."""
        await self._until_sound(lambda now: not now, call, within, "silence")

    async def _until_sound(
        self, right: Callable[[Mapping[int, float]], bool], call: int | None, within: float, what: str
    ) -> dict[int, float]:
        now: dict[int, float] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    now = await self.hears(call)
                    if right(now):
                        return now
                    await asyncio.sleep(LOOK_EVERY_S)
        raise NotSaid(f"phone {self.name}: wanted {what}, heard {now} at last, after {within:g} s")

    # -- its end --------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def wait(self, within: float = CLOSE_LIMIT_S) -> int:
        """Wait until the process has ended by itself and give its exit code. Raises TimeoutError."""
        async with asyncio.timeout(within):
            return await self._finished()

    async def close(self, within: float = CLOSE_LIMIT_S) -> int:
        """Hang up, unregister and end the phone; its exit code. Kills it when it does not end in time."""
        stream = self._process.stdin
        if stream is not None and not stream.is_closing():
            stream.close()
        try:
            return await self.wait(within)
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        """End the process at once, as a power cut would."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
        return await self._finished()

    async def _finished(self) -> int:
        code = await self._process.wait()
        await asyncio.gather(*self._readers)
        return code

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- reading ------------------------------------------------------------------------------------------

    async def _read_events(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while line := await stream.readline():
            with contextlib.suppress(ValueError):
                data = json.loads(line)
                async with self._changed:
                    at = float(data.get("at", 0.0))
                    self.history.append(Said(len(self.history), str(data["event"]), at, data))
                    self._changed.notify_all()
        await self._process.wait()
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def _read_errors(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        while line := await stream.readline():
            self.errors.append(line.decode("utf-8", errors="replace").rstrip())
            del self.errors[:-200]


def _named(call: int | None) -> dict[str, int]:
    return {} if call is None else {"call": call}


def _environment(password: str) -> dict[str, str]:
    """Ours, plus the password and the folder this package was imported from; numerical libraries stay in
    one thread, since a pool of them in each phone costs memory and serves nothing."""
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    added = {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    kept = {name: value for name, value in os.environ.items() if name != ENVIRONMENT_VARIABLE}
    return {**kept, **added, **({ENVIRONMENT_VARIABLE: password} if password else {})}
