"""Prompts and music: what is there, uploads, and texts spoken by espeak-ng."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, StringConstraints

from acd.core.model import SECOND
from api.auth.tokens import Token
from api.bootstrap import PROMPTS, sounds_folder
from api.changing import directory_refused
from api.routes.common import Use, Who
from api.schemas import Asked, Id, moment
from api.services import Services
from directory import prompts
from directory.model import DirectoryError
from directory.prompts import Prompt

router = APIRouter(prefix="/prompts", tags=["prompts"])
Name = Annotated[str, StringConstraints(min_length=1, max_length=prompts.NAME_LENGTH)]
Music = Annotated[str, StringConstraints(max_length=40, pattern=r"^[A-Za-z0-9_-]*$")]


class PromptOut(BaseModel):
    """A sound of ours. `plays` is what definitions write to play it; `music` the class it belongs to, else empty."""

    id: str
    name: str
    plays: str
    music: str
    source: str
    seconds: float
    size: int
    added_at: datetime | None


class Speak(Asked):
    """A text for espeak-ng to say."""

    name: Name
    text: Annotated[str, StringConstraints(min_length=1, max_length=prompts.TEXT_LENGTH)]
    language: Literal["zh", "en"] = "zh"


def _out(given: Prompt) -> PromptOut:
    return PromptOut(
        id=given.id,
        name=given.name,
        plays="" if given.music else given.plays,
        music=given.music,
        source=given.source,
        seconds=given.length / SECOND,
        size=given.size,
        added_at=moment(given.at),
    )


@router.get("")
def list_prompts(use: Use) -> list[PromptOut]:
    """Every one, by name."""
    with use.database.read() as session:
        return [_out(one) for one in prompts.listed(session)]


@router.get("/library")
def library(use: Use, language: Annotated[str, Query(pattern=r"^[a-z]{2}$")] = "en") -> list[str]:
    """The names of Asterisk's own sounds in a language."""
    return prompts.library(sounds_folder(use.settings) / language)


@router.post("", status_code=201)
async def upload(request: Request, name: Annotated[Name, Query()], use: Use, who: Who, music: Music = "") -> PromptOut:
    """A WAV, FLAC, OGG or MP3 sound as the body. It is kept as 8 kHz mono at the level of speech."""
    raw = await request.body()
    return await asyncio.to_thread(_add, use, who, raw, name, music, "upload")


@router.post("/speak", status_code=201)
def speak(asked: Speak, use: Use, who: Who) -> PromptOut:
    """A stand-in by espeak-ng, until somebody has recorded it."""
    try:
        raw = prompts.spoken(asked.text, asked.language)
    except DirectoryError as error:
        raise directory_refused(error) from None
    return _add(use, who, raw, asked.name, "", "espeak-ng")


def _add(use: Services, token: Token, raw: bytes, name: str, music: str, source: str) -> PromptOut:
    folder = use.settings.data_dir / PROMPTS
    try:
        ready = prompts.ready(raw, name, music)
        with use.database.write() as session:
            made = prompts.add(session, folder, ready, at=use.now(), by=f"token:{token.id}", source=source)
    except DirectoryError as error:
        raise directory_refused(error) from None
    return _out(made)


@router.delete("/{prompt}", status_code=204)
def remove(prompt: Id, use: Use) -> None:
    """Take it away; refused while a definition plays it."""
    try:
        with use.database.write() as session:
            prompts.remove(session, use.settings.data_dir / PROMPTS, prompt)
    except DirectoryError as error:
        raise directory_refused(error) from None
