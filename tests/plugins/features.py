"""@pytest.mark.feature("D5"): which feature a test proves, checked against docs/features.toml.

With --results FILE each marked and unmarked test is written there as {nodeid, features, outcome}, which
`make features` reads. Works under xdist: the ids travel with the report.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Generator
from pathlib import Path

import pytest

FEATURES = Path(__file__).resolve().parent.parent.parent / "docs/features.toml"
PROPERTY = "feature"
# A test is as good as its worst phase.
RANK = {"passed": 0, "skipped": 1, "failed": 2}


def pytest_addoption(parser: pytest.Parser) -> None:
    """--results FILE, --only-features."""
    parser.addoption("--only-features", action="store_true", help="run only tests that bear a feature mark")
    parser.addoption("--results", type=Path, default=None, help="write each test's outcome and feature ids there")


def pytest_configure(config: pytest.Config) -> None:
    """The writer runs where reports arrive, not in xdist's workers."""
    target: Path | None = config.getoption("--results")
    if target is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Results(target), "ringside-results")


def ids_of(item: pytest.Item) -> list[str]:
    """The feature ids of a test, in the order of its marks."""
    return [str(name) for mark in item.iter_markers("feature") for name in mark.args]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse an id that is not a feature; put the ids where reports carry them; drop what is not asked."""
    known = tomllib.loads(FEATURES.read_text())
    for item in items:
        ids = ids_of(item)
        unknown = [name for name in ids if name not in known]
        if unknown:
            raise pytest.UsageError(f"{item.nodeid}: no such feature in docs/features.toml: {', '.join(unknown)}")
        item.user_properties.extend((PROPERTY, name) for name in ids)
    if config.getoption("--only-features"):
        items[:] = [item for item in items if ids_of(item)]


class Results:
    """Collects the reports and writes them as one JSON file at the end."""

    def __init__(self, target: Path) -> None:
        """Nothing is written before the session ends."""
        self.target = target
        self.tests: dict[str, dict[str, object]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of the phases."""
        ids = [value for key, value in report.user_properties if key == PROPERTY]
        test = self.tests.setdefault(report.nodeid, {"nodeid": report.nodeid, "features": ids, "outcome": "passed"})
        test["outcome"] = max(str(test["outcome"]), report.outcome, key=RANK.__getitem__)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Write the file; an interrupted run writes what it has."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        found = [self.tests[name] for name in sorted(self.tests)]
        self.target.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return (yield)
