"""Settings are checked, secrets kept and hidden; the generated files."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from cti.asterisk import AsteriskTooOld, require_new_enough
from cti.config import (
    AsteriskSettings,
    BadSettings,
    Did,
    Direction,
    NumberRules,
    Trunk,
    new_password,
    with_secrets,
    wrong_with_trunk,
)
from cti.configuration import Places, configuration, digest, lasting
from cti.dialplan import extensions_conf
from cti.trunks import QUALIFY_LIMIT_S, answer_limit

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
        ({"trunks": (Trunk("Anonymous", "192.0.2.1"),)}, "none of anonymous"),
        ({"trunks": (Trunk("a", "192.0.2.1"), Trunk("A", "192.0.2.2"))}, "two of that name"),
        ({"trunks": (Trunk("a", "192.0.2.1", "user", "pass word"),)}, "printable ASCII"),
        ({"trunks": (Trunk("a", "192.0.2.1", "user\nx", "p"),)}, "user name"),
        ({"trunks": (Trunk("a", "192.0.2.1", password="p"),)}, "without a user name"),
        ({"trunks": (Trunk("a", "192.0.2.1", "user", registers=True),)}, "to register"),
        ({"trunks": (Trunk("a", "192.0.2.1", from_user="a b"),)}, "from_user"),
        ({"trunks": (Trunk("a", "192.0.2.1", from_domain="a b"),)}, "from_domain"),
        ({"trunks": (Trunk("a", "192.0.2.1", transport="sctp"),)}, "udp, tcp, tls"),
        ({"trunks": (Trunk("a", "192.0.2.1", transport="tls"),)}, "for TLS give"),
        ({"trunks": (Trunk("a", "192.0.2.1", codecs=("alaw,evil",)),)}, "codecs"),
        ({"trunks": (Trunk("a", "192.0.2.1", codecs=()),)}, "codecs"),
        ({"trunks": (Trunk("a", "192.0.2.1", match=("0.0.0.0/0;",)),)}, "match"),
        ({"trunks": (Trunk("a", "192.0.2.1", match=("192.0.2.1", "10.0.0.0/15")),)}, "at most a /16"),
        ({"trunks": (Trunk("a", "192.0.2.1", match=("2001:db8::/31",)),)}, "at most a /16"),
        ({"trunks": (Trunk("a", "192.0.2.1", number="02-1234"),)}, "1 to 20 digits"),
        ({"trunks": (Trunk("a", "192.0.2.1", listed=("${X}",)),)}, "1 to 20 digits"),
        ({"trunks": (Trunk("a", "192.0.2.1", dids=(Did("1,2", "81"),)),)}, "1 to 20 digits"),
        ({"trunks": (Trunk("a", "192.0.2.1", dids=(Did("02", "x"),)),)}, "entry point"),
        ({"trunks": (Trunk("a", "192.0.2.1", dids=(Did("02", ""),)),)}, "needs an entry point"),
        ({"trunks": (Trunk("a", "192.0.2.1", rules=NumberRules("+886")),)}, "country code"),
        ({"trunks": (Trunk("a", "192.0.2.1", rules=NumberRules("886", "0", ("",))),)}, "international prefixes"),
        ({"trunks": (Trunk("a", "192.0.2.1", qualify_s=-1),)}, "qualify_s is -1"),
        ({"short_codes": (("1,2", "1001"),)}, "short code"),
        ({"short_codes": (("110", "1001"),)}, "emergency or entry"),
        ({"music_classes": (("a]", "/tmp"),)}, "music"),
        ({"sip_tls_port": 5061}, "needs all of"),
        ({"sip_tls_cert": "relative.pem"}, "absolute path"),
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
    body = text.split("[from-outside]\n")[1].split("[")[0]
    assert body.split() == ["include", "=>", "entries"]
    agents = text.split("[from-agents]\n")[1].split("[")[0]
    assert agents.split()[2] == "emergency"
    assert "TIMEOUT(" not in text


def test_a_callers_choice_is_filtered_before_any_application_sees_it() -> None:
    text = extensions_conf(GOOD)
    assert [line for line in text.splitlines() if "${EXTEN}" in line] == [
        " same => n,Set(RINGSIDE_DIALLED=${FILTER(0-9*#+,${EXTEN}):0:24})"
    ]
    hidden = ' same => n,ExecIf($["${CALLERID(pres):0:6}" = "prohib"]?Set(CALLERID(all)=))'
    lines = text.splitlines()
    assert lines.count(hidden) == len(GOOD.entries)
    shown = [line for line in lines if "CALLERID" in line and line != hidden]
    assert shown
    assert all("${FILTER(0-9+,${CALLERID(num)}):0:24}" in line and line.count("CALLERID") == 1 for line in shown)


def steps(text: str) -> dict[str, list[str]]:
    """ "context/extension" → its steps in order."""
    found: dict[str, list[str]] = {}
    name = here = ""
    for line in text.splitlines():
        if head := re.match(r"\[(.+)\]", line):
            name = head[1]
        elif line.startswith("exten => "):
            pattern, _, app = line.removeprefix("exten => ").split(",", 2)
            here = f"{name}/{pattern}"
            found[here] = [app]
        elif line.startswith(" same => n"):
            found[here].append(line.split(",", 1)[1])
    return found


def test_every_way_in_and_out_makes_a_phones_transfer_ours() -> None:
    """ADR 0013: whatever a phone of ours dials, and whatever dials one, says ari-only; else there is no target."""
    own = replace(GOOD, emergency_dial="PJSIP/8099", trunks=(Trunk("carrier", "192.0.2.1"),))
    text = extensions_conf(own)
    found = steps(text)
    ways = ["emergency/", "entry/", "agents-echo/", "agents-dial/", "fallback-served/", "extension-leg/"]
    for way in ways:
        firsts = [app for name, apps in found.items() if name.startswith(way) for app in apps[:1]]
        assert firsts, way
        assert set(firsts) == {"Set(PJSIP_TRANSFER_HANDLING()=ari-only)"}, way
    to_phones = [app for apps in found.values() for app in apps if re.match(r"Dial\(PJSIP/(\$|\d+[,)])", app)]
    assert len(to_phones) == 5
    assert all("b(extension-leg^s^1)" in app for app in to_phones)
    assert "TRANSFER_CONTEXT=nowhere" in text
    assert patterns(text)["nowhere"] == []


def test_a_carrier_reaches_the_entry_points_of_its_numbers_only() -> None:
    line = Trunk("main", "192.0.2.1", number="+886277001000", entry="81", dids=(Did("+886277001001", "82"),))
    text = extensions_conf(replace(GOOD, trunks=(line, Trunk("plain", "192.0.2.2"))))
    known = patterns(text)
    assert set(known["from-trunk-main"]) == {"+886277001000", "886277001000", "+886277001001", "886277001001"}
    assert known["from-trunk-plain"] == ["81", "82", "83"]
    assert steps(text)["from-trunk-main/886277001001"] == [
        "Set(RINGSIDE_TRUNK=main)",
        "Set(RINGSIDE_DID=+886277001001)",
        "Goto(entry,82,1)",
    ]


def test_a_trunk_is_taken_up_without_a_restart_and_never_may_transfer() -> None:
    given = replace(GOOD, trunks=(Trunk("main", "192.0.2.1:5070", "user", "a;b", registers=True),))
    files, before = configuration(given, PLACES), configuration(GOOD, PLACES)
    assert {name for name in files if files[name] != before[name]} == {"pjsip_trunks.conf", "extensions.conf"}
    assert lasting(files, PLACES) == lasting(before, PLACES)
    text = files["pjsip_trunks.conf"]
    assert "allow_transfer = no" in text
    assert "password = a\\;b\n" in text
    assert "match = 192.0.2.1\n" in text
    assert "set_var = RINGSIDE_TRUNK=main\n" in text
    capped = replace(given.trunks[0], max_calls=30, srtp=True, match=("192.0.2.0/24", "198.51.100.7"))
    text = configuration(replace(GOOD, trunks=(capped,)), PLACES)["pjsip_trunks.conf"]
    assert "device_state_busy_at = 30\n" in text
    assert "media_encryption = sdes\n" in text
    assert "match = 192.0.2.1,192.0.2.0/24,198.51.100.7\n" in text


def test_short_codes_music_and_tls_stand_in_their_files() -> None:
    given = replace(
        GOOD,
        short_codes=(("*7", "1007"),),
        music_classes=(("jazz", "/srv/jazz"),),
        sip_tls_port=5061,
        sip_tls_cert="/etc/c.pem",
        sip_tls_key="/etc/k.pem",
    )
    files = configuration(given, PLACES)
    assert 'ExecIf($["${RINGSIDE_CODE}" = "*7"]?Set(RINGSIDE_DIALLED=1007))' in files["extensions.conf"]
    assert "[jazz]\nmode = files\ndirectory = /srv/jazz\n" in files["musiconhold.conf"]
    assert "[tls]\ntype = transport\nprotocol = tls\nbind = 127.0.0.1:5061\n" in files["pjsip.conf"]


def test_emergency_goes_where_it_is_told_then_to_each_line_in_order() -> None:
    assert GOOD.dials_for_emergency("110") == ()
    lines = (
        Trunk("one", "192.0.2.1:5060", number="0277001000"),
        Trunk("in", "192.0.2.2", direction=Direction.IN),
        Trunk("two", "192.0.2.3", qualify_s=0),
    )
    several = replace(GOOD, trunks=lines)
    # The last round is for a line that answers no OPTIONS: it has no contact to be dialled by its name.
    assert several.dials_for_emergency("110") == (
        "PJSIP/110@one",
        "PJSIP/110@two",
        "PJSIP/one/sip:110@192.0.2.1:5060",
    )
    assert steps(extensions_conf(several))["emergency/110"] == [
        "Set(PJSIP_TRANSFER_HANDLING()=ari-only)",
        "CELGenUserEvent(RINGSIDE_EMERGENCY,110)",
        "Set(CALLERID(num)=0277001000)",
        "Dial(PJSIP/110@one)",
        "Dial(PJSIP/110@two)",
        "Set(CALLERID(num)=0277001000)",
        "Dial(PJSIP/one/sip:110@192.0.2.1:5060)",
        "Progress()",
        "Playback(all-circuits-busy-now,noanswer)",
        "Congestion(10)",
    ]
    own = replace(several, emergency_dial="Local/{number}@test")
    assert own.dials_for_emergency("119")[:2] == ("Local/119@test", "PJSIP/119@one")


@given_any(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=80))
def test_a_carriers_password_is_one_value_of_one_line(password: str) -> None:
    line = Trunk("main", "192.0.2.1", "user", password, registers=True)
    assert list(wrong_with_trunk(line)) == []
    text = configuration(replace(GOOD, trunks=(line,)), PLACES)["pjsip_trunks.conf"]
    (told,) = [row.removeprefix("password = ") for row in text.splitlines() if row.startswith("password = ")]
    # Asterisk ends a value at a `;` without a backslash before it.
    assert re.sub(r"\\;", "", told).count(";") == 0
    assert told.replace("\\;", ";") == password
    assert password not in repr(line) or password in repr(replace(line, password=""))


def test_one_question_to_a_line_is_over_before_the_next_is_asked() -> None:
    assert all(0 < answer_limit(seconds) < seconds for seconds in range(1, 3601))
    assert answer_limit(0) == answer_limit(15) == QUALIFY_LIMIT_S
