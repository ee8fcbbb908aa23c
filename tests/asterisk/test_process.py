"""The Asterisk process: written, started, adopted, stopped, refused."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cti.asterisk import AsteriskFailed, AsteriskProcess, AsteriskStale, process_started, write_tones
from cti.configuration import MODULES, NEVER
from tests.asterisk.conftest import MakeAsterisk
from tests.support.asterisk import asterisk_settings, originate, until


def test_boots_with_exactly_its_modules_and_says_nothing_wrong(asterisk: AsteriskProcess) -> None:
    shown = asterisk.cli("module show")
    loaded = {line.split(".so")[0] for line in shown.splitlines() if ".so" in line and "Not Running" not in line}
    assert loaded >= set(MODULES)
    assert not loaded & set(NEVER)
    assert "ERROR" not in asterisk.log_tail()
    assert "WARNING" not in asterisk.log_tail()
    assert asterisk.version() >= (22, 10, 1)
    assert asterisk.channel_count() == 0


def test_listens_for_programs_on_loopback_only(asterisk: AsteriskProcess) -> None:
    listening = subprocess.run(["ss", "-Hlntp"], capture_output=True, text=True, check=True).stdout
    ours = [line.split()[3] for line in listening.splitlines() if f"pid={asterisk.pid}," in line]
    assert len(ours) == 3  # HTTP, AMI, SIP over TCP
    assert all(address.startswith("127.") for address in ours)


def test_secrets_are_readable_by_their_owner_only(asterisk: AsteriskProcess) -> None:
    etc = asterisk.settings.work / "etc"
    assert {stat.S_IMODE(path.stat().st_mode) for path in etc.iterdir()} == {0o600}
    assert stat.S_IMODE(asterisk.settings.work.stat().st_mode) == 0o700
    assert asterisk.settings.ami_password in (etc / "manager.conf").read_text()
    assert asterisk.settings.ami_password not in repr(asterisk.settings)


def test_a_second_one_adopts_the_first_and_a_changed_one_restarts_it(make_asterisk: MakeAsterisk) -> None:
    first = make_asterisk()
    pid = first.pid
    second = AsteriskProcess(first.settings)
    assert second.ensure() is False
    assert second.pid == pid
    with pytest.raises(AsteriskFailed, match="runs already"):
        second.start()

    changed = AsteriskProcess(replace(first.settings, rtp_end=first.settings.rtp_end - 2), die_with_parent=True)
    assert not changed.current
    assert changed.ensure() is True
    assert process_started(pid) == 0
    changed.stop()
    assert changed.pid == 0


def test_a_changed_one_does_not_cut_calls_unless_told(make_asterisk: MakeAsterisk) -> None:
    first = make_asterisk()
    asyncio.run(originate(first, "Local/*43@agents-echo", "Wait", "30"))
    until(first.channel_count, "a call is up")
    changed = AsteriskProcess(replace(first.settings, rtp_end=first.settings.rtp_end - 2), die_with_parent=True)
    pid = first.pid
    with pytest.raises(AsteriskStale, match="carries 2 channels"):
        changed.ensure()
    assert first.pid == pid
    assert changed.ensure(cut_calls=True) is True
    changed.stop()


def test_a_new_entry_number_and_new_music_are_taken_up_while_calls_go_on(
    make_asterisk: MakeAsterisk, tmp_path: Path
) -> None:
    first = make_asterisk()
    asyncio.run(originate(first, "Local/*43@agents-echo", "Wait", "30"))
    until(lambda: first.channel_count() == 2, "a call is up")
    pid = first.pid
    write_tones(tmp_path / "music.wav", [(440, 1000)])
    changed = AsteriskProcess(replace(first.settings, entries=("81", "99")))
    assert not changed.current
    assert changed.ensure() is False
    assert AsteriskProcess(changed.settings).current
    assert changed.pid == pid
    assert changed.channel_count() == 2
    assert "'99'" in changed.cli("dialplan show entries")
    assert "'82'" not in changed.cli("dialplan show entries")
    tuned = AsteriskProcess(replace(changed.settings, music_dir=str(tmp_path)))
    assert tuned.ensure() is False
    assert tuned.pid == pid
    assert str(tmp_path / "music") in tuned.cli("moh show files")


def test_is_not_taken_for_running_after_kill_9_and_starts_again(make_asterisk: MakeAsterisk) -> None:
    box = make_asterisk()
    box.kill()
    assert box.running() is None
    assert not box.current
    assert box.ensure() is True
    assert box.current


def test_outlives_the_process_that_started_it(asterisk_root: Path, tmp_path: Path) -> None:
    given = asterisk_settings(asterisk_root, tmp_path / "w")
    code = (
        "import os, signal, sys; from cti.asterisk import AsteriskProcess; from cti.config import *;"
        f"AsteriskProcess(with_secrets({given!r})).start(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])
    box = AsteriskProcess(given)
    try:
        assert ended.returncode == -9
        assert box.current
        assert os.getsid(box.pid) == box.pid
    finally:
        box.stop()


def test_a_busy_port_is_named_before_anything_starts(asterisk: AsteriskProcess, tmp_path: Path) -> None:
    given = asterisk_settings(Path(asterisk.settings.root), tmp_path / "w", http_port=asterisk.settings.http_port)
    with pytest.raises(AsteriskFailed, match=f"port 127.0.0.1:{asterisk.settings.http_port} is in use"):
        AsteriskProcess(given).start()


def test_a_configuration_that_cannot_boot_fails_at_once_with_the_log(asterisk_root: Path, tmp_path: Path) -> None:
    box = AsteriskProcess(asterisk_settings(asterisk_root, tmp_path / "w"), die_with_parent=True)
    box.files["modules.conf"] = "[modules]\nautoload = no\nrequire = res_no_such_thing.so\n"
    began = time.monotonic()
    with pytest.raises(AsteriskFailed, match="res_no_such_thing"):
        box.start()
    assert time.monotonic() - began < 10
    assert box.pid == 0
