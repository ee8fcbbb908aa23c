"""Two phones, each a process of its own, call one another over loopback: sound, keys, hold, mute, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import pytest_asyncio

from softphone import tones
from softphone.process import CommandRefused, NotSaid, PhoneGone, PhoneProcess

pytestmark = [pytest.mark.softphone, pytest.mark.asyncio]

ROOT = Path(__file__).resolve().parents[2]
Pair = tuple[PhoneProcess, PhoneProcess]


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Alice (440 Hz) and Bob (660 Hz), both recording."""
    async with (
        await PhoneProcess.start("alice", tone=440, record=tmp_path / "alice.wav") as alice,
        await PhoneProcess.start("bob", tone=660, record=tmp_path / "bob.wav") as bob,
    ):
        yield alice, bob


async def connect(alice: PhoneProcess, bob: PhoneProcess) -> None:
    """Alice calls Bob; both hear each other."""
    await alice.call(bob.uri)
    await bob.expect("incoming")
    await alice.expect("ringing", code=180)
    await bob.answer()
    await asyncio.gather(alice.expect("answered"), bob.expect("answered"))
    await asyncio.gather(alice.until_hears(660), bob.until_hears(440))


async def talk(phone: PhoneProcess, packets: int) -> int:
    """Wait until that many RTP packets (20 ms each) came in; how many were lost."""
    async with asyncio.timeout(10):
        while (stats := await phone.do("stats"))["received"] < packets:
            await asyncio.sleep(0.05)
    return int(stats["lost"])


async def test_two_tones_in_both_recordings(pair: Pair, tmp_path: Path) -> None:
    alice, bob = pair
    await connect(alice, bob)
    assert set(await alice.hears()) == {660}
    assert set(await bob.hears()) == {440}
    assert await talk(bob, packets=50) == 0
    await talk(alice, packets=50)
    await alice.hang_up()
    ours, theirs = await alice.expect("ended"), await bob.expect("ended")
    assert (ours["by"], theirs["by"]) == ("us", "them")
    assert ours["answered"] is theirs["answered"] is True
    assert ours["code"] == theirs["code"] == 200
    assert theirs["seconds"] == pytest.approx(ours["seconds"], abs=0.2)
    for phone, file, hz in [(alice, "alice.wav", 660), (bob, "bob.wav", 440)]:
        recorded = await phone.expect("recorded")
        assert recorded["file"] == str(tmp_path / file)
        found = tones.measure(tmp_path / file)
        assert found.heard == {hz}
        assert found.tones[hz].amplitude == pytest.approx(tones.LOUD, rel=0.05)
        assert found.seconds == pytest.approx(ours["seconds"], abs=0.4)
    assert await alice.close() == 0
    assert await bob.close() == 0


async def test_keys_arrive_once_and_in_order(pair: Pair) -> None:
    alice, bob = pair
    await connect(alice, bob)
    await alice.dtmf("12#*0D")
    await alice.hold()  # waits until the keys are out
    await bob.expect("media", status="remote-hold")
    assert "".join(said["digit"] for said in bob.said("dtmf")) == "12#*0D"


async def test_hold_and_resume(pair: Pair) -> None:
    alice, bob = pair
    await connect(alice, bob)
    for _ in range(2):
        await alice.hold()
        await asyncio.gather(
            alice.expect("media", status="local-hold"), bob.expect("media", status="remote-hold"), bob.until_silent()
        )
        await alice.resume()
        await asyncio.gather(bob.until_hears(440), alice.until_hears(660))


async def test_hold_and_resume_at_once(pair: Pair) -> None:
    """The second re-INVITE finds the first one under way and is tried again."""
    alice, bob = pair
    await connect(alice, bob)
    await asyncio.gather(alice.hold(), alice.resume())
    await bob.expect("media", status="remote-hold")
    await asyncio.gather(bob.until_hears(440), alice.until_hears(660))


async def test_mute_is_silence_and_survives_hold(pair: Pair) -> None:
    alice, bob = pair
    await connect(alice, bob)
    await alice.mute()
    await bob.until_silent()
    await alice.until_hears(660)
    await alice.hold()
    await bob.expect("media", status="remote-hold")
    await alice.resume()
    await alice.until_hears(660)
    assert await bob.hears() == {}
    await alice.unmute()
    await bob.until_hears(440)


async def test_another_tone_in_mid_call(pair: Pair) -> None:
    alice, bob = pair
    await connect(alice, bob)
    await alice.do("play", tone=1320)
    await bob.until_hears(1320, absent=[440])


async def test_a_wav_file_is_played_over_and_over(pair: Pair, tmp_path: Path) -> None:
    _, bob = pair
    path = tones.write_wav(tmp_path / "two.wav", tones.tone_samples(1760)[:4000] + tones.tone_samples(2420)[:4000])
    async with await PhoneProcess.start("carol", play=path) as carol:
        await carol.call(bob.uri)
        await bob.expect("incoming")
        await bob.answer()
        for _ in range(2):
            await bob.until_hears(1760, absent=[2420])
            await bob.until_hears(2420, absent=[1760])


