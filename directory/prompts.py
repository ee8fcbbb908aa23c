"""Prompts and music: uploads checked and converted to what Asterisk plays, kept as files whose names are our own.

What somebody uploads is never trusted: its name is words for a list, its format is read from its content, and length,
rates and sizes are bounded before anything is decoded. The result is WAV, mono, 8 kHz, 16 bit.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from sqlalchemy import delete, event, insert, select
from sqlalchemy.orm import Session

from acd.core.model import SECOND, Micros
from directory.callers import printable
from directory.checks import MUSIC
from directory.definitions import read_snapshot
from directory.model import DirectoryError, Snapshot
from directory.pool import wait_turn
from directory.used import music_used, sounds_used
from storage import tables

RATE = 8000
LARGEST = 20 * 1024 * 1024
"""Bytes of an upload: half an hour of FLAC, two minutes of CD-quality WAV."""
LARGEST_DECODED = 100_000_000
"""Samples of all channels together: 18 minutes at 48 kHz in stereo. Silence packs 1000 times smaller than it plays."""
LONGEST_PROMPT_S = 180
LONGEST_MUSIC_S = 1800
SHORTEST_S = 0.1
FORMATS = frozenset({"WAV", "WAVEX", "FLAC", "OGG", "MP3"})
LOWEST_RATE, HIGHEST_RATE = 8000, 192_000
MOST_CHANNELS = 8
QUIETEST_PEAK = 0.01  # -40 dBFS: nobody would hear it through a telephone
LEVEL = 0.1  # -20 dBFS root mean square: about the level of speech on the line
HIGHEST_PEAK = 0.9
NAME_LENGTH = 80
TEXT_LENGTH = 600
VOICES = {"zh": "cmn", "en": "en-us"}
SPEAK_LIMIT_S = 30.0
FOLDER = "ringside"
"""Below Asterisk's sounds; a prompt is named FOLDER/ID in definitions."""
_SOUND = re.compile(r"[A-Za-z0-9_-]+")
_ONE_AT_A_TIME = threading.Lock()
"""A conversion may need some hundred MB: uploads that come together wait for one another."""
Wave = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A sound of ours. `music` is the class it belongs to, "" for a prompt; `length` in microseconds, `size` bytes."""

    id: str
    name: str
    music: str
    source: str
    length: Micros
    size: int
    sha256: str
    at: Micros
    by: str

    @property
    def plays(self) -> str:
        """What definitions write to play it."""
        return f"{FOLDER}/{self.id}"


# --- sound -----------------------------------------------------------------------------------------------------------


def converted(raw: bytes, longest_s: int = LONGEST_PROMPT_S) -> bytes:
    """An upload as WAV, mono, 8 kHz, 16 bit, at the level of speech. Raises DirectoryError too_large, bad_sound,
    too_long, too_short, too_quiet."""
    if len(raw) > LARGEST:
        raise DirectoryError("too_large", f"a sound has at most {LARGEST // (1024 * 1024)} MB")
    with _ONE_AT_A_TIME:
        wave = levelled(resampled(*_decoded(raw, longest_s)))
    out = io.BytesIO()
    soundfile.write(out, wave, RATE, format="WAV", subtype="PCM_16")
    return out.getvalue()


def _decoded(raw: bytes, longest_s: int) -> tuple[Wave, int]:
    """Mono samples and their rate; nothing is decoded before its bounds are known."""
    try:
        with soundfile.SoundFile(io.BytesIO(raw)) as file:
            _bounds(file, longest_s)
            rate = int(file.samplerate)
            wave = _mono(file, longest_s * rate)
    except DirectoryError:
        raise
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError):
        raise DirectoryError("bad_sound", "this is no WAV, FLAC, OGG or MP3 sound that can be read") from None
    if len(wave) > longest_s * rate:
        raise _too_long(longest_s)
    if len(wave) < SHORTEST_S * rate:
        raise DirectoryError("too_short", f"a sound is at least {SHORTEST_S:g} seconds long")
    return wave, rate


def _mono(file: soundfile.SoundFile, most: int) -> Wave:
    """All channels in one, a second at a time so that they never lie in memory together. The header's length may lie:
    not much more than `most` is read and never more than LARGEST_DECODED."""
    parts: list[Wave] = []
    length, most = 0, min(most, LARGEST_DECODED // file.channels)
    while length <= most:
        block = file.read(file.samplerate, dtype="float32", always_2d=True)
        if not len(block):
            break
        parts.append(np.nan_to_num(block).mean(axis=1, dtype=np.float32))
        length += len(block)
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _bounds(file: soundfile.SoundFile, longest_s: int) -> None:
    if file.format not in FORMATS or not 1 <= file.channels <= MOST_CHANNELS:
        raise DirectoryError(
            "bad_sound", f"a sound is one of {', '.join(sorted(FORMATS))}, 1 to {MOST_CHANNELS} channels"
        )
    if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE:
        raise DirectoryError("bad_sound", f"a sound has {LOWEST_RATE} to {HIGHEST_RATE} samples a second")
    if file.frames > longest_s * file.samplerate:
        raise _too_long(longest_s)
    if file.frames * file.channels > LARGEST_DECODED:
        raise DirectoryError("too_large", f"a sound has at most {LARGEST_DECODED:,} samples: send it as mono, 8 kHz")


def _too_long(longest_s: int) -> DirectoryError:
    return DirectoryError("too_long", f"a sound is at most {longest_s} seconds long")


def resampled(wave: Wave, rate: int) -> Wave:
    """At 8 kHz, by a windowed sinc of 32 zero crossings that lets pass what is below 3.7 kHz."""
    if rate == RATE:
        return wave
    common = math.gcd(rate, RATE)
    step, phases = rate // common, RATE // common
    cut = 3700 / rate  # cycles a sample
    half = math.ceil(16 / (2 * cut))
    padded = np.concatenate([np.zeros(half, np.float32), wave, np.zeros(2 * half + step, np.float32)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    count = len(wave) * RATE // rate
    out = np.zeros(count, np.float32)
    for phase in range(min(phases, count)):
        whole, part = divmod(phase * step, phases)
        places = np.arange(-half, half + 1) - part / phases
        kernel = 2 * cut * np.sinc(2 * cut * places) * np.cos(np.pi * places / (2 * (half + 1))) ** 2
        rows = windows[whole::step][: len(range(phase, count, phases))]
        out[phase::phases] = rows @ kernel.astype(np.float32)
    return out


def levelled(wave: Wave) -> Wave:
    """At the level of speech, by one factor over the whole; no peak is cut. Raises DirectoryError too_quiet."""
    peak = float(np.abs(wave).max(initial=0))
    if peak < QUIETEST_PEAK:
        raise DirectoryError("too_quiet", "there is nothing to hear in it")
    heard = wave[np.abs(wave) > peak / 30]  # pauses do not count
    level = float(np.sqrt(np.mean(np.square(heard))))
    return np.asarray(wave * min(LEVEL / level, HIGHEST_PEAK / peak), np.float32)


def speaker() -> str:
    """The path of espeak-ng, "" when it is not installed."""
    return shutil.which("espeak-ng") or ""


def spoken(text: str, language: str) -> bytes:
    """A text as espeak-ng says it, as WAV: a stand-in until somebody has recorded it. `language` is one of VOICES.

    Raises DirectoryError no_speaker, bad_text.
    """
    program, words = speaker(), printable(text, TEXT_LENGTH).strip()
    if not program:
        raise DirectoryError("no_speaker", "espeak-ng is not installed: apt-get install espeak-ng, or upload a sound")
    if not words or len(text) > TEXT_LENGTH or language not in VOICES:
        raise DirectoryError("bad_text", f"1 to {TEXT_LENGTH} letters, in one of {', '.join(VOICES)}")
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:  # written to a pipe, its header names no length
        command = [program, "-v", VOICES[language], "-s", "150", "-w", file.name, "--stdin"]
        try:
            subprocess.run(command, input=words.encode(), check=True, capture_output=True, timeout=SPEAK_LIMIT_S)
        except (subprocess.SubprocessError, OSError):
            raise DirectoryError("no_speaker", "espeak-ng could not say that") from None
        return Path(file.name).read_bytes()


# --- what is kept -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """An upload that may be kept: its name and class are good, `sound` is what Asterisk plays."""

    name: str
    music: str
    sound: bytes


def ready(raw: bytes, name: str, music: str = "") -> Ready:
    """An upload made ready to be kept, as a prompt or as music of a class. It takes seconds: never in a transaction,
    where every other writer would wait for it. Blocking.

    Raises DirectoryError as `converted`, and bad_name, bad_music.
    """
    shown = printable(name, NAME_LENGTH).strip()
    if not shown:
        raise DirectoryError("bad_name", f"a name has 1 to {NAME_LENGTH} printable letters")
    if music and not MUSIC.fullmatch(music):
        raise DirectoryError("bad_music", "a music class is a word of letters, digits, - and _")
    return Ready(shown, music, converted(raw, LONGEST_MUSIC_S if music else LONGEST_PROMPT_S))


def add(session: Session, folder: Path, given: Ready, *, at: Micros, by: str, source: str = "upload") -> Prompt:
    """Keep a sound. Its file is written before its row can be committed."""
    sound = given.sound
    length = (len(sound) - 44) * SECOND // (2 * RATE)
    digest = hashlib.sha256(sound).hexdigest()
    made = Prompt(f"p-{secrets.token_hex(6)}", given.name, given.music, source, length, len(sound), digest, at, by)
    write(file_of(folder, made), sound)
    session.execute(insert(tables.prompts).values(**{name: getattr(made, name) for name in Prompt.__slots__}))
    return made


def listed(session: Session) -> list[Prompt]:
    """Every sound of ours, by name."""
    table = tables.prompts
    return [Prompt(**row) for row in session.execute(select(table).order_by(table.c.name, table.c.id)).mappings()]


def remove(session: Session, folder: Path, prompt_id: str) -> None:
    """Take a sound away, its file once that is committed. Nobody changes the directory from here to our end, so none
    begins to play it.

    Raises DirectoryError unknown_prompt; prompt_in_use for one that a definition plays, and for the last one of a music
    class that a queue plays.
    """
    wait_turn(session)
    known = listed(session)
    found = next((one for one in known if one.id == prompt_id), None)
    if found is None:
        raise DirectoryError("unknown_prompt", f"there is no prompt {prompt_id[:40]}")
    if _in_use(found, known, read_snapshot(session)):
        raise DirectoryError("prompt_in_use", f"prompt {found.id} is played by the directory: take it out there first")
    session.execute(delete(tables.prompts).where(tables.prompts.c.id == found.id))
    file = file_of(folder, found)
    event.listen(session, "after_commit", lambda _: file.unlink(missing_ok=True), once=True)


def _in_use(prompt: Prompt, known: list[Prompt], given: Snapshot) -> bool:
    if not prompt.music:
        return prompt.plays in sounds_used(given)
    last = sum(one.music == prompt.music for one in known) == 1
    return last and prompt.music in music_used(given)


def file_of(folder: Path, prompt: Prompt) -> Path:
    """Where its WAV lies: music in its class's folder."""
    return folder / "music" / prompt.music / f"{prompt.id}.wav" if prompt.music else folder / f"{prompt.id}.wav"


