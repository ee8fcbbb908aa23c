"""What is in a recording, in numbers: length, silence, loudness and clipping by side, talking at once, pauses kept.

Counted block by block, so an hour needs no more memory than eight seconds do. Problems are data (Problem): thresholds
stand in LIMITS, each with its reason.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from acd.core.model import SECOND, Micros
from recordings.capture import Sound
from recordings.model import RATE, SIDES, UNOBSERVED, Break, Pause, Problem, RecordingKind

WINDOW = 160
"""Samples judged together: 20 ms, the length of a packet."""
SILENT_RMS = 10 ** (-50 / 20) * 32768
"""-50 dBFS: comfort noise lies 10 to 20 dB lower, quiet speech 10 dB higher."""
CLIPPED_FROM = 32_000
"""A-law's largest value is 32,256, u-law's 32,124: a wave cut off there stands at 32,000 or more."""
PAUSE_MOST = 8
"""The largest sample of digital silence: A-law's quietest step is 8, mute writes 0."""
PAUSE_AFTER: Micros = SECOND // 2
"""From the decision to pause until silence is certainly written."""
PAUSE_BEFORE: Micros = SECOND // 5
"""Before the decision to resume: files ran at most 0.03 s before or behind the clock in the lab."""
BUCKETS = 800
"""Points a side of the waveform: one for two pixels of a wide player."""
QUIETEST_DB = -120.0


@dataclass(frozen=True, slots=True)
class Limits:
    """When a number becomes a problem."""

    short: Micros = SECOND  # nobody says anything in less
    gap: Micros = SECOND  # between the length by the facts and by the sound; the lab's files were within 0.03 s
    silent_share: float = 0.995  # of a side's windows: a cough in a minute is 0.9 %
    judged_from: Micros = 5 * SECOND  # shorter calls may well have one side only
    clipped_share: float = 0.001  # of a side's samples: what one hears as distorted


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Side:
    """`silence` and `clipping` are shares (0 to 1) of windows and samples, `rms_db` is dBFS, at least -120."""

    silence: float
    clipping: float
    rms_db: float


@dataclass(frozen=True, slots=True)
class Checks:
    """`length` is of the sound, `expected` by the facts (0: not known), `overlap` the share of windows in which both
    sides speak. `gap` is how much is missing (too much, when negative). `pause_peak` is the largest sample of a paused
    stretch."""

    frames: int
    length: Micros
    expected: Micros
    left: Side
    right: Side
    overlap: float
    gap: Micros
    pause_peak: int = 0

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Told:
    """What the facts say of a recording; times as theirs."""

    kind: RecordingKind = RecordingKind.CALL
    started_at: Micros = 0
    ended_at: Micros = 0
    pauses: tuple[Pause, ...] = ()
    breaks: tuple[Break, ...] = ()
    announced: bool = True  # False: no fact says when it began

    @property
    def expected(self) -> Micros:
        """The length of the sound if nothing is missing; 0 where the facts do not tell."""
        return max(0, self.ended_at - self.started_at) if self.announced and self.ended_at else 0

    def gap(self, length: Micros) -> Micros:
        """How much sound is missing; where nobody saw the end, any length up to it is right."""
        unseen = sum(part.ended_at - part.began_at for part in self.breaks if part.reason == UNOBSERVED)
        most, least = self.expected, max(0, self.expected - unseen)
        return (least - length if length < least else min(0, most - length)) if self.announced and self.ended_at else 0

    def silent_frames(self) -> list[tuple[int, int]]:
        """The stretches (from, until) in frames in which there must be digital silence."""
        found = []
        for pause in self.pauses:
            until = pause.ended_at or self.ended_at
            begin, end = self._frame(pause.began_at + PAUSE_AFTER), self._frame(until - PAUSE_BEFORE)
            if self.announced and until and end > begin:
                found.append((begin, end))
        return found

    def _frame(self, at: Micros) -> int:
        """Where in the file a moment is: what was not written has no place in it."""
        lost = sum(
            max(0, min(part.ended_at or self.ended_at, at) - max(part.began_at, self.started_at))
            for part in self.breaks
            if part.reason != UNOBSERVED
        )
        return max(0, at - self.started_at - lost) * RATE // SECOND


@dataclass(frozen=True, slots=True)
class _Counted:
    """Windows judged, and by side: silent ones, sum of squares. `both`: windows in which both sides speak."""

    windows: int
    both: int
    silent: NDArray[np.int64]
    power: NDArray[np.float64]

    def __add__(self, other: _Counted) -> _Counted:
        return _Counted(
            self.windows + other.windows, self.both + other.both, self.silent + other.silent, self.power + other.power
        )


def _judge(whole: Sound) -> _Counted:
    """Frames of whole windows, counted."""
    squares = whole.reshape(-1, WINDOW, SIDES).astype(np.float64) ** 2
    power = squares.sum(axis=1)
    quiet = power / WINDOW < SILENT_RMS**2
    both = int((~quiet).all(axis=1).sum())
    return _Counted(len(quiet), both, quiet.sum(axis=0).astype(np.int64), power.sum(axis=0))


