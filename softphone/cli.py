"""The phone as a program: events on standard output, commands on standard input, one JSON object a line.

``run(argv)`` is ``ringside phone``. Exit codes are in ``Exit``. Events are those of ``softphone.events`` and
``ready``, ``done``, ``error``; commands are those of ``softphone.session``. The end
of standard input ends the phone, so no phone outlives the program that drives it; ``--stay`` lifts that.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO

from softphone import tones
from softphone.errors import PhoneError
from softphone.events import as_json
from softphone.session import CommandError, Manner, Quit, Session, check_wav
from softphone.settings import RegisterResult, Settings

if TYPE_CHECKING:
    from softphone.phone import Phone

ENVIRONMENT_VARIABLE = "RINGSIDE_PHONE_PASSWORD"
REFUSED = frozenset({401, 403, 404, 407})
"""Answers to REGISTER that say: this extension with this password, no. Anything else is a dead server."""
REGISTER_LIMIT_S = 5.0
CLOSE_LIMIT_S = 8.0
LINE_LIMIT = 8192
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    WRONG_PASSWORD = 3
    SERVER_DEAD = 4
    NOT_INSTALLED = 5


def _number(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low} and {high}")
        return value

    return convert


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds up to 86400")
    return value


def _server(text: str) -> str:
    host, _, port = text.partition(":")
    fits = HOST.fullmatch(host) and (not port or (port.isdecimal() and 0 < int(port) <= 65_535))
    if text and not fits:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST or HOST:PORT")
    return text


def _tone_list(text: str) -> tuple[int, ...]:
    one = _number(1, tones.RATE // 2 - 1)
    return tuple(one(part) for part in text.split(","))


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="ringside phone",
        description="A SIP phone: JSON events on standard output, JSON commands on standard input, one a line.",
        epilog=f"The password comes from --password-file or the environment variable {ENVIRONMENT_VARIABLE}. "
        'Commands: {"do": "call", "to": "81"}, answer, decline (code), hold, resume, mute, unmute, dtmf (digits), '
        "play (file | tone), transfer (to), join (other), hears, stats, calls, register, unregister, hangup, quit. "
        "Exit: 0 ended as asked, 2 wrong usage, 3 extension or password refused, 4 server does not answer, "
        "5 pjsua2 is not installed.",
    )
    p.add_argument("--extension", required=True, help="who we are: the user part of our SIP address")
    p.add_argument("--server", default="", type=_server, metavar="HOST[:PORT]", help="where to register and to call")
    p.add_argument("--password-file", type=Path, metavar="FILE")
    p.add_argument("--no-register", action="store_true", help="call as an anonymous account, without a password")
    p.add_argument("--display-name", default="", help="the name shown to those we call")
    p.add_argument("--auto-answer", type=_seconds, metavar="SECONDS", help="answer each call after that time")
    sound = p.add_mutually_exclusive_group()
    sound.add_argument("--play", type=Path, metavar="FILE", help="WAV (mono, 16 bit) to play into each call")
    sound.add_argument("--tone", type=_number(1, tones.RATE // 2 - 1), metavar="HZ", help="play a tone instead")
    p.add_argument("--record", type=Path, metavar="FILE", help="record what we hear; call N goes to FILE-N")
    p.add_argument("--listen", action="store_true", help="tell which tones are heard, whenever that changes")
    p.add_argument("--tones", type=_tone_list, default=tones.KNOWN, metavar="HZ,HZ", help="the tones to know")
    p.add_argument("--address", default="", help="our own IP address (127.0.0.1 for a server on this machine)")
    p.add_argument("--local-port", type=_number(0, 65_535), default=0, metavar="PORT", help="SIP (0: any)")
    p.add_argument("--rtp-port", type=_number(0, 65_000), default=0, metavar="PORT", help="first of sound (0: any)")
    p.add_argument("--register-timeout", type=_seconds, default=REGISTER_LIMIT_S, metavar="SECONDS")
    p.add_argument("--stay", action="store_true", help="go on when standard input ends")
    return p


def _password(args: argparse.Namespace) -> str:
    if args.password_file is not None:
        return str(args.password_file.read_text(encoding="utf-8").strip())
    return os.environ.pop(ENVIRONMENT_VARIABLE, "")


def _own_address(args: argparse.Namespace) -> str:
    if args.address:
        return str(args.address)
    host = args.server.rpartition(":")[0] or args.server
    return "127.0.0.1" if not host or host == "localhost" or host.startswith("127.") else ""


class _Output:
    """Writes lines from a thread of its own, so that a slow reader cannot stop the phone. The real standard
    output is kept for JSON alone: the library prints its start-up lines there, which nobody needs."""

    def __init__(self) -> None:
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
        self._lines.put(json.dumps(message, ensure_ascii=False))

    def _write(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                self._file.write(line + "\n")
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
        args = parser().parse_args(argv)
        password = _password(args)
        registers = bool(args.server) and not args.no_register
        if registers and not password:
            return _usage(f"a password is needed: --password-file FILE, or {ENVIRONMENT_VARIABLE} in the environment")
        if args.play is not None:
            check_wav(args.play)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else Exit.USAGE
    except (CommandError, OSError, UnicodeDecodeError) as error:
        return _usage(str(error))
    try:
        from softphone import phone as library
    except ImportError as error:
        print(
            f"ringside phone: pjsua2 cannot be loaded ({error}). It comes with the extra 'softphone': "
            "pip install 'ringside[softphone]' (or pip install pjsua2-python)",
            file=sys.stderr,
        )
        return Exit.NOT_INSTALLED
    settings = Settings(
        user=args.extension,
        display_name=args.display_name,
        server=args.server,
        password=password,
        address=_own_address(args),
        local_port=args.local_port,
        rtp_port=args.rtp_port,
    )
    output = _Output()
    try:
        with tempfile.TemporaryDirectory(prefix="ringside-phone-") as scratch:
            return _session(args, settings, library, output, Path(scratch), registers)
    finally:
        output.close()


def _session(
    args: argparse.Namespace, settings: Settings, library: ModuleType, output: _Output, scratch: Path, registers: bool
) -> int:
    manner = Manner(args.auto_answer, args.listen, args.tones, args.register_timeout)
    session = Session(manner, output.say, scratch)
    output.when_broken = lambda: session.inbox.put(Quit())
    play: Path | None = args.play
    if args.tone is not None:
        play = tones.write_tone(scratch / f"tone-{args.tone}.wav", args.tone)
    try:
        phone = library.Phone(settings, session.inbox.put, play=play, record=args.record)
    except PhoneError as error:
        output.say({"event": "error", "say": f"the phone cannot start: {error}"})
        return Exit.FAILED
    try:
        with _signals(lambda: session.inbox.put(Quit())):
            output.say({"event": "ready", "at": time.monotonic(), "uri": phone.uri, "port": phone.port})
            if registers and (refused := _register(args, phone, session, output)) is not None:
                return refused
            reader = threading.Thread(
                target=_read_lines, args=(session.inbox.put, args.stay), name="input", daemon=True
            )
            reader.start()
            session.run(phone)
            return Exit.OK
    finally:
        watch = _last_resort(CLOSE_LIMIT_S)
        phone.close()
        _drain(session, output)
        watch.cancel()


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
        "Is the server up, and is that its SIP port?",
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