def music_classes(session: Session, folder: Path) -> tuple[tuple[str, str], ...]:
    """(class, folder) of all music."""
    named = sorted({one.music for one in listed(session) if one.music})
    return tuple((name, str(folder / "music" / name)) for name in named)


def place(session: Session, folder: Path, sounds: Path) -> int:
    """Put every prompt that Asterisk has not yet into its sounds folder, and take away those that are gone; how many
    were put. `sounds` is the folder named FOLDER. Raises OSError."""
    sounds.mkdir(parents=True, exist_ok=True)
    wanted = {f"{one.id}.wav": one for one in listed(session) if not one.music}
    put = 0
    for file, prompt in wanted.items():
        if not (sounds / file).exists() and file_of(folder, prompt).exists():
            write(sounds / file, file_of(folder, prompt).read_bytes())
            put += 1
    for old in sounds.glob("p-*.wav"):
        if old.name not in wanted:
            old.unlink(missing_ok=True)
    return put


def library(sounds: Path) -> list[str]:
    """The names of Asterisk's own sounds below a language's folder, as definitions write them."""
    found = {path.relative_to(sounds).with_suffix("") for path in sounds.rglob("*.*") if path.is_file()}
    return sorted(str(one) for one in found if all(_SOUND.fullmatch(part) for part in one.parts))


def write(path: Path, sound: bytes) -> None:
    """Whole or not at all, for us alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".sound-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(sound)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
