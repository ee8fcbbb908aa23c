"""The telephone side alone on a real Asterisk: a scripted engine in place of the core, phones with a tone each.

A test gives effects by hand; the script notes what they lead to, as the core would, so that the reconcile loop has
something to compare with, and keeps every input that came.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from acd.core import effects as e
from acd.core import inputs as i
from acd.core.model import SECOND, EntryPlan, Route
from acd.core.reply import Done, Reply
from acd.ports import AddressSeen, DialRefused
from cti.asterisk import AsteriskProcess
from cti.provisioning import Extension, Provisioning, http_call
from cti.telephony import AsteriskTelephony
from softphone import tones
from softphone.process import PhoneProcess, Said

T = TypeVar("T")

PASSWORD = "test-password-0123456"
EXTENSIONS = {"amy": "8001", "bob": "8002", "eve": "8003"}
CUSTOMER, AMY, BOB, EVE, MUSIC = 440, 660, 880, 1100, 1540
TONES = {"amy": AMY, "bob": BOB, "eve": EVE, "customer": CUSTOMER}
ALL = (CUSTOMER, AMY, BOB, EVE, MUSIC)
LIMIT_S = 8.0


@dataclass
class Seats:
    """cti.legs.Seats of everybody in EXTENSIONS; whether a phone can be reached is what the script was told last."""

    script: Script

    def seat_of(self, extension: str) -> str:
        return next((seat for seat, number in EXTENSIONS.items() if number == extension), "")

    def extension_of(self, seat: str) -> str:
        return EXTENSIONS.get(seat, "")

    def extensions(self) -> Sequence[str]:
        return tuple(EXTENSIONS.values())

    def reachable(self, seat: str) -> bool:
        told = [given.reachable for given in self.script.of(i.PhoneChanged) if given.seat == seat]
        return bool(told) and told[-1]

    def settled(self, extension: str) -> bool:
        return True


class Plans:
    """Both ports of the directory: every entry is known, no number may be dialled."""

    def plan(self, seen: AddressSeen) -> EntryPlan | None:
        return EntryPlan(seen.entry, 1, "q")

    def route(self, seat: str, dialled: str) -> Route | DialRefused:
        return DialRefused("denied", "not in this test")

    def number_of(self, address: str) -> str:
        return ""


@dataclass
class Script:
    """acd.ports.Engine by hand. `wants` outlives an engine, as the log does."""

    given: list[i.Input] = field(default_factory=list)
    wants: dict[str, e.WantedLeg] = field(default_factory=dict)
    answer: Callable[[i.Input], Reply] = lambda _: Done()

    async def submit(self, given: i.Input, *, by: str = "system", via: str = "engine") -> Reply:
        self.given.append(given)
        match given:
            case i.CallEntered(leg=leg):
                item = f"i{len([one for one in self.given if isinstance(one, i.CallEntered)])}"
                self.wants[leg] = e.WantedLeg(leg, "customer", "prompt", item, item)
                return Done(item=item)
            case i.OfferAnswered(offer=leg) if leg in self.wants:
                self.wants[leg] = replace(self.wants[leg], doing="idle")
            case i.PartyLeft(leg=leg):
                self.wants.pop(leg, None)
            case i.OfferRefused(offer=leg):
                self.wants.pop(leg, None)
        return self.answer(given)

    async def wanted(self) -> Sequence[e.WantedLeg]:
        return list(self.wants.values())

    def now(self) -> int:
        return time.time_ns() // 1000

    def of(self, kind: type[T]) -> list[T]:
        return [given for given in self.given if isinstance(given, kind)]

    def note(self, effect: e.Effect) -> None:
        """What the effect leads to."""
        match effect:
            case e.RingSeat():
                role = "watcher" if effect.seat == "eve" else "seat" if effect.seat else "other"
                self.wants[effect.offer] = e.WantedLeg(
                    effect.offer,
                    role,
                    "ringing",
                    effect.offer,
                    effect.item,
                    effect.seat,
                    effect.extension,
                    expires_at=effect.expires_at,
                )
            case e.Connect():
                self._become(effect.leg, doing="talking", bridge=effect.bridge)
                self._become(effect.seat_leg, doing="talking", bridge=effect.bridge)
            case e.Join():
                self._become(effect.leg, doing="listening" if effect.muted else "talking", bridge=effect.bridge, ear="")
            case e.Hold():
                self._become(effect.leg, doing="held", ear="")
            case e.HoldMusic():
                self._become(effect.leg, doing="waiting", bridge="", ear="")
            case e.Play():
                self._become(effect.leg, doing="prompt", bridge="", token=effect.token)
            case e.Coach():
                self._become(effect.leg, doing="coaching", ear=effect.ear)
            case e.StartRecording():
                self._become(effect.leg, recording=effect.recording)
            case e.PauseRecording():
                self._become(effect.leg, paused=effect.paused)
            case e.Mute():
                self._become(effect.leg, muted=effect.on)
            case e.HangUpLeg(leg=leg) | e.WithdrawOffer(offer=leg):
                self.wants.pop(leg, None)
            case _:
                pass

    def _become(self, leg: str, **changes: Any) -> None:
        self.wants[leg] = replace(self.wants[leg], **changes)


@dataclass
class Stage:
    """Asterisk, the telephone side, the script and the phones."""

    box: AsteriskProcess
    script: Script
    telephony: AsteriskTelephony
    phones: dict[str, PhoneProcess] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    customer: str = ""

    def __getitem__(self, name: str) -> PhoneProcess:
        return self.phones[name]

    def do(self, *effects: e.Effect) -> None:
        """Give effects as the engine does after a commit."""
        for effect in effects:
            self.script.note(effect)
        self.telephony.perform(effects)

    async def ari(self, method: str, uri: str, **query: object) -> Any:
        return await self.telephony.ari.call(method, uri, None, **query)

    async def until(self, ask: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
        """What `ask` gives (awaited if need be) once it is true."""
        end = time.monotonic() + limit_s
        while True:
            found: Any = ask()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
            assert time.monotonic() < end, f"not within {limit_s:g} s: {what}; {self.script.given[-12:]}"
            await asyncio.sleep(0.02)

    async def told(self, given: i.Input, limit_s: float = LIMIT_S) -> None:
        """The core was given this."""
        await self.until(lambda: given in self.script.given, str(given), limit_s)

    # --- parties -----------------------------------------------------------------------------------------------------

    async def call_in(self, to: str = "81") -> str:
        """The customer calls and is answered; gives his leg."""
        before = len(self.script.of(i.LegArrived))
        self.calls["customer"] = await self["customer"].call(to)
        arrived = await self.until(lambda: self.script.of(i.LegArrived)[before:], "the customer arrives")
        self.customer = arrived[0].leg
        self.do(e.AnswerLeg("i1", self.customer))
        return self.customer

    async def ring(self, seat: str, leg: str, limit_s: int = 20) -> Said:
        """Let a seat's phone ring; gives what the phone said."""
        expires = self.script.now() + limit_s * SECOND
        caller = "" if seat == "eve" else self.customer
        self.do(e.RingSeat(leg, "i1", seat, EXTENSIONS[seat], caller, "q", expires))
        rings = await self[seat].expect("incoming", within=LIMIT_S)
        self.calls[seat] = rings.call
        await self.told(i.RingSeen(leg))
        return rings

    async def fetch(self, seat: str, leg: str) -> None:
        """Let a seat's phone ring and answer it."""
        await self.ring(seat, leg)
        await self[seat].answer(self.calls[seat])
        await self.told(i.OfferAnswered(leg))

    async def talk(self, *, recorded: bool = False) -> None:
        """The customer with amy, in bridge o1-b."""
        customer = await self.call_in()
        await self.fetch("amy", "o1")
        self.do(e.Connect("i1", "amy", customer, "o1", "o1-b"))
        if recorded:
            self.do(e.StartRecording("i1", customer, "i1-r"))
        await self.told(i.MediaFlowed("i1", "amy"))
        await self.hear(customer=[AMY], amy=[CUSTOMER])

    async def hear(self, **heard: Sequence[int]) -> None:
        """Each of these hears exactly these tones."""
        await asyncio.gather(*(self._hears(name, given) for name, given in heard.items()))

    async def _hears(self, name: str, given: Sequence[int]) -> None:
        phone, call = self[name], self.calls[name]
        if given:
            others = [tone for tone in ALL if tone not in given]
            await phone.until_hears(*given, absent=others, call=call, within=LIMIT_S)
        else:
            await phone.until_silent(call, within=LIMIT_S)

    async def leave(self, name: str) -> None:
        """Somebody hangs up."""
        await self[name].hang_up(self.calls.pop(name))

    async def empty(self) -> None:
        """Everybody is gone, and nothing is left in Asterisk or in the book."""

        async def nothing() -> bool:
            return not (await self.ari("GET", "channels") or await self.ari("GET", "bridges"))

        await self.until(nothing, "no channel and no bridge is left")
        await self.until(lambda: not self.telephony.legs.by_id, f"the book is empty: {self.telephony.legs.by_id}")

    async def over(self) -> None:
        """The core lets everybody go who is still there."""
        bridges = set(self.telephony.legs.joins)
        self.do(*(e.HangUpLeg(leg) for leg in list(self.script.wants)), *(e.DropBridge(name) for name in bridges))
        await self.empty()

    def repairs(self) -> dict[str, int]:
        return {kind: count for kind, count in self.telephony.repairs.items() if count}

    async def bridges(self) -> Mapping[str, set[str]]:
        """Asterisk's bridges and their members."""
        return {row["id"]: set(row["channels"]) for row in await self.ari("GET", "bridges")}

    def recording(self, name: str = "i1-r") -> Path:
        return self.box.settings.recordings / f"{name}.raw"


