"""Carriers' lines against a second Asterisk that plays the carrier, on another loopback address."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from acd.core.model import EntryPlan
from acd.ports import AddressSeen
from cti.agi import AgiServer
from cti.ami import Ami
from cti.asterisk import AsteriskProcess, AsteriskStale
from cti.config import Did, Direction, Form, NumberRules, Shown, Trunk
from cti.dialling import line_leg, shown_number
from cti.provisioning import Extension, Provisioning, http_call
from cti.trunks import TrunkState, states
from softphone.process import PhoneProcess
from tests.support.asterisk import App, free_port, originate, running_asterisk, soon
from tests.support.entry import FakeEngine
from tests.support.sipua import SipUa

pytestmark = [pytest.mark.asyncio]

ACCOUNT = "70010"
OUR_NUMBER = "+886277001000"
SALES = "+886277001001"
RULES = NumberRules("886", "0", ("002", "00"), sent=Form.NATIONAL)
# What a carrier's password may hold: each of these ends something in some file.
PASSWORD = "p;a-s_s:w%#=>[x]\\w\\;z"

CARRIER = """
[carrier]
exten => _[+0-9]!,1,Stasis(ringside,line,${EXTEN},${CALLERID(num)})
 same => n,Hangup()
[carrier-answers]
exten => s,1,Wait(60)
"""


@dataclass
class AllEntries:
    """Plans any entry point and keeps what it was asked."""

    asked: list[AddressSeen] = field(default_factory=list)

    def plan(self, seen: AddressSeen) -> EntryPlan:
        self.asked.append(seen)
        return EntryPlan(entry=seen.entry, revision=1, queue="service")


def started(args: dict[str, Any]) -> list[str]:
    """What the dialplan told the app."""
    return list(args["args"])


@dataclass
class Carrier:
    """The other Asterisk: takes our calls for any number into its app, knows our account by digest."""

    box: AsteriskProcess

    @property
    def address(self) -> str:
        return f"{self.box.settings.sip_host}:{self.box.settings.sip_port}"

    async def open_account(self, password: str, account: str = ACCOUNT) -> None:
        call = http_call(self.box.settings)
        # A registrar's account; its own check of passwords is stricter than a real carrier's, so it is set beside it.
        await Provisioning(call).put(Extension(account, password="x" * 12))
        fields = {
            "endpoint": {"context": "carrier", "trust_id_inbound": "yes", "callerid": ""},
            "auth": {"password": password},
        }
        for kind, values in fields.items():
            pairs = [{"attribute": key, "value": value} for key, value in values.items()]
            await call("PUT", f"asterisk/config/dynamic/res_pjsip/{kind}/{account}", {"fields": pairs})

    async def calls(self, channel: str, caller: str) -> None:
        """A customer calls us through it; he waits a minute at most."""
        await originate(self.box, channel, "Wait", "60", CallerID=f"<{caller}>")


@pytest.fixture(scope="module")
def carrier_box(asterisk_root: Path) -> Iterator[AsteriskProcess]:
    with running_asterisk(asterisk_root, sip_host="127.0.0.2", extra_dialplan=CARRIER, allow_anonymous=False) as box:
        yield box


@pytest_asyncio.fixture
async def carrier(carrier_box: AsteriskProcess) -> Carrier:
    here = Carrier(carrier_box)
    await here.open_account(PASSWORD)
    return here


def by_registration(carrier: Carrier, **changes: Any) -> Trunk:
    """A line that logs in."""
    line = Trunk(
        "main",
        carrier.address,
        ACCOUNT,
        PASSWORD,
        registers=True,
        number=OUR_NUMBER,
        entry="81",
        dids=(Did(SALES, "82"),),
        rules=RULES,
        from_user=ACCOUNT,
        qualify_s=1,
    )
    return replace(line, **changes)


@contextlib.asynccontextmanager
async def center(asterisk_root: Path, *trunks: Trunk, **changes: Any) -> AsyncIterator[AsteriskProcess]:
    """Our Asterisk with these lines."""
    with running_asterisk(asterisk_root, trunks=trunks, allow_anonymous=False, app_away_s=0, **changes) as box:
        yield box


async def state(box: AsteriskProcess, trunk: Trunk) -> TrunkState:
    async with Ami(box.settings) as ami:
        return (await states(ami, [trunk]))[trunk.name]


async def until_usable(box: AsteriskProcess, trunk: Trunk) -> None:
    async def live() -> bool:
        seen = await state(box, trunk)
        return seen.usable and seen.answers is True and seen.registered is (True if trunk.registers else None)

    await soon(live, f"line {trunk.name} is usable", limit_s=10.0)


async def call_out(app: App, box: AsteriskProcess, trunk: Trunk, number: str, shown: str, leg: str) -> None:
    """As the app does it: create, wait for its start, dial."""
    call = http_call(box.settings)
    made = line_leg(trunk, number, box.settings.default_region, shown=shown)
    status, told = await call(
        "POST",
        f"channels/create?endpoint={made.endpoint}&app=ringside&channelId={leg}",
        {"variables": dict(made.variables)},
    )
    assert status == 200, told
    await soon(lambda: [e for e in app.of("StasisStart") if e["channel"]["id"] == leg], "the channel is the app's")
    assert (await call("POST", f"channels/{leg}/dial?timeout=20", None))[0] == 204


async def test_a_line_that_registers_brings_calls_by_did_and_takes_them_out(
    asterisk_root: Path, carrier: Carrier
) -> None:
    trunk = by_registration(carrier)
    engine, plans = FakeEngine(), AllEntries()
    async with center(asterisk_root, trunk) as box:
        await until_usable(box, trunk)
        seen = await state(box, trunk)
        assert (seen.registered, seen.answers, seen.say) == (True, True, "Reachable")
        assert seen.round_trip_us > 0
        server = AgiServer(box.settings, engine, plans)
        await server.start()
        async with App(box) as app, App(carrier.box) as theirs:
            # In: our own number opens its entry, a DID its own; written as carriers write them.
            for count, (number, entry, called) in enumerate(
                [(OUR_NUMBER, "81", OUR_NUMBER), ("0277001000", "81", OUR_NUMBER), ("886277001001", "82", SALES)], 1
            ):
                await carrier.calls(f"PJSIP/{number}@{ACCOUNT}", "0912345678")
                start = (await app.starts(count))[-1]
                assert started(start) == ["entry", entry]
                assert start["channel"]["name"].startswith("PJSIP/main-")
                known = start["channel"]["channelvars"]
                assert (known["RINGSIDE_TRUNK"], known["RINGSIDE_DID"]) == ("main", called)
                asked = plans.asked[count - 1]
                assert (asked.entry, asked.called, asked.trunk) == (entry, called, "main")
                assert (asked.caller.raw, asked.caller.e164) == ("0912345678", "+886912345678")
            # Out: with digest, the number as the rules write it, the line's number shown.
            await call_out(app, box, trunk, "+886223456789", shown_number(trunk), "out-1")
            (start,) = await theirs.starts(1)
            assert started(start) == ["line", "0223456789", "0277001000"]
            ours = [e for e in app.of("StasisStart") if e["channel"]["id"] == "out-1"]
            assert ours[0]["channel"]["channelvars"]["RINGSIDE_TRUNK"] == "main"
        await server.stop()


async def test_two_accounts_at_one_carrier_are_told_apart(asterisk_root: Path, carrier: Carrier) -> None:
    second = "70020"
    await carrier.open_account("second-one-12", second)
    one = by_registration(carrier)
    two = by_registration(
        carrier, name="two", username=second, from_user=second, password="second-one-12", number="", entry="83", dids=()
    )
    async with center(asterisk_root, one, two) as box, App(box) as app:
        await until_usable(box, one)
        await until_usable(box, two)
        for count, (to, name, entry) in enumerate(
            [
                (f"PJSIP/{second}", "two", "83"),
                (f"PJSIP/{SALES}@{ACCOUNT}", "main", "82"),
                (f"PJSIP/{second}", "two", "83"),
            ],
            1,
        ):
            await carrier.calls(to, "0912345678")
            start = (await app.starts(count))[-1]
            assert started(start) == ["entry", entry]
            assert start["channel"]["channelvars"]["RINGSIDE_TRUNK"] == name


async def test_a_wrong_password_is_refused_and_the_state_says_so(asterisk_root: Path, carrier: Carrier) -> None:
    trunk = by_registration(carrier, password="wrong-wrong-wrong", qualify_s=1)
    async with center(asterisk_root, trunk) as box:

        async def refused() -> bool:
            return (await state(box, trunk)).say == "Rejected"

        await soon(refused, "the registration is refused", limit_s=10.0)
        seen = await state(box, trunk)
        assert (seen.registered, seen.usable) == (False, False)
        assert "wrong-wrong-wrong" not in box.log_tail(100_000)


async def test_a_carrier_that_goes_down_is_told_within_the_time_of_asking(asterisk_root: Path) -> None:
    with running_asterisk(asterisk_root, sip_host="127.0.0.3", extra_dialplan=CARRIER) as other:
        trunk = Trunk("line", f"127.0.0.3:{other.settings.sip_port}", qualify_s=1)
        unasked = replace(trunk, name="unasked", qualify_s=0)
        async with center(asterisk_root, trunk, unasked) as box:
            await until_usable(box, trunk)
            assert await state(box, unasked) == TrunkState("unasked", None, None, 0, "NonQualified")
            other.kill()

            async def down() -> bool:
                return (await state(box, trunk)).answers is False

            # asked each second, three seconds for the answer
            await soon(down, "the state says that the line is down", limit_s=1 + 3 + 1.5)
            assert not (await state(box, trunk)).usable
            assert (await state(box, unasked)).usable
            assert not (await state(box, replace(trunk, name="strange"))).usable


async def test_the_number_shown_follows_the_rule_and_codecs_are_the_lines(asterisk_root: Path) -> None:
    """A carrier that knows us by our address; each line shows another number."""
    port = free_port()
    ours = Trunk("center", f"127.0.0.1:{port}", codecs=("g722", "alaw", "ulaw"), qualify_s=0)
    answering = CARRIER.replace("Stasis(", "Answer(0,i)\n same => n,Stasis(")
    with running_asterisk(
        asterisk_root,
        sip_host="127.0.0.4",
        extra_dialplan=answering.replace("[carrier]", "[own]").replace("[carrier-answers]", "[unused]"),
        trunks=(ours,),
        entries=("0912345678",),
        allow_anonymous=False,
    ) as other:
        line = Trunk(
            "fixed", f"127.0.0.4:{other.settings.sip_port}", number=OUR_NUMBER, rules=replace(RULES, sent=Form.PLUS)
        )
        lines = {
            "fixed": line,
            "agent": replace(line, name="agent", shown=Shown.AGENT, codecs=("g722",)),
            "listed": replace(line, name="listed", shown=Shown.LISTED, listed=(SALES,), codecs=("ulaw",)),
        }
        # The number of the other side is an entry number there, so its app sees it.
        lines = {name: replace(t, rules=replace(RULES, sent=Form.AS_IS)) for name, t in lines.items()}
        async with center(asterisk_root, *lines.values(), sip_port=port) as box, App(box) as app, App(other) as theirs:
            call = http_call(box.settings)
            theirs_call = http_call(other.settings)
            asked = [
                ("fixed", {"agent": "+886277001999", "asked": SALES}, OUR_NUMBER, "alaw"),
                ("agent", {"agent": "+886277001999"}, "+886277001999", "g722"),
                ("agent", {"agent": ""}, OUR_NUMBER, "g722"),
                ("listed", {"asked": SALES}, SALES, "ulaw"),
                ("listed", {"asked": "+886900000000"}, OUR_NUMBER, "ulaw"),
            ]
            for count, (name, wish, shown, codec) in enumerate(asked, 1):
                leg = f"out-{count}"
                await call_out(app, box, lines[name], "0912345678", shown_number(lines[name], **wish), leg)
                start = (await theirs.starts(count, limit_s=8.0))[-1]
                assert start["channel"]["caller"]["number"] == shown
                await theirs_call("POST", f"channels/{start['channel']['id']}/answer", None)

                async def up(leg: str = leg) -> bool:
                    return bool((await call("GET", f"channels/{leg}", None))[1]["state"] == "Up")

                await soon(up, "answered")
                told = await call("GET", f"channels/{leg}/variable?variable=CHANNEL(audionativeformat)", None)
                assert codec in told[1]["value"]
                await call("DELETE", f"channels/{leg}", None)
            await call_out(app, box, lines["fixed"], "0912345678", "", "withheld")
            start = (await theirs.starts(len(asked) + 1))[-1]
            assert OUR_NUMBER not in str(start["channel"]["caller"])


async def test_only_its_address_opens_a_line_and_the_carrier_may_not_transfer(asterisk_root: Path) -> None:
    bank = await SipUa.open(free_port())
    known = Trunk("known", f"127.0.0.1:{bank.port}", qualify_s=0)
    strange = Trunk("known", "127.0.0.9:5060", qualify_s=0)
    out_only = replace(known, direction=Direction.OUT)
    try:
        for trunk, code in ((strange, 401), (out_only, 404)):
            async with center(asterisk_root, trunk) as box, App(box) as app:
                bank.server = ("127.0.0.1", box.settings.sip_port)
                call = bank.call("81", user="0912345678")
                await asyncio.wait_for(call.ended.wait(), 5)
                assert (call.code, call.answered.is_set()) == (code, False)
                assert app.of("StasisStart") == []
        async with center(asterisk_root, known) as box, App(box) as app:
            bank.server = ("127.0.0.1", box.settings.sip_port)
            for number in ("1001", "*43", "110", "84", "0912345678"):
                call = bank.call(number, user="0912345678")
                await asyncio.wait_for(call.ended.wait(), 5)
                assert call.code == 404
            call = bank.call("81", user="0912345678")
            (start,) = await app.starts(1)
            ari = http_call(box.settings)
            await ari("POST", f"channels/{start['channel']['id']}/answer", None)
            await asyncio.wait_for(call.answered.wait(), 5)
            assert await refer(bank, call, "sip:82@127.0.0.1") == 603
            assert app.of("ChannelTransfer") == []
            assert len((await ari("GET", "channels", None))[1]) == 1
            call.hang_up()
    finally:
        bank.close()


@pytest.mark.parametrize(("privacy", "raw"), [("none", "0912345678"), ("id", ""), ("id;critical", "")])
async def test_a_number_that_is_withheld_is_seen_by_nobody(asterisk_root: Path, privacy: str, raw: str) -> None:
    """The carrier knows it and tells us, because we are trusted."""
    bank = await SipUa.open(free_port())
    line = Trunk("line", f"127.0.0.1:{bank.port}", qualify_s=0)
    plans = AllEntries()
    try:
        async with center(asterisk_root, line) as box, App(box) as app:
            bank.server = ("127.0.0.1", box.settings.sip_port)
            server = AgiServer(box.settings, FakeEngine(), plans)
            await server.start()
            told = '"Lin" <sip:0912345678@carrier.test>'
            call = bank.call("81", user="anonymous", extra=f"P-Asserted-Identity: {told}\r\nPrivacy: {privacy}\r\n")
            (start,) = await app.starts(1)
            assert [seen.caller.raw for seen in plans.asked] == [raw]
            assert start["channel"]["caller"] == {"name": "Lin" if raw else "", "number": raw}
            call.hang_up()
            await server.stop()
    finally:
        bank.close()


async def refer(ua: SipUa, call: Any, to: str) -> int:
    """REFER in a dialog; the final code."""
    call.cseq += 1
    answer = ua.answers[f"{call.call_id} {call.cseq}"] = asyncio.get_running_loop().create_future()
    ua.request("REFER", call.contact, call, extra=f"Refer-To: <{to}>\r\nReferred-By: <sip:x@127.0.0.1>\r\n")
    return int((await asyncio.wait_for(answer, 5)).code)


@pytest.mark.softphone
async def test_a_line_added_while_calls_go_on_works_at_once(asterisk_root: Path, carrier: Carrier) -> None:
    async with center(asterisk_root) as box, contextlib.AsyncExitStack() as stack:
        password = await Provisioning(http_call(box.settings)).put(Extension("1001"))
        server = f"{box.settings.sip_host}:{box.settings.sip_port}"
        phone = await stack.enter_async_context(
            await PhoneProcess.start("1001", server=server, password=password, tone=440)
        )
        await phone.call("*43")
        await phone.until_hears(440)
        trunk = by_registration(carrier)
        changed = AsteriskProcess(replace(box.settings, trunks=(trunk,)))
        pid = box.pid
        assert changed.refresh()
        assert not changed.refresh()
        await until_usable(box, trunk)
        async with App(box) as app, App(carrier.box) as theirs:
            await carrier.calls(f"PJSIP/{SALES}@{ACCOUNT}", "0912345678")
            (start,) = await app.starts(1)
            assert started(start) == ["entry", "82"]
            await call_out(app, box, trunk, "0223456789", OUR_NUMBER, "out-1")
            assert started((await theirs.starts(1))[0])[1] == "0223456789"
        # Another password, another codec: the later word holds. Then it is taken away again.
        await carrier.open_account("another-one-12")
        changed = AsteriskProcess(
            replace(box.settings, trunks=(replace(trunk, password="another-one-12", codecs=("ulaw",)),))
        )
        assert changed.refresh()
        await soon(lambda: "(ulaw)" in box.cli("pjsip show endpoint main"), "the new codec is taken up")
        assert AsteriskProcess(box.settings).refresh()
        await soon(lambda: "Objects found" not in box.cli("pjsip show registrations"), "the line is taken away")
        assert not (await state(box, trunk)).usable
        assert box.pid == pid
        mark = phone.mark()
        await phone.until_hears(440)  # the call and the phone's registration never noticed
        assert [said for said in phone.history[mark:] if said.event == "ended"] == []
        assert "1001" in box.cli("pjsip show contacts")
        with pytest.raises(AsteriskStale, match="restart"):
            AsteriskProcess(replace(box.settings, rtp_end=box.settings.rtp_end - 1)).refresh()


@pytest.mark.softphone
async def test_an_emergency_call_tries_line_after_line(asterisk_root: Path) -> None:
    port = free_port()
    dead = Trunk("dead", f"127.0.0.9:{free_port()}", qualify_s=1)
    silent = Trunk("incoming", "127.0.0.8:5060", direction=Direction.IN, qualify_s=0)
    good = Trunk("good", f"127.0.0.7:{port}", number="0277001000", qualify_s=0)
    async with center(asterisk_root, dead, silent, good) as box, contextlib.AsyncExitStack() as stack:

        async def down() -> bool:
            return (await state(box, dead)).answers is False

        await soon(down, "the first line is known to be down", limit_s=8.0)
        password = await Provisioning(http_call(box.settings)).put(Extension("1001"))
        server = f"{box.settings.sip_host}:{box.settings.sip_port}"
        agent = await stack.enter_async_context(await PhoneProcess.start("1001", server=server, password=password))
        police = await stack.enter_async_context(
            await PhoneProcess.start(
                "119", server=server, register=False, address="127.0.0.7", local_port=port, tone=660
            )
        )
        await agent.call("119")
        rings = await police.expect("incoming", within=3.0)
        assert "119@127.0.0.7" in rings["to"]
        assert "0277001000" in rings["remote"]
        await police.answer()
        await agent.until_hears(660)


async def test_passwords_stay_out_of_sight(asterisk_root: Path, carrier: Carrier) -> None:
    secret = secrets.token_hex(16)
    trunk = by_registration(carrier, password=secret)
    async with center(asterisk_root, trunk) as box:
        etc = box.settings.work / "etc"
        holding = [path for path in etc.iterdir() if secret in path.read_text()]
        assert [path.name for path in holding] == ["pjsip_trunks.conf"]
        assert holding[0].stat().st_mode & 0o077 == 0
        assert secret not in repr(box.settings)
        assert secret not in Path(f"/proc/{box.pid}/cmdline").read_text()

        async def refused() -> bool:
            return (await state(box, trunk)).registered is False

        await soon(refused, "refused", limit_s=10.0)
        assert secret not in box.log_tail(100_000)


def certificate(folder: Path) -> tuple[str, str]:
    """A self-signed certificate and its key, for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ringside.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(cert), str(private)


