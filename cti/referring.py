"""Transfers that agents make on their phones (SIP REFER), as the same inputs the desk would give.

Asterisk moves nothing itself (`ari-only`, ADR 0013): it tells us what the phone asked and waits for our word, which the
phone gets as NOTIFY: 200 and it hangs up its leg, 603 and it stays in the call. Each REFER is worked off in the lane of
the leg it came on. So the phone has its answer before the core's own hang-up of that leg, which waits in the same lane,
and a second REFER finds the first one decided.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Container, Iterable
from dataclasses import dataclass
from urllib.parse import unquote

import structlog

from acd.core.effects import WantedLeg
from acd.core.inputs import Input, PhonesJoined, TransferAsked
from acd.core.model import EntryPlan, Route, Target, TargetKind
from acd.core.reply import Done, Reply
from acd.ports import AddressSeen, DialPlans, DialRefused, EntryPlans
from cti.ari import AriError, AriLost, path
from cti.calls import Means
from cti.commands import quietly
from cti.config import AsteriskSettings
from cti.direct import DirectCalls
from cti.legs import Leg, Role
from cti.numbers import caller_number
from cti.translate import Referred, part_of, text_of

log = structlog.get_logger(__name__)

LIMIT_S = 30.0
"""The phone has its answer by then: some show nothing but "transferring" until it comes."""
LEAVE_S = 1.0
"""How long the phone may take to hang up after our 200 before the core's own hang-up goes out."""

AGENTS = frozenset({Role.SEAT, Role.OTHER})
"""A colleague who was asked into a conversation may have become its owner; the core knows."""

_NUMBER = re.compile(r"\+?[0-9*#]{1,24}")
Answer = Callable[[Input, str], Awaitable[Reply | None]]
"""(input, seat) → the core's reply; the seat did it by its phone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a blind transfer goes to."""

    target: Target
    route: Route | None = None
    plan: EntryPlan | None = None


