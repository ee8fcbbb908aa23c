"""What the telephone side knows of each channel: a small book of frozen entries, written in the event loop only.

It is memory, not truth: after a lost connection it is thrown away and read again from the engine and from Asterisk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from acd.core.effects import WantedLeg


class Role(StrEnum):
    """Whose channel it is."""

    CUSTOMER = "customer"
    OTHER = "other"  # a third party without a seat
    WATCHER = "watcher"  # a supervisor's
    SEAT = "seat"  # its id is the offer's
    DIRECT = "direct"  # its id is the direct call's


class Hung(StrEnum):
    """Who hung up first: a ChannelHangupRequest without `soft` is the party itself (reference/shapes.md §5)."""

    NOBODY = ""
    PARTY = "party"
    US = "us"


@dataclass(frozen=True, slots=True)
class Leg:
    """One channel. `bridge` is the conversation it belongs into (heard there, or listening), `peer` the only other one
    in it; `hold` its holding bridge while it waits or is on hold; `snoop` the channel it coaches by, `ear` whose."""

    id: str
    role: Role
    item: str = ""
    seat: str = ""
    extension: str = ""
    bridge: str = ""
    peer: str = ""
    rung: bool = False
    answered: bool = False
    withdrawn: bool = False
    talking: bool = False
    flowed: bool = False  # the core was told that sound flows
    hung: Hung = Hung.NOBODY
    hold: str = ""
    snoop: str = ""
    ear: str = ""
    muted: bool = False  # Asterisk lets nobody hear it, as far as we know
    closed: bool = False  # its seat's own wish not to be heard, whatever it is in
    silenced: bool | None = None  # what its recorder was last told; None: not known
    paused: bool = False  # silence is recorded, and nobody is told the digits
    waiting: bool = False  # marked for the rescue process
    line: str = ""  # the trunk, of a channel that we called outside
    entered_at: int = 0  # when he came into the bridge he is in (microseconds); 0: before our time
    order: int = 0  # when he came (microseconds): the order in which the rescue process takes those who wait

    @property
    def up(self) -> bool:
        """Its party is there: it answered, or it called us."""
        return self.answered or (self.role is Role.CUSTOMER and not self.line)


@dataclass(frozen=True, slots=True)
class Join:
    """A conversation's bridge and who is to be heard in it. `flowed`: the core need not be told."""

    bridge: str
    item: str
    seat: str
    legs: tuple[str, ...]
    flowed: bool = False
    actual: str = ""  # the bridge's own id, where it had to be made again


LATELY_KEPT = 1000
"""Legs remembered after their end: minutes of a busy centre, for something that takes milliseconds."""


class Seats(Protocol):
    """Who sits at which extension, and what the core believes of its phone. Answers at once, from memory."""

    def seat_of(self, extension: str) -> str:
        """The seat's id, or "" when nobody has that extension."""
        ...

    def extension_of(self, seat: str) -> str:
        """The seat's extension, or ""."""
        ...

    def extensions(self) -> Sequence[str]:
        """Every extension that belongs to a seat."""
        ...

    def reachable(self, seat: str) -> bool:
        """Whether the core believes that the seat's phone can be reached."""
        ...

    def settled(self, extension: str) -> bool:
        """Whether who is registered there is its holder's phone, and not that of who had it before."""
        ...


