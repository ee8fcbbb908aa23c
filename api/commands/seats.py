"""`ringside seat`: who is there, and the agent's own actions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from acd.core.codec import plain
from acd.core.inputs import Input, ItemPicked, SeatSignedIn, SeatSignedOut, StatusChosen, WrapUpEnded
from acd.core.model import Presence, State
from acd.core.reply import Refused
from acd.replica import Replica
from api.bootstrap import open_database, open_log
from api.commands.common import CommandFailed, Context, Exit, moment
from api.gateway import Answer, submit
from api.schemas import seat_with_holdings
from directory import service
from directory.model import DirectoryError
from directory.service import seat_names
from storage.bus import UnixClient

BY = "operator"
"""Facts hold ids of persons; who may read the engine's socket is the installation's operator."""


def committed_state(context: Context) -> State:
    """The state by the log; needs no engine."""
    log = open_log(context.settings)
    try:
        replica = Replica(log)
        replica.catch_up()
        return replica.state
    finally:
        log.close()


def _names(context: Context) -> dict[str, str]:
    database = open_database(context.settings)
    try:
        with database.read() as session:
            return seat_names(session)
    finally:
        database.close()


def list_seats(context: Context) -> int:
    """Every seat with its state."""
    state = committed_state(context)
    names = _names(context)
    shown = [seat_with_holdings(state, state.seats[seat], names.get(seat, "")) for seat in sorted(state.seats)]
    zone = context.settings.timezone
    rows = [
        (
            seat.id,
            seat.name,
            seat.extension or "-",
            context.words(f"seat_state.{seat.voice.state}"),
            seat.voice.status or "-",
            moment(state.seats[seat.id].voice.seen_since, zone),
            context.words("yes") if seat.reachable else context.words("no"),
            " ".join(seat.queues),
            " ".join(f"{held.doing}:{held.item}" for held in seat.holds) or "-",
        )
        for seat in shown
    ]
    heads = ("seat", "name", "extension", "state", "status", "since", "phone", "queues", "holds")
    context.table([f"head.{head}" for head in heads], rows, [seat.model_dump(mode="json") for seat in shown])
    return Exit.OK


def command(context: Context, given: Input) -> int:
    """Ask the engine to decide and say what came of it. EngineAway and CallFailed are told by api.cli."""
    return asked(context, lambda engine: submit(engine, given, by=BY, via="cli"))


def asked(context: Context, question: Callable[[UnixClient], Awaitable[Answer]]) -> int:
    """The same for any question to the engine."""

    async def ask() -> Answer:
        async with UnixClient(context.settings.socket_path) as engine:
            return await question(engine)

    reply = asyncio.run(ask()).reply
    if isinstance(reply, Refused):
        raise CommandFailed(Exit.REFUSED, f"{reply.say} ({reply.code})")
    if context.args.json:
        context.table((), (), [plain(reply)])
        return Exit.OK
    context.say(" ".join(part for part in (context.words("done"), reply.item, reply.note) if part))
    return Exit.OK


def sign_in(context: Context) -> int:
    """The agent is there."""
    return command(context, SeatSignedIn(context.args.seat, context.args.device))


def sign_out(context: Context) -> int:
    """The agent leaves."""
    return command(context, SeatSignedOut(context.args.seat, context.args.force))


def set_dial_class(context: Context) -> int:
    """Which numbers outside a seat may call."""
    database = open_database(context.settings)
    try:
        with database.write() as session:
            service.set_dial_class(session, context.args.seat, context.args.dial_class)
    except DirectoryError as error:
        code = Exit.UNKNOWN if error.code == "unknown_seat" else Exit.REFUSED
        raise CommandFailed(code, f"{error.say} ({error.code})") from None
    finally:
        database.close()
    context.say(context.words("done"))
    return Exit.OK


def choose_status(context: Context) -> int:
    """A status; during a call it holds afterwards."""
    presence = Presence.TEXT if context.args.text else Presence.VOICE
    return command(context, StatusChosen(context.args.seat, presence, context.args.status))


def end_wrap_up(context: Context) -> int:
    """End wrap-up by hand."""
    return command(context, WrapUpEnded(context.args.seat, context.args.item))


def pick_up(context: Context) -> int:
    """Take a waiting item by hand."""
    return command(context, ItemPicked(context.args.seat, context.args.item))
