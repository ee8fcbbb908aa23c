"""What a queue says, word for word, and which prompts may be played."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.core.effects import Announce
from acd.core.model import SECOND
from cti.prompts import LONGEST_PARTS, Prompts, media_of, parts_of, upload_name
from cti.speech import LONGEST_WAIT, MINUTE, position_words, wait_words, words_of


@pytest.mark.parametrize(
    ("position", "words"),
    [
        (0, ()),
        (-1, ()),
        (1, ("sound:queue-youarenext",)),
        (2, ("sound:queue-thereare", "number:2", "sound:queue-callswaiting")),
        (999, ("sound:queue-thereare", "number:999", "sound:queue-callswaiting")),
        (1000, ()),
    ],
)
def test_a_place_is_told_in_words(position: int, words: tuple[str, ...]) -> None:
    assert position_words(position) == words


LESS = ("sound:queue-holdtime", "sound:queue-less-than", "number:1", "sound:queue-minute")


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (0, ()),
        (-SECOND, ()),
        (1, LESS),
        (MINUTE - 1, LESS),
        (MINUTE, ("sound:queue-holdtime", "number:1", "sound:queue-minute")),
        (MINUTE + 1, ("sound:queue-holdtime", "number:2", "sound:queue-minutes")),
        (10 * MINUTE, ("sound:queue-holdtime", "number:10", "sound:queue-minutes")),
        (LONGEST_WAIT * MINUTE, ("sound:queue-holdtime", "number:120", "sound:queue-minutes")),
        (LONGEST_WAIT * MINUTE + 1, ()),
    ],
)
def test_a_wait_is_told_in_minutes_rounded_up(wait: int, words: tuple[str, ...]) -> None:
    assert wait_words(wait) == words


def test_place_wait_and_prompt_come_in_that_order() -> None:
    said = words_of(Announce("i", "l", 1, MINUTE, "queue-thankyou&ringside/news", "t"))
    assert said == (
        "sound:queue-youarenext",
        "sound:queue-holdtime",
        "number:1",
        "sound:queue-minute",
        "sound:queue-thankyou",
        "sound:ringside/news",
    )


@pytest.mark.parametrize(
    "prompt",
    ["", "&", "../../etc/passwd", "ringside/../x", "a b", "a'b", "file:/etc/passwd", "http://evil/x.wav", "a\nb", "聲"],
)
def test_what_is_no_prompt_is_not_played(prompt: str) -> None:
    assert media_of(prompt) == ""
    assert words_of(Announce("i", "l", 0, 0, prompt, "t")) == ()


def test_a_prompt_has_a_bounded_number_of_sounds() -> None:
    assert len(parts_of("&".join(["beep"] * LONGEST_PARTS))) == LONGEST_PARTS
    assert parts_of("&".join(["beep"] * (LONGEST_PARTS + 1))) == ()


@given(st.text(max_size=80))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    folder = Path("/sounds")
    try:
        file = folder / f"{upload_name(name)}.wav"
    except ValueError:
        return
    assert file.parent == folder / "ringside"
    assert file.name == f"{name}.wav"


@given(st.text(max_size=80))
def test_whatever_is_played_is_one_line_of_plain_signs(prompt: str) -> None:
    media = media_of(prompt)
    assert media.isascii()
    assert media.isprintable()
    assert ".." not in media
    assert not set(media) & set("'\"&?\\$`<>|(){} ")


def test_what_is_missing_is_named_once_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "ringside").mkdir()
    (tmp_path / "en/queue-thankyou.gsm").touch()
    (tmp_path / "ringside/news.wav").touch()
    (tmp_path / "ringside/bad name.wav").touch()
    prompts = Prompts(tmp_path)
    assert prompts.uploads() == (upload_name("news"),)
    assert prompts.missing(["queue-thankyou&ringside/news", "tone:ring", "number:7"]) == ()
    assert prompts.missing(["ringside/gone&beep", "ringside/gone", "../x"]) == ("ringside/gone", "beep", "../x")
    assert not prompts.there("../en/queue-thankyou")
    assert not prompts.there(f"{tmp_path}/en/queue-thankyou")
