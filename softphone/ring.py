"""When it rings, and with what sound. The files are made once a session; 8 kHz mono, looped by the player."""

from __future__ import annotations

from array import array
from collections.abc import Set
from pathlib import Path
from typing import Literal

from softphone import tones

Ring = Literal["none", "ring", "knock"]

RING_HZ = (880, 1100)
KNOCK_HZ = 1320
RING_ON_S, RING_CYCLE_S = 1, 3
KNOCK_S, KNOCK_CYCLE_S = 0.2, 4
RING_AMPLITUDE = 0.3
KNOCK_AMPLITUDE = 0.06
FADE_S = 0.01


def ring_for(waiting: Set[int], up: Set[int]) -> Ring:
    """What an agent hears of the calls that wait for an answer: the ringer, or, while another call is up, a soft
    beep in the headset."""
    if not waiting:
        return "none"
    return "knock" if up else "ring"


def _faded(samples: array[int]) -> array[int]:
    """Without the clicks of a sound that begins and ends at once."""
    edge = min(int(FADE_S * tones.RATE), len(samples) // 2)
    for place in range(edge):
        for end in (place, len(samples) - 1 - place):
            samples[end] = samples[end] * place // edge
    return samples


def _silence(seconds: float) -> array[int]:
    return array("h", bytes(2 * int(seconds * tones.RATE)))


def ring_samples() -> array[int]:
    """One cycle of ringing: both tones for a second, then two of silence."""
    parts = [tones.tone_samples(hz, RING_ON_S, RING_AMPLITUDE) for hz in RING_HZ]
    both = array("h", (sum(pair) for pair in zip(*parts, strict=True)))
    return _faded(both) + _silence(RING_CYCLE_S - RING_ON_S)


def knock_samples() -> array[int]:
    """One cycle of the beep: 0.2 s in four seconds."""
    beep = tones.tone_samples(KNOCK_HZ, 1, KNOCK_AMPLITUDE)[: int(KNOCK_S * tones.RATE)]
    return _faded(beep) + _silence(KNOCK_CYCLE_S - KNOCK_S)


def ring_files(folder: Path, own: Path | None = None) -> dict[Ring, Path]:
    """The sound of each kind of ringing; ``own`` is the person's own ring tone, looped as it is."""
    return {
        "ring": own or tones.write_wav(folder / "ring.wav", ring_samples()),
        "knock": tones.write_wav(folder / "knock.wav", knock_samples()),
    }
