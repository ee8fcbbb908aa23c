"""Each term of the field's dictionary and of B1, P1-P3: the facts it uses, its value on a hand-made log, and what no
fact tells yet."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acd.core import facts as f
from acd.core.model import (
    SECOND,
    OfferResult,
    Outcome,
    Party,
    Policy,
)
from dashboards.apart import overflows
from dashboards.erlang import erlang_c
from dashboards.formulas import Scope, pause_times
from dashboards.history import History, read_history
from dashboards.metrics import METRICS, Rule, Unit, compute
from dashboards.terms import MISSING, MODELS, TERMS, VOCABULARY
from tests.support.tale import BUSY, GONE, PAUSED, READY, Tale, profile, the_day, the_shapes
from tests.support.told import told

UNTIL = 1000
VOICE = Scope(0, UNTIL * SECOND, queue="service", medium="voice")
TEXT = Scope(0, UNTIL * SECOND, medium="chat")

BY_HAND: dict[str, float] = {
    "offered": 8,
    "net_offered": 8 - 1,
    "answered": 3,
    "answered_within": 1,
    "abandoned": 2,
    "abandoned_within": 1,
    "short_abandoned": 1,
    "flowed_out": 2,
    "open": 1,
    "answered_event": 3,
    "abandoned_event": 2,
    "flowed_out_event": 2,
    "waiting_start": 0,
    "waiting": 1,
    "redispatched": 2,
    "late": 1,
    "overflow": 1,
    "answer_rate": 3 / 8,
    "abandon_rate": 2 / 8,
    "abandon_rate_net": (2 - 1) / (8 - 1),
    "abandon_rate_of_settled": (2 - 1) / (3 + 2 - 1),
    "connection_rate": 3 / 9,
    "sl_negative": 1 / 8,
    "sl_ignore": 1 / (8 - 1),
    "sl_positive": (1 + 1) / 8,
    "sl_answered_only": 1 / 3,
    "sl_asterisk2": (1 + 1) / (3 + 2),
    "sl_net": 1 / (8 - 1),
    "sl_all_in": 1 / (3 + 2 + 2),
    "sl_board": 1 / 8,
    "sl_acd_report": (8 - (1 + 2 + 2)) / 8,
    "sl_acd_by_arrival": (8 - (1 + 2 + 2)) / 8,
    "sl_events": 8,
    "asa": (15 + 40 + 30) / 3 * SECOND,
    "answer_median": 30 * SECOND,
    "answer_p90": 40 * SECOND,
    "answer_longest": 40 * SECOND,
    "abandon_mean": (3 + 30) / 2 * SECOND,
    "wait_total": (15 + 40 + 30 + 3 + 30 + 20 + 10 + 180) * SECOND,
    "wait_longest": 180 * SECOND,
    "wait_mean": 328 / 8 * SECOND,
    "ewt": (3 * (3 * 15 + 40) / 4 + 30) / 4 * SECOND,
    "offers": 7,
    "offers_accepted": 3,
    "rna": 1,
    "rejected": 1,
    "unreachable": 1,
    "left_ringing": 1,
    "non_response": 4,
    "non_response_without_abandons": 3,
    "ring_total": (7 + 25 + 20 + 3 + 28 + 4) * SECOND,
    "agent_answer_mean": (7 + 25 + 3) / 3 * SECOND,
    "handled": 3,
    "finished": 3,
    "unfinished": 0,
    "ended": 3,
    "talk_total": (100 + 100 + 4) * SECOND,
    "talk_mean": 204 / 3 * SECOND,
    "acw_total": 60 * SECOND,
    "acw_mean": 60 / 3 * SECOND,
    "handle_total": 264 * SECOND,
    "aht": 264 / 3 * SECOND,
    "short_calls": 1,
    "time_here": (950 + 900) * SECOND,
    "time_ready": (100 + 60 + 66 + 166 + 505 + 20 + 70 + 175) * SECOND,
    "ready_longest": 505 * SECOND,
    "ready_mean": 1162 / 8 * SECOND,
    "time_busy": 204 * SECOND,
    "time_wrap_up": 60 * SECOND,
    "time_assigned": (10 + 30 + 4 + 21 + 30 + 5) * SECOND,
    "time_paused": (100 + 100 + 50) * SECOND,
    "occupancy": 264 / (264 + 1162),
    "occupancy_with_ring": 364 / (364 + 1162),
    "utilisation": 264 / 1850,
    "availability": (1162 + 100 + 264) / 1850,
    "productive": (1162 + 100 + 264 + 50) / 1850,
    "seats_here": 1,
    "seats_ready": 1,
    "seats_busy": 0,
    "seats_not_ready": 0,
    "outbound_dialled": 2,
    "outbound_connected": 1,
    "fcr_proxy": 1 / 3,
    "erlang_load": 8 / 1000 * 88,
}
"""Every figure of the telephone, worked out with pencil and paper."""

TEXT_BY_HAND: dict[str, float] = {
    "first_response": 11 * SECOND,
    "next_response": 10 * SECOND,
    "resolution": (50 + 25) / 2 * SECOND,
    "concurrency": (45 + 20) / 45,
    "valid_both_spoke": 1,
    "valid_visitor_spoke": 2,
    "messages_sent": 2,
}


SHAPES_BY_HAND: dict[str, tuple[Scope, float]] = {
    "hold_total": (VOICE, (20 + 10 + 5) * SECOND),
    "hold_mean": (VOICE, 35 / 8 * SECOND),
    "hold_rate": (VOICE, 3 / 8),
    "left_on_hold": (VOICE, 1),
    "consult_total": (VOICE, (20 + 20 + 15 + 15) * SECOND),
    "transfers_out": (VOICE, 3),
    "transfers_consult": (VOICE, 1),
    "transfers_blind": (VOICE, 1),
    "transfers_queue": (VOICE, 1),
    "transfers_in": (VOICE, 2),
    "handled_fresh": (VOICE, 8 - 2),
    "transfer_rate": (VOICE, 3 / 8),
    "outbound_talk": (Scope(0, UNTIL * SECOND, prefix="9"), 20 * SECOND),
    "line_overflow": (Scope(0, UNTIL * SECOND, trunk="city"), 1),
    "callbacks_scheduled": (VOICE, 3),
    "callbacks_dialled": (VOICE, 2),
    "callbacks_reached": (VOICE, 2),
    "callbacks_bridged": (VOICE, 1),
    "voicemails": (VOICE, 1),
    "watched": (VOICE, 8 * SECOND),
    "first_response_open": (TEXT, 20 * SECOND),
}
"""Every figure of the shapes, worked out with pencil and paper; and below, the older figures of the same hour."""

ALSO_BY_HAND: list[tuple[str, Scope, float]] = [
    ("offered", VOICE, 11),  # s1, s2 twice, s3 twice, s4, s6, s7, s8, s9, s10
    ("answered", VOICE, 8),
    ("flowed_out", VOICE, 2),
    ("open", VOICE, 1),
    ("handled", VOICE, 8),  # ben, who was only asked, and the callback that rang out are none
    ("talk_total", VOICE, (30 + 20 + 20 + 10 + 10 + 10 + 20 + 20) * SECOND),
    ("handle_total", VOICE, (140 + 35 + 10) * SECOND),
    ("aht", VOICE, 185 / 8 * SECOND),
    ("first_response", TEXT, 40 * SECOND),
    ("outbound_dialled", VOICE, 2),
    ("outbound_connected", VOICE, 1),
    ("outbound_dialled", Scope(0, UNTIL * SECOND, seat="ben"), 1),
    ("outbound_connected", Scope(0, UNTIL * SECOND, prefix="8"), 0),
    ("outbound_dialled", Scope(0, UNTIL * SECOND, prefix="8"), 1),
    ("outbound_talk", Scope(0, UNTIL * SECOND, trunk="mobile"), 0),
    ("talk_total", Scope(0, UNTIL * SECOND, seat="eva"), 0),  # supervision is no talk
    ("watched", Scope(0, 545 * SECOND, seat="eva"), 3 * SECOND),
]


@pytest.fixture(scope="module")
def shapes() -> History:
    return the_shapes().history(UNTIL)


@pytest.mark.parametrize("metric", list(SHAPES_BY_HAND))
def test_figure_of_the_shapes_is_as_worked_out_by_hand(shapes: History, metric: str) -> None:
    scope, expected = SHAPES_BY_HAND[metric]
    assert compute(metric, shapes, scope) == pytest.approx(expected)


@pytest.mark.parametrize(("metric", "scope", "expected"), ALSO_BY_HAND)
def test_older_figure_of_the_shapes(shapes: History, metric: str, scope: Scope, expected: float) -> None:
    assert compute(metric, shapes, scope) == pytest.approx(expected)


def test_full_lines_are_told_apart(shapes: History) -> None:
    assert overflows(shapes, VOICE) == {"city": 1, "mobile": 1}


@pytest.fixture(scope="module")
def day() -> History:
    return the_day().history(UNTIL)


@pytest.mark.parametrize("metric", list(BY_HAND))
def test_figure_is_as_worked_out_by_hand(day: History, metric: str) -> None:
    assert compute(metric, day, VOICE) == pytest.approx(BY_HAND[metric])


@pytest.mark.parametrize("metric", list(TEXT_BY_HAND))
def test_text_figure_is_as_worked_out_by_hand(day: History, metric: str) -> None:
    assert compute(metric, day, TEXT) == pytest.approx(TEXT_BY_HAND[metric])


def test_every_figure_is_worked_out_by_hand() -> None:
    assert sorted(METRICS) == sorted([*BY_HAND, *TEXT_BY_HAND, *SHAPES_BY_HAND])


def test_pauses_are_told_apart_by_reason(day: History) -> None:
    found = pause_times(day, VOICE)
    assert found == {"not_ready": 100 * SECOND, "meal": 100 * SECOND, "clerical": 50 * SECOND}


def test_nothing_divides_by_nothing() -> None:
    empty = read_history([], 0)
    for metric in METRICS.values():
        value = metric.compute(empty, Scope(0, SECOND))
        assert value in (0, None)
        assert value is None or metric.unit in {Unit.COUNT, Unit.TIME}


# --- the dictionary ----------------------------------------------------------------------------------------------

DICTIONARY = (
    "Offered", "Answered, answer rate", "Abandoned, abandonment rate", "Short abandon", "SL (service level)",
    "SL event", "Interval attribution", "ASA", "AHT", "ACW", "Talk, hold, ring, consult", "RNA", "Occupancy",
    "Utilisation", "Availability / productive time", "Adherence", "FCR", "Transfer rate", "Hold time/rate",
    "CSAT", "Connection rate", "Short call", "EWT", "Erlang load", "Erlang C", "Erlang A", "Shrinkage",
    "Grade of service, holding time, call attempt, busy hour", "Text: FRT, NRT, RT", "Concurrency", "B1",
    "P1", "P2", "P3",
)  # fmt: skip
"""The rows of the field's dictionary, and the boards and reports of the first issue."""

