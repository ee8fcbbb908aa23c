"""Stretches of a recording: whose voice is in it between two moments of the log."""

from __future__ import annotations

from collections.abc import Iterable

from acd.core.model import Micros
from softphone import tones
from tests.support.floor import Samples, levels

EDGE_S = 0.6
"""Left out at both ends of a stretch: phones and log tell of a change up to 0.3 s apart."""
PRESENT, ABSENT = 0.6, 0.1
"""Shares of a stretch. Phones on a busy machine stutter: 0.89 was seen; a side that is lost has 0."""


def stretch(side: Samples, began: Micros, start: Micros, end: Micros) -> Samples:
    """The middle of what a recording that `began` then holds between two moments of the facts' clock."""
    first, last = ((at - began) / 1e6 for at in (start, end))
    return side[round((first + EDGE_S) * tones.RATE) : round((last - EDGE_S) * tones.RATE)]


def voices_in(samples: Samples, voices: Iterable[int]) -> set[int]:
    """Which of these tones fill the stretch; fails where one is there in part only."""
    assert len(samples) >= tones.RATE // 2, "the stretch is too short to be judged"
    shares = {hz: float((levels(samples, hz) > tones.FLOOR).mean()) for hz in voices}
    assert all(part < ABSENT or part > PRESENT for part in shares.values()), shares
    return {hz for hz, part in shares.items() if part > PRESENT}