class Referring:
    """Answers each REFER. `ask` submits an input as the seat's, via its phone."""

    def __init__(
        self,
        means: Means,
        direct: DirectCalls,
        dial_plans: DialPlans,
        entry_plans: EntryPlans,
        settings: Callable[[], AsteriskSettings],
        ask: Answer,
    ) -> None:
        """`settings` gives what holds now: entry numbers and short codes change while calls go on."""
        self._m, self._direct, self._ask = means, direct, ask
        self._dial_plans, self._entry_plans = dial_plans, entry_plans
        self._settings = settings
        self._leaving: dict[str, asyncio.Event] = {}

    def asked(self, given: Referred) -> None:
        """A phone wants to transfer."""
        self._m.lanes.put(given.leg, lambda: self._answer(given))

    async def turn_down(self, wanted: Iterable[WantedLeg], heard: Container[str]) -> None:
        """After a start: no to every phone whose wish came while nobody listened. It would wait for an answer for ever.

        `heard` are the legs whose wish did reach us. Harmless where nothing is open.
        """
        agents = [want.leg for want in wanted if want.role in AGENTS and want.doing != "ringing"]
        await asyncio.gather(*(self._tell(leg, done=False) for leg in agents if leg not in heard))

    async def _answer(self, given: Referred) -> None:
        """Decide within the limit, tell the phone."""
        done = False
        try:
            async with asyncio.timeout(LIMIT_S):
                done = await self._decide(given)
        except TimeoutError:
            log.warning("transfer_not_decided", leg=given.leg)
        finally:
            await self._tell(given.leg, done=done)
        if done:
            await self._let_go(given)

    async def _decide(self, given: Referred) -> bool:
        leg = self._m.legs.get(given.leg)
        if leg is None or leg.role not in AGENTS or not leg.seat or not leg.item or not leg.answered:
            log.info("transfer_of_no_item", leg=given.leg)
            return False
        wish = await (self._join(leg, given) if given.second else self._blind(leg, given.to))
        if wish is None:
            return False
        reply = await self._ask(wish, leg.seat)
        if not isinstance(reply, Done):
            log.info("transfer_refused", leg=leg.id, seat=leg.seat, code=reply.code if reply is not None else "")
            return False
        if isinstance(wish, PhonesJoined):
            self._took(leg, given.second, wish.other)
        return True

    async def _tell(self, leg: str, *, done: bool) -> None:
        states = "channel_answered" if done else "channel_declined"
        await quietly(self._m.ari, "POST", path("channels", leg, "transfer_progress"), states=states)

    async def _let_go(self, given: Referred) -> None:
        """The phone hangs up the leg it was told about, but not its second one: that is ours to do."""
        if given.second:
            await quietly(self._m.ari, "DELETE", path("channels", given.second))
        left = self._leaving.setdefault(given.leg, asyncio.Event())
        if self._m.legs.get(given.leg) is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(left.wait(), LEAVE_S)
        self._leaving.pop(given.leg, None)

    def gone(self, leg: str) -> None:
        """That channel is gone."""
        if (left := self._leaving.get(leg)) is not None:
            left.set()

    # --- blind ---------------------------------------------------------------------------------------------------

    async def _blind(self, leg: Leg, text: str) -> TransferAsked | None:
        asked = await self._target(leg, unquote(text))
        if asked is None:
            return None
        return TransferAsked(leg.seat, leg.item, asked.target, asked.route, asked.plan)

    async def _target(self, leg: Leg, text: str) -> Asked | None:
        """What the phone named, which may be any text: a seat, an extension, an entry number, a number outside."""
        if not _NUMBER.fullmatch(text):
            log.info("transfer_to_no_number", leg=leg.id)
            return None
        settings = self._settings()
        number = dict(settings.short_codes).get(text, text)
        if number in settings.emergency_numbers:  # whoever else bears that number
            return await self._outside(leg, number)
        if seat := self._m.legs.seats.seat_of(number):
            return Asked(Target(TargetKind.SEAT, seat))
        if number in settings.entries:
            return await self._entry(leg, number)
        if await self._direct.is_extension(number):
            return Asked(Target(TargetKind.EXTENSION, number))
        return await self._outside(leg, number)

    async def _outside(self, leg: Leg, number: str) -> Asked | None:
        way = await asyncio.to_thread(self._dial_plans.route, leg.seat, number)
        if isinstance(way, DialRefused):
            log.info("transfer_number_refused", leg=leg.id, seat=leg.seat, code=way.code)
            return None
        return Asked(Target(TargetKind.OUTSIDE), route=way)

    async def _entry(self, leg: Leg, number: str) -> Asked | None:
        """An entry point's plan for the customer, as if he had called it."""
        seen = AddressSeen(
            number, caller_number(*await self._customer(leg), self._settings().default_region), called=number
        )
        plan = await asyncio.to_thread(self._entry_plans.plan, seen)
        return Asked(Target(TargetKind.ENTRY, number), plan=plan) if plan is not None else None

    async def _customer(self, leg: Leg) -> tuple[str, str]:
        """The customer's number and name, empty where they cannot be told."""
        customer = self._customer_of(leg.item)
        try:
            caller = part_of(await self._m.ari.call("GET", path("channels", customer)), "caller") if customer else {}
        except (AriError, AriLost):
            return "", ""
        return text_of(caller.get("number")), text_of(caller.get("name"))

    def _customer_of(self, item: str) -> str:
        """The customer's channel, "" where there is none."""
        mine = (leg for leg in self._m.legs.by_id.values() if leg.item == item)
        return next((leg.id for leg in mine if leg.role is Role.CUSTOMER), "")

    # --- with Replaces -------------------------------------------------------------------------------------------

    async def _join(self, leg: Leg, given: Referred) -> PhonesJoined | None:
        """The phone's second call must be one of the same seat: a direct call, or another item's."""
        second = self._m.legs.get(given.second)
        if second is not None and second.seat == leg.seat and second.id != leg.id:
            far = self._m.legs.get(self._far_end(second))
            call = second.id if second.role is Role.DIRECT else second.item
            if call and call != leg.item and far is not None and far.answered:
                return PhonesJoined(leg.id, call, far.id)
        log.info("transfer_of_no_second_call", leg=leg.id)
        return None

    def _far_end(self, second: Leg) -> str:
        """Whom the agent talks with on his second call, "" where there is none."""
        if second.role is Role.DIRECT:
            return self._direct.far_end(second.id)
        return self._customer_of(second.item) if second.item and second.role in AGENTS else ""

    def _took(self, leg: Leg, second: str, other: str) -> None:
        """The far end belongs to the customer's conversation now; the call it came from ends nothing any more."""
        self._direct.release(second)
        far = self._m.legs.get(other)
        if far is not None:
            role = Role.SEAT if far.seat else Role.OTHER
            self._m.legs.change(far.id, role=role, item=leg.item, answered=True, peer="")
