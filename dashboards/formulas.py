"""The arithmetic of every figure: pure functions of a history and a scope.

Letters, per queue visit: O offered, A answered, B abandoned by the caller, F flowed out, R contacts offered again;
`_T` within the service level threshold, `_s` within the short-abandon threshold. A value is a number in the metric's
unit, or None where nothing was there to divide by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from acd.core.model import SECOND, DirectKind, Micros, OfferResult, Outcome, Presence, SeatState
from dashboards.rows import Contact, Direct, Given, Handled, History, Ring, Span, Visit, VisitEnd

Value = float | None
DAY = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked: [start, end), and which queue, entry point, seat, medium, outbound code and line (empty: all)."""

    start: Micros
    end: Micros
    queue: str = ""
    entry: str = ""
    seat: str = ""
    medium: str = ""
    threshold: Micros = 20 * SECOND  # T
    short: Micros = 5 * SECOND  # s
    repeat: Micros = 7 * DAY  # first contact resolution: no other contact within this
    prefix: str = ""
    trunk: str = ""

    def has(self, at: Micros) -> bool:
        """Whether a time lies in the interval."""
        return self.start <= at < self.end


Compute = Callable[[History, Scope], Value]
"""A figure's function."""


# --- what is in scope ----------------------------------------------------------------------------------------------


def visits_in(history: History, scope: Scope) -> list[Visit]:
    """Queue visits of the queue, entry point and medium; with a seat: those it was offered."""
    return [
        visit
        for visit in history.visits
        if scope.queue in ("", visit.queue)
        and scope.entry in ("", visit.entry)
        and scope.medium in ("", visit.medium)
        and (not scope.seat or any(ring.seat == scope.seat for ring in visit.rings))
    ]


def arrived_in(history: History, scope: Scope, *ends: VisitEnd) -> list[Visit]:
    """Visits that began in the interval; with `ends`, those that ended so, whenever that was."""
    return [one for one in visits_in(history, scope) if scope.has(one.queued_at) and (not ends or one.end in ends)]


def left_in(history: History, scope: Scope, end: VisitEnd) -> list[Visit]:
    """Visits that ended so in the interval, whenever they began."""
    return [one for one in visits_in(history, scope) if one.end is end and scope.has(one.left_at)]


def rings_in(history: History, scope: Scope) -> list[Ring]:
    """Offers that ended in the interval."""
    visits = {id(ring): visit for visit in visits_in(history, scope) for ring in visit.rings}
    return [
        ring
        for ring in history.rings
        if id(ring) in visits and ring.ended_at and scope.has(ring.ended_at) and scope.seat in ("", ring.seat)
    ]


def parts_in(history: History, scope: Scope) -> list[Handled]:
    """Parts of seats that met the customer first in the interval. A colleague who was only asked has handled nothing;
    outbound calls are counted apart."""
    return [part for part in shares_in(history, scope) if part.met_at and scope.has(part.met_at)]


def shares_in(history: History, scope: Scope) -> list[Handled]:
    """Parts of seats in contacts that came, whenever they were, also of those who were only asked."""
    return [
        part
        for part in history.handled
        if not part.outbound
        and scope.queue in ("", part.queue)
        and scope.entry in ("", part.entry)
        and scope.seat in ("", part.seat)
        and scope.medium in ("", part.medium)
    ]


def contacts_in(history: History, scope: Scope) -> list[Contact]:
    """Contacts that came in in the interval."""
    return [
        one
        for one in history.contacts.values()
        if scope.has(one.entered_at) and scope.entry in ("", one.entry) and scope.medium in ("", one.medium)
    ]


def directs_in(history: History, scope: Scope, kind: DirectKind) -> list[Direct]:
    """Calls no queue gave that began in the interval."""
    return [
        one
        for one in history.directs.values()
        if one.kind is kind and scope.has(one.started_at) and scope.seat in ("", one.seat)
    ]


def seats_counted(history: History, scope: Scope) -> Callable[[str], bool]:
    """Which seats count: the one asked; those that serve the queue, or any queue the entry point leads to. A seat that
    serves several counts in each (B1)."""
    queues = {scope.queue} if scope.queue else set(history.entry_queues.get(scope.entry, ()))

    def counts(seat: str) -> bool:
        if scope.seat:
            return seat == scope.seat
        return not (scope.queue or scope.entry) or bool(queues & set(history.members.get(seat, ())))

    return counts


