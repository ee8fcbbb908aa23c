"""The book of channels: who belongs into which conversation, and what a channel is in it."""

from __future__ import annotations

from acd.core.effects import WantedLeg
from acd.core.model import Route
from cti.legs import Join, Leg, Legs, Role
from tests.support.stage import Script, Seats


def book(*legs: Leg) -> Legs:
    made = Legs(Seats(Script()))
    for leg in legs:
        made.put(leg)
    return made


CUSTOMER = Leg("c1", Role.CUSTOMER, "i1")
AMY = Leg("o1", Role.SEAT, "i1", "amy", answered=True)
BOB = Leg("x1", Role.SEAT, "i1", "bob", answered=True)


def peers(legs: Legs) -> dict[str, str]:
    return {leg.id: leg.peer for leg in legs.by_id.values()}


def test_two_know_each_other_three_do_not() -> None:
    legs = book(CUSTOMER, AMY, BOB)
    legs.join(Join("b", "i1", "amy", ("c1", "o1")))
    assert peers(legs) == {"c1": "o1", "o1": "c1", "x1": ""}
    legs.enter("x1", "b", "i1")
    assert peers(legs) == {"c1": "", "o1": "", "x1": ""}
    legs.part("c1")
    assert peers(legs) == {"c1": "", "o1": "x1", "x1": "o1"}
    assert legs.by_id["c1"].bridge == ""
    legs.gone("x1")
    assert peers(legs) == {"c1": "", "o1": ""}
    assert legs.joins["b"].legs == ("o1",)


def test_a_listener_is_nobodys_peer() -> None:
    legs = book(CUSTOMER, AMY, BOB)
    legs.join(Join("b", "i1", "amy", ("c1", "o1")))
    legs.enter("x1", "b", "i1", heard=False)
    assert peers(legs) == {"c1": "o1", "o1": "c1", "x1": ""}
    assert (legs.by_id["x1"].bridge, legs.by_id["x1"].talking) == ("b", False)
    legs.enter("x1", "b", "i1")
    assert peers(legs)["c1"] == ""


def test_the_ends_of_a_direct_call_know_each_other_after_one_is_gone() -> None:
    legs = book(Leg("d1", Role.DIRECT, seat="amy"), Leg("d1-to", Role.DIRECT, seat="bob"))
    legs.join(Join("direct-d1", "", "amy", ("d1", "d1-to")))
    legs.gone("d1")
    assert peers(legs) == {"d1-to": "d1"}


def test_who_is_brought_in_becomes_what_he_is_there() -> None:
    legs = book(Leg("d2", Role.DIRECT, seat="bob"), Leg("c2", Role.CUSTOMER, "i2"), CUSTOMER, Leg("h", Role.SEAT))
    assert legs.adopt("d2", "i1").role is Role.SEAT
    assert legs.adopt("c2", "i1").role is Role.OTHER
    assert legs.adopt("c1", "i1").role is Role.CUSTOMER
    assert (legs.adopt("h", "i1").role, legs.by_id["h"].item) == (Role.SEAT, "i1")
    assert legs.adopt("new", "i1").role is Role.OTHER


def test_a_bridge_made_again_is_known_by_its_conversation() -> None:
    legs = book(CUSTOMER)
    assert legs.actual("b") == "b"
    legs.made_again("b", "b~7")
    legs.enter("c1", "b", "i1")
    assert legs.actual("b") == "b~7"


def test_a_new_engine_reads_the_book_from_what_is_wanted() -> None:
    legs = book(AMY)
    route = Route("a1", "main")
    legs.renew(
        [
            WantedLeg("c1", "customer", "held", "i1", "i1", bridge="b", paused=True),
            WantedLeg("o1", "seat", "talking", "o1", "i1", "amy", "8001", bridge="b"),
            WantedLeg("x1", "other", "ringing", "x1", "i1", bridge="b", route=route),
            WantedLeg("w1", "watcher", "listening", "w1", "i1", "eve", "8003", bridge="b"),
            WantedLeg("c2", "customer", "waiting", "i2", "i2", token="p1"),
        ]
    )
    assert {leg.id: (leg.role, leg.up, leg.talking, leg.bridge) for leg in legs.by_id.values()} == {
        "c1": (Role.CUSTOMER, True, False, ""),
        "o1": (Role.SEAT, True, True, "b"),
        "x1": (Role.OTHER, False, False, ""),
        "w1": (Role.WATCHER, True, False, "b"),
        "c2": (Role.CUSTOMER, True, False, ""),
    }
    assert legs.by_id["c1"].paused
    assert legs.by_id["x1"].line == "main"
    assert not legs.by_id["w1"].muted  # not believed before it is done again (cti.calls)
    assert {leg.id for leg in legs.by_id.values() if leg.waiting} == {"c2"}
    assert legs.playing("i2") == ["p1"]
