"""`ringside call` and `ringside seat dial`: what agents and supervisors do with a conversation."""

from __future__ import annotations

import sys

from acd.core.inputs import (
    CallHungUp,
    ConsultAsked,
    MoveMade,
    MuteAsked,
    OutboundAsked,
    PauseAsked,
    ResumeAsked,
    TransferAsked,
    WatchAsked,
    WatchLeft,
)
from acd.core.model import SECOND, EntryPlan, Route, State, Target, TargetKind, WatchMode
from acd.core.recording import LONGEST_PAUSE
from acd.core.shapes import Move
from acd.ports import DialRefused
from api.asking import in_pool
from api.bootstrap import open_database
from api.commands.common import CommandFailed, Context, Exit
from api.commands.seats import BY, asked, command, committed_state
from api.gateway import KEYS, press
from directory.dialling import DirectoryDialPlans
from directory.plans import DirectoryPlans
from records.consumer import NotOpened, open_record_by


def move(context: Context) -> int:
    """Hold, resume, swap, merge, split, coach, complete, cancel."""
    return command(context, MoveMade(context.args.seat, context.args.item, Move(context.args.move)))


def consult(context: Context) -> int:
    """Ring somebody while the customer waits."""
    target, route, _ = _target(context)
    return command(context, ConsultAsked(context.args.seat, context.args.item, target, route))


def transfer(context: Context) -> int:
    """Hand the customer over at once."""
    target, route, plan = _target(context)
    return command(context, TransferAsked(context.args.seat, context.args.item, target, route, plan))


def hang_up(context: Context) -> int:
    """The seat leaves the conversation."""
    return command(context, CallHungUp(context.args.seat, context.args.item))


def end(context: Context) -> int:
    """End the whole conversation."""
    found = committed_state(context).items.get(context.args.item)
    return command(context, CallHungUp(found.seat if found else "", context.args.item, whole=True))


def watch(context: Context) -> int:
    """Listen, whisper, join, take over."""
    return command(context, WatchAsked(context.args.seat, context.args.item, WatchMode(context.args.mode)))


def unwatch(context: Context) -> int:
    """Stop."""
    return command(context, WatchLeft(context.args.seat, context.args.item))


def pause(context: Context) -> int:
    """Silence is written."""
    most = LONGEST_PAUSE // SECOND
    if not 1 <= context.args.seconds <= most:
        raise CommandFailed(Exit.USAGE, context.words("err.pause_seconds", most=most))
    return command(context, PauseAsked(context.args.item, context.args.seconds * SECOND))


def resume(context: Context) -> int:
    """Sound is written again."""
    return command(context, ResumeAsked(context.args.item))


def dial(context: Context) -> int:
    """Click-to-dial: the seat's phone rings, then the customer's."""
    route = _route(context, context.args.number)
    return command(context, OutboundAsked(context.args.seat, route))


def mute(context: Context) -> int:
    """Close the seat's microphone, or open it."""
    return command(context, MuteAsked(context.args.seat, context.args.item, context.args.microphone == "off"))


def keys(context: Context) -> int:
    """Send keys to the customer's end; "-" reads them from standard input, where no list of processes shows them."""
    given = context.args.digits
    digits = sys.stdin.readline(100).strip() if given == "-" else given
    if not KEYS.fullmatch(digits):
        raise CommandFailed(Exit.USAGE, context.words("err.keys"))
    return asked(context, lambda engine: press(engine, context.args.seat, context.args.item, digits, by=BY, via="cli"))


def record(context: Context) -> int:
    """Make a service record of a connected call out (V2)."""
    database = open_database(context.settings)
    try:
        with database.write() as session:
            made = open_record_by(session, context.args.item, context.args.seat)
    except NotOpened as error:
        said = str(error) if context.words.language == "en" else context.words(f"error.{error.code}")
        code = Exit.UNKNOWN if error.code == "unknown_call" else Exit.REFUSED
        raise CommandFailed(code, f"{said} ({error.code})") from None
    finally:
        database.close()
    if context.args.json:
        context.table((), (), [{"record": made.id, "call": made.item, "seat": made.seat}])
    else:
        context.say(f"{context.words('done')} {made.id}")
    return Exit.OK


def _route(context: Context, number: str) -> Route:
    settings, database = context.settings, open_database(context.settings)
    try:
        plans = DirectoryDialPlans(database, region=settings.default_region, emergency=settings.emergency_numbers)
        found = plans.route(context.args.seat, context.args.prefix + number)
    finally:
        database.close()
    if isinstance(found, DialRefused):
        said = found.say if context.words.language == "en" else context.words(f"error.{found.code}")
        raise CommandFailed(Exit.REFUSED, f"{said} ({found.code})")
    return found


def _target(context: Context) -> tuple[Target, Route | None, EntryPlan | None]:
    kind, whom = TargetKind(context.args.kind), context.args.target
    match kind:
        case TargetKind.OUTSIDE:
            return Target(kind), _route(context, whom), None
        case TargetKind.ENTRY:
            return Target(kind, whom), None, _plan(context, committed_state(context), whom)
        case TargetKind.EXTENSION:
            return _extension(context, whom), None, None
        case TargetKind.SEAT | TargetKind.QUEUE:
            return Target(kind, whom), None, None


def _extension(context: Context, number: str) -> Target:
    seat = committed_state(context).extensions.get(number, "")
    if seat:
        return Target(TargetKind.SEAT, seat)
    database = open_database(context.settings)
    try:
        known = in_pool(database, number)
    finally:
        database.close()
    if not known:
        raise CommandFailed(Exit.UNKNOWN, context.words("error.unknown_extension"))
    return Target(TargetKind.EXTENSION, number)


def _plan(context: Context, state: State, entry: str) -> EntryPlan:
    item = state.items.get(context.args.item)
    database = open_database(context.settings)
    try:
        plans = DirectoryPlans(database, region=context.settings.default_region)
        plan = plans.plan_of(entry, item.plan.address if item else "")
    finally:
        database.close()
    if plan is None:
        raise CommandFailed(Exit.UNKNOWN, context.words("error.unknown_entry"))
    return plan
