"""A person's phone in a terminal: single keys in, sentences and level meters out.

``Console`` only translates: keys into the command lines of ``softphone.session``, and what the session says into text.
It keeps what it needs of the calls for that, nothing else. ``tell`` and ``press`` are called in two threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from softphone.levels import bar

KEYPAD = "0123456789*#"
STEP = 10
"""Percent that one press changes a volume by."""
CLEAR = "\r\x1b[K"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
ENDS = "\r\n"
RUBOUT = "\x7f\b"
ESCAPE = "\x1b"
LEAVE = "\x03\x04"

HELP = """\
  a answer     h hang up, or decline      p hold, and back      m microphone off, and on
  0-9 * # keypad      c call a number     t transfer to a number
  + - speaker volume  ] [ microphone      d devices
  s tone at the speaker  r ring           l hear yourself       e echo call over the server
  ? these keys           q leave"""


class Console:
    """What one person sees and does. ``press`` gives a command line (or nothing) and what to show."""

    def __init__(self, extension: str) -> None:
        self._extension = extension
        self._lock = threading.Lock()
        self._waiting: list[int] = []
        self._up: list[int] = []
        self._held: set[int] = set()
        self._muted: set[int] = set()
        self._volumes = {"microphone": 100, "speaker": 100}
        self._asking = ""
        self._typed = ""

    def greeting(self) -> str:
        return f"Extension {clean(self._extension)}. Keys:\n{HELP}\n"

    # -- keys -------------------------------------------------------------------------------------------

    def press(self, key: str) -> tuple[str, str]:
        """One key: the command line for the session, or "", and the text to show, or ""."""
        with self._lock:
            if self._asking:
                return self._type(key)
            if key in KEYPAD and self._up:
                return order("dtmf", digits=key), ""
            action = KEYS.get(key)
            return action(self) if action else ("", "")

    def _type(self, key: str) -> tuple[str, str]:
        """A number being typed, ended by Enter, given up by Escape."""
        if key in ENDS:
            asked, typed = self._asking, self._typed
            self._asking = self._typed = ""
            return (order(asked, to=typed) if typed else ""), "\n"
        if key == ESCAPE or key in LEAVE:
            self._asking = self._typed = ""
            return "", CLEAR
        if key in RUBOUT:
            self._typed = self._typed[:-1]
        elif key.isprintable() and not key.isspace():
            self._typed += key
        return "", f"{CLEAR}{self._asking}: {self._typed}"

    def _ask(self, what: str) -> tuple[str, str]:
        self._asking = what
        return "", f"{CLEAR}{what}: "

    def _answer(self) -> tuple[str, str]:
        return (order("answer"), "") if self._waiting else ("", "no call is waiting\n")

    def _hang_up(self) -> tuple[str, str]:
        """The call that is up; else decline the one that waits; else give up the one being placed."""
        if self._up:
            return order("hangup", call=self._up[-1]), ""
        if self._waiting:
            return order("decline", call=self._waiting[0]), ""
        return order("hangup"), ""

    def _hold(self) -> tuple[str, str]:
        if not self._up:
            return "", "no call is up\n"
        call = self._up[-1]
        held = call in self._held
        (self._held.discard if held else self._held.add)(call)
        return order("resume" if held else "hold", call=call), "back\n" if held else "on hold\n"

    def _mute(self) -> tuple[str, str]:
        if not self._up:
            return "", "no call is up\n"
        call = self._up[-1]
        muted = call in self._muted
        (self._muted.discard if muted else self._muted.add)(call)
        return order("unmute" if muted else "mute", call=call), f"microphone {'on' if muted else 'off'}\n"

    def _volume(self, role: str, change: int) -> tuple[str, str]:
        now = self._volumes[role] = max(0, min(200, self._volumes[role] + change))
        return order("volume", **{role: now}), f"{CLEAR}{role} {now} %\n"

    # -- what the session says --------------------------------------------------------------------------

    def tell(self, said: Mapping[str, Any]) -> str:
        """A message of the session as text; "" for what a person need not see."""
        with self._lock:
            event = str(said["event"])
            self._follow(event, said)
            if event == "levels":
                return "" if self._asking else self._meters(said)
            write = TEXTS.get(event)
            text = write(said) if write else ""
            return f"{CLEAR}{text}\n" if text else ""

    def _follow(self, event: str, said: Mapping[str, Any]) -> None:
        call = said.get("call")
        if not isinstance(call, int):
            return
        if event == "incoming":
            self._waiting.append(call)
        elif event == "answered":
            self._forget(call)
            self._up.append(call)
        elif event == "ended":
            self._forget(call)

    def _forget(self, call: int) -> None:
        for calls in (self._waiting, self._up):
            if call in calls:
                calls.remove(call)
        self._held.discard(call)
        self._muted.discard(call)

    def _meters(self, said: Mapping[str, Any]) -> str:
        off = bool(self._up) and self._up[-1] in self._muted
        left = f"microphone {'off       ' if off else bar(said['microphone'])} {said['microphone']:6.1f} dB"
        return f"{CLEAR}{left}   speaker {bar(said['speaker'])} {said['speaker']:6.1f} dB"


def clean(text: object) -> str:
    """What others sent, so that it cannot steer the terminal."""
    return CONTROL.sub("·", str(text))[:200]


def order(do: str, **fields: object) -> str:
    return json.dumps({"do": do, **fields}, ensure_ascii=False)


def _devices(said: Mapping[str, Any]) -> str:
    chosen = said["chosen"]
    lines = [f"{role}: {clean(name)}" for role, name in chosen.items()]
    lines += [f"{device['number']:>4} {clean(device['name'])}" for device in said["devices"]]
    return "\n".join(lines)


KEYS: Mapping[str, Callable[[Console], tuple[str, str]]] = {
    "a": Console._answer,
    "\r": Console._answer,
    "\n": Console._answer,
    "h": Console._hang_up,
    "p": Console._hold,
    "m": Console._mute,
    "c": lambda console: console._ask("call"),
    "t": lambda console: console._ask("transfer"),
    "+": lambda console: console._volume("speaker", STEP),
    "-": lambda console: console._volume("speaker", -STEP),
    "]": lambda console: console._volume("microphone", STEP),
    "[": lambda console: console._volume("microphone", -STEP),
    "d": lambda _: (order("devices"), ""),
    "s": lambda _: (order("try", what="speaker"), ""),
    "r": lambda _: (order("try", what="ringer"), ""),
    "l": lambda _: (order("try", what="microphone"), "speak: you hear yourself for three seconds\n"),
    "e": lambda _: (order("echo"), ""),
    "?": lambda _: ("", f"{HELP}\n"),
    "q": lambda _: (order("quit"), ""),
}

TEXTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "registered": lambda _: "registered",
    "register-failed": lambda said: f"not registered: {said['code']} {clean(said['reason'])}",
    "unregistered": lambda _: "left the server",
    "incoming": lambda said: f"\a{clean(said['remote'])} calls: a answers, h declines",
    "calling": lambda said: f"calling {clean(said['to'])}",
    "ringing": lambda _: "it rings there",
    "answered": lambda _: "connected",
    "ended": lambda said: f"ended: {said['code']} {clean(said['reason'])}, {said['seconds']:.0f} s",
    "dtmf": lambda said: f"key {clean(said['digit'])}",
    "transfer": lambda said: f"transfer: {said['code']} {clean(said['reason'])}",
    "sound-failed": lambda said: f"no sound: {clean(said['say'])}",
    "sound-back": lambda _: "the sound is back",
    "error": lambda said: clean(said["say"]),
    "done": lambda said: _devices(said) if said["do"] == "devices" else "",
}


@contextlib.contextmanager
def keys_of_terminal() -> Iterator[None]:
    """Each key at once and unseen; the terminal as it was afterwards."""
    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)
    tty.setcbreak(file)
    try:
        yield
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)


def read_keys(pressed: Callable[[str], None], ended: Callable[[], None]) -> None:
    """Standard input key by key, until it ends. What an arrow or function key sends counts as Escape."""
    while data := os.read(0, 64):
        text = data.decode("utf-8", errors="ignore")
        for key in ESCAPE if text.startswith(ESCAPE) else text:
            pressed(key)
    ended()
