"""Seats: what keeps a seat from an offer, and what it is seen to do. Both are tables over its parts.

Nothing here is stored or changed: a state that is computed from its parts cannot get stuck (pain P1).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from acd.core.model import MediumDef, Presence, Seat, SeatState, SkillLevel, State, Strategy

DIRECT_MEDIUM = "voice"
"""Direct, internal and outbound calls cost what a call costs."""

EVERY = "*"
LOAD_UNIT = 1_000_000
"""EQUAL_LOAD compares load × LOAD_UNIT // limit: whole numbers, so every process ranks alike."""


class Block(StrEnum):
    """Why a seat gets no offer, in the order the rules are asked."""

    NOT_MEMBER = "not_member"
    SKILL = "skill"
    SIGNED_OUT = "signed_out"
    LEAVING = "leaving"
    OFF_SHIFT = "off_shift"
    STATUS = "status"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    BACK_OFF = "back_off"
    CAPACITY = "capacity"
    EXCLUDED = "excluded"
    WRAP_UP = "wrap_up"
    ONE_CASE = "one_case"
    LAST_AGENT = "last_agent"


BY_HAND_EXEMPT = frozenset({Block.STATUS, Block.NO_ANSWER, Block.BACK_OFF, Block.OFF_SHIFT})
"""What a manual pickup may pass over: the agent asks for it himself (D13)."""


def limit_of(seat: Seat, medium: MediumDef) -> int:
    """How many of this medium the seat may hold: its own limit or the medium's, under the ceiling (D8, D14)."""
    for own in seat.profile.limits:
        if own.medium == medium.id:
            return min(own.limit, medium.ceiling)
    return min(medium.limit, medium.ceiling)


def load_of(seat: Seat, medium: str) -> int:
    """Handled plus offered of this medium (D4)."""
    held = sum(1 for handling in seat.handlings.values() if handling.medium == medium)
    offered = sum(1 for offered in seat.offers.values() if offered == medium)
    return held + offered + (len(seat.directs) + len(seat.watching) if medium == DIRECT_MEDIUM else 0)


def total_load(seat: Seat) -> int:
    """Handled plus offered over all media."""
    return len(seat.handlings) + len(seat.offers) + len(seat.directs) + len(seat.watching)


def held_media(seat: Seat, *, offered: bool) -> list[str]:
    """The media the seat holds, with or without what is only offered yet."""
    media = [handling.medium for handling in seat.handlings.values()]
    media += [DIRECT_MEDIUM] * bool(seat.directs or seat.watching)
    return media + list(seat.offers.values()) if offered else media


def _covers(names: tuple[str, ...], medium: str) -> bool:
    return medium in names or EVERY in names


def _status_forbids(state: State, seat: Seat, medium: MediumDef) -> bool:
    status = state.statuses.get(seat.presence(medium.presence).status)
    return status is None or not status.auto_offer


def _full(_: State, seat: Seat, medium: MediumDef) -> bool:
    total = seat.profile.total_limit
    return load_of(seat, medium.id) >= limit_of(seat, medium) or 0 < total <= total_load(seat)


def _excluded(state: State, seat: Seat, medium: MediumDef) -> bool:
    return any(_covers(state.media[held].excludes, medium.id) for held in held_media(seat, offered=True))


def _wrapping_up(state: State, seat: Seat, medium: MediumDef) -> bool:
    return any(_covers(state.media[done.medium].wrap_up_blocks, medium.id) for done in seat.wrap_ups.values())


def _in_a_case(_: State, seat: Seat, _medium: MediumDef) -> bool:
    return seat.profile.one_open_case and any(handling.replied for handling in seat.handlings.values())


Rule = Callable[[State, Seat, MediumDef], bool]