NOT_YET = {
    ("Adherence", "a seat's planned activities"),
    ("Shrinkage", "a seat's planned activities"),
    ("CSAT", "a rating was asked for and given"),
    ("FCR", "the disposition's reason was saved"),
    ("Erlang A", "none: the model comes with staffing"),
    ("P3", "a rating was asked for and given"),
}
"""Exactly these parts wait for facts of later issues."""

QUEUED = "Entered FallbackCallServed Moved Queued Requeued"
VISITED = f"{QUEUED} Accepted Ended MenuStarted SayingStarted ShapeChanged VoicemailStarted"
OFFERED = f"{VISITED} OfferEnded Offered RingStarted"
TALKED = (
    f"{QUEUED} Accepted CustomerAnswered CustomerDialled HandlingEnded OtherAnswered OutboundStarted ShapeChanged "
    "TookOver"
)
WRAPPED = f"{TALKED} WrapUpLeft WrapUpStarted"
SEEN = f"{QUEUED} SeatChanged SeatProfileChanged"
DIALLED = "CustomerAnswered CustomerDialled DirectAnswered DirectStarted OutboundStarted"

FACTS_OF: dict[str, str] = {
    "Offered": VISITED,
    "Answered, answer rate": VISITED,
    "Abandoned, abandonment rate": VISITED,
    "Short abandon": VISITED,
    "SL (service level)": OFFERED,
    "SL event": VISITED,
    "Interval attribution": f"{VISITED} {TALKED}",
    "ASA": VISITED,
    "AHT": WRAPPED,
    "ACW": WRAPPED,
    "Talk, hold, ring, consult": f"{OFFERED} {TALKED}",
    "Hold time/rate": TALKED,
    "Transfer rate": TALKED,
    "RNA": OFFERED,
    "Occupancy": SEEN,
    "Utilisation": SEEN,
    "Availability / productive time": f"{SEEN} StatusChanged",
    "FCR": "Accepted CustomerAnswered Entered FallbackCallServed",
    "Connection rate": "Accepted CustomerAnswered Entered FallbackCallServed",
    "Short call": TALKED,
    "EWT": VISITED,
    "Erlang load": f"{VISITED} {WRAPPED}",
    "Text: FRT, NRT, RT": f"{VISITED} CustomerAnswered MessagePassed QueueOpened",
    "Concurrency": TALKED,
    "B1": f"{VISITED} {SEEN}",
    "P1": f"{OFFERED} {SEEN}",
    "P2": f"{OFFERED} {WRAPPED} {SEEN} {DIALLED}",
    "P3": f"{VISITED} {WRAPPED} MessagePassed",
}
"""The facts each term uses."""


