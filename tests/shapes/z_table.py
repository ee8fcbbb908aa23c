"""The Z numbers as a table for `make proof`: what was tried, how often, how often it failed."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
FILES = ("tests/shapes/test_z_numbers.py", "tests/shapes/test_z_faults.py")
TRIED: Mapping[str, str] = {
    "Z1": "answers around the moment the next agent is rung; the core's races",
    "Z6": "declines, no answer, both hang up at once, a phone that dies",
    "Z7": "ends by either side and by both at once",
    "Z8": "poison inputs, a performer that raises",
    "Z9": "callers who give up while waiting, while it rings, as the agent declines",
    "Z10": "attended transfers by a seat of six queues",
    "Z11": "twelve callers at once for four agents",
    "Z12": "agents freed one after the other, with and without callers waiting",
    "Z13": "a transfer with Replaces made on the phone",
    "Z14": "a consultation and a blind transfer, both declined",
    "Z16": "hang-ups and an answer while the ARI connection is cut",
}
_NUMBER = re.compile(r"z(\d\d)_")


def rows() -> list[tuple[str, str, int, int]]:
    """(id, what was tried, tests and tries, failures) of each number. Runs the tests, long ones too; blocking."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "z.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            *FILES,
            "-q",
            "-m",
            "proof or not proof",
            f"--junitxml={report}",
            "-ojunit_family=xunit1",
        ]
        subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    tries, failures = Counter[str](), Counter[str]()
    for number, often, failed in _told(cases):
        tries[number] += often
        failures[number] += failed
    # A number that nobody tried has failed.
    return [
        (number, words, tries[number], failures[number] or int(not tries[number])) for number, words in TRIED.items()
    ]


def _told(cases: list[ElementTree.Element]) -> Iterator[tuple[str, int, bool]]:
    for case in cases:
        failed = case.find("failure") is not None or case.find("error") is not None
        tried = [one.get("value", "1") for one in case.iter("property") if one.get("name") == "tried"]
        for number in _NUMBER.findall(case.get("name", "")):
            yield f"Z{int(number)}", int(tried[0]) if tried else 1, failed
