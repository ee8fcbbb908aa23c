"""A switch made of dicts: effects move legs about, and where each is at last is compared with what the state wants.

It knows nothing of shapes: an effect that is missing, or one too many, shows as a leg in the wrong place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from acd.core import effects as e
from acd.core import inputs as i


@dataclass(slots=True)
class Switch:
    """`place`: leg -> (what, with what): ("bridge", id), ("muted", id), ("hold", ""), ("coach", ear), ("rung", "")."""

    place: dict[str, tuple[str, str]] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    dropped: dict[str, None] = field(default_factory=dict)

    def happened(self, given: i.Input) -> None:
        """What the input says of legs."""
        match given:
            case i.PartyLeft(leg=leg) | i.OfferRefused(offer=leg):
                self.place.pop(leg, None)
                self.gone[leg] = None
            case i.CallEntered(leg=leg):  # one that was taken for gone, and lives
                self.gone.pop(leg, None)
            case _:
                return

    def do(self, effect: e.Effect) -> None:
        """Carry one effect out."""
        match effect:
            case e.RingSeat(offer=leg):
                self.place[leg] = ("rung", "")
            case e.DialOutside():
                self.place[effect.leg] = ("bridge", effect.bridge) if effect.bridge else ("rung", "")
            case e.Connect():
                for leg in (effect.leg, effect.seat_leg):
                    self._put(leg, "bridge", effect.bridge)
            case e.Join():
                self._put(effect.leg, "muted" if effect.muted else "bridge", effect.bridge)
            case e.Hold(leg=leg) | e.HoldMusic(leg=leg):
                self._put(leg, "hold", "")
            case e.Coach():
                self._put(effect.leg, "coach", effect.ear)
            case e.HangUpLeg(leg=leg) | e.WithdrawOffer(offer=leg):
                self.place.pop(leg, None)
                self.gone[leg] = None
            case e.DropBridge(bridge=bridge):
                self.dropped[bridge] = None
                for leg in [leg for leg, where in self.place.items() if where[1] == bridge]:
                    self.place[leg] = ("", "")
            case _:
                return

    def _put(self, leg: str, what: str, where: str) -> None:
        if leg and leg not in self.gone:
            self.place[leg] = (what, where)

    def differs(self, wanted: Sequence[e.WantedLeg]) -> str:
        """The first leg that is not where the state wants it, in words; "" when all are."""
        for want in wanted:
            expected = EXPECTED.get(want.doing)
            if expected is None or want.role == "direct":
                continue
            what, with_what = expected
            where = (what, {"bridge": want.bridge, "ear": want.ear, "": ""}[with_what])
            if self.place.get(want.leg, ("", "")) != where:
                return f"{want.role} {want.leg} of {want.item} is {self.place.get(want.leg)}, wanted {where}"
            if want.bridge and what in ("bridge", "muted") and want.bridge in self.dropped:
                return f"{want.leg} is wanted in {want.bridge}, which was dropped"
        return ""


EXPECTED: Mapping[str, tuple[str, str]] = {
    "talking": ("bridge", "bridge"),
    "listening": ("muted", "bridge"),
    "held": ("hold", ""),
    "waiting": ("hold", ""),
    "coaching": ("coach", "ear"),
}
"""What is wanted -> where that is on the switch; ringing, arriving, prompts and the fall-back are nowhere special."""