def test_every_term_is_a_figure_a_model_a_word_or_named_as_missing() -> None:
    assert {*TERMS, *MISSING, *VOCABULARY, *MODELS} == set(DICTIONARY)
    assert all(metrics and set(metrics) <= set(METRICS) for metrics in TERMS.values())


def test_every_figure_belongs_to_a_term() -> None:
    told_of = {metric for metrics in TERMS.values() for metric in metrics}
    parts = {"answered_within", "abandoned_within", "flowed_out", "open", "waiting_start"}  # letters of the formulas
    others = {"abandon_mean", "seats_here", "concurrency", "valid_both_spoke", "valid_visitor_spoke"}  # R5, P5, P6
    callbacks = {f"callbacks_{stage}" for stage in ("scheduled", "dialled", "reached", "bridged")}
    voice = {"line_overflow", "voicemails", "watched"}  # V15, the queues that speak, V10
    assert set(METRICS) == told_of | parts | others | callbacks | voice


def test_missing_facts_are_exactly_these() -> None:
    assert {(term, missing.fact) for term, parts in MISSING.items() for missing in parts} == NOT_YET
    known = {kind.__name__.lower() for kind in typing.get_args(f.Fact)}
    assert not {fact.replace(" ", "") for _, fact in NOT_YET} & known


