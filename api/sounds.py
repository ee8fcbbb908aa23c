"""The sounds that the directory names and Asterisk does not have: told, refused where they are new, said by espeak-ng
until somebody has recorded them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from cti.prompts import Prompts
from directory import prompts
from directory.definitions import read_snapshot
from directory.model import DirectoryError
from directory.used import prompts_used

log = structlog.get_logger(__name__)

LIBRARY = "en"
"""The language whose sounds Asterisk falls back to; where its folder is not there, nobody knows what there is."""
MOST_AT_ONCE = 100
VOICE = "en"  # names are of ASCII letters
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(/[A-Za-z0-9][A-Za-z0-9_-]{0,63}){0,3}")
_UPLOADED = f"{prompts.FOLDER}/p-"


def missing_sounds(session: Session, sounds: Path) -> tuple[str, ...]:
    """Each sound that a definition names and that is neither in Asterisk's folder nor among the prompts. None before
    Asterisk's own sounds are in place. Reads the disk."""
    if not (sounds / LIBRARY).is_dir():
        return ()
    kept = {one.plays for one in prompts.listed(session) if not one.music}
    named = [prompt for prompt in prompts_used(read_snapshot(session)) if prompt]
    return tuple(name for name in Prompts(sounds, (LIBRARY,)).missing(named) if name not in kept)


def can_be_said(name: str) -> bool:
    """Whether espeak-ng can stand in for a sound of this name: it is here, the name is words and no upload's id."""
    return bool(prompts.speaker()) and not name.startswith((_UPLOADED, f"{LIBRARY}/")) and bool(_NAME.fullmatch(name))


def refuse_missing(names: tuple[str, ...]) -> None:
    """Raises DirectoryError missing_sound for the first that callers would not hear."""
    for name in names:
        if not can_be_said(name):
            raise DirectoryError(
                "missing_sound",
                f"there is no sound {name[:80]}: `ringside prompt add FILE` uploads one, `ringside prompt say TEXT` has"
                " one said, each gives the name to write; `ringside prompt list --library` shows Asterisk's own",
            )


@dataclass(slots=True)
class StandIns:
    """What stands in for sounds that are nowhere. It remembers what could not be said, so that not every look starts
    espeak-ng for nothing; that is tried again once another sound is missing, and by the next process."""

    missing: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()

    def make(self, session: Session, sounds: Path) -> list[str]:
        """Say the name of each missing sound in its place; those that were made. Raises OSError."""
        missing = frozenset(filter(can_be_said, missing_sounds(session, sounds)))
        if not missing <= self.missing:
            self.failed = frozenset()
        self.missing = missing
        due = sorted(missing - self.failed)[:MOST_AT_ONCE]
        made = [name for name in due if self._said(name, sounds)]
        self.failed |= frozenset(due) - frozenset(made)
        return made

    def _said(self, name: str, sounds: Path) -> bool:
        if not (sounds / name).parent.resolve().is_relative_to(sounds.resolve()):
            log.warning("sound_not_said", sound=name, error="its folder is Asterisk's own")  # a link to a language's
            return False
        try:
            said = prompts.converted(prompts.spoken(re.sub(r"[/_-]+", " ", name), VOICE))
        except DirectoryError as error:
            log.warning("sound_not_said", sound=name, error=error.say)
            return False
        prompts.write(sounds / f"{name}.wav", said)
        return True
