"""Put a private Asterisk into `.asterisk/`: Debian's packages, unpacked, started through their own loader.

Needs neither root nor a chroot and runs no maintainer script. The mirror is that of the machine's own apt.
`asterisk.lock` pins version and hashes; see `choose_version` for what happens when the mirror has moved on.

    tools/get-asterisk            get it, or do nothing when it is there
    tools/get-asterisk --relock   take the newest and write asterisk.lock anew
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.private_apt import PrivateApt, machine_mirror, run
from tools.say import ROOT, SetupFailed, say, stop, warn
from tools.smoke_call import SmokeFailed, smoke_call

TARGET = ROOT / ".asterisk"
LOCK = ROOT / "asterisk.lock"
STAMP = "ringside-asterisk.json"
LAYOUT = 3  # raise it when the folder's form changes, so that old folders are made anew
SUITE = "sid"  # the one suite of Debian that carries Asterisk
MINIMUM = (22, 10, 1)
MINIMUM_REASON = "Asterisk before 22.10.1 has CVE-2026-57191"
PACKAGES = (
    "asterisk",
    "asterisk-modules",
    "asterisk-config",
    "asterisk-core-sounds-en-gsm",
    "asterisk-moh-opsound-gsm",
)

# Wanted by maintainer scripts or by modules we never load (res_snmp, codec_codec2), not by the program.
UNNEEDED = re.compile(
    r"adduser|passwd|login\.defs|debconf|dpkg|tar|perl.*|libperl.*|gnupg.*|gpg.*|dirmngr|pinentry.*|pci\.ids"
    r"|tzdata|libsnmp.*|libcodec2.*|libpam.*|libaudit.*|libsemanage.*|asterisk-core-sounds-en|libc-gconv-modules-extra"
    r"|openssl-provider-legacy|mawk|base-.*|coreutils|libsensors.*|readline-common|sensible-utils|libkmod.*"
    r"|media-types|iso-codes"
)
# usr/share/asterisk/documentation stays: Asterisk reads its own XML at start.
LEFT_OUT = tuple(
    f"--exclude=./usr/{part}"
    for part in (
        "share/doc",
        "share/man",
        "share/locale",
        "share/lintian",
        "share/bug",
        "share/doc-base",
        "share/info",
        "include",
        "lib/systemd",
    )
)

WRAPPER = """#!/bin/sh
# Starts this folder's Asterisk with this folder's loader and libraries. No LD_LIBRARY_PATH is set, so what
# Asterisk starts (an AGI program, say) keeps the machine's own C library.
set -eu
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
export GCONV_PATH="$root/usr/lib/@TRIPLET@/gconv" OPENSSL_MODULES="$root/usr/lib/@TRIPLET@/ossl-modules"
exec "$root/@LOADER@" --argv0 asterisk --inhibit-cache \\
  --library-path "$root/usr/lib/@TRIPLET@:$root/usr/lib" "$root/usr/sbin/asterisk" "$@"
"""


@dataclass(frozen=True, slots=True)
class Deb:
    """One package as unpacked."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Lock:
    """asterisk.lock: the pinned Asterisk, and every package beside it when it was pinned."""

    suite: str
    version: str
    architecture: str
    debs: Mapping[str, Deb]


def release_of(version: str) -> tuple[int, ...]:
    """'1:22.10.1~dfsg-1' or 'Asterisk 22.10.1' -> (22, 10, 1). SetupFailed where there is no number."""
    found = re.search(r"(?:^|[:\s/])(\d+)\.(\d+)(?:\.(\d+))?", version)
    if found is None:
        raise SetupFailed(f"cannot read an Asterisk version from {version!r}")
    return tuple(int(part or 0) for part in found.groups())


def refuse_old(version: str) -> None:
    """Raise SetupFailed for a release older than MINIMUM."""
    if release_of(version) < MINIMUM:
        raise SetupFailed(
            f"Asterisk {version} is refused: {MINIMUM_REASON}. Use 22.10.1 or newer: "
            "run `apt-get update` and `tools/get-asterisk`, or set RINGSIDE_ASTERISK to a newer installation."
        )


def choose_version(pinned: str | None, offered: Sequence[str]) -> tuple[str, str | None]:
    """The version to take from those the mirror offers (newest first), and a warning or None.

    The pinned one when the mirror still has it; else the newest, with a warning (a smoke call follows).
    Raises SetupFailed when the mirror has none or only releases older than MINIMUM.
    """
    if not offered:
        raise SetupFailed(f"the machine's mirror offers no package asterisk in {SUITE}")
    if pinned in offered and pinned is not None:
        refuse_old(pinned)
        return pinned, None
    newest = offered[0]
    refuse_old(newest)
    if pinned is None:
        return newest, None
    if release_of(newest) < release_of(pinned):
        return newest, f"the mirror has Asterisk {newest}, older than the pinned {pinned}, but new enough"
    return newest, f"the mirror no longer has the pinned Asterisk {pinned}; taking {newest}"


