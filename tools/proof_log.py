"""The demo's own log, judged: every decision recomputed by the reference matcher, the replay the same bytes.

Runs `ringside up --demo --for SECONDS` in a folder of its own, then `ringside why --all` and `ringside replay --check`
on what it left, in other processes with other hash seeds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

from tests.support.system import System
from tools.figures import Row
from tools.say import ROOT, say

FOLDER = ROOT / "build/demo"
SECONDS = 60


def proof() -> list[Row]:
    """Run it; gives the rows."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    system = System(FOLDER)
    began = time.monotonic()
    say(f"demo for {SECONDS} s")
    demo = _ringside(system, "1", "up", "--demo", "--for", str(SECONDS))
    spent = time.monotonic() - began
    why = _ringside(system, "2", "why", "--all", "--json")
    replay = _ringside(system, "3", "replay", "--check")
    told = json.loads(why.stdout or "[{}]")[0]
    decisions, equal = told.get("decisions", 0), told.get("equal", 0)
    for done in (demo, why, replay):
        if done.returncode:
            say(done.stdout[-2000:] + done.stderr[-2000:])
    enough = "enough" if demo.returncode == 0 else "too few"
    same = "same bytes" if replay.returncode == 0 else "differs"
    whole = why.returncode == 0 and 0 < decisions == equal
    return [
        Row("demo: calls answered with both tones heard", enough, "", ">= 3 calls", demo.returncode == 0),
        Row("demo: from start to stop", spent, "s", peer=f"--for {SECONDS}"),
        Row("decisions recomputed by acd.why, equal", equal, "", f"= {decisions}", whole),
        Row("replay without and with snapshot, other hash seed", same, "", "same bytes", replay.returncode == 0),
    ]


def _ringside(system: System, hash_seed: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", *words],
        cwd=ROOT,
        env={**os.environ, **system.environment, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
