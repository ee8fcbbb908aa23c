"""`make features`: which features are proven by which tests, from what the last test runs wrote.

build/results/*.json (from pytest --results) + docs/features.toml -> build/features.json, docs/features.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tools.figures import table
from tools.say import ROOT, say

FEATURES = ROOT / "docs/features.toml"
RESULTS = ROOT / "build/results"
OUTCOME = ROOT / "build/features.json"
PAGE = ROOT / "docs/features.md"

Result = Literal["passed", "failed", "none"]
INTRODUCTION = """# Features

Written by `make features` from the last `make test` and `make proof`. A test bears a feature's id only when
it asserts every number of that feature; *none* means that nothing proves it yet.
"""


@dataclass(frozen=True, slots=True)
class Feature:
    """One line of build/features.json."""

    id: str
    tests: list[str]
    result: Result


def read_results(files: Iterable[Path]) -> dict[str, dict[str, str]]:
    """Feature id -> {test: outcome}, over all result files."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for path in files:
        for test in json.loads(path.read_text()):
            for name in test["features"]:
                found[name][test["nodeid"]] = test["outcome"]
    return found


def judge(outcomes: Mapping[str, str]) -> Result:
    """failed when one test failed; passed when at least one passed; a skipped test proves nothing."""
    values = set(outcomes.values())
    if "failed" in values:
        return "failed"
    return "passed" if "passed" in values else "none"


def features(titles: Mapping[str, str], results: Mapping[str, Mapping[str, str]]) -> list[Feature]:
    """Every feature of the list, in its order."""
    return [Feature(name, sorted(results.get(name, {})), judge(results.get(name, {}))) for name in titles]


def page(titles: Mapping[str, str], found: Iterable[Feature]) -> str:
    """The Markdown page."""
    lines = [INTRODUCTION, "| id | feature | result | tests |", "|---|---|---|---|"]
    for feature in found:
        tests = "<br>".join(f"`{name}`" for name in feature.tests)
        title = titles[feature.id].replace("|", "\\|")
        lines.append(f"| {feature.id} | {title} | {feature.result} | {tests} |")
    return "\n".join(lines) + "\n"


def run_marked_tests() -> None:
    """When no run has left results, run the tests that bear a feature mark (proofs excluded)."""
    say("no results yet: running the tests that name a feature (make test and make proof write them too)")
    RESULTS.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--only-features",
        f"--results={RESULTS}/features.json",
    ]
    subprocess.run(command, cwd=ROOT, check=False)


def main() -> int:
    """Print every id with its tests and result; 1 where a feature's test failed."""
    titles = tomllib.loads(FEATURES.read_text())
    if not list(RESULTS.glob("*.json")):
        run_marked_tests()
    found = features(titles, read_results(sorted(RESULTS.glob("*.json"))))
    rows = [
        (f.id, titles[f.id], f.result, test) if first else ("", "", "", test)
        for f in found
        for first, test in zip([True, *([False] * len(f.tests))], f.tests or [""], strict=False)
    ]
    say(table(rows, ("id", "feature", "result", "tests")))
    count = {kind: sum(f.result == kind for f in found) for kind in ("passed", "failed", "none")}
    proven, failed, none = count["passed"], count["failed"], count["none"]
    say(f"\n{proven} proven, {failed} failed, {none} not proven yet, of {len(found)}")
    OUTCOME.parent.mkdir(parents=True, exist_ok=True)
    OUTCOME.write_text(json.dumps([asdict(f) for f in found], ensure_ascii=False, indent=1) + "\n")
    PAGE.write_text(page(titles, found))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
