"""Addresses, headers and command lines of the phone: hostile texts stay texts, wrong usage is exit 2."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from softphone import addresses, events, tones
from softphone.cli import Exit, run
from softphone.errors import PhoneError
from softphone.options import parser

HOSTILE = [
    'Bob" <sip:evil@example.net>',
    "line\r\nX-Evil: yes",
    "back\\slash\\",
    '"; DROP TABLE calls; --',
    "${SHELL(id)}",
    "王小明 📞",
    "\x00\x07\x1b[31m",
    "a" * 500,
    "<sip:a@b>;tag=x",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_display_name_ends_nothing(text: str) -> None:
    address = addresses.address_of("8001", "127.0.0.1", text)
    assert address.isprintable()
    quoted = address.removesuffix(" <sip:8001@127.0.0.1>")
    assert quoted != address
    assert json.loads(quoted) == addresses.CONTROL.sub(" ", text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_user_ends_nothing(text: str) -> None:
    uri = addresses.uri_of(text, "127.0.0.1")
    assert uri.isascii()
    assert uri.count("@") == uri.count(":") == 1
    assert not set(uri) & set('<>"; \r\n\\')


def test_targets() -> None:
    assert addresses.target_of("81", "10.0.0.1:5060") == "sip:81@10.0.0.1:5060"
    assert addresses.target_of("+886912345678", "pbx") == "sip:+886912345678@pbx"
    assert addresses.target_of("*72#", "pbx") == "sip:*72%23@pbx"
    assert addresses.target_of("sip:bob@127.0.0.1:5070", "") == "sip:bob@127.0.0.1:5070"
    for wrong in ["", "8 1", "81\r\n", "<sip:a@b>", 'a"b', "x" * 257]:
        with pytest.raises(PhoneError, match="an address to call"):
            addresses.target_of(wrong, "pbx")
    with pytest.raises(PhoneError, match="without --server"):
        addresses.target_of("81", "")


def test_headers() -> None:
    assert addresses.header_of("X-Case", "1\r\nVia: evil") == ("X-Case", "1  Via: evil")
    assert len(addresses.header_of("X-Case", "x" * 9000)[1]) == addresses.HEADER_LENGTH
    for wrong in ["", "X Case", "X:", "X\r\n", "a" * 65]:
        with pytest.raises(PhoneError, match="header's name"):
            addresses.header_of(wrong, "1")


def test_every_event_has_a_name_of_its_own() -> None:
    kinds = {kind for kind in vars(events).values() if dataclasses.is_dataclass(kind)}
    assert set(events.NAMES) == kinds
    assert len(set(events.NAMES.values())) == len(kinds)
    assert events.as_json(events.Heard(1.5, 2, {440: 0.12})) == {
        "event": "heard",
        "at": 1.5,
        "call": 2,
        "tones": {440: 0.12},
    }


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--extension"],
        ["--extension", "1", "--server", "ba d"],
        ["--extension", "1", "--server", "host:70000"],
        ["--extension", "1", "--server", "127.0.0.1"],
        ["--extension", "1", "--local-port", "-1"],
        ["--extension", "1", "--auto-answer", "nan"],
        ["--extension", "1", "--auto-answer", "soon"],
        ["--extension", "1", "--tone", "4000"],
        ["--extension", "1", "--tone", "440", "--play", "x.wav"],
        ["--extension", "1", "--tones", "440,x"],
        ["--extension", "1", "--play", "there-is-no-such-file.wav"],
        ["--extension", "1", "--server", "127.0.0.1", "--password-file", "there-is-no-such-file"],
    ],
)
def test_wrong_usage(argv: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RINGSIDE_PHONE_PASSWORD", raising=False)
    assert run(argv) == Exit.USAGE
    out, err = capfd.readouterr()
    assert out == ""
    assert "ringside phone: " in err
    assert "Traceback" not in err


def test_a_stereo_file_cannot_be_played(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tones.write_tone(tmp_path / "t.wav", 440)
    data = bytearray(path.read_bytes())
    data[22] = 2
    path.write_bytes(data)
    assert run(["--extension", "1", "--play", str(path)]) == Exit.USAGE
    assert "mono" in capfd.readouterr().err


def test_help_names_commands_and_exit_codes() -> None:
    text = " ".join(parser().format_help().split())  # however it is broken into lines
    for word in ["--auto-answer", "RINGSIDE_PHONE_PASSWORD", "hangup", "pjsua2 is not installed"]:
        assert word in text


def test_without_pjsua2_the_extra_is_named(tmp_path: Path) -> None:
    hidden = tmp_path / "pjsua2.py"
    hidden.write_text("raise ImportError('No module named pjsua2')\n")
    root = Path(__file__).resolve().parents[2]
    code = "import sys; from softphone.cli import run; sys.exit(run(['--extension', '1']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{tmp_path}:{root}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == Exit.NOT_INSTALLED
    assert "ringside[softphone]" in done.stderr
    assert done.stdout == ""


def test_driving_needs_neither_pjsua2_nor_numpy() -> None:
    root = Path(__file__).resolve().parents[2]
    code = "import sys, softphone.robots; print(sorted({'pjsua2', 'numpy'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
