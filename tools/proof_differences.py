"""Every difference between belief and Asterisk, injected one by one: each healed within 5 s and counted once.

The injections are the tests of TESTS; each records how long its healing took.
"""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree

from cti.resync import Kind
from tools.figures import Row
from tools.say import ROOT, say

LIMIT_S = 5.0
RESULTS = ROOT / "build/results/differences.xml"
TESTS = ("tests/asterisk/test_resync.py", "tests/asterisk/test_conversation_resync.py")


def proof() -> list[Row]:
    """Run the injections; one row a kind."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", *TESTS, "-q", "-o", "junit_family=xunit1", f"--junitxml={RESULTS}"]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    times = healed_times()
    rows = [_row(kind, times.get(kind.value)) for kind in Kind]
    say(f"{len(times)} of {len(Kind)} kinds healed")
    return [*rows, Row("differences, all their tests", "passed" if code == 0 else "failed", "", "passed", code == 0)]


def _row(kind: Kind, seconds: float | None) -> Row:
    name = f"healed and counted once: {kind.value}"
    if seconds is None:
        return Row(name, "not healed", "", f"<= {LIMIT_S:g} s", False)
    return Row(name, seconds, "s", f"<= {LIMIT_S:g}", seconds <= LIMIT_S)


def healed_times() -> dict[str, float]:
    """Kind -> seconds from the injection to the count, as the passed tests recorded them."""
    times: dict[str, float] = {}
    for case in ElementTree.parse(RESULTS).iter("testcase"):  # noqa: S314 - written by our own pytest a moment ago
        if case.find("failure") is None and case.find("error") is None:
            for own in case.iter("property"):
                times[own.get("name", "").removeprefix("healed_")] = float(own.get("value", "inf"))
    return times
