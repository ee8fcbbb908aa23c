"""Numbers on carriers' lines: how one is read, written, shown, and which entry point it opens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.config import Did, Direction, Form, NumberRules, Shown, Trunk
from cti.dialling import (
    PHONE_LEG,
    CannotDial,
    entries_of,
    international,
    line_leg,
    read_caller,
    shown_number,
    spellings,
    trunk_named,
    written,
)

TAIWAN = NumberRules("886", "0", ("002", "00"))
BARE = replace(TAIWAN, bare_international=True)
LINE = Trunk("main", "192.0.2.1", number="+886277001000", rules=TAIWAN)


@pytest.mark.parametrize(
    ("text", "rules", "read"),
    [
        ("+886912345678", TAIWAN, "+886912345678"),
        ("0912345678", TAIWAN, "+886912345678"),
        ("0227001000", TAIWAN, "+886227001000"),
        ("00281312345678", TAIWAN, "+81312345678"),
        ("0081312345678", TAIWAN, "+81312345678"),
        ("81312345678", TAIWAN, ""),
        ("886912345678", BARE, "+886912345678"),
        ("81312345678", BARE, "+81312345678"),
        ("110", TAIWAN, ""),
        ("1001", BARE, ""),
        ("", TAIWAN, ""),
        ("0912 345 678", TAIWAN, ""),
        ("0912345678", NumberRules(), "+886912345678"),  # by the region alone
    ],
)
def test_an_incoming_number_is_read_by_the_lines_rules(text: str, rules: NumberRules, read: str) -> None:
    assert international(text, rules, "TW") == read
    seen = read_caller(replace(LINE, rules=rules), text, "王小明", "TW")
    assert (seen.e164, seen.name) == (read, "王小明")


def test_without_a_line_the_region_reads_it() -> None:
    assert read_caller(None, "0912345678", "", "TW").e164 == "+886912345678"
    assert read_caller(LINE, "anonymous", "anonymous", "TW").raw == ""


@given(st.text(max_size=200), st.text(max_size=200), st.sampled_from([TAIWAN, BARE, NumberRules()]))
def test_no_caller_id_breaks_the_rules(raw: str, name: str, rules: NumberRules) -> None:
    seen = read_caller(replace(LINE, rules=rules), raw, name, "TW")
    assert len(seen.raw) <= 64
    assert not seen.e164 or (seen.e164[0] == "+" and seen.e164[1:].isdigit())


@pytest.mark.parametrize(
    ("number", "form", "sent"),
    [
        ("0223456789", Form.AS_IS, "0223456789"),
        ("0223456789", Form.PLUS, "+886223456789"),
        ("0223456789", Form.INTERNATIONAL, "886223456789"),
        ("+886223456789", Form.NATIONAL, "0223456789"),
        ("+81312345678", Form.NATIONAL, "00281312345678"),
        ("00281312345678", Form.PLUS, "+81312345678"),
        ("110", Form.PLUS, "110"),
        ("*77", Form.PLUS, "*77"),
    ],
)
def test_a_number_is_written_as_the_carrier_wants_it(number: str, form: Form, sent: str) -> None:
    assert written(number, replace(LINE, rules=replace(TAIWAN, sent=form)), "TW") == sent


@pytest.mark.parametrize(
    ("shown", "agent", "asked", "number"),
    [
        (Shown.FIXED, "+886277001999", "+886277001001", "+886277001000"),
        (Shown.AGENT, "+886277001999", "", "+886277001999"),
        (Shown.AGENT, "", "", "+886277001000"),
        (Shown.AGENT, "Eve <1>", "", "+886277001000"),
        (Shown.LISTED, "", "+886277001001", "+886277001001"),
        (Shown.LISTED, "+886277001999", "+886900000000", "+886277001000"),
        (Shown.LISTED, "", "", "+886277001000"),
    ],
)
def test_whose_number_is_shown(shown: Shown, agent: str, asked: str, number: str) -> None:
    line = replace(LINE, shown=shown, listed=("+886277001001",))
    assert shown_number(line, agent=agent, asked=asked) == number


def test_a_leg_to_the_outside_bears_the_number_shown_or_none() -> None:
    leg = line_leg(
        replace(LINE, rules=replace(TAIWAN, sent=Form.NATIONAL)), "+886223456789", "TW", shown="+886277001000"
    )
    assert leg.endpoint == "PJSIP/0223456789@main"
    assert (leg.variables["CONNECTEDLINE(num,i)"], leg.variables["CONNECTEDLINE(pres)"]) == ("0277001000", "allowed")
    hidden = line_leg(LINE, "0223456789", "TW", shown="1&x")
    assert (hidden.variables["CONNECTEDLINE(num,i)"], hidden.variables["CONNECTEDLINE(pres)"]) == ("", "prohib")
    assert "PJSIP_TRANSFER_HANDLING()" not in leg.variables
    assert PHONE_LEG == {"PJSIP_TRANSFER_HANDLING()": "ari-only"}


@pytest.mark.parametrize("number", ["", "1" * 25, "1/2", "1@evil", "1&2", "sip:1", "1,2", "${X}", "1+2", "１１０"])
def test_what_is_no_number_does_not_go_out(number: str) -> None:
    with pytest.raises(CannotDial, match="1 to 24 digits"):
        line_leg(LINE, number, "TW")


def test_a_line_for_calls_in_takes_none_out() -> None:
    with pytest.raises(CannotDial, match="no calls out"):
        line_leg(replace(LINE, direction=Direction.IN), "0223456789", "TW")


def test_a_number_of_ours_is_known_in_every_spelling() -> None:
    assert set(spellings("+886277001000", TAIWAN)) == {"+886277001000", "886277001000", "0277001000"}
    assert set(spellings("0277001000", TAIWAN)) == {"+886277001000", "886277001000", "0277001000"}
    assert set(spellings("886277001000", TAIWAN)) == {"+886277001000", "886277001000", "0277001000"}
    assert spellings("0277001000", NumberRules()) == ("0277001000", "+0277001000")


def test_which_entry_points_a_line_opens() -> None:
    entries = ("81", "82")
    assert entries_of(Trunk("t", "h"), entries) == {"81": ("81", "81"), "82": ("82", "82")}
    line = replace(LINE, dids=(Did("+886277001001", "82"), Did("+886277001002", "99")))
    assert entries_of(line, entries) == dict.fromkeys(
        ("+886277001001", "886277001001", "0277001001"), ("82", "+886277001001")
    )
    account = Trunk("t", "h", "user@carrier", "p", registers=True, entry="81")
    assert entries_of(account, entries) == {"user": ("81", "user")}
    assert entries_of(replace(line, direction=Direction.OUT), entries) == {}


@pytest.mark.parametrize("name", ["h", "s", "_.", "i", "a;b", "_X."])
def test_an_account_never_becomes_a_pattern_or_a_special_extension(name: str) -> None:
    assert entries_of(Trunk("t", "h", name, "p", entry="81"), ("81",)) == {}


def test_a_line_is_found_by_its_name() -> None:
    assert trunk_named([LINE], "main") is LINE
    assert trunk_named([LINE], "other") is None
