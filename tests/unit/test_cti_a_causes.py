"""Every row of the terms' table of SIP causes, and who acted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acd.core.model import Outcome, Party
from cti import cause_texts
from cti.cause_texts import LANGUAGES, Case, Kind, codes, page
from cti.causes import BY_SIP, OTHER_SIP, OUTCOMES, ROWS, Detail, Direction, Ending, detail_of, outcome_of

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


# RFC 3261 §21.3 to §21.6, every code, written from the RFC.
RFC3261 = {
    *(300, 301, 302, 305, 380),
    *(400, 401, 402, 403, 404, 405, 406, 407, 408, 410, 413, 414, 415, 416, 420, 421, 423),
    *(480, 481, 482, 483, 484, 485, 486, 487, 488, 491, 493),
    *(500, 501, 502, 503, 504, 505, 513),
    *(600, 603, 604, 606),
}
# The causes of Asterisk 22's include/asterisk/causes.h.
ASTERISK = {
    *(0, 1, 2, 3, 5, 6, 7, 8, 14, 16, 17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 28, 29, 30, 31, 34, 38, 41, 42, 43, 44),
    *(45, 50, 52, 54, 57, 58, 65, 66, 69, 81, 88, 95, 96, 97, 98, 99, 100, 101, 102, 103, 111, 127),
}


@pytest.mark.feature("V11")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_code_page_has_every_code_in_three_languages(language: str) -> None:
    rows = page(language)
    listed = {(row.kind, row.code) for row in rows}
    assert len(listed) == len(rows)
    assert {code for kind, code in listed if kind is Kind.SIP} >= RFC3261 | set(BY_SIP)
    assert {code for kind, code in listed if kind is Kind.Q850} >= ASTERISK | {c for row in ROWS for c in row.asterisk}
    for row in rows:
        assert row.name
        assert row.means
        assert [one.case for one in row.readings] == list(Case)
        assert all(one.says and one.do for one in row.readings)
        # Chinese is Chinese, English is English; the names are official and stay as they are.
        for text in (row.means, *(word for one in row.readings for word in (one.says, one.do))):
            assert any(ord(letter) > 0x2E80 for letter in text) == (language != "en"), text
    assert page(language)[0].code == 300


def test_every_language_has_the_same_words_and_none_is_left_over() -> None:
    used = {f"{kind}.{code}" for kind, code in codes()}
    folder = Path(cause_texts.__file__).parent / "words"
    names = json.loads((folder / "names.json").read_text())
    assert set(names) == used
    used |= {f"{word}.{detail}" for word in ("detail", "do") for detail in Detail}
    for language in LANGUAGES:
        texts = json.loads((folder / f"{language}.json").read_text())
        assert set(texts) == used
        # Each says something of its own: no text is copied from a neighbour by mistake.
        means = [text for key, text in texts.items() if key.startswith("sip.")]
        assert len(set(means)) == len(means)
    with pytest.raises(KeyError):
        page("fr")


def test_simplified_and_traditional_are_not_mixed() -> None:
    """Letters of one script only, taken from the words this page is made of."""
    traditional, simplified = (
        set("話機無線對號碼網裝設轉換專員應時請業傳務"),
        set("话机无线对号码网装设转换专员应时请业传务"),
    )
    texts = {name: " ".join(row.means for row in page(name)) for name in ("zh-TW", "zh-CN")}
    assert not (simplified - traditional) & set(texts["zh-TW"])
    assert not (traditional - simplified) & set(texts["zh-CN"])


@pytest.mark.parametrize(
    ("code", "case", "outcome"),
    [
        (480, Case.OUT, Outcome.UNREACHABLE),
        (480, Case.OUT_RANG, Outcome.RNA),
        (404, Case.OUT, Outcome.WRONG_NUMBER),
        (404, Case.SEAT, Outcome.UNREACHABLE),
        (503, Case.OUT, Outcome.CONGESTION),
        (603, Case.SEAT_RANG, Outcome.REJECTED),
        (415, Case.OUT, Outcome.MEDIA),
    ],
)
def test_the_page_and_the_records_say_the_same(code: int, case: Case, outcome: Outcome) -> None:
    row = next(row for row in page("en") if (row.kind, row.code) == (Kind.SIP, code))
    assert next(one.outcome for one in row.readings if one.case is case) is outcome


def test_a_code_outside_the_terms_is_read_before_asterisks_127() -> None:
    assert detail_of(Ending(Direction.OUT, Party.SYSTEM, sip=485, q850=1)) is Detail.WRONG_NUMBER
    assert detail_of(Ending(Direction.OUT, Party.SYSTEM, sip=415, q850=127)) is Detail.MEDIA
    assert not set(OTHER_SIP) & set(BY_SIP)