async def test_a_line_over_tls_carries_encrypted_sound(asterisk_root: Path, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    tls = {"sip_tls_cert": cert, "sip_tls_key": key}
    ours, theirs = free_port(), free_port()
    number = "0912345678"
    line = Trunk("line", f"127.0.0.4:{theirs}", transport="tls", srtp=True, number="0277001000", qualify_s=1)
    back = Trunk("center", f"127.0.0.1:{ours}", transport="tls", srtp=True, qualify_s=0)
    with running_asterisk(
        asterisk_root, sip_host="127.0.0.4", trunks=(back,), entries=(number,), sip_tls_port=theirs, **tls
    ) as other:
        async with center(asterisk_root, line, sip_tls_port=ours, **tls) as box, App(box) as app, App(other) as there:
            await until_usable(box, line)
            await call_out(app, box, line, number, line.number, "out-1")
            (start,) = await there.starts(1)
            far = http_call(other.settings)
            await far("POST", f"channels/{start['channel']['id']}/answer", None)
            call = http_call(box.settings)

            async def up() -> bool:
                return bool((await call("GET", "channels/out-1", None))[1]["state"] == "Up")

            await soon(up, "answered")
            for what in ("CHANNEL(pjsip,secure)", "CHANNEL(rtp,secure,audio)"):
                for ask, channel in ((call, "out-1"), (far, start["channel"]["id"])):
                    told = await ask("GET", f"channels/{channel}/variable?variable={what}", None)
                    assert told[1] == {"value": "1"}, (what, channel)
