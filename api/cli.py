"""`ringside`: the command line. Arguments are read here, the work is in api.commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from acd.core.codec import UnknownKind
from acd.core.model import TargetKind, WatchMode
from acd.core.shapes import Move
from api.commands.common import CommandFailed, Context, Exit, complain, printable
from api.version import VERSION
from api.words import LANGUAGES, Words, language_here, words
from cti.asterisk import AsteriskFailed
from cti.config import BadSettings
from storage.bus import CallFailed, EngineAway
from storage.migrations import DatabaseTooNew
from storage.settings import Settings

CALLS_SHOWN = 20
Add = Callable[
    ["argparse._SubParsersAction[argparse.ArgumentParser]", str, str, Callable[[Context], int]], argparse.ArgumentParser
]


def _later(module: str, name: str) -> Callable[[Context], int]:
    """The command's function, imported when it is run: `ringside --help` must not load a web server."""

    def run(context: Context) -> int:
        found: Callable[[Context], int] = getattr(import_module(f"api.commands.{module}"), name)
        return found(context)

    return run


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 31_536_000:
        raise argparse.ArgumentTypeError(f"{text} is not 1 to 31536000")
    return value


def parser(say: Words) -> argparse.ArgumentParser:
    """Every command with its arguments; the guide lists them, too."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data-dir", type=Path, default=argparse.SUPPRESS, help=say("opt.data_dir"))
    common.add_argument("--lang", choices=LANGUAGES, default=argparse.SUPPRESS, help=say("opt.lang"))
    listing = argparse.ArgumentParser(add_help=False)
    listing.add_argument("--json", action="store_true", help=say("opt.json"))

    top = argparse.ArgumentParser(prog="ringside", description=say("cmd.ringside"), parents=[common])
    top.add_argument("--version", action="version", version=f"ringside {VERSION}")
    nouns = top.add_subparsers(metavar=say("cmd.command"), required=True)

    def add(
        place: argparse._SubParsersAction[argparse.ArgumentParser],
        name: str,
        key: str,
        run: Callable[[Context], int],
        *,
        lists: bool = True,
    ) -> argparse.ArgumentParser:
        made = place.add_parser(
            name, help=say(key), description=say(key), parents=[common, listing] if lists else [common]
        )
        made.set_defaults(run=run, json=False)
        return made

    def group(name: str, key: str) -> argparse._SubParsersAction[argparse.ArgumentParser]:
        made = nouns.add_parser(name, help=say(key), description=say(key), parents=[common])
        return made.add_subparsers(metavar=say("cmd.command"), required=True)

    up = add(nouns, "up", "cmd.up", _later("up", "up"), lists=False)
    up.add_argument("--demo", action="store_true", help=say("opt.demo"))
    up.add_argument("--for", dest="seconds", type=_seconds, metavar="SECONDS", help=say("opt.for"))
    up.add_argument("--keep-asterisk", action="store_true", help=say("opt.keep_asterisk"))

    demo = add(nouns, "demo", "cmd.demo", _later("demo", "demo"), lists=False)
    demo.add_argument("--shapes", action="store_true", help=say("opt.shapes"))
    demo.add_argument("--only", default="", metavar="TEXT", help=say("opt.only"))
    demo.add_argument("--for", dest="seconds", type=_seconds, metavar="SECONDS", help=say("opt.for"))

    doctor = add(nouns, "doctor", "cmd.doctor", _later("doctor", "run"))
    doctor.add_argument("--no-call", action="store_true", help=say("opt.no_call"))

    seat = group("seat", "cmd.seat")
    add(seat, "list", "cmd.seat.list", _later("seats", "list_seats"))
    one = add(seat, "sign-in", "cmd.seat.sign_in", _later("seats", "sign_in"))
    one.add_argument("seat")
    one.add_argument("--device", default="cli", help=say("opt.device"))
    one = add(seat, "sign-out", "cmd.seat.sign_out", _later("seats", "sign_out"))
    one.add_argument("seat")
    one.add_argument("--force", action="store_true", help=say("opt.force"))
    one = add(seat, "status", "cmd.seat.status", _later("seats", "choose_status"))
    one.add_argument("seat")
    one.add_argument("status")
    one.add_argument("--text", action="store_true", help=say("opt.text"))
    one = add(seat, "wrap-up", "cmd.seat.wrap_up", _later("seats", "end_wrap_up"))
    one.add_argument("seat")
    one.add_argument("--item", default="", help=say("opt.item"))
    one = add(seat, "pickup", "cmd.seat.pickup", _later("seats", "pick_up"))
    one.add_argument("seat")
    one.add_argument("--item", default="", help=say("opt.item"))

    one = add(seat, "dial", "cmd.seat.dial", _later("handling", "dial"))
    one.add_argument("seat")
    one.add_argument("number")
    one.add_argument("--prefix", default="", help=say("opt.prefix"))
    one = add(seat, "dial-class", "cmd.seat.dial_class", _later("seats", "set_dial_class"), lists=False)
    one.add_argument("seat")
    one.add_argument("dial_class", metavar="class", help=say("opt.dial_class"))

    _handling(group("call", "cmd.call"), add, say)

    calls = add(nouns, "calls", "cmd.calls", _later("calls", "run"))
    calls.add_argument("item", nargs="?", default="", help=say("opt.call"))
    calls.add_argument("--queue", default="", help=say("opt.queue"))
    calls.add_argument("--seat", default="", help=say("opt.seat"))
    calls.add_argument("--every-kind", action="store_true", help=say("opt.every_kind"))
    calls.add_argument("--limit", type=int, default=CALLS_SHOWN, help=say("opt.limit"))
    calls.add_argument("--after", default="", help=say("opt.after"))

    why = add(nouns, "why", "cmd.why", _later("why", "run"))
    why.add_argument("item", nargs="?", default="", help=say("opt.call"))
    why.add_argument("--seat", default="", help=say("opt.seat"))
    why.add_argument("--all", action="store_true", help=say("opt.all"))

    replay = add(nouns, "replay", "cmd.replay", _later("replay", "run"))
    replay.add_argument("--check", action="store_true", help=say("opt.check"))

    token = group("token", "cmd.token")
    one = add(token, "create", "cmd.token.create", _later("tokens", "create"))
    one.add_argument("name")
    one.add_argument("--may", action="append", metavar="PERMISSION", help=say("opt.may"))
    add(token, "list", "cmd.token.list", _later("tokens", "list_all"))
    one = add(token, "revoke", "cmd.token.revoke", _later("tokens", "revoke"))
    one.add_argument("token")

    extension = group("extension", "cmd.extension")
    add(extension, "list", "cmd.extension.list", _later("extensions", "list_all"))
    one = add(extension, "add", "cmd.extension.add", _later("extensions", "add"))
    one.add_argument("number")
    one.add_argument("--kind", choices=("softphone", "desk", "browser"), default="softphone", help=say("opt.kind"))
    one.add_argument("--short-code", default="", help=say("opt.short_code"))
    one = add(extension, "move", "cmd.extension.move", _later("extensions", "move"))
    one.add_argument("number")
    one.add_argument("seat")
    one = add(extension, "password", "cmd.extension.password", _later("extensions", "password"))
    one.add_argument("number")
    one = add(extension, "assign", "cmd.extension.assign", _later("extensions", "assign"))
    one.add_argument("number")
    one.add_argument("seat")
    one = add(extension, "release", "cmd.extension.release", _later("extensions", "release"))
    one.add_argument("number")

    add(nouns, "lines", "cmd.lines", _later("lines", "run"))

    _recordings(group("recordings", "cmd.recordings"), add, say)

    config = group("config", "cmd.config")
    add(config, "check", "cmd.config.check", _later("config", "check"))
    add(config, "export", "cmd.config.export", _later("config", "export"), lists=False)
    one = add(config, "apply", "cmd.config.apply", _later("config", "apply"))
    one.add_argument("file", help=say("opt.document"))
    one.add_argument("--dry-run", action="store_true", help=say("opt.dry_run"))

    _callers(nouns, group, add, say)
    _prompts(group("prompt", "cmd.prompt"), add, say)

    nouns.add_parser("phone", help=say("cmd.phone"), description=say("cmd.phone"), add_help=False)

    return top


def _handling(place: argparse._SubParsersAction[argparse.ArgumentParser], add: Add, say: Words) -> None:
    def of_seat(name: str, run: str) -> argparse.ArgumentParser:
        made = add(place, name, f"cmd.call.{run}", _later("handling", run))
        made.add_argument("seat")
        made.add_argument("item", help=say("opt.call"))
        return made

    of_seat("move", "move").add_argument("move", choices=[one.value for one in Move], help=say("opt.move"))
    for name in ("consult", "transfer"):
        one = of_seat(name, name)
        one.add_argument("kind", choices=[one.value for one in TargetKind], help=say("opt.target_kind"))
        one.add_argument("target", help=say("opt.target"))
        one.add_argument("--prefix", default="", help=say("opt.prefix"))
    of_seat("hang-up", "hang_up")
    of_seat("record", "record")
    of_seat("mute", "mute").add_argument("microphone", choices=("off", "on"), help=say("opt.microphone"))
    of_seat("keys", "keys").add_argument("digits", help=say("opt.digits"))
    of_seat("watch", "watch").add_argument("mode", choices=[one.value for one in WatchMode], help=say("opt.mode"))
    of_seat("unwatch", "unwatch")
    for name in ("end", "pause", "resume"):
        one = add(place, name, f"cmd.call.{name}", _later("handling", name))
        one.add_argument("item", help=say("opt.call"))
        if name == "pause":
            one.add_argument("--seconds", type=int, default=300, help=say("opt.pause_seconds"))


def _callers(
    nouns: argparse._SubParsersAction[argparse.ArgumentParser],
    group: Callable[[str, str], argparse._SubParsersAction[argparse.ArgumentParser]],
    add: Add,
    say: Words,
) -> None:
    blacklist = group("blacklist", "cmd.blacklist")
    add(blacklist, "list", "cmd.blacklist.list", _later("callers", "blacklist"))
    one = add(blacklist, "add", "cmd.blacklist.add", _later("callers", "block"))
    one.add_argument("number", help=say("opt.caller"))
    one.add_argument("--for-good", action="store_true", help=say("opt.for_good"))
    one.add_argument("--reason", default="", help=say("opt.reason"))
    one = add(blacklist, "remove", "cmd.blacklist.remove", _later("callers", "unblock"))
    one.add_argument("number", help=say("opt.caller"))

    vip = group("vip", "cmd.vip")
    add(vip, "list", "cmd.vip.list", _later("callers", "list_vips"))
    one = add(vip, "set", "cmd.vip.set", _later("callers", "set_vip"))
    one.add_argument("number", help=say("opt.caller"))
    one.add_argument("priority", type=int, help=say("opt.priority"))

    one = add(nouns, "who-serves", "cmd.who_serves", _later("callers", "who_serves"))
    one.add_argument("--entry", required=True, help=say("opt.entry"))
    one.add_argument("--caller", default="", help=say("opt.caller"))
    one.add_argument("--at", default="", help=say("opt.at"))
    one.add_argument("--keys", default=None, help=say("opt.keys"))


def _prompts(place: argparse._SubParsersAction[argparse.ArgumentParser], add: Add, say: Words) -> None:
    one = add(place, "list", "cmd.prompt.list", _later("prompts", "list_all"))
    one.add_argument("--library", action="store_true", help=say("opt.library"))
    one = add(place, "add", "cmd.prompt.add", _later("prompts", "add"))
    one.add_argument("file", help=say("opt.sound"))
    one.add_argument("--name", default="", help=say("opt.name"))
    one.add_argument("--music", default="", metavar="CLASS", help=say("opt.music"))
    one = add(place, "say", "cmd.prompt.say", _later("prompts", "speak"))
    one.add_argument("text", help=say("opt.text_to_say"))
    one.add_argument("--name", default="", help=say("opt.name"))
    one.add_argument("--voice", choices=("zh", "en"), default="zh", help=say("opt.voice"))
    one = add(place, "remove", "cmd.prompt.remove", _later("prompts", "remove"))
    one.add_argument("prompt", help=say("opt.prompt"))


def _recordings(place: argparse._SubParsersAction[argparse.ArgumentParser], add: Add, say: Words) -> None:
    def of_one(name: str, run: str) -> argparse.ArgumentParser:
        made = add(place, name, f"cmd.recordings.{name}", _later("recordings", run))
        made.add_argument("recording", help=say("opt.recording"))
        return made

    one = add(place, "list", "cmd.recordings.list", _later("recordings", "list_all"))
    for name in ("number", "seat", "queue", "call", "problem", "state", "since", "until", "after"):
        one.add_argument(f"--{name}", default="", help=say(f"opt.{name}"))
    one.add_argument("--limit", type=int, default=CALLS_SHOWN, help=say("opt.limit"))
    of_one("show", "show")
    of_one("play", "play").add_argument("--wav", action="store_true", help=say("opt.wav"))
    one = of_one("export", "export")
    one.add_argument("file", help=say("opt.file"))
    one.add_argument("--wav", action="store_true", help=say("opt.wav"))
    of_one("erase", "erase")
    one = of_one("hold", "hold")
    one.add_argument("--release", action="store_true", help=say("opt.release"))
    one.add_argument("--why", default="", help=say("opt.why"))
    one = add(place, "check", "cmd.recordings.check", _later("recordings", "check"))
    one.add_argument("recording", nargs="?", default="", help=say("opt.recording"))
    add(place, "verify", "cmd.recordings.verify", _later("recordings", "verify_all"))
    add(place, "rekey", "cmd.recordings.rekey", _later("recordings", "rekey"))


def _settings(args: argparse.Namespace) -> Settings:
    given = {"data_dir": args.data_dir} if hasattr(args, "data_dir") else {}
    try:
        return Settings(**given)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, part['loc'])) or 'settings'}: {part['msg']}" for part in error.errors())
        raise CommandFailed(Exit.USAGE, faults) from None


def _asked_language(argv: Sequence[str]) -> str:
    """--lang, looked for by hand: the help texts are made before the arguments are read."""
    for place, part in enumerate(argv):
        if part == "--lang" and place + 1 < len(argv):
            return argv[place + 1]
        if part.startswith("--lang="):
            return part.removeprefix("--lang=")
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """The console script; gives the exit code (api.commands.common.Exit)."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["phone"]:
        from softphone import cli as phone

        return int(phone.run(given[1:]))
    os.umask(0o077)  # databases, logs, recordings: ours alone, whoever made the folder they lie in
    say = words(language_here(_asked_language(given)))
    args = parser(say).parse_args(given)
    try:
        return int(args.run(Context(_settings(args), say, args)))
    except CommandFailed as error:
        complain(printable(str(error)))
        return error.code
    except (EngineAway, CallFailed) as error:
        complain(say("err.away", why=error) if isinstance(error, EngineAway) else f"{error.say} ({error.code})")
        return Exit.AWAY if isinstance(error, EngineAway) else Exit.FAILED
    except (AsteriskFailed, BadSettings, DatabaseTooNew, UnknownKind) as error:
        complain(str(error))
        return Exit.FAILED
    except SQLAlchemyError as error:
        complain(say("err.database", why=str(error).splitlines()[0]))
        return Exit.AWAY
    except PermissionError as error:
        complain(str(error))
        return Exit.FAILED
    except BrokenPipeError:  # `ringside calls | head`
        sys.stderr.close()
        return Exit.OK
    except KeyboardInterrupt:
        return 130
