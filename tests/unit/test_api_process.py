"""What one of the supervisor's children does before it begins: it lets voice go first, and spares collections."""

from __future__ import annotations

import json
import subprocess
import sys

TELL = """
import gc, json, os
from api.commands import process
process.give_way()
process.spare_collections()
print(json.dumps({"nice": os.nice(0), "frozen": gc.get_freeze_count(), "thresholds": gc.get_threshold()}))
"""


def test_a_process_that_shows_gives_way_and_none_looks_through_what_was_imported() -> None:
    before = int(subprocess.run(["nice"], capture_output=True, text=True, check=True).stdout)
    done = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["nice"] == min(19, before + 5)
    assert told["frozen"] > 1000
    assert told["thresholds"] == [10_000, 20, 50]