@pytest.mark.parametrize("code", [404, 480, 486, 488, 503, 603])
async def test_refusals_carry_their_code(pair: Pair, code: int) -> None:
    alice, bob = pair
    await alice.call(bob.uri)
    await bob.expect("incoming")
    await bob.decline(code)
    ended, declined = await alice.expect("ended"), await bob.expect("ended")
    assert (ended["code"], ended["by"], ended["answered"], ended["seconds"]) == (code, "them", False, 0.0)
    assert (declined["code"], declined["by"]) == (code, "us")


async def test_caller_gives_up_while_it_rings(pair: Pair) -> None:
    alice, bob = pair
    await alice.call(bob.uri)
    await bob.expect("incoming")
    await alice.hang_up()
    ours, theirs = await alice.expect("ended"), await bob.expect("ended")
    assert (ours["code"], ours["by"]) == (487, "us")
    assert (theirs["code"], theirs["by"], theirs["answered"]) == (487, "them", False)
    with pytest.raises(CommandRefused, match="no call is waiting"):
        await bob.answer()


async def test_several_calls_with_one_phone(pair: Pair, tmp_path: Path) -> None:
    alice, bob = pair
    for number in (1, 2, 3):
        await connect(alice, bob)
        await talk(bob, packets=25)
        await bob.hang_up()
        assert (await alice.expect("ended")).call == number
        assert (await bob.expect("recorded")).call == number
    assert tones.measure(tmp_path / "bob-3.wav").heard == {440}
    assert (await bob.do("calls"))["calls"] == []


async def test_the_fifth_call_is_refused_and_the_others_live(pair: Pair) -> None:
    alice, bob = pair
    for _ in range(4):
        await alice.call(bob.uri)
    with pytest.raises(CommandRefused, match="takes no more"):
        await alice.call(bob.uri)
    for _ in range(4):
        await bob.expect("incoming")
    await bob.answer()
    assert (await alice.expect("answered")).call == 1


async def test_auto_answer_takes_one_call_after_the_other(tmp_path: Path) -> None:
    async with (
        await PhoneProcess.start("alice", tone=440) as alice,
        await PhoneProcess.start("carol", tone=880) as carol,
        await PhoneProcess.start("bob", tone=660, auto_answer=0.3, listen=True) as bob,
    ):
        await alice.call(bob.uri)
        answered = await alice.expect("answered")
        assert 0.3 <= answered["seconds"] < 1.5
        await bob.expect("heard", where=lambda said: "440" in said["tones"])
        await carol.call(bob.uri)
        await carol.expect("ringing")
        mark = carol.mark()
        await asyncio.gather(carol.do("calls"), bob.until_hears(440, absent=[880], call=1))
        with pytest.raises(NotSaid):
            await carol.expect("answered", since=mark, within=0.6)
        await alice.hang_up()
        await carol.expect("answered")
        await bob.until_hears(880, absent=[440], call=2)


async def test_blind_transfer() -> None:
    async with (
        await PhoneProcess.start("alice", tone=440) as alice,
        await PhoneProcess.start("bob", tone=660) as bob,
        await PhoneProcess.start("carol", tone=880, auto_answer=0) as carol,
    ):
        await connect(alice, bob)
        await bob.transfer(carol.uri)
        moved = await alice.expect("transfer-requested")
        assert (await bob.expect("transfer", final=True))["code"] == 200
        assert (await bob.expect("ended"))["by"] == "us"
        await alice.expect("answered", call=moved["new_call"])
        await asyncio.gather(alice.until_hears(880, call=moved["new_call"]), carol.until_hears(440))


async def test_attended_transfer() -> None:
    async with (
        await PhoneProcess.start("alice", tone=440) as alice,
        await PhoneProcess.start("bob", tone=660) as bob,
        await PhoneProcess.start("carol", tone=880, auto_answer=0) as carol,
    ):
        await connect(alice, bob)
        await bob.hold(1)
        await bob.expect("media", status="local-hold")
        await bob.call(carol.uri)
        await bob.expect("answered", call=2)
        await bob.until_hears(880, call=2)
        await bob.do("join", call=1, other=2)
        moved = await alice.expect("transfer-requested")
        taken = await carol.expect("replaced")
        await asyncio.gather(bob.expect("ended", call=1), bob.expect("ended", call=2))
        await asyncio.gather(
            alice.until_hears(880, call=moved["new_call"]), carol.until_hears(440, call=taken["new_call"])
        )


