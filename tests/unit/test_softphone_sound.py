"""A person's phone without a sound card: which device is meant, how loud it is, when it rings, what keys do."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone import library, options, tones
from softphone.cli import Exit, run
from softphone.console import HELP, KEYS, TEXTS, Console
from softphone.devices import NO_DEVICE, Device, NoSound, Role, as_lines, choose
from softphone.errors import PhoneError
from softphone.events import NAMES, Answered, Ended, Event, Incoming, Levels
from softphone.levels import SILENT_DB, bar, decibels
from softphone.ring import KNOCK_HZ, RING_HZ, Ring, knock_samples, ring_files, ring_for, ring_samples
from softphone.session import COMMANDS, Manner, Quit, Session
from softphone.settings import PLAIN_CODECS, WIDE_CODECS, SoundSettings

if TYPE_CHECKING:
    from softphone.phone import Phone

ROOT = Path(__file__).resolve().parents[2]
HEADSET = (
    Device(0, "null-rate", 0, 0),
    Device(1, "hw:CARD=PCH,DEV=0", 1, 1),
    Device(2, "hw:CARD=HDMI,DEV=3", 0, 1),
    Device(3, "plughw:CARD=Jabra,DEV=0", 1, 1),
    Device(4, "default", 1, 1),
    Device(11, "hw:CARD=Jabra,DEV=0", 1, 1),
)


@pytest.mark.parametrize(
    ("wanted", "role", "number"),
    [
        ("", "microphone", 4),  # the desktop's own choice
        ("", "ringer", 4),
        ("3", "speaker", 3),
        ("03", "speaker", 3),
        ("1", "speaker", 1),  # and not 11
        ("pch", "speaker", 1),
        ("HDMI", "ringer", 2),
        ("hw:CARD=Jabra,DEV=0", "microphone", 11),  # exact, though part of another's name too
        ("plughw", "microphone", 3),
    ],
)
def test_a_device_is_meant_by_number_name_or_part(wanted: str, role: Role, number: int) -> None:
    assert choose(HEADSET, wanted, role).number == number


@pytest.mark.parametrize(
    ("wanted", "role", "text"),
    [
        ("jabra", "microphone", "2 devices have 'jabra' in their name.*3 plughw:CARD=Jabra,DEV=0, 11 hw:CARD=Jabra"),
        ("2", "microphone", "no microphone is '2'.*1 hw:CARD=PCH"),  # HDMI has no microphone
        ("0", "speaker", "no speaker is '0'"),
        ("nowhere", "ringer", "no ringer is 'nowhere'"),
        ("²", "ringer", "no ringer is '²'"),
    ],
)
def test_what_is_not_clear_is_refused_with_the_choices(wanted: str, role: Role, text: str) -> None:
    with pytest.raises(PhoneError, match=text):
        choose(HEADSET, wanted, role)


def test_no_device_at_all_says_what_to_do() -> None:
    for devices in ((), (Device(0, "null-rate", 0, 0),)):
        with pytest.raises(NoSound, match="there is no sound device"):
            choose(devices, "", "speaker")
    assert "arecord -l" in NO_DEVICE
    with pytest.raises(NoSound, match="no sound device here can be a microphone"):
        choose((HEADSET[2],), "", "microphone")


def test_without_a_usual_device_the_first_able_one_is_taken() -> None:
    assert choose(HEADSET[:4], "", "ringer").number == 1
    assert choose((HEADSET[2], HEADSET[1]), "", "microphone").number == 1


def test_the_list_leaves_out_what_is_not_there() -> None:
    lines = as_lines(HEADSET)
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3", "4", "11"]
    assert lines[2].split() == ["2", "-", "yes", "hw:CARD=HDMI,DEV=3"]


def ulaw_of(value: int) -> int:
    """G.711 u-law magnitude of a 16 bit value, as its table in the standard has it; 0 to 127."""
    biased = min(value, 32635) + 132
    segment = biased.bit_length() - 8
    return segment << 4 | biased >> (segment + 3) & 15


@pytest.mark.parametrize("amplitude", [0.01, 0.03, 0.12, 0.3, 0.5, 0.99])
def test_the_meter_shows_decibels(amplitude: float) -> None:
    sine = np.round(amplitude * 32767 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000))
    percent = ulaw_of(int(np.abs(sine).mean())) * 100 // 255
    assert decibels(percent) == pytest.approx(20 * math.log10(amplitude), abs=1.2)


@given(st.integers(-5, 120), st.integers(-5, 120))
def test_louder_is_never_shown_as_quieter(one: int, other: int) -> None:
    assert (decibels(one) <= decibels(other)) or one > other
    assert SILENT_DB <= decibels(one) <= 4


@given(st.floats(-120, 20), st.integers(1, 40))
def test_a_bar_has_its_width(level: float, width: int) -> None:
    assert len(bar(level, width)) == width


def test_a_bar_grows() -> None:
    assert bar(SILENT_DB).strip() == ""
    assert bar(0) == "█" * 10
    assert bar(-30) == "█████     "


def test_it_rings_only_while_nobody_talks() -> None:
    assert ring_for(set(), set()) == ring_for(set(), {1}) == "none"
    assert ring_for({2}, set()) == ring_for({2, 3}, set()) == "ring"
    assert ring_for({2}, {1}) == "knock"


def sound_of(samples: array[int]) -> tones.Measured:
    return tones.measure_samples(np.array(samples) / 32768, (*RING_HZ, KNOCK_HZ))


def test_ring_and_knock_are_what_they_say(tmp_path: Path) -> None:
    ring, knock = sound_of(ring_samples()), sound_of(knock_samples())
    assert ring.heard == set(RING_HZ)
    assert ring.seconds == 3.0
    assert ring.silence == pytest.approx(2 / 3, abs=0.05)
    assert knock.heard == {KNOCK_HZ}
    assert knock.tones[KNOCK_HZ].amplitude < ring.tones[RING_HZ[0]].amplitude / 3
    assert knock.silence > 0.9
    for samples in (ring_samples(), knock_samples()):
        assert samples[0] == samples[-1] == 0
    own = tones.write_tone(tmp_path / "own.wav", 523)
    assert ring_files(tmp_path, own)["ring"] == own


# -- the session: when it rings, with a phone that only keeps what it was told -------------------------------------


class PhoneWithoutSound:
    """What a session asks of a phone, kept."""

    def __init__(self) -> None:
        self.rung: list[Ring] = []
        self.asked: list[tuple[str, object]] = []
        self.fails = False

    def ring(self, kind: Ring, _files: Mapping[Ring, Path]) -> None:
        self.rung.append(kind)
        if self.fails:
            raise PhoneError("the ringer is gone")

    def active(self) -> tuple[int, ...]:
        return (1,)

    def answer(self, number: int, code: int) -> None:
        self.asked.append(("answer", number))

    def call(self, to: str, headers: Mapping[str, str] | None = None) -> int:
        self.asked.append(("call", to))
        return 1

    def try_out(self, role: Role, file: Path) -> None:
        self.asked.append(("try", role))

    def silence(self) -> None:
        self.asked.append(("silence", None))

    def volume(self, role: Role, percent: int) -> dict[Role, int]:
        self.asked.append((role, percent))
        return {role: percent}

    def levels(self) -> Levels:
        return Levels(time.monotonic(), -20.0, -30.0)


Run = Callable[..., tuple[PhoneWithoutSound, list[dict[str, Any]]]]


@pytest.fixture
def session(tmp_path: Path) -> Run:
    """Runs a session over these events and command lines; the phone, and what was said."""

    def go(
        *items: Event | str, fails: bool = False, sound: bool = True
    ) -> tuple[PhoneWithoutSound, list[dict[str, Any]]]:
        said: list[dict[str, Any]] = []
        manner = Manner(None, False, (440,), 1.0, SoundSettings() if sound else None)
        one = Session(manner, said.append, tmp_path)
        phone = PhoneWithoutSound()
        phone.fails = fails
        for item in (*items, Quit()):
            one.inbox.put(item)
        one.run(cast("Phone", phone))
        return phone, said

    return go


def incoming(call: int) -> Incoming:
    return Incoming(0.0, call, "sip:a@b", "sip:c@d")


def ended(call: int) -> Ended:
    return Ended(0.0, call, 200, "OK", 1.0, True, "them")


def test_ring_then_knock_then_ring_again(session: Run) -> None:
    phone, said = session(
        incoming(1), Answered(0, 1, 0.1), incoming(2), incoming(3), ended(2), ended(1), ended(3), incoming(4), ended(4)
    )
    assert phone.rung == ["ring", "none", "knock", "ring", "none", "ring", "none"]
    assert [one["sound"] for one in said if one["event"] == "rings"] == phone.rung


def test_the_ring_ends_with_the_answer_and_not_with_its_confirmation(session: Run) -> None:
    phone, said = session(incoming(1), '{"do": "answer"}')
    assert phone.rung == ["ring", "none"]
    assert [one["event"] for one in said] == ["incoming", "rings", "rings", "done"]


def test_a_call_that_only_rings_on_keeps_ringing(session: Run) -> None:
    phone, _ = session(incoming(1), '{"do": "answer", "code": 183}')
    assert phone.rung == ["ring"]


def test_a_robot_never_rings(session: Run) -> None:
    phone, said = session(incoming(1), Answered(0, 1, 0.1), ended(1), sound=False)
    assert phone.rung == []
    assert not [one for one in said if one["event"] == "rings"]


def test_a_ringer_that_fails_is_told_and_stops_nothing(session: Run) -> None:
    _, said = session(incoming(1), '{"do": "answer"}', fails=True)
    assert {"event": "error", "say": "the ringer is gone"} in said
    assert said[-1]["event"] == "done"


def test_sound_commands_are_checked(session: Run) -> None:
    phone, said = session(
        '{"do": "volume", "speaker": 150, "microphone": 0}',
        '{"do": "volume"}',
        '{"do": "volume", "ringer": 201}',
        '{"do": "volume", "ringer": true}',
        '{"do": "use"}',
        '{"do": "meters", "on": 1}',
        '{"do": "try", "what": "trumpet"}',
        '{"do": "echo"}',
    )
    assert phone.asked == [("microphone", 0), ("speaker", 150), ("call", "*43")]
    assert [one["event"] for one in said] == ["done", *["error"] * 6, "done"]
    phone, said = session(incoming(1), '{"do": "try", "what": "speaker"}')
    assert said[-1] == {"event": "error", "say": "not during a call"}
    phone, _ = session('{"do": "try", "what": "ringer"}')
    assert phone.asked == [("try", "ringer")]


# -- the command line ----------------------------------------------------------------------------------------------


def settings_of(*argv: str) -> Any:
    return options.settings_of(options.parser().parse_args(argv), "secret")


def test_a_person_has_sound_and_a_robot_has_none() -> None:
    assert settings_of("8001").sound == SoundSettings()
    assert settings_of("8001").codecs == WIDE_CODECS
    assert settings_of("--extension=8001").sound is None
    assert settings_of("--extension=8001").codecs == PLAIN_CODECS
    named = settings_of("--extension=8001", "--speaker=usb", "--ringer-volume=150")
    assert named.sound.devices == {"microphone": "", "speaker": "usb", "ringer": ""}
    assert named.sound.volumes == {"microphone": 100, "speaker": 100, "ringer": 150}


def test_encrypted_sound_wants_tls(capfd: pytest.CaptureFixture[str]) -> None:
    secrecy = settings_of("8001", "--transport=tls", "--srtp", "--tls-ca=ca.pem").secrecy
    assert (secrecy.transport, secrecy.srtp, secrecy.authorities, secrecy.any_server) == ("tls", True, "ca.pem", False)
    assert run(["8001", "--srtp"]) == Exit.USAGE
    assert run(["8001", "--transport=tls", "--tls-ca=there-is-no-such-file"]) == Exit.USAGE
    assert run(["8001", "--extension=8002"]) == Exit.USAGE
    assert run(["8001", "--microphone-volume=201"]) == Exit.USAGE
    told = capfd.readouterr().err
    assert "--srtp needs --transport tls" in told
    assert "there is no such file" in told
    assert "name one extension" in told


def test_our_own_build_is_taken_for_sound_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv(library.FOLDER_VARIABLE, str(tmp_path))
    assert not library.choose(sound=True)  # nothing lies there
    (tmp_path / "pjsua2.py").write_text("")
    assert not library.choose(sound=False)
    assert str(tmp_path) not in sys.path
    assert library.choose(sound=True)
    assert sys.path[0] == str(tmp_path)


@pytest.mark.softphone
@pytest.mark.parametrize("argv", [["8001"], ["--list-devices"]])
def test_without_sound_in_the_library_it_says_how_to_build_it(argv: list[str], tmp_path: Path) -> None:
    code = f"import sys; from softphone.cli import run; sys.exit(run({argv!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT), library.FOLDER_VARIABLE: str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == Exit.NO_SOUND
    assert library.HOW_TO_BUILD in done.stderr
    assert "Traceback" not in done.stderr


# -- the terminal --------------------------------------------------------------------------------------------------


@pytest.fixture
def console() -> Console:
    return Console("8001")


def command(console: Console, keys: str) -> dict[str, Any]:
    """The command of the last of these keys."""
    line = ""
    for key in keys:
        line, _ = console.press(key)
    return dict(json.loads(line)) if line else {}


def up(console: Console, call: int = 1) -> None:
    console.tell({"event": "incoming", "call": call, "remote": "sip:0912@x"})
    console.tell({"event": "answered", "call": call})


def test_keys_follow_the_call(console: Console) -> None:
    assert command(console, "a") == command(console, "m") == command(console, "p") == command(console, "5") == {}
    console.tell({"event": "incoming", "call": 7, "remote": "x"})
    assert command(console, "h") == {"do": "decline", "call": 7}
    assert command(console, "a") == {"do": "answer"}
    console.tell({"event": "answered", "call": 7})
    assert command(console, "5") == {"do": "dtmf", "digits": "5"}
    assert [command(console, "m")["do"] for _ in range(3)] == ["mute", "unmute", "mute"]
    assert [command(console, "p")["do"] for _ in range(2)] == ["hold", "resume"]
    assert command(console, "h") == {"do": "hangup", "call": 7}
    console.tell({"event": "ended", "call": 7, "code": 200, "reason": "OK", "seconds": 3.2})
    up(console, 8)
    assert command(console, "m") == {"do": "mute", "call": 8}  # the next call begins unmuted


def test_numbers_are_typed_and_given_up(console: Console) -> None:
    assert command(console, "c81\r") == {"do": "call", "to": "81"}
    assert command(console, "c812\x7f\r") == {"do": "call", "to": "81"}
    assert command(console, "c81\x1b") == {}
    assert command(console, "c\r") == {}
    assert command(console, "d") == {"do": "devices"}
    up(console)
    assert command(console, "t8002\n") == {"do": "transfer", "to": "8002"}
    assert command(console, "tq") == {}  # letters are typed too while a number is asked for
    assert command(console, "\r") == {"do": "transfer", "to": "q"}


def test_volume_steps_stay_in_bounds(console: Console) -> None:
    assert command(console, "+") == {"do": "volume", "speaker": 110}
    assert command(console, "+" * 20) == {"do": "volume", "speaker": 200}
    assert command(console, "[" * 20) == {"do": "volume", "microphone": 0}


def test_what_strangers_send_cannot_steer_the_terminal(console: Console) -> None:
    shown = console.tell({"event": "incoming", "call": 1, "remote": "\x1b]0;hello\x07\r\n\x9b2J"})
    assert "\x1b]" not in shown
    assert "\x9b" not in shown
    assert shown.count("\n") == 1


def test_meters_are_one_line_that_is_written_over(console: Console) -> None:
    levels = {"event": "levels", "microphone": -20.0, "speaker": -60.0}
    shown = console.tell(levels)
    assert shown.startswith("\r")
    assert "\n" not in shown
    assert "-20.0 dB" in shown
    up(console)
    console.press("m")
    assert "off" in console.tell(levels)
    console.press("c")
    assert console.tell(levels) == ""  # not over a number being typed


@given(st.lists(st.characters(), max_size=60))
def test_no_key_breaks_it(keys: list[str]) -> None:
    console = Console("8001")
    up(console)
    for key in keys:
        line, shown = console.press(key)
        assert not line or json.loads(line)["do"] in {*COMMANDS, "quit"}
        assert isinstance(shown, str)


def test_every_key_is_in_the_help_and_every_event_has_a_text() -> None:
    for key in set(KEYS) - {"\r", "\n", "?"}:
        assert f"{key} " in HELP
    unseen = {"media", "heard", "recorded", "transfer-requested", "replaced", "rings", "levels"}
    assert set(NAMES.values()) - unseen <= set(TEXTS)