BLOCKS: tuple[tuple[Block, Rule], ...] = (
    (Block.SIGNED_OUT, lambda _state, seat, _medium: not seat.signed_in_at),
    (Block.LEAVING, lambda _state, seat, _medium: seat.leaving),
    (Block.OFF_SHIFT, lambda _state, seat, _medium: not seat.on_shift),
    (Block.STATUS, _status_forbids),
    (Block.UNREACHABLE, lambda _state, seat, medium: medium.needs_phone and not seat.reachable),
    (Block.NO_ANSWER, lambda _state, seat, medium: seat.presence(medium.presence).no_answer),
    (Block.BACK_OFF, lambda _state, seat, medium: seat.presence(medium.presence).back_off_until != 0),
    (Block.CAPACITY, _full),
    (Block.EXCLUDED, _excluded),
    (Block.WRAP_UP, _wrapping_up),
    (Block.ONE_CASE, _in_a_case),
)
"""What keeps a seat from any item of a medium, whatever the item; the first that holds is the reason given."""


def block_of(state: State, seat: Seat, medium: MediumDef) -> Block | None:
    """Why this seat gets nothing of this medium now, or None when it may."""
    for block, holds in BLOCKS:
        if holds(state, seat, medium):
            return block
    return None


def block_by_hand(
    state: State, seat: Seat, medium: MediumDef, also_exempt: frozenset[Block] = frozenset()
) -> Block | None:
    """The same for what a person gives or takes by hand; `also_exempt` is passed over too."""
    for block, holds in BLOCKS:
        if block not in BY_HAND_EXEMPT and block not in also_exempt and holds(state, seat, medium):
            return block
    return None


def has_skills(seat: Seat, needs: tuple[SkillLevel, ...]) -> bool:
    """True where the seat has every needed skill at the level or above."""
    levels = {own.skill: own.level for own in seat.profile.skills}
    return all(levels.get(need.skill, -1) >= need.level for need in needs)


def rank_in(seat: Seat, queue: str) -> int | None:
    """The seat's rank of a queue, None when it is no member."""
    return next((own.rank for own in seat.profile.queues if own.queue == queue), None)


SCORES: dict[Strategy, Callable[[Seat, MediumDef], tuple[int, ...]]] = {
    Strategy.LONGEST_IDLE: lambda seat, _medium: (seat.idle_since,),
    Strategy.EQUAL_TOTALS: lambda seat, _medium: (seat.total, seat.idle_since),
    Strategy.EQUAL_LOAD: lambda seat, medium: (
        load_of(seat, medium.id) * LOAD_UNIT // max(1, limit_of(seat, medium)),
        seat.idle_since,
    ),
}
"""A strategy's score of a seat, lower is better; the seat id breaks the last tie."""


def _busy(state: State, seat: Seat, media: list[MediumDef]) -> bool:
    held = held_media(seat, offered=False)
    excluded = any(_covers(state.media[own].excludes, medium.id) for own in held for medium in media)
    return excluded or any(held.count(medium.id) >= limit_of(seat, medium) for medium in media)


def seen_state(state: State, seat: Seat, presence: Presence) -> SeatState:
    """What the seat is seen to do under one of its two switchers, from its parts alone (S1, S2)."""
    media = [medium for medium in state.media.values() if medium.presence is presence]
    own = seat.presence(presence)
    status = state.statuses.get(own.status)
    needs_phone = any(medium.needs_phone for medium in media)
    table = (
        (SeatState.LOGGED_OUT, not seat.signed_in_at),
        (SeatState.BUSY, _busy(state, seat, media)),
        (SeatState.ASSIGNED, any(state.media[offered].presence is presence for offered in seat.offers.values())),
        (SeatState.WRAP_UP, any(_wrapping_up(state, seat, medium) for medium in media)),
        (SeatState.NO_ANSWER, own.no_answer),
        (SeatState.LOGGING_IN, needs_phone and not seat.reachable and not seat.was_reachable),
        (SeatState.NOT_READY, status is None or not status.auto_offer),
        (SeatState.UNREACHABLE, needs_phone and not seat.reachable),
    )
    return next((seen for seen, holds in table if holds), SeatState.READY)


GETS_OFFERS: dict[SeatState, bool] = {seen: seen is SeatState.READY for seen in SeatState}
"""S1: only Ready receives. (Text below its limit is seen as READY too.)"""

CHANGED_BY_HAND: dict[SeatState, bool] = {
    seen: seen not in (SeatState.LOGGED_OUT, SeatState.ASSIGNED, SeatState.BUSY) for seen in SeatState
}
"""S1: Assigned and Busy can't be changed by hand; a status chosen there is pending until after."""
