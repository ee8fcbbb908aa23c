"""What can be played: a prompt's name as ARI media, and whether its sound is there.

A name is one of Asterisk's own sounds ("queue-thankyou"), one of ours or an upload ("ringside/NAME", which the
directory puts as 8 kHz WAV into the sounds folder), or ARI media ("tone:ring", "number:7"); "a&b" plays one after the
other. Names come from forms: they never lead out of the folder, and only letters, digits and a few signs get through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BEEP = "beep"
"""Asterisk's own; what follows it is recorded."""
UPLOADS = "ringside"
"""The folder of ours below the sounds folder."""
LONGEST_PARTS = 20

_MEDIA = re.compile(r"(sound:|tone:|recording:|number:|digits:|characters:)?[A-Za-z0-9_./;,=+*!-]{1,200}")
_UPLOAD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LANGUAGE = re.compile(r"[a-z]{2}(_[A-Z]{2})?")
_ENDINGS = ("wav", "gsm", "ulaw", "alaw", "sln", "sln16", "g722", "wav16", "WAV")


def parts_of(prompt: str) -> tuple[str, ...]:
    """The sounds of a prompt in order, each as ARI media; () where any of it cannot be played."""
    parts = [part for part in prompt.split("&") if part]
    if not parts or len(parts) > LONGEST_PARTS or any(not _MEDIA.fullmatch(part) or ".." in part for part in parts):
        return ()
    return tuple(part if ":" in part else f"sound:{part}" for part in parts)


def media_of(prompt: str) -> str:
    """A prompt as ARI's media list; "" for what cannot be played."""
    return ",".join(parts_of(prompt))


def upload_name(name: str) -> str:
    """The prompt's name of an uploaded sound. Raises ValueError for a name that is more than a word."""
    if not _UPLOAD.fullmatch(name):
        raise ValueError(f"sound {name[:20]!r}: a name is 1 to 64 letters, digits, - and _")
    return f"{UPLOADS}/{name}"


@dataclass(frozen=True, slots=True)
class Prompts:
    """The sounds of one Asterisk: `folder` is its sounds folder, `languages` are asked in their order."""

    folder: Path
    languages: Sequence[str] = ("en",)

    def there(self, sound: str) -> bool:
        """Whether a file of that name is there, in a language's folder or beside them. Reads the disk."""
        if not _MEDIA.fullmatch(sound) or ".." in sound or sound.startswith("/"):
            return False
        places = [*(self.folder / name for name in self.languages if _LANGUAGE.fullmatch(name)), self.folder]
        return any((place / f"{sound}.{ending}").is_file() for place in places for ending in _ENDINGS)

    def missing(self, prompts: Iterable[str]) -> tuple[str, ...]:
        """The sounds of these prompts that cannot be played, each once, in order. Reads the disk."""
        return tuple(dict.fromkeys(name for prompt in prompts for name in self._missing(prompt)))

    def _missing(self, prompt: str) -> Iterator[str]:
        parts = parts_of(prompt)
        if not parts:
            yield prompt
        for part in parts:
            kind, _, name = part.partition(":")
            if kind == "sound" and not self.there(name):
                yield name

    def uploads(self) -> tuple[str, ...]:
        """The prompts' names of what was uploaded or made by us, sorted. Reads the disk."""
        found = (path.stem for path in (self.folder / UPLOADS).glob("*.wav"))
        return tuple(sorted(upload_name(name) for name in found if _UPLOAD.fullmatch(name)))