def spans_in(history: History, scope: Scope, states: Iterable[SeatState]) -> list[Span]:
    """Stretches of these states of the seats that count."""
    counts, wanted = seats_counted(history, scope), frozenset(states)
    presence = presence_of(scope)
    return [one for one in history.spans if one.presence is presence and one.state in wanted and counts(one.seat)]


def presence_of(scope: Scope) -> Presence:
    """The switcher that governs the medium asked; the phone's where none is."""
    return Presence.VOICE if scope.medium in {"", "voice", "callback"} else Presence.TEXT


def inside(span: Span, scope: Scope) -> Micros:
    """How much of the stretch lies in the interval."""
    return max(0, min(span.end, scope.end) - max(span.start, scope.start))


def time_in(history: History, scope: Scope, states: Iterable[SeatState]) -> Micros:
    """Σ time in these states inside the interval."""
    return sum(inside(span, scope) for span in spans_in(history, scope, states))


def seats_in(history: History, scope: Scope, states: Iterable[SeatState]) -> int:
    """Seats seen in one of these states at the interval's end (the last moment of it)."""
    now = min(scope.end, history.until)
    return len({one.seat for one in spans_in(history, scope, states) if one.start < now <= one.end})


# --- small arithmetic ----------------------------------------------------------------------------------------------


def ratio(part: float, whole: float) -> Value:
    """None where the whole is nothing."""
    return part / whole if whole else None


def mean(values: Sequence[Micros]) -> Value:
    """None of nothing."""
    return sum(values) / len(values) if values else None


def longest(values: Sequence[Micros]) -> Value:
    """None of nothing."""
    return max(values, default=None)


def quantile(values: Sequence[Micros], share: float) -> Value:
    """Nearest rank: the least value that `share` of all do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else None


# --- O, A, B, F, R -------------------------------------------------------------------------------------------------

ANSWERED, ABANDONED, FLOWED_OUT, OPEN = VisitEnd.ANSWERED, VisitEnd.ABANDONED, VisitEnd.FLOWED_OUT, VisitEnd.OPEN


def offered(history: History, scope: Scope) -> int:
    """O"""
    return len(arrived_in(history, scope))


def ended_as(end: VisitEnd) -> Compute:
    return lambda history, scope: len(arrived_in(history, scope, end))


def left_as(end: VisitEnd) -> Compute:
    return lambda history, scope: len(left_in(history, scope, end))


def within(history: History, scope: Scope, end: VisitEnd, limit: Micros) -> int:
    return sum(visit.wait <= limit for visit in arrived_in(history, scope, end))


def answered(history: History, scope: Scope) -> int:
    """A"""
    return len(arrived_in(history, scope, ANSWERED))


def answered_within(history: History, scope: Scope) -> int:
    """A_T"""
    return within(history, scope, ANSWERED, scope.threshold)


def abandoned(history: History, scope: Scope) -> int:
    """B"""
    return len(arrived_in(history, scope, ABANDONED))


def abandoned_within(history: History, scope: Scope) -> int:
    """B_T"""
    return within(history, scope, ABANDONED, scope.threshold)


def short_abandoned(history: History, scope: Scope) -> int:
    """B_s"""
    return within(history, scope, ABANDONED, scope.short)


def flowed_out(history: History, scope: Scope) -> int:
    """F"""
    return len(arrived_in(history, scope, FLOWED_OUT))


def waiting_at(history: History, scope: Scope, at: Micros) -> int:
    """Visits that had begun before `at` and not ended before it."""
    return sum(
        visit.queued_at < at and (visit.end is OPEN or visit.left_at >= at) for visit in visits_in(history, scope)
    )


def offered_again(visit: Visit) -> bool:
    """Rang or was offered, was not taken, and was offered to somebody again."""
    return len(visit.rings) > 1


def redispatched(history: History, scope: Scope) -> int:
    """R: contacts, not offers"""
    return sum(offered_again(visit) for visit in arrived_in(history, scope))


def is_late(visit: Visit, threshold: Micros) -> bool:
    """Rang longer than T at the agent who answered."""
    taken = [ring for ring in visit.rings if ring.result is OfferResult.ACCEPTED]
    return visit.end is ANSWERED and any(ring.ring_time > threshold for ring in taken)


def late(history: History, scope: Scope) -> int:
    """Answered, but only after ringing longer than T at the agent."""
    return sum(is_late(visit, scope.threshold) for visit in arrived_in(history, scope, ANSWERED))


def again_only(visit: Visit, threshold: Micros) -> bool:
    """Offered again, and neither late nor abandoned: those are counted there already."""
    return offered_again(visit) and visit.end is not ABANDONED and not is_late(visit, threshold)


def sl_acd_report(history: History, scope: Scope) -> Value:
    """(O − (late + B + R)) / O as FIRST LINE's report books it: abandons in the interval of the hang-up."""
    gone = len(left_in(history, scope, ABANDONED))
    again = sum(again_only(visit, scope.threshold) for visit in arrived_in(history, scope))
    total = offered(history, scope)
    return ratio(total - (late(history, scope) + gone + again), total)