@pytest.mark.parametrize("term", list(TERMS))
def test_term_uses_these_facts(term: str) -> None:
    kinds = {kind.__name__ for metric in TERMS[term] for kind in METRICS[metric].facts}
    assert kinds == set(FACTS_OF[term].split())


def test_no_name_has_two_meanings_and_no_meaning_two_names() -> None:
    for place in range(3):
        shown = [metric.names[place] for metric in METRICS.values()]
        assert sorted(shown) == sorted(set(shown))
    meanings = [(metric.formula, metric.rule) for metric in METRICS.values()]
    assert len(meanings) == len(set(meanings))
    assert [metric.id for metric in METRICS.values()] == list(METRICS)
    assert all(all(metric.names) for metric in METRICS.values())
    assert {metric.rule for metric in METRICS.values()} == set(Rule)


@pytest.fixture(scope="module")
def driven() -> list[tuple[list[f.Recorded], int]]:
    """Logs of the real core, and the hand-made one; with their ends."""
    logs = [told(seed, 400, drained=False) for seed in (1, 2, 3)]
    by_hand = [sorted(tale.log, key=lambda one: one.at) for tale in (the_day(), the_shapes())]
    return [*((log, log[-1].at + 1) for log in logs), *((log, UNTIL * SECOND) for log in by_hand)]


