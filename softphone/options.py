"""The command line of ``ringside phone``."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from softphone import tones
from softphone.devices import ROLES
from softphone.settings import MAX_VOLUME, PLAIN_CODECS, WIDE_CODECS, Secrecy, Settings, SoundSettings

ENVIRONMENT_VARIABLE = "RINGSIDE_PHONE_PASSWORD"
REGISTER_LIMIT_S = 5.0
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


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
        usage="ringside phone [EXTENSION] [--server HOST[:PORT]] [options]",
        description="A SIP phone. `ringside phone 8001` is a person's, with a headset, and is worked by single keys "
        "(? lists them); `--extension 8001` is a robot's, without sound. Away from a terminal both speak JSON: events "
        "on standard output, commands on standard input, one a line.",
        epilog=f"The password comes from --password-file or the environment variable {ENVIRONMENT_VARIABLE}; a person "
        "in a terminal is asked for it. "
        'Commands: {"do": "call", "to": "81"}, answer, decline (code), hold, resume, mute, unmute, dtmf (digits), '
        "play (file | tone), transfer (to), join (other), hears, stats, calls, register, unregister, hangup, quit; "
        "with sound also devices, use (microphone, speaker, ringer), volume (the same, in percent), levels, "
        "meters (on), try (what), silence, echo. Exit: 0 ended as asked, 2 wrong usage, 3 extension or password "
        "refused, 4 server does not answer, 5 pjsua2 is not installed, 6 no sound.",
    )
    p.add_argument("person", nargs="?", default="", metavar="EXTENSION", help="a person's extension: with sound")
    p.add_argument("--extension", default="", help="a robot's: no sound unless --sound")
    p.add_argument("--server", default="", type=_server, metavar="HOST[:PORT]", help="where to register and to call")
    p.add_argument("--password-file", type=Path, metavar="FILE")
    p.add_argument("--no-register", action="store_true", help="call as an anonymous account, without a password")
    p.add_argument("--display-name", default="", help="the name shown to those we call")
    p.add_argument("--auto-answer", type=_seconds, metavar="SECONDS", help="answer each call after that time")
    _add_sound(p.add_argument_group("sound"))
    _add_secrecy(p.add_argument_group("secrecy"))
    _add_robot(p.add_argument_group("robots"))
    p.add_argument("--address", default="", help="our own IP address (127.0.0.1 for a server on this machine)")
    p.add_argument("--local-port", type=_number(0, 65_535), default=0, metavar="PORT", help="SIP (0: any)")
    p.add_argument("--rtp-port", type=_number(0, 65_000), default=0, metavar="PORT", help="first of sound (0: any)")
    p.add_argument("--register-timeout", type=_seconds, default=REGISTER_LIMIT_S, metavar="SECONDS")
    p.add_argument("--stay", action="store_true", help="go on when standard input ends")
    p.add_argument("--json", action="store_true", help="speak JSON in a terminal too")
    return p


def _add_sound(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--list-devices", action="store_true", help="list the sound devices, and end")
    group.add_argument("--sound", action="store_true", help="microphone and speaker for --extension too")
    for role in ROLES:
        usual = "as --speaker" if role == "ringer" else "the usual one"
        group.add_argument(f"--{role}", default="", metavar="DEVICE", help=f"number or part of its name ({usual})")
    for role in ROLES:
        limit = _number(0, MAX_VOLUME)
        group.add_argument(f"--{role}-volume", type=limit, default=100, metavar="PERCENT", help=f"0 to {MAX_VOLUME}")
    group.add_argument("--ring", type=Path, metavar="FILE", help="WAV (mono, 16 bit) to ring with")
    group.add_argument("--echo-cancel", action="store_true", help="for loudspeakers; a headset needs none")
    group.add_argument("--meters", action="store_true", help="tell the levels ten times a second during calls")


def _add_secrecy(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--transport", choices=("udp", "tcp", "tls"), default="udp", help="of SIP (udp)")
    group.add_argument("--srtp", action="store_true", help="encrypted sound or none; needs --transport tls")
    group.add_argument("--tls-ca", type=Path, metavar="FILE", help="PEM file that vouches for the server")
    group.add_argument("--tls-any-server", action="store_true", help="do not check the server's certificate")


def _add_robot(group: argparse._ArgumentGroup) -> None:
    sound = group.add_mutually_exclusive_group()
    sound.add_argument("--play", type=Path, metavar="FILE", help="WAV (mono, 16 bit) to play into each call")
    sound.add_argument("--tone", type=_number(1, tones.RATE // 2 - 1), metavar="HZ", help="play a tone instead")
    group.add_argument("--record", type=Path, metavar="FILE", help="record what we hear; call N goes to FILE-N")
    group.add_argument("--listen", action="store_true", help="tell which tones are heard, whenever that changes")
    group.add_argument("--tones", type=_tone_list, default=tones.KNOWN, metavar="HZ,HZ", help="the tones to know")


def fault_of(args: argparse.Namespace) -> str:
    """What does not fit together; empty when all does."""
    if bool(args.person) == bool(args.extension) and not args.list_devices:
        return "name one extension: `ringside phone 8001` for a person, --extension 8001 for a robot"
    if args.srtp and args.transport != "tls":
        return "--srtp needs --transport tls: the keys of the sound travel in SIP"
    if args.tls_ca is not None and not args.tls_ca.is_file():
        return f"--tls-ca {args.tls_ca}: there is no such file"
    return ""


def wants_sound(args: argparse.Namespace) -> bool:
    """A person's phone has sound; a robot's when asked for, if only by naming a device."""
    named = any(getattr(args, role) for role in ROLES)
    return bool(args.person or args.sound or args.list_devices or named)


def password_of(args: argparse.Namespace) -> str:
    """Raises OSError and UnicodeDecodeError."""
    if args.password_file is not None:
        return str(args.password_file.read_text(encoding="utf-8").strip())
    return os.environ.pop(ENVIRONMENT_VARIABLE, "")


def _own_address(args: argparse.Namespace) -> str:
    if args.address:
        return str(args.address)
    host = args.server.rpartition(":")[0] or args.server
    return "127.0.0.1" if not host or host == "localhost" or host.startswith("127.") else ""


def settings_of(args: argparse.Namespace, password: str) -> Settings:
    """The phone's settings as the arguments say."""
    sound = None
    if wants_sound(args):
        sound = SoundSettings(
            devices=MappingProxyType({role: getattr(args, role) for role in ROLES}),
            volumes=MappingProxyType({role: getattr(args, f"{role}_volume") for role in ROLES}),
            ring=args.ring,
            echo_cancel=args.echo_cancel,
        )
    return Settings(
        user=args.person or args.extension,
        display_name=args.display_name,
        server=args.server,
        password=password,
        address=_own_address(args),
        local_port=args.local_port,
        rtp_port=args.rtp_port,
        codecs=PLAIN_CODECS if sound is None else WIDE_CODECS,
        sound=sound,
        secrecy=Secrecy(
            transport=args.transport,
            srtp=args.srtp,
            authorities=str(args.tls_ca) if args.tls_ca is not None else "",
            any_server=args.tls_any_server,
        ),
    )
