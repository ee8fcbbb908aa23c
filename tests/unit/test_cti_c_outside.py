"""Numbers outside, as rules: what became of a call, and what a phone's own transfer is read as."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.core.inputs import OfferAnswered, OfferRefused, PartyLeft, RingSeen
from acd.core.model import OfferResult, Outcome
from cti.causes import BY_Q850, BY_SIP, line_refusal
from cti.legs import Hung, Leg, Legs, Role
from cti.translate import LONGEST_TEXT, Answered, EarlyMedia, Gone, Rang, Referred, translate
from tests.support.switch import Table

BUSY, NO, RNA, LOST = OfferResult.REJECTED, OfferResult.REJECTED, OfferResult.TIMEOUT, OfferResult.UNREACHABLE


@pytest.mark.parametrize(
    ("sip", "q850", "rang", "by_us", "result", "outcome"),
    [
        (486, 17, True, False, BUSY, Outcome.BUSY),
        (600, 17, False, False, BUSY, Outcome.BUSY),
        (603, 21, True, False, NO, Outcome.REJECTED),
        (403, 21, False, False, LOST, Outcome.REJECTED),  # the network's no, nobody's
        (480, 19, True, False, RNA, Outcome.RNA),
        (480, 19, False, False, LOST, Outcome.UNREACHABLE),
        (480, 19, True, True, RNA, Outcome.RNA),  # our own limit says 480, too
        (480, 19, False, True, LOST, Outcome.UNREACHABLE),
        (404, 1, False, False, LOST, Outcome.WRONG_NUMBER),
        (484, 28, False, False, LOST, Outcome.WRONG_NUMBER),
        (503, 34, False, False, LOST, Outcome.CONGESTION),
        (488, 58, False, False, LOST, Outcome.MEDIA),
        (0, 17, True, False, BUSY, Outcome.BUSY),
        (0, 0, False, False, LOST, Outcome.UNREACHABLE),
    ],
)
def test_what_became_of_a_call(
    sip: int, q850: int, rang: bool, by_us: bool, result: OfferResult, outcome: Outcome
) -> None:
    assert line_refusal(rang=rang, by_us=by_us, sip=sip, q850=q850) == (result, outcome)


@given(st.sampled_from([0, 999, *BY_SIP]), st.sampled_from([0, 126, *BY_Q850]), st.booleans(), st.booleans())
def test_every_code_gives_an_outcome_that_is_no_answer(sip: int, q850: int, rang: bool, by_us: bool) -> None:
    result, outcome = line_refusal(rang=rang, by_us=by_us, sip=sip, q850=q850)
    assert result in (OfferResult.REJECTED, OfferResult.TIMEOUT, OfferResult.UNREACHABLE)
    assert outcome is not Outcome.ANSWERED
    if by_us:
        assert outcome is (Outcome.RNA if rang else Outcome.UNREACHABLE)


def book(**changes: object) -> Legs:
    """One leg that we called outside."""
    legs = Legs(Table())
    role = changes.pop("role", Role.CUSTOMER)
    assert isinstance(role, Role)
    legs.put(Leg("x-1", role, "item-1", line="carrier"))
    legs.change("x-1", **changes)
    return legs


def dial(status: str) -> dict[str, Any]:
    return {"type": "Dial", "peer": {"id": "x-1"}, "dialstatus": status}


def gone(cause: int, sip: int) -> dict[str, Any]:
    return {"type": "ChannelDestroyed", "channel": {"id": "x-1"}, "cause": cause, "tech_cause": sip}


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.OTHER])
def test_a_number_outside_rings_is_heard_early_and_answers(role: Role) -> None:
    legs = book(role=role)
    assert translate(dial("RINGING"), legs) == (Rang("x-1"), RingSeen("x-1"))
    assert translate(dial("PROGRESS"), legs) == (EarlyMedia("x-1"),)
    assert translate(dial("ANSWER"), legs) == (Answered("x-1"), OfferAnswered("x-1"))


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.OTHER])
def test_its_end_is_a_refusal_before_the_answer_and_a_leaving_after_it(role: Role) -> None:
    refused = OfferRefused("x-1", BUSY, 486, 17, Outcome.BUSY)
    assert translate(gone(17, 486), book(role=role)) == (Gone("x-1", 17, 486), refused)
    left = PartyLeft("x-1", hung_up=True, sip=200, q850=16)
    assert translate(gone(16, 200), book(role=role, answered=True, hung=Hung.PARTY)) == (Gone("x-1", 16, 200), left)
    assert translate(gone(16, 487), book(role=role, withdrawn=True)) == (Gone("x-1", 16, 487),)


def transfer(to: object, second: object = None, **more: object) -> dict[str, Any]:
    refer: dict[str, object] = {"requested_destination": {"destination": to}}
    if second is not None:
        refer["destination_channel"] = second
    return {"type": "ChannelTransfer", "refer_to": refer, "referred_by": {"source_channel": {"id": "o-1"}}, **more}


def test_a_phones_transfer_is_told_once() -> None:
    assert translate(transfer("8002"), book()) == (Referred("o-1", "8002"),)
    assert translate(transfer("8002", {"id": "o-2"}), book()) == (Referred("o-1", "8002", "o-2"),)
    assert translate(transfer("8002", state="channel_declined"), book()) == ()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=300),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
    st.none() | st.dictionaries(st.just("id"), st.text(max_size=300), max_size=1) | st.integers(),
)
def test_what_a_phone_names_is_bounded_and_printable(to: Any, second: Any) -> None:
    (told,) = translate(transfer(to, second), book())
    assert isinstance(told, Referred)
    assert len(told.to) <= LONGEST_TEXT
    assert told.to.isprintable()
    assert told.second.isprintable()
