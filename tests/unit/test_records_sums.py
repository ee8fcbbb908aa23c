"""I7: the sum of the rows equals the log, for driven logs with every input of a call: records and figures, worked out
apart from one another, say the same."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from acd.core import facts as f
from acd.core.facts import Recorded
from acd.core.model import Kind
from dashboards.history import VisitEnd, read_history
from dashboards.rows import Handled, History
from records.fold import Rules, fold_into
from records.model import Case, Handling, Role, Segment, Stretch
from records.talks import COUNTED, PLACED
from tests.support.told import told

STEPS = 400


def folded(log: list[Recorded]) -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for recorded in log:
        fold_into(cases, recorded, Rules())
    return cases


def opened(log: list[Recorded]) -> Counter[str]:
    """Every beginning of a contact; the fall-back's only where nothing was known."""
    found: Counter[str] = Counter()
    for one in log:
        match one.fact:
            case f.Entered(item=item) | f.OutboundStarted(item=item) | f.DirectStarted(call=item):
                found[item] += 1
            case f.FallbackCallServed(item=item):
                found[item] = found[item] or 1
            case _:
                pass
    return found


def check_case(case: Case) -> None:
    """One contact's rows hang together."""
    item = case.interaction
    assert (case.record is not None) == bool(item.accepted_at) or item.direction == "internal"
    assert bool(item.accepted_at) == any(part.met_at for part in case.handlings)
    seats = {segment.seat for segment in case.segments if segment.kind in PLACED and segment.subject}
    for seat in seats:
        own = [one for one in case.segments if one.seat == seat and _is_ours(one)]
        for before, after in pairwise(sorted(own, key=lambda one: (one.started_at, one.ended_at))):
            assert before.ended_at <= after.started_at, (before, after)
    for part in case.handlings:
        check_part(case, part)
    wraps = [one for one in case.segments if one.kind == Stretch.WRAP_UP]
    assert len(wraps) == sum(bool(part.wrap_up_at) for part in case.handlings)
    if item.kind != Kind.CALLBACK or item.dialled_at:  # the core asks for wrap-up where a callback had no line
        assert all(part.met_at for part in case.handlings if part.wrap_up_at)
    owners = sorted((part for part in case.handlings if part.owned_at), key=lambda part: part.owned_at)
    for first, second in pairwise(owners):
        assert first.ended_at <= second.owned_at  # never two owners


def _is_ours(segment: Segment) -> bool:
    """What a seat did here; the plain queue of the dialplan asks nobody whether it wraps up."""
    return segment.kind == Stretch.WRAP_UP or (segment.kind in PLACED and bool(segment.subject))


def check_part(case: Case, part: Handling) -> None:
    assert part.talk + part.hold + part.consult <= part.ended_at - part.accepted_at
    assert part.owned_at or part.role == Role.COLLEAGUE
    for kind, name in COUNTED.items():
        own = [one for one in case.segments if one.kind == kind and one.subject == part.offer]
        assert getattr(part, name) == sum(one.ended_at - one.started_at for one in own)
    if part.talk:
        assert part.met_at


def check_visits(history: History) -> None:
    """O = A + B + F + open, no two visits of a contact at once, and each answer is some seat's."""
    ends = Counter(visit.end for visit in history.visits)
    assert sum(ends.values()) == len(history.visits)
    by_item: dict[str, list[tuple[int, int]]] = {}
    for visit in history.visits:
        assert (visit.left_at == 0) == (visit.end is VisitEnd.OPEN)
        by_item.setdefault(visit.item, []).append((visit.queued_at, visit.left_at))
    for stays in by_item.values():
        for (_, left), (came, _) in pairwise(stays):
            assert 0 < left <= came


def key(part: Handled | Handling) -> tuple[str, str, str, int, int, int, int, int]:
    return part.item, part.seat, part.offer, part.accepted_at, part.met_at, part.talk, part.hold, part.consult


@pytest.mark.feature("R2")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), drained=st.booleans())
def test_the_rows_are_the_log(seed: int, drained: bool) -> None:
    """One case an item, one record a connected contact, no second booked twice, figures equal to rows."""
    log = told(seed, STEPS, drained=drained)
    cases, history = folded(log), read_history(log, log[-1].at + 1)
    begun = opened(log)
    assume(begun["ghost"] < 2)  # the rules name a call that never was; its id may come again, a channel's never does
    assert set(cases) == set(begun)
    assert set(begun.values()) <= {1}
    check_visits(history)
    if not drained:
        return
    records = Counter(case.record.id for case in cases.values() if case.record is not None)
    reasons = Counter(case.interaction.reason for case in cases.values() if case.record is None)
    connected = [case for case in cases.values() if case.interaction.accepted_at]
    internal = sum(case.interaction.direction == "internal" for case in connected)
    assert set(records.values()) <= {1}
    assert len(connected) == len(records) + internal
    assert len(cases) == len(records) + sum(reasons.values())
    assert reasons["fault"] == 0
    for case in cases.values():
        check_case(case)
    said = {wrap.fact.item: 0 for wrap in log if isinstance(wrap.fact, f.WrapUpStarted)}
    assert all(item in cases for item in said)
    rows = sorted(key(part) for case in cases.values() for part in case.handlings if case.interaction.number)
    assert rows == sorted(key(part) for part in history.handled)
    calls = [case for case in cases.values() if case.interaction.kind == Kind.CALL and case.interaction.number]
    waits = sum(one.kind == Stretch.QUEUE for case in cases.values() for one in case.segments)
    assert waits == len(history.visits)
    out = [case for case in calls if case.interaction.direction == "outbound"]
    assert len(out) == len(history.dialled)
    seen = [case for case in out if not case.interaction.fallback]
    answered = [history.dialled[case.interaction.item].answered_at for case in seen]
    assert answered == [case.interaction.accepted_at for case in seen]
