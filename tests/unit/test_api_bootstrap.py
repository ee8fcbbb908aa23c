"""What the settings name, wired."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.bootstrap import asterisk_settings
from cti.config import BadSettings
from storage.settings import Settings, load_secrets


@pytest.mark.parametrize(("root", "wired"), [("/srv/ringside/.asterisk", "/srv/ringside/.asterisk"), ("/", "")])
def test_the_asterisk_that_set_up_has_put_in_place_is_the_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, wired: str
) -> None:
    """`RINGSIDE_ASTERISK=/opt/asterisk make run`: tools/setup links it into .asterisk, and it is on no path."""
    monkeypatch.setenv("RINGSIDE_ASTERISK", "/opt/asterisk")
    settings = Settings(data_dir=tmp_path, asterisk_root=Path(root))
    assert asterisk_settings(settings, load_secrets(settings)).root == wired


def test_sip_over_tls_is_a_setting(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, sip_tls_port=5061, sip_tls_cert="/etc/tls/pbx.pem", sip_tls_key="/etc/tls/pbx.key"
    )
    wired = asterisk_settings(settings, load_secrets(settings))
    assert wired.tls
    assert (wired.sip_tls_port, wired.sip_tls_cert, wired.sip_tls_key) == (5061, "/etc/tls/pbx.pem", "/etc/tls/pbx.key")


def test_half_of_sip_over_tls_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, sip_tls_port=5061)
    with pytest.raises(BadSettings, match="needs all of sip_tls_port"):
        asterisk_settings(settings, load_secrets(settings))
