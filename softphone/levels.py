"""How loud it is: the library's meter as decibels, and decibels as a bar."""

from __future__ import annotations

import math

SILENT_DB = -60.0
"""Shown for anything quieter; the meter of a silent line."""
SINE_MEAN = 2 / math.pi
"""The meter averages magnitudes: of a sine, 2/pi of its peak."""
FULL = 32768
BLOCKS = "▏▎▍▌▋▊▉█"


def decibels(percent: int) -> float:
    """The level in dB, 0 = a sine of full scale, from what pjsua2 gives.

    pjmedia puts the mean magnitude of a frame into G.711 u-law without its sign (0 to 127), and pjsua2 gives that as
    a percentage of 255, rounded down. So a step is 0.3 to 1 dB.
    """
    code = min(127, math.ceil(max(0, percent) * 255 / 100))
    mean = ((((code & 15) << 3) + 0x84) << (code >> 4)) - 0x84
    return max(SILENT_DB, round(20 * math.log10(max(mean, 1) / (FULL * SINE_MEAN)), 1))


def bar(level_db: float, width: int = 10) -> str:
    """The level as a bar of that many characters; full at 0 dB, empty at SILENT_DB."""
    eighths = round(max(0.0, min(1.0, 1 - level_db / SILENT_DB)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (BLOCKS[rest - 1] if rest else "")).ljust(width)


def gain(percent: int) -> float:
    """A volume in percent as the factor the library takes: 100 leaves the sound as it is."""
    return percent / 100