def sl_acd_by_arrival(history: History, scope: Scope) -> Value:
    """The same with every part booked on arrival, so that it stays between 0 and 1 in each interval."""
    again = sum(again_only(visit, scope.threshold) for visit in arrived_in(history, scope))
    total = offered(history, scope)
    return ratio(total - (late(history, scope) + abandoned(history, scope) + again), total)


def sl_event(visit: Visit, scope: Scope) -> Micros:
    passed = visit.queued_at + scope.threshold
    return min(visit.left_at, passed) if visit.end is not OPEN else passed


def sl_events(history: History, scope: Scope) -> Value:
    """Visits whose service level was settled in the interval and has been by now."""
    moments = [sl_event(visit, scope) for visit in visits_in(history, scope)]
    return sum(scope.has(moment) and moment <= history.until for moment in moments)


# --- waiting -------------------------------------------------------------------------------------------------------


def waits_of(history: History, scope: Scope, end: VisitEnd) -> list[Micros]:
    return [visit.wait for visit in arrived_in(history, scope, end)]


def all_waits(history: History, scope: Scope) -> list[Micros]:
    """Waits of everybody who arrived in the interval; who still waits counts as long as he has."""
    visits = arrived_in(history, scope)
    return [(visit.left_at or history.until) - visit.queued_at for visit in visits]


def longest_of_day(history: History, scope: Scope) -> Value:
    return longest(all_waits(history, scope))


def ewt(history: History, scope: Scope) -> Value:
    """app_queue's smoothing of past waits: after each answer (3 × old + new) / 4, from the first one on."""
    smoothed: Value = None
    for visit in sorted(left_in(history, scope, ANSWERED), key=lambda one: one.left_at):
        smoothed = visit.wait if smoothed is None else (3 * smoothed + visit.wait) / 4
    return smoothed


# --- agents --------------------------------------------------------------------------------------------------------


def ring_results(history: History, scope: Scope, *results: OfferResult) -> list[Ring]:
    return [ring for ring in rings_in(history, scope) if ring.result in results]


def answer_times(history: History, scope: Scope) -> list[Micros]:
    return [ring.ring_time for ring in ring_results(history, scope, OfferResult.ACCEPTED) if ring.rung_at]


def finished(history: History, scope: Scope) -> list[Handled]:
    return [part for part in parts_in(history, scope) if part.finished]


def handle_times(history: History, scope: Scope) -> list[Micros]:
    return [part.talk + part.hold + part.wrap_up for part in finished(history, scope)]


def held(history: History, scope: Scope) -> list[Handled]:
    """Parts with hold."""
    return [part for part in parts_in(history, scope) if part.hold]


def consults(history: History, scope: Scope) -> list[Micros]:
    """Consultation of everybody who took part, booked when his part began."""
    return [part.consult for part in shares_in(history, scope) if scope.has(part.accepted_at)]


def given_as(*kinds: Given) -> Compute:
    def count(history: History, scope: Scope) -> Value:
        return sum(part.given in kinds for part in parts_in(history, scope))

    return count


