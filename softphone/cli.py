"""The phone as a program: events on standard output, commands on standard input, one JSON object a line.

``run(argv)`` is ``ringside phone``. Exit codes are in ``Exit``. Events are those of ``softphone.events`` and
``ready``, ``done``, ``error``; commands are those of ``softphone.session``. The end
of standard input ends the phone, so no phone outlives the program that drives it; ``--stay`` lifts that.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import os
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO

from softphone import options, tones
from softphone.console import Console, clean, keys_of_terminal, read_keys
from softphone.devices import NoSound, as_lines, usable
from softphone.errors import PhoneError
from softphone.events import as_json
from softphone.library import HOW_TO_BUILD, choose
from softphone.session import CommandError, Manner, Quit, Session, check_wav
from softphone.settings import RegisterResult, Settings

if TYPE_CHECKING:
    from softphone.phone import Phone

CERTIFICATE_FAULT = "ECERTVERIF"
UNKNOWN_CERTIFICATE = (
    "Its certificate is not for that name, or nobody known vouches for it: --tls-ca FILE names a PEM file that does."
)
REFUSED = frozenset({401, 403, 404, 407})
"""Answers to REGISTER that say: this extension with this password, no. Anything else is a dead server."""
CLOSE_LIMIT_S = 8.0
LINE_LIMIT = 8192


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    WRONG_PASSWORD = 3
    SERVER_DEAD = 4
    NOT_INSTALLED = 5
    NO_SOUND = 6


class _Output:
    """Writes lines from a thread of its own, so that a slow reader cannot stop the phone. The real standard
    output is kept for JSON alone: the library prints its start-up lines there, which nobody needs."""

    def __init__(self, console: Console | None) -> None:
        self.console = console
        sys.stdout.flush()
        self._kept = os.dup(1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        self._file: TextIO = os.fdopen(os.dup(self._kept), "w", encoding="utf-8", errors="replace")
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.when_broken: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._write, name="output", daemon=True)
        self._thread.start()

    def say(self, message: dict[str, Any]) -> None:
        if self.console is None:
            self.write(json.dumps(message, ensure_ascii=False))
        elif shown := self.console.tell(message):
            self._lines.put(shown)

    def show(self, text: str) -> None:
        if text:
            self._lines.put(text)

    def write(self, line: str) -> None:
        self._lines.put(line + "\n")

    def _write(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                self._file.write(line)
                self._file.flush()
        except OSError:  # nobody reads any more
            self.when_broken()

    def close(self) -> None:
        self._lines.put(None)
        self._thread.join(2)
        with contextlib.suppress(OSError):
            self._file.close()
        os.dup2(self._kept, 1)
        os.close(self._kept)


def _read_lines(put: Callable[[str | Quit], None], stay: bool) -> None:
    """Standard input into the inbox, line by line; bytes that are no UTF-8 and lines without end do no harm."""
    # os.read and not sys.stdin: the interpreter cannot end while a thread waits inside that one's lock
    rest = b""
    while data := os.read(0, LINE_LIMIT):
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > LINE_LIMIT:
            lines, rest = [*lines, rest], b""
        for line in lines:
            if text := line.decode("utf-8", errors="replace").strip():
                put(text)
    if not stay:
        put(Quit())


def _last_resort(seconds: float) -> threading.Timer:
    """A phone that cannot close must not stay behind as a process nobody drives."""
    timer = threading.Timer(seconds, os._exit, (Exit.FAILED,))
    timer.daemon = True
    timer.start()
    return timer


@contextlib.contextmanager
def _signals(handler: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM end the session in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Python runs a handler in the main thread only, and that thread may be asleep in the queue while the signal comes
    # to one of the library's threads. The wake-up pipe is written by the C handler itself, in whichever thread.
    heard, told = os.pipe()
    os.set_blocking(told, False)

    def watch() -> None:
        while os.read(heard, 1):
            handler()
        os.close(heard)

    before = {s: signal.signal(s, lambda *_: None) for s in (signal.SIGINT, signal.SIGTERM)}
    pipe_before = signal.set_wakeup_fd(told)
    threading.Thread(target=watch, name="signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(pipe_before)
        os.close(told)
        for number, old in before.items():
            signal.signal(number, old)


def _usage(text: str) -> int:
    print(f"ringside phone: {text}", file=sys.stderr)
    return Exit.USAGE


def run(argv: Sequence[str]) -> int:
    """The program; its exit code. At most one a process, since pjsua2 allows no more."""
    try:
        args = options.parser().parse_args(argv)
        if fault := options.fault_of(args):
            return _usage(fault)
        password = options.password_of(args)
        registers = bool(args.server) and not args.no_register and not args.list_devices
        if registers and not password and args.person and sys.stdin.isatty():
            password = getpass.getpass(f"Password of extension {clean(args.person)}: ")
        if registers and not password:
            return _usage(
                f"a password is needed: --password-file FILE, or {options.ENVIRONMENT_VARIABLE} in the environment"
            )
        for file in (args.play, args.ring):
            if file is not None:
                check_wav(file)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else Exit.USAGE
    except (CommandError, OSError, UnicodeDecodeError) as error:
        return _usage(str(error))
    try:
        choose(options.wants_sound(args))
        from softphone import phone as library
    except ImportError as error:
        print(
            f"ringside phone: pjsua2 cannot be loaded ({error}). For robots it comes with the extra 'softphone': "
            "pip install 'ringside[softphone]' (or pip install pjsua2-python). For a person with a headset build the "
            f"one that has sound: {HOW_TO_BUILD}",
            file=sys.stderr,
        )
        return Exit.NOT_INSTALLED
    if args.list_devices:
        return _list_devices(args.json)
    settings = options.settings_of(args, password)
    terminal = not args.json and bool(args.person) and sys.stdin.isatty() and sys.stdout.isatty()
    console = Console(settings.user) if terminal else None
    output = _Output(console)
    try:
        with tempfile.TemporaryDirectory(prefix="ringside-phone-") as scratch:
            return _session(args, settings, library, output, Path(scratch), registers)
    finally:
        output.close()


def _list_devices(as_objects: bool) -> int:
    """Print the devices, without a phone; the exit code."""
    from softphone.engine import sound_devices

    output = _Output(None)
    try:
        found = sound_devices()
    except PhoneError as error:
        output.close()
        print(f"ringside phone: {error}", file=sys.stderr)
        return Exit.NO_SOUND
    if as_objects:
        output.say({"event": "devices", "devices": [asdict(device) for device in usable(found)]})
    else:
        for line in as_lines(found):
            output.write(line)
    output.close()
    return Exit.OK


def _session(
    args: argparse.Namespace, settings: Settings, library: ModuleType, output: _Output, scratch: Path, registers: bool
) -> int:
    meters = args.meters or output.console is not None
    manner = Manner(args.auto_answer, args.listen, args.tones, args.register_timeout, settings.sound, meters)
    session = Session(manner, output.say, scratch)
    output.when_broken = lambda: session.inbox.put(Quit())
    play: Path | None = args.play
    if args.tone is not None:
        play = tones.write_tone(scratch / f"tone-{args.tone}.wav", args.tone)
    try:
        phone = library.Phone(settings, session.inbox.put, play=play, record=args.record)
    except PhoneError as error:
        if output.console is None:
            output.say({"event": "error", "say": f"the phone cannot start: {error}"})
        print(f"ringside phone: {error}", file=sys.stderr)
        return Exit.NO_SOUND if isinstance(error, NoSound) else Exit.FAILED
    try:
        with _signals(lambda: session.inbox.put(Quit())):
            output.say({"event": "ready", "at": time.monotonic(), "uri": phone.uri, "port": phone.port})
            if registers and (refused := _register(args, phone, session, output)) is not None:
                return refused
            with _input(session, output, args.stay):
                session.run(phone)
            return Exit.OK
    finally:
        watch = _last_resort(CLOSE_LIMIT_S)
        phone.close()
        _drain(session, output)
        watch.cancel()


@contextlib.contextmanager
def _input(session: Session, output: _Output, stay: bool) -> Iterator[None]:
    """Read lines, or a person's keys, in a thread of its own."""
    console, put = output.console, session.inbox.put
    if console is None:
        threading.Thread(target=_read_lines, args=(put, stay), name="input", daemon=True).start()
        yield
        return

    def pressed(key: str) -> None:
        line, shown = console.press(key)
        output.show(shown)
        if line:
            put(line)

    with keys_of_terminal():
        output.show(console.greeting())
        threading.Thread(target=read_keys, args=(pressed, lambda: put(Quit())), name="keys", daemon=True).start()
        yield


def _register(args: argparse.Namespace, phone: Phone, session: Session, output: _Output) -> Exit | None:
    """Register; the exit code if that failed, with a sentence for a person on standard error."""
    result: RegisterResult = phone.register(args.register_timeout)
    if result.ok:
        return None
    _drain(session, output)
    if result.code in REFUSED:
        print(
            f"ringside phone: {args.server} refuses extension {args.extension}: {result.code} {result.reason}. "
            "Check the extension and its password.",
            file=sys.stderr,
        )
        return Exit.WRONG_PASSWORD
    print(
        f"ringside phone: {args.server} cannot be reached: {f'{result.code} ' if result.code else ''}{result.reason}. "
        + (
            UNKNOWN_CERTIFICATE if CERTIFICATE_FAULT in result.reason else "Is the server up, and is that its SIP port?"
        ),
        file=sys.stderr,
    )
    return Exit.SERVER_DEAD


def _drain(session: Session, output: _Output) -> None:
    """Say what the phone told while nobody served the inbox."""
    while True:
        try:
            item = session.inbox.get_nowait()
        except queue.Empty:
            return
        if not isinstance(item, (str, Quit)):
            output.say(as_json(item))
