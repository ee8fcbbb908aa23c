"""What the call benchmarks make of what they saw: who counts as served, rates, gaps, phases, verdicts, sound."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import breakdown, calls, recorded, sound
from benchmarks.breakdown import PHASES, Stamp
from benchmarks.sip_load import Attempt, Run, parse, stamp_of, user_of

MS = 1_000_000
SECOND = 1_000 * MS
ANSWER = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:4000;branch=z9hG4bKa\r\nvia: SIP/2.0/UDP 127.0.0.1:5;branch=b\r\n"
    b'From: "A" <sip:0212345678@127.0.0.1>;tag=1\r\nTo: <sip:81@127.0.0.1>;tag=2\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n'
    b"Contact: <sip:127.0.0.1:5060>\r\nContent-Type: application/sdp\r\n\r\n"
    b"v=0\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 10022 RTP/AVP 0\r\n"
)


def attempt(invited: int, rung: int, left: int, over: int, **more: int) -> Attempt:
    return Attempt("021", invited=invited, answered=invited + 1, agent="4001", rung=rung, left=left, over=over, **more)


def test_message_is_read_with_its_sound_and_every_via() -> None:
    message = parse(ANSWER, 7)
    assert message is not None
    assert (message.code, message.method, message.call_id, message.at) == (200, "INVITE", "c1", 7)
    assert len(message.vias) == 2
    assert message.sound_at == ("127.0.0.1", 10022)
    assert user_of(message.headers["from"]) == "0212345678"


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\x00\xff", b"OPTIONS sip:a SIP/2.0\r\nCall-ID: a\r\nCSeq: 1\r\n\r\n"])
def test_keep_alives_and_rubbish_are_no_messages(data: bytes) -> None:
    assert parse(data, 1) is None


def test_kernel_stamp_is_taken_where_there_is_one() -> None:
    data = (3).to_bytes(8, "little") + (5).to_bytes(8, "little")
    assert stamp_of([(1, 35, data)]) == 3 * SECOND + 5
    assert stamp_of([]) > 1_600_000_000 * SECOND


@pytest.mark.parametrize(
    ("one", "served"),
    [
        (attempt(1, 5, 9, 12), True),
        (attempt(1, 5, 9, 12, code=486), False),
        (attempt(1, 0, 0, 12), False),  # met no agent
        (attempt(1, 5, 0, 12), False),  # the caller was cut before his agent hung up
        (attempt(1, 5, 9, 0), False),  # never ended
    ],
)
def test_served_is_only_who_met_an_agent_and_was_ended_by_him(one: Attempt, served: bool) -> None:
    assert one.served is served
    assert (one in Run([one]).lost) is not served


def test_rate_leaves_out_the_first_second_and_what_ended_late() -> None:
    early, within, late = (attempt(1, 2, 3, at) for at in (SECOND // 2, 2 * SECOND, 6 * SECOND))
    assert calls.rate_of(Run([early, within, within, late], began=0, ended=3 * SECOND)) == 1.0


def test_gaps_and_delivery_are_told_in_ms() -> None:
    run = Run([attempt(10 * MS, 14 * MS, 20 * MS, 21 * MS, gap=3 * MS), attempt(1, 0, 0, 0)])
    assert calls.delivered_ms(run) == [4.0]
    assert calls.gaps_ms(run) == [3.0]


def figures(delivered: float, gap: float, rate: float, lost: int = 0) -> calls.Figures:
    return calls.Figures([delivered] * 10, [gap] * 10, [rate], [8.0], [1.0], lost, 10)


@pytest.mark.parametrize(
    ("own", "holds"),
    [
        (figures(12.9, 99, 160), [True, True, True, True]),
        (figures(13.1, 99, 160), [True, True, False, True]),
        (figures(12.9, 101, 160), [True, False, True, True]),
        (figures(12.9, 99, 159), [False, True, True, True]),
        (figures(12.9, 99, 160, lost=1), [True, True, True, False]),
    ],
)
def test_verdicts_follow_the_targets(own: calls.Figures, holds: list[bool]) -> None:
    others = {
        calls.THE_PEER: figures(5, 6, 160),
        calls.APP_QUEUE: figures(3, 1000, 280),
        calls.DIAL: calls.Figures([3.0], [], [300], [6.0], [0.0], 0, 10),
    }
    rows = calls.table({calls.RINGSIDE: own, **others}, [breakdown.Trail(list(range(1, len(PHASES) + 2)))])
    assert [row.holds for row in rows if row.target] == holds


def test_breakdown_without_a_call_is_a_miss() -> None:
    assert [row.holds for row in calls.parts([])] == [False]


def test_phases_add_up_to_the_whole_way(tmp_path: Path) -> None:
    stamps = [
        (12 * MS, "plan_call", "leg1 0210", 6 * MS),
        (14 * MS, "submit CallEntered", "leg1", 3 * MS),
        (20 * MS, "StasisStart", "leg1", 0),
        (21 * MS, "submit LegArrived", "leg1", 2 * MS),
        (23 * MS, "ring", "offer1", 9 * MS),
        (24 * MS, "create", "offer1 leg1", 2 * MS),
        (27 * MS, "dial", "offer1", MS),
        (27 * MS, "dial", "offer2", MS),
    ]
    file = tmp_path / "stamps"
    file.write_text("".join(json.dumps(stamp) + "\n" for stamp in stamps))
    mine, strangers = Attempt("0210", invited=10 * MS, rung=29 * MS), Attempt("0211", invited=10 * MS, rung=29 * MS)
    found = breakdown.trails(breakdown.read(file), [mine, strangers])
    assert len(found) == 1
    told = breakdown.medians(found)
    assert [name for name, _ in told] == list(PHASES)
    assert [value for _, value in told] == [2, 2, 3, 3, 1, 2, 1, 3, 2]


def test_calls_with_a_moment_missing_or_out_of_order_are_left_out() -> None:
    whole = [Stamp(n * MS, "plan_call", ("leg1", "0210"), 0) for n in (1,)]
    assert breakdown.trails(whole, [Attempt("0210", invited=MS, rung=2 * MS)]) == []
    assert not breakdown.Trail([2, 1, 3, 4, 5, 6, 7, 8, 9, 10]).whole


@pytest.mark.parametrize(("sample", "byte"), [(0, 0xFF), (32767, 0x80), (-32768, 0x00), (-1, 0x7F), (8159, 0x9F)])
def test_mu_law_is_g711(sample: int, byte: int) -> None:
    assert sound.ulaw(sample) == byte


def test_silence_on_one_side_of_a_recording_is_seen(tmp_path: Path) -> None:
    tone = (6000 * np.sin(np.arange(16_000) * 0.3)).astype("<i2")
    both, left, empty = (tmp_path / name for name in ("both.raw", "left.raw", "empty.raw"))
    both.write_bytes(np.stack([tone, tone], axis=1).tobytes())
    left.write_bytes(np.stack([tone, np.zeros_like(tone)], axis=1).tobytes()[:-1])  # cut in the middle of a sample
    empty.write_bytes(b"")
    assert min(recorded.sides(both)) > recorded.QUIETEST
    assert recorded.sides(left)[0] > recorded.QUIETEST
    assert recorded.sides(left)[1] < recorded.QUIETEST
    assert recorded.sides(empty) == (0.0, 0.0)
