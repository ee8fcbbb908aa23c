"""The catalogues are complete: the same keys and places in each language, and every key that the code can ask for."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from acd.core.model import OfferRule, SeatState, Strategy
from acd.core.reply import Code
from acd.why import Rule
from api.commands.common import aligned, printable, width
from api.commands.doctor import Mark
from api.errors import CODE_OF_STATUS
from api.words import LANGUAGES, language_here, language_of, words

API = Path(__file__).resolve().parents[2] / "api"
ASKED = re.compile(
    r"""(?<![\w.])(?:words|say|_words|self\._words|self\.words|context\.words)\(\s*\n?\s*"([a-z_0-9.]+)\""""
)
MADE: dict[str, list[str]] = {
    "seat_state": [state.value for state in SeatState],
    "refused": [rule.value for rule in Rule],
    "rule": [rule.value for rule in OfferRule],
    "strategy": [strategy.value for strategy in Strategy],
    "error": [*(code.value for code in Code), *(code for code in CODE_OF_STATUS.values())],
    "mark": [mark.value for mark in Mark],
    "up": ["database", "asterisk", "engine", "worker", "web", "rescue"],
}


def places(text: str) -> list[str]:
    """The names in braces, sorted."""
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)


def test_every_language_has_the_same_keys_and_places() -> None:
    english = words("en").texts
    for language in LANGUAGES[1:]:
        texts = words(language).texts
        assert texts.keys() == english.keys()
        wrong = [key for key in english if places(texts[key]) != places(english[key])]
        assert wrong == []


def test_no_text_is_empty_or_left_in_english() -> None:
    english, taiwan = words("en").texts, words("zh-TW").texts
    assert all(text.strip() for language in LANGUAGES for text in words(language).texts.values())
    same = {key for key in english if english[key] == taiwan[key]}
    assert same <= {"up.asterisk", "err.away", "head.sha256", "shapes.cell"}


def test_every_key_the_code_asks_for_is_there() -> None:
    asked = {key for path in API.rglob("*.py") for key in ASKED.findall(path.read_text())}
    assert len(asked) > 60
    assert asked - words("en").texts.keys() == set()


@pytest.mark.parametrize("group", sorted(MADE))
def test_every_key_made_from_an_enum_is_there(group: str) -> None:
    assert {f"{group}.{name}" for name in MADE[group]} - words("en").texts.keys() == set()


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("zh_TW.UTF-8", "zh-TW"),
        ("zh-Hant-TW", "zh-TW"),
        ("zh_HK", "zh-TW"),
        ("zh_CN.GB18030", "zh-CN"),
        ("zh-Hans", "zh-CN"),
        ("zh", "zh-CN"),
        ("en_GB.UTF-8", "en"),
        ("C", "en"),
        ("de_DE@euro", "en"),
        ("", "en"),
    ],
)
def test_a_language_tag_is_understood(tag: str, language: str) -> None:
    assert language_of(tag) == language


def test_the_asked_language_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_TW.UTF-8")
    assert language_here() == "zh-TW"
    assert language_here("zh-CN") == "zh-CN"


def test_a_table_is_as_wide_as_its_chinese_letters() -> None:
    lines = list(aligned([["座席", "x"], ["ab", "y"]]))
    assert [width(line) for line in lines] == [7, 7]


def test_what_a_caller_sent_does_not_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\n") == "a�[2Jb�"
