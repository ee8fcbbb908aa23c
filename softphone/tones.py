"""Tones: making them, and measuring which of them are in a sound.

Amplitudes are peak values of the sine, 1.0 = full scale of 16 bit.  All live sound is 8 kHz mono.
numpy is imported only where something is measured: a phone that only plays a tone starts about 0.05 s
sooner and stays about 10 MB smaller without it.
"""

from __future__ import annotations

import math
import os
import sys
import wave
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

RATE = 8000
LOUD = 0.12
"""Amplitude of a made tone: three of them added stay far from clipping."""
FLOOR = 0.02
"""Below this a tone counts as not heard: six times quieter than LOUD, far above the noise of G.711."""
SILENCE = 0.003
"""RMS under which a stretch counts as silent (G.711 noise of a silent line is under 0.001)."""
KNOWN = (440, 660, 880, 1100, 1320, 1540, 1760, 1980, 2200, 2420, 2640)
"""The tones looked for when none are named; 220 Hz apart, so no two share a bin in 0.1 s. Mind that Asterisk's own
ringing sound is 440 + 480 Hz: a caller who hears 440 may hear just that, so let no agent play it."""
WINDOW_S = 0.1
LEAST_WINDOWS = 2
"""A tone that starts or stops inside one window smears over it; two windows are no accident."""


@dataclass(frozen=True, slots=True)
class Tone:
    """One tone in a recording: median amplitude where heard, share of the time, first and last second."""

    amplitude: float
    share: float
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What is in a recording. ``silence`` is the share of 0.1 s windows that are silent, 0..1."""

    seconds: float
    silence: float
    tones: Mapping[int, Tone]

    @property
    def heard(self) -> frozenset[int]:
        return frozenset(self.tones)


def tone_samples(hz: int, seconds: int = 1, amplitude: float = LOUD) -> array[int]:
    """16 bit samples of a sine; a whole number of seconds of a whole frequency loops without a click."""
    if not 1 <= hz < RATE // 2:
        raise ValueError(f"a tone must lie between 1 and {RATE // 2 - 1} Hz, not {hz}")
    if seconds < 1 or not 0 < amplitude <= 1:
        raise ValueError("a tone lasts at least 1 s and its amplitude lies in (0, 1]")
    top = amplitude * 32767
    period = [round(top * math.sin(2 * math.pi * hz * n / RATE)) for n in range(RATE)]
    return array("h", period * seconds)


def write_wav(path: Path | str, samples: array[int]) -> Path:
    """A mono 16 bit WAV of 8 kHz."""
    data = array("h", samples)
    if sys.byteorder == "big":
        data.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(data.tobytes())
    return Path(path)


def write_tone(path: Path | str, hz: int, seconds: int = 1, amplitude: float = LOUD) -> Path:
    return write_wav(path, tone_samples(hz, seconds, amplitude))


def amplitudes(
    samples: Samples, frequencies: Iterable[int], floor: float = FLOOR, rate: int = RATE
) -> dict[int, float]:
    """Which of ``frequencies`` are in ``samples`` above ``floor``, with their amplitude.

    ``samples`` are floats in -1..1; under 0.05 s of sound nothing can be said and the answer is empty.
    """
    import numpy as np

    count = len(samples)
    if count < rate // 20:
        return {}
    window = np.hanning(count)
    spectrum = np.abs(np.fft.rfft(samples * window)) * (2 / window.sum())
    found = {hz: _peak(spectrum, hz * count / rate) for hz in frequencies}
    return {hz: round(level, 4) for hz, level in found.items() if level > floor}


def pcm_loudness(raw: bytes) -> float:
    """RMS of 16 bit samples, 0..1; 0 for none."""
    samples = array("h", raw[: len(raw) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return math.sqrt(sum(one * one for one in samples) / len(samples)) / 32768 if samples else 0.0


def pcm_amplitudes(pcm: bytes, frequencies: Iterable[int], floor: float = FLOOR) -> dict[int, float]:
    """The same over 16 bit little-endian mono bytes of 8 kHz."""
    import numpy as np

    return amplitudes(np.frombuffer(pcm, "<i2").astype(np.float64) / 32768, frequencies, floor)


def _peak(spectrum: Samples, position: float) -> float:
    middle = round(position)
    return float(spectrum[max(0, middle - 1) : middle + 2].max(initial=0.0))


def is_whole_wav(path: Path | str) -> bool:
    """Whether the file's RIFF header is written and counts just the bytes there are."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(12)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return False
    return head[:4] == b"RIFF" and head[8:] == b"WAVE" and int.from_bytes(head[4:8], "little") + 8 == size


def read_wav(path: Path | str, channel: int = 0) -> tuple[Samples, int]:
    """Samples in -1..1 of one channel of a 16 bit WAV, and its rate in Hz. A file cut short is read as far
    as it goes. Raises OSError, wave.Error, EOFError for what is not a WAV, ValueError for other widths."""
    import numpy as np

    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"{path}: only 16 bit PCM is measured, not {8 * file.getsampwidth()} bit")
        channels, rate = file.getnchannels(), file.getframerate()
        raw = file.readframes(file.getnframes())
    if not 0 <= channel < channels:
        raise ValueError(f"{path}: has {channels} channel(s), none numbered {channel}")
    whole = len(raw) - len(raw) % (2 * channels)
    samples = np.frombuffer(raw[:whole], "<i2").astype(np.float64) / 32768
    return samples[channel::channels], rate


def measure_samples(
    samples: Samples, frequencies: Iterable[int] = KNOWN, rate: int = RATE, floor: float = FLOOR
) -> Measured:
    """Look at the sound in windows of 0.1 s: each tone's share, median amplitude, first and last second."""
    import numpy as np

    size = int(rate * WINDOW_S)
    count = len(samples) // size
    seconds = round(len(samples) / rate, 3)
    if count == 0:
        return Measured(seconds, 1.0, {})
    blocks = samples[: count * size].reshape(count, size)
    window = np.hanning(size)
    spectra = np.abs(np.fft.rfft(blocks * window, axis=1)) * (2 / window.sum())
    silent = np.sqrt((blocks**2).mean(axis=1)) < SILENCE
    tones: dict[int, Tone] = {}
    for hz in frequencies:
        middle = round(hz * WINDOW_S)
        levels = spectra[:, max(0, middle - 1) : middle + 2].max(axis=1)
        hits: Sequence[int] = np.flatnonzero(levels > floor).tolist()
        if len(hits) >= LEAST_WINDOWS:
            tones[hz] = Tone(
                amplitude=round(float(np.median(levels[hits])), 4),
                share=round(len(hits) / count, 4),
                first_s=round(hits[0] * WINDOW_S, 2),
                last_s=round((hits[-1] + 1) * WINDOW_S, 2),
            )
    return Measured(seconds, round(float(silent.mean()), 4), tones)


def measure(path: Path | str, frequencies: Iterable[int] = KNOWN, channel: int = 0, skip_s: float = 0.0) -> Measured:
    """Measure a WAV file, leaving out its first ``skip_s`` seconds. A file with no sound is all silence."""
    samples, rate = read_wav(path, channel)
    return measure_samples(samples[int(skip_s * rate) :], frequencies, rate)
