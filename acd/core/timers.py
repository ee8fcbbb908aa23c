"""Timers of the state with the next one at hand. They are part of the state, set and stopped only by facts."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from acd.core.model import Micros


class TimerWheel(dict[str, Micros]):
    """A dict of key -> due that also knows its earliest entry. Equal to, and stored as, a plain dict.

    Stopped and moved timers stay in the heap until they come up: O(log n) a change, no scan.
    """

    def __init__(self, timers: Mapping[str, Micros]) -> None:
        super().__init__(timers)
        self._heap = [(due, key) for key, due in timers.items()]
        heapq.heapify(self._heap)

    def __setitem__(self, key: str, due: Micros) -> None:
        super().__setitem__(key, due)
        heapq.heappush(self._heap, (due, key))

    def next(self) -> tuple[Micros, str] | None:
        """The earliest (due, key); ties in key order. None when nothing is set."""
        while self._heap and self.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None
