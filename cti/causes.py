"""SIP and Q.850 codes to outcomes. The code alone is never the outcome: who acted, which way the leg went and whether
it rang decide with it, since the mappings between the two kinds of codes disagree.

Sources: RFC 3261 §21, RFC 3398 §7-8 (column `rfc3398`), chan_pjsip.c hangup_sip2cause of Asterisk 22 (`asterisk`),
the Oracle SBC's configuration guide 8.3 (`oracle`), RFC 3326 for the Reason header.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from acd.core.model import OfferResult, Outcome, Party


class Detail(StrEnum):
    """Why a leg ended, finer than Outcome; kept in the record with the raw codes."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    WRONG_NUMBER = "wrong_number"
    NUMBER_CHANGED = "number_changed"
    REJECTED_BY_PERSON = "rejected_by_person"
    REJECTED_BY_NETWORK = "rejected_by_network"
    CONFIGURATION = "configuration"
    CANCELLED = "cancelled"
    ELSEWHERE = "answered_elsewhere"
    MEDIA = "media"
    LOOP = "loop"
    NETWORK = "network"
    CONGESTION = "congestion"
    UNKNOWN = "unknown"


OUTCOMES: dict[Detail, Outcome] = {
    Detail.ANSWERED: Outcome.ANSWERED,
    Detail.BUSY: Outcome.BUSY,
    Detail.NO_ANSWER: Outcome.RNA,
    Detail.UNREACHABLE: Outcome.UNREACHABLE,
    Detail.WRONG_NUMBER: Outcome.WRONG_NUMBER,
    Detail.NUMBER_CHANGED: Outcome.WRONG_NUMBER,
    Detail.REJECTED_BY_PERSON: Outcome.REJECTED,
    Detail.REJECTED_BY_NETWORK: Outcome.REJECTED,
    Detail.CONFIGURATION: Outcome.UNREACHABLE,
    Detail.CANCELLED: Outcome.CANCELLED,
    Detail.ELSEWHERE: Outcome.CANCELLED,
    Detail.MEDIA: Outcome.MEDIA,
    Detail.LOOP: Outcome.CONGESTION,
    Detail.NETWORK: Outcome.CONGESTION,
    Detail.CONGESTION: Outcome.CONGESTION,
    Detail.UNKNOWN: Outcome.UNREACHABLE,
}


class Direction(StrEnum):
    """Which way a leg went."""

    CALLER = "caller"  # somebody called us
    SEAT = "seat"  # we rang a phone of ours
    OUT = "out"  # we called the outside


@dataclass(frozen=True, slots=True)
class Row:
    """SIP codes that mean the same, the Q.850 cause three worlds give them (0: none), and what it is to us.

    `rang` is what it is when the leg had rung (180 seen), `seat` what it is on a phone of ours; None: the same.
    """

    sip: tuple[int, ...]
    asterisk: tuple[int, ...]
    oracle: tuple[int, ...]
    rfc3398: tuple[int, ...]
    detail: Detail
    rang: Detail | None = None
    seat: Detail | None = None


ROWS: tuple[Row, ...] = (
    Row((486, 600), (17,), (17,), (17,), Detail.BUSY),
    Row((480,), (19,), (20,), (18,), Detail.UNREACHABLE, rang=Detail.NO_ANSWER),
    Row((408,), (18,), (102,), (102,), Detail.UNREACHABLE),
    Row((404, 604), (1,), (1, 2), (1,), Detail.WRONG_NUMBER, seat=Detail.UNREACHABLE),  # a phone: not registered
    Row((410,), (22,), (22,), (22,), Detail.NUMBER_CHANGED),
    Row((484,), (28,), (28,), (28,), Detail.WRONG_NUMBER),
    Row((403,), (21,), (79,), (21,), Detail.REJECTED_BY_NETWORK),
    Row((401, 407), (21,), (), (21,), Detail.CONFIGURATION),
    Row((603,), (21,), (21,), (21,), Detail.REJECTED_BY_PERSON),
    Row((487,), (127,), (), (), Detail.CANCELLED),
    Row((488, 606), (58,), (50, 88), (), Detail.MEDIA),
    Row((483,), (19,), (25,), (25,), Detail.LOOP),
    Row((482,), (127,), (25,), (25,), Detail.LOOP),
    Row((500,), (38,), (), (41,), Detail.NETWORK),
    Row((502,), (27,), (27,), (38,), Detail.NETWORK),
    Row((503,), (34,), (41,), (41,), Detail.CONGESTION),
    Row((504,), (102,), (102,), (102,), Detail.NETWORK),
)
BY_SIP: dict[int, Row] = {code: row for row in ROWS for code in row.sip}

# The rest of RFC 3261 §21, and 422 (RFC 4028), 433 (RFC 5079), 607 (RFC 8197), 608 (RFC 8688): they say nothing of a
# person, and Asterisk gives most of them Q.850's 127. A redirection is not followed.
OTHER_SIP: dict[int, Detail] = {
    300: Detail.UNREACHABLE,
    301: Detail.NUMBER_CHANGED,
    302: Detail.UNREACHABLE,
    305: Detail.UNREACHABLE,
    380: Detail.UNREACHABLE,
    400: Detail.CONFIGURATION,
    402: Detail.REJECTED_BY_NETWORK,
    405: Detail.CONFIGURATION,
    406: Detail.MEDIA,
    413: Detail.CONFIGURATION,
    414: Detail.CONFIGURATION,
    415: Detail.MEDIA,
    416: Detail.CONFIGURATION,
    420: Detail.CONFIGURATION,
    421: Detail.CONFIGURATION,
    422: Detail.CONFIGURATION,
    423: Detail.CONFIGURATION,
    433: Detail.REJECTED_BY_NETWORK,
    481: Detail.NETWORK,
    485: Detail.WRONG_NUMBER,
    491: Detail.NETWORK,
    493: Detail.CONFIGURATION,
    501: Detail.CONFIGURATION,
    505: Detail.CONFIGURATION,
    513: Detail.CONFIGURATION,
    607: Detail.REJECTED_BY_PERSON,
    608: Detail.REJECTED_BY_NETWORK,
}