def heard_in(file: Path, side: int, start_s: float = 0.0, end_s: float = 1e9) -> frozenset[int]:
    """Which tones one side of a raw two-sided recording holds between two seconds of it (0 = customer, 1 = others)."""
    samples = np.frombuffer(file.read_bytes(), "<i2").astype(np.float64)[side::2] / 32768
    part = samples[int(start_s * tones.RATE) : int(min(end_s, 3600) * tones.RATE)]
    pieces = [part[at : at + 800] for at in range(0, len(part) - 800, 800)]
    found = [hz for piece in pieces for hz in tones.amplitudes(piece, ALL)]
    return frozenset(hz for hz in found if found.count(hz) >= tones.LEAST_WINDOWS)


def seconds_of(file: Path) -> float:
    """How long a raw two-sided recording is."""
    return file.stat().st_size / 4 / tones.RATE if file.exists() else 0.0


@asynccontextmanager
async def telephone_side(box: AsteriskProcess, script: Script) -> AsyncIterator[AsteriskTelephony]:
    """A telephone side on that script, ready; calls stay up when it goes."""
    telephony = AsteriskTelephony(box.settings, script, Plans(), Seats(script), Plans())
    await telephony.start()
    assert telephony.ready
    try:
        yield telephony
    finally:
        await telephony.stop()


