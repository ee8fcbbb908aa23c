"""What keeps a directory from being applied: people, queues, menus, entry points, hours, media, statuses. Lines and
dialling are in directory.line_checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from acd.core.model import Destination, Menu, MenuOption, Outcome, Presence, QueueDef, SkillLevel, Way
from directory.bounds import number_problems
from directory.calendar import country_days, minutes_of
from directory.dial_rules import CALLBACK, FORWARD
from directory.line_checks import LINE_CHECKS
from directory.model import Hours, Problem, Snapshot, Stretch
from directory.routes import of_entry, of_menu, of_queue

KEYS = "0123456789*#"
PROMPT = re.compile(r"[A-Za-z0-9_./:&;,=+*-]{1,400}")
"""Names of sounds, several joined by &; what cti plays of them is its own rule."""
MUSIC = re.compile(r"[A-Za-z0-9_-]{1,40}")
OWN_QUEUE = frozenset({Way.VOICEMAIL, Way.CALLBACK})


def twice(values: Iterable[str]) -> Iterator[str]:
    """Each value that occurs again, in order."""
    seen: dict[str, bool] = {}
    for value in values:
        if value in seen:
            yield value
        seen[value] = True


def _extension_problems(given: Snapshot) -> Iterator[Problem]:
    for number in twice(seat.extension for seat in given.seats if seat.extension):
        yield Problem("extension_taken", f"extension {number} belongs to two seats: release it from one of them")


def _seat_problems(given: Snapshot) -> Iterator[Problem]:
    queues = {queue.id for queue in given.queues}
    media = {medium.id: medium for medium in given.media}
    for seat in given.seats:
        for joined in seat.queues:
            if joined.queue not in queues:
                yield Problem("unknown_queue", f"seat {seat.id} serves queue {joined.queue}, which does not exist")
        yield from _skill_problems(f"seat {seat.id}", seat.skills, given)
        for limit in seat.limits:
            if limit.medium not in media:
                yield Problem("unknown_medium", f"seat {seat.id} has a limit for {limit.medium}, which does not exist")
            elif not 0 <= limit.limit <= media[limit.medium].ceiling:
                ceiling = media[limit.medium].ceiling
                yield Problem(
                    "over_ceiling", f"seat {seat.id}: {limit.medium} limit {limit.limit} is not within 0..{ceiling}"
                )


def _skill_problems(who: str, needs: Sequence[SkillLevel], given: Snapshot) -> Iterator[Problem]:
    for need in needs:
        if need.skill not in given.skills:
            yield Problem("unknown_skill", f"{who} names skill {need.skill}, which does not exist")


# --- queues --------------------------------------------------------------------------------------------------------


def _queue_problems(given: Snapshot) -> Iterator[Problem]:
    for queue in given.queues:
        yield from _skill_problems(f"queue {queue.id}", queue.needs, given)
        for ring in queue.rings:
            yield from _skill_problems(f"queue {queue.id}, relaxed", ring.needs, given)
        yield from _queue_waits(queue)
        yield from _queue_sounds(queue)
        yield from _key_problems(f"queue {queue.id}", queue.keys)
        for what, destination in of_queue(queue):
            yield from _destination_problems(f"queue {queue.id}, {what}", destination, given, own_queue=True)
    known = {queue.id for queue in given.queues}
    for retired in given.retired_queues:
        if retired.move_to and retired.move_to not in known:
            yield Problem("unknown_queue", f"queue {retired.queue} moves to {retired.move_to}, which does not exist")


def _queue_waits(queue: QueueDef) -> Iterator[Problem]:
    afters = [ring.after for ring in queue.rings]
    if afters != sorted(afters):
        yield Problem("bad_time", f"queue {queue.id}: the rings of relaxation must come one after another")
    if (queue.max_wait or queue.max_length) and queue.overflow is None:
        yield Problem("no_overflow", f"queue {queue.id} has a maximum and no overflow: say where callers go then")


def _queue_sounds(queue: QueueDef) -> Iterator[Problem]:
    said = queue.speech.prompts if queue.speech else ()
    for prompt in (queue.greeting, *said):
        yield from _prompt_problems(f"queue {queue.id}", prompt)
    if queue.music and not MUSIC.fullmatch(queue.music):
        yield Problem("bad_music", f"queue {queue.id}: music is a class of letters, digits, - and _")


def _prompt_problems(who: str, prompt: str) -> Iterator[Problem]:
    if prompt and (".." in prompt or not PROMPT.fullmatch(prompt)):
        yield Problem("bad_prompt", f"{who}: {prompt[:40]!r} is not a name of a sound")


# --- where callers are led -----------------------------------------------------------------------------------------


def _destination_problems(
    who: str, destination: Destination, given: Snapshot, *, own_queue: bool = False
) -> Iterator[Problem]:
    """`own_queue`: "" may stand for the queue the caller waits in."""
    yield from _prompt_problems(who, destination.prompt)
    match destination.way:
        case Way.QUEUE | Way.VOICEMAIL | Way.CALLBACK:
            optional = own_queue and destination.way in OWN_QUEUE
            if not (optional and not destination.to) and given.queue(destination.to) is None:
                yield Problem("unknown_queue", f"{who} leads to queue {destination.to}, which does not exist")
        case Way.MENU:
            if given.menu(destination.to) is None:
                yield Problem("unknown_menu", f"{who} leads to menu {destination.to}, which does not exist")
        case Way.OUTSIDE:
            if destination.route is None or not destination.route.address:
                yield Problem("no_number", f"{who} leads outside and names no number")
            elif given.dial_class(FORWARD) is None:
                yield Problem(
                    "no_forward_class", f"{who} leads outside: make dial class {FORWARD} with numbers allowed"
                )
            elif given.code(destination.route.prefix) is None:
                code = destination.route.prefix
                yield Problem("unknown_code", f"{who} leads outside by outbound code {code}, which does not exist")
        case Way.HANG_UP:
            if destination.outcome is Outcome.ANSWERED:
                yield Problem("bad_outcome", f"{who} hangs up: nobody answered, so it cannot be booked so")


def _key_problems(who: str, keys: Sequence[MenuOption]) -> Iterator[Problem]:
    for key in keys:
        if len(key.digit) != 1 or key.digit not in KEYS:
            yield Problem("bad_digit", f"{who}: {key.digit[:10]!r} is not a key of a phone")
    for digit in twice(key.digit for key in keys):
        yield Problem("digit_twice", f"{who} has key {digit} twice")


def _menu_problems(given: Snapshot) -> Iterator[Problem]:
    for menu in given.menus:
        who = f"menu {menu.id}"
        if not menu.prompt or not menu.options or menu.tries < 1 or menu.timeout <= 0:
            yield Problem("bad_menu", f"{who} needs a prompt, a key, a try and a time-out above 0")
        yield from _prompt_problems(who, menu.prompt)
        yield from _key_problems(who, menu.options)
        for what, destination in of_menu(menu):
            yield from _destination_problems(f"{who}, {what}", destination, given)


Step = tuple[Way, str]


def _circle_problems(given: Snapshot) -> Iterator[Problem]:
    """A caller who presses nothing must come to an end: a queue that serves him, a message, a hang-up."""
    onward: dict[Step, tuple[Step, ...]] = {(Way.MENU, menu.id): _onward(menu) for menu in given.menus}
    onward |= {(Way.QUEUE, queue.id): _out_of(queue) for queue in given.queues}
    told: dict[Step, bool] = {}
    for start in onward:
        path = _circle(start, onward)
        if path and not any(step in told for step in path):
            told |= dict.fromkeys(path, True)
            words = " → ".join(f"{way} {name}" for way, name in (*path, path[0]))
            yield Problem("circle", f"callers would go round for ever: {words}")


def _onward(menu: Menu) -> tuple[Step, ...]:
    return ((menu.default.way, menu.default.to),)


def _out_of(queue: QueueDef) -> tuple[Step, ...]:
    chosen = (queue.overflow, queue.closed, queue.empty)
    return tuple((one.way, one.to) for one in chosen if one is not None)


def _circle(start: Step, onward: Mapping[Step, tuple[Step, ...]]) -> tuple[Step, ...]:
    """The way from `start` back to it, () when there is none."""
    paths: list[tuple[Step, ...]] = [(start,)]
    seen: dict[Step, bool] = {}
    while paths:
        path = paths.pop()
        for step in onward.get(path[-1], ()):
            if step == start:
                return path
            if step not in seen:
                seen[step] = True
                paths.append((*path, step))
    return ()


# --- entry points, hours, statuses, media ---------------------------------------------------------------------------


def _entry_problems(given: Snapshot) -> Iterator[Problem]:
    queues = {queue.id for queue in given.queues}
    media = {medium.id for medium in given.media}
    for entry in given.entries:
        who = f"entry point {entry.id}"
        if entry.queue not in queues:
            yield Problem("unknown_queue", f"{who} leads to queue {entry.queue}, which does not exist")
        if entry.medium not in media:
            yield Problem("unknown_medium", f"{who} is of medium {entry.medium}, which does not exist")
        if entry.hours and given.hours_named(entry.hours) is None:
            yield Problem("unknown_hours", f"{who} has hours {entry.hours}, which do not exist")
        if entry.callback and given.code(entry.callback) is None:
            yield Problem("unknown_code", f"{who} calls back by outbound code {entry.callback}, which does not exist")
        if entry.callback and given.dial_class(CALLBACK) is None:
            yield Problem("no_callback_class", f"{who} calls back: make dial class {CALLBACK} with the numbers allowed")
        yield from _skill_problems(who, entry.needs, given)
        for prompt in (entry.greeting, entry.closed_prompt, entry.break_prompt, entry.refused_prompt):
            yield from _prompt_problems(who, prompt)
        for what, destination in of_entry(entry):
            yield from _destination_problems(f"{who}, {what}", destination, given)


def _hours_problems(given: Snapshot) -> Iterator[Problem]:
    for hours in given.hours:
        for say in _wrong_hours(hours):
            yield Problem("bad_hours", f"hours {hours.id}: {say}")
    for joined in given.queue_hours:
        if given.hours_named(joined.hours) is None:
            yield Problem("unknown_hours", f"queue {joined.queue} has hours {joined.hours}, which do not exist")


def _wrong_hours(hours: Hours) -> Iterator[str]:
    try:
        ZoneInfo(hours.zone)
        if hours.holidays:
            country_days(hours.holidays, 2026)
        for special in hours.special:
            _check_date(special.date)
    except (ZoneInfoNotFoundError, ValueError) as error:
        yield str(error)
    if any(not 0 <= day.day <= 6 for day in hours.week) or not -1 <= hours.make_up_day <= 6:
        yield "a day of the week is 0 (Monday) to 6"
    if repeated := next(twice(str(day.day) for day in hours.week), ""):
        yield f"day {repeated} is given twice"
    if repeated := next(twice(special.date for special in hours.special), ""):
        yield f"{repeated} is given twice"
    of_days = [part for times in hours.week for part in (times.open, times.breaks)]
    for stretches in (*of_days, *(part for times in hours.special for part in (times.open, times.breaks))):
        yield from _wrong_stretches(stretches)


def _check_date(text: str) -> None:
    """Raises ValueError for another spelling than the one that dates are compared in, such as 20261225."""
    if date.fromisoformat(text).isoformat() != text:
        raise ValueError(f"{text[:20]!r} is not a date like 2026-12-25")


def _wrong_stretches(stretches: Sequence[Stretch]) -> Iterator[str]:
    until = 0
    for one in stretches:
        try:
            begins, ends = minutes_of(one.begins), minutes_of(one.ends)
        except ValueError as error:
            yield str(error)
            return
        if not until <= begins < ends:
            yield f"{one.begins}-{one.ends} must end after it begins, and begin after the one before"
        until = ends


def _status_problems(given: Snapshot) -> Iterator[Problem]:
    for presence in Presence:
        offered = [status for status in given.statuses if status.presence is presence]
        first = [status.id for status in offered if status.after_login]
        if offered and len(first) != 1:
            yield Problem("status_after_login", f"exactly one {presence} status must hold after log-in, not {first}")
    for retired in (status.id for status in given.statuses if status.retired):
        yield Problem("bad_document", f"status {retired} is in use: leave it out of the document to retire it")


def _medium_problems(given: Snapshot) -> Iterator[Problem]:
    known = {medium.id for medium in given.media} | {"*"}
    for medium in given.media:
        if not 0 <= medium.limit <= medium.ceiling:
            yield Problem("over_ceiling", f"medium {medium.id}: limit {medium.limit} is not within 0..{medium.ceiling}")
        for other in medium.excludes + medium.wrap_up_blocks:
            if other not in known:
                yield Problem("unknown_medium", f"medium {medium.id} keeps away {other}, which does not exist")


CHECKS: tuple[Callable[[Snapshot], Iterator[Problem]], ...] = (
    number_problems,
    _medium_problems,
    _status_problems,
    _hours_problems,
    _queue_problems,
    _menu_problems,
    _circle_problems,
    *LINE_CHECKS,
    _extension_problems,
    _seat_problems,
    _entry_problems,
)


def problems(given: Snapshot) -> list[Problem]:
    """Everything that keeps this directory from being applied; empty when it is sound."""
    return [problem for check in CHECKS for problem in check(given)]
