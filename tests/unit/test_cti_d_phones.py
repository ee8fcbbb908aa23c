"""What goes to a phone or comes from one: extensions rung, emergency numbers first, keys pressed for it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from acd.core.effects import RingSeat
from acd.core.inputs import Input, OfferRefused
from acd.core.model import OfferResult, Route, TargetKind
from acd.core.reply import Done, Reply
from acd.ports import DialPlans, EntryPlans
from cti.ari import Ari
from cti.config import AsteriskSettings
from cti.direct import DirectCalls
from cti.legs import Leg, Role
from cti.referring import Referring
from cti.telephony import AsteriskTelephony
from tests.support.fakeari import FakeAri, side


@pytest.mark.parametrize("extension", ["", "8", "amy", "8001@carrier", "8001/1", "1234567890123", "8001\n", "٨٠٠١"])
@pytest.mark.asyncio
async def test_what_is_no_extension_is_not_rung(tmp_path: Path, extension: str) -> None:
    s = side(tmp_path)
    s.calls.perform([RingSeat("o1", "i1", "amy", extension, "c1", "q", 99)])
    await s.means.lanes.idle()
    assert s.given == [OfferRefused("o1", OfferResult.UNREACHABLE)]
    assert not [one for one in s.ari.asked if one.startswith("POST")]


class Everybody:
    """A seat at every number, and a way out for every number."""

    def seat_of(self, extension: str) -> str:
        return f"seat-{extension}"

    async def is_extension(self, _: str) -> bool:
        return True

    def route(self, _: str, dialled: str) -> Route:
        return Route("a-1", "carrier", shown=dialled)


@pytest.mark.parametrize(
    ("number", "kind"), [("110", TargetKind.OUTSIDE), ("*9", TargetKind.OUTSIDE), ("8001", TargetKind.SEAT)]
)
@pytest.mark.asyncio
async def test_an_emergency_number_is_one_whoever_bears_it(tmp_path: Path, number: str, kind: TargetKind) -> None:
    async def ask(_: Input, __: str) -> Reply:
        return Done()

    everybody = Everybody()
    s = side(tmp_path)
    s.means.legs.seats = everybody  # type: ignore[assignment]
    settings = AsteriskSettings(root=str(tmp_path), work_dir=str(tmp_path), short_codes=(("*9", "119"),))
    referring = Referring(
        s.means, cast(DirectCalls, everybody), cast(DialPlans, everybody), cast(EntryPlans, None), lambda: settings, ask
    )
    asked = await referring._target(Leg("o1", Role.SEAT, "i1", "amy"), number)
    assert asked is not None
    assert asked.target.kind is kind


class OnlyAri:
    """A telephone side of which only the connection is there."""

    def __init__(self) -> None:
        self.ari = cast(Ari, FakeAri())


@pytest.mark.asyncio
async def test_keys_are_pressed_for_the_customers_channel() -> None:
    given = OnlyAri()
    await AsteriskTelephony.send_keys(cast(AsteriskTelephony, given), "c/1", "12*#AD")
    assert cast(FakeAri, given.ari).asked == ["POST channels/c%2F1/dtmf"]


@pytest.mark.parametrize("digits", ["", "1" * 33, "w", "a", "1\n", "1 2", "٣", "1w2", "&"])
@pytest.mark.asyncio
async def test_what_is_no_key_is_not_pressed(digits: str) -> None:
    given = OnlyAri()
    with pytest.raises(ValueError, match="keys"):
        await AsteriskTelephony.send_keys(cast(AsteriskTelephony, given), "c1", digits)
    assert cast(FakeAri, given.ari).asked == []
