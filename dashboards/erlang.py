"""Erlang C: a model of numbers given to it, not a figure of facts."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErlangC:
    """What Erlang C says of `agents` at a load: all shares, times in the unit of the handle time."""

    waits: float
    service_level: float
    speed_of_answer: float
    occupancy: float


def erlang_c(load: float, agents: int, handle_time: float, threshold: float) -> ErlangC:
    """Erlang C by the stable recursion B_n = aB/(n+aB), C = B/(1−ρ(1−B)). Raises ValueError unless 0 < load < agents:
    without abandons the queue would grow for ever."""
    if not 0 < load < agents:
        raise ValueError(f"Erlang C needs more agents than load: {load} erlang, {agents} agents")
    blocked = 1.0
    for number in range(1, agents + 1):
        blocked = load * blocked / (number + load * blocked)
    occupancy = load / agents
    waits = blocked / (1 - occupancy * (1 - blocked))
    rate = (agents - load) / handle_time
    return ErlangC(waits, 1 - waits * math.exp(-rate * threshold), waits / rate, occupancy)
