"""The words shown to users, in three languages: small JSON catalogues, one key a sentence, the same keys in each."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LANGUAGES = ("en", "zh-TW", "zh-CN")
FOLDER = Path(__file__).resolve().parent / "catalogue"
_SIMPLE = {"zh": "zh-CN", "zh-hans": "zh-CN", "zh-sg": "zh-CN", "zh-hant": "zh-TW", "zh-hk": "zh-TW", "zh-mo": "zh-TW"}


@dataclass(frozen=True, slots=True)
class Words:
    """One language. `words(key, name=value)` is the sentence with its places filled; an unknown key is a KeyError."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, key: str, /, **values: object) -> str:
        """The sentence of that key."""
        return self.texts[key].format_map(values)

    def find(self, key: str) -> str:
        """The sentence as it stands, or empty."""
        return self.texts.get(key, "")


@functools.cache
def words(language: str) -> Words:
    """The catalogue of one of LANGUAGES."""
    return Words(language, json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8")))


def language_of(tag: str) -> str:
    """Which of LANGUAGES a tag such as zh_TW.UTF-8, zh-Hant or C means; English for what we do not speak."""
    plain = tag.split(".", maxsplit=1)[0].split("@", maxsplit=1)[0].replace("_", "-").lower()
    exact = {name.lower(): name for name in LANGUAGES}
    for length in range(len(plain.split("-")), 0, -1):
        part = "-".join(plain.split("-")[:length])
        if found := exact.get(part) or _SIMPLE.get(part):
            return found
    return "en"


def language_here(asked: str = "") -> str:
    """The language asked for, else the environment's (LC_ALL, LC_MESSAGES, LANG)."""
    tags = (asked, *(os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")))
    return language_of(next((tag for tag in tags if tag), "en"))


def words_for_header(accept: str) -> Words:
    """The words for an Accept-Language header: the first language in it, weights left aside."""
    return words(language_of(accept[:100].split(",", maxsplit=1)[0].split(";", maxsplit=1)[0].strip() or "en"))
