"""Extensions that change hands: whose phone is there is believed only once the old registrations have ended."""

from __future__ import annotations

import pytest

from acd.core.facts import PhoneReached, Recorded, SeatProfileChanged
from acd.core.model import SeatProfile
from api.engine import SeatBook


def recorded(*facts: SeatProfileChanged | PhoneReached) -> list[Recorded]:
    return [Recorded(seq, seq, seq, "system", "engine", 0, fact) for seq, fact in enumerate(facts, start=1)]


async def book_of(**extensions: str) -> SeatBook:
    """Each seat has had its extension from the first."""
    book = SeatBook()
    await book.take(recorded(*(SeatProfileChanged(SeatProfile(seat, number)) for seat, number in extensions.items())))
    book.moved.clear()
    return book


async def move(book: SeatBook, number: str, giver: str, taker: str) -> None:
    gone, had = SeatProfileChanged(SeatProfile(giver, "")), SeatProfileChanged(SeatProfile(taker, number))
    await book.take(recorded(gone, had))


@pytest.mark.asyncio
async def test_a_moved_extension_is_settled_once_asterisk_knows_of_it() -> None:
    book = await book_of(amy="8001", bob="8002")
    assert book.settled("8001")
    await move(book, "8001", "amy", "cat")
    assert book.moved.is_set()
    assert not book.settled("8001")
    assert book.settled("8002")
    moves = dict(book.unsettled)
    book.settle(moves, ())  # Asterisk was away
    assert not book.settled("8001")
    book.settle(moves, {"8001", "8002"})
    assert book.settled("8001")


@pytest.mark.asyncio
async def test_one_that_moves_again_meanwhile_stays_unsettled() -> None:
    book = await book_of(amy="8001")
    await move(book, "8001", "amy", "bob")
    moves = dict(book.unsettled)
    await move(book, "8001", "bob", "amy")
    book.settle(moves, {"8001"})
    assert not book.settled("8001")


@pytest.mark.asyncio
async def test_a_seat_that_was_without_one_and_other_changes_unsettle_nothing() -> None:
    book = await book_of(amy="8001", bob="")
    await book.take(recorded(SeatProfileChanged(SeatProfile("bob", "8002"))))
    assert book.moved.is_set()  # its phone may be there already
    book.moved.clear()
    await book.take(recorded(SeatProfileChanged(SeatProfile("amy", "8001")), PhoneReached("amy", True)))
    assert not book.moved.is_set()
    assert book.unsettled == {}