@pytest.mark.parametrize("metric", list(METRICS))
def test_figure_needs_the_facts_it_names_and_no_other(driven: list[tuple[list[f.Recorded], int]], metric: str) -> None:
    chosen = METRICS[metric]
    moved = False
    for log, end in driven:
        needed = read_history([one for one in log if isinstance(one.fact, chosen.facts)], end)
        whole, none = read_history(log, end), read_history([], end)
        for scope in (Scope(0, end), Scope(0, end, queue="service"), Scope(0, end, queue="sales", medium="voice")):
            assert chosen.compute(needed, scope) == chosen.compute(whole, scope)
            moved = moved or chosen.compute(whole, scope) != chosen.compute(none, scope)
    assert moved or metric == "waiting_start"  # nobody waits before the first fact


# --- parts add up --------------------------------------------------------------------------------------------------

QUARTER = 900 * SECOND


def _quarters(log: list[f.Recorded], step: int) -> Iterator[tuple[int, int]]:
    start = log[0].at // step * step
    while start <= log[-1].at:
        yield start, start + step
        start += step


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), step=st.sampled_from((7 * SECOND, 60 * SECOND, QUARTER)))
def test_parts_add_up_by_arrival_and_by_event(seed: int, step: int) -> None:
    log = told(seed, 150, drained=False)
    history = read_history(log, log[-1].at + 1)
    for queue in ("", "service", "sales", "vip"):
        for start, end in _quarters(log, step):
            scope = Scope(start, end, queue=queue)
            n = {
                metric: compute(metric, history, scope) or 0 for metric in METRICS if METRICS[metric].unit is Unit.COUNT
            }
            assert n["offered"] == n["answered"] + n["abandoned"] + n["flowed_out"] + n["open"]
            came = n["waiting_start"] + n["offered"]
            assert came == n["answered_event"] + n["abandoned_event"] + n["flowed_out_event"] + n["waiting"]
            assert n["handled"] == n["finished"] + n["unfinished"]
            assert n["seats_here"] == n["seats_ready"] + n["seats_busy"] + n["seats_not_ready"]
            by_arrival = compute("sl_acd_by_arrival", history, scope)
            assert by_arrival is None or 0 <= by_arrival <= 1


# --- the field's own examples --------------------------------------------------------------------------------------


def visits(answered: Sequence[float], abandoned: Sequence[float], until: float = 10_000) -> History:
    """Callers who were answered, and who gave up, after so many seconds; one comes each 10 s."""
    tale = Tale()
    for place, wait in enumerate(answered):
        came = place * 10
        tale.enter(f"a{place}", came).queue(f"a{place}", came).offer(f"a{place}", f"o{place}", "anna", came)
        tale.talk(f"a{place}", f"o{place}", "anna", came + wait, came + wait + 60)
    for place, wait in enumerate(abandoned):
        came = place * 10
        tale.enter(f"b{place}", came).queue(f"b{place}", came).end(f"b{place}", came + wait, Outcome.ABANDONED_QUEUE)
    return tale.history(until)


def test_one_day_has_three_service_levels() -> None:
    """Cisco's example: 70 answered and 10 abandoned within the threshold, 20 later, 100 offered."""
    history = visits([10] * 70 + [30] * 15, [5] * 10 + [60] * 5)
    scope = Scope(0, 10_000 * SECOND)
    shown = [
        f"{100 * (compute(metric, history, scope) or 0):.1f}" for metric in ("sl_ignore", "sl_negative", "sl_positive")
    ]
    assert shown == ["77.8", "70.0", "80.0"]


def test_threshold_itself_is_within() -> None:
    history = visits([20, 20.000001], [])
    assert compute("answered_within", history, Scope(0, 10_000 * SECOND)) == 1


def test_erlang_c_gives_the_known_example() -> None:
    """1000 calls an hour, 120 s each, 40 agents, 20 s."""
    model = erlang_c(1000 / 3600 * 120, 40, 120, 20)
    assert f"{100 * model.waits:.2f} {100 * model.service_level:.2f} {model.speed_of_answer:.2f}" == "19.07 93.72 3.43"
    assert model.occupancy == pytest.approx(1000 / 3600 * 120 / 40)


@pytest.mark.parametrize(("load", "agents"), [(40, 40), (41, 40), (0, 1), (1, 0)])
def test_erlang_c_refuses_a_queue_that_grows_for_ever(load: float, agents: int) -> None:
    with pytest.raises(ValueError, match="more agents than load"):
        erlang_c(load, agents, 120, 20)


