"""Make this folder ready: Debian packages, virtual environment, locked dependencies, private Asterisk.

    tools/setup run     what running needs
    tools/setup test    that, and what the tests need

Idempotent; once done it needs no network. Standard library only, since it runs before anything is installed.
Exit codes: 0 ready, 1 something failed (the last line says what), 3 packages are missing and we are not root.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.get_asterisk import get_asterisk
from tools.say import ROOT, SetupFailed, say, stop

VENV = ROOT / ".venv"
STAMP = VENV / "ringside-stamp"
LOCKS = ROOT / "requirements"
POLICY = Path("/usr/sbin/policy-rc.d")

Purpose = Literal["run", "test"]
PURPOSES: tuple[Purpose, ...] = ("run", "test")  # each holds the ones before it


@dataclass(frozen=True, slots=True)
class Need:
    """A Debian package, what for, and how to see that the thing is there already."""

    package: str
    reason: str
    purpose: Purpose
    there: Callable[[], bool]


def has_file(place: str) -> Callable[[], bool]:
    """True when something matches this glob under / or a program of that name is on the path."""
    return lambda: any(Path("/").glob(place)) or shutil.which(Path(place).name) is not None


def has_ensurepip() -> bool:
    """Debian takes ensurepip out of python3: without it `python -m venv` fails."""
    return importlib.util.find_spec("ensurepip") is not None


NEEDS = (
    Need("python3-venv", "virtual environment", "run", has_ensurepip),
    Need("ca-certificates", "downloads over TLS", "run", has_file("etc/ssl/certs/ca-certificates.crt")),
    Need("postgresql", "tests on a real PostgreSQL", "test", has_file("usr/lib/postgresql/*/bin/postgres")),
    Need("iproute2", "tests look at the ports that are open", "test", has_file("usr/bin/ss")),
    Need("baresip-core", "tests have another maker's phone as an agent's", "test", has_file("usr/bin/baresip")),
    Need("espeak-ng", "tests of the voice that stands in for a missing sound", "test", has_file("usr/bin/espeak-ng")),
    Need("openssl", "tests of SIP over TLS make certificates", "test", has_file("usr/bin/openssl")),
    Need(
        "pulseaudio",
        "tests of the phone's sound have a sound system of their own",
        "test",
        has_file("usr/bin/pulseaudio"),
    ),
    Need("pulseaudio-utils", "they play into it and record", "test", has_file("usr/bin/parec")),
    Need(
        "libasound2-plugins",
        "shows it as ALSA devices",
        "test",
        has_file("usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so"),
    ),
)


def missing(purpose: Purpose) -> list[Need]:
    """The needs of a purpose that this machine does not meet."""
    wanted = PURPOSES[: PURPOSES.index(purpose) + 1]
    return [need for need in NEEDS if need.purpose in wanted and not need.there()]


@contextlib.contextmanager
def services_not_started() -> Iterator[None]:
    """The tests start servers of their own: the packages must not start theirs (Debian policy 9.3.3)."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def install_packages(purpose: Purpose) -> None:
    """Install the Debian packages that this purpose misses."""
    install_needs(lambda: missing(purpose))


def install_needs(look: Callable[[], list[Need]]) -> None:
    """Install the packages that `look` finds missing, or say which and end with code 3 when we may not."""
    needs = look()
    if not needs:
        say("  all there")
        return
    for need in needs:
        say(f"  {need.package}: {need.reason}")
    line = ["apt-get", "install", "-y", "--no-install-recommends", *(need.package for need in needs)]
    if shutil.which("apt-get") is None:
        stop("  this is not a Debian machine: install what is listed above by its own means, then try again", 3)
    if os.geteuid() != 0:
        stop(f"  not root. Run this, then try again:\n    apt-get update && {' '.join(line)}", 3)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with services_not_started():
        for command in (["apt-get", "-q", "update"], [line[0], "-q", *line[1:]]):
            done = subprocess.run(command, env=environment, check=False, text=True, capture_output=True)
            if done.returncode:
                stop(f"  {' '.join(command)} failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    left = look()
    if left:
        stop(f"  still missing after apt-get install: {', '.join(need.package for need in left)}")


def python_kind() -> str:
    """What an environment is bound to; a patch release may come in between, so it is left out."""
    return f"{sys.version_info[:2]} {sys.base_prefix}"


def fingerprint(lock: Path) -> str:
    """What the virtual environment depends on: the locks, our own name, version and commands, and the Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = [*(repr(project[key]) for key in ("name", "scripts")), (ROOT / "api/version.py").read_text()]
    parts = [(LOCKS / "build.lock").read_text(), lock.read_text(), *own, python_kind()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def installed(purpose: Purpose) -> bool:
    """True when the environment holds what this purpose, or one that includes it, needs."""
    if not (VENV / "bin/ringside").exists() or not STAMP.exists():
        return False
    enough = PURPOSES[PURPOSES.index(purpose) :]
    return STAMP.read_text() in {fingerprint(LOCKS / f"{name}.lock") for name in enough}


def pip(*arguments: str, total: int = 0) -> None:
    """pip inside the environment; a line for every tenth package; on failure pip's words and the end."""
    options = "--no-deps --no-build-isolation --retries 5 --disable-pip-version-check --progress-bar off"
    command = [str(VENV / "bin/python"), "-m", "pip", "install", *options.split(), *arguments]
    said: list[str] = []
    seen = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as running:
        for line in running.stdout or ():
            said.append(line)
            if line.startswith("Collecting "):
                seen += 1
                if total and seen % 10 == 0:
                    say(f"  {seen} of {total} packages")
    if running.returncode:
        stop(f"  pip failed:\n{''.join(said[-15:])}")


def install_environment(purpose: Purpose) -> None:
    """Make `.venv`, install the lock (every file checked against its hash) and Ringside itself in place."""
    if installed(purpose):
        say("  as locked")
        return
    lock = LOCKS / f"{purpose}.lock"
    STAMP.unlink(missing_ok=True)
    python = VENV / "bin/python"
    probe = "import pip, sys; print(sys.version_info[:2], sys.base_prefix, end='')"
    known = ""
    if python.exists():
        known = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False).stdout
    if known != python_kind():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    total = sum("==" in line for line in lock.read_text().splitlines())
    pip("--require-hashes", "-r", str(LOCKS / "build.lock"))
    pip("--require-hashes", "-r", str(lock), total=total)
    pip("--editable", ".")
    STAMP.write_text(fingerprint(lock))


def install_asterisk(_purpose: Purpose) -> None:
    """The private Asterisk, or the installed one that RINGSIDE_ASTERISK names."""
    try:
        say(f"  Asterisk {get_asterisk()}")
    except SetupFailed as refused:
        stop(f"  {refused}")


STEPS: tuple[tuple[str, Callable[[Purpose], None]], ...] = (
    ("Debian packages", install_packages),
    ("virtual environment and locked dependencies", install_environment),
    ("private Asterisk", install_asterisk),
)


def main(arguments: Sequence[str]) -> int:
    """Run the steps in order; each says what it does and how long it took."""
    purpose: Purpose = "run"
    match list(arguments):
        case [] | ["run"]:
            purpose = "run"
        case ["test"]:
            purpose = "test"
        case _:
            stop("usage: tools/setup [run|test]", 2)
    os.chdir(ROOT)
    for number, (title, step) in enumerate(STEPS, 1):
        say(f"[{number}/{len(STEPS)}] {title}")
        began = time.monotonic()
        step(purpose)
        spent = time.monotonic() - began
        if spent >= 1:
            say(f"  {spent:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
