"""The house rules that no linter knows: nothing unfinished, no path or address of a machine, no blanket ignore.

python -m tools.house_rules     prints FILE:LINE: rule, and ends with 1 where one is broken
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.say import ROOT, say

LONGEST_FILE = 500  # lines; a longer one most often holds two ideas


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that must not be found, in the files whose names match."""

    say: str
    pattern: re.Pattern[str]
    files: re.Pattern[str]


CODE = re.compile(r"\.(py|ts|tsx|sh|toml|ini)$|^Makefile$|^\.ci/|^tools/")
LOCKS = re.compile(r"\.lock$")
ANY = re.compile("")
# Written in pieces, so that this file does not break its own rules.
RULES = (
    Rule("nothing is left unfinished", re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"), CODE),
    Rule("nothing is left unfinished", re.compile(r"\braise NotImplemented" r"Error\b"), CODE),
    Rule("no path of one machine", re.compile(r"(?<![\w.}/-])/(wo" r"rk|ro" r"ot|ho" r"me)/\w"), ANY),
    Rule("no address in a lock", re.compile(r"\w+" r"://|index-url|find-links"), LOCKS),
    Rule("an ignore names its code", re.compile(r"# (type: ignore|noqa)(?!\s*[\[:])"), CODE),
    Rule("no test is switched off", re.compile(r"pytest\.mark\.(sk" r"ip|xf" r"ail)\b"), CODE),
)


def committed() -> list[str]:
    """The files of the repository; in a copy without git, all that are not made by the targets."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    made = re.compile(r"^(\.venv|\.asterisk|build|var|\.git|\.\w+_cache|\.hypothesis|dist)/|__pycache__|\.egg-info")
    found = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file())
    return [name for name in found if not made.search(name)]


def broken(name: str, text: str) -> Iterator[str]:
    """Each rule that a file breaks, as FILE:LINE: rule."""
    rules = [rule for rule in RULES if rule.files.search(name)]
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        yield from (f"{name}:{number}: {rule.say}: {line.strip()[:80]}" for rule in rules if rule.pattern.search(line))
    if name.endswith((".py", ".ts", ".tsx")) and len(lines) > LONGEST_FILE:
        say(f"{name}: {len(lines)} lines: two ideas in one file?")


def read(path: Path) -> str:
    """The text of a file; empty for one that is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def main() -> int:
    """Print what is broken."""
    names = committed()
    found = [line for name in names for line in broken(name, read(ROOT / name))]
    for line in found:
        say(line)
    say(f"house rules: {len(names)} files, {len(found)} broken")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
