"""Settings are checked, secrets kept and hidden; the generated files."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cti.asterisk import AsteriskTooOld, require_new_enough
from cti.config import AsteriskSettings, BadSettings, Trunk, new_password, with_secrets
from cti.configuration import Places, configuration, digest
from cti.dialplan import extensions_conf

GOOD = AsteriskSettings(root="", work_dir="/tmp/ringside", ari_password="a" * 20, ami_password="b" * 20)
PLACES = Places(Path("/opt/a/asterisk"), Path("/opt/a/modules"), Path("/opt/a/share"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"http_host": "0.0.0.0"}, "loopback"),
        ({"ami_host": "192.0.2.1"}, "loopback"),
        ({"agi_host": "localhost"}, "loopback"),
        ({"work_dir": "relative"}, "absolute path"),
        ({"work_dir": "/tmp/a;b"}, "absolute path"),
        ({"work_dir": "/tmp/a\nb"}, "absolute path"),
        ({"work_dir": "/tmp/" + "x" * 100}, "too long for Asterisk's control socket"),
        ({"sip_port": 0}, "a port is 1 to 65535"),
        ({"rtp_start": 30000}, "below rtp_end"),
        ({"ari_user": "a]b"}, "letters, digits"),
        ({"ami_password": "a\nb"}, "ami_password"),
        ({"entries": ("8x",)}, "1 to 20 digits"),
        ({"entries": ("110",)}, "emergency number"),
        ({"emergency_numbers": ("1,System(id)",)}, "1 to 20 digits"),
        ({"emergency_dial": "PJSIP/{number}@x,30,g"}, "emergency_dial"),
        ({"trunks": (Trunk("1001", "192.0.2.1"),)}, "not a number"),
        ({"trunks": (Trunk("carrier", "a b"),)}, "host or host:port"),
        ({"languages": ("en;",)}, "languages"),
    ],
)
def test_what_cannot_be_is_refused_with_words(change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSettings, match=re.escape(words)):
        replace(GOOD, **change)


def test_passwords_are_random_hidden_and_kept(tmp_path: Path) -> None:
    given = replace(GOOD, work_dir=str(tmp_path), ari_password="", ami_password="")
    first = with_secrets(given)
    assert with_secrets(given) == first
    assert len({first.ari_password, first.ami_password, new_password()}) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9]{20}", text) for text in (first.ari_password, first.ami_password))
    assert first.ari_password not in repr(first)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    own = with_secrets(replace(given, ari_password="mine-mine-mine"))
    assert own.ari_password == "mine-mine-mine"


def test_the_same_settings_give_the_same_files_and_digest() -> None:
    assert digest(configuration(GOOD, PLACES), PLACES) == digest(configuration(GOOD, PLACES), PLACES)
    changed = replace(GOOD, ami_password="c" * 20)
    assert digest(configuration(changed, PLACES), PLACES) != digest(configuration(GOOD, PLACES), PLACES)


def test_the_files_say_what_the_rules_demand() -> None:
    files = configuration(GOOD, PLACES)
    assert "live_dangerously = no" in files["asterisk.conf"]
    assert "autoload = no" in files["modules.conf"]
    assert "load = bridge_simple.so" not in files["modules.conf"].replace("noload", "")
    assert "noload = bridge_native_rtp.so" in files["modules.conf"]
    assert "sessionlimit = 2000" in files["http.conf"]
    assert "channelvars = RINGSIDE_ITEM,RINGSIDE_OFFER,RINGSIDE_SEAT" in files["ari.conf"]
    assert "endpoint/wizard[push]=astdb,ps_endpoints" in files["sorcery.conf"]
    assert "persistentmembers = yes" in files["queues.conf"]
    assert "ringinuse = no" in files["queues.conf"]
    assert "enable = yes" in files["cel.conf"]
    for name in ("http.conf", "manager.conf"):
        assert "bindaddr = 127.0.0.1" in files[name]


@pytest.mark.parametrize("text", ["Asterisk 22.10.0", "Asterisk 20.99.1~dfsg", "Asterisk 22.9", "nonsense", ""])
def test_an_asterisk_with_the_hole_is_refused_by_name(text: str) -> None:
    with pytest.raises(AsteriskTooOld, match="CVE-2026-57191"):
        require_new_enough(text)


@pytest.mark.parametrize("text", ["Asterisk 22.10.1+dfsg+~cs6.17", "Asterisk 22.11.0", "Asterisk 23.4.2"])
def test_a_newer_asterisk_is_taken(text: str) -> None:
    assert require_new_enough(text) >= (22, 10, 1)


def patterns(text: str) -> dict[str, list[str]]:
    """Context → the extensions in it."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if head := re.match(r"\[(.+)\]", line):
            name = head[1]
            found.setdefault(name, [])
        elif line.startswith("exten => "):
            found[name].append(line.removeprefix("exten => ").split(",")[0])
    return found


def test_no_pattern_catches_h_and_the_outside_reaches_entries_only() -> None:
    text = extensions_conf(GOOD)
    known = patterns(text)
    assert known["entries"] == ["81", "82", "83"]
    assert known["emergency"] == ["110", "119", "112", "120"]
    assert [name for names in known.values() for name in names if name.startswith("_")] == ["_[0-9*#+]!"]
    for context in ("from-outside", "from-trunk"):
        body = text.split(f"[{context}]\n")[1].split("[")[0]
        assert body.split() == ["include", "=>", "entries"]
    agents = text.split("[from-agents]\n")[1].split("[")[0]
    assert agents.split()[2] == "emergency"
    assert "TIMEOUT(" not in text


def test_a_callers_choice_is_filtered_before_any_application_sees_it() -> None:
    text = extensions_conf(GOOD)
    assert [line for line in text.splitlines() if "${EXTEN}" in line] == [
        "exten => _[0-9*#+]!,1,Set(RINGSIDE_DIALLED=${FILTER(0-9*#+,${EXTEN}):0:24})"
    ]
    shown = [line for line in text.splitlines() if "CALLERID" in line]
    assert shown
    assert all("${FILTER(0-9+,${CALLERID(num)}):0:24}" in line and line.count("CALLERID") == 1 for line in shown)


def test_emergency_goes_to_the_first_trunk_unless_told() -> None:
    assert GOOD.dial_for_emergency("110") == "PJSIP/110@emergency"
    carrier = replace(GOOD, trunks=(Trunk("carrier", "192.0.2.1:5060"),))
    assert carrier.dial_for_emergency("110") == "PJSIP/110@carrier"
    own = replace(GOOD, emergency_dial="Local/{number}@test")
    assert "Dial(Local/119@test)" in extensions_conf(own)
