"""Who waits, by what the manager interface lists."""

from __future__ import annotations

import pytest

from cti.ami import Message
from cti.rescue import may_be_waiting, order_of


def row(**fields: str) -> Message:
    return Message(fields, tuple(fields.items()))


def test_talkers_are_those_with_another_in_a_bridge_that_is_no_holding_bridge() -> None:
    channels = [
        row(Channel="free", BridgeId=""),
        row(Channel="held-1", BridgeId="hold"),
        row(Channel="held-2", BridgeId="hold"),
        row(Channel="alone", BridgeId="half"),
        row(Channel="customer", BridgeId="talk"),
        row(Channel="agent", BridgeId="talk"),
        row(Channel="in-a-bridge-not-listed", BridgeId="new"),
        row(Channel="his-peer", BridgeId="new"),
    ]
    bridges = [
        row(BridgeUniqueid="hold", BridgeTechnology="holding_bridge"),
        row(BridgeUniqueid="talk", BridgeTechnology="softmix"),
        row(BridgeUniqueid="half", BridgeTechnology="softmix"),
    ]
    assert [one.get("Channel") for one in may_be_waiting(channels, bridges)] == ["free", "held-1", "held-2", "alone"]


@pytest.mark.parametrize(
    ("text", "order"),
    [("", None), ("1795254928000000", 1795254928000000), ("-5", -5), ("nonsense", 1 << 62), ("9" * 500, 10**24 - 1)],
)
def test_the_order_is_a_number_whatever_is_there(text: str, order: int | None) -> None:
    assert order_of(text) == order