def read_lock(path: Path = LOCK) -> Lock | None:
    """The lock, or None where there is none yet."""
    if not path.exists():
        return None
    data = tomllib.loads(path.read_text())
    debs = {name: Deb(name, *(str(part) for part in pair)) for name, pair in data["debs"].items() if len(pair) == 2}
    return Lock(data["suite"], data["version"], data["architecture"], debs)


def write_lock(lock: Lock, path: Path = LOCK) -> None:
    """Write the lock: no address in it, one line a package."""
    lines = [
        "# The Asterisk that Ringside is tested with. Written by `tools/get-asterisk --relock`.",
        "# A newer one is accepted after a smoke call; one older than 22.10.1 never (CVE-2026-57191).",
        f'suite = "{lock.suite}"',
        f'version = "{lock.version}"',
        f'architecture = "{lock.architecture}"',
        "",
        "[debs]  # package = [version, sha256 of the .deb]",
    ]
    lines += [f'"{d.name}" = ["{d.version}", "{d.sha256}"]' for _, d in sorted(lock.debs.items())]
    path.write_text("\n".join(lines) + "\n")


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(apt: PrivateApt, names: Sequence[tuple[str, str]]) -> list[tuple[Deb, Path]]:
    """Fetch the packages (apt checks them against the signed index) and hash each."""
    say(f"  downloading {len(names)} packages of Asterisk and its libraries")
    apt.get("download", *(f"{name}={version}" for name, version in names), cwd=apt.archives)
    found = []
    for name, version in names:
        file_version = version.replace(":", "%3a")
        [path] = apt.archives.glob(f"{name}_{file_version}_*.deb")
        found.append((Deb(name, version, sha256_of(path)), path))
    return found


def check_hashes(debs: Sequence[Deb], lock: Lock | None) -> int:
    """How many packages differ in version from the lock. The same version with another hash is refused."""
    moved = 0
    for deb in debs:
        pinned = lock.debs.get(deb.name) if lock else None
        if pinned and pinned.version == deb.version and pinned.sha256 != deb.sha256:
            raise SetupFailed(f"{deb.name} {deb.version} has not the sha256 that asterisk.lock pins; not used")
        moved += pinned is None or pinned.version != deb.version
    return moved


def unpack(files: Sequence[Path], folder: Path) -> None:
    """Lay the packages' files into the folder; no maintainer script is run."""
    say(f"  unpacking into {TARGET.name}/")
    for part in (
        "bin",
        "sbin",
        "lib",
        "lib64",
    ):  # the suite is usr-merged: tar must meet the links, not make folders
        (folder / "usr" / part).mkdir(parents=True)
        (folder / part).symlink_to(f"usr/{part}")
    for path in files:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(path)], stdout=subprocess.PIPE) as tarred:
            laid = subprocess.run(
                ["tar", "-x", "-C", str(folder), "--no-same-owner", "--keep-directory-symlink", *LEFT_OUT],
                stdin=tarred.stdout,
                check=False,
                capture_output=True,
                text=True,
            )
        if laid.returncode or tarred.returncode:
            raise SetupFailed(f"cannot unpack {path.name}: {laid.stderr[-500:]}")
    sounds = folder / "usr/share/asterisk/sounds"  # the link that the package's own script would make
    voices = sorted(path.name for path in sounds.glob("en_US*") if path.is_dir())
    if voices and not (sounds / "en").exists():
        (sounds / "en").symlink_to(voices[0])
    write_wrapper(folder)


def write_wrapper(folder: Path) -> None:
    """run-bin/asterisk: the one command that everything else starts."""
    [modules] = folder.glob("usr/lib/*/asterisk/modules")
    loaders = sorted((*folder.glob("usr/lib64/ld-linux-*.so.*"), *folder.glob("usr/lib/ld-linux-*.so.*")))
    if not loaders:
        raise SetupFailed("the packages brought no loader (libc6)")
    text = WRAPPER.replace("@TRIPLET@", modules.parent.parent.name)
    write_command(folder, text.replace("@LOADER@", str(loaders[0].relative_to(folder))))


def write_command(folder: Path, text: str) -> None:
    """Write the executable run-bin/asterisk."""
    command = folder / "run-bin/asterisk"
    command.parent.mkdir(exist_ok=True)
    command.write_text(text)
    command.chmod(0o755)


def link_installed(place: Path, folder: Path) -> None:
    """Make `.asterisk` stand for an installed Asterisk: a link to its usr/ and a command that starts it."""
    names = (place, place / "usr/sbin/asterisk", place / "sbin/asterisk")
    binary = next((name.resolve() for name in names if name.is_file() and os.access(name, os.X_OK)), None)
    if binary is None:
        raise SetupFailed(f"RINGSIDE_ASTERISK={place}: no Asterisk there; give the program or its root")
    (folder / "usr").symlink_to(binary.parent.parent)
    starter = binary.parent.parent.parent / "run-bin/asterisk"  # one of our own folders is started through its loader
    write_command(folder, f'#!/bin/sh\nexec {shlex.quote(str(starter if starter.is_file() else binary))} "$@"\n')


