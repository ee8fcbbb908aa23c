"""Extensions made and removed while Asterisk runs, seen by real phones."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from cti.ami import Ami, AmiGone
from cti.asterisk import AsteriskProcess
from cti.provisioning import (
    Extension,
    FallbackMembers,
    PhoneKind,
    PhoneState,
    Provisioning,
    ProvisioningFailed,
    contacts_of,
    http_call,
    registered_phones,
    shown_name,
)
from softphone.process import PhoneGone, PhoneProcess
from tests.asterisk.conftest import MakeAsterisk
from tests.support.asterisk import soon

pytestmark = [pytest.mark.asyncio]


def server_of(box: AsteriskProcess) -> str:
    return f"{box.settings.sip_host}:{box.settings.sip_port}"


async def may_register(box: AsteriskProcess, number: str, password: str) -> bool:
    try:
        async with await PhoneProcess.start(number, server=server_of(box), password=password):
            return True
    except PhoneGone as gone:
        if gone.code != 3:  # not refused but a dead server, say
            raise
        return False


def stored(box: AsteriskProcess) -> str:
    """What lies in astdb on the disk; Asterisk commits once a second."""
    file = f"file:{box.settings.work}/var/astdb.sqlite3?mode=ro"
    with contextlib.closing(sqlite3.connect(file, uri=True)) as link:
        return "\n".join(f"{key} {value}" for key, value in link.execute("select key, value from astdb"))


@pytest.mark.softphone
async def test_a_phone_registers_until_its_extension_is_removed(asterisk: AsteriskProcess) -> None:
    provisioning = Provisioning(http_call(asterisk.settings))
    password = await provisioning.put(Extension("1001", "王小明"))
    assert re.fullmatch(r"[A-Za-z0-9]{20}", password)
    assert await may_register(asterisk, "1001", password)
    assert not await may_register(asterisk, "1001", "wrong-wrong-wrong")
    changed = await provisioning.set_password("1001")
    assert not await may_register(asterisk, "1001", password)
    assert await may_register(asterisk, "1001", changed)
    await provisioning.remove("1001")
    await provisioning.remove("1001")
    assert not await may_register(asterisk, "1001", changed)


@pytest.mark.softphone
async def test_the_state_of_each_phone_is_seen(make_asterisk: MakeAsterisk) -> None:
    box = make_asterisk(qualify_s=1)
    provisioning = Provisioning(http_call(box.settings), qualify_s=1)
    async with Ami(box.settings) as ami:
        assert await registered_phones(ami) == {}
        password = await provisioning.put(Extension("1001"))
        await provisioning.put(Extension("1002"))
        async with await PhoneProcess.start("1001", server=server_of(box), password=password) as phone:

            async def answers() -> PhoneState | None:
                seen = (await registered_phones(ami)).get("1001")
                return seen if seen is not None and seen.answers else None

            seen = await soon(answers, "the phone has answered")
            assert seen.address == phone.uri.rpartition("@")[2].rstrip(">")
            assert seen.agent
            assert seen.round_trip_us > 0
            assert 0 < seen.expires_at - time.time() <= 600
            await phone.kill()

            async def silent() -> bool:
                return (await registered_phones(ami))["1001"].answers is False

            # Asked each second, three seconds for the answer.
            await soon(silent, "a dead phone is seen", limit_s=1 + 3 + 1.5)
        await provisioning.remove("1001")


async def registered(box: AsteriskProcess) -> set[str]:
    async with Ami(box.settings) as ami:
        return set(await registered_phones(ami))


async def until_gone(box: AsteriskProcess, number: str) -> None:
    async def gone() -> bool:
        return number not in await registered(box)

    await soon(gone, f"{number} is registered no more", limit_s=2.0)


async def is_not_rung(caller: PhoneProcess, number: str, phone: PhoneProcess) -> None:
    """Who dials the number hears that nobody is there, and this phone nothing of it."""
    mark = phone.mark()
    call = await caller.call(number)
    ended = await caller.expect("ended", call=call, within=8.0)
    assert not ended["answered"]
    assert phone.said("incoming", since=mark) == []


@pytest.mark.softphone
async def test_whoever_has_the_old_password_loses_the_number_at_once_and_keeps_his_call(
    make_asterisk: MakeAsterisk,
) -> None:
    box = make_asterisk(app_away_s=0)
    provisioning = Provisioning(http_call(box.settings), contacts=contacts_of(box.settings))
    first = await provisioning.put(Extension("1001", "Ann"))
    other = await provisioning.put(Extension("1002"))
    async with contextlib.AsyncExitStack() as stack:

        async def phone(number: str, password: str, tone: int) -> PhoneProcess:
            made = await PhoneProcess.start(number, server=server_of(box), password=password, tone=tone)
            return await stack.enter_async_context(made)

        old, caller = await phone("1001", first, 440), await phone("1002", other, 660)
        talk = await old.call("*43")
        await old.until_hears(440, call=talk)
        assert await provisioning.put(Extension("1001", "Bob", first)) == first
        assert await registered(box) == {"1001", "1002"}, "the same password: nothing ends"

        second = await provisioning.put(Extension("1001", "Bob"))
        await until_gone(box, "1001")
        assert await registered(box) == {"1002"}
        await is_not_rung(caller, "1001", old)
        await old.until_hears(440, call=talk)

        new = await phone("1001", second, 880)
        mark = old.mark()
        await caller.call("1001")
        await new.answer((await new.expect("incoming")).call)
        await caller.until_hears(880)
        assert old.said("incoming", since=mark) == []

        await old.until_hears(440, call=talk)
        await old.hang_up(talk)
        await soon(lambda: "2 active channels" in box.cli("core show channels count"), "its own call has ended")
        await provisioning.remove("1001")
        assert await registered(box) == {"1002"}
        await provisioning.put(Extension("1001", password=second))
        assert await registered(box) == {"1002"}, "the number came back, not its phone"


@pytest.mark.softphone
async def test_an_old_registration_is_ended_at_the_next_look_when_the_first_was_broken_off(
    make_asterisk: MakeAsterisk,
) -> None:
    box = make_asterisk()
    ask = contacts_of(box.settings)
    broken = True

    async def contacts() -> Mapping[str, Sequence[str]]:
        if broken:
            raise AmiGone("in the middle of it")
        return await ask()

    provisioning = Provisioning(http_call(box.settings), contacts=contacts)
    first = await provisioning.put(Extension("1001"))
    changed = Extension("1001", password="another-one-12")
    async with await PhoneProcess.start("1001", server=server_of(box), password=first):
        with pytest.raises(ProvisioningFailed, match="registrations of extension 1001"):
            await provisioning.put(changed)
        assert await registered(box) == {"1001"}
        assert not await may_register(box, "1001", first)
        broken = False
        await provisioning.put(changed)
        await until_gone(box, "1001")
    assert await may_register(box, "1001", changed.password)


@pytest.mark.softphone
async def test_extensions_and_fallback_members_survive_kill_9(make_asterisk: MakeAsterisk) -> None:
    box = make_asterisk()
    provisioning = Provisioning(http_call(box.settings))
    password = await provisioning.put(Extension("1001"))
    await provisioning.put(Extension("1002"))
    async with Ami(box.settings) as ami:
        await FallbackMembers(ami).set({"ann": "1001", "bob": "1002"})
        await FallbackMembers(ami).set({"ann": "1001", "bob": "1002"})
    await soon(
        lambda: "ps_endpoints/endpoint/1002" in stored(box) and "PJSIP/1002" in stored(box), "all is on the disk"
    )
    box.kill()
    assert box.ensure()
    assert await may_register(box, "1001", password)
    assert await provisioning.listed() == ["1001", "1002"]
    async with Ami(box.settings) as ami:
        members = FallbackMembers(ami)
        assert await members.listed() == {"ann": "1001", "bob": "1002"}
        await members.set({"bob": "1001"})
        assert await members.listed() == {"bob": "1001"}


async def test_leftovers_are_listed_and_removed_and_the_files_own_endpoints_stay(make_asterisk: MakeAsterisk) -> None:
    box = make_asterisk()
    provisioning = Provisioning(http_call(box.settings))
    for number in ("1003", "1001", "1002"):
        await provisioning.put(Extension(number))
    assert await provisioning.listed() == ["1001", "1002", "1003"]
    assert await provisioning.remove_leftovers({"1002": "ann"}) == ["1001", "1003"]
    assert await provisioning.listed() == ["1002"]
    assert "anonymous" in box.cli("pjsip show endpoints")


async def test_an_extension_put_again_is_not_taken_away_and_made_anew(asterisk: AsteriskProcess) -> None:
    call, asked = http_call(asterisk.settings), list[tuple[str, str]]()

    async def counted(method: str, path: str, body: Mapping[str, object] | None) -> tuple[int, object]:
        asked.append((method, path.rsplit("/", 2)[-2]))
        return await call(method, path, body)

    for kind in PhoneKind:
        extension = Extension("1001", "Ann", "the-same-one-12", kind)
        await Provisioning(counted).put(extension)
        asked.clear()
        await Provisioning(counted).put(extension)
        assert [one for one in asked if one[0] != "GET"] == [("PUT", "auth"), ("PUT", "endpoint")], kind
    await Provisioning(call).remove("1001")


async def test_an_endpoint_is_what_the_rules_demand(asterisk: AsteriskProcess) -> None:
    provisioning = Provisioning(http_call(asterisk.settings))
    await provisioning.put(Extension("1005", 'Eve" <1>;x,${SHELL(id)}', kind=PhoneKind.SOFTPHONE))
    await provisioning.put(Extension("1006", kind=PhoneKind.BROWSER))

    def shown(number: str, kind: str = "endpoint") -> dict[str, str]:
        lines = asterisk.cli(f"pjsip show {kind} {number}").splitlines()
        return {key.strip(): value.strip() for key, colon, value in (line.partition(":") for line in lines) if colon}

    desk, browser = shown("1005"), shown("1006")
    assert desk["context"] == browser["context"] == "from-agents"
    assert desk["allow"] == "(ulaw|alaw|g722|opus)"
    assert desk["direct_media"] == browser["direct_media"] == "false"
    assert desk["allow_transfer"] == browser["allow_transfer"] == "true"
    assert desk["callerid"] == '"Eve 1 x SHELL(id)" <1005>'
    for number in ("1005", "1006"):
        aor = shown(number, "aor")
        assert (aor["max_contacts"], aor["remove_existing"], aor["qualify_frequency"]) == ("1", "true", "15")
    assert (desk["rtp_timeout"], browser["rtp_timeout"]) == ("0", "30")
    assert browser["webrtc"] == "yes"
    # A desk phone made a browser's, and back: the later word holds.
    await provisioning.put(Extension("1005", kind=PhoneKind.BROWSER))
    assert shown("1005")["webrtc"] == "yes"
    await provisioning.put(Extension("1005", kind=PhoneKind.SOFTPHONE))
    assert shown("1005") == desk | {"callerid": '"1005" <1005>'}


@pytest.mark.parametrize(
    ("kind", "webrtc", "encryption", "expiry"),
    [
        (PhoneKind.SOFTPHONE, "no", "no", ("30", "300", "600")),
        (PhoneKind.DESK, "no", "sdes", ("60", "1800", "3600")),
        (PhoneKind.BROWSER, "yes", "dtls", ("30", "300", "600")),
    ],
)
async def test_each_kind_of_phone_gets_its_own_endpoint(
    asterisk: AsteriskProcess, kind: PhoneKind, webrtc: str, encryption: str, expiry: tuple[str, str, str]
) -> None:
    """Whatever the number was before: the later word holds."""
    provisioning = Provisioning(http_call(asterisk.settings))

    def shown(what: str) -> dict[str, str]:
        lines = asterisk.cli(f"pjsip show {what} 1007").splitlines()
        return {key.strip(): value.strip() for key, colon, value in (line.partition(":") for line in lines) if colon}

    for before in PhoneKind:
        await provisioning.put(Extension("1007", kind=before))
        await provisioning.put(Extension("1007", kind=kind))
        endpoint, aor = shown("endpoint"), shown("aor")
        assert (endpoint["webrtc"], endpoint["media_encryption"]) == (webrtc, encryption)
        assert endpoint["media_encryption_optimistic"] == ("true" if kind is PhoneKind.DESK else "false")
        assert endpoint["allow_transfer"] == "true"
        assert (aor["minimum_expiration"], aor["default_expiration"], aor["maximum_expiration"]) == expiry


@pytest.mark.parametrize("number", ["", "1", "10x", "anonymous", "../1001", "1001\n", "1" * 13, "１００１"])
async def test_only_digits_are_extensions(number: str) -> None:
    with pytest.raises(ValueError, match="2 to 12 digits"):
        Extension(number)


async def test_refusals_are_told_and_a_dead_asterisk_is_an_oserror(asterisk: AsteriskProcess) -> None:
    async def refused(method: str, path: str, body: object) -> tuple[int, object]:
        return 400, {"message": "no such field"}

    with pytest.raises(ProvisioningFailed, match="auth of extension 1001: Asterisk answered 400 no such field"):
        await Provisioning(refused).put(Extension("1001"))
    with pytest.raises(ValueError, match="12 to 64"):
        Extension("1001", password="short")
    with pytest.raises(OSError):  # noqa: PT011  # nobody listens on port 1
        await Provisioning(http_call(replace(asterisk.settings, http_port=1))).put(Extension("1001"))
    assert shown_name("a\nb\x00" + "c" * 99) == "a b" + "c" * 37
