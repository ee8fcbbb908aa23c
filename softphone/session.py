"""One run of the phone as a program: the phone's events and the reader's command lines meet here.

A command is one JSON object on one line with a text ``do``; COMMANDS lists them. An ``id`` in it comes back in the
answer, which is ``done`` or ``error``. A bad command gets an ``error`` and changes nothing.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import queue
import time
import wave
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softphone import tones
from softphone.devices import ROLES, Device, Role, usable
from softphone.errors import PhoneError
from softphone.events import Answered, Ended, Event, Heard, Incoming, Media, Rings, as_json
from softphone.ring import Ring, ring_files, ring_for
from softphone.settings import MAX_VOLUME, SoundSettings

if TYPE_CHECKING:
    from softphone.phone import Phone

LISTEN_EVERY_S = 0.1
TRIAL_S = 3.0
TRIAL_HZ = 440
ECHO_NUMBER = "*43"
"""Asterisk's usual number for it, and the one of Ringside's dial plan."""


class CommandError(Exception):
    """A command that cannot be carried out; the text says why."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the phone behaves by itself: seconds until it answers (None: by hand), whether it tells what it hears,
    the tones it knows, how long to wait for the server, its sound (None: a robot's), and whether it tells levels."""

    auto_answer_s: float | None
    listen: bool
    tones: tuple[int, ...]
    register_limit_s: float
    sound: SoundSettings | None = None
    meters: bool = False


class Quit:
    """Put in the inbox when the program is to end."""


class Session:
    """One run of the program: the phone's events and the reader's lines meet in one inbox, in one thread."""

    def __init__(self, manner: Manner, say: Callable[[dict[str, Any]], None], scratch: Path) -> None:
        self._manner, self._say, self._scratch = manner, say, scratch
        self.inbox: queue.SimpleQueue[Event | str | Quit] = queue.SimpleQueue()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._up: set[int] = set()
        self._waiting: set[int] = set()
        self._heard: dict[int, frozenset[int]] = {}
        self._ringing: Ring = "none"
        self._meters, self._metering = manner.meters, False
        self._trial = 0
        self._rings = ring_files(scratch, manner.sound.ring) if manner.sound is not None else {}
        self._phone: Phone

    def run(self, phone: Phone) -> None:
        """Serve until told to quit."""
        self._phone = phone
        while True:
            item = self._next()
            if isinstance(item, Quit):
                return
            if isinstance(item, str):
                if self._command(item):
                    return
            elif item is not None:
                self._event(item)

    def _next(self) -> Event | str | Quit | None:
        """The next thing to handle; None after a timer has run."""
        wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
        with contextlib.suppress(queue.Empty):
            return self.inbox.get(timeout=wait)
        heapq.heappop(self._due)[2]()
        return None

    def _after(self, seconds: float, job: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), job))

    # -- events -----------------------------------------------------------------------------------------

    def _event(self, event: Event) -> None:
        self._say(as_json(event))
        match event:
            case Incoming(call=number):
                self._waiting.add(number)
                if self._manner.auto_answer_s is not None:
                    self._after(self._manner.auto_answer_s, lambda: self._answer_by_itself(number))
            case Answered(call=number):
                self._waiting.discard(number)
                self._up.add(number)
            case Media(call=number, status="active") if self._manner.listen and number not in self._heard:
                self._heard[number] = frozenset()
                self._after(LISTEN_EVERY_S, lambda: self._listen(number))
            case Ended(call=number):
                self._waiting.discard(number)
                self._up.discard(number)
                self._heard.pop(number, None)
        if self._manner.sound is not None:
            self._ring()
            self._meter()

    # -- sound ------------------------------------------------------------------------------------------

    def _ring(self) -> None:
        """Ring as the calls that wait and those that are up ask for."""
        wanted = ring_for(self._waiting, self._up)
        if wanted == self._ringing:
            return
        self._ringing = wanted
        self._trial += 1  # a tone being tried out is over
        self._quietly(lambda: self._phone.ring(wanted, self._rings))
        self._say(as_json(Rings(time.monotonic(), wanted)))

    def _meter(self) -> None:
        """Tell the levels from the first call that is up until the last has ended."""
        if self._meters and self._up and not self._metering:
            self._metering = True
            self._after(LISTEN_EVERY_S, self._tell_levels)

    def _tell_levels(self) -> None:
        self._metering = False
        with contextlib.suppress(PhoneError):
            if self._meters and self._up:
                self._say(as_json(self._phone.levels()))
        self._meter()

    def _end_trial(self, trial: int) -> None:
        if trial == self._trial:
            self._quietly(self._phone.silence)

    def _answer_by_itself(self, number: int) -> None:
        """Not while another call is up: a person has one pair of ears; the call rings on until that ends."""
        if number not in self._waiting:
            return
        if self._up:
            self._after(LISTEN_EVERY_S, lambda: self._answer_by_itself(number))
            return
        self._quietly(lambda: self._phone.answer(number))

    def _listen(self, number: int) -> None:
        if number not in self._heard:
            return
        now: dict[int, float] = {}
        with contextlib.suppress(PhoneError):
            now = self._phone.hears(number, self._manner.tones)
        if frozenset(now) != self._heard[number]:
            self._heard[number] = frozenset(now)
            self._say(as_json(Heard(time.monotonic(), number, now)))
        self._after(LISTEN_EVERY_S, lambda: self._listen(number))

    def _quietly(self, job: Callable[[], None]) -> None:
        try:
            job()
        except PhoneError as error:
            self._say({"event": "error", "say": str(error)})

    # -- commands ---------------------------------------------------------------------------------------

    def _command(self, line: str) -> bool:
        """Carry out one line; whether it was the last."""
        order: dict[str, Any] = {}
        try:
            order = _order(line)
            name = order["do"]
            if name == "quit":
                return True
            action = COMMANDS.get(name)
            if action is None:
                raise CommandError(f"unknown command {name[:40]!r}; known: {', '.join([*COMMANDS, 'quit'])}")
            answer = action(self, order)
            self._say({"event": "done", "do": name, **answer, **_id(order)})
        except (CommandError, PhoneError, OSError) as error:
            self._say({"event": "error", "say": str(error), **_id(order)})
        return False

    def _which(self, order: dict[str, Any]) -> int:
        """The call a command is about: the named one, else the newest."""
        named = order.get("call")
        calls = self._phone.active()
        if named is None:
            if not calls:
                raise CommandError("there is no call")
            return calls[-1]
        if type(named) is not int or named not in calls:
            raise CommandError(f"there is no call {str(named)[:40]} (any more)")
        return named

    def _do_call(self, order: dict[str, Any]) -> dict[str, Any]:
        headers = order.get("headers", {})
        if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
            raise CommandError("headers are an object of texts")
        return {"call": self._phone.call(_text(order, "to"), headers)}

    def _do_answer(self, order: dict[str, Any]) -> dict[str, Any]:
        code = _integer(order, "code", 200, 180, 299)
        waiting = sorted(self._waiting)
        if "call" not in order and not waiting:
            raise CommandError("no call is waiting to be answered")
        number = self._which(order) if "call" in order else waiting[0]
        if number not in self._waiting:
            raise CommandError(f"call {number} is not waiting to be answered")
        self._phone.answer(number, code)
        if self._manner.sound is not None and code >= 200:
            self._waiting.discard(number)
            self._ring()
        return {"call": number}

    def _do_decline(self, order: dict[str, Any]) -> dict[str, Any]:
        code = _integer(order, "code", 486, 300, 699)
        number = self._which(order)
        if number not in self._waiting:
            raise CommandError(f"call {number} is not waiting to be answered")
        self._phone.decline(number, code)
        return {"call": number}

    def _do_hold(self, order: dict[str, Any]) -> dict[str, Any]:
        self._phone.hold(number := self._which(order))
        return {"call": number}

    def _do_resume(self, order: dict[str, Any]) -> dict[str, Any]:
        self._phone.resume(number := self._which(order))
        return {"call": number}

    def _do_mute(self, order: dict[str, Any]) -> dict[str, Any]:
        self._phone.mute(number := self._which(order), on=True)
        return {"call": number}

    def _do_unmute(self, order: dict[str, Any]) -> dict[str, Any]:
        self._phone.mute(number := self._which(order), on=False)
        return {"call": number}

    def _do_dtmf(self, order: dict[str, Any]) -> dict[str, Any]:
        self._phone.dtmf(number := self._which(order), _text(order, "digits"))
        return {"call": number}

    def _do_hangup(self, order: dict[str, Any]) -> dict[str, Any]:
        self._phone.hang_up(number := self._which(order))
        return {"call": number}

    def _do_play(self, order: dict[str, Any]) -> dict[str, Any]:
        number = self._which(order)
        if "tone" in order:
            hz = _integer(order, "tone", 0, 1, tones.RATE // 2 - 1)
            path = tones.write_tone(self._scratch / f"tone-{hz}.wav", hz)
        else:
            path = Path(_text(order, "file"))
            check_wav(path)
        self._phone.play_file(number, path)
        return {"call": number}

    def _do_transfer(self, order: dict[str, Any]) -> dict[str, Any]:
        self._phone.transfer(number := self._which(order), _text(order, "to"))
        return {"call": number}

    def _do_join(self, order: dict[str, Any]) -> dict[str, Any]:
        number, other = self._which(order), order.get("other")
        if type(other) is not int or other not in self._phone.active() or other == number:
            raise CommandError("other is the number of a second call of ours")
        self._phone.transfer_attended(number, other)
        return {"call": number}

    def _do_hears(self, order: dict[str, Any]) -> dict[str, Any]:
        number = self._which(order)
        heard = self._phone.hears(number, self._manner.tones)
        return {"call": number, "tones": heard, "loudness": round(self._phone.loudness(number), 4)}

    def _do_stats(self, order: dict[str, Any]) -> dict[str, Any]:
        number = self._which(order)
        return {"call": number, **asdict(self._phone.stats(number))}

    def _do_register(self, _: dict[str, Any]) -> dict[str, Any]:
        result = self._phone.register(self._manner.register_limit_s)
        if not result.ok:
            raise CommandError(f"not registered: {result.code} {result.reason}")
        return {"code": result.code}

    def _do_unregister(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"confirmed": self._phone.unregister()}

    def _do_devices(self, _: dict[str, Any]) -> dict[str, Any]:
        found = [asdict(device) for device in usable(self._phone.devices())]
        return {"devices": found, "chosen": _names(self._phone.chosen())}

    def _do_use(self, order: dict[str, Any]) -> dict[str, Any]:
        wanted = {role: str(order[role]) for role in ROLES if isinstance(order.get(role), (str, int))}
        if not wanted:
            raise CommandError(f"use needs a device for one of {', '.join(ROLES)}")
        return {"chosen": _names(self._phone.use(wanted))}

    def _do_volume(self, order: dict[str, Any]) -> dict[str, Any]:
        wanted = {role: _integer(order, role, 100, 0, MAX_VOLUME) for role in ROLES if role in order}
        if not wanted:
            raise CommandError(f"volume needs a percentage for one of {', '.join(ROLES)}")
        volumes: dict[Role, int] = {}
        for role, percent in wanted.items():
            volumes = self._phone.volume(role, percent)
        return {"volumes": volumes}

    def _do_levels(self, _: dict[str, Any]) -> dict[str, Any]:
        now = self._phone.levels()
        return {"microphone": now.microphone, "speaker": now.speaker}

    def _do_meters(self, order: dict[str, Any]) -> dict[str, Any]:
        if type(order.get("on")) is not bool:
            raise CommandError('meters needs "on": true or false')
        self._meters = order["on"]
        self._meter()
        return {"on": self._meters}

    def _do_try(self, order: dict[str, Any]) -> dict[str, Any]:
        """A tone at the speaker, ringing at the ringer, or the microphone in one's own ear, for three seconds."""
        role = next((role for role in ROLES if role == order.get("what")), None)
        if role is None:
            raise CommandError(f'try needs "what": one of {", ".join(ROLES)}')
        if self._up or self._waiting:
            raise CommandError("not during a call")
        self._trial = trial = self._trial + 1
        tone = tones.write_tone(self._scratch / "try.wav", TRIAL_HZ)
        self._phone.try_out(role, self._rings.get("ring", tone) if role == "ringer" else tone)
        self._after(TRIAL_S, lambda: self._end_trial(trial))
        return {"what": role, "seconds": TRIAL_S}

    def _do_silence(self, _: dict[str, Any]) -> dict[str, Any]:
        self._phone.silence()
        return {}

    def _do_echo(self, _: dict[str, Any]) -> dict[str, Any]:
        """Call the server's echo: what one says comes back over the whole way."""
        return {"call": self._phone.call(ECHO_NUMBER)}

    def _do_calls(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"calls": list(self._phone.active()), "waiting": sorted(self._waiting), "up": sorted(self._up)}


COMMANDS: dict[str, Callable[[Session, dict[str, Any]], dict[str, Any]]] = {
    "call": Session._do_call,
    "answer": Session._do_answer,
    "decline": Session._do_decline,
    "hold": Session._do_hold,
    "resume": Session._do_resume,
    "mute": Session._do_mute,
    "unmute": Session._do_unmute,
    "dtmf": Session._do_dtmf,
    "play": Session._do_play,
    "transfer": Session._do_transfer,
    "join": Session._do_join,
    "hears": Session._do_hears,
    "stats": Session._do_stats,
    "calls": Session._do_calls,
    "devices": Session._do_devices,
    "use": Session._do_use,
    "volume": Session._do_volume,
    "levels": Session._do_levels,
    "meters": Session._do_meters,
    "try": Session._do_try,
    "silence": Session._do_silence,
    "echo": Session._do_echo,
    "hangup": Session._do_hangup,
    "register": Session._do_register,
    "unregister": Session._do_unregister,
}


def _names(devices: Mapping[Role, Device]) -> dict[str, str]:
    return {role: device.name for role, device in devices.items()}


def _order(line: str) -> dict[str, Any]:
    try:
        order = json.loads(line)
    except (ValueError, RecursionError):
        raise CommandError("a command is one JSON object on one line") from None
    if not isinstance(order, dict) or not isinstance(order.get("do"), str):
        raise CommandError('a command is a JSON object with a text "do"')
    return order


def _id(order: dict[str, Any]) -> dict[str, Any]:
    given = order.get("id")
    return {"id": given} if isinstance(given, (int, str)) else {}


def _text(order: dict[str, Any], name: str) -> str:
    value = order.get(name)
    if not isinstance(value, str) or not value:
        raise CommandError(f'{order["do"]} needs a text "{name}"')
    return value


def _integer(order: dict[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = order.get(name, default)
    if type(value) is not int or not low <= value <= high:
        raise CommandError(f'"{name}" is a whole number from {low} to {high}')
    return value


def check_wav(path: Path) -> None:
    """Raise CommandError unless ``path`` is a WAV that the phone can play: pjsua2 says only a number."""
    try:
        with wave.open(str(path), "rb") as file:
            fits = file.getnchannels() == 1 and file.getsampwidth() == 2 and file.getnframes() > 0
    except (OSError, EOFError, wave.Error) as error:
        raise CommandError(f"{path}: {error}") from None
    if not fits:
        raise CommandError(f"{path}: only a mono WAV of 16 bit with some sound in it can be played")
