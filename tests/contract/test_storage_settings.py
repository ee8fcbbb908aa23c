"""Settings and secrets: where they come from, what they refuse, and that nobody sees what must not be seen."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from storage.settings import PASSWORD_ALPHABET, SOCKET_PATH_MAX, Settings, load_secrets

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:

    for name in os.environ:
        if name.startswith("RINGSIDE_"):
            monkeypatch.delenv(name)


def test_without_any_setting_all_is_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = Settings()
    assert found.data_dir == tmp_path / "data"
    assert found.main_url == f"sqlite:///{tmp_path}/data/ringside.db"
    assert found.log_url == f"sqlite:///{tmp_path}/data/facts.db"
    assert (found.api_host, found.sip_host) == ("127.0.0.1", "127.0.0.1")
    assert found.emergency_numbers == ("110", "119", "112", "120")
    assert (found.timezone, found.day_starts_at) == (ZoneInfo("Asia/Taipei"), time(0, 0))


def test_an_argument_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["sip_port = 5070", "api_port = 8090", "agi_port = 4600", 'day_starts_at = "05:00"', 'languages = ["en"]']
    (tmp_path / "ringside.toml").write_text("\n".join(lines))
    monkeypatch.setenv("RINGSIDE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RINGSIDE_API_PORT", "8091")
    monkeypatch.setenv("RINGSIDE_AGI_PORT", "4601")
    monkeypatch.setenv("RINGSIDE_EMERGENCY_NUMBERS", "110, 119")
    found = Settings(agi_port=4602)
    assert (found.sip_port, found.api_port, found.agi_port) == (5070, 8091, 4602)
    assert (found.day_starts_at, found.languages, found.emergency_numbers) == (time(5), ("en",), ("110", "119"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sip_port": 0},
        {"sip_port": 65536},
        {"api_port": 5060},
        {"rtp_start": 20000, "rtp_end": 10000},
        {"timezone": "Asia/Nowhere"},
        {"emergency_numbers": "110,1;rm"},
        {"database_url": "mysql://here/db"},
        {"default_region": "tw"},
        {"sip_prot": 5070},
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"data_dir": tmp_path, **wrong})


def test_a_misspelt_name_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ringside.toml").write_text("sip_prot = 5070")
    with pytest.raises(ValidationError, match="sip_prot"):
        Settings(data_dir=tmp_path)


def test_postgres_holds_tables_and_log_and_its_password_is_not_shown(tmp_path: Path) -> None:
    found = Settings(data_dir=tmp_path, database_url="postgresql://me:hidden-word@db/ring")
    assert found.main_url == found.log_url == "postgresql+psycopg://me:hidden-word@db/ring"
    assert found.on_postgres
    assert "hidden-word" not in f"{found} {found!r}"


def test_the_socket_has_a_short_path_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near = Path("/srv/d")
    assert Settings(data_dir=near).socket_path == near / "run" / "engine.sock"
    short = Path(tempfile.mkdtemp(prefix="rs-"))  # tmp_path itself may be longer than a socket's path may be
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    long = [Settings(data_dir=tmp_path / ("客" * 40) / name) for name in ("a", "b")]
    paths = [found.socket_path for found in long]
    assert paths[0] != paths[1]
    assert all(len(bytes(path)) <= SOCKET_PATH_MAX for path in paths)
    long[0].prepare()
    assert stat.S_IMODE(paths[0].parent.stat().st_mode) == 0o700
    shutil.rmtree(short)


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = Settings(data_dir=tmp_path / ("x" * 120))
    (tmp_path / "elsewhere").mkdir()
    found.run_dir.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="RINGSIDE_DATA_DIR"):
        found.prepare()


def test_secrets_are_made_once_for_us_alone_and_never_shown(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first = load_secrets(settings)
    assert load_secrets(settings) == first
    assert load_secrets(Settings(data_dir=tmp_path / "other")) != first
    path = tmp_path / "secrets.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    load_secrets(settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shown = f"{first} {first!r} {[first]}"
    assert first.ari_password not in shown
    assert first.phone_key not in shown
    assert min(len(first.ari_password), len(first.ami_password), len(first.phone_key)) >= 32


def test_processes_that_start_at_once_get_the_same_secrets(tmp_path: Path) -> None:
    code = (
        "import sys; from storage.settings import *; print(load_secrets(Settings(data_dir=sys.argv[1])).ari_password)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    found = {process.communicate(timeout=60)[0] for process in running}
    assert len(found) == 1
    assert len(found.pop().strip()) == 40
    assert [path.name for path in tmp_path.glob(".secrets-*")] == []


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"ari_password": "x"}'])
def test_damaged_secrets_say_so(tmp_path: Path, damage: str) -> None:
    (tmp_path / "secrets.json").write_text(damage)
    with pytest.raises(ValueError, match="damaged"):
        load_secrets(Settings(data_dir=tmp_path))


def test_a_phone_password_is_long_and_differs_by_number_generation_and_installation(tmp_path: Path) -> None:
    here = load_secrets(Settings(data_dir=tmp_path / "a"))
    there = load_secrets(Settings(data_dir=tmp_path / "b"))
    cases = [(here, "8001", 1), (here, "8001", 2), (here, "8002", 1), (there, "8001", 1)]
    words = [secrets.phone_password(number, generation) for secrets, number, generation in cases]
    assert len(set(words)) == 4
    assert all(len(word) == 20 and set(word) <= set(PASSWORD_ALPHABET) for word in words)
    assert here.phone_password("8001", 1) == words[0]


def test_a_token_is_kept_as_a_hash_that_needs_this_installations_pepper(tmp_path: Path) -> None:
    here = load_secrets(Settings(data_dir=tmp_path / "a"))
    there = load_secrets(Settings(data_dir=tmp_path / "b"))
    kept = here.token_hash("rs_1_word")
    assert kept == here.token_hash("rs_1_word")
    assert len({kept, here.token_hash("rs_1_wore"), there.token_hash("rs_1_word")}) == 3
    assert "word" not in kept