# Where there is no SIP code: Q.850's own meanings (ITU-T Q.850 §2.2).
BY_Q850: dict[int, Detail] = {
    0: Detail.UNKNOWN,
    1: Detail.WRONG_NUMBER,
    2: Detail.WRONG_NUMBER,
    3: Detail.WRONG_NUMBER,
    5: Detail.WRONG_NUMBER,
    6: Detail.NETWORK,
    7: Detail.NETWORK,
    8: Detail.CONGESTION,
    14: Detail.NUMBER_CHANGED,
    16: Detail.CANCELLED,  # normal clearing of a leg that was not answered
    17: Detail.BUSY,
    18: Detail.UNREACHABLE,
    19: Detail.NO_ANSWER,
    20: Detail.UNREACHABLE,
    21: Detail.REJECTED_BY_PERSON,
    22: Detail.NUMBER_CHANGED,
    23: Detail.UNREACHABLE,
    25: Detail.LOOP,
    26: Detail.ELSEWHERE,
    27: Detail.NETWORK,
    28: Detail.WRONG_NUMBER,
    29: Detail.REJECTED_BY_NETWORK,
    30: Detail.UNKNOWN,
    31: Detail.UNKNOWN,
    34: Detail.CONGESTION,
    38: Detail.NETWORK,
    41: Detail.NETWORK,
    42: Detail.CONGESTION,
    43: Detail.NETWORK,
    44: Detail.CONGESTION,
    45: Detail.CONGESTION,
    50: Detail.MEDIA,
    52: Detail.REJECTED_BY_NETWORK,
    54: Detail.REJECTED_BY_NETWORK,
    57: Detail.REJECTED_BY_NETWORK,
    58: Detail.MEDIA,
    65: Detail.MEDIA,
    66: Detail.MEDIA,
    69: Detail.REJECTED_BY_NETWORK,
    79: Detail.REJECTED_BY_NETWORK,
    81: Detail.NETWORK,
    88: Detail.MEDIA,
    95: Detail.CONFIGURATION,
    96: Detail.CONFIGURATION,
    97: Detail.CONFIGURATION,
    98: Detail.NETWORK,
    99: Detail.CONFIGURATION,
    100: Detail.CONFIGURATION,
    101: Detail.NETWORK,
    102: Detail.NETWORK,
    103: Detail.NETWORK,
    111: Detail.CONFIGURATION,
    127: Detail.UNKNOWN,
}
_ELSEWHERE_SIP = 200
_ELSEWHERE_Q850 = 26


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a leg's end. `acted` is who ended it first (the first hang-up request without `soft`).

    `our_timer`: our own ring timer ran out; the 487 that follows is only its echo. `reason_sip` and `reason_q850`
    come from the Reason header (RFC 3326).
    """

    direction: Direction
    acted: Party
    answered: bool = False
    rang: bool = False
    our_timer: bool = False
    sip: int = 0
    q850: int = 0
    reason_sip: int = 0
    reason_q850: int = 0


def detail_of(ending: Ending) -> Detail:
    """Why the leg ended. The first rule that holds: answered, our timer, answered elsewhere, the caller left, codes."""
    if ending.answered:
        return Detail.ANSWERED
    if ending.our_timer:
        return Detail.NO_ANSWER if ending.rang else Detail.UNREACHABLE
    if ending.reason_sip == _ELSEWHERE_SIP or _ELSEWHERE_Q850 in {ending.reason_q850, ending.q850}:
        return Detail.ELSEWHERE
    if ending.acted is Party.CUSTOMER and ending.direction is not Direction.OUT:
        return Detail.CANCELLED
    row = BY_SIP.get(ending.sip)
    if row is None:
        by_cause = BY_Q850.get(ending.reason_q850 or ending.q850, Detail.UNKNOWN)
        return OTHER_SIP.get(ending.sip, by_cause)
    if ending.rang and row.rang is not None:
        return row.rang
    if ending.direction is Direction.SEAT and row.seat is not None:
        return row.seat
    return row.detail


def outcome_of(ending: Ending) -> Outcome:
    """The outcome in terms.md's list. Where a caller left, the core says from which phase (abandoned in ...)."""
    return OUTCOMES[detail_of(ending)]


_RESULTS: dict[Detail, OfferResult] = {
    Detail.BUSY: OfferResult.REJECTED,
    Detail.REJECTED_BY_PERSON: OfferResult.REJECTED,
    Detail.NO_ANSWER: OfferResult.TIMEOUT,
}


def line_refusal(*, rang: bool, by_us: bool, sip: int, q850: int) -> tuple[OfferResult, Outcome]:
    """What became of a call to the outside that nobody answered: how the leg counts, and the outcome.

    `by_us`: our own limit ended it; Asterisk then tells 480, which is no word of the carrier's. A wish to hang up never
    comes here (the leg is withdrawn).
    """
    ending = Ending(Direction.OUT, Party.SYSTEM if by_us else Party.OTHER, False, rang, by_us, sip, q850)
    detail = detail_of(ending)
    return _RESULTS.get(detail, OfferResult.UNREACHABLE), OUTCOMES[detail]