def clock(hour: int, minute: int) -> float:
    """Seconds of a moment of one day."""
    return datetime(2026, 11, 21, hour, minute, tzinfo=UTC).timestamp()


def hour_of(hour: int, queue: str = "") -> Scope:
    """The interval of one hour of that day."""
    return Scope(int(clock(hour, 0)) * SECOND, int(clock(hour + 1, 0)) * SECOND, queue=queue)


@pytest.mark.feature("P1")
def test_acd_number_analysis() -> None:
    """P1, rule by rule."""
    tale = Tale()
    tale.at(clock(10, 0), profile("anna", "service"), profile("ben", "service"))
    tale.seat("anna", (clock(11, 0), READY, ""), (clock(11, 10), BUSY, ""), (clock(11, 20), READY, ""))
    tale.seat("anna", (clock(11, 25), GONE, ""))
    # in 10:58, gone 11:01 -> 11 o'clock
    tale.enter("c1", clock(10, 58)).queue("c1", clock(10, 58)).end("c1", clock(11, 1), Outcome.ABANDONED_QUEUE)
    for place, (rings, again) in enumerate([(20, False), (21, False), (5, True), (5, False)]):
        item, came = f"d{place}", clock(11, 10 + place)
        tale.enter(item, came).queue(item, came)
        if again:
            tale.offer(item, f"{item}-0", "ben", came, came + 1)
            tale.back(item, f"{item}-0", "ben", came + 4, OfferResult.TIMEOUT)
            tale.offer(item, f"{item}-1", "ben", came + 4, came + 5)
            tale.back(item, f"{item}-1", "ben", came + 9, OfferResult.TIMEOUT)
        tale.offer(item, f"{item}-2", "anna", came + 10, came + 10)
        tale.talk(item, f"{item}-2", "anna", came + 10 + rings, came + 10 + rings + 30)
    # one above the line cap
    tale.enter("cap", clock(11, 30)).end("cap", clock(11, 30), Outcome.LINE_CAP, Party.SYSTEM)
    history = tale.history(clock(12, 0))
    ten, eleven = hour_of(10, queue="service"), hour_of(11, queue="service")

    # an abandon counts in the interval in which the caller hangs up
    assert compute("abandoned_event", history, ten) == 0
    assert compute("abandoned_event", history, eleven) == 1
    # answer rate = answered/offered; abandon rate = abandoned/offered
    whole = Scope(ten.start, eleven.end, queue="service")
    assert compute("answer_rate", history, whole) == 4 / 5
    assert compute("abandon_rate", history, whole) == 1 / 5
    # late = rang > 20 s at the agent: 21 s is, 20 s is not
    assert compute("late", history, eleven) == 1
    # re-dispatch count: the contact was offered again twice and counts once
    assert compute("redispatched", history, eleven) == 1
    # service level = (offered - (late + abandoned + re-dispatched)) / offered
    assert compute("sl_acd_report", history, eleven) == (4 - (1 + 1 + 1)) / 4
    # overflow = above line cap
    assert compute("overflow", history, hour_of(11)) == 1
    # agent waiting: total, longest, average
    assert compute("time_ready", history, eleven) == 15 * 60 * SECOND
    assert compute("ready_longest", history, eleven) == 10 * 60 * SECOND
    assert compute("ready_mean", history, eleven) == 7.5 * 60 * SECOND
    # customer waiting: total, longest, average
    assert compute("wait_total", history, whole) == (180 + 30 + 31 + 15 + 15) * SECOND
    assert compute("wait_longest", history, whole) == 180 * SECOND
    assert compute("wait_mean", history, whole) == 271 / 5 * SECOND
    # agent answer time
    assert compute("agent_answer_mean", history, eleven) == (20 + 21 + 5 + 5) / 4 * SECOND


