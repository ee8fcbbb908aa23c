"""Small changes of a case's rows: stretches, legs, seats' parts, marks. Pure."""

from __future__ import annotations

from collections.abc import Callable

from acd.core.model import Micros
from records.model import Case, Handling, Leg, LegRole, Mark, MarkKind, Segment, Stretch


def close(segment: Segment, at: Micros, result: str = "") -> None:
    """The stretch is over."""
    segment.ended_at, segment.result = at, result


def begin(
    case: Case, kind: Stretch, at: Micros, queue: str = "", seat: str = "", subject: str = "", result: str = ""
) -> Segment:
    """A stretch begins."""
    item = case.interaction.item
    segment = Segment(item, len(case.segments), kind, at, queue, seat, subject, result=result)
    case.segments.append(segment)
    return segment


def is_open(case: Case, kind: Stretch) -> bool:
    """Whether a stretch of that kind goes on."""
    return any(segment.kind == kind and not segment.ended_at for segment in case.segments)


def finish(case: Case, kind: Stretch, at: Micros, result: str = "") -> None:
    """Every open stretch of that kind is over."""
    for segment in case.segments:
        if segment.kind == kind and not segment.ended_at:
            close(segment, at, result)


def of_offer(case: Case, offer: str, change: Callable[[Segment], None]) -> None:
    """Change the stretch of an offer."""
    for segment in case.segments:
        if segment.kind == Stretch.OFFER and segment.subject == offer:
            change(segment)


def ring(segment: Segment, at: Micros) -> None:
    """The device rang; the first time counts."""
    segment.rung_at = segment.rung_at or at


# --- legs ----------------------------------------------------------------------------------------------------------


def add_leg(case: Case, leg: str, role: LegRole, at: Micros, seat: str = "") -> None:
    """A channel of the contact, once."""
    if leg and not any(known.leg == leg for known in case.legs):
        case.legs.append(Leg(case.interaction.item, leg, role, at, seat=seat))


def change_leg(case: Case, name: str, change: Callable[[Leg], None]) -> None:
    """Change the leg of that name, if there is one."""
    for leg in case.legs:
        if leg.leg == name:
            change(leg)


def leg_answered(case: Case, name: str, at: Micros) -> None:
    """The leg was answered; the first time counts."""

    def change(leg: Leg) -> None:
        leg.answered_at = leg.answered_at or at

    change_leg(case, name, change)


def leg_gone(case: Case, name: str, at: Micros, sip: int = 0, q850: int = 0) -> None:
    """The leg is no more; the first end counts, its codes may come later."""

    def change(leg: Leg) -> None:
        leg.ended_at = leg.ended_at or at
        leg.sip, leg.q850 = leg.sip or sip, leg.q850 or q850

    change_leg(case, name, change)


# --- seats' parts ----------------------------------------------------------------------------------------------------


def handling_of(case: Case, seat: str, test: Callable[[Handling], bool]) -> Handling | None:
    """The seat's last part that is in that stage."""
    return next((one for one in reversed(case.handlings) if one.seat == seat and test(one)), None)


def open_part(case: Case, offer: str) -> Handling | None:
    """The part of the seat with that leg, while it goes on."""
    return next((one for one in reversed(case.handlings) if one.offer == offer and not one.ended_at), None)


def talks(handling: Handling) -> bool:
    """It goes on."""
    return not handling.ended_at


def is_past(handling: Handling) -> bool:
    """It is over."""
    return bool(handling.ended_at)


def wraps_up(handling: Handling) -> bool:
    """Its wrap-up goes on."""
    return bool(handling.wrap_up_at) and not handling.wrap_up_ended_at


def mark(case: Case, kind: MarkKind, at: Micros, subject: str = "", detail: str = "", amount: int = 0) -> None:
    """Note a moment."""
    case.marks.append(Mark(case.interaction.item, len(case.marks), kind, at, subject, detail, amount))
