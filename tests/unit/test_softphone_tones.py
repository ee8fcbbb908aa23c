"""Tones: what is made is what is measured, and what is not there is not heard."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from softphone import tones


def sine(hz: float, seconds: float, amplitude: float, rate: int = tones.RATE) -> tones.Samples:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)


def test_each_known_tone_is_found_alone(tmp_path: Path) -> None:
    for hz in tones.KNOWN:
        found = tones.measure(tones.write_tone(tmp_path / "t.wav", hz, seconds=1))
        assert found.heard == {hz}
        assert found.tones[hz].amplitude == pytest.approx(tones.LOUD, rel=0.02)
        assert found.tones[hz].share == 1.0
        assert found.silence == 0.0
        assert found.seconds == 1.0


def test_a_tone_loops_without_a_step() -> None:
    samples = list(tones.tone_samples(440))
    steps = np.abs(np.diff([*samples, samples[0]]))
    assert steps[-1] <= steps[:-1].max()


def test_live_amplitudes_of_a_mixture() -> None:
    mixed = sine(440, 0.3, 0.12) + sine(660, 0.3, 0.05) + sine(880, 0.3, 0.01)
    found = tones.amplitudes(mixed, tones.KNOWN)
    assert found == {440: pytest.approx(0.12, rel=0.02), 660: pytest.approx(0.05, rel=0.05)}


def test_live_pcm_bytes() -> None:
    assert set(tones.pcm_amplitudes(tones.tone_samples(1320)[:2400].tobytes(), tones.KNOWN)) == {1320}


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(399), np.zeros(2400)])
def test_nothing_is_heard_in_nothing(samples: tones.Samples) -> None:
    assert tones.amplitudes(samples, tones.KNOWN) == {}


def test_noise_below_the_floor_is_no_tone() -> None:
    noise = np.random.default_rng(7).normal(0, 0.02, 8 * tones.RATE)
    assert tones.measure_samples(noise).heard == frozenset()


def test_when_and_how_long() -> None:
    sound = np.concatenate([np.zeros(8000), sine(440, 1.0, 0.12), np.zeros(4000), sine(660, 1.5, 0.12)])
    found = tones.measure_samples(sound)
    assert found.heard == {440, 660}
    assert (found.tones[440].first_s, found.tones[440].last_s) == (1.0, 2.0)
    assert (found.tones[660].first_s, found.tones[660].last_s) == (2.5, 4.0)
    assert found.tones[440].share == pytest.approx(0.25)
    assert found.silence == pytest.approx(15 / 40)


def test_one_side_of_a_stereo_recording(tmp_path: Path) -> None:
    both = np.stack([sine(440, 1, 0.12), sine(880, 1, 0.12)], axis=1)
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(tones.RATE)
        file.writeframes((both * 32767).astype("<i2").tobytes())
    assert tones.measure(path, channel=0).heard == {440}
    assert tones.measure(path, channel=1).heard == {880}
    with pytest.raises(ValueError, match="none numbered 2"):
        tones.measure(path, channel=2)


def test_another_rate(tmp_path: Path) -> None:
    path = tmp_path / "wide.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((sine(2420, 1, 0.12, 16_000) * 32767).astype("<i2").tobytes())
    assert tones.measure(path).heard == {2420}


def test_skipping_the_start(tmp_path: Path) -> None:
    path = tones.write_wav(tmp_path / "t.wav", tones.tone_samples(440) + tones.tone_samples(660))
    assert tones.measure(path).heard == {440, 660}
    assert tones.measure(path, skip_s=1.0).heard == {660}


@pytest.mark.parametrize(("hz", "seconds", "amplitude"), [(0, 1, 0.1), (4000, 1, 0.1), (440, 0, 0.1), (440, 1, 1.1)])
def test_impossible_tones_are_refused(hz: int, seconds: int, amplitude: float) -> None:
    with pytest.raises(ValueError, match="a tone"):
        tones.tone_samples(hz, seconds, amplitude)


def test_what_is_no_wav_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "no.wav"
    path.write_bytes(b"RIFF....not really")
    with pytest.raises((wave.Error, EOFError)):
        tones.measure(path)


def test_a_whole_wav_is_told_from_a_part(tmp_path: Path) -> None:
    path = tones.write_tone(tmp_path / "t.wav", 440)
    data = path.read_bytes()
    assert tones.is_whole_wav(path)
    for part in [b"", data[:11], data[:44], data[:-1], b"RIFF" + bytes(40) + data[44:]]:
        path.write_bytes(part)
        assert not tones.is_whole_wav(path)
    assert not tones.is_whole_wav(tmp_path / "none.wav")
