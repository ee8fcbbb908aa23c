"""A person's phone with microphone, speaker and ringer at a real Asterisk, in a sound system of the test's own.

What the phone says of itself is not believed: the far end tells what it hears, and what the phone plays is recorded at
PulseAudio's null sinks and measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cti.asterisk import AsteriskProcess
from cti.provisioning import Extension, Provisioning, http_call
from softphone import tones
from softphone.cli import Exit
from softphone.library import FOLDER_VARIABLE
from softphone.process import CommandRefused, PhoneGone, PhoneProcess
from softphone.ring import KNOCK_HZ, RING_HZ
from tests.asterisk.conftest import MakeAsterisk
from tests.support.asterisk import free_port, soon
from tests.support.pulse import RATE, Pulse, peak_of, running_pulse

pytestmark = [pytest.mark.proof, pytest.mark.softphone, pytest.mark.asyncio, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
VOICE_HZ, VOICE = 1000, 0.3
FAR_HZ = 660
STEADY_S = 15.0
STRETCH_S = 0.4  # the robot's player leaves a gap of 20 ms at each turn of its file, once in 1.02 s
DEVICES = ("--microphone=test-microphone", "--speaker=test-speaker", "--ringer=test-ringer")


@pytest.fixture(scope="session")
def own_build(request: pytest.FixtureRequest) -> Path:
    """pjsua2 with sound, built now if it was not yet; its words go to the terminal."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        built = subprocess.run([ROOT / "tools/build-pjsua2"], cwd=ROOT, check=False)
    assert built.returncode == 0, "tools/build-pjsua2 failed: see above"
    return ROOT / "build/pjsua2/site"


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    with running_pulse() as pulse:
        pulse.play("microphone", VOICE_HZ, VOICE)
        yield pulse


@pytest.fixture
def sound(pulse: Pulse, own_build: Path) -> Mapping[str, str]:
    """The environment of a phone with the test's devices."""
    return {**pulse.environment, FOLDER_VARIABLE: str(own_build)}


def server_of(box: AsteriskProcess) -> str:
    return f"{box.settings.sip_host}:{box.settings.sip_port}"


async def extensions(box: AsteriskProcess, *numbers: str) -> list[str]:
    """Make extensions; their passwords. No application is connected, so the dial plan connects them plainly."""
    provisioning = Provisioning(http_call(box.settings))
    return [await provisioning.put(Extension(number)) for number in numbers]


async def until_steady(pulse: Pulse, sink: str, hz: float, amplitude: float) -> tuple[float, float]:
    """Record a stretch again and again until this tone is there with that amplitude; what was measured."""

    end = time.monotonic() + STEADY_S
    while True:
        found = peak_of(await asyncio.to_thread(pulse.record, sink, STRETCH_S))
        if abs(found[0] - hz) < 1 and found[1] == pytest.approx(amplitude, rel=0.05):
            return found
        assert time.monotonic() < end, f"wanted {hz} Hz with {amplitude} at {sink}, measured {found} at last"


def streams(pulse: Pulse, kind: str) -> int:
    """How many streams a phone has open; `paplay` of the test is none of them."""
    asked = subprocess.run(
        ["pactl", "list", "short", kind],
        env={**os.environ, **pulse.server},
        check=True,
        capture_output=True,
        text=True,
    )
    return len(asked.stdout.splitlines()) - (len(pulse.playing) if kind == "sink-inputs" else 0)