def stamp_of(folder: Path) -> dict[str, str]:
    """What the folder says of itself; empty where there is none."""
    path = folder / STAMP
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def wanted_stamp(lock: Lock | None, installed: str | None) -> dict[str, str]:
    """What decides whether a folder that is there is the wanted one."""
    source = installed or (lock.version if lock else "")
    return {"layout": str(LAYOUT), "wanted": source}


def put_in_place(folder: Path, stamp: Mapping[str, str]) -> None:
    """Swap the finished folder in; a half-made one is never seen under the final name."""
    (folder / STAMP).write_text(json.dumps(dict(stamp), indent=1) + "\n")
    old = TARGET.with_name(".asterisk.old")
    shutil.rmtree(old, ignore_errors=True)
    if TARGET.exists():
        TARGET.rename(old)
    folder.rename(TARGET)
    shutil.rmtree(old, ignore_errors=True)


def version_of(folder: Path) -> str:
    """What the program itself says, e.g. '22.10.1~dfsg…'."""
    return run(folder / "run-bin/asterisk", "-V").split(" ", 1)[-1].strip()


def tested(folder: Path) -> None:
    """One call with a tone through the new folder, or SetupFailed."""
    try:
        heard = smoke_call(folder)
    except SmokeFailed as failure:
        raise SetupFailed(f"the smoke call failed: {failure}") from failure
    say(f"  smoke call: {heard}")


def fetch(lock: Lock | None, relock: bool) -> str:
    """Download, unpack, try, and put in place. Gives the version."""
    home, fresh = ROOT / ".asterisk.apt", ROOT / ".asterisk.new"
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        apt = PrivateApt(home, machine_mirror(), SUITE)
        say(f"  reading the package index of Debian {SUITE} from this machine's mirror")
        apt.get("update")
        pinned = lock.version if lock and not relock and lock.architecture == apt.architecture else None
        version, warning = choose_version(pinned, apt.versions("asterisk"))
        own = [f"{name}={version}" for name in PACKAGES if version in apt.versions(name)]
        rest = [name for name in PACKAGES if not any(o.startswith(f"{name}=") for o in own)]
        needed = [pair for pair in apt.closure([*own, *rest]) if not UNNEEDED.fullmatch(pair[0])]
        found = download(apt, needed)
        debs = [deb for deb, _ in found]
        moved = check_hashes(debs, None if relock else lock)
        fresh.mkdir()
        unpack([path for _, path in found], fresh)
        refuse_old(version_of(fresh))
        tested(fresh)
        if warning:
            warn(f"{warning}; the smoke call went well")
        elif pinned and moved:
            say(f"  {moved} libraries are newer than in asterisk.lock; the smoke call went well")
        if relock or lock is None:
            lock = Lock(SUITE, version, apt.architecture, {deb.name: deb for deb in debs})
            write_lock(lock)
        put_in_place(fresh, {**wanted_stamp(lock, None), "version": version})
        return version
    finally:
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)


def use_installed(place: str) -> str:
    """Check an installed Asterisk and make `.asterisk` stand for it. Gives the version."""
    fresh = ROOT / ".asterisk.new"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir()
        link_installed(Path(place).expanduser(), fresh)
        version = version_of(fresh)
        refuse_old(version)
        tested(fresh)
        put_in_place(fresh, {**wanted_stamp(None, place), "version": version})
        return version
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def get_asterisk(relock: bool = False) -> str:
    """Make sure that `.asterisk/` holds a usable Asterisk; no network when it does. Gives the version.

    Raises SetupFailed. When the lock has changed and the mirror cannot be reached, the one that is there
    is kept, with a warning, as long as it is new enough.
    """
    lock, installed = read_lock(), os.environ.get("RINGSIDE_ASTERISK") or None
    there = stamp_of(TARGET)
    wanted = wanted_stamp(lock, installed)
    if not relock and there and all(there.get(key) == value for key, value in wanted.items()):
        refuse_old(there["version"])
        return there["version"]
    if installed:
        return use_installed(installed)
    try:
        return fetch(lock, relock)
    except SetupFailed as refused:
        usable = not relock and there.get("layout") == str(LAYOUT) and release_of(there["version"]) >= MINIMUM
        if not usable:
            raise
        warn(f"{refused}\nkeeping the Asterisk {there['version']} that is here")
        return there["version"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="tools/get-asterisk", description="put a private Asterisk into .asterisk/")
    parser.add_argument("--relock", action="store_true", help="take the newest and write asterisk.lock anew")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        version = get_asterisk(relock=options.relock)
    except SetupFailed as refused:
        stop(f"get-asterisk: {refused}")
    say(f"  Asterisk {version} is in {TARGET.name}/ ({time.monotonic() - began:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
