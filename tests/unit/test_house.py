"""The tools of the house: which Asterisk is taken, what is refused, how features are judged, what the gates find."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from acd.core.reply import Code
from api.auth.permissions import ENDPOINTS
from api.cli import main
from api.version import VERSION
from tools import features, figures, get_asterisk, guide_lists, house_rules, setup
from tools.get_asterisk import Deb, Lock, check_hashes, choose_version, read_lock, refuse_old, release_of, write_lock
from tools.say import ROOT, SetupFailed

PINNED = "1:22.10.1+dfsg+~cs6.17.60671434-1"
NEWER = "1:22.11.0+dfsg-1"
OLD = "1:22.9.3+dfsg-1"
HATCH = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]


@pytest.mark.parametrize(
    ("text", "release"),
    [
        (PINNED, (22, 10, 1)),
        ("Asterisk 22.10.1~dfsg+~cs6", (22, 10, 1)),
        ("23.0.0-rc1", (23, 0, 0)),
        ("22.11", (22, 11, 0)),
    ],
)
def test_release_is_read_from_every_form(text: str, release: tuple[int, ...]) -> None:
    assert release_of(text) == release


def test_text_without_a_version_is_refused() -> None:
    with pytest.raises(SetupFailed, match="cannot read"):
        release_of("GIT-master")


@pytest.mark.parametrize("version", [OLD, "1:22.10.0-1", "20.15.2", "Asterisk 18.0.0"])
def test_older_than_the_minimum_is_refused_with_the_cve(version: str) -> None:
    with pytest.raises(SetupFailed, match="CVE-2026-57191"):
        refuse_old(version)


def test_pinned_version_is_taken_while_the_mirror_has_it() -> None:
    assert choose_version(PINNED, [NEWER, PINNED]) == (PINNED, None)


def test_newer_version_is_taken_with_a_warning() -> None:
    version, warning = choose_version(PINNED, [NEWER])
    assert version == NEWER
    assert warning is not None
    assert PINNED in warning


def test_mirror_with_only_old_versions_is_refused() -> None:
    with pytest.raises(SetupFailed, match="CVE-2026-57191"):
        choose_version(PINNED, [OLD])


def test_pinned_but_vulnerable_version_is_refused() -> None:
    with pytest.raises(SetupFailed, match="CVE-2026-57191"):
        choose_version(OLD, [PINNED, OLD])


def test_mirror_without_asterisk_is_refused() -> None:
    with pytest.raises(SetupFailed, match="offers no package"):
        choose_version(None, [])


def lock_of(*debs: Deb) -> Lock:
    return Lock("sid", PINNED, "amd64", {deb.name: deb for deb in debs})


def test_same_version_with_another_hash_is_refused() -> None:
    lock = lock_of(Deb("libc6", "2.43-1", "aa"))
    with pytest.raises(SetupFailed, match="sha256"):
        check_hashes([Deb("libc6", "2.43-1", "bb")], lock)


def test_other_versions_than_locked_are_counted() -> None:
    lock = lock_of(Deb("libc6", "2.43-1", "aa"), Deb("libssl3", "3.5-1", "cc"))
    assert check_hashes([Deb("libc6", "2.43-2", "bb"), Deb("libssl3", "3.5-1", "cc")], lock) == 1


def test_lock_survives_writing_and_reading(tmp_path: Path) -> None:
    lock = lock_of(Deb("asterisk", PINNED, "aa"), Deb("libc6", "2.43-1", "bb"))
    write_lock(lock, tmp_path / "lock")
    assert read_lock(tmp_path / "lock") == lock


def test_shipped_lock_pins_a_version_that_may_be_used() -> None:
    lock = read_lock()
    assert lock is not None
    refuse_old(lock.version)
    assert lock.debs["asterisk"].version == lock.version
    assert all(len(deb.sha256) == 64 for deb in lock.debs.values())


def test_no_asterisk_where_the_setting_points(tmp_path: Path) -> None:
    with pytest.raises(SetupFailed, match="no Asterisk there"):
        get_asterisk.link_installed(tmp_path, tmp_path)


def test_installed_asterisk_is_started_as_it_is(tmp_path: Path) -> None:
    program = tmp_path / "there/usr/sbin/asterisk"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho Asterisk 22.12.0\n")
    program.chmod(0o755)
    folder = tmp_path / "folder"
    folder.mkdir()
    get_asterisk.link_installed(tmp_path / "there", folder)
    assert get_asterisk.version_of(folder) == "22.12.0"
    assert (folder / "usr").resolve() == tmp_path / "there/usr"


@pytest.mark.parametrize(
    ("outcomes", "result"),
    [
        ({}, "none"),
        ({"a": "passed"}, "passed"),
        ({"a": "passed", "b": "failed"}, "failed"),
        ({"a": "skipped"}, "none"),
        ({"a": "skipped", "b": "passed"}, "passed"),
    ],
)
def test_feature_is_as_good_as_its_tests(outcomes: dict[str, str], result: str) -> None:
    assert features.judge(outcomes) == result


def test_features_keep_the_order_of_the_list_and_name_their_tests(tmp_path: Path) -> None:
    results = [
        {"nodeid": "t::b", "features": ["D5", "D2"], "outcome": "passed"},
        {"nodeid": "t::a", "features": ["D5"], "outcome": "passed"},
        {"nodeid": "t::c", "features": [], "outcome": "failed"},
    ]
    (tmp_path / "test.json").write_text(json.dumps(results))
    found = features.features({"V1": "phone", "D2": "last", "D5": "again"}, features.read_results(tmp_path.iterdir()))
    assert [(f.id, f.tests, f.result) for f in found] == [
        ("V1", [], "none"),
        ("D2", ["t::b"], "passed"),
        ("D5", ["t::a", "t::b"], "passed"),
    ]


def test_missed_target_makes_the_report_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figures, "FIGURES", tmp_path)
    rows = [figures.Row("match", 1.5, "µs", "<= 3", True, "scan 561 µs"), figures.Row("配對", 4, "µs", "<= 3", False)]
    assert figures.report("bench", rows) == 1
    assert figures.report("fine", rows[:1]) == 0
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["rows"][1]["name"] == "配對"
    assert written["rows"][1]["holds"] is False
    assert len(written["load_average"]) == 3
    shown = capsys.readouterr().out
    assert "load average" in shown
    assert "missed: 配對" in shown


def test_columns_line_up_with_wide_letters() -> None:
    lines = figures.table([("配對", "1"), ("match", "2")], ("name", "n")).splitlines()
    assert lines == ["name   n", "-----  -", "配對   1", "match  2"]


@pytest.mark.parametrize(
    ("name", "line", "rule"),
    [
        ("acd/x.py", "# TO" + "DO later", "unfinished"),
        ("acd/x.py", "    raise NotImplemented" + "Error", "unfinished"),
        ("docs/x.md", "see /wo" + "rk/main", "no path of one machine"),
        ("requirements/x.lock", "--index" + "-url https:" + "//pypi.example/simple", "no address"),
        ("acd/x.py", "x = y  # type: ig" + "nore", "names its code"),
    ],
)
def test_house_rules_find(name: str, line: str, rule: str) -> None:
    assert [found for found in house_rules.broken(name, line) if rule in found]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("acd/x.py", "x = y  # type: ignore[attr-defined]"),
        ("docs/x.md", "the folder build/work/main"),
        ("acd/x.py", "TODOS = 1"),
    ],
)
def test_house_rules_leave_alone(name: str, line: str) -> None:
    assert not list(house_rules.broken(name, line))


def test_locks_hold_hashes_and_no_address() -> None:
    for path in (ROOT / "requirements").glob("*.lock"):
        text = path.read_text()
        assert "://" not in text
        assert text.count("==") <= text.count("--hash=sha256:")


def test_lock_holds_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = (ROOT / "requirements/run.lock").read_text()
    declared = [*project["dependencies"], *project["optional-dependencies"]["softphone"]]
    names = [text.split("[")[0].split("=")[0].split(">")[0].strip() for text in declared]
    assert [name for name in names if f"\n{name}==" not in f"\n{locked}"] == []


def test_running_needs_less_than_testing() -> None:
    run = {need.package for need in setup.NEEDS if need.purpose == "run"}
    assert run == {"python3-venv", "ca-certificates"}
    assert {need.package for need in setup.NEEDS} > run


def test_without_root_the_line_to_run_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    need = setup.Need("postgresql", "tests", "test", lambda: False)
    monkeypatch.setattr(setup, "NEEDS", (need,))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/apt-get")
    with pytest.raises(SystemExit) as ended:
        setup.install_packages("test")
    assert ended.value.code == 3
    assert "apt-get install -y --no-install-recommends postgresql" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["api.md", "command-line.md"])
def test_the_lists_of_the_guide_are_current(name: str) -> None:
    path = guide_lists.GUIDE / name
    assert path.read_text(encoding="utf-8") == guide_lists.pages()[path], (
        "run `python -m tools.guide_lists` and commit what it writes"
    )


def test_every_list_stands_in_the_guide_and_every_endpoint_and_command_in_its_list() -> None:
    assert [path.name for path in guide_lists.pages()] == ["api.md", "command-line.md"]
    listed = guide_lists.endpoints()
    assert all(f"`{method} {path}`" in listed for method, path in ENDPOINTS)
    commands = [line.split("`")[1] for line in guide_lists.commands().splitlines()[2:]]
    assert "config apply FILE [--dry-run]" in commands
    assert "who-serves --entry ENTRY [--caller CALLER] [--at AT] [--keys KEYS]" in commands
    codes = guide_lists.codes()
    assert all(f"`{code}`" in codes for code in Code)


def test_a_list_is_written_between_its_marks_alone() -> None:
    page = "before\n<!-- list: codes -->\nold\n<!-- end -->\nafter\n"
    assert guide_lists.written(page) == f"before\n<!-- list: codes -->\n{guide_lists.codes()}\n<!-- end -->\nafter\n"
    with pytest.raises(KeyError):
        guide_lists.written("<!-- list: nothing -->\n\n<!-- end -->")


def test_the_version_stands_in_one_place() -> None:
    written = re.compile(r"""^(__version__|VERSION|version)\b[^=\n]*=\s*["']\d+\.\d+\.\d+["']""", re.MULTILINE)
    packages = HATCH["build"]["targets"]["wheel"]["packages"]
    sources = [ROOT / "pyproject.toml", *(file for folder in packages for file in (ROOT / folder).rglob("*.py"))]
    found = [str(file.relative_to(ROOT)) for file in sources if written.search(file.read_text(encoding="utf-8"))]
    assert found == ["api/version.py"]
    packaged = [sys.executable, "-m", "hatchling", "version"]
    assert subprocess.run(packaged, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == VERSION
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    latest = re.search(r"^## \[(.+)\] - \d{4}-\d\d-\d\d$", changes, re.MULTILINE)
    assert latest is not None
    assert latest[1] == VERSION


def test_the_command_line_says_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == f"ringside {VERSION}"


def test_another_version_is_installed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ringside` in the environment says the version that it was installed as."""
    lock = setup.LOCKS / "run.lock"
    before = setup.fingerprint(lock)
    (tmp_path / "api").mkdir()
    (tmp_path / "api/version.py").write_text('VERSION = "9.9.9"\n', encoding="utf-8")
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    assert setup.fingerprint(lock) != before


LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(page: Path) -> set[str]:
    """The headings of a page as its links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for file, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if file.startswith(("http:", "https:")):
            continue
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name} links to {file}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {file}#{anchor}"