async def test_both_directions_ring_levels_and_keys(
    asterisk: AsteriskProcess,
    pulse: Pulse,
    sound: Mapping[str, str],
    tmp_path: Path,
) -> None:
    passwords = await extensions(asterisk, "1001", "1002", "1003")
    server, heard = server_of(asterisk), (VOICE_HZ, *tones.KNOWN)
    async with (
        await PhoneProcess.start(
            "1001", server=server, password=passwords[0], arguments=[*DEVICES, "--meters"], environment=sound
        ) as agent,
        await PhoneProcess.start(
            "1002", server=server, password=passwords[1], tone=FAR_HZ, tones=heard, record=tmp_path / "far.wav"
        ) as far,
        await PhoneProcess.start("1003", server=server, password=passwords[2]) as other,
    ):
        assert (streams(pulse, "sink-inputs"), streams(pulse, "source-outputs")) == (0, 0)

        # it rings at the ringer alone, and the microphone stays closed
        await far.call("1001")
        await agent.expect("rings", sound="ring", within=10)
        rung = await asyncio.to_thread(pulse.record, "ringer", 3.5)
        assert tones.measure_samples(rung, RING_HZ, RATE).heard == set(RING_HZ)
        assert abs(await asyncio.to_thread(pulse.record, "speaker", 0.3)).max() == 0
        assert streams(pulse, "source-outputs") == 0

        # answered: the far end hears the microphone, the speaker plays the far end
        await agent.answer()
        await agent.expect("rings", sound="none")
        await far.expect("answered")
        await far.until_hears(VOICE_HZ)
        hz, amplitude = await until_steady(pulse, "speaker", FAR_HZ, tones.LOUD)
        print(f"speaker: {hz:.1f} Hz, amplitude {amplitude:.3f}; sent {FAR_HZ} Hz, {tones.LOUD}")
        assert abs(await asyncio.to_thread(pulse.record, "ringer", 0.3)).max() == 0
        await soon(lambda: levels_are(agent, -10.5, -18.4), "20 log10 of 0.3 and of 0.12")
        assert len(agent.said("levels")) > 10

        # keypad, mute
        await agent.dtmf("4*")
        for digit in "4*":
            await far.expect("dtmf", digit=digit)
        await agent.mute()
        await far.until_silent()
        await until_steady(pulse, "speaker", FAR_HZ, tones.LOUD)
        await agent.unmute()
        await far.until_hears(VOICE_HZ)

        # volumes
        await agent.do("volume", speaker=50, microphone=50)
        await until_steady(pulse, "speaker", FAR_HZ, tones.LOUD / 2)
        assert (await soon(lambda: quieter(far), "the microphone is at half"))[VOICE_HZ] == pytest.approx(0.15, rel=0.2)
        await agent.do("volume", speaker=100, microphone=100)
        with pytest.raises(CommandRefused, match="0 to 200"):
            await agent.do("volume", speaker=201)

        # a second call knocks softly in the headset, and the call goes on
        await other.call("1001")
        await agent.expect("rings", sound="knock")

        async def knock() -> bool:
            both = tones.measure_samples(
                await asyncio.to_thread(pulse.record, "speaker", 4.5), (FAR_HZ, KNOCK_HZ), RATE
            )
            return both.heard == {FAR_HZ, KNOCK_HZ}

        await soon(knock, "the knock beside the call", limit_s=15)
        await other.hang_up()
        await agent.expect("rings", sound="none")

        # another device in mid-call
        await agent.do("use", speaker="ringer")
        await until_steady(pulse, "ringer", FAR_HZ, tones.LOUD)
        with pytest.raises(CommandRefused, match="no speaker is 'nowhere'"):
            await agent.do("use", speaker="nowhere")
        await far.until_hears(VOICE_HZ)

        # hold comes last: from then on it is Opus, in which a pure tone has no steady level
        await agent.hold()
        await far.until_hears(absent=[VOICE_HZ])
        await soon(lambda: streams(pulse, "source-outputs") == 0, "the microphone is closed during hold")
        await agent.resume()
        await far.until_hears(VOICE_HZ)

        await agent.hang_up()
        await far.expect("ended")
        await far.expect("recorded")
        await soon(
            lambda: (streams(pulse, "sink-inputs"), streams(pulse, "source-outputs")) == (0, 0), "all is closed again"
        )
        samples, rate = tones.read_wav(tmp_path / "far.wav")
        voice = tones.measure_samples(samples, (VOICE_HZ,), rate).tones[VOICE_HZ]
        assert voice.amplitude == pytest.approx(VOICE, rel=0.1)
        print(f"far end: {VOICE_HZ} Hz, amplitude {voice.amplitude}; sent {VOICE}")
        assert agent.said("sound-failed") == []
        assert agent.errors == []


async def levels_are(agent: PhoneProcess, microphone: float, speaker: float) -> bool:
    """The meters show a single frame, which may lie in a gap."""
    now = await agent.do("levels")
    return bool(abs(now["microphone"] - microphone) <= 1.0 and abs(now["speaker"] - speaker) <= 1.5)


