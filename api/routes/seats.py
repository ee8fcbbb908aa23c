"""Seats: who is there, in which state, and the agent's own actions."""

from __future__ import annotations

from fastapi import APIRouter

from acd.core.inputs import Input, ItemPicked, SeatSignedIn, SeatSignedOut, StatusChosen, WrapUpEnded
from api.auth.tokens import Token
from api.routes.common import Use, Who
from api.schemas import Id, Pickup, Reply, SeatOut, SignIn, StatusChoice, WrapUpEnd, seat_with_holdings
from api.services import Services

router = APIRouter(prefix="/seats", tags=["seats"])


@router.get("")
async def list_seats(use: Use) -> list[SeatOut]:
    """Every seat, by id."""
    state, names = use.state, await use.seat_names()
    return [seat_with_holdings(state, state.seats[seat], names.get(seat, "")) for seat in sorted(state.seats)]


@router.get("/{seat}")
async def get_seat(seat: Id, use: Use) -> SeatOut:
    """One seat."""
    return await _shown(use, seat)


async def _shown(use: Services, seat: str) -> SeatOut:
    return seat_with_holdings(use.state, use.seat(seat), (await use.seat_names()).get(seat, ""))


async def _act(use: Services, token: Token, seat: str, given: Input) -> Reply:
    done = await use.command(given, token)
    after = await _shown(use, seat)
    return Reply(item=done.item, offer=done.offer, note=done.note, seat=after)


@router.post("/{seat}/sign-in")
async def sign_in(seat: Id, use: Use, who: Who, asked: SignIn | None = None) -> Reply:
    """The agent is there. Again is harmless."""
    return await _act(use, who, seat, SeatSignedIn(seat, asked.device if asked else "api"))


@router.post("/{seat}/sign-out")
async def sign_out(seat: Id, use: Use, who: Who) -> Reply:
    """The agent leaves; refused while talking."""
    return await _act(use, who, seat, SeatSignedOut(seat))


@router.post("/{seat}/status")
async def choose_status(seat: Id, asked: StatusChoice, use: Use, who: Who) -> Reply:
    """Choose a status; during a call it holds afterwards (`pending`)."""
    return await _act(use, who, seat, StatusChosen(seat, asked.presence, asked.status))


@router.post("/{seat}/wrap-up/end")
async def end_wrap_up(seat: Id, use: Use, who: Who, asked: WrapUpEnd | None = None) -> Reply:
    """End wrap-up by hand."""
    return await _act(use, who, seat, WrapUpEnded(seat, asked.item if asked else ""))


@router.post("/{seat}/pickup")
async def pick_up(seat: Id, use: Use, who: Who, asked: Pickup | None = None) -> Reply:
    """Take a waiting item by hand: its seat is rung at once."""
    return await _act(use, who, seat, ItemPicked(seat, asked.item if asked else ""))
