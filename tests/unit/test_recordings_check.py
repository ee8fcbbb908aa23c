"""What the checks say of sound that was made: length, silence, clipping, talking at once, gaps, pauses, waveform."""

from __future__ import annotations

import base64
import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from acd.core.model import SECOND
from recordings.check import BUCKETS, Checker, Checks, Told, problems
from recordings.model import RATE, UNOBSERVED, WORDS, Break, Pause, Problem, RecordingKind, say
from tests.support.recordings import START, conversation, noise, silence, stereo, tone

Sound = NDArray[np.int16]


def checked(sound: Sound, told: Told | None = None, block: int = 1 << 16) -> tuple[Checks, tuple[Problem, ...]]:
    checker = Checker(len(sound), told)
    for start in range(0, len(sound), block):
        checker.feed(sound[start : start + block])
    found = checker.checks()
    return found, problems(found, told or Told())


def told(seconds: float, **more: object) -> Told:
    return Told(started_at=START, ended_at=START + round(seconds * SECOND), **more)  # type: ignore[arg-type]


def test_a_conversation_in_turns_has_no_problem() -> None:
    found, wrong = checked(conversation(10), told(10))
    assert wrong == ()
    assert (found.frames, found.length, found.expected, found.gap) == (80_000, 10 * SECOND, 10 * SECOND, 0)
    assert found.left.silence == pytest.approx(0.5, abs=0.01)
    assert found.right.silence == pytest.approx(0.5, abs=0.01)
    assert found.overlap == 0
    assert found.left.rms_db == pytest.approx(-14 - 3 - 3, abs=0.2)  # level 0.2, a sine, half of the time


@pytest.mark.parametrize("block", [1, 7, 159, 160, 161, 1000, 1 << 16])
def test_blocks_of_any_size_give_the_same_numbers(block: int) -> None:
    sound = np.concatenate([conversation(0.6), stereo(noise(0.513), tone(300, 0.2, 1.0))])
    whole, pieces = Checker(len(sound)), Checker(len(sound))
    whole.feed(sound)
    for start in range(0, len(sound), block):
        pieces.feed(sound[start : start + block])
    assert pieces.checks() == whole.checks()
    assert pieces.peaks() == whole.peaks()


def test_both_at_once_is_overlap() -> None:
    sound = np.concatenate([stereo(tone(440, 3), tone(660, 3)), conversation(6)])
    assert checked(sound)[0].overlap == pytest.approx(3 / 9, abs=0.01)


@pytest.mark.parametrize(
    ("sound", "wrong"),
    [
        (stereo(tone(440, 8), silence(8)), (Problem.ONE_SIDED,)),
        (stereo(silence(8), tone(440, 8)), (Problem.ONE_SIDED,)),
        (stereo(tone(440, 3), silence(3)), ()),  # too short to judge
        (stereo(silence(8), silence(8)), (Problem.SILENT,)),
        (stereo(noise(8, 0.0005), noise(8, 0.0005, 2)), (Problem.SILENT,)),  # -66 dBFS: comfort noise
        (stereo(tone(440, 8, 0.01), tone(550, 8, 0.01)), ()),  # -43 dBFS: quiet, but speech
        (conversation(0.5), (Problem.SHORT,)),
        (np.zeros((0, 2), np.int16), (Problem.EMPTY,)),
    ],
)
def test_sides(sound: Sound, wrong: tuple[Problem, ...]) -> None:
    assert checked(sound)[1] == wrong


def test_a_voice_message_has_one_side_by_nature() -> None:
    message = told(8, kind=RecordingKind.VOICEMAIL)
    assert checked(stereo(tone(440, 8), silence(8)), message)[1] == ()
    assert checked(stereo(silence(8), tone(440, 8)), message)[1] == (Problem.SILENT,)


def test_clipping_is_counted_by_side() -> None:
    cut = np.clip(tone(440, 8, 1.0).astype(np.int32) * 3, -32124, 32124).astype(np.int16)
    found, wrong = checked(stereo(cut, tone(600, 8)))
    assert found.left.clipping > 0.5
    assert found.right.clipping == 0
    assert wrong == (Problem.CLIPPED,)
    assert checked(stereo(tone(440, 8, 0.9), tone(600, 8)))[1] == ()