async def phone_of(box: AsteriskProcess, name: str) -> PhoneProcess:
    """That person's phone with its tone."""
    server = f"127.0.0.1:{box.settings.sip_port}"
    number = EXTENSIONS.get(name, "0912345678")
    secret = {"password": PASSWORD} if name in EXTENSIONS else {"register": False}
    return await PhoneProcess.start(
        number,
        server=server,
        tone=TONES[name],
        listen=True,
        tones=ALL,
        **secret,
    )


@asynccontextmanager
async def with_phones(box: AsteriskProcess, *names: str) -> AsyncIterator[dict[str, PhoneProcess]]:
    """The extensions in Asterisk and these people's phones."""
    provisioning = Provisioning(http_call(box.settings), qualify_s=0)
    for number in EXTENSIONS.values():
        await provisioning.put(Extension(number, password=PASSWORD))
    async with AsyncExitStack() as stack:
        started = await asyncio.gather(*(phone_of(box, name) for name in names))
        yield {name: await stack.enter_async_context(phone) for name, phone in zip(names, started, strict=True)}


@asynccontextmanager
async def stage(box: AsteriskProcess, *names: str) -> AsyncIterator[Stage]:
    """Everything at once; `names` are the people, the customer is always there."""
    script = Script()
    async with with_phones(box, "customer", *names) as phones, telephone_side(box, script) as telephony:
        made = Stage(box, script, telephony, phones)
        try:
            yield made
        finally:
            made.telephony.perform([e.HangUpLeg(leg) for leg in list(script.wants)])
            await telephony._commands.idle()
