"""`ringside calls`: contacts with their record, or the reason why there is none."""

from __future__ import annotations

from api.bootstrap import open_database, open_log
from api.commands.common import CommandFailed, Context, Exit, moment, seconds
from records import queries
from records.consumer import NAME as RECORDS
from records.queries import CallFilter, CallView
from storage.cursors import position


def run(context: Context) -> int:
    """A page of contacts, newest first; with an id, that one's time line."""
    database, log = open_database(context.settings), open_log(context.settings)
    try:
        behind = max(0, log.last_seq() - position(database, RECORDS))
        with database.read() as session:
            if context.args.item:
                return _one(context, queries.get_call(session, context.args.item, behind=behind))
            kinds = () if context.args.every_kind else CallFilter().kinds
            wanted = CallFilter(kinds=kinds, queue=context.args.queue, seat=context.args.seat)
            page = queries.list_calls(
                session, wanted, after=context.args.after, limit=context.args.limit, behind=behind
            )
    except queries.BadCursor as error:
        raise CommandFailed(Exit.USAGE, str(error)) from None
    finally:
        log.close()
        database.close()
    heads = ("call", "began", "number", "queue", "seat", "outcome", "waited", "talked", "record")
    context.table(
        [f"head.{head}" for head in heads], [_row(context, view) for view in page.calls], [*map(_plain, page.calls)]
    )
    if page.next and not context.args.json:
        context.say(context.words("calls.more", after=page.next))
    return Exit.OK


def _row(context: Context, view: CallView) -> tuple[str, ...]:
    item = view.interaction
    waited = (item.accepted_at or item.ended_at) - item.queued_at if item.queued_at else 0
    return (
        item.item,
        moment(item.entered_at, context.settings.timezone),
        view.number or "-",
        item.queue or "-",
        item.seat or "-",
        item.outcome or item.phase,
        seconds(max(0, waited)),
        seconds(max(0, item.ended_at - item.accepted_at)) if item.accepted_at and item.ended_at else "-",
        view.explanation.record or view.explanation.say(context.words.language),
    )


def _plain(view: CallView) -> dict[str, object]:
    item, reason = view.interaction, view.explanation.reason
    return {
        "call": item.item,
        "kind": item.kind,
        "entered_at": item.entered_at,
        "queued_at": item.queued_at,
        "accepted_at": item.accepted_at,
        "ended_at": item.ended_at,
        "number": view.number,
        "queue": item.queue,
        "seat": item.seat,
        "outcome": item.outcome,
        "ended_by": item.ended_by,
        "offers": item.offers,
        "record": view.explanation.record,
        "no_record": reason.value if reason else "",
    }


def _one(context: Context, found: queries.CallDetail | None) -> int:
    if found is None:
        raise CommandFailed(Exit.UNKNOWN, context.words("calls.unknown", item=context.args.item))
    zone = context.settings.timezone
    if not context.args.json:
        context.table(("head.call", "head.number", "head.record"), [
            (found.view.interaction.item, found.view.number or "-",
             found.view.explanation.record or found.view.explanation.say(context.words.language))], [])  # fmt: skip
        context.say()
    rows = [
        (s.kind, moment(s.started_at, zone), moment(s.ended_at, zone), s.queue or "-", s.seat or "-", s.result or "-")
        for s in found.case.segments
    ]
    plain = [
        {"kind": s.kind, "started_at": s.started_at, "ended_at": s.ended_at, "queue": s.queue, "seat": s.seat,
         "result": s.result} for s in found.case.segments
    ]  # fmt: skip
    heads = ("stretch", "began", "ended", "queue", "seat", "result")
    context.table([f"head.{head}" for head in heads], rows, plain)
    return Exit.OK
