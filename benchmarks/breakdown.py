"""Where the time from a caller's INVITE to his agent's INVITE goes in Ringside, from stamps of the engine process.

The stamps are made by benchmarks/trace/sitecustomize.py, which is put on the engine's path for one short run; the
rest of the measurements run without it. The product has no hook.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.sip_load import Attempt

PHASES = (
    "SIP, dialplan, AGI connection",
    "plan: the directory",
    "decide and commit the entry",
    "AGI answer, dialplan, Stasis",
    "lane to the core",
    "decide and commit the offer",
    "look at the phone",
    "create, its StasisStart",
    "dial to INVITE",
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """`what` began at `at` (ns), took `took` ns, and concerned `whose` (ids with spaces between)."""

    at: int
    what: str
    whose: tuple[str, ...]
    took: int


@dataclass(slots=True)
class Trail:
    """One call's moments in the order of PHASES, beginning with the INVITE; 0 where none was seen."""

    moments: list[int] = field(default_factory=lambda: [0] * (len(PHASES) + 1))

    @property
    def whole(self) -> bool:
        """Every moment is there, in order."""
        return all(self.moments) and self.moments == sorted(self.moments)


def read(path: Path) -> list[Stamp]:
    """The stamps of a file."""
    with path.open(encoding="utf-8") as file:
        return [Stamp(at, what, tuple(whose.split()), took) for at, what, whose, took in map(json.loads, file)]


def trails(stamps: Iterable[Stamp], attempts: Sequence[Attempt]) -> list[Trail]:
    """The calls whose way was seen from end to end."""
    stamps = sorted(stamps, key=lambda stamp: stamp.at)
    leg_of = {stamp.whose[1]: stamp.whose[0] for stamp in stamps if stamp.what == "plan_call" and len(stamp.whose) > 1}
    offer_of = {stamp.whose[1]: stamp.whose[0] for stamp in stamps if stamp.what == "create" and len(stamp.whose) > 1}
    first: dict[tuple[str, str], Stamp] = {}
    for stamp in stamps:
        if stamp.whose:
            first.setdefault((stamp.what, stamp.whose[0]), stamp)
    found = [_trail(first, attempt, leg_of.get(attempt.number, ""), offer_of) for attempt in attempts]
    return [trail for trail in found if trail.whole]


def _trail(first: Mapping[tuple[str, str], Stamp], attempt: Attempt, leg: str, offer_of: Mapping[str, str]) -> Trail:
    def at(what: str, whose: str) -> int:
        stamp = first.get((what, whose))
        return stamp.at if stamp else 0

    entered = first.get(("submit CallEntered", leg))
    offer = offer_of.get(leg, "")
    return Trail([
        attempt.invited,
        at("plan_call", leg),
        entered.at if entered else 0,
        entered.at + entered.took if entered else 0,
        at("StasisStart", leg),
        at("submit LegArrived", leg),
        at("ring", offer),
        at("create", offer),
        at("dial", offer),
        attempt.rung,
    ])  # fmt: skip


def medians(found: Sequence[Trail]) -> list[tuple[str, float]]:
    """Each phase's median in ms."""
    return [
        (name, statistics.median((trail.moments[n + 1] - trail.moments[n]) / 1e6 for trail in found))
        for n, name in enumerate(PHASES)
    ]
