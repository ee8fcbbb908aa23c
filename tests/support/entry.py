"""An engine and entry plans that know nothing but one entry point, for tests of what stands before the core."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from acd.core.effects import WantedLeg
from acd.core.inputs import Input
from acd.core.model import EntryPlan, Micros
from acd.core.reply import Done, Reply
from acd.ports import AddressSeen


@dataclass
class Plans:
    """Knows entry 81 only and keeps what it was asked."""

    asked: list[AddressSeen] = field(default_factory=list)

    def plan(self, seen: AddressSeen) -> EntryPlan | None:
        self.asked.append(seen)
        return EntryPlan(entry="81", revision=1, queue="service") if seen.entry == "81" else None


@dataclass
class FakeEngine:
    """Takes inputs; `reply` answers; `stuck` never does."""

    reply: Reply = field(default_factory=lambda: Done(item="item-1"))
    stuck: bool = False
    taken: list[Input] = field(default_factory=list)

    async def submit(self, given: Input, *, by: str = "system", via: str = "engine") -> Reply:
        if self.stuck:
            await asyncio.Event().wait()
        self.taken.append(given)
        return self.reply

    async def wanted(self) -> Sequence[WantedLeg]:
        return ()

    def now(self) -> Micros:
        return 0
