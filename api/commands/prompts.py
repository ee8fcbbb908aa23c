"""`ringside prompt`: sounds of the organisation's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from sqlalchemy.orm import Session

from api.bootstrap import PROMPTS, open_database, sounds_folder
from api.commands.callers import refused
from api.commands.common import CommandFailed, Context, Exit, seconds
from api.commands.seats import BY
from directory import prompts
from directory.model import DirectoryError
from directory.prompts import Prompt

T = TypeVar("T")


def _in_tables(context: Context, work: Callable[[Session, Path], T]) -> T:
    database = open_database(context.settings)
    try:
        with database.write() as session:
            return work(session, context.settings.data_dir / PROMPTS)
    except DirectoryError as error:
        raise refused(error) from None
    finally:
        database.close()


def list_all(context: Context) -> int:
    """Every sound of ours, or with --library Asterisk's English ones."""
    if context.args.library:
        names = prompts.library(sounds_folder(context.settings) / "en")
        context.table(("head.name",), [(name,) for name in names], [{"name": name} for name in names])
        return Exit.OK
    found = _in_tables(context, lambda session, _: prompts.listed(session))
    rows = [(_plays(one), one.name, seconds(one.length), one.source) for one in found]
    plain = [{**asdict(one), "plays": _plays(one)} for one in found]
    context.table(("head.prompt", "head.name", "head.seconds", "head.source"), rows, plain)
    return Exit.OK


def _plays(given: Prompt) -> str:
    return f"music {given.music}" if given.music else given.plays


def add(context: Context) -> int:
    """A WAV, FLAC, OGG or MP3 file; what definitions write to play it."""
    file = Path(context.args.file)
    try:
        with file.open("rb") as opened:
            raw = opened.read(prompts.LARGEST + 1)
    except OSError as error:
        raise CommandFailed(Exit.FAILED, f"{file}: {error.strerror}") from None
    return _keep(context, raw, context.args.name or file.stem, context.args.music, "upload")


def speak(context: Context) -> int:
    """A text as espeak-ng says it: a stand-in until somebody has recorded it."""
    try:
        raw = prompts.spoken(context.args.text, context.args.voice)
    except DirectoryError as error:
        raise refused(error) from None
    return _keep(context, raw, context.args.name or context.args.text[:40], "", "espeak-ng")


def _keep(context: Context, raw: bytes, name: str, music: str, source: str) -> int:
    at = time.time_ns() // 1000
    try:
        ready = prompts.ready(raw, name, music)
    except DirectoryError as error:
        raise refused(error) from None
    made = _in_tables(context, lambda session, folder: prompts.add(session, folder, ready, at=at, by=BY, source=source))
    context.say(_plays(made))
    return Exit.OK


def remove(context: Context) -> int:
    """Take one away."""
    named = context.args.prompt.removeprefix(f"{prompts.FOLDER}/")
    _in_tables(context, lambda session, folder: prompts.remove(session, folder, named))
    context.say(context.words("done"))
    return Exit.OK
