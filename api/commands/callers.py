"""`ringside blacklist`, `ringside vip` and `ringside who-serves`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TypeVar

from sqlalchemy.orm import Session

from api.asking import NotAMoment, ask, moment_asked, number_asked
from api.bootstrap import open_database
from api.changing import STATUS_OF
from api.commands.common import CommandFailed, Context, Exit, moment
from api.commands.seats import BY, committed_state
from api.routes.lists import answer_out
from directory import callers
from directory.dry_run import Answer, Step
from directory.model import DirectoryError

T = TypeVar("T")
INDENT = "  "


def refused(error: DirectoryError) -> CommandFailed:
    """The directory's refusal as a command's end."""
    known = STATUS_OF.get(error.code) == 404
    return CommandFailed(Exit.UNKNOWN if known else Exit.REFUSED, f"{error.say} ({error.code})")


def _in_tables(context: Context, work: Callable[[Session], T]) -> T:
    database = open_database(context.settings)
    try:
        with database.write() as session:
            return work(session)
    except DirectoryError as error:
        raise refused(error) from None
    finally:
        database.close()


def _now() -> int:
    return time.time_ns() // 1000


def _address(context: Context, session: Session) -> str:
    """The address id of what was named: an address id itself, or a number."""
    named: str = context.args.number
    return named if named.startswith("a-") else number_asked(session, named, context.settings.default_region)


def blacklist(context: Context) -> int:
    """Every entry that holds now."""
    found = _in_tables(context, lambda session: callers.blacklisted(session, _now()))
    zone = context.settings.timezone
    rows = [
        (
            one.number or one.address,
            moment(one.at, zone),
            moment(one.until, zone) if one.until else context.words("blacklist.for_good"),
            one.by,
            one.reason or "-",
        )
        for one in found
    ]
    context.table(
        ("head.number", "head.began", "head.until", "head.by", "head.reason"), rows, [asdict(one) for one in found]
    )
    return Exit.OK


def block(context: Context) -> int:
    """For 24 hours, or for good: who runs this command is the installation's administrator."""
    made = _in_tables(
        context,
        lambda session: callers.block(
            session,
            _address(context, session),
            at=_now(),
            by=BY,
            via="cli",
            reason=context.args.reason,
            for_good=context.args.for_good,
        ),
    )
    until = moment(made.until, context.settings.timezone) if made.until else context.words("blacklist.for_good")
    context.say(f"{made.number}  {until}")
    return Exit.OK


def unblock(context: Context) -> int:
    """Take somebody off."""
    _in_tables(context, lambda session: callers.unblock(session, _address(context, session)))
    context.say(context.words("done"))
    return Exit.OK


def list_vips(context: Context) -> int:
    """Every VIP."""
    found = _in_tables(context, lambda session: list(callers.vips(session)))
    rows = [(one.number or one.address, one.priority, one.by) for one in found]
    context.table(("head.number", "head.priority", "head.by"), rows, [asdict(one) for one in found])
    return Exit.OK


def set_vip(context: Context) -> int:
    """Put somebody on, or off with 0."""
    _in_tables(
        context,
        lambda session: callers.set_vip(session, _address(context, session), context.args.priority, at=_now(), by=BY),
    )
    context.say(context.words("done"))
    return Exit.OK


# --- who would serve? -----------------------------------------------------------------------------------------------


def who_serves(context: Context) -> int:
    """The path of a caller, and the seats that would be eligible now."""
    args, settings = context.args, context.settings
    database = open_database(settings)
    try:
        when = moment_asked(args.at, _now(), settings.timezone)
        state = committed_state(context)
        answer = ask(database, state, args.entry, args.caller, when, settings.default_region, args.keys)
    except NotAMoment as error:
        raise CommandFailed(Exit.USAGE, str(error)) from None
    except KeyError:
        raise CommandFailed(Exit.UNKNOWN, context.words("error.unknown_entry")) from None
    finally:
        database.close()
    if args.json:
        context.table((), (), [answer_out(answer).model_dump(mode="json")])
        return Exit.OK
    for line in _told(context, answer):
        context.say(line)
    return Exit.OK


def _told(context: Context, answer: Answer) -> Iterator[str]:
    say, zone = context.words, context.settings.timezone
    opening = say(f"opening.{answer.opening}")
    yield say("who.entry", entry=answer.entry, at=moment(answer.at, zone), opening=opening)
    if answer.changes_at:
        yield INDENT + say("who.changes", at=moment(answer.changes_at, zone))
    if answer.blacklisted:
        yield INDENT + say("who.blacklisted")
    if answer.vip:
        yield INDENT + say("who.vip", points=answer.vip, priority=answer.plan.priority)
    if answer.plan.greeting:
        yield INDENT + say("who.greeting", prompt=answer.plan.greeting)
    if answer.plan.refuse:
        yield INDENT + say("who.refused", outcome=answer.plan.refuse.value)
    if answer.step is not None:
        yield from _steps(context, answer.step, 1, "")


def _steps(context: Context, step: Step, depth: int, by: str) -> Iterator[str]:
    lead = INDENT * depth + (f"{by} → " if by else "")
    name = context.words(f"step.{step.kind}", id=step.id)
    prompt = f"  [{step.prompt}]" if step.prompt else ""
    opening = "  " + context.words(f"opening.{step.opening}") if step.opening else ""
    yield f"{lead}{name}{prompt}{opening}"
    for seat in step.seats:
        verdict = context.words(f"refused.{seat.refused}") if seat.refused else context.words("why.eligible")
        place = f"{seat.place}. " if seat.place else "-  "
        yield f"{INDENT * (depth + 1)}{place}{seat.seat}: {verdict}"
    for branch in step.branches:
        yield from _steps(context, branch.step, depth + 1, branch.by)
