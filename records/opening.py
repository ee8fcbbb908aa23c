"""How a case begins: a contact that came in, one that went out, a direct call, or one that the fall-back had. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from acd.core import facts as f
from acd.core.model import DirectKind, EntryPlan, Kind, Micros
from acd.core.shapes import Shape
from records import parts, talks
from records.model import Case, Direction, Interaction, Leg, LegRole

DIRECT_MEDIUM = "voice"

DIRECTIONS: dict[DirectKind, Direction] = {
    DirectKind.DIRECT: Direction.INBOUND,
    DirectKind.INTERNAL: Direction.INTERNAL,
    DirectKind.OUTBOUND: Direction.OUTBOUND,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What a fold needs from the directory: V2's switch."""

    outbound_record: bool = True


def open_case(fact: f.Fact, at: Micros, rules: Rules) -> Case | None:
    """The case this fact begins; None where it begins none."""
    match fact:
        case f.Entered():
            return _enter(fact, at)
        case f.OutboundStarted():
            return _outbound(fact, at, rules)
        case f.FallbackCallServed():
            return _fallback(fact)
        case f.DirectStarted():
            return _direct(fact, at, rules)
        case _:
            return None


def _enter(fact: f.Entered, at: Micros) -> Case:
    return _inbound(fact.item, fact.number, fact.record, fact.plan, fact.leg, at, fact.kind, fact.medium)


def _fallback(fact: f.FallbackCallServed) -> Case:
    plan = fact.plan
    return _inbound(fact.item, fact.number, fact.record, plan, fact.leg, fact.entered_at, Kind.CALL, plan.medium)


def _inbound(
    item: str, number: int, record: str, plan: EntryPlan, leg: str, at: Micros, kind: Kind, medium: str
) -> Case:
    interaction = Interaction(
        item=item,
        number=number,
        kind=kind,
        medium=medium,
        record=record,
        direction=Direction.INBOUND,
        account=plan.entry,
        queue=plan.queue,
        address=plan.address,
        contact=plan.contact,
        leg=leg,
        entered_at=at,
        trunk=plan.trunk,
        priority=plan.priority,
        last_seat=plan.last_seat,
    )
    return Case(interaction, legs=[Leg(item, leg, LegRole.CUSTOMER, at)] if leg else [])


def _outbound(fact: f.OutboundStarted, at: Micros, rules: Rules) -> Case:
    """The account is what was dialled with: the outbound code, or the line where there is none."""
    route = fact.route
    interaction = Interaction(
        item=fact.item,
        number=fact.number,
        kind=Kind.CALL,
        medium=fact.medium,
        record=fact.record,
        direction=Direction.OUTBOUND,
        account=route.prefix or route.trunk,
        queue="",
        address=route.address,
        contact=fact.plan.contact,
        leg="",
        entered_at=at,
        recorded_outbound=rules.outbound_record,
        trunk=route.trunk,
        prefix=route.prefix,
        shape=Shape.DIALLING,
    )
    case = Case(interaction)
    parts.add_leg(case, fact.leg, LegRole.SEAT, at, fact.seat)
    if not fact.rings:
        parts.leg_answered(case, fact.leg, at)
    talks.begin_part(case, fact.seat, at, offer=fact.leg)
    interaction.phase = "dialling"
    talks.place(case, at)
    return case


def _direct(fact: f.DirectStarted, at: Micros, rules: Rules) -> Case:
    direction = DIRECTIONS[fact.kind]
    interaction = Interaction(
        item=fact.call,
        number=0,
        kind=Kind.CALL,
        medium=DIRECT_MEDIUM,
        record=f"r-{fact.call}",
        direction=direction,
        account="",
        queue="",
        address="" if direction is Direction.INTERNAL else fact.peer,
        contact="",
        leg=fact.leg,
        entered_at=at,
        phase="offered",
        seat=fact.seat,
        recorded_outbound=rules.outbound_record,
    )
    return Case(interaction, legs=[Leg(fact.call, fact.leg, LegRole.SEAT, at, seat=fact.seat)])
