"""Real phones at a running system, and what a test asks of both.

Facts are looked for from the moment the floor was opened, so tests may share one system when each has its own queues
and seats. Everything waits for a condition with a limit; times of facts and of phones can be compared (`micros`).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from acd.core.facts import Fact, PhoneReached, Recorded, SignedOut
from acd.core.model import Micros, Seat, SeatState
from api.bootstrap import asterisk_settings
from cti.cel import read_cel
from cti.config import AsteriskSettings
from softphone import tones
from softphone.process import PhoneProcess, Said
from storage.settings import load_secrets
from tests.support.recordings import as_written
from tests.support.system import System
from tests.support.witness import Verdict, judge

T = TypeVar("T")
F = TypeVar("F", bound=Fact)
Samples = NDArray[np.float64]

PACKET_S = 0.02
WINDOW_S = 0.02
"""Of the look for gaps: 20 ms, a packet."""
SETTLE_S = 10.0


def micros(said: Said) -> Micros:
    """A phone's moment on the facts' clock."""
    return round((said.at + time.time() - time.monotonic()) * 1_000_000)


@dataclass
class Floor:
    """Phones, facts and the API of one system."""

    system: System
    folder: Path
    stack: AsyncExitStack
    since: int
    phones: dict[str, PhoneProcess] = field(default_factory=dict)

    @property
    def server(self) -> str:
        return f"{self.system.settings.sip_host}:{self.system.settings.sip_port}"

    @property
    def asterisk(self) -> AsteriskSettings:
        settings = self.system.settings
        return asterisk_settings(settings, load_secrets(settings))

    # --- phones --------------------------------------------------------------------------------------------------

    async def agent(self, seat: str, tone: int = 1540, *, ready: bool = True, **options: Any) -> PhoneProcess:
        """The seat's phone, registered and known to be; signed in and Ready unless told otherwise."""
        extension = self.seat(seat).profile.extension
        phone = await self.extension(extension, tone, name=seat, **options)
        await self.until(lambda: self.seat(seat).reachable, f"{seat}'s phone is known")
        if ready:
            await self.ready(seat)
        return phone

    async def extension(self, extension: str, tone: int = 1540, *, name: str = "", **options: Any) -> PhoneProcess:
        """A registered extension, whoever has it."""
        password = await asyncio.to_thread(self.system.password, extension)
        return await self._phone(name or extension, extension, tone, password=password, **options)

    async def caller(self, tone: int = 880, number: str = "0912345678", **options: Any) -> PhoneProcess:
        """Somebody outside."""
        return await self._phone(f"caller-{len(self.phones)}", number, tone, register=False, **options)

    async def _phone(self, name: str, user: str, tone: int, **options: Any) -> PhoneProcess:
        phone = await PhoneProcess.start(
            user, server=self.server, tone=tone, record=self.folder / f"{name}.wav", **options
        )
        self.phones[name] = phone
        return await self.stack.enter_async_context(phone)

    async def ready(self, *seats: str) -> None:
        """Sign these seats in and choose Ready; who waits may be offered at once."""
        await asyncio.to_thread(self.system.make_ready, *seats)

    # --- what is known -------------------------------------------------------------------------------------------

    def seat(self, seat: str) -> Seat:
        return self.system.state.seats[seat]

    async def seen(self, seat: str, state: SeatState, limit_s: float = 10.0) -> None:
        """Wait until the seat is seen to do this."""
        await self.until(lambda: self.seat(seat).voice.seen is state, f"{seat} is {state}", limit_s)

    def recorded(self, kind: type[F], **fields: object) -> list[Recorded]:
        """The facts of a kind with these fields, in their envelopes."""
        own = self.system.read()[self.since :]
        return [
            one
            for one in own
            if isinstance(one.fact, kind) and all(getattr(one.fact, name) == value for name, value in fields.items())
        ]

    def facts(self, kind: type[F], **fields: object) -> list[F]:
        return [cast(F, one.fact) for one in self.recorded(kind, **fields)]

    async def fact(self, kind: type[F], *, count: int = 1, limit_s: float = 10.0, **fields: object) -> F:
        """The `count`-th fact of that kind with these fields, as soon as it is there."""
        return cast(F, (await self.record(kind, count=count, limit_s=limit_s, **fields)).fact)

    async def record(self, kind: type[F], *, count: int = 1, limit_s: float = 10.0, **fields: object) -> Recorded:
        """The same in its envelope."""
        what = f"{count} x {kind.__name__} {fields}"
        return (await self.until(lambda: self.recorded(kind, **fields)[count - 1 :], what, limit_s))[0]

    async def until(self, look: Callable[[], T], what: str, limit_s: float = 10.0) -> T:
        """What `look` gives as soon as it is true."""

        async def ask() -> T:
            return look()

        return await self.until_told(ask, what, limit_s)

    async def until_told(self, ask: Callable[[], Awaitable[T]], what: str, limit_s: float = 10.0) -> T:
        """What `ask` gives as soon as it is true; fails with the last facts and the logs' ends."""
        end = time.monotonic() + limit_s
        while True:
            if found := await ask():
                return found
            assert time.monotonic() < end, f"not within {limit_s:g} s: {what}\n{self.told()}\n{self.system.tail()}"
            await asyncio.sleep(0.03)

    def told(self) -> str:
        """The last facts."""
        return "\n".join(f"{one.seq} {one.at} {one.via} {str(one.fact)[:200]}" for one in self.system.read()[-40:])

    # --- commands ------------------------------------------------------------------------------------------------

    async def api(self, method: str, path: str, body: object = None) -> Any:
        return await asyncio.to_thread(self.system.api, method, path, body)

    async def command(self, *words: str, code: int = 0) -> str:
        return await asyncio.to_thread(lambda: self.system.command(*words, code=code))

    async def call(self, item: str) -> dict[str, Any]:
        """The contact as the API tells it, once the records have caught up with its end."""

        async def look() -> dict[str, Any] | None:
            found = [call for call in (await self.api("GET", "/calls?limit=200"))["calls"] if call["id"] == item]
            return found[0] if found and found[0]["ended_at"] else None

        return cast(dict[str, Any], await self.until_told(look, f"{item} is in the records"))

    async def ari(self, what: str) -> list[dict[str, Any]]:
        """What Asterisk has: "channels" or "bridges"."""
        return await asyncio.to_thread(self._ari, what)

    def _ari(self, what: str) -> list[dict[str, Any]]:
        given = self.asterisk
        request = urllib.request.Request(f"http://{given.http_host}:{given.http_port}/ari/{what}")
        secret = base64.b64encode(f"{given.ari_user}:{given.ari_password}".encode()).decode()
        request.add_header("Authorization", f"Basic {secret}")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return cast(list[dict[str, Any]], json.loads(answer.read()))

    async def empty(self, limit_s: float = SETTLE_S) -> None:
        """Nothing is open: no item, no channel and no bridge."""

        async def nothing() -> bool:
            return not (self.system.state.items or await self.ari("channels") or await self.ari("bridges"))

        await self.until_told(nothing, "no item, channel or bridge is left", limit_s)

    def verdict(self) -> Verdict:
        """What Asterisk's own log says of the whole run against ours; ask when nothing is open any more."""
        seats = {seat.profile.extension: name for name, seat in self.system.state.seats.items()}
        return judge(self.system.read(), read_cel(self.asterisk.cel_file)[0], seats)

    async def sounds(self, phone: PhoneProcess, seconds: float) -> None:
        """Wait until the phone has received that much more sound."""
        packets = round(seconds / PACKET_S)
        begun = (await phone.do("stats"))["received"]

        async def enough() -> bool:
            return bool((await phone.do("stats"))["received"] - begun >= packets)

        await self.until_told(enough, f"{packets} packets", 3 * seconds + 5)

    async def leave(self) -> None:
        """All phones go, all seats sign out."""
        await self.stack.aclose()
        for seat in [one.profile.id for one in self.system.state.seats.values() if one.signed_in_at]:
            await self.fact(PhoneReached, seat=seat, reachable=False)
            await self.until_told(lambda seat=seat: self._signed_out(seat), f"{seat} is signed out")  # type: ignore[misc]

    async def _signed_out(self, seat: str) -> bool:
        if not self.seat(seat).signed_in_at:
            return True
        await self.api("POST", f"/seats/{seat}/sign-out", {})
        return bool(self.facts(SignedOut, seat=seat))


