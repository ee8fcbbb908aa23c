"""The telephone side alone: a real Asterisk, real effects, and a core that says what the test wants it to say.

For what stands at the border: what Asterisk and phones do becomes inputs, which are kept with who caused them, and
effects become sound. The comparison with what the core wants is off; tests of the whole are elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from acd.core.effects import Effect, WantedLeg
from acd.core.inputs import Input
from acd.core.model import SECOND, EntryPlan, Micros, Route
from acd.core.reply import Done, Refused, Reply
from acd.ports import AddressSeen, DialRefused
from cti import telephony as telephony_module
from cti.asterisk import AsteriskProcess
from cti.provisioning import Extension, Provisioning, http_call
from cti.telephony import AsteriskTelephony
from softphone.process import PhoneProcess
from tests.support.asterisk import soon

Given = TypeVar("Given", bound=Input)
PASSWORD = "test-password-0123456"
SEATS = {"amy": "8001", "bob": "8002"}
SPARE = "8009"
"""An extension that belongs to nobody."""
CARRIER = "carrier"
NUMBERS = {"a-1": "0223456789", "a-bad": "0;rm -rf", "a-word": "sip:x@evil", "a-gone": ""}


@dataclass
class Core:
    """Takes inputs; `answers` says what it replies to a kind of input, a no-op otherwise."""

    taken: list[tuple[Input, str, str]] = field(default_factory=list)
    answers: dict[type[Input], Callable[[Any], Reply]] = field(default_factory=dict)
    wants: list[WantedLeg] = field(default_factory=list)

    async def submit(self, given: Input, *, by: str = "system", via: str = "engine") -> Reply:
        self.taken.append((given, by, via))
        return self.answers.get(type(given), lambda _: Done())(given)

    async def wanted(self) -> Sequence[WantedLeg]:
        return tuple(self.wants)

    def now(self) -> Micros:
        return time.monotonic_ns() // 1000


class Table:
    """cti.legs.Seats over SEATS."""

    def seat_of(self, extension: str) -> str:
        return next((seat for seat, number in SEATS.items() if number == extension), "")

    def extension_of(self, seat: str) -> str:
        return SEATS.get(seat, "")

    def extensions(self) -> Sequence[str]:
        return tuple(SEATS.values())

    def reachable(self, seat: str) -> bool:
        return True

    def settled(self, extension: str) -> bool:
        return True


@dataclass
class Numbers:
    """acd.ports.DialPlans: 9 and a number goes out by the carrier, everything else is refused."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    slow_s: float = 0.0

    def route(self, seat: str, dialled: str) -> Route | DialRefused:
        self.asked.append((seat, dialled))
        time.sleep(self.slow_s)
        if not dialled.startswith("9"):
            return DialRefused("not_allowed", "This number may not be called.")
        return Route("a-1", CARRIER, shown="+886277001000", prefix="9")

    def number_of(self, address: str) -> str:
        return NUMBERS[address]


class Entries:
    """acd.ports.EntryPlans that knows entry 81."""

    def __init__(self) -> None:
        self.asked: list[AddressSeen] = []

    def plan(self, seen: AddressSeen) -> EntryPlan | None:
        self.asked.append(seen)
        return EntryPlan(seen.entry, 1, "q") if seen.entry == "81" else None


@dataclass
class Switch:
    """What a test holds in its hands."""

    box: AsteriskProcess
    core: Core
    telephony: AsteriskTelephony
    numbers: Numbers
    entries: Entries

    def perform(self, *effects: Effect) -> None:
        self.telephony.perform(effects)

    def soon(self, seconds: float = 30.0) -> Micros:
        """A time by which something is to be over."""
        return self.core.now() + int(seconds * SECOND)

    def given(self, kind: type[Given]) -> list[Given]:
        """The inputs of that kind so far."""
        return [given for given, _, _ in self.core.taken if isinstance(given, kind)]

    def authors(self, kind: type[Input]) -> list[tuple[str, str]]:
        """By whom and by what means these came."""
        return [(by, via) for given, by, via in self.core.taken if isinstance(given, kind)]

    async def input(self, kind: type[Given], count: int = 1, limit_s: float = 6.0) -> Given:
        """The `count`-th input of that kind, as soon as it is there."""
        await soon(lambda: len(self.given(kind)) >= count, f"{kind.__name__} no. {count}", limit_s)
        return self.given(kind)[count - 1]

    async def ari(self, method: str, uri: str, body: Mapping[str, object] | None = None, **query: object) -> Any:
        return await self.telephony.ari.call(method, uri, body, **query)

    async def channels(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in await self.ari("GET", "channels")}

    async def empty(self) -> None:
        """No channel is left, and no bridge with somebody in it."""

        async def gone() -> bool:
            return not await self.channels() and not await self.ari("GET", "bridges")

        await soon(gone, "no channels and bridges left")

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.box.settings.sip_port}"

    async def phone(self, seat: str, tone: int, tones: Sequence[int]) -> PhoneProcess:
        """The seat's phone."""
        number = SEATS.get(seat, seat)
        return await PhoneProcess.start(
            number, server=self.server, password=PASSWORD, tone=tone, listen=True, tones=tones
        )

    async def caller(
        self, tone: int, tones: Sequence[int], number: str = "0912345678", record: Path | None = None
    ) -> PhoneProcess:
        """Somebody outside who calls us."""
        return await PhoneProcess.start(
            number, server=self.server, register=False, tone=tone, listen=True, tones=tones, record=record
        )


@asynccontextmanager
async def switch(box: AsteriskProcess) -> AsyncIterator[Switch]:
    """An engine's telephone side on that Asterisk; what is left of the calls is ended on leaving."""
    core, numbers, entries = Core(), Numbers(), Entries()
    provisioning = Provisioning(http_call(box.settings), qualify_s=0)
    for number in (*SEATS.values(), SPARE):
        await provisioning.put(Extension(number, password=PASSWORD))
    side = AsteriskTelephony(box.settings, core, entries, Table(), numbers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telephony_module, "COMPARE_EVERY", 3600.0)
        await side.start()
        try:
            yield Switch(box, core, side, numbers, entries)
        finally:
            for row in await side.ari.call("GET", "channels"):
                await side.ari.call("DELETE", f"channels/{row['id']}")
            for row in await side.ari.call("GET", "bridges"):
                await side.ari.call("DELETE", f"bridges/{row['id']}")
            await side.stop()


def refused(code: Any) -> Callable[[Input], Reply]:
    """An answer of the core."""
    return lambda _: Refused(code, "No.")


__all__ = ["CARRIER", "PASSWORD", "SEATS", "SPARE", "Core", "Switch", "refused", "switch"]
