"""`make bench`: run every benchmark and end in one table. Names as arguments run those only."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time

import benchmarks
from tools.figures import Row, report
from tools.say import say, stop


def modules(wanted: list[str]) -> list[str]:
    """The names of the benchmark modules, all or the wanted ones."""
    known = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        stop(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    return wanted or known


def main() -> int:
    """Run them one after the other; 1 where a target is missed."""
    found: list[Row] = []
    for name in modules(sys.argv[1:]):
        module = importlib.import_module(f"benchmarks.{name}")
        if not hasattr(module, "rows"):
            continue
        say(f"{name}: {(module.__doc__ or name).splitlines()[0]}")
        began = time.monotonic()
        found.extend(module.rows())
        say(f"{name}: {time.monotonic() - began:.0f} s")
    return report("bench", found)


if __name__ == "__main__":
    sys.exit(main())
