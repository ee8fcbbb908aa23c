"""Facts to rows of the index: who talked, in which queue, what was paused and broken, through every shape of a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise

import pytest

from acd.core import facts as f
from acd.core.model import (
    SECOND,
    EntryPlan,
    Kind,
    Outcome,
    Party,
    Route,
    Target,
    TargetKind,
    WatchMode,
)
from acd.core.shapes import Place, Shape
from recordings.check import Told
from recordings.fold import HANDLERS, Case, fold, item_of
from recordings.model import UNOBSERVED, Break, Pause, Recording, RecordingKind, Watch, read_watches, write_list
from recordings.model import read_breaks as breaks_of
from recordings.model import read_pauses as pauses_of

ENTERED = f.Entered("i1", 1, Kind.CALL, "voice", "rec", EntryPlan("82", 1, "sales", address="a1"))
ACCEPTED = f.Accepted("o1", "i1", "amy", "voice", "sales", "b1", "i1-r")
BEGAN = f.RecordingBegan("i1", "i1-r")
ENDED = f.Ended("i1", Outcome.ANSWERED, Party.CUSTOMER, "voice", gone=True)


def told(facts: Sequence[f.Fact], *, twice: bool = False) -> Case:
    """A fact each second from 1 on."""
    case = Case("i1")
    for seq, fact in enumerate(facts, 1):
        assert item_of(fact) == "i1"
        recorded = f.Recorded(seq, seq * SECOND, seq, "amy", "desk", 0, fact)
        for _ in range(2 if twice else 1):
            fold(case, recorded)
    return case


def row_of(*facts: f.Fact) -> Recording:
    case = told(facts)
    assert case == told(facts, twice=True)  # a fact that comes twice changes nothing
    (row,) = case.recordings.values()
    return row


def shape(before: Shape, after: Shape) -> f.ShapeChanged:
    return f.ShapeChanged("i1", "amy", before, after, "test")


def other(seat: str) -> f.OtherAnswered:
    return f.OtherAnswered("i1", seat, "leg-2", "voice", "sales", "b2")


def test_a_plain_call() -> None:
    row = row_of(ENTERED, f.Queued("i1", "sales", 0, ()), ACCEPTED, BEGAN, ENDED)
    assert (row.kind, row.direction, row.entry, row.address) == (RecordingKind.CALL, "inbound", "82", "a1")
    assert (row.queue, row.seats, row.outcome) == ("sales", ("amy",), "answered")
    assert (row.started_at, row.ended_at) == (4 * SECOND, 5 * SECOND)
    assert told((ENTERED, ACCEPTED, BEGAN, ENDED)).contact is None


def test_a_transfer_names_both_seats_and_the_last_queue() -> None:
    took = f.TookOver("i1", "bob", "leg-2", "voice", "vip", "complete", Place.BRIDGE)
    row = row_of(ENTERED, ACCEPTED, BEGAN, other("bob"), took, ENDED)
    assert (row.seats, row.queue) == (("amy", "bob"), "vip")


def test_a_requeued_call_goes_on_in_the_same_recording() -> None:
    again = f.Accepted("o2", "i1", "cat", "voice", "vip", "b2", "i1-r")
    row = row_of(ENTERED, ACCEPTED, BEGAN, f.Moved("i1", "sales", "vip", 0, ()), again, ENDED)
    assert (row.seats, row.queue) == (("amy", "cat"), "vip")


def test_a_colleague_is_heard_only_once_he_is_with_the_customer() -> None:
    consulted = (ENTERED, ACCEPTED, BEGAN, other("bob"), shape(Shape.RINGING, Shape.CONSULT))
    assert row_of(*consulted, ENDED).seats == ("amy",)
    assert row_of(*consulted, shape(Shape.CONSULT, Shape.COACHED), ENDED).seats == ("amy",)
    assert row_of(*consulted, shape(Shape.CONSULT, Shape.THREE_WAY), ENDED).seats == ("amy", "bob")
    outside = (ENTERED, ACCEPTED, BEGAN, other(""), shape(Shape.CONSULT, Shape.THREE_WAY), ENDED)
    assert row_of(*outside).seats == ("amy",)


@pytest.mark.parametrize(
    ("begun", "changed", "answered", "seats"),
    [
        (WatchMode.LISTEN, None, True, ("amy",)),
        (WatchMode.WHISPER, None, True, ("amy",)),
        (WatchMode.JOIN, None, True, ("amy", "boss")),
        (WatchMode.JOIN, None, False, ("amy",)),
        (WatchMode.LISTEN, WatchMode.JOIN, True, ("amy", "boss")),
        (WatchMode.LISTEN, WatchMode.WHISPER, True, ("amy",)),
        (WatchMode.JOIN, WatchMode.LISTEN, True, ("amy", "boss")),
    ],
)
def test_a_supervisor_is_heard_when_he_joins(
    begun: WatchMode, changed: WatchMode | None, answered: bool, seats: tuple[str, ...]
) -> None:
    facts: list[f.Fact] = [ENTERED, ACCEPTED, BEGAN, f.WatchStarted("i1", "boss", "w1", begun, "amy", 0)]
    facts += [f.WatchAnswered("i1", "boss", "w1")] if answered else []
    facts += [f.WatchChanged("i1", "boss", "w1", changed, begun)] if changed else []
    assert row_of(*facts, ENDED).seats == seats


def watched(seat: str, *modes: WatchMode) -> list[f.Fact]:
    """Rung in the first mode, changed to the others while it rings."""
    leg = f"w-{seat}"
    return [
        f.WatchStarted("i1", seat, leg, modes[0], "amy", 0),
        *(f.WatchChanged("i1", seat, leg, after, before) for before, after in pairwise(modes)),
    ]


@pytest.mark.parametrize(
    ("modes", "answered", "seats"),
    [
        ((WatchMode.LISTEN, WatchMode.JOIN), False, ("amy",)),
        ((WatchMode.LISTEN, WatchMode.JOIN), True, ("amy", "boss")),
        ((WatchMode.JOIN, WatchMode.LISTEN), True, ("amy",)),
        ((WatchMode.JOIN, WatchMode.TAKE_OVER, WatchMode.WHISPER), True, ("amy",)),
    ],
)
def test_what_a_supervisor_chooses_while_his_phone_rings_counts_when_he_answers(
    modes: tuple[WatchMode, ...], answered: bool, seats: tuple[str, ...]
) -> None:
    facts = [ENTERED, ACCEPTED, BEGAN, *watched("boss", *modes)]
    facts += [f.WatchAnswered("i1", "boss", "w-boss")] if answered else []
    assert row_of(*facts, ENDED).seats == seats


def test_each_of_two_supervisors_who_are_rung_to_join_is_named() -> None:
    both = [*watched("boss", WatchMode.JOIN), *watched("chief", WatchMode.JOIN)]
    answers = [f.WatchAnswered("i1", seat, f"w-{seat}") for seat in ("boss", "chief")]
    assert row_of(ENTERED, ACCEPTED, BEGAN, *both, *answers, ENDED).seats == ("amy", "boss", "chief")


def test_a_supervisor_who_left_and_is_rung_again_is_not_there_yet() -> None:
    first = [*watched("boss", WatchMode.LISTEN), f.WatchAnswered("i1", "boss", "w-boss")]
    facts = [ENTERED, ACCEPTED, BEGAN, *first, f.WatchEnded("i1", "boss", "w-boss", "left")]
    case = told(facts)
    assert case.contact is not None
    assert case.contact.joining == ()
    assert row_of(*facts, *watched("boss", WatchMode.LISTEN, WatchMode.JOIN), ENDED).seats == ("amy",)


def test_supervisors_are_kept_as_they_are_and_as_they_were_kept_before() -> None:
    for watches in ((), (Watch("boss", WatchMode.LISTEN, answered=True), Watch("chief", WatchMode.JOIN))):
        assert read_watches(write_list(watches)) == watches
    assert read_watches("boss") == (Watch("boss", WatchMode.JOIN),)


def test_pauses_have_their_times_and_who_made_them() -> None:
    row = row_of(
        ENTERED,
        BEGAN,
        f.RecordingPaused("i1", "i1-r", 300 * SECOND),
        f.RecordingPaused("i1", "i1-r", 301 * SECOND),
        f.RecordingResumed("i1", "i1-r", "limit"),
        f.RecordingPaused("i1", "i1-r", 306 * SECOND),
        ENDED,
    )
    assert row.pauses == (
        Pause(3 * SECOND, 5 * SECOND, "amy", "desk", 301 * SECOND, "limit"),
        Pause(6 * SECOND, 7 * SECOND, "amy", "desk", 306 * SECOND, "ended"),
    )
    assert pauses_of(write_list(row.pauses)) == row.pauses
    assert breaks_of("") == ()


def test_a_pause_before_asterisk_said_that_it_writes_is_not_lost() -> None:
    row = row_of(ENTERED, ACCEPTED, f.RecordingPaused("i1", "i1-r", 300 * SECOND), BEGAN, ENDED)
    assert [(pause.began_at, pause.ended_at) for pause in row.pauses] == [(3 * SECOND, 5 * SECOND)]


def test_a_failure_is_a_break_until_sound_is_written_again() -> None:
    failed = f.RecordingFailed("i1", "i1-r", "no_space")
    row = row_of(ENTERED, BEGAN, failed, failed, BEGAN, failed, ENDED)
    assert row.breaks == (Break(3 * SECOND, 5 * SECOND, "no_space"), Break(6 * SECOND, 7 * SECOND, "no_space"))
    assert row.started_at == 2 * SECOND
    never = row_of(ENTERED, failed, ENDED)
    assert (never.started_at, never.breaks) == (2 * SECOND, (Break(2 * SECOND, 3 * SECOND, "no_space"),))
    assert breaks_of(write_list(never.breaks)) == never.breaks


def test_the_recording_ends_with_the_customers_channel() -> None:
    row = row_of(ENTERED, BEGAN, f.CustomerLeft("i1", "leg-1", Party.CUSTOMER), ENDED)
    assert (row.ended_at, row.outcome) == (3 * SECOND, "answered")


def test_an_end_that_nobody_saw_leaves_the_length_open() -> None:
    unseen = f.Ended("i1", Outcome.UNOBSERVED, Party.SYSTEM, "voice", not_before=2_500_000)
    assert row_of(ENTERED, BEGAN, unseen).breaks == (Break(2_500_000, 3 * SECOND, UNOBSERVED),)
    left = f.CustomerLeft("i1", "leg-1", Party.CUSTOMER, not_before=2_700_000)
    assert row_of(ENTERED, BEGAN, left, unseen).breaks == (Break(2_700_000, 3 * SECOND, UNOBSERVED),)


def test_what_the_plain_queue_served_ends_there() -> None:
    plan = EntryPlan("82", 1, "sales")
    served = f.FallbackCallServed(
        "i1", 1, "rec", plan, "leg", SECOND, SECOND, 90 * SECOND, "cat", Outcome.FALLBACK, True
    )
    row = row_of(ENTERED, ACCEPTED, BEGAN, served)
    assert (row.ended_at, row.seats, row.outcome) == (90 * SECOND, ("amy", "cat"), "fallback")


def test_an_outbound_call() -> None:
    route = Route("a9", "carrier")
    begun = f.OutboundStarted("i1", 1, "rec", "amy", "leg", "voice", route, EntryPlan("out", 1, "sales"), False, 0)
    row = row_of(begun, BEGAN, ENDED)
    assert (row.direction, row.address, row.seats, row.queue) == ("outbound", "a9", ("amy",), "sales")


def test_a_voice_message_has_its_own_row_beside_the_calls() -> None:
    case = told((
        ENTERED, ACCEPTED, BEGAN, f.VoicemailStarted("i1", "night", "p", "t", 0), f.VoicemailListened("i1", "i1-v", 0),
        f.VoicemailLeft("i1", "i1-v", "i2"), ENDED,
    ))  # fmt: skip
    call, message = case.recordings["i1-r"], case.recordings["i1-v"]
    assert (message.kind, message.queue, message.seats, message.task) == ("voicemail", "night", (), "i2")
    assert (message.started_at, message.ended_at, call.ended_at) == (5 * SECOND, 6 * SECOND, 5 * SECOND)
    assert (call.seats, call.outcome, message.outcome) == (("amy",), "answered", "answered")


def test_a_call_that_leaves_a_message_is_no_longer_than_its_sound() -> None:
    """Its recorder stops when that of the message begins, whatever comes after."""
    case = told((
        ENTERED, ACCEPTED, BEGAN, f.RecordingPaused("i1", "i1-r", 300 * SECOND),
        f.VoicemailListened("i1", "i1-v", 0), f.RecordingBegan("i1", "i1-v"), ENDED,
    ))  # fmt: skip
    call = case.recordings["i1-r"]
    assert (call.started_at, call.ended_at, [pause.ended_at for pause in call.pauses]) == (
        3 * SECOND,
        5 * SECOND,
        [5 * SECOND],
    )
    assert Told(call.kind, call.started_at, call.ended_at).gap(2 * SECOND) == 0


def test_facts_about_what_was_never_begun_change_nothing() -> None:
    for fact in (
        f.RecordingResumed("i1", "i1-r", "by_hand"),
        f.VoicemailLeft("i1", "i1-v", ""),
        f.CustomerLeft("i1", "leg", Party.CUSTOMER),
        f.Queued("i1", "sales", 0, ()),
        ACCEPTED,
        other("bob"),
        shape(Shape.CONSULT, Shape.THREE_WAY),
        ENDED,
    ):
        assert told((fact,)) == Case("i1")


def test_every_fact_listened_to_is_about_an_item() -> None:
    for kind in HANDLERS:
        assert "item" in {field.name for field in fields(kind)}
    assert item_of(f.Invited("i1", "bob", "amy", "l", Target(TargetKind.SEAT, "bob"), "voice", False, 0)) == ""
    assert item_of(f.SignedOut("amy")) == ""
