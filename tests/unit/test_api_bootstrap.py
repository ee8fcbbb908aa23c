"""What the settings name, wired."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.bootstrap import asterisk_settings
from storage.settings import Settings, load_secrets


@pytest.mark.parametrize(("root", "wired"), [("/srv/ringside/.asterisk", "/srv/ringside/.asterisk"), ("/", "")])
def test_the_asterisk_that_set_up_has_put_in_place_is_the_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, wired: str
) -> None:
    """`RINGSIDE_ASTERISK=/opt/asterisk make run`: tools/setup links it into .asterisk, and it is on no path."""
    monkeypatch.setenv("RINGSIDE_ASTERISK", "/opt/asterisk")
    settings = Settings(data_dir=tmp_path, asterisk_root=Path(root))
    assert asterisk_settings(settings, load_secrets(settings)).root == wired