async def quieter(far: PhoneProcess) -> dict[int, float] | None:
    now = await far.hears()
    return now if now.get(VOICE_HZ, 1.0) < 0.2 else None


async def test_the_devices_are_tried_without_a_call(pulse: Pulse, sound: Mapping[str, str]) -> None:
    async with await PhoneProcess.start("1001", arguments=DEVICES, environment=sound) as agent:
        told = await agent.do("devices")
        assert told["chosen"] == {role: f"test-{role}" for role in ("microphone", "speaker", "ringer")}
        await agent.do("try", what="speaker")
        await until_steady(pulse, "speaker", 440, tones.LOUD)
        await agent.do("try", what="microphone")
        await until_steady(pulse, "speaker", VOICE_HZ, VOICE)
        await agent.do("try", what="ringer")
        rung = await asyncio.to_thread(pulse.record, "ringer", 1.5)
        assert tones.measure_samples(rung, RING_HZ, RATE).heard == set(RING_HZ)
        await agent.do("silence")
        await soon(lambda: streams(pulse, "sink-inputs") == 0, "the ringer is closed")
        with pytest.raises(CommandRefused, match="microphone test-speaker and speaker test-speaker cannot be opened"):
            await agent.do("use", microphone="1")  # a sink is no microphone
        assert (await agent.do("devices"))["chosen"] == told["chosen"]
        await agent.do("use", speaker="2", ringer="1")
        await agent.do("try", what="speaker")
        await until_steady(pulse, "ringer", 440, tones.LOUD)


async def test_what_cannot_be_opened_is_named_with_what_to_do(pulse: Pulse, sound: Mapping[str, str]) -> None:
    with pytest.raises(PhoneGone, match="no microphone is 'gramophone'; choose by number or name: 0 test-mic") as gone:
        await PhoneProcess.start("1001", arguments=["--microphone=gramophone"], environment=sound)
    assert gone.value.code == Exit.FAILED
    empty = pulse.folder / "empty.conf"
    empty.write_text("")
    with pytest.raises(PhoneGone, match="there is no sound device") as gone:
        await PhoneProcess.start("1001", arguments=["--sound"], environment={**sound, "ALSA_CONFIG_PATH": str(empty)})
    assert gone.value.code == Exit.NO_SOUND


async def test_a_headset_pulled_out_in_mid_call_comes_back(pulse: Pulse, sound: Mapping[str, str]) -> None:
    async with (
        await PhoneProcess.start("1001", arguments=DEVICES, environment=sound) as agent,
        await PhoneProcess.start("1002", tone=FAR_HZ, tones=(VOICE_HZ,)) as far,
    ):
        await far.call(agent.uri)
        await agent.expect("incoming")
        await agent.answer()
        await far.until_hears(VOICE_HZ)
        pulse.stop()
        assert "plug it in again" in (await agent.expect("sound-failed"))["say"]
        await far.until_silent()
        packets = (await far.do("stats"))["received"]
        await soon(lambda: more_packets(far, packets + 50), "the call goes on, silent")
        pulse.start()
        pulse.play("microphone", VOICE_HZ, VOICE)
        await agent.expect("sound-back", within=10)
        await far.until_hears(VOICE_HZ)
        await until_steady(pulse, "speaker", FAR_HZ, tones.LOUD)
        assert len(agent.said("sound-failed")) == len(agent.said("sound-back")) == 1
        await agent.hang_up()
        assert (await far.expect("ended"))["answered"]


