"""What the telephone side knows of each channel: a small book of frozen entries, written in the event loop only.

It is memory, not truth: after a lost connection it is thrown away and read again from the engine and from Asterisk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from acd.core.effects import WantedLeg


class Role(StrEnum):
    """Whose channel it is."""

    CUSTOMER = "customer"
    SEAT = "seat"  # its id is the offer's
    DIRECT = "direct"  # its id is the direct call's


class Hung(StrEnum):
    """Who hung up first: a ChannelHangupRequest without `soft` is the party itself (reference/shapes.md §5)."""

    NOBODY = ""
    PARTY = "party"
    US = "us"


@dataclass(frozen=True, slots=True)
class Leg:
    """One channel. `peer` is the other channel of the conversation, `hold` its holding bridge while it waits."""

    id: str
    role: Role
    item: str = ""
    seat: str = ""
    extension: str = ""
    peer: str = ""
    rung: bool = False
    answered: bool = False
    withdrawn: bool = False
    talking: bool = False
    hung: Hung = Hung.NOBODY
    hold: str = ""
    order: int = 0  # when he came (microseconds): the order in which the rescue process takes those who wait


@dataclass(frozen=True, slots=True)
class Join:
    """A conversation's bridge and who belongs into it."""

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
        """Take an entry out."""
        known = self.by_id.pop(leg, None)
        if known is not None:
            self._lately[leg] = None
            if len(self._lately) > LATELY_KEPT:
                del self._lately[next(iter(self._lately))]
        return known

    def strange(self, leg: str) -> bool:
        """Whether a channel neither is nor lately was ours: Asterisk lists one a moment after it told its end."""
        return leg not in self.by_id and leg not in self._lately

    def join(self, join: Join) -> None:
        """Note who belongs into a bridge, and who talks with whom."""
        self.joins.setdefault(join.bridge, join)
        for leg in join.legs:
            others = [other for other in join.legs if other != leg]
            self.change(leg, peer=others[0] if len(others) == 1 else "", talking=True)

    def flowed(self, bridge: str) -> None:
        """Everybody is in."""
        if (join := self.joins.get(bridge)) is not None:
            self.joins[bridge] = replace(join, flowed=True)

    def renew(self, wanted: Iterable[WantedLeg]) -> None:
        """Forget everything and start from what the engine wants."""
        self.by_id.clear()
        self.joins.clear()
        self.prompts.clear()
        together: dict[str, list[WantedLeg]] = {}
        for want in wanted:
            answered = want.role != Role.SEAT or want.doing == "talking"
            self.put(Leg(want.leg, Role(want.role), want.item, want.seat, want.extension, answered=answered))
            if want.token:
                self.prompts[want.token] = want.item
            if want.bridge and want.doing == "talking":
                together.setdefault(want.bridge, []).append(want)
        for bridge, members in together.items():
            seat = next((member.seat for member in members if member.seat), "")
            legs = tuple(member.leg for member in members)
            self.join(Join(bridge, members[0].item, seat, legs))
