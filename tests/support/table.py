"""The state × input table: which seen state of a seat, and which phase of an item, met which kind of input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from acd.core import inputs as i
from acd.core import model as m
from acd.core.codec import kind_of
from acd.core.model import State
from acd.core.shapes import Shape
from tests.support.world import World

Cell = tuple[str, str]
"""(row, kind of input); rows are "voice ready", "text busy", ..., "item waiting", ..., "item gone"."""

GONE = "item gone"
SEAT_KINDS = (
    "SeatSignedIn SeatSignedOut PhoneChanged StatusChosen WrapUpEnded ServiceEnded DispositionSaved DirectCallStarted "
    "DirectCallAnswered DirectCallEnded ShiftChanged ItemPicked SeatProfileSet SeatRetired RingSeen OfferAnswered "
    "OfferRefused PartyLeft MediaFlowed TimerDue OutboundAsked"
).split()
ITEM_KINDS = (
    "CallEntered LegArrived ItemArrived PromptEnded DigitPressed PartyLeft ItemClosed MessageNoted RingSeen "
    "OfferAnswered OfferRefused MediaFlowed ItemPicked RecordingStarted FallbackServed FallbackTook WrapUpEnded "
    "ServiceEnded DispositionSaved TimerDue"
).split()
SHAPE_KINDS = (
    "MoveMade ConsultAsked TransferAsked PhonesJoined CallHungUp MuteAsked WatchAsked WatchLeft PauseAsked ResumeAsked "
    "RecordingStopped PartyLeft OfferAnswered OfferRefused TimerDue"
).split()
"""Inputs about a conversation; its row is its shape."""
OTHER_KINDS = (
    "PolicySet MediumDefined StatusDefined QueueDefined QueueRetired ConfigurationApplied DayStarted EngineStarted "
    "RepairMade QueueOpenChanged MenuDefined TrunkDefined TrunkRetired"
).split()
"""Inputs that concern neither one seat nor one item; they are counted in one row."""


def cells(world: World, given: i.Input) -> list[Cell]:
    """Where an input falls in the table, before it is decided. Late inputs count for who they are late for."""
    kind = kind_of(given)
    state = world.state
    seat_id, item = subjects(world, given)
    seat = state.seats.get(seat_id) if seat_id else None
    found = [("any", kind)] if kind in OTHER_KINDS else []
    if seat is not None and kind in SEAT_KINDS:
        found += [(f"voice {seat.voice.seen}", kind), (f"text {seat.text.seen}", kind)]
    if kind in ITEM_KINDS and item is not None:
        found.append((item_row(state, item), kind))
    if kind in SHAPE_KINDS and (known := state.items.get(item or "")) is not None:
        found.append((shape_row(known), kind))
    return found


def shape_row(item: m.WorkItem) -> str:
    """The row of a conversation."""
    return f"shape {item.shape}"


def item_row(state: State, item_id: str) -> str:
    """The row of an item: its phase, or gone."""
    known = state.items.get(item_id)
    return f"item {known.phase}" if known else GONE


def subjects(world: World, given: i.Input) -> tuple[str | None, str | None]:
    """The seat and the item an input is about, directly or through an offer, a leg, a call, a key or a timer."""
    state = world.state
    match given:
        case i.TimerDue(key=key):
            return _of_timer(world, key)
        case i.DirectCallAnswered(call=call) | i.DirectCallEnded(call=call):
            return world.calls.get(call), None
        case i.PartyLeft(leg=leg) if leg in world.offers:
            return _of_offer(world, leg)
        case i.PartyLeft(leg=leg) if (item := _by_leg(state, leg)) is not None:
            return None, item
        case i.PhonesJoined(leg=leg):
            return None, _by_leg(state, leg)
        case i.PartyLeft(leg=leg) | i.CallEntered(leg=leg) | i.LegArrived(leg=leg) | i.DigitPressed(leg=leg):
            return None, state.legs.get(leg, "gone")
        case i.FallbackServed(leg=leg) | i.FallbackTook(leg=leg):
            return None, state.legs.get(leg, "gone")
        case i.ItemArrived(key=key):
            return None, state.keys.get(key, "gone")
        case i.SeatProfileSet(profile=profile):
            return profile.id, None
        case i.RingSeen(offer=offer) | i.OfferAnswered(offer=offer) | i.OfferRefused(offer=offer):
            return _of_offer(world, offer)
        case _:
            return getattr(given, "seat", None), getattr(given, "item", None) or None


def _by_leg(state: State, leg: str) -> str | None:
    """The item of a third party's, a supervisor's or a seat's leg."""
    seat = state.seats.get(state.seat_legs.get(leg, ""))
    held = next((one.item for one in seat.handlings.values() if one.offer == leg), None) if seat else None
    return state.other_legs.get(leg) or state.watch_legs.get(leg) or held


