"""The sounds that the directory names and Asterisk does not have: told, refused where they are new, said by espeak-ng
until somebody has recorded them."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy.orm import Session

from cti.prompts import Prompts
from directory import prompts
from directory.definitions import read_snapshot
from directory.model import DirectoryError
from directory.used import prompts_used

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


def make_stand_ins(session: Session, sounds: Path) -> list[str]:
    """Say the name of each missing sound in its place; those that were made. What cannot be said stays missing. Raises
    OSError."""
    made: list[str] = []
    for name in [one for one in missing_sounds(session, sounds) if can_be_said(one)][:MOST_AT_ONCE]:
        if not (sounds / name).parent.resolve().is_relative_to(sounds.resolve()):
            continue  # a language's folder is a link to Asterisk's own
        words = re.sub(r"[/_-]+", " ", name)
        try:
            prompts.write(sounds / f"{name}.wav", prompts.converted(prompts.spoken(words, VOICE)))
        except DirectoryError:
            continue
        made.append(name)
    return made