def received(history: History, scope: Scope) -> int:
    """Parts that began by a transfer to this seat, or to the queue that gave it to this seat."""
    return sum(part.received for part in parts_in(history, scope))


HANDLING = (SeatState.BUSY, SeatState.WRAP_UP)
HERE = tuple(state for state in SeatState if state is not SeatState.LOGGED_OUT)
UNREADY = (SeatState.NOT_READY, SeatState.LOGGING_IN, SeatState.NO_ANSWER, SeatState.UNREACHABLE)


def share_of(part: Iterable[SeatState], whole: Iterable[SeatState]) -> Compute:
    above, below = tuple(part), tuple(whole)
    return lambda history, scope: ratio(time_in(history, scope, above), time_in(history, scope, below))


def state_time(*states: SeatState) -> Compute:
    return lambda history, scope: time_in(history, scope, states)


def state_count(*states: SeatState) -> Compute:
    return lambda history, scope: seats_in(history, scope, states)


def pause_times(history: History, scope: Scope) -> dict[str, Micros]:
    """Time not ready by the status chosen (meal, break, ...)."""
    found: dict[str, Micros] = {}
    for span in spans_in(history, scope, (SeatState.NOT_READY,)):
        found[span.status] = found.get(span.status, 0) + inside(span, scope)
    return found


def productive(history: History, scope: Scope) -> Value:
    """Ready, ringing and handling, and pauses whose status is flagged productive."""
    working = time_in(history, scope, (SeatState.READY, SeatState.ASSIGNED, *HANDLING))
    paused = sum(much for status, much in pause_times(history, scope).items() if history.productive.get(status, False))
    return ratio(working + paused, time_in(history, scope, HERE))


def idle_stretches(history: History, scope: Scope) -> list[Micros]:
    """Stretches of being ready: how long agents wait for contacts."""
    return [much for span in spans_in(history, scope, (SeatState.READY,)) if (much := inside(span, scope))]


# --- contacts ------------------------------------------------------------------------------------------------------


def fcr_proxy(history: History, scope: Scope) -> Value:
    """Answered contacts whose address was not seen within `repeat` before or after / answered contacts with an address.
    The reason is not looked at: a proxy."""
    times: dict[str, list[Micros]] = {}
    for one in history.contacts.values():
        times.setdefault(one.address, []).append(one.entered_at)
    asked = [one for one in contacts_in(history, scope) if one.address and one.answered_at]
    alone = [
        one
        for one in asked
        if not any(at != one.entered_at and abs(at - one.entered_at) <= scope.repeat for at in times[one.address])
        and times[one.address].count(one.entered_at) == 1
    ]
    return ratio(len(alone), len(asked))


def resolutions(history: History, scope: Scope) -> list[Micros]:
    closed = [one for one in contacts_in(history, scope) if one.ended_at and one.answered_at]
    return [one.ended_at - one.entered_at for one in closed]


def concurrency(history: History, scope: Scope) -> Value:
    """Σ handling time / time with at least one, of the parts in scope, until they ended or now."""
    spans = sorted((part.met_at, part.ended_at or history.until) for part in parts_in(history, scope))
    total = sum(end - start for start, end in spans)
    covered, reach = 0, 0
    for start, end in spans:
        covered += max(0, end - max(start, reach))
        reach = max(reach, end)
    return ratio(total, covered)


def outcomes(outcome: Outcome) -> Compute:
    def count(history: History, scope: Scope) -> Value:
        return sum(one.outcome is outcome for one in contacts_in(history, scope))

    return count


def short_calls(history: History, scope: Scope) -> Value:
    """Answered and gone in less than s."""
    return sum(bool(part.ended_at) and part.ended_at - part.met_at < scope.short for part in parts_in(history, scope))


# --- load --------------------------------------------------------------------------------------------------------


def erlang_load(history: History, scope: Scope) -> Value:
    """a = λ · AHT"""
    aht = mean(handle_times(history, scope))
    return None if aht is None else offered(history, scope) / (scope.end - scope.start) * aht


def parts_ever(history: History, scope: Scope) -> list[Handled]:
    """Parts of seats in contacts whenever they began."""
    whole = Scope(0, history.until + 1, scope.queue, scope.entry, scope.seat, scope.medium)
    return parts_in(history, whole)