@asynccontextmanager
async def floor(system: System, folder: Path) -> AsyncIterator[Floor]:
    """A floor whose phones end with it."""
    async with AsyncExitStack() as stack:
        yield Floor(system, folder, stack, len(system.read()))


def die(system: System) -> None:
    """Kill -9 of everything of ours at once; Asterisk lives on."""
    assert system.process is not None
    ours = system.pids()
    system.process.kill()
    for pid in ours.values():
        os.kill(pid, signal.SIGKILL)
    system.process.wait()

    def gone(pid: int) -> bool:
        try:
            return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            return True

    system.until(lambda: all(gone(pid) for pid in ours.values()), "all of ours are dead")


# --- sound -------------------------------------------------------------------------------------------------------


def sides(path: Path) -> tuple[Samples, Samples]:
    """Both sides of a recording of ours: 8 kHz, 16 bit, the customer's side and the other one by turns."""
    written = as_written(path)
    both = np.frombuffer(written[: len(written) // 4 * 4], "<i2").astype(np.float64) / 32768
    return both[0::2], both[1::2]


def levels(samples: Samples, hz: int) -> Samples:
    """The tone's amplitude in each 20 ms."""
    size = int(tones.RATE * WINDOW_S)
    count = len(samples) // size
    wave = np.exp(-2j * np.pi * hz * np.arange(count * size) / tones.RATE)
    found: Samples = 2 * np.abs((samples[: count * size] * wave).reshape(count, size).mean(axis=1))
    return found


def longest_gap(samples: Samples, hz: int) -> float:
    """Seconds of the longest stretch without the tone, from its first sound to its last. Fails when there is none."""
    there = np.flatnonzero(levels(samples, hz) > tones.FLOOR)
    assert len(there) > 1, f"{hz} Hz is not in it"
    return float((np.diff(there).max() - 1) * WINDOW_S)


def loudness(samples: Samples) -> float:
    """RMS."""
    return float(np.sqrt((samples**2).mean())) if len(samples) else 0.0


def heard_between(recording: Path, answered: Said, start: Micros, end: Micros) -> float:
    """RMS of what a phone heard between two moments of the facts' clock; its file begins with the sound."""
    samples, rate = tones.read_wav(recording)
    begun = micros(answered)
    first, last = (max(0, (at - begun) * rate // 1_000_000) for at in (start, end))
    return loudness(samples[first:last])


def tones_in(samples: Samples) -> Mapping[int, tones.Tone]:
    return tones.measure_samples(samples).tones
