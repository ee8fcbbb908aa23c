"""Many agents and callers at one running system, for tests where races count and sound does not.

All of them are dialogs of one socket, so what they received has one order: Asterisk's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from acd.core import facts as f
from acd.core.model import SeatState
from tests.support.floor import Floor
from tests.support.sipua import Call, SipUa

ITEM = "x-ringside-item"
WORKING = frozenset({SeatState.ASSIGNED, SeatState.BUSY})
TRUTH_S = 5.0
"""What a seat is seen to do is what its phone does, after this at most."""


@dataclass(frozen=True, slots=True)
class Ring:
    """An INVITE that came to an agent's phone; the loop's time."""

    at: float
    call: Call

    @property
    def item(self) -> str:
        assert self.call.invite is not None
        return self.call.invite.headers[ITEM]


def now() -> float:
    return asyncio.get_running_loop().time()


def later(seconds: float, act: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, act)


@dataclass
class Bank:
    """The phones of the seats given to `bank`, and callers. `habits`: extension -> what is done when it rings."""

    here: Floor
    seats: Mapping[str, str]
    ua: SipUa
    rings: list[Ring] = field(default_factory=list)
    habits: dict[str, Callable[[Call], None]] = field(default_factory=dict)

    def rung(self, call: Call) -> None:
        """Takes every incoming call."""
        self.rings.append(Ring(now(), call))
        if act := self.habits.get(call.user):
            act(call)

    def habit(self, seat: str, act: Callable[[Call], None]) -> None:
        """What the seat's agent does when it rings; by default nothing."""
        self.habits[self.seats[seat]] = act

    def answering(self, *seats: str, after: float = 0.0) -> None:
        """These agents answer so many seconds after the INVITE."""
        for seat in seats:
            self.habit(seat, lambda call: later(after, call.answer))

    def caller(self, entry: str, number: str = "") -> Call:
        """Somebody calls."""
        return self.ua.call(entry, number or f"09{len(self.ua.calls):08}")

    def of(self, seat: str) -> list[Ring]:
        """Every ring of that seat's phone."""
        return [ring for ring in self.rings if ring.call.user == self.seats[seat]]

    def live(self, seat: str) -> list[Call]:
        """What its phone is in now: ringing or talking."""
        return [ring.call for ring in self.of(seat) if not ring.call.ended.is_set()]

    def talking(self, seats: Sequence[str]) -> Counter[str]:
        """Item -> how many of these phones are in it, answered."""
        return Counter(
            ring.item
            for seat in seats
            for ring in self.of(seat)
            if ring.call.answered.is_set() and not ring.call.ended.is_set()
        )

    async def next_ring(self, seat: str, count: int = 1, limit_s: float = 10.0) -> Ring:
        """The `count`-th ring of that seat."""
        return (await self.here.until(lambda: self.of(seat)[count - 1 :], f"ring {count} of {seat}", limit_s))[0]

    async def told_truly(self, *seats: str) -> None:
        """Each seat is seen to work just when its phone is in a call; AssertionError with who is not."""

        def wrong() -> list[str]:
            state = self.here.system.state
            return [
                f"{seat} is seen {state.seats[seat].voice.seen}, its phone is in {len(self.live(seat))} calls"
                for seat in seats
                if (state.seats[seat].voice.seen in WORKING) != bool(self.live(seat))
            ]

        end = now() + TRUTH_S
        while told := wrong():
            assert now() < end, f"not true after {TRUTH_S:g} s: {told}\n{self.here.told()}"
            await asyncio.sleep(0.05)

    async def over(self, *seats: str) -> None:
        """Every contact of these seats' queues is over and the seats hold nothing."""

        def free() -> bool:
            state = self.here.system.state
            held = [state.seats[seat] for seat in seats]
            queues = {served.queue for seat in held for served in seat.profile.queues}
            open_items = [item for item in state.items.values() if item.queue in queues]
            return not open_items and not any(seat.offers or seat.handlings for seat in held)

        await self.here.until(free, f"{seats} hold nothing", TRUTH_S)

    def items(self, queue: str) -> list[str]:
        """The contacts of that queue, in their order."""
        return [fact.item for fact in self.here.facts(f.Queued, queue=queue)]


@asynccontextmanager
async def bank(here: Floor, seats: Mapping[str, str]) -> AsyncIterator[Bank]:
    """The phones of these seats (id -> extension), registered and known."""
    made = Bank(here, seats, await SipUa.open(here.system.settings.sip_port))
    made.ua.on_call = made.rung
    try:
        for extension in seats.values():
            password = await asyncio.to_thread(here.system.password, extension)
            assert await made.ua.register(extension, password, 3600) == 200
        await here.until(lambda: all(here.seat(seat).reachable for seat in seats), "all phones are known")
        yield made
    finally:
        made.ua.close()
