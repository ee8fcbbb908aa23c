"""The plugin that writes which test proves which feature, run by a pytest of its own on small files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.say import ROOT

TESTS = """
import pytest
@pytest.mark.feature("D5", "V3")
def test_good(): pass
@pytest.mark.feature("D5")
def test_bad(): assert 1 == 2
@pytest.mark.feature("D2")
def test_torn(request): request.addfinalizer(lambda: 1 / 0)
def test_plain(): pass
"""


def run(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_small.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = feature(*ids): x\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.plugins.features", "--results", "out/results.json"]
    return subprocess.run(
        [*command, *arguments, "."],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("workers", ["0", "2"])
def test_results_name_tests_ids_and_worst_outcome(tmp_path: Path, workers: str) -> None:
    assert run(tmp_path, TESTS, "-n", workers).returncode == 1
    found = {t["nodeid"].split("::")[1]: t for t in json.loads((tmp_path / "out/results.json").read_text())}
    assert {name: (t["features"], t["outcome"]) for name, t in found.items()} == {
        "test_good": (["D5", "V3"], "passed"),
        "test_bad": (["D5"], "failed"),
        "test_torn": (["D2"], "failed"),
        "test_plain": ([], "passed"),
    }


def test_unknown_feature_stops_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, TESTS.replace('"D2"', '"D99"'))
    assert done.returncode == 4
    assert "no such feature in docs/features.toml: D99" in done.stderr


def test_only_features_leaves_the_rest_out(tmp_path: Path) -> None:
    run(tmp_path, TESTS, "--only-features")
    names = [t["nodeid"].split("::")[1] for t in json.loads((tmp_path / "out/results.json").read_text())]
    assert sorted(names) == ["test_bad", "test_good", "test_torn"]
