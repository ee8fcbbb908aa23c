"""Every row of the terms' table of SIP causes, and who acted."""

from __future__ import annotations

import pytest

from acd.core.model import Outcome, Party
from cti.causes import BY_SIP, OUTCOMES, Detail, Direction, Ending, detail_of, outcome_of

# SIP code, Asterisk, Oracle SBC, RFC 3398, outcome of a call to the outside that has not rung: written from terms.md.
TERMS: list[tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, ...], Detail, Outcome]] = [
    (486, (17,), (17,), (17,), Detail.BUSY, Outcome.BUSY),
    (600, (17,), (17,), (17,), Detail.BUSY, Outcome.BUSY),
    (480, (19,), (20,), (18,), Detail.UNREACHABLE, Outcome.UNREACHABLE),
    (408, (18,), (102,), (102,), Detail.UNREACHABLE, Outcome.UNREACHABLE),
    (404, (1,), (1, 2), (1,), Detail.WRONG_NUMBER, Outcome.WRONG_NUMBER),
    (604, (1,), (1, 2), (1,), Detail.WRONG_NUMBER, Outcome.WRONG_NUMBER),
    (410, (22,), (22,), (22,), Detail.NUMBER_CHANGED, Outcome.WRONG_NUMBER),
    (484, (28,), (28,), (28,), Detail.WRONG_NUMBER, Outcome.WRONG_NUMBER),
    (403, (21,), (79,), (21,), Detail.REJECTED_BY_NETWORK, Outcome.REJECTED),
    (401, (21,), (), (21,), Detail.CONFIGURATION, Outcome.UNREACHABLE),
    (407, (21,), (), (21,), Detail.CONFIGURATION, Outcome.UNREACHABLE),
    (603, (21,), (21,), (21,), Detail.REJECTED_BY_PERSON, Outcome.REJECTED),
    (487, (127,), (), (), Detail.CANCELLED, Outcome.CANCELLED),
    (488, (58,), (50, 88), (), Detail.MEDIA, Outcome.MEDIA),
    (606, (58,), (50, 88), (), Detail.MEDIA, Outcome.MEDIA),
    (483, (19,), (25,), (25,), Detail.LOOP, Outcome.CONGESTION),
    (482, (127,), (25,), (25,), Detail.LOOP, Outcome.CONGESTION),
    (500, (38,), (), (41,), Detail.NETWORK, Outcome.CONGESTION),
    (502, (27,), (27,), (38,), Detail.NETWORK, Outcome.CONGESTION),
    (503, (34,), (41,), (41,), Detail.CONGESTION, Outcome.CONGESTION),
    (504, (102,), (102,), (102,), Detail.NETWORK, Outcome.CONGESTION),
]


@pytest.mark.parametrize(("sip", "asterisk", "oracle", "rfc3398", "detail", "outcome"), TERMS)
def test_each_row_of_the_terms(
    sip: int,
    asterisk: tuple[int, ...],
    oracle: tuple[int, ...],
    rfc3398: tuple[int, ...],
    detail: Detail,
    outcome: Outcome,
) -> None:
    row = BY_SIP[sip]
    assert (row.asterisk, row.oracle, row.rfc3398) == (asterisk, oracle, rfc3398)
    ending = Ending(Direction.OUT, Party.SYSTEM, sip=sip, q850=asterisk[0])
    assert detail_of(ending) is detail
    assert outcome_of(ending) is outcome


def test_the_table_and_the_terms_list_the_same_codes() -> None:
    assert set(BY_SIP) == {row[0] for row in TERMS}


def test_every_detail_has_an_outcome() -> None:
    assert set(OUTCOMES) == set(Detail)


@pytest.mark.parametrize(
    ("ending", "detail"),
    [
        # 480: no answer if it had rung, else unreachable
        (Ending(Direction.OUT, Party.SYSTEM, rang=True, sip=480, q850=19), Detail.NO_ANSWER),
        (Ending(Direction.SEAT, Party.SEAT, rang=True, sip=480, q850=19), Detail.NO_ANSWER),
        (Ending(Direction.SEAT, Party.SYSTEM, sip=480, q850=19), Detail.UNREACHABLE),
        # our ring timer decides; the 487 that follows is only its echo
        (Ending(Direction.SEAT, Party.SYSTEM, rang=True, our_timer=True, sip=487, q850=127), Detail.NO_ANSWER),
        (Ending(Direction.SEAT, Party.SYSTEM, our_timer=True, sip=487, q850=127), Detail.UNREACHABLE),
        # answered elsewhere, by Reason: SIP;cause=200 or Q.850;cause=26
        (Ending(Direction.SEAT, Party.SYSTEM, rang=True, sip=487, reason_sip=200), Detail.ELSEWHERE),
        (Ending(Direction.SEAT, Party.SYSTEM, rang=True, sip=487, reason_q850=26), Detail.ELSEWHERE),
        # the caller left: whatever code the legs show
        (Ending(Direction.SEAT, Party.CUSTOMER, rang=True, sip=487, q850=127), Detail.CANCELLED),
        (Ending(Direction.CALLER, Party.CUSTOMER, sip=487, q850=127), Detail.CANCELLED),
        # but a customer we called and who declines has rejected
        (Ending(Direction.OUT, Party.CUSTOMER, rang=True, sip=603, q850=21), Detail.REJECTED_BY_PERSON),
        # 404 from a phone of ours is not a wrong number
        (Ending(Direction.SEAT, Party.SEAT, sip=404, q850=1), Detail.UNREACHABLE),
        # who was talking has been answered, whoever hung up and whatever the code
        (Ending(Direction.CALLER, Party.CUSTOMER, answered=True, q850=16), Detail.ANSWERED),
        (Ending(Direction.SEAT, Party.SEAT, answered=True, rang=True, sip=486, q850=17), Detail.ANSWERED),
        # without a SIP code, Q.850; the Reason header's before the mapped one
        (Ending(Direction.OUT, Party.SYSTEM, q850=17), Detail.BUSY),
        (Ending(Direction.OUT, Party.SYSTEM, q850=16, reason_q850=34), Detail.CONGESTION),
        (Ending(Direction.OUT, Party.SYSTEM, sip=699, q850=0), Detail.UNKNOWN),
    ],
)
def test_the_code_alone_is_never_the_outcome(ending: Ending, detail: Detail) -> None:
    assert detail_of(ending) is detail
