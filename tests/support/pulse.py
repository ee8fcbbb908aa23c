"""A sound system for tests: a private PulseAudio with null sinks, seen as ALSA devices.

A null sink swallows what is played into it, and its monitor gives it out again. So a tone played into the sink
`microphone` is what the phone's microphone hears, and what the phone plays can be recorded at `speaker` and `ringer`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from softphone import tones

SINKS = ("microphone", "speaker", "ringer")
RATE = 44_100
START_S = 15.0
PCM = """\
pcm.test-{name} {{
  type pulse
  server "unix:{socket}"
  device "{device}"
  hint {{ show on description "{name} of the test" }}
}}
"""


@dataclass
class Pulse:
    """A running daemon. `environment` makes a program see its devices alone, as `test-microphone` and so on."""

    folder: Path
    playing: list[subprocess.Popen[bytes]] = field(default_factory=list)
    daemon: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "native"

    @property
    def environment(self) -> Mapping[str, str]:
        return {**self.server, "ALSA_CONFIG_PATH": str(self.folder / "asound.conf")}

    @property
    def server(self) -> Mapping[str, str]:
        own = "HOME XDG_RUNTIME_DIR XDG_CONFIG_HOME PULSE_RUNTIME_PATH PULSE_STATE_PATH"
        folders = dict.fromkeys(own.split(), str(self.folder))
        nobody = f"unix:path={self.folder}/nobody"
        return {**folders, "PULSE_SERVER": f"unix:{self.socket}", "DBUS_SESSION_BUS_ADDRESS": nobody}

    def start(self) -> None:
        """Start the daemon and wait until its sinks are there."""
        command = [
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            "--log-target=stderr",
            f"--load=module-native-protocol-unix auth-anonymous=1 socket={self.socket}",
            *(f"--load=module-null-sink sink_name={sink} rate={RATE}" for sink in SINKS),
        ]
        with (self.folder / "log").open("wb") as log:
            self.daemon = subprocess.Popen(command, env={**os.environ, **self.server}, stdout=log, stderr=log)
        end = time.monotonic() + START_S
        while not all(sink in self.sinks() for sink in SINKS):
            told = (self.folder / "log").read_text(errors="replace")[-1500:]
            assert self.daemon.poll() is None, f"PulseAudio ended: {told}"
            assert time.monotonic() < end, f"PulseAudio did not come up: {told}"
            time.sleep(0.05)

    def stop(self) -> None:
        """End the daemon at once, as a sound card that is pulled out, and all that plays."""
        daemon, self.daemon = self.daemon, None
        if daemon is not None:
            daemon.send_signal(signal.SIGKILL)
            daemon.wait(5)
        self.quiet()
        self.socket.unlink(missing_ok=True)

    def sinks(self) -> str:
        """What the daemon lists; empty while it does not answer."""
        asked = ["pactl", "list", "short", "sinks"]
        environment = {**os.environ, **self.server}
        return subprocess.run(asked, env=environment, check=False, capture_output=True, text=True).stdout

    def play(self, sink: str, hz: int, amplitude: float = 0.3) -> None:
        """Play a tone into a sink for five minutes, or until `quiet`."""
        file = self.folder / f"{hz}.wav"
        tones.write_tone(file, hz, seconds=300, amplitude=amplitude)
        command = ["paplay", "--latency-msec=20", f"--device={sink}", str(file)]
        self.playing.append(subprocess.Popen(command, env={**os.environ, **self.server}, stdout=subprocess.DEVNULL))

    def quiet(self) -> None:
        """End all that plays."""
        for process in self.playing:
            process.terminate()
            process.wait(5)
        self.playing.clear()

    def record(self, sink: str, seconds: float) -> NDArray[np.float64]:
        """What came out of a sink during the next seconds, mono, -1 to 1."""
        size = int(seconds * RATE) * 2
        command = [
            "parec",
            "--latency-msec=20",
            f"--device={sink}.monitor",
            "--format=s16le",
            f"--rate={RATE}",
            "--channels=1",
            "--raw",
        ]
        with subprocess.Popen(command, env={**os.environ, **self.server}, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            data = process.stdout.read(size)
            process.terminate()
        assert len(data) == size, f"only {len(data)} of {size} bytes were recorded"
        return np.frombuffer(data, "<i2").astype(np.float64) / 32768


def peak_of(samples: NDArray[np.float64]) -> tuple[float, float]:
    """The strongest frequency in Hz (to 1/10 of a bin, by parabola) and its amplitude; 0, 0 for silence."""
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(samples * window)) * (2 / window.sum())
    top = int(spectrum[1:-1].argmax()) + 1
    if spectrum[top] < 1e-9:
        return 0.0, 0.0
    before, at, after = np.log(spectrum[top - 1 : top + 2] + 1e-12)
    shift = 0.5 * (before - after) / (before - 2 * at + after)
    return (top + shift) * RATE / len(samples), float(spectrum[top])


@contextlib.contextmanager
def running_pulse() -> Iterator[Pulse]:
    """Start the daemon, and end it by its own process with all that plays."""
    with tempfile.TemporaryDirectory(prefix="ringside-pulse-") as name:
        pulse = Pulse(Path(name))
        devices = {"microphone": "microphone.monitor", "speaker": "speaker", "ringer": "ringer"}
        text = "".join(PCM.format(name=n, socket=pulse.socket, device=d) for n, d in devices.items())
        (pulse.folder / "asound.conf").write_text(text)
        try:
            pulse.start()
            yield pulse
        finally:
            pulse.stop()