def _of_offer(world: World, offer: str) -> tuple[str | None, str | None]:
    if (found := _by_leg(world.state, offer) or world.state.legs.get(offer)) is not None:
        return None, found
    item, seat = world.offers.get(offer, ("gone", None))
    return seat, item


def _of_timer(world: World, key: str) -> tuple[str | None, str | None]:
    kind, _, subject = key.partition(":")
    if kind == "offer":
        return _of_offer(world, subject)
    if kind == "watch":
        return None, world.state.watch_legs.get(subject)
    if kind not in ("wrap", "back"):
        return None, subject
    seat, _, item = subject.rpartition(":")
    return seat, item if kind == "wrap" else None


ROWS: tuple[str, ...] = (
    *(f"voice {state}" for state in m.SeatState),
    *(f"text {state}" for state in m.SeatState),
    *(f"item {phase}" for phase in m.Phase),
    GONE,
    *(f"shape {shape}" for shape in Shape),
    "any",
)


def kinds_of(row: str) -> Sequence[str]:
    """The inputs that can be about a row's subject."""
    if row == "any":
        return OTHER_KINDS
    if row.startswith("shape "):
        return SHAPE_KINDS
    return ITEM_KINDS if row.startswith("item ") else SEAT_KINDS


UNREACHABLE_ROWS: Mapping[str, str] = {
    "text logging_in": "no text medium needs a phone",
    "text unreachable": "no text medium needs a phone",
}
"""Rows that nothing reaches, with the reason."""

NO_PHONE = "no seat's phone is in it"
UNREACHABLE: Mapping[Cell, str] = {
    (f"shape {shape}", "PhonesJoined"): NO_PHONE for shape in (Shape.BLIND, Shape.HANDED_OVER)
}
"""Cells that nothing reaches, with the reason."""


KEYED = "the one call with a key is a called-back customer who is led on from there"
LED_BACK = "only who was offered before, and then led back to there, has an offer that anybody may still speak of"
RARE: Mapping[Cell, str] = {
    **{(f"item {phase}", "ItemArrived"): KEYED for phase in ("greeting", "menu", "saying", "voicemail")},
    **{
        (f"item {phase}", kind): LED_BACK
        for phase in ("greeting", "menu", "saying", "voicemail")
        for kind in ("RingSeen", "OfferAnswered", "OfferRefused")
    },
}
"""Cells that may be met, and need not be often: the way there is long."""


def text_table(counts: Counter[Cell]) -> list[str]:
    """The table for a person: a line a row, its kinds with their counts."""
    lines = []
    for row in ROWS:
        if row in UNREACHABLE_ROWS:
            lines.append(f"{row:20} unreachable: {UNREACHABLE_ROWS[row]}")
            continue
        parts = [f"{kind} {counts[row, kind]:,}" for kind in kinds_of(row) if (row, kind) not in UNREACHABLE]
        lines.append(f"{row:20} " + " · ".join(parts))
    lines += [f"{row:20} {kind} unreachable: {reason}" for (row, kind), reason in UNREACHABLE.items()]
    return lines


def missing(counts: Counter[Cell], least: int) -> list[Cell]:
    """Reachable cells met fewer than `least` times, and cells called unreachable that were met."""
    few = [
        (row, kind)
        for row in ROWS
        if row not in UNREACHABLE_ROWS
        for kind in kinds_of(row)
        if (row, kind) not in UNREACHABLE and (row, kind) not in RARE and counts[row, kind] < least
    ]
    return few + [cell for cell in counts if cell in UNREACHABLE or cell[0] in UNREACHABLE_ROWS]