async def more_packets(far: PhoneProcess, number: int) -> bool:
    return int((await far.do("stats"))["received"]) > number


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout {key} -out {cert}"
    subprocess.run([*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


async def test_tls_and_srtp_over_the_echo(
    make_asterisk: MakeAsterisk, pulse: Pulse, sound: Mapping[str, str], tmp_path: Path
) -> None:
    cert, key = certificate(tmp_path, "own")
    stranger, _ = certificate(tmp_path, "stranger")
    box = make_asterisk(sip_tls_port=free_port(), sip_tls_cert=str(cert), sip_tls_key=str(key))
    [password] = await extensions(box, "1001")
    # from now on this extension is served with encrypted sound or not at all
    ask = http_call(box.settings)
    change = {"fields": [{"attribute": "media_encryption", "value": "sdes"}]}
    status, _ = await ask("PUT", "asterisk/config/dynamic/res_pjsip/endpoint/1001", change)
    assert status == 200
    server = f"127.0.0.1:{box.settings.sip_tls_port}"
    tls = [*DEVICES, "--transport=tls"]

    # a server that nobody known vouches for, and one that bears another name
    for place, authority in ((server, stranger), (f"localhost:{box.settings.sip_tls_port}", cert)):
        with pytest.raises(PhoneGone, match="Its certificate is not for that name") as gone:
            await PhoneProcess.start(
                "1001", server=place, password=password, arguments=[*tls, f"--tls-ca={authority}"], environment=sound
            )
        assert gone.value.code == Exit.SERVER_DEAD
    async with await PhoneProcess.start(
        "1001", server=server, password=password, arguments=[*tls, f"--tls-ca={cert}"], environment=sound
    ) as plain:
        await plain.call("*43")
        assert (await plain.expect("ended", within=10))["code"] == 488
    async with await PhoneProcess.start(
        "1001", server=server, password=password, arguments=[*tls, f"--tls-ca={cert}", "--srtp"], environment=sound
    ) as agent:
        await agent.do("echo")
        await agent.expect("answered")
        await until_steady(pulse, "speaker", VOICE_HZ, VOICE)
        assert (await agent.do("stats"))["lost"] == 0


class Terminal:
    """`ringside phone 1001` in a terminal of its own."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "softphone", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        os.close(theirs)
        os.set_blocking(ours, False)
        self._screen, self.shown, self.everything = ours, "", ""

    def press(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    async def until(self, text: str, limit_s: float = 10.0) -> None:
        """Wait until the text is shown, and forget what came before it."""

        def look() -> bool:
            with contextlib.suppress(OSError):  # nothing new, or the program has ended
                new = os.read(self._screen, 65536).decode(errors="replace")
                self.shown, self.everything = self.shown + new, self.everything + new
            return text in self.shown

        try:
            await soon(look, f"{text!r} in the terminal", limit_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; shown: {self.shown[-600:]!r}") from None
        self.shown = self.shown.partition(text)[2]

    async def ended(self) -> int:
        async with asyncio.timeout(10):
            while self._process.poll() is None:
                await asyncio.sleep(0.02)
        return int(self._process.returncode)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(5)
        os.close(self._screen)


async def test_a_person_works_it_by_keys(asterisk: AsteriskProcess, pulse: Pulse, sound: Mapping[str, str]) -> None:
    passwords = await extensions(asterisk, "1001", "1002")
    server = server_of(asterisk)
    terminal = Terminal(["1001", f"--server={server}", *DEVICES], sound)
    try:
        async with await PhoneProcess.start(
            "1002", server=server, password=passwords[1], tone=FAR_HZ, tones=(VOICE_HZ,)
        ) as far:
            await terminal.until("Password of extension 1001: ")
            terminal.press(f"{passwords[0]}\n")
            await terminal.until("q leave")
            await terminal.until("registered")
            await far.call("1001")
            await terminal.until("a answers, h declines")
            terminal.press("a")
            await terminal.until("connected")
            await far.until_hears(VOICE_HZ)
            await terminal.until("█")  # the meters move
            terminal.press("5")
            await far.expect("dtmf", digit="5")
            terminal.press("m")
            await terminal.until("microphone off")
            await far.until_silent()
            terminal.press("m")
            await far.until_hears(VOICE_HZ)
            terminal.press("p")
            await far.until_silent()
            terminal.press("p")
            await far.until_hears(VOICE_HZ)
            terminal.press("h")
            await terminal.until("ended: 200")
            terminal.press("c1002\r")
            await far.expect("incoming", within=10)
            await far.answer()
            await terminal.until("connected")
            await far.hang_up()
            await terminal.until("ended: 200")
            terminal.press("q")
            assert passwords[0] not in terminal.everything
            assert await terminal.ended() == Exit.OK
    finally:
        terminal.close()
