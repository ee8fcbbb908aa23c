"""The shared system's directory: for each scene a queue, two seats that serve it alone, and an entry number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from acd.core.model import SECOND, Destination, Menu, MenuOption, Way, WrapUpEnding, WrapUpRule
from directory.definitions import EntryPoint
from tests.support.system import entry, queue, seat

LONG = 30 * SECOND
BY_HAND = WrapUpRule(WrapUpEnding.BY_HAND)


@dataclass(frozen=True)
class Scene:
    """One test's own part of the directory."""

    name: str
    place: int
    queue: dict[str, Any] = field(default_factory=dict)

    @property
    def ann(self) -> str:
        return f"{self.name}-ann"

    @property
    def bob(self) -> str:
        return f"{self.name}-bob"

    @property
    def number(self) -> str:
        return str(3000 + self.place)

    @property
    def ann_dials(self) -> str:
        return str(8000 + 2 * self.place)

    @property
    def bob_dials(self) -> str:
        return str(8001 + 2 * self.place)


HEAR = Scene("hear", 1, {"ring_time": LONG})
NEXT = Scene("next", 2, {"ring_time": 2 * SECOND})
DECLINE = Scene("decline", 3, {"ring_time": LONG, "decline_back_off": 2 * SECOND})
GIVE_UP = Scene("giveup", 4, {"ring_time": LONG})
HANG_UP = Scene("hangup", 5, {"ring_time": LONG, "wrap_up": None})
TIMER = Scene("timer", 6, {"ring_time": LONG, "wrap_up": WrapUpRule(WrapUpEnding.TIMER, 2 * SECOND)})
HAND = Scene("hand", 7, {"ring_time": LONG, "wrap_up": BY_HAND})
LOST = Scene("lost", 8, {"ring_time": LONG})
DIAL = Scene("dial", 9, {"ring_time": LONG, "wrap_up": None})
TOOLS = Scene("tools", 10, {"ring_time": LONG, "wrap_up": None})
PICK = Scene("pick", 11, {"ring_time": LONG, "wrap_up": None})
SCENES = (HEAR, NEXT, DECLINE, GIVE_UP, HANG_UP, TIMER, HAND, LOST, DIAL, TOOLS, PICK)

MENU_NUMBER = "3100"
TO_NEXT, TO_HEAR = (Destination(Way.QUEUE, scene.name) for scene in (NEXT, HEAR))
OPTIONS = (MenuOption("1", TO_NEXT), MenuOption("2", TO_HEAR))
MENU = Menu("options", "vm-options", OPTIONS, TO_NEXT, timeout=LONG, tries=1)
GREETING = "hello-world"

QUEUES = [queue(scene.name, **scene.queue) for scene in SCENES]
SEATS = [
    one
    for scene in SCENES
    for one in (seat(scene.ann, scene.ann_dials, scene.name), seat(scene.bob, scene.bob_dials, scene.name))
]
ENTRIES: list[EntryPoint] = [
    *(entry(scene.number, scene.name) for scene in SCENES),
    entry(MENU_NUMBER, NEXT.name, greeting=GREETING, menu=MENU),
]