@pytest.mark.feature("B1")
def test_phone_queue_board() -> None:
    """B1, figure by figure, at 11:30."""
    tale = Tale()
    tale.at(clock(9, 0), profile("anna", "service"), profile("ben", "service"), profile("cora", "sales"))
    tale.at(clock(9, 0), profile("dan", "service"))
    for seat, state in (("anna", BUSY), ("ben", READY), ("cora", READY), ("dan", PAUSED)):
        tale.seat(seat, (clock(9, 0), state, ""))
    for place, (entry, wait) in enumerate([("81", 20), ("81", 21), ("89", 20), ("81", 3600)]):
        item, came = f"c{place}", clock(9, 10 + place)
        tale.enter(item, came, entry=entry).queue(item, came)
        tale.offer(item, f"o{place}", "anna", came).talk(item, f"o{place}", "anna", came + wait, came + wait + 60)
    for place, minute in enumerate((28, 29)):
        tale.enter(f"w{place}", clock(11, minute), entry="81").queue(f"w{place}", clock(11, minute))
    history = tale.history(clock(11, 30))
    today = Scope(int(clock(0, 0)) * SECOND, int(clock(11, 30)) * SECOND, entry="81")
    waits = (20, 21, 3600, 120, 60)
    assert compute("waiting", history, today) == 2
    assert compute("wait_longest", history, today) == 3600 * SECOND  # longest wait of the day
    assert compute("answered", history, today) == 3
    assert compute("seats_busy", history, today) == 1
    assert compute("seats_ready", history, today) == 1
    assert compute("seats_not_ready", history, today) == 1
    assert compute("seats_here", history, today) == 3
    assert compute("sl_board", history, today) == 1 / 5  # SLA = answered within 20 s / total offered
    assert compute("wait_mean", history, today) == sum(waits) / 5 * SECOND
    # the group serves two numbers: its agents count in each
    other = Scope(today.start, today.end, entry="89")
    for metric in ("seats_busy", "seats_ready", "seats_not_ready", "seats_here"):
        assert compute(metric, history, other) == compute(metric, history, today)
    assert compute("offered", history, other) == 1


def test_a_contact_counts_once_in_the_acd_service_level() -> None:
    """Late, offered again and offered again once more: one contact, and the level stays at 0."""
    tale = Tale().enter("c1", 0).queue("c1", 0)
    for place, seat in enumerate(("anna", "ben")):
        tale.offer("c1", f"o{place}", seat, place * 10, place * 10 + 1)
        tale.back("c1", f"o{place}", seat, place * 10 + 9, OfferResult.TIMEOUT)
    tale.offer("c1", "o9", "cora", 20, 21).talk("c1", "o9", "cora", 50, 80)
    history = tale.history(100)
    scope = Scope(0, 100 * SECOND)
    assert compute("redispatched", history, scope) == 1
    assert compute("late", history, scope) == 1
    assert compute("sl_acd_report", history, scope) == 0


def test_open_visits_stay_open_until_they_are_settled() -> None:
    tale = Tale().enter("c1", 5).queue("c1", 10)
    scope = Scope(0, 60 * SECOND)
    before = tale.history(20)
    assert (compute("open", before, scope), compute("sl_events", before, scope)) == (1, 0)
    after = tale.history(40)
    assert (compute("open", after, scope), compute("sl_events", after, scope)) == (1, 1)
    tale.offer("c1", "o1", "anna", 50).talk("c1", "o1", "anna", 70, 90)
    assert compute("answered", tale.history(100), scope) == 1


SCOPES: list[tuple[Callable[[], Scope], float]] = [
    (lambda: Scope(0, UNTIL * SECOND, entry="81", medium="voice"), 9),  # c6 once in each of its two queues
    (lambda: Scope(0, UNTIL * SECOND, queue="sales"), 1),
    (lambda: Scope(0, UNTIL * SECOND, seat="ben"), 3),
    (lambda: Scope(0, 390 * SECOND, queue="service"), 1),
    (lambda: Scope(390 * SECOND, 391 * SECOND, queue="service"), 1),
]


@pytest.mark.parametrize(("scope", "expected"), SCOPES)
def test_scope_takes_what_it_names(day: History, scope: Callable[[], Scope], expected: float) -> None:
    assert compute("offered", day, scope()) == expected


def test_a_fact_no_figure_is_made_of_is_passed_over() -> None:
    noise = f.Recorded(1, 1, 1, "system", "engine", 0, f.PolicyChanged(Policy()))
    assert read_history([noise], 10) == read_history([], 10)
