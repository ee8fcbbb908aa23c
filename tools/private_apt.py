"""apt in a folder of its own, reading from the mirror that this machine's apt uses; standard library only."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.say import SetupFailed

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command and give its standard output; SetupFailed with its last words when it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        check=False,
        text=True,
        capture_output=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode:
        raise SetupFailed(
            f"{shlex.join(str(p) for p in command[:2])} … failed ({done.returncode}):\n{done.stderr[-1500:]}"
        )
    return done.stdout


def os_release() -> dict[str, str]:
    """/etc/os-release as a dictionary."""
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines) if key}


def machine_mirror() -> str:
    """The address of the main archive in this machine's apt settings (never written into the repository)."""
    told = os.environ.get("RINGSIDE_DEBIAN_MIRROR")
    if told:
        return told.rstrip("/")
    system = os_release()
    if system.get("ID") != "debian":
        raise SetupFailed(
            "this machine is not Debian: set RINGSIDE_ASTERISK to an Asterisk 22.10.1 or newer, "
            "or RINGSIDE_DEBIAN_MIRROR to a Debian mirror"
        )
    targets = run(
        "apt-get",
        "indextargets",
        "--no-release-info",
        "--format",
        "$(RELEASE) $(COMPONENT) $(REPO_URI)",
        "Created-By: Packages",
    )
    for line in targets.splitlines():
        release, component, address = line.split(" ", 2)
        if release == system.get("VERSION_CODENAME") and component == "main":
            return address.rstrip("/")
    raise SetupFailed("no Debian mirror in this machine's apt settings; set RINGSIDE_DEBIAN_MIRROR")


class PrivateApt:
    """apt with lists, cache and status of its own in a folder; it never touches the machine's."""

    def __init__(self, home: Path, mirror: str, suite: str, sources: Sequence[str] = ()) -> None:
        """Lay the folder out. Proxy, certificate and date settings of the machine's apt are passed on. Of the suites
        in `sources` it reads the source packages too."""
        self.home, self.archives = home, home / "var/cache/apt/archives"
        for part in (
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/sources.list.d",
            "etc/apt/trusted.gpg.d",
            "var/lib/apt/lists/partial",
            "var/lib/dpkg",
            "var/cache/apt/archives/partial",
        ):
            (home / part).mkdir(parents=True, exist_ok=True)
        (home / "var/lib/dpkg/status").write_text("")
        if not KEYRING.exists():
            raise SetupFailed(f"{KEYRING} is missing: install the package debian-archive-keyring")
        kinds = [("deb", suite), *(("deb-src", name) for name in sources)]
        lines = [f"{kind} [signed-by={KEYRING}] {mirror} {name} main\n" for kind, name in kinds]
        (home / "etc/apt/sources.list").write_text("".join(lines))
        self.architecture = run("dpkg", "--print-architecture").strip()
        own = {
            "Dir": home,
            "Dir::State::status": home / "var/lib/dpkg/status",
            "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d",
            "APT::Architecture": self.architecture,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "4",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
            "Debug::NoLocking": "true",
        }
        self.config = home / "etc/apt/apt.conf"
        self.config.write_text("".join([*machine_acquire(), *(f'{k} "{v}";\n' for k, v in own.items())]))

    def get(self, *arguments: str, cwd: Path | None = None) -> str:
        """apt-get with this folder's settings."""
        return run("apt-get", "-c", self.config, "-qq", *arguments, cwd=cwd)

    def versions(self, package: str) -> list[str]:
        """What the mirror offers of a package, newest first."""
        table = run("apt-cache", "-c", self.config, "madison", package)
        return [line.split("|")[1].strip() for line in table.splitlines() if line.count("|") == 2]

    def closure(self, wanted: Sequence[str]) -> list[tuple[str, str]]:
        """(package, version) of everything that the wanted ones need on an empty machine."""
        plan = run("apt-get", "-c", self.config, "-s", "install", *wanted)
        found = re.findall(r"^Inst (\S+) \((\S+)", plan, re.MULTILINE)
        return sorted(set(found))


def machine_acquire() -> Iterator[str]:
    """The machine's own Acquire settings that decide whether a mirror can be reached and believed."""
    kept = re.compile(r"Acquire::(http|https|Check-Valid-Until|Check-Date|Max-ValidTime|Proxy)", re.IGNORECASE)
    for line in run("apt-config", "dump").splitlines():
        if kept.match(line) and not line.endswith('"";'):
            yield line + "\n"
