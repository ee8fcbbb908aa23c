"""What Prometheus may see. The label sets are closed: queue ids, states, outcomes and reader names; never an agent,
a caller or an item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from acd.core.facts import Accepted, Ended, InputRejected, OfferEnded, Queued, Recorded
from acd.core.model import SECOND, Micros, OfferResult, Phase, Presence, SeatState, State
from recordings.figures import Figures

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
WAIT_BUCKETS = (5, 10, 20, 30, 60, 120, 300, 600)
"""Seconds; 20 is the usual service level threshold."""

LABELS: Mapping[str, tuple[str, ...]] = {
    "ringside_up": (),
    "ringside_log_seq": (),
    "ringside_timer_lag_seconds": (),
    "ringside_consumer_lag_facts": ("reader",),
    "ringside_items": ("queue", "phase"),
    "ringside_longest_wait_seconds": ("queue",),
    "ringside_seats": ("presence", "state"),
    "ringside_repairs": ("kind",),
    "ringside_inputs_rejected": (),
    "ringside_queued": ("queue",),
    "ringside_ended": ("queue", "outcome"),
    "ringside_offers": ("queue", "result"),
    "ringside_answer_wait_seconds": ("queue",),
    "ringside_recordings": ("state",),
    "ringside_recordings_oldest_seconds": (),
    "ringside_recordings_free_bytes": (),
    "ringside_recordings_alarm": (),
}
"""Every metric and its labels; there is no other (a test holds the page against it)."""


@dataclass(slots=True)
class Counted:
    """Counts over the facts this process has seen since it began; Prometheus knows counters that start again."""

    queued: Counter[str] = field(default_factory=Counter)
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    offers: Counter[tuple[str, str]] = field(default_factory=Counter)
    rejected: int = 0
    waits: dict[str, list[Micros]] = field(default_factory=dict)  # queue -> [count in each bucket ..., sum]
    queued_at: dict[str, Micros] = field(default_factory=dict)

    def take(self, facts: Sequence[Recorded]) -> None:
        """Count these facts."""
        for recorded in facts:
            self._take(recorded)

    def _take(self, recorded: Recorded) -> None:
        match recorded.fact:
            case Queued(item=item, queue=queue):
                self.queued[queue] += 1
                self.queued_at[item] = recorded.at
            case OfferEnded(queue=queue, result=result):
                self.offers[queue, result.value] += 1
            case Accepted(item=item, queue=queue):
                self.offers[queue, OfferResult.ACCEPTED.value] += 1
                if (since := self.queued_at.pop(item, None)) is not None:
                    self._waited(queue, recorded.at - since)
            case Ended(item=item, queue=queue, outcome=outcome):
                self.ended[queue, outcome.value] += 1
                self.queued_at.pop(item, None)
            case InputRejected():
                self.rejected += 1
            case _:
                return

    def _waited(self, queue: str, waited: Micros) -> None:
        row = self.waits.setdefault(queue, [0] * (len(WAIT_BUCKETS) + 2))
        bucket = next((place for place, most in enumerate(WAIT_BUCKETS) if waited <= most * SECOND), len(WAIT_BUCKETS))
        row[bucket] += 1
        row[-1] += waited


@dataclass(frozen=True, slots=True)
class Seen:
    """What one page is made of."""

    state: State
    seq: int
    now: Micros
    counted: Counted
    lags: Mapping[str, int]
    engine: Mapping[str, Any] | None
    recordings: Figures | None = None


class _Page(Collector):
    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        for family in FAMILIES:
            yield from family(self._seen)


def _gauge(name: str, words: str, rows: Iterable[tuple[tuple[str, ...], float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=LABELS[name])
    for labels, value in rows:
        family.add_metric(labels, value)
    return family


def _counter(name: str, words: str, rows: Iterable[tuple[tuple[str, ...], float]]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, words, labels=LABELS[name])
    for labels, value in rows:
        family.add_metric(labels, value)
    return family


def _engine(seen: Seen) -> Iterator[GaugeMetricFamily]:
    yield _gauge("ringside_up", "1 while the engine answers", [((), 1.0 if seen.engine is not None else 0.0)])
    yield _gauge("ringside_log_seq", "the last fact this process has read", [((), seen.seq)])
    if seen.engine is not None:
        lag = float(seen.engine.get("timer_lag_us", 0)) / SECOND
        yield _gauge("ringside_timer_lag_seconds", "how late the latest timer fired", [((), lag)])
    rows = [((reader,), float(lag)) for reader, lag in sorted(seen.lags.items())]
    yield _gauge("ringside_consumer_lag_facts", "facts a reader has not taken up", rows)


def _items(seen: Seen) -> Iterator[GaugeMetricFamily]:
    count = Counter((item.queue, item.phase.value) for item in seen.state.items.values() if item.queue)
    rows = [((queue, phase.value), float(count[queue, phase.value])) for queue in seen.state.queues for phase in Phase]
    yield _gauge("ringside_items", "open items in a queue by phase", rows)
    waiting = [item for item in seen.state.items.values() if item.phase is Phase.WAITING]
    longest = {
        queue: max((seen.now - item.queued_at for item in waiting if item.queue == queue), default=0)
        for queue in seen.state.queues
    }
    yield _gauge(
        "ringside_longest_wait_seconds", "of those who wait now", [((q,), us / SECOND) for q, us in longest.items()]
    )


def _seats(seen: Seen) -> Iterator[GaugeMetricFamily]:
    count = Counter(
        (presence.value, seat.presence(presence).seen.value)
        for seat in seen.state.seats.values()
        for presence in Presence
    )
    keys = [(presence.value, state.value) for presence in Presence for state in SeatState]
    yield _gauge("ringside_seats", "seats by what they are seen to do", [(key, float(count[key])) for key in keys])


def _counts(seen: Seen) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
    counted = seen.counted
    repairs = [((kind,), float(count)) for kind, count in sorted(seen.state.repairs.items())]
    yield _counter("ringside_repairs", "differences healed; 0 in a healthy run", repairs)
    yield _counter("ringside_inputs_rejected", "inputs that the core could not take", [((), float(counted.rejected))])
    queued = [((queue,), float(counted.queued[queue])) for queue in seen.state.queues]
    yield _counter("ringside_queued", "items that entered a queue", queued)
    ended = [((queue, outcome), float(count)) for (queue, outcome), count in sorted(counted.ended.items())]
    yield _counter("ringside_ended", "items that ended, by outcome", ended)
    offers = [((queue, result), float(count)) for (queue, result), count in sorted(counted.offers.items())]
    yield _counter("ringside_offers", "offers that ended, by result", offers)
    name = "ringside_answer_wait_seconds"
    waits = HistogramMetricFamily(name, "from the queue to the agent's answer", labels=LABELS[name])
    for queue, row in sorted(counted.waits.items()):
        *counts, total = row
        bounds = [*(f"{most:.1f}" for most in WAIT_BUCKETS), "+Inf"]
        sums = [sum(counts[: place + 1]) for place in range(len(counts))]
        waits.add_metric((queue,), list(zip(bounds, map(float, sums), strict=True)), sum_value=total / SECOND)
    yield waits


def _recordings(seen: Seen) -> Iterator[GaugeMetricFamily]:
    found = seen.recordings
    if found is None:
        return
    states = [((state,), float(count)) for state, count in found.states.items()]
    yield _gauge("ringside_recordings", "recordings by where their sound is", states)
    oldest = "since the end of the contact whose sound waits longest to be stored"
    yield _gauge("ringside_recordings_oldest_seconds", oldest, [((), found.oldest / SECOND)])
    yield _gauge("ringside_recordings_free_bytes", "room for recordings; -1: nobody can tell", [((), found.free)])
    alarm = "1 while recordings wait to be stored, or there is too little room"
    yield _gauge("ringside_recordings_alarm", alarm, [((), float(found.alarm))])


FAMILIES: tuple[Callable[[Seen], Iterator[Any]], ...] = (_engine, _items, _seats, _counts, _recordings)


def page(seen: Seen) -> bytes:
    """The whole page in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page(seen))
    return generate_latest(registry)
