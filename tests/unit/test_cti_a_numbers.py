"""Caller numbers at the border, hostile ones too."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.ports import CallerNumber
from cti.numbers import LONGEST_NAME, LONGEST_RAW, caller_number, is_anonymous


@pytest.mark.parametrize(
    ("raw", "e164"),
    [
        ("0912345678", "+886912345678"),
        ("+886912345678", "+886912345678"),
        ("02 2345-6789", "+886223456789"),
        ("(02)2345-6789", ""),  # must begin with a digit or +
        ("+8613800138000", "+8613800138000"),
        ("00886912345678", ""),  # Taiwan dials 00X carriers, 00 alone is none of them
        ("1001", ""),  # an extension is nobody's number
        ("110", ""),
        ("+1", ""),
        ("+999999999999999999", ""),
        ("0912/345678", ""),
        ("0912345678;phone-context=evil", ""),
        ("０９１２３４５６７８", ""),  # full-width digits are not what a network sends
        ("sip:0912345678@host", ""),
    ],
)
def test_e164_only_for_what_is_a_number(raw: str, e164: str) -> None:
    number = caller_number(raw)
    assert number.e164 == e164
    assert number.raw == raw


@pytest.mark.parametrize("raw", ["", "anonymous", "Anonymous", "restricted", "unknown", "  ", "\r\n", "<unknown>"])
def test_withheld_numbers_are_empty(raw: str) -> None:
    number = caller_number(raw, "Anonymous")
    assert number == CallerNumber(raw="", e164="", name="")
    assert is_anonymous(number)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("0912\r\nAction: Originate", "0912 Action: Originate"),
        ("0912\x00345", "0912345"),
        ("☎️0912😀", "☎️0912😀"),
        ("\u202e0912", "0912"),  # turns the text round on a screen
        ("\ud8000912", "0912"),
        ("0912\t \t345", "0912 345"),
        ('"; DROP TABLE', '"; DROP TABLE'),
    ],
)
def test_what_is_hostile_is_made_printable(raw: str, kept: str) -> None:
    assert caller_number(raw).raw == kept
    assert caller_number("1", raw).name == kept


def test_ten_kilobytes_are_bounded() -> None:
    number = caller_number("9" * 10_000, "名" * 10_000)
    assert len(number.raw) == LONGEST_RAW
    assert len(number.name) == LONGEST_NAME
    assert number.e164 == ""


@given(st.text(max_size=600), st.text(max_size=600))
def test_any_text_is_bounded_printable_and_stable(raw: str, name: str) -> None:
    number = caller_number(raw, name)
    assert len(number.raw) <= LONGEST_RAW
    assert len(number.name) <= LONGEST_NAME
    for text in (number.raw, number.name):
        assert all(unicodedata.category(ch)[0] != "C" for ch in text)
    again = caller_number(number.raw, number.name)
    assert again == number


def test_the_region_decides_how_a_national_number_is_read() -> None:
    assert caller_number("13800138000", region="CN").e164 == "+8613800138000"
    assert caller_number("91234567", region="HK").e164 == "+85291234567"
