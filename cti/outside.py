"""Calls to numbers outside: by which line, shown as whom, heard from the first sound on, and what became of them.

A number's channel bears the id the core chose. Its ringing, answer and end come back as any leg's do (cti.translate);
here it is created, dialled, put into the conversation's bridge before it is answered so that what the network says is
heard, and whoever waits for it hears ring-back as long as the network is silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from acd.core.effects import DialOutside, Effect, WantedLeg
from acd.core.inputs import OfferRefused
from acd.core.model import SECOND, OfferResult, Outcome, Route
from acd.ports import DialPlans
from cti.ari import AriError, AriLost, path
from cti.calls import DIAL_MARGIN, Calls, Means
from cti.commands import quietly
from cti.config import AsteriskSettings, Trunk
from cti.dialling import CannotDial, LineLeg, line_leg, shown_number, trunk_named
from cti.lanes import Work
from cti.legs import Leg, Role
from cti.resync import ChannelSeen

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Call:
    """One that is not answered yet. `ringing`: ring-back plays for `heard_by`; `early`: the network is heard."""

    leg: str
    heard_by: str
    ringing: bool = False
    early: bool = False


def by_address(trunk: Trunk, line: LineLeg) -> LineLeg:
    """The same call to the carrier's address itself, whatever Asterisk believes of the line."""
    number = line.endpoint.removeprefix("PJSIP/").partition("@")[0]
    return LineLeg(f"PJSIP/{trunk.name}/sip:{number}@{trunk.address}", line.variables)


