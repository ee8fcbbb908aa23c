"""Another maker's phone for tests: Debian's baresip, driven over its JSON control port.

A phone has a folder of its own for its config and what it hears, a tone as its microphone, one account, and listens on
127.0.0.1 alone. Needs the package baresip-core (tools/setup test).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from softphone import tones
from tests.support.asterisk import free_port
from tests.support.floor import Samples

T = TypeVar("T")
MODULES = Path("/usr/lib/baresip/modules")
LIMIT_S = 10.0
LOOK_EVERY_S = 0.02
EAR_S = 0.4
"""How much of the newest sound `hears` looks at."""
WAV_HEADER = 44
CODECS: Mapping[str, str] = {"PCMU": "g711", "PCMA": "g711", "opus": "opus"}
"""Codec -> the module that brings it."""
_NETSTRING = re.compile(rb"(\d{1,7}):")


@dataclass(frozen=True, slots=True)
class Event:
    """What the phone told: `type` as baresip calls it, e.g. CALL_INCOMING; the machine's monotonic time."""

    type: str
    at: float
    data: Mapping[str, Any]


class CommandRefused(Exception):
    """The phone did not take a command; the text is its answer."""


@dataclass
class Baresip:
    """One running phone; `baresip()` starts it."""

    folder: Path
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    events: list[Event] = field(default_factory=list)
    _answers: dict[str, asyncio.Future[Mapping[str, Any]]] = field(default_factory=dict)
    _tokens: Iterable[int] = field(default_factory=itertools.count)
    _seen: int = 0

    # --- what the agent does -----------------------------------------------------------------------------------------

    async def answer(self) -> None:
        """Take the call that rings."""
        await self.do("accept")
        await self.expect("CALL_ESTABLISHED")

    async def hold(self) -> None:
        """The hold button: a re-INVITE with sendonly."""
        await self.do("hold")

    async def resume(self) -> None:
        await self.do("resume")

    async def hang_up(self) -> None:
        """End the call, or refuse it while it rings."""
        await self.do("hangup")

    async def transfer(self, to: str) -> None:
        """A blind transfer: REFER."""
        await self.do("transfer", to)

    async def dtmf(self, digits: str) -> None:
        """Press keys: RFC 4733."""
        await self.do("sndcode", digits)

    async def dial(self, to: str) -> None:
        await self.do("dial", to)

    # --- what it tells -----------------------------------------------------------------------------------------------

    async def expect(self, kind: str, limit_s: float = LIMIT_S) -> Event:
        """The next event of that kind after the one that was expected last."""

        def find() -> Event | None:
            return next((one for one in self.events[self._seen :] if one.type == kind), None)

        found = await self.until(find, kind, limit_s)
        self._seen = self.events.index(found) + 1
        return found

    async def until(self, look: Callable[[], T | None], what: str, limit_s: float = LIMIT_S) -> T:
        """What `look` gives as soon as there is something; AssertionError with the last events."""
        end = time.monotonic() + limit_s
        while True:
            if found := look():
                return found
            told = [one.type for one in self.events[-12:]]
            assert time.monotonic() < end, f"baresip: not within {limit_s:g} s: {what}; told {told}"
            await asyncio.sleep(LOOK_EVERY_S)

    def hears(self, seconds: float = EAR_S) -> dict[int, float]:
        """The tones in the newest sound it received, with their amplitudes."""
        heard, rate = self.heard()
        return tones.amplitudes(heard[-round(seconds * rate) :], tones.KNOWN, rate=rate)

    async def until_hears(self, *wanted: int) -> None:
        """Wait until it hears just these tones."""
        expected = set(wanted)
        await self.until(lambda: set(self.hears()) == expected, f"hears {expected}")

    def heard(self) -> tuple[Samples, int]:
        """All it received in its newest call or since its newest hold or resume, and the rate in Hz.

        The file is still being written, so its header counts nothing yet.
        """
        files = sorted(self.folder.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime_ns)
        raw = files[-1].read_bytes() if files else b""
        if len(raw) < WAV_HEADER:
            return np.zeros(0), tones.RATE
        channels, rate = int.from_bytes(raw[22:24], "little"), int.from_bytes(raw[24:28], "little")
        data = raw[WAV_HEADER:]
        whole = len(data) - len(data) % (2 * channels)
        return np.frombuffer(data[:whole], "<i2").astype(np.float64)[::channels] / 32768, rate

    # --- the control port --------------------------------------------------------------------------------------------

    async def do(self, command: str, params: str = "") -> str:
        """Give a command and wait for its answer. Raises CommandRefused."""
        token = str(next(iter(self._tokens)))
        answer = self._answers[token] = asyncio.get_running_loop().create_future()
        given = {"command": command, "token": token, **({"params": params} if params else {})}
        text = json.dumps(given).encode()
        self.writer.write(b"%d:%s," % (len(text), text))
        told = await asyncio.wait_for(answer, LIMIT_S)
        if not told["ok"]:
            raise CommandRefused(f"{command} {params}: {told.get('data')}")
        return str(told.get("data", ""))

    async def listen(self) -> None:
        """Take in what the phone tells, until it ends."""
        buffer = b""
        while part := await self.reader.read(65536):
            buffer += part
            while (head := _NETSTRING.match(buffer)) and len(buffer) > (end := head.end() + int(head[1])):
                self._take(json.loads(buffer[head.end() : end]))
                buffer = buffer[end + 1 :]

    def _take(self, told: Mapping[str, Any]) -> None:
        if told.get("response"):
            self._answers.pop(str(told["token"])).set_result(told)
        elif told.get("event"):
            self.events.append(Event(str(told["type"]), time.monotonic(), told))