HOSTILE_NAMES = ['Bob" <sip:evil@example.net>', "\\", "a\r\nX-Evil: yes\r\n", "王小明 📞", "${SHELL(id)}", "n" * 200]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_hostile_names_arrive_as_text(name: str) -> None:
    user = "8 01;x=<\r\n>@h"
    async with (
        await PhoneProcess.start(user, display_name=name) as alice,
        await PhoneProcess.start("bob") as bob,
    ):
        await alice.call(bob.uri, {"X-Case": "SR-1\r\nX-More: no"})
        incoming = await bob.expect("incoming")
        quoted, _, address = incoming["remote"].rpartition(" ")
        assert json.loads(quoted) == name.replace("\r", " ").replace("\n", " ")
        assert address.isascii()
        assert unquote(address) == f"<sip:{user}@127.0.0.1>"
        assert incoming["headers"] == {"X-Case": "SR-1  X-More: no"}


RUBBISH = [
    "",
    "hello",
    "[]",
    "42",
    '{"do": 1}',
    '{"do": "fly"}',
    '{"do": "call"}',
    '{"do": "call", "to": ""}',
    '{"do": "call", "to": "81"}',
    '{"do": "call", "to": "sip:a@127.0.0.1:9 evil"}',
    '{"do": "call", "to": "sip:"}',
    '{"do": "call", "to": "sip:a@127.0.0.1", "headers": {"X Y": "z"}}',
    '{"do": "call", "to": "sip:a@127.0.0.1", "headers": 7}',
    '{"do": "answer"}',
    '{"do": "answer", "call": true}',
    '{"do": "answer", "code": 700}',
    '{"do": "decline", "call": 1e99}',
    '{"do": "hold", "call": 99}',
    '{"do": "dtmf", "digits": "12"}',
    '{"do": "play", "file": "/dev/null"}',
    '{"do": "join", "other": 3}',
    '{"do": "register"}',
    '{"do": "hears", "call": {"a": []}}',
    "[" * 5000,
    "\x00\x01",
    "x" * 20_000,
]


async def test_rubbish_breaks_nothing(pair: Pair) -> None:
    alice, bob = pair
    for line in RUBBISH:
        await alice.write(line)
    await connect(alice, bob)
    told = alice.said("error")
    assert len(told) >= len([line for line in RUBBISH if line])
    assert all(said["say"] for said in told)
    assert not [line for line in alice.errors if "Traceback" in line]
    before = alice.mark()
    for line in ['{"do": "dtmf", "digits": "1x"}', '{"do": "decline"}', '{"do": "play", "tone": 9999}', '{"do": []}']:
        await alice.write(line)
        await alice.expect("error", since=before)
        before = alice.mark()
    assert await alice.close() == 0


async def test_an_answer_carries_the_id_of_its_command(pair: Pair) -> None:
    alice, _ = pair
    await alice.write('{"do": "calls", "id": "abc"}')
    assert (await alice.expect("done", id="abc"))["calls"] == []
    await alice.write('{"do": "hold", "id": "def"}')
    assert "no call" in (await alice.expect("error", id="def"))["say"]


async def test_quit_hangs_up(pair: Pair) -> None:
    alice, bob = pair
    await connect(alice, bob)
    began = time.monotonic()
    await alice.write('{"do": "quit"}')
    assert await alice.wait() == 0, alice.errors
    assert (await bob.expect("ended"))["code"] == 200
    assert time.monotonic() - began < 2.0
    assert alice.said("ended")
    with pytest.raises(PhoneGone) as gone:
        await alice.expect("incoming")
    assert gone.value.code == 0


async def test_sigterm_ends_in_order(pair: Pair) -> None:
    alice, bob = pair
    await connect(alice, bob)
    os.kill(alice.pid, signal.SIGTERM)
    assert await alice.wait() == 0, alice.errors
    await bob.expect("ended", by="them")


async def test_a_port_in_use_is_said(pair: Pair) -> None:
    alice, _ = pair
    with pytest.raises(PhoneGone) as gone:
        await PhoneProcess.start("mallory", local_port=int(alice.uri.rpartition(":")[2]))
    assert gone.value.code == 1
    assert "Traceback" not in str(gone.value)


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def test_no_phone_outlives_its_driver() -> None:
    """kill -9 of the driver in mid-call: its two phones end by themselves."""
    code = """
        import asyncio
        from softphone.process import PhoneProcess

        async def main():
            a = await PhoneProcess.start("alice", tone=440)
            b = await PhoneProcess.start("bob", tone=660, auto_answer=0)
            await a.call(b.uri)
            await a.until_hears(660)
            print(a.pid, b.pid, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
    """
    driver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert driver.stdout is not None
    with driver, driver.stdout:
        line = await asyncio.to_thread(driver.stdout.readline)
        pids = [int(pid) for pid in line.split()]
        assert len(pids) == 2
        assert all(_runs(pid) for pid in pids)
        driver.kill()
        end = time.monotonic() + 5
        while any(_runs(pid) for pid in pids) and time.monotonic() < end:
            await asyncio.sleep(0.05)
        assert not [pid for pid in pids if _runs(pid)]