@pytest.mark.parametrize(
    ("seconds", "wrong"), [(10.9, ()), (11.1, (Problem.GAP,)), (9.1, ()), (8.9, (Problem.GAP,)), (40, (Problem.GAP,))]
)
def test_more_than_a_second_against_the_facts_is_a_gap(seconds: float, wrong: tuple[Problem, ...]) -> None:
    found, problem = checked(conversation(10), told(seconds))
    assert problem == wrong
    assert found.gap == round(seconds * SECOND) - 10 * SECOND


def test_where_nobody_saw_the_end_any_length_up_to_it_is_right() -> None:
    unseen = (Break(START + 5 * SECOND, START + 60 * SECOND, UNOBSERVED),)
    assert checked(conversation(10), told(60, breaks=unseen))[1] == ()
    assert checked(conversation(3), told(60, breaks=unseen))[1] == (Problem.GAP,)
    assert checked(conversation(62), told(60, breaks=unseen))[1] == (Problem.GAP,)


def test_a_file_that_no_fact_announced_is_said_to_be_so_and_has_no_gap() -> None:
    assert checked(conversation(10), told(500, announced=False))[1] == (Problem.UNANNOUNCED,)


def paused(*stretches: tuple[float, float]) -> tuple[Pause, ...]:
    return tuple(Pause(START + round(a * SECOND), START + round(b * SECOND), "amy", "desk") for a, b in stretches)


def muted(sound: Sound, begin: float, end: float) -> Sound:
    quiet = sound.copy()
    quiet[round(begin * RATE) : round(end * RATE)] = 0
    return quiet


def test_a_paused_stretch_is_digital_silence() -> None:
    pauses = paused((4, 8), (11, 13))
    kept = muted(muted(conversation(20), 4.1, 8.05), 11.02, 13.1)
    assert checked(kept, told(20, pauses=pauses)) == (checked(kept, told(20))[0], ())
    loud, wrong = checked(conversation(20), told(20, pauses=pauses))
    assert wrong == (Problem.SOUND_IN_PAUSE,)
    assert loud.pause_peak > 6000


@pytest.mark.parametrize("at", [4.6, 5.5, 7.7])
def test_one_key_pressed_in_a_pause_is_found(at: float) -> None:
    """A DTMF digit of 50 ms, at any place of it that counts."""
    sound = muted(conversation(20), 4, 8)
    place = round(at * RATE)
    sound[place : place + 400, 0] = (tone(770, 0.05, 0.05) + tone(1336, 0.05, 0.05))[:400]
    assert checked(sound, told(20, pauses=paused((4, 8))))[1] == (Problem.SOUND_IN_PAUSE,)


def test_what_was_not_written_shifts_the_pauses_after_it() -> None:
    """3 s lost before the pause: in the file it lies 3 s earlier."""
    broken = (Break(START + 2 * SECOND, START + 5 * SECOND, "storage"),)
    sound = muted(conversation(17), 7, 11)
    found, wrong = checked(sound, told(20, pauses=paused((10, 14)), breaks=broken))
    assert found.pause_peak == 0
    assert wrong == (Problem.GAP,)


def test_the_waveform_has_the_loudest_sample_of_each_of_800_buckets() -> None:
    rising = np.linspace(0, 32767, 80_000).astype(np.int16)
    checker = Checker(80_000)
    for start in range(0, 80_000, 7777):
        checker.feed(stereo(rising, rising[::-1].copy())[start : start + 7777])
    points = np.frombuffer(base64.b64decode(checker.peaks()), np.int8).reshape(2, BUCKETS)
    assert (np.diff(points[0].astype(int)) >= 0).all()
    assert (points[0] == points[1][::-1]).mean() > 0.95
    assert (points[0][0], points[0][-1]) == (0, 127)


def test_a_sound_of_a_few_samples_is_no_trouble() -> None:
    for frames in range(1, 5):
        found, wrong = checked(stereo(tone(440, 1), tone(440, 1))[:frames])
        assert (found.frames, wrong) == (frames, (Problem.SHORT,))


def test_every_problem_has_words_in_three_languages() -> None:
    assert set(WORDS) == set(Problem)
    texts = [say(problem, language) for problem, language in itertools.product(Problem, ("zh-TW", "zh-CN", "en"))]
    assert len(set(texts)) == len(texts) - sum(tw == cn for tw, cn, _ in WORDS.values())