@asynccontextmanager
async def baresip(
    extension: str, *, server: str, password: str, tone: int, folder: Path, codecs: Sequence[str] = ("PCMU",)
) -> AsyncIterator[Baresip]:
    """A phone of that extension, registered with digest; `server` is host:port. AssertionError where that fails."""
    program = shutil.which("baresip")
    assert program is not None, "no baresip: run `make setup` (package baresip-core)"
    control = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config").write_text(_config(folder, control, tone, codecs))
    account = f"<sip:{extension}@{server}>;auth_user={extension};auth_pass={password};regint=300"
    (folder / "accounts").write_text(f"{account};audio_codecs={','.join(codecs)}\n")
    (folder / "contacts").touch()
    with (folder / "baresip.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, "-f", str(folder), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        reader, writer = await _connected(control, folder / "baresip.log")
        phone = Baresip(folder, reader, writer)
        listening = asyncio.create_task(phone.listen())
        try:
            await phone.until(lambda: _registered(folder), "registered")
            yield phone
            await _quit(phone, process)
        finally:
            listening.cancel()
            writer.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _registered(folder: Path) -> bool:
    """The event may have come before anybody listened; the log has it in any case."""
    told = (folder / "baresip.log").read_text(errors="replace")
    assert "401 Unauthorized" not in told, told
    return "200 OK" in told


async def _quit(phone: Baresip, process: asyncio.subprocess.Process) -> None:
    """It hangs up, gives its registration back and ends."""
    with contextlib.suppress(CommandRefused, TimeoutError, ConnectionError):
        await cast(Awaitable[str], asyncio.wait_for(phone.do("quit"), 1))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), 3)


async def _connected(port: int, log: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            assert time.monotonic() < end, f"baresip did not come up: {log.read_text(errors='replace')[-2000:]}"
        await asyncio.sleep(LOOK_EVERY_S)


def _config(folder: Path, control: int, tone: int, codecs: Iterable[str]) -> str:
    modules = [*sorted({CODECS[codec] for codec in codecs}), "ausine", "sndfile"]
    lines = [
        # No sip_listen: with a port of its own it wants the next one too, for TLS. Without, it takes free ones.
        "net_interface 127.0.0.1",
        f"module_path {MODULES}",
        *(f"module {name}.so" for name in modules),
        "module_tmp account.so",
        "module_app ctrl_tcp.so",
        "module_app menu.so",
        f"ctrl_tcp_listen 127.0.0.1:{control}",
        f"audio_source ausine,{tone}",
        "audio_player none,none",
        "audio_alert none,none",
        # ausine makes 48 kHz stereo only; baresip resamples it for the codec.
        "ausrc_srate 48000",
        "ausrc_channels 2",
        "ausrc_format s16",
        "audec_format s16",
        "call_max_calls 4",
        "rtp_tos 0",
        f"snd_path {folder}",
    ]
    return "\n".join([*lines, ""])