class Checker:
    """Feed it every block of a file of `frames` frames in order, then ask for `checks` and `peaks`."""

    def __init__(self, frames: int, told: Told | None = None) -> None:
        self._frames = frames
        self._told = told or Told()
        self._silences = self._told.silent_frames()
        self._at = 0
        self._rest: Sound = np.zeros((0, SIDES), np.int16)
        self._counted = _judge(self._rest)
        self._clipped = np.zeros(SIDES, np.int64)
        self._peaks = np.zeros((BUCKETS, SIDES), np.int32)
        self._pause_peak = 0

    def feed(self, block: Sound) -> None:
        """The next frames."""
        if not len(block):
            return
        loud = np.abs(block.astype(np.int32))
        self._clipped += (loud >= CLIPPED_FROM).sum(axis=0)
        self._draw(loud)
        for begin, end in self._silences:
            inside = loud[max(0, begin - self._at) : max(0, end - self._at)]
            if len(inside):
                self._pause_peak = max(self._pause_peak, int(inside.max()))
        self._at += len(block)
        whole = np.concatenate([self._rest, block])
        used = len(whole) - len(whole) % WINDOW
        self._counted += _judge(whole[:used])
        self._rest = whole[used:]

    def checks(self) -> Checks:
        """The numbers of all that was fed; the last window is filled up with silence."""
        counted = self._counted
        if len(self._rest):
            counted += _judge(np.concatenate([self._rest, np.zeros((WINDOW - len(self._rest), SIDES), np.int16)]))
        samples, windows = max(1, self._at), max(1, counted.windows)
        left, right = (
            Side(
                round(int(counted.silent[side]) / windows, 4) if counted.windows else 1.0,
                round(int(self._clipped[side]) / samples, 6),
                _decibel(float(counted.power[side]) / samples),
            )
            for side in range(SIDES)
        )
        overlap = round(counted.both / windows, 4)
        length = self._at * SECOND // RATE
        gap = self._told.gap(length)
        return Checks(self._at, length, self._told.expected, left, right, overlap, gap, self._pause_peak)

    def peaks(self) -> str:
        """The waveform: base64 of BUCKETS bytes for the left side, then the right, each 0 to 127."""
        small = np.minimum(127, self._peaks * 127 // 32767).astype(np.int8)
        return base64.b64encode(small.T.tobytes()).decode()

    def _draw(self, loud: NDArray[np.int32]) -> None:
        places = np.arange(self._at, self._at + len(loud), dtype=np.int64) * BUCKETS // max(1, self._frames)
        places = np.minimum(places, BUCKETS - 1)
        starts = np.flatnonzero(np.diff(places, prepend=-1))
        tops = np.maximum.reduceat(loud, starts, axis=0)
        self._peaks[places[starts]] = np.maximum(self._peaks[places[starts]], tops)


def _decibel(power: float) -> float:
    return round(max(QUIETEST_DB, 10 * float(np.log10(power / 32768**2))), 1) if power else QUIETEST_DB


def _one_sided(checks: Checks, told: Told) -> bool:
    if told.kind is RecordingKind.VOICEMAIL or checks.length < LIMITS.judged_from:
        return False
    return (checks.left.silence >= LIMITS.silent_share) != (checks.right.silence >= LIMITS.silent_share)


def _silent(checks: Checks, told: Told) -> bool:
    left = checks.left.silence >= LIMITS.silent_share
    return left and (told.kind is RecordingKind.VOICEMAIL or checks.right.silence >= LIMITS.silent_share)


PROBLEMS: Mapping[Problem, Callable[[Checks, Told], bool]] = {
    Problem.EMPTY: lambda checks, _told: checks.frames == 0,
    Problem.SHORT: lambda checks, _told: 0 < checks.length < LIMITS.short,
    Problem.SILENT: lambda checks, told: checks.length >= LIMITS.short and _silent(checks, told),
    Problem.ONE_SIDED: _one_sided,
    Problem.CLIPPED: lambda checks, _told: max(checks.left.clipping, checks.right.clipping) > LIMITS.clipped_share,
    Problem.GAP: lambda checks, _told: abs(checks.gap) > LIMITS.gap,
    Problem.SOUND_IN_PAUSE: lambda checks, _told: checks.pause_peak > PAUSE_MOST,
    Problem.UNANNOUNCED: lambda _checks, told: not told.announced,
}
"""What the sound itself can show; MISSING and DAMAGED are seen where the file is looked for."""


def problems(checks: Checks, told: Told) -> tuple[Problem, ...]:
    """What is wrong, in the table's order; nothing but EMPTY is said of no sound."""
    found = tuple(problem for problem, holds in PROBLEMS.items() if holds(checks, told))
    return (Problem.EMPTY,) if Problem.EMPTY in found else found