class Outside:
    """Carries out DialOutside."""

    def __init__(
        self, means: Means, calls: Calls, dial_plans: DialPlans, settings: Callable[[], AsteriskSettings]
    ) -> None:
        """`settings` gives what holds now: lines change while calls go on."""
        self._m, self._calls, self._plans, self._settings = means, calls, dial_plans, settings
        self._tones = calls.conversations.tones
        self._open: dict[str, _Call] = {}
        self.rows: Mapping[type[Effect], Callable[[Any], tuple[str, Work] | None]] = {DialOutside: self._dial}

    def renew(self, wanted: Sequence[WantedLeg], channels: Sequence[ChannelSeen]) -> None:
        """After a start: who hears what rings, and a handset whose call was answered while nobody listened."""
        seen = {channel.id: channel for channel in channels}
        seats = {want.item: want.leg for want in wanted if want.role == Role.SEAT and want.leg in seen}
        self._open = {
            want.leg: _Call(want.leg, seats.get(want.item, ""), ringing=True)
            for want in wanted
            if want.route is not None and want.doing == "ringing" and want.leg in seen
        }
        for leg in [leg for leg in self._open if seen[leg].state == "Up"]:
            self.answered(leg)
        for want in wanted:
            own = seats.get(want.item, "")
            if want.route is not None and want.doing == "talking" and own and seen[own].state != "Up":
                self._answer(own)

    def _dial(self, effect: DialOutside) -> tuple[str, Work]:
        self._m.legs.known(effect.leg, self._role(effect), effect.item)
        self._m.legs.change(effect.leg, line=effect.route.trunk)
        return effect.leg, lambda: self._dial_now(effect)

    def _role(self, effect: DialOutside) -> Role:
        """He is the customer, unless this item has one."""
        others = (leg for leg in self._m.legs.by_id.values() if leg.item == effect.item and leg.id != effect.leg)
        return Role.OTHER if any(leg.role is Role.CUSTOMER for leg in others) else Role.CUSTOMER

    async def _dial_now(self, effect: DialOutside) -> None:
        leg = self._m.legs.get(effect.leg)
        if leg is None or leg.withdrawn:
            return
        number = await asyncio.to_thread(self._plans.number_of, effect.route.address)
        try:
            lines = self._lines(effect.route, number)
        except CannotDial as error:
            log.warning("number_not_dialled", leg=effect.leg, line=effect.route.trunk, error=str(error))
            await self._refuse(effect.leg, Outcome.WRONG_NUMBER)
            return
        self._open[effect.leg] = _Call(effect.leg, effect.heard_by)
        for line in lines:
            if await self._reach(effect, leg, line):
                await self._let_hear(effect)
                return
        await self._refuse(effect.leg, Outcome.UNREACHABLE)

    def _lines(self, route: Route, number: str) -> list[LineLeg]:
        """The ways to a number in the order they are tried: the route's line; for help, every line that goes out, and
        then each by its address, as the dialplan does: one that answers no OPTIONS may carry the call nevertheless.

        Raises CannotDial.
        """
        settings = self._settings()
        region, first = settings.default_region, trunk_named(settings.trunks, route.trunk)
        named: list[tuple[Trunk, LineLeg]] = []
        if first is None:
            log.warning("no_such_line", line=route.trunk)
        else:
            shown = shown_number(first, asked=route.shown)
            named.append((first, line_leg(first, number, region, shown=shown)))
        if not route.emergency:
            return [line for _, line in named]
        others = [trunk for trunk in settings.trunks if trunk.takes_out and trunk is not first]
        named += [(trunk, line_leg(trunk, number, region, shown=trunk.number)) for trunk in others]
        return [*(line for _, line in named), *(by_address(trunk, line) for trunk, line in named)]

    async def _reach(self, effect: DialOutside, leg: Leg, line: LineLeg) -> bool:
        """False when there is no line: Asterisk answers 500 to a channel that cannot be, and no event comes."""
        if not (effect.route.emergency or await self._lives(effect.route.trunk)):
            return False
        named = {"RINGSIDE_ITEM": effect.item, "RINGSIDE_OFFER": effect.leg}
        limit = max(1, (effect.expires_at - self._m.now() + DIAL_MARGIN) // SECOND)
        words = f"offer,{effect.leg}"
        return await self._calls.reach(leg, line.endpoint, words, "", {**line.variables, **named}, limit)

    async def _lives(self, trunk: str) -> bool:
        """Whether nothing speaks against the line. One that answers no OPTIONS would keep the caller for 32 s."""
        try:
            seen = await self._m.ari.call("GET", path("endpoints", "PJSIP", trunk))
        except AriError:
            return False
        except AriLost:
            return True
        return isinstance(seen, dict) and seen.get("state") != "offline"

    async def _let_hear(self, effect: DialOutside) -> None:
        """What the network plays before the answer comes through the bridge."""
        leg = self._m.legs.get(effect.leg)
        if effect.bridge and leg is not None and not leg.withdrawn:
            self._m.legs.enter(effect.leg, effect.bridge, effect.item)
            await self._calls.bridge(effect.bridge, (effect.leg,))

    async def _refuse(self, name: str, outcome: Outcome) -> None:
        """It could not be dialled: forget the leg, so that no echo of it is taken for more."""
        self._end(name)
        leg = self._m.legs.gone(name)
        if leg is not None and not leg.withdrawn:
            await self._m.submit(OfferRefused(name, OfferResult.UNREACHABLE, outcome=outcome))
        await quietly(self._m.ari, "DELETE", path("channels", name))

    # --- what is heard meanwhile ---------------------------------------------------------------------------------

    def rang(self, leg: str) -> None:
        """The far end rings: who waits hears it, unless the network plays something."""
        call = self._open.get(leg)
        if call is not None and call.heard_by and not call.ringing and not call.early:
            call.ringing = True
            self._ring_back(call.heard_by, on=True)

    def early(self, leg: str) -> None:
        """The network plays something: that is heard instead of our ring-back, also by a handset not yet answered."""
        call = self._open.get(leg)
        if call is None or call.early:
            return
        call.early = True
        self._silence(call)
        if call.heard_by:
            uri = path("channels", call.heard_by, "progress")
            self._m.lanes.put(call.heard_by, lambda: quietly(self._m.ari, "POST", uri))

    def answered(self, leg: str) -> None:
        """The far end answered. A handset that dialled is answered now, too; who talks already does not notice."""
        call = self._end(leg)
        if call is not None and call.heard_by:
            self._answer(call.heard_by)

    def _answer(self, leg: str) -> None:
        uri = path("channels", leg, "answer")
        self._m.lanes.put(leg, lambda: quietly(self._m.ari, "POST", uri))

    def gone(self, leg: str) -> None:
        """The far end is gone."""
        self._end(leg)

    def _end(self, leg: str) -> _Call | None:
        call = self._open.pop(leg, None)
        if call is not None:
            self._silence(call)
        return call

    def _silence(self, call: _Call) -> None:
        if call.ringing:
            call.ringing = False
            self._ring_back(call.heard_by, on=False)

    def _ring_back(self, leg: str, *, on: bool) -> None:
        self._m.lanes.put(leg, partial(self._tones.start if on else self._tones.stop, leg))
