"""`ringside why`: the grounds of each offer, recomputed by the reference matcher from the log as it was then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from acd import why
from acd.core.evolve import evolve
from acd.core.facts import Offered, Recorded
from acd.core.model import State
from acd.ports import FactLog
from acd.replica import recorded
from acd.why import Decision, ItemVerdict, SeatVerdict
from api.bootstrap import open_log
from api.commands.common import CommandFailed, Context, Exit, moment

BATCH = 2000


def every_fact(log: FactLog) -> Iterator[Recorded]:
    """The whole log in order."""
    after = 0
    while batch := log.read(after, BATCH):
        yield from map(recorded, batch)
        after = batch[-1].seq


def run(context: Context) -> int:
    """One item's decisions, or all of them."""
    log = open_log(context.settings)
    try:
        if context.args.all:
            return _all(context, log)
        if not context.args.item:
            raise CommandFailed(Exit.USAGE, context.words("why.what"))
        return _one(context, log)
    finally:
        log.close()


def _all(context: Context, log: FactLog) -> int:
    report = why.recompute(every_fact(log))
    if context.args.json:
        differences = [_plain(decision) for decision in report.differences]
        context.table((), (), [{"decisions": report.decisions, "equal": report.equal, "differences": differences}])
    else:
        for decision in report.differences:
            context.say(f"{decision.seq}  {decision.offered.offer}  {decision.problem}")
        rules = ", ".join(f"{rule} {count}" for rule, count in sorted(report.by_rule.items()))
        share = 100 * report.equal / report.decisions if report.decisions else 100.0
        text = context.words("why.all", decisions=report.decisions, equal=report.equal, share=f"{share:g}", rules=rules)
        context.say(text)
    return Exit.OK if report.holds else Exit.FAILED


def _one(context: Context, log: FactLog) -> int:
    state, seen, found = State(), False, 0
    for fact in every_fact(log):
        seen = seen or getattr(fact.fact, "item", "") == context.args.item
        if isinstance(fact.fact, Offered) and fact.fact.item == context.args.item:
            found += 1
            _tell(context, state, fact, fact.fact)
        evolve(state, fact)
    if not seen:
        raise CommandFailed(Exit.UNKNOWN, context.words("why.unknown", item=context.args.item))
    if context.args.item in state.items and state.items[context.args.item].queue:
        context.say(context.words("why.now"))
        _seats(context, why.seats_for(state, context.args.item))
    elif not found:
        context.say(context.words("why.never"))
    return Exit.OK


def _tell(context: Context, state: State, fact: Recorded, offered: Offered) -> None:
    decision = why.judge(state, fact)
    context.say(
        context.words(
            "why.offer",
            at=moment(fact.at, context.settings.timezone),
            offer=offered.offer,
            seat=offered.seat,
            queue=offered.queue,
            rule=context.words(f"rule.{offered.rule}"),
            strategy=context.words(f"strategy.{offered.strategy}"),
            score=_score(offered.score),
            candidates=offered.candidates,
            revision=offered.revision,
        )
    )
    if offered.relaxed:
        context.say("  " + context.words("why.relaxed"))
    verdict = (
        context.words("why.equal") if not decision.problem else context.words("why.differs", problem=decision.problem)
    )
    context.say("  " + verdict)
    _seats(context, why.seats_for(state, offered.item))


def _seats(context: Context, verdict: ItemVerdict) -> None:
    wanted = context.args.seat
    refused = [seat for seat in verdict.seats if not seat.eligible]
    rows = [_row(context, seat, place) for place, seat in enumerate(verdict.eligible, 1)]
    rows += [_row(context, seat, 0) for seat in refused]
    shown = [row for row in rows if wanted in ("", row[0])]
    if wanted and not shown:
        raise CommandFailed(Exit.UNKNOWN, context.words("why.no_seat", seat=wanted))
    plain = [asdict(seat) for seat in (*verdict.eligible, *refused) if wanted in ("", seat.seat)]
    context.table(("head.seat", "head.place", "head.score", "head.verdict"), shown, plain)
    context.say()


def _row(context: Context, seat: SeatVerdict, place: int) -> tuple[str, str, str, str]:
    says = context.words("why.eligible") if seat.refused is None else context.words(f"refused.{seat.refused}")
    return seat.seat, str(place or "-"), _score(seat.score) if place else "-", says


def _score(score: tuple[int, ...]) -> str:
    return "/".join(map(str, score))


def _plain(decision: Decision) -> dict[str, Any]:
    return asdict(decision)
