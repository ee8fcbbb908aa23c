"""`make proof`: the long proofs, one after the other, ending in one table.

python -m tools.proof [NAME ...] runs the named ones only; each says on its way how far it is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from tools import proof_core, proof_differences, proof_kill, proof_log, proof_shapes, proof_z
from tools.figures import Row, report
from tools.say import ROOT, say


def proof_tests() -> list[Row]:
    """The tests marked `proof`: matrices and deadlines that are too long for `make test`."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-m", "proof", "-q", "--results=build/results/proof.json"]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    return [
        Row("tests marked proof", "passed" if code == 0 else "failed", "", "passed", code == 0),
        Row("tests marked proof, time", time.monotonic() - began, "s"),
    ]


PROOFS: Mapping[str, Callable[[], list[Row]]] = {
    "core": proof_core.proof,
    "log": proof_log.proof,
    "differences": proof_differences.proof,
    "tests": proof_tests,
    "shapes": proof_shapes.proof,
    "z": proof_z.proof,
    "kill": proof_kill.proof,
}
"""In the order they run: what takes longest comes last."""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PROOFS)}")
    names = parser.parse_args().names or list(PROOFS)
    unknown = [name for name in names if name not in PROOFS]
    if unknown:
        parser.error(f"there is no proof {unknown[0]}; there are {', '.join(PROOFS)}")
    rows: list[Row] = []
    for place, name in enumerate(names, 1):
        say(f"[{place}/{len(names)}] proof {name}")
        rows += PROOFS[name]()
    return report("proof", rows)


if __name__ == "__main__":
    sys.exit(main())
