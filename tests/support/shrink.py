"""Make the list of inputs of a failed run shorter while it still fails in the same way (ddmin).

Ids that the core makes shift when an arrival is left out, so it is not minimal as Hypothesis' examples are, but it
works on a run of thousands of steps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from acd.core import inputs as i
from acd.core.model import Micros
from tests.support.world import Violation, World

Story = Sequence[tuple[Micros, i.Input]]


def fails(story: Story) -> str:
    """The first words of the violation that the inputs lead to, empty when none."""
    world = World()
    try:
        for at, given in story:
            world.reach(at - 1)
            world.give(given)
            world.check()
    except Violation as broken:
        return broken.words
    return ""


def sort_of(words: str) -> str:
    """What makes two violations the same: the text before ids come in."""
    return re.sub(r"[a-z]+-?[a-z]*[0-9]+", "", words)[:24]


def shrink(story: Story) -> list[tuple[Micros, i.Input]]:
    """A shorter story that fails in the same way, or the whole one where it doesn't fail when given again."""
    kept = list(story)
    wanted = sort_of(fails(kept))
    if not wanted:
        return kept
    size = max(1, len(kept) // 2)
    while True:
        at = 0
        while at < len(kept):
            shorter = kept[:at] + kept[at + size :]
            if sort_of(fails(shorter)) == wanted:
                kept = shorter
            else:
                at += size
        if size == 1:
            return kept
        size = max(1, size // 2)