@dataclass(slots=True)
class Legs:
    """The book. Entries are replaced, never changed."""

    seats: Seats
    by_id: dict[str, Leg] = field(default_factory=dict)
    joins: dict[str, Join] = field(default_factory=dict)  # by bridge
    prompts: dict[str, str] = field(default_factory=dict)  # token -> item
    _lately: dict[str, None] = field(default_factory=dict)

    def get(self, leg: str) -> Leg | None:
        return self.by_id.get(leg)

    def put(self, leg: Leg) -> Leg:
        """Enter a leg, or replace it."""
        self.by_id[leg.id] = leg
        return leg

    def known(self, leg: str, role: Role, item: str = "", seat: str = "", extension: str = "") -> Leg:
        """The entry, made when it is not there; what was not known before is filled in."""
        old = self.by_id.get(leg) or Leg(leg, role)
        return self.put(
            replace(old, item=item or old.item, seat=seat or old.seat, extension=extension or old.extension)
        )

    def change(self, leg: str, **changes: object) -> None:
        """Replace fields of an entry; an unknown leg is left alone."""
        if (old := self.by_id.get(leg)) is not None:
            self.by_id[leg] = replace(old, **changes)  # type: ignore[arg-type]

    def gone(self, leg: str) -> Leg | None:
        """Take an entry out; gives it as it was last."""
        known = self.by_id.get(leg)
        if known is not None:
            self.part(leg)
            del self.by_id[leg]
            self._lately[leg] = None
            if len(self._lately) > LATELY_KEPT:
                del self._lately[next(iter(self._lately))]
        return known

    def strange(self, leg: str) -> bool:
        """Whether a channel neither is nor lately was ours: Asterisk lists one a moment after it told its end."""
        return leg not in self.by_id and leg not in self._lately

    def playing(self, item: str) -> list[str]:
        """The tokens of an item's prompts that may still play."""
        return [token for token, owner in self.prompts.items() if owner == item]

    # --- conversations -------------------------------------------------------------------------------------------

    def join(self, join: Join) -> None:
        """Note who belongs into a bridge, and who talks with whom."""
        self.joins.setdefault(join.bridge, replace(join, legs=()))
        for leg in join.legs:
            self.enter(leg, join.bridge, join.item)

    def enter(self, leg: str, bridge: str, item: str, *, heard: bool = True) -> None:
        """A channel belongs into this conversation now and into no other; a listener is not `heard`."""
        self.part(leg)
        join = self.joins.get(bridge) or Join(bridge, item, "", ())
        self.joins[bridge] = replace(join, legs=(*join.legs, leg)) if heard else join
        self.change(leg, bridge=bridge, talking=heard)
        self._pair(bridge)

    def part(self, leg: str) -> None:
        """A channel is out of its conversation: on hold, coaching, or gone.

        The two ends of a direct call go on knowing each other: who is left asks whose end came first.
        """
        known = self.by_id.get(leg)
        if known is None or not known.bridge:
            return
        join = self.joins.get(known.bridge)
        self.by_id[leg] = replace(known, bridge="", talking=False, peer="" if known.item else known.peer)
        if join is not None:
            self.joins[join.bridge] = replace(join, legs=tuple(other for other in join.legs if other != leg))
            if join.item:
                self._pair(join.bridge)

    def dropped(self, bridge: str) -> list[Leg]:
        """The conversation is over and nobody belongs into it any more; gives who did."""
        inside = [leg for leg in self.by_id.values() if leg.bridge == bridge]
        for leg in inside:
            self.part(leg.id)
        self.joins.pop(bridge, None)
        return inside

    def _pair(self, bridge: str) -> None:
        legs = self.joins[bridge].legs
        for leg in legs:
            others = [other for other in legs if other != leg]
            self.change(leg, peer=others[0] if len(others) == 1 else "")

    def actual(self, bridge: str) -> str:
        """Asterisk's id of a conversation's bridge: another one where it had to be made again."""
        join = self.joins.get(bridge)
        return (join.actual if join is not None else "") or bridge

    def made_again(self, bridge: str, actual: str) -> None:
        """The conversation goes on in this bridge."""
        join = self.joins.get(bridge) or Join(bridge, "", "", ())
        self.joins[bridge] = replace(join, actual=actual)

    def adopt(self, leg: str, item: str) -> Leg:
        """A channel belongs to this item from now on, as what it is in it.

        Most do already. A colleague whom a phone brought in (REFER with Replaces) was a direct call, a number outside
        another item's customer.
        """
        old = self.by_id.get(leg) or Leg(leg, Role.OTHER, item)
        stranger = old.role is Role.DIRECT or (old.role is Role.CUSTOMER and old.item not in ("", item))
        own = Role.SEAT if old.seat else Role.OTHER
        return self.put(replace(old, item=item, role=own if stranger else old.role))

    def renew(self, wanted: Sequence[WantedLeg]) -> None:
        """Forget everything and start from what the engine wants."""
        self.by_id.clear()
        self.joins.clear()
        self.prompts.clear()
        for want in wanted:
            self.put(_leg_of(want))
            if want.token:
                self.prompts[want.token] = want.item
        for want in wanted:
            if want.bridge and want.doing in ("talking", "listening"):
                self.enter(want.leg, want.bridge, want.item, heard=want.doing == "talking")


def _leg_of(want: WantedLeg) -> Leg:
    """A wanted leg's first entry; what only Asterisk knows comes with the listing."""
    role = Role(want.role)
    return Leg(
        want.leg,
        role,
        want.item,
        want.seat,
        want.extension,
        answered=want.doing != "ringing",
        # Not known: believed closed, so that it is opened where it is to be heard (cti.calls). A supervisor is idle
        # while there is nothing to hear; he may have listened before and may be let in to speak next.
        muted=role is not Role.CUSTOMER and want.doing in ("talking", "held", "coaching", "idle"),
        closed=want.muted,
        paused=want.paused and role is Role.CUSTOMER,
        waiting=role is Role.CUSTOMER and want.doing not in ("talking", "held", "ringing"),
        line=want.route.trunk if want.route is not None else "",
    )
