"""Building pjsua2: what is done stays done, what changed is done anew, what fails says so. Nothing is compiled here."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from tools import build_pjsua2
from tools.build_pjsua2 import SWITCHES, Workshop, lay
from tools.private_apt import PrivateApt
from tools.say import SetupFailed


def opened(home: Path) -> Workshop:
    shop = Workshop(home)
    shop.open()
    return shop


def test_stages_that_are_done_are_not_done_again(tmp_path: Path) -> None:
    shop = opened(tmp_path)
    assert shop.done == []
    shop.finish("source")
    shop.finish("libsrtp")
    assert opened(tmp_path).done == ["source", "libsrtp"]


def test_a_changed_recipe_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(tmp_path).finish("source")
    monkeypatch.setattr(Workshop, "recipe", staticmethod(lambda: "another"))
    assert opened(tmp_path).done == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"recipe": 1}'])
def test_notes_cut_short_begin_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "stages.json").write_text(text)
    assert opened(tmp_path).done == []


def test_a_failing_step_shows_the_end_of_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build_pjsua2, "ROOT", tmp_path)
    with pytest.raises(SetupFailed, match=r"(?s)libraries failed \(3\).*libraries\.log.*no such header"):
        opened(tmp_path).work("libraries", ["sh", "-c", "echo no such header; exit 3"], tmp_path)


def test_a_long_step_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build_pjsua2, "TICK_S", 0.05)
    opened(tmp_path).work("libraries", ["sh", "-c", "echo gcc -o output/a.o a.c; sleep 0.3"], tmp_path)
    assert "1 files compiled so far" in capsys.readouterr().out


def test_a_module_that_does_not_run_is_not_laid_down(tmp_path: Path) -> None:
    old = tmp_path / "site"
    old.mkdir()
    (old / "pjsua2.py").write_text("the one before")
    broken = tmp_path / "broken.whl"
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("pjsua2.py", "raise ImportError('libasound.so.2: no such file')")
    with pytest.raises(SetupFailed, match=r"libasound\.so\.2"):
        lay(broken, old)
    assert (old / "pjsua2.py").read_text() == "the one before"


def test_sound_is_not_switched_off() -> None:
    assert "--disable-sound" not in SWITCHES
    assert {"--disable-video", "--with-external-srtp"} <= set(SWITCHES)


def test_the_recipe_depends_on_the_python(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Workshop.recipe()
    monkeypatch.setattr(sys, "base_prefix", "/elsewhere")
    assert Workshop.recipe() != before


def test_source_packages_are_asked_for_beside_the_others(tmp_path: Path) -> None:
    apt = PrivateApt(tmp_path, "http://mirror.invalid/debian", "sid", sources=("sid", "bookworm"))
    lines = (apt.home / "etc/apt/sources.list").read_text().splitlines()
    assert [(line.split()[0], line.split()[-2]) for line in lines] == [
        ("deb", "sid"),
        ("deb-src", "sid"),
        ("deb-src", "bookworm"),
    ]
